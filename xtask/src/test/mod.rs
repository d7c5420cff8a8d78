//! `cargo xtask test`: everything, in the order in which failures are cheapest to find.

mod ended;
mod fresh;
mod kernels;
mod libtest;
mod privileged;
mod runner;
mod tally;
mod unprivileged;

use std::process::ExitCode;

use anyhow::Result;

pub use self::privileged::build as binaries;
use self::tally::Tally;
use crate::{build, target::Target};

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
    if filter.is_none() {
        fresh::tests(&mut tally)?;
    }
    Ok(tally.report())
}

/// Begins a step, visibly.
fn heading(title: &str) {
    eprintln!("\n=== {title}");
}
