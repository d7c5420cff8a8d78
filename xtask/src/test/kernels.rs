//! The tests under other kernels: `cargo xtask vmtest`, counted.

use std::{
    fs,
    path::PathBuf,
    process::{Child, Command, Stdio},
};

use anyhow::{Context as _, Result};

use super::{heading, tally::Tally};
use crate::{shell, vm, workspace};

/// Boots every kernel that can be had, all at once; for the others it says why not.
pub fn tests(filter: Option<&str>, no_vm: bool, tally: &mut Tally) -> Result<()> {
    heading("other kernels");
    let mut machines = Vec::new();
    for series in vm::Series::ALL {
        if no_vm {
            tally.skip(format!("SKIPPED Linux {series}: --no-vm was given"));
        } else if let Err(reason) = vm::prepare(series) {
            let reason = format!("{reason:#}").replace('\n', " ");
            shell::say(&format!("no tests under Linux {series}: {reason}"));
            tally.skip(format!("SKIPPED Linux {series}: {reason}"));
        } else {
            machines.push(Machine::start(series, filter)?);
        }
    }
    for machine in &mut machines {
        heading(&machine.title);
        tally.watch_tests(&machine.title, &mut machine.command)?;
        let skipped = fs::read_to_string(&machine.skipped)
            .with_context(|| format!("cannot read {}", machine.skipped.display()))?;
        tally.take_skipped(skipped.lines().map(str::to_owned).collect());
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
    fn start(series: vm::Series, filter: Option<&str>) -> Result<Self> {
        let skipped = workspace::root().join(format!("target/skipped-tests-{series}.txt"));
        fs::write(&skipped, "").with_context(|| format!("cannot write {}", skipped.display()))?;
        let mut command = Command::new(std::env::current_exe()?);
        command
            .args(["vmtest", "--no-build", "--kernel", &series.to_string()])
            .env(vm::SKIP_LOG, &skipped)
            .stdout(Stdio::piped());
        if let Some(filter) = filter {
            command.args(["--filter", filter]);
        }
        Ok(Self {
            title: format!("Linux {series}"),
            command: command
                .spawn()
                .with_context(|| format!("cannot run {}", shell::line(&command)))?,
            skipped,
        })
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        // It ends by itself, at its time-out at the latest; killed it would leave qemu behind.
        let _ = self.command.wait();
    }
}
