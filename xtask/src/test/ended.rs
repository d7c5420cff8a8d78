//! Programs that are watched to their end.

use std::{
    collections::VecDeque,
    io::{BufRead as _, BufReader, Read},
    process::{Child, ChildStderr, Command, ExitStatus, Stdio},
    thread::{self, JoinHandle},
};

use anyhow::{Context as _, Result};

use super::libtest::{LINES, Told};
use crate::shell;

/// A program made of libtest's tests that has ended.
pub struct Ended {
    /// What it told of its tests.
    pub told: Told,
    /// How it ended.
    pub status: ExitStatus,
    /// The last lines of its stderr.
    pub said: Vec<String>,
}

impl Ended {
    /// Runs it. Each line of its stdout goes to `show`, and its stderr to ours, as they come.
    pub fn of(command: &mut Command, mut show: impl FnMut(&str)) -> Result<Self> {
        let mut child = start(command.stdout(Stdio::piped()))?;
        let stderr = Shown::of(&mut child);
        let stdout = child.stdout.take().context("it has no stdout")?;
        let mut told = Told::default();
        for line in lines(stdout) {
            show(&line);
            told.hear(&line);
        }
        Ok(Self {
            told,
            status: wait(&mut child, command)?,
            said: stderr.text(),
        })
    }
}

/// Runs a program, its output shown: how it ended, and the last lines of its stderr.
pub fn ended(command: &mut Command) -> Result<(ExitStatus, Vec<String>)> {
    let mut child = start(command)?;
    let stderr = Shown::of(&mut child);
    Ok((wait(&mut child, command)?, stderr.text()))
}

fn start(command: &mut Command) -> Result<Child> {
    command
        .stderr(Stdio::piped())
        .spawn()
        .with_context(|| format!("cannot run {}", shell::line(command)))
}

fn wait(child: &mut Child, command: &Command) -> Result<ExitStatus> {
    child
        .wait()
        .with_context(|| format!("cannot wait for {}", shell::line(command)))
}

/// What a child writes to its stderr: shown as it comes, and its last part kept.
struct Shown(Option<JoinHandle<Vec<String>>>);

impl Shown {
    fn of(child: &mut Child) -> Self {
        let stderr = child.stderr.take();
        Self(stderr.map(|stderr| thread::spawn(|| show(stderr))))
    }

    /// Waits for its end.
    fn text(self) -> Vec<String> {
        let ended = self.0.map(JoinHandle::join);
        ended.and_then(Result::ok).unwrap_or_default()
    }
}

fn show(stderr: ChildStderr) -> Vec<String> {
    let mut last = VecDeque::new();
    for line in lines(stderr) {
        eprintln!("{line}");
        if last.len() == LINES {
            last.pop_front();
        }
        last.push_back(line);
    }
    last.into()
}

/// The lines of a stream as they come; what is not UTF-8 is replaced.
fn lines(stream: impl Read) -> impl Iterator<Item = String> {
    let lines = BufReader::new(stream).split(b'\n').map_while(Result::ok);
    lines.map(|line| String::from_utf8_lossy(&line).into_owned())
}
