//! What the tests of this binary share: victims under names of their own.

use std::{fs, path::PathBuf, process::Command};

pub use procmon_tests::watching::*;
use procmon_tests::{Output, Procmon, Program, jsonl::Object, program::SOON, victim};

/// The victim under a name that nothing else on this machine has.
pub struct Named {
    folder: tempfile::TempDir,
    pub name: String,
}

impl Named {
    pub fn new(name: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let name = format!("{name}-{}", std::process::id());
        let named = Self { folder, name };
        fs::copy(victim::path().unwrap(), named.path()).unwrap();
        named
    }

    pub fn path(&self) -> PathBuf {
        self.folder.path().join(&self.name)
    }

    /// With these operations.
    pub fn command(&self, operations: &str) -> Command {
        let mut command = Command::new(self.path());
        command.args(operations.split_whitespace());
        command
    }

    /// Starts it, and waits until it stands at a `wait` before these operations.
    pub fn held_before(&self, operations: &str) -> Program {
        held(&mut self.command(&format!("print-ready wait {operations}")))
    }

    /// What it is by its name.
    pub fn is(&self) -> String {
        format!("executable == \"{}\"", self.name)
    }
}

/// Starts a victim, and waits until it is ready.
pub fn held(command: &mut Command) -> Program {
    let program = Program::start(command).unwrap();
    let ready = |text: &str| text.starts_with("ready ") && text.ends_with('\n');
    program.wait_for_stdout(SOON, ready).unwrap();
    program
}

/// Lets a victim past its `wait`s, to its end.
pub fn finish(mut program: Program) -> Output {
    program.close_stdin();
    program.wait(SOON).unwrap()
}

/// `procmon run --match EXPRESSION --jsonl -`, many times a second.
pub fn matching(expression: &str) -> Procmon {
    run().args(["--match", expression])
}

/// The same without the expression.
pub fn run() -> Procmon {
    every("50ms")
}

/// Starts it, once it watches.
pub fn start(procmon: &Procmon) -> Program {
    procmon.start_watching(LIMIT).unwrap()
}

/// Waits until this holds of the objects it wrote.
pub fn wait_for(procmon: &Program, holds: impl Fn(&[Object]) -> bool) -> Vec<Object> {
    let text = procmon.wait_for_stdout(SOON, |text| holds(&objects(text)));
    objects(&text.unwrap())
}

/// Waits until this many ticks more have shown this process.
pub fn wait_ticks(procmon: &Program, witness: u32, ticks: usize) -> Vec<Object> {
    let seen = of(&objects(&procmon.stdout()), witness).len();
    wait_for(procmon, |objects| {
        of(objects, witness).len() >= seen + ticks
    })
}

/// Ends it by a signal, and reads all it wrote.
pub fn stop(procmon: Program) -> Vec<Object> {
    procmon.signal(libc::SIGINT).unwrap();
    let output = procmon.wait(LIMIT).unwrap();
    assert!(output.status.success(), "{output:?}");
    objects(&output.stdout)
}

/// The pids of these objects, in the order in which they were first seen.
pub fn pids(objects: &[Object]) -> Vec<u32> {
    let mut pids = Vec::new();
    for object in objects {
        if !pids.contains(&object.pid) {
            pids.push(object.pid);
        }
    }
    pids
}

/// `procmon run --jsonl -`, this often.
pub fn every(interval: &str) -> Procmon {
    Procmon::new("run").args(["--interval", interval, "--jsonl", "-"])
}
