//! Processes that sleep: children of a process of our own, which has nothing
//! else and so is cheap to fork. They end with it, and it with us.

use std::{
    io::{self, BufRead as _, BufReader, Write as _},
    process::{Child, ChildStdin, ChildStdout, Stdio},
};

use anyhow::{Context as _, Result, bail, ensure};

use crate::{interrupt, worker::ourselves};

/// Some thousands of them; they end when it is dropped.
pub struct Crowd {
    parent: Child,
    orders: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
    pids: Vec<u32>,
}

impl Crowd {
    /// Nobody yet.
    pub fn start() -> Result<Self> {
        let mut parent = interrupt::bound(ourselves("crowd")?)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .context("cannot start the crowd's parent")?;
        let orders = parent.stdin.take();
        let answers = BufReader::new(parent.stdout.take().context("no stdout")?);
        Ok(Self {
            parent,
            orders,
            answers,
            pids: Vec::new(),
        })
    }

    /// Grows to this many.
    ///
    /// # Errors
    /// When the machine does not allow it: the reason why.
    pub fn grow(&mut self, number: usize) -> Result<()> {
        let more = number.saturating_sub(self.pids.len());
        let orders = self.orders.as_mut().context("no stdin")?;
        writeln!(orders, "{more}")?;
        let mut line = String::new();
        self.answers.read_line(&mut line)?;
        let Some((pids, reason)) = line.trim_end().split_once(';') else {
            bail!("the crowd's parent has gone: {line:?}");
        };
        for pid in pids.split_whitespace() {
            self.pids.push(pid.parse()?);
        }
        let have = self.pids.len();
        ensure!(have == number, "{have} of {number} processes: {reason}");
        Ok(())
    }

    /// Who they are.
    pub fn pids(&self) -> &[u32] {
        &self.pids
    }
}

impl Drop for Crowd {
    fn drop(&mut self) {
        // Its end of the pipe is its end.
        self.orders = None;
        let _ = self.parent.wait();
    }
}

/// Forks as many as each line of stdin says and answers with their pids, and
/// why they are not more; ends them all with stdin.
pub fn serve() -> Result<()> {
    let mut pids = Vec::new();
    let null = std::fs::OpenOptions::new()
        .read(true)
        .write(true)
        .open("/dev/null")?;
    for order in io::stdin().lines() {
        let mut reason = String::new();
        let mut answer = String::new();
        for _ in 0..order?.trim().parse::<u64>()? {
            match child(&null) {
                Ok(pid) => {
                    pids.push(pid);
                    answer += &format!("{pid} ");
                }
                Err(error) => {
                    reason = format!("fork: {error}");
                    break;
                }
            }
        }
        println!("{answer};{reason}");
    }
    for pid in &pids {
        // SAFETY: children of ours that were not waited for.
        unsafe { libc::kill(*pid, libc::SIGKILL) };
    }
    for pid in &pids {
        // SAFETY: the status is not asked for.
        unsafe { libc::waitpid(*pid, std::ptr::null_mut(), 0) };
    }
    Ok(())
}

/// A process that sleeps until it is killed, or its parent ends.
fn child(null: &std::fs::File) -> io::Result<i32> {
    use std::os::fd::AsRawFd as _;
    let (parent, null) = (std::process::id() as i32, null.as_raw_fd());
    // SAFETY: the child calls the system and nothing else, and never returns.
    unsafe {
        match libc::fork() {
            -1 => Err(io::Error::last_os_error()),
            0 => {
                libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL);
                libc::dup2(null, 0);
                libc::dup2(null, 1);
                libc::close(null);
                while libc::getppid() == parent {
                    libc::pause();
                }
                libc::_exit(0)
            }
            pid => Ok(pid),
        }
    }
}
