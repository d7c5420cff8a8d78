//! The tests under other kernels: `cargo xtask vmtest`, counted; and meanwhile those of the runner.

use std::{
    fs,
    num::NonZero,
    process::Command,
    sync::{Mutex, mpsc},
    thread,
};

use anyhow::{Context as _, Result, anyhow};

use super::{ended::Ended, heading, runner, tally::Tally};
use crate::{shell, vm, workspace};

/// Boots every machine that can be had, as many at once as there are CPUs; for the others it says
/// why not.
pub fn tests(filter: Option<&str>, no_vm: bool, tally: &mut Tally) -> Result<()> {
    heading("other kernels");
    let mut guests = Vec::new();
    for guest in vm::Guest::TESTED {
        if no_vm {
            tally.skip(format!("SKIPPED {guest}: --no-vm was given"));
        } else if let Err(reason) = vm::prepare(guest) {
            let reason = format!("{reason:#}").replace('\n', " ");
            shell::say(&format!("no tests under {guest}: {reason}"));
            tally.skip(format!("SKIPPED {guest}: {reason}"));
        } else if let Err(error) = vm::build(guest.arch) {
            tally.promise(&guest.to_string(), Err(error));
        } else {
            guests.push(guest);
        }
    }
    let cpus = thread::available_parallelism().map_or(1, NonZero::get);
    let waiting = Mutex::new(guests.into_iter());
    let next = || waiting.lock().ok()?.next();
    let (sender, machines) = mpsc::channel();
    thread::scope(|scope| {
        let runner = scope.spawn(|| runner::tests(filter, no_vm));
        for _ in 0..cpus {
            let sender = sender.clone();
            scope.spawn(move || {
                while let Some(guest) = next() {
                    // Who would receive it has gone with an error of its own.
                    let _ = sender.send((guest, Machine::run(guest, filter)));
                }
            });
        }
        drop(sender);
        for (guest, machine) in machines {
            heading(&guest.to_string());
            let machine = machine?;
            println!("{}", machine.wrote);
            tally.take(&guest.to_string(), machine.ended);
            tally.take_skipped(machine.skipped);
        }
        let runner = runner.join().map_err(|_| anyhow!("its tests panicked"))?;
        runner::count(runner, tally);
        Ok(())
    })
}

/// A `cargo xtask vmtest` that has ended.
struct Machine {
    /// Its stdout: those that run at the same time do not mix theirs.
    wrote: String,
    ended: Ended,
    /// The tests that it skipped.
    skipped: Vec<String>,
}

impl Machine {
    fn run(guest: vm::Guest, filter: Option<&str>) -> Result<Self> {
        let file = format!("target/skipped-tests-{}.txt", guest.slug());
        let skipped = workspace::root().join(file);
        fs::write(&skipped, "").with_context(|| format!("cannot write {}", skipped.display()))?;
        let mut command = Command::new(std::env::current_exe()?);
        command
            .args(["vmtest", "--no-build"])
            .args(guest.arguments())
            .env(vm::SKIP_LOG, &skipped);
        if let Some(filter) = filter {
            command.args(["--filter", filter]);
        }
        let mut wrote = String::new();
        let ended = Ended::of(&mut command, |line| {
            wrote += line;
            wrote.push('\n');
        })?;
        let skipped = fs::read_to_string(&skipped)
            .with_context(|| format!("cannot read {}", skipped.display()))?;
        Ok(Self {
            wrote,
            ended,
            skipped: skipped.lines().map(str::to_owned).collect(),
        })
    }
}
