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

/// How a test went.
pub enum Went {
    /// It could not be run, and why.
    Skipped(String),
    /// Whether what it promises holds.
    Ran(Result<()>),
}

/// Boots one machine for each test, unless there is none. They mostly wait.
pub fn tests(filter: Option<&str>, no_vm: bool) -> Vec<(&'static str, Went)> {
    let guest = vm::Guest::default();
    let unavailable = match vm::prepare(guest) {
        _ if no_vm => Some("--no-vm was given".to_owned()),
        Ok(_) => None,
        Err(reason) => Some(format!("{reason:#}").replace('\n', " ")),
    };
    let tests = [(PANICS, panics as fn(vm::Guest) -> _), (HANGS, hangs)];
    let wanted = |test: &str| filter.is_none_or(|filter| test.contains(filter));
    let went = |holds: fn(vm::Guest) -> _| match &unavailable {
        Some(reason) => Went::Skipped(reason.clone()),
        None => Went::Ran(holds(guest)),
    };
    let wanted = tests.into_iter().filter(|(test, _)| wanted(test));
    wanted.map(|(test, holds)| (test, went(holds))).collect()
}

/// Counts them.
pub fn count(tests: Vec<(&str, Went)>, tally: &mut Tally) {
    heading("the runner of machines");
    for (test, went) in tests {
        match went {
            Went::Skipped(reason) => tally.skip(format!("SKIPPED {test}: {reason}")),
            Went::Ran(holds) => tally.promise(test, holds),
        }
    }
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
