//! A victim held at a meeting point until the test lets it go on.

use std::{path::PathBuf, process::Command, time::Duration};

use anyhow::{Context as _, Result};

use crate::{
    cgroup::Cgroup,
    environment,
    program::{Output, Program, SOON},
};

/// Where the victim is.
pub fn path() -> Result<PathBuf> {
    environment::ours(environment::VICTIM, "victim")
}

/// A started victim; its `wait` operations are answered by [`Victim::go`].
pub struct Victim {
    program: Program,
}

impl Victim {
    /// Starts `victim OPERATIONS...`, the operations in one string with blanks between.
    pub fn start(operations: &str) -> Result<Self> {
        let program = Program::start(Command::new(path()?).args(operations.split_whitespace()))?;
        Ok(Self { program })
    }

    /// Starts it and waits until it stands at a `wait` before the given operations.
    pub fn held_before(operations: &str) -> Result<Self> {
        Self::start(&held(operations))?.once_ready()
    }

    /// The same in a cgroup, whose CPU time from then on is the victim's alone.
    pub fn held_in(cgroup: &Cgroup, operations: &str) -> Result<Self> {
        let operations = held(operations);
        let operations: Vec<&str> = operations.split_whitespace().collect();
        let victim = path()?.display().to_string();
        let program = Program::start(&mut cgroup.command(&victim, &operations))?;
        Self { program }.once_ready()
    }

    /// The same as a command changed by the test.
    pub fn held_as(change: impl FnOnce(&mut Command), operations: &str) -> Result<Self> {
        let mut command = Command::new(path()?);
        command.args(held(operations).split_whitespace());
        change(&mut command);
        Self {
            program: Program::start(&mut command)?,
        }
        .once_ready()
    }

    fn once_ready(self) -> Result<Self> {
        self.wait_ready(1)?;
        Ok(self)
    }

    /// Waits for the n-th `ready` line. What it waits for next, it does not yet wait for; a byte
    /// sent now is not lost.
    pub fn wait_ready(&self, n: usize) -> Result<()> {
        self.wait_ready_within(SOON, n)
    }

    /// The same, for what takes long.
    pub fn wait_ready_within(&self, limit: Duration, n: usize) -> Result<()> {
        self.program
            .wait_for_stdout(limit, |text| {
                text.lines()
                    .filter(|line| line.starts_with("ready "))
                    .count()
                    >= n
            })
            .map(drop)
    }

    /// Lets it past one `wait`.
    pub fn go(&mut self) -> Result<()> {
        self.program.send(b"\n")
    }

    /// Its process number.
    pub fn pid(&self) -> u32 {
        self.program.pid()
    }

    /// The process number of the zombie it made.
    pub fn zombie(&self) -> Result<u32> {
        let text = self.program.wait_for_stdout(SOON, |text| {
            text.contains("zombie ") && text.ends_with('\n')
        })?;
        let pid = text.lines().find_map(|line| line.strip_prefix("zombie "));
        pid.context("no zombie")?
            .parse()
            .context("the zombie's pid is not a number")
    }

    /// The program itself.
    pub fn program(&mut self) -> &mut Program {
        &mut self.program
    }

    /// Closes its stdin, so that no `wait` holds it, and waits for its end.
    pub fn finish(self) -> Result<Output> {
        self.finish_within(SOON)
    }

    /// The same of one that has much to do.
    pub fn finish_within(mut self, limit: Duration) -> Result<Output> {
        self.program.close_stdin();
        self.program.wait(limit)
    }
}

fn held(operations: &str) -> String {
    format!("print-ready wait {operations}")
}
