//! The runner of machines on its own bad input: a kernel that panics, and one that hangs.

use std::{
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, ensure};

use super::{heading, tally::Tally};
use crate::vm;

const PANICS: &str = "vmtest_says_that_a_kernel_panics_and_fails";
const HANGS: &str = "vmtest_gives_a_machine_that_hangs_up_and_fails";

/// Boots one machine for each, unless there is none.
pub fn tests(filter: Option<&str>, no_vm: bool, tally: &mut Tally) -> Result<()> {
    heading("the runner of machines");
    let guest = vm::Guest::default();
    let unavailable = match vm::prepare(guest) {
        _ if no_vm => Some("--no-vm was given".to_owned()),
        Ok(_) => None,
        Err(reason) => Some(format!("{reason:#}").replace('\n', " ")),
    };
    for (test, holds) in [(PANICS, panics as fn(vm::Guest) -> _), (HANGS, hangs)] {
        if filter.is_some_and(|filter| !test.contains(filter)) {
            continue;
        }
        match unavailable.as_ref() {
            Some(reason) => tally.skip(format!("SKIPPED {test}: {reason}")),
            None => tally.promise(test, holds(guest)),
        }
    }
    Ok(())
}

fn panics(guest: vm::Guest) -> Result<()> {
    let trigger = "echo c > /proc/sysrq-trigger";
    let said = fails(guest, &["--timeout", "120", "--", "sh", "-c", trigger])?;
    let wanted = "its kernel panicked: sysrq triggered crash";
    ensure!(said.contains(wanted), "no {wanted:?} in {said}");
    Ok(())
}

fn hangs(guest: vm::Guest) -> Result<()> {
    let begun = Instant::now();
    let said = fails(guest, &["--timeout", "10", "--", "sleep", "1000"])?;
    let wanted = "the machine did not power off within 10s; its kernel said last:";
    ensure!(said.contains(wanted), "no {wanted:?} in {said}");
    let took = begun.elapsed();
    ensure!(took < Duration::from_secs(100), "it took {took:?}");
    Ok(())
}

/// Runs a machine that has to fail; what is said of it.
fn fails(guest: vm::Guest, arguments: &[&str]) -> Result<String> {
    let output = Command::new(std::env::current_exe()?)
        .args(["vmtest", "--no-build"])
        .args(guest.arguments())
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .context("cannot run vmtest")?;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    ensure!(
        output.status.code() == Some(1),
        "{} and not 1: {said}",
        output.status
    );
    Ok(said)
}
