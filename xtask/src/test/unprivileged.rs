//! What needs no root: the checks of the source, and the unit tests.

use std::process::Command;

use anyhow::Result;

use super::{heading, tally::Tally};
use crate::workspace;

/// Everything but the kernel half, which builds for its own target only.
const HOST_PACKAGES: &[&str] = &["procmon-common", "procmon-user", "procmon-tests", "xtask"];

/// Format, lints, and the generated documents.
pub fn checks(tally: &mut Tally) -> Result<()> {
    let mut format = workspace::cargo();
    format.args(["fmt", "--all", "--check"]);
    check("format", &mut format, tally)?;
    let mut clippy = workspace::cargo();
    clippy.arg("clippy");
    for package in HOST_PACKAGES {
        clippy.args(["--package", package]);
    }
    clippy.args(["--all-targets", "--quiet", "--", "--deny=warnings"]);
    check("lints", &mut clippy, tally)?;
    let mut docs = Command::new(std::env::current_exe()?);
    check("generated documents", docs.args(["docs", "--check"]), tally)
}

/// One of them, under a heading.
fn check(title: &str, command: &mut Command, tally: &mut Tally) -> Result<()> {
    heading(title);
    tally.check(title, command)
}

/// The unit tests of every package that the host builds.
pub fn tests(filter: Option<&str>, tally: &mut Tally) -> Result<()> {
    heading("unit tests");
    let mut cargo = workspace::cargo();
    // What one binary fails must not keep the next from running.
    cargo.args(["test", "--no-fail-fast"]);
    for package in HOST_PACKAGES {
        cargo.args(["--package", package]);
    }
    cargo.args(["--lib", "--bins"]);
    cargo.arg("--").args(filter);
    tally.run_tests("host: unit tests", &mut cargo)
}
