//! The work that is watched. Each runs in a cgroup of its own, whose CPU time
//! is that of all its processes, dead ones too, in ns.

mod build;
mod pgbench;
mod redis;

use std::{
    net::TcpStream,
    os::unix::process::CommandExt as _,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, anyhow, ensure};
use procmon_tests::{
    Program,
    cgroup::{Cgroup, Controller},
};
use tempfile::TempDir;

use crate::{affinity, interrupt, peers::tool::library_path};

const SOON: Duration = Duration::from_secs(60);

/// What one portion of work took.
#[derive(Clone, Copy, Debug, Default)]
pub struct Took {
    /// CPU time, s.
    pub cpu: f64,
    /// From begin to end, s.
    pub wall: f64,
}

impl Took {
    /// The mean of several.
    fn mean(all: &[Self]) -> Self {
        let mean = |of: fn(&Self) -> f64| all.iter().map(of).sum::<f64>() / all.len() as f64;
        Self {
            cpu: mean(|took| took.cpu),
            wall: mean(|took| took.wall),
        }
    }
}

/// Something to watch.
pub struct Work {
    /// For the table.
    pub name: &'static str,
    /// In one of how many turns it is measured: the less it is slowed, the more it
    /// wants.
    pub every: usize,
    // The order is that of dropping: first who runs, then where.
    server: Option<Program>,
    portion: Vec<String>,
    libraries: Option<PathBuf>,
    cgroup: Cgroup,
    _folder: TempDir,
}

/// Sets up one kind of work, or says why it cannot run here.
pub type Setup = fn() -> Result<Work>;

/// All of them.
pub const WORKS: [(&str, Setup); 3] = [
    ("redis-benchmark", redis::set_up),
    ("pgbench", pgbench::set_up),
    ("make: many small commands", build::set_up),
];

impl Work {
    /// Does so many portions of it; what one took.
    pub fn run_many(&mut self, portions: usize) -> Result<Took> {
        let all: Result<Vec<Took>> = (0..portions).map(|_| self.run()).collect();
        Ok(Took::mean(&all?))
    }

    /// Does one portion of it, a tenth of a second or two.
    pub fn run(&mut self) -> Result<Took> {
        interrupt::check()?;
        let before = self.cgroup.cpu_ns()?;
        let begin = Instant::now();
        let words: Vec<&str> = self.portion.iter().map(String::as_str).collect();
        finish(&mut command(
            &self.cgroup,
            self.libraries.as_deref(),
            &words,
        )?)?;
        let wall = begin.elapsed().as_secs_f64();
        Ok(Took {
            cpu: (self.cgroup.cpu_ns()? - before) as f64 / 1e9,
            wall,
        })
    }
}

impl Drop for Work {
    fn drop(&mut self) {
        if let Some(server) = self.server.take() {
            // Fast shutdown of PostgreSQL, an orderly one of redis; if not,
            // they are killed.
            let _ = server.signal(libc::SIGINT);
            let _ = server.wait(SOON / 6);
        }
    }
}

fn place(name: &str) -> Result<(Cgroup, TempDir)> {
    let cgroup = Cgroup::new(name, &[Controller::Cpu]).map_err(|error| anyhow!("{error}"))?;
    Ok((cgroup, TempDir::new()?))
}

/// Words as a command in a cgroup, with the libraries of this folder; it ends
/// with us. All work is done on one CPU: between several, what a wakeup costs
/// depends on who sleeps where, which is the greatest noise of all.
fn command(cgroup: &Cgroup, root: Option<&Path>, words: &[&str]) -> Result<Command> {
    let (program, arguments) = words.split_first().context("no command")?;
    let mut command = interrupt::bound(cgroup.command(program, arguments));
    // SAFETY: it may be called between fork and exec.
    unsafe { command.pre_exec(affinity::pin) };
    match root {
        Some(root) => command.env("LD_LIBRARY_PATH", library_path(root)?),
        // cargo's own: every program would look for its libraries there.
        None => command.env_remove("LD_LIBRARY_PATH"),
    };
    Ok(command)
}

/// Runs it to its end.
fn finish(command: &mut Command) -> Result<()> {
    let output = command.stdin(Stdio::null()).output()?;
    ensure!(
        output.status.success(),
        "{:?} ended with {}: {}",
        command.get_args().collect::<Vec<_>>(),
        output.status,
        String::from_utf8_lossy(&output.stderr).trim()
    );
    Ok(())
}

/// Starts a server and waits until it takes connections.
fn serve(command: &mut Command, address: &str) -> Result<Program> {
    let mut server = Program::start(command)?;
    let there = interrupt::wait(SOON, || {
        TcpStream::connect(address).is_ok() || !server.is_running()
    })?;
    ensure!(
        there && server.is_running(),
        "the server does not listen on {address}: {}{}",
        server.stdout(),
        server.stderr()
    );
    Ok(server)
}
