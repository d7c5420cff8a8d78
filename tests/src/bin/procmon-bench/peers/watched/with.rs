//! With what the work is measured.

use std::{collections::BTreeSet, process::Command, time::Duration};

use anyhow::{Result, ensure};
use procmon_common::probes::{Hook, PROBES, Probe};
use procmon_tests::{Procmon, Program, tracers};

use super::script;
use crate::{
    alone,
    floor::{self, Empty, Hung},
    interrupt,
    peers::tool::Tool,
};

const SOON: Duration = Duration::from_secs(30);

/// One of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum With {
    /// Nobody looks.
    Nothing,
    /// Empty programs on procmon's hooks: what the hooks themselves cost.
    Empty,
    /// `procmon run --all`.
    Procmon,
    /// bpftrace with a script that counts the same.
    Bpftrace,
}

impl With {
    /// All, the base first.
    pub const ALL: [Self; 4] = [Self::Nothing, Self::Empty, Self::Procmon, Self::Bpftrace];

    /// For the table.
    pub fn name(self) -> &'static str {
        match self {
            Self::Nothing => "nothing",
            Self::Empty => "empty programs on the same hooks",
            Self::Procmon => "procmon --all",
            Self::Bpftrace => "bpftrace, the same counts",
        }
    }

    /// Attaches it; it watches until it is dropped.
    pub fn attach(self) -> Result<Attached> {
        let (what, ours) = alone::load(|| {
            Ok(match self {
                Self::Nothing => What::Nothing,
                Self::Empty => {
                    let (mut programs, hooks) = Empty::load()?;
                    What::Empty(programs.hang(&hooks)?, programs)
                }
                Self::Procmon => What::Program(procmon()?),
                Self::Bpftrace => What::Program(bpftrace()?),
            })
        })?;
        Ok(Attached { what, ours })
    }
}

/// Something that watches.
pub struct Attached {
    what: What,
    ours: BTreeSet<u32>,
}

enum What {
    Nothing,
    Empty(Vec<Hung>, Empty),
    Program(Program),
}

impl Attached {
    /// Whether there are programs in the kernel now that were not before.
    pub fn traces(&self) -> bool {
        !self.ours.is_empty()
    }

    /// How long its programs have run that others wait for: an iterator runs
    /// for who reads it.
    pub fn run_time(&self) -> Duration {
        let is_iterator = |probe: &&Probe| matches!(probe.hook, Hook::Iterator(_));
        let iterators: Vec<&str> = PROBES
            .iter()
            .filter(is_iterator)
            .map(|probe| probe.program)
            .collect();
        tracers::run_time(&self.ours, &iterators)
    }

    /// Ends it, and waits until its programs are gone from the kernel: a
    /// program lets go of its hooks after it has ended.
    pub fn end(self) -> Result<()> {
        match self.what {
            What::Nothing => {}
            What::Empty(hung, programs) => drop((hung, programs)),
            What::Program(program) => {
                program.signal(libc::SIGINT)?;
                program.wait(SOON)?;
            }
        }
        let gone = || tracers::loaded().is_ok_and(|loaded| loaded.is_disjoint(&self.ours));
        if !interrupt::wait(SOON, gone)? {
            // The next is measured beside them, which is told.
            alone::note_disturbance();
            eprintln!("  kernel programs did not go within {SOON:?}");
        }
        Ok(())
    }
}

fn procmon() -> Result<Program> {
    let mut command = Procmon::new("run")
        .env(Procmon::LISTEN, "")
        .args(["--all", "--interval", "1s", "--overhead-budget", "off"])
        .args(["--jsonl", "/dev/null"])
        .command()?;
    interrupt::bind(&mut command);
    let program = Program::start(&mut command)?;
    program.wait_for_stderr(SOON, |text| text.contains("watching"))?;
    Ok(program)
}

fn bpftrace() -> Result<Program> {
    let mut command: Command = Tool::Bpftrace.command("usr/bin/bpftrace")?;
    command.env("BPFTRACE_MAP_KEYS_MAX", "65536").args([
        "-B",
        "line",
        "-e",
        &script::script(floor::has_exit),
    ]);
    let mut program = Program::start(&mut command)?;
    let attached = interrupt::wait(SOON, || {
        program
            .stdout()
            .lines()
            .any(|line| line == script::ATTACHED)
            || !program.is_running()
    })?;
    ensure!(
        attached && program.is_running(),
        "bpftrace did not attach: {}",
        program.stderr()
    );
    Ok(program)
}
