//! The command of `procmon exec`.

use std::ffi::{OsStr, OsString};
use std::io;
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::process::{Child, Command, ExitStatus};
use std::sync::mpsc;

use anyhow::Context as _;
use tokio::sync::oneshot;

use super::failure::Failure;
use super::privileges;
use crate::capabilities::Plans;
use crate::export::report::printable;

/// Status when procmon itself fails, as env(1) and timeout(1) have it.
pub const FAILED: u8 = 125;

/// A command that is to be started by a thread of its own, which has kept
/// procmon's capabilities until then: the command has those it would have had
/// without procmon.
pub struct Prepared {
    name: OsString,
    start: mpsc::Sender<()>,
    started: mpsc::Receiver<io::Result<u32>>,
    ended: oneshot::Receiver<io::Result<ExitStatus>>,
}

/// A command that runs.
pub struct Running {
    /// Its pid.
    pub pid: u32,
    /// Its status, when it has ended.
    pub ended: oneshot::Receiver<io::Result<ExitStatus>>,
}

impl Prepared {
    /// Prepares a command; `plans` are procmon's own.
    pub fn new(command: &[OsString], plans: Plans) -> anyhow::Result<Self> {
        let name = command[0].clone();
        let command = command.to_vec();
        let (start, told) = mpsc::channel();
        let (tell, started) = mpsc::channel();
        let (give, ended) = oneshot::channel();
        let run = move || {
            // Nobody starts it where procmon failed before.
            let Ok(()) = told.recv() else { return };
            let child = spawn(&command);
            privileges::keep_for(&plans);
            let (pid, child) = match child {
                Ok(child) => (Ok(child.id()), Some(child)),
                Err(error) => (Err(error), None),
            };
            let _ = tell.send(pid);
            if let Some(mut child) = child {
                let _ = give.send(child.wait());
            }
        };
        std::thread::Builder::new()
            .name("procmon-command".to_owned())
            .spawn(run)
            .context("cannot start the thread of the command")?;
        Ok(Self {
            name,
            start,
            started,
            ended,
        })
    }

    /// Starts it.
    ///
    /// # Errors
    /// When it is not there, or cannot be executed.
    pub fn start(self) -> Result<Running, Failure> {
        // A thread that has gone gives no answer either.
        let _ = self.start.send(());
        let started = self.started.recv();
        let pid = started
            .context("the thread of the command panicked")?
            .map_err(|error| not_started(&self.name, &error))?;
        Ok(Running {
            pid,
            ended: self.ended,
        })
    }
}

/// Starts the command with the signals' dispositions as they were.
fn spawn(command: &[OsString]) -> io::Result<Child> {
    let mut child = Command::new(&command[0]);
    child.args(&command[1..]).arg0(&command[0]);
    child.spawn()
}

fn not_started(program: &OsStr, error: &io::Error) -> Failure {
    let program = match program.is_empty() {
        true => "the command's name is empty".into(),
        false => printable(&program.to_string_lossy()).into_owned(),
    };
    match error.kind() {
        io::ErrorKind::NotFound => Failure::Command(127, format!("{program}: not found")),
        io::ErrorKind::PermissionDenied => {
            Failure::Command(126, format!("{program}: not executable: {error}"))
        }
        _ if error.raw_os_error() == Some(libc::ENOEXEC) => {
            Failure::Command(126, format!("{program}: not executable: {error}"))
        }
        _ => Failure::Command(FAILED, format!("{program}: {error}")),
    }
}

/// The command's own status, 128 + n when signal n killed it.
pub fn code(status: ExitStatus) -> u8 {
    let code = status
        .code()
        .or_else(|| status.signal().map(|signal| 128 + signal));
    code.and_then(|code| u8::try_from(code).ok())
        .unwrap_or(FAILED)
}
