//! `cargo xtask test`: everything, in the order in which failures are cheapest to find.

mod fresh;
mod kernels;
mod privileged;
mod runner;
mod tally;
mod unprivileged;

use std::{
    process::{Command, ExitCode},
    time::Instant,
};

use anyhow::Result;

pub use self::privileged::build as binaries;
use self::tally::Tally;
use crate::{build, shell, target::Target};

/// What `cargo xtask test` takes.
#[derive(clap::Args)]
pub struct Options {
    /// Only tests whose name, or whose binary's, contains this; leaves the checks of the source out
    filter: Option<String>,
    /// Leave out the tests under other kernels, which boot emulated machines
    #[arg(long)]
    no_vm: bool,
}

/// Runs all steps, even after one has failed, and ends with the total.
pub fn run(options: &Options) -> Result<ExitCode> {
    let mut tally = Tally::default();
    let filter = options.filter.as_deref();
    heading("build");
    build::procmon(&Target::host())?;
    if filter.is_none() {
        unprivileged::checks(&mut tally)?;
    }
    unprivileged::tests(filter, &mut tally)?;
    privileged::tests(filter, &mut tally)?;
    kernels::tests(filter, options.no_vm, &mut tally)?;
    runner::tests(filter, options.no_vm, &mut tally)?;
    if filter.is_none() {
        fresh::tests(&mut tally)?;
    }
    Ok(tally.report())
}

/// Begins a step, visibly.
fn heading(title: &str) {
    eprintln!("\n=== {title}");
}

/// Runs a check that either holds or does not: one test of the total.
fn check(title: &str, command: &mut Command, tally: &mut Tally) -> Result<()> {
    heading(title);
    let begun = Instant::now();
    match shell::run(command) {
        Ok(()) => {
            shell::say(&format!(
                "{title}: ok, {:.1} s",
                begun.elapsed().as_secs_f64()
            ));
            tally.passed += 1;
        }
        Err(error) => tally.fail(format!("{title}: {error:#}")),
    }
    Ok(())
}
