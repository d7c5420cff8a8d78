//! The tests under other kernels: `cargo xtask vmtest`, counted.

use std::{
    fs,
    num::NonZero,
    path::PathBuf,
    process::{Child, Command, Stdio},
    thread,
};

use anyhow::{Context as _, Result};

use super::{heading, tally::Tally};
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
    for batch in guests.chunks(cpus) {
        let machines: Result<Vec<_>> = batch
            .iter()
            .map(|guest| Machine::start(*guest, filter))
            .collect();
        for mut machine in machines? {
            machine.watch(tally)?;
        }
    }
    Ok(())
}

/// A started `cargo xtask vmtest`.
struct Machine {
    title: String,
    command: Child,
    /// The file in which it lists skipped tests.
    skipped: PathBuf,
}

impl Machine {
    fn start(guest: vm::Guest, filter: Option<&str>) -> Result<Self> {
        let file = format!("target/skipped-tests-{}.txt", guest.slug());
        let skipped = workspace::root().join(file);
        fs::write(&skipped, "").with_context(|| format!("cannot write {}", skipped.display()))?;
        let mut command = Command::new(std::env::current_exe()?);
        command
            .args(["vmtest", "--no-build"])
            .args(guest.arguments())
            .env(vm::SKIP_LOG, &skipped)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        if let Some(filter) = filter {
            command.args(["--filter", filter]);
        }
        Ok(Self {
            title: guest.to_string(),
            command: command
                .spawn()
                .with_context(|| format!("cannot run {}", shell::line(&command)))?,
            skipped,
        })
    }

    fn watch(&mut self, tally: &mut Tally) -> Result<()> {
        heading(&self.title);
        tally.watch_tests(&self.title, &mut self.command)?;
        let skipped = fs::read_to_string(&self.skipped)
            .with_context(|| format!("cannot read {}", self.skipped.display()))?;
        tally.take_skipped(skipped.lines().map(str::to_owned).collect());
        Ok(())
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        // It ends by itself, at its time-out at the latest; killed it would leave qemu behind.
        let _ = self.command.wait();
    }
}
