//! `cargo xtask bench`: what watching costs.

use std::{
    ffi::OsString,
    fs,
    os::unix::process::CommandExt as _,
    process::{Command, ExitCode, Stdio},
};

use anyhow::{Context as _, Result, ensure};

use crate::{build, shell, target::Target, workspace};

const PACKAGE: &str = "procmon-tests";
const PROGRAM: &str = "procmon-bench";
const TABLE: &str = "docs/benchmarks.md";

/// What `cargo xtask bench` takes.
#[derive(clap::Args)]
pub struct Options {
    /// Write the table to docs/benchmarks.md instead of showing it
    #[arg(long)]
    write: bool,
    /// Options of procmon-bench
    #[arg(
        trailing_var_arg = true,
        allow_hyphen_values = true,
        value_name = "BENCH OPTIONS"
    )]
    rest: Vec<OsString>,
}

/// Builds procmon and the benchmark in release and runs it; it must be run as root.
pub fn run(options: &Options) -> Result<ExitCode> {
    // clap leaves everything after the first option it does not know to us.
    let write = options.write || options.rest.iter().any(|word| word == "--write");
    let passed = options.rest.iter().filter(|word| *word != "--write");
    let procmon = build::procmon(&Target::host())?;
    let mut cargo = workspace::cargo();
    shell::run(cargo.args(["build", "--release", "--package", PACKAGE, "--bins"]))?;
    let release = workspace::target().join("release");
    let mut command = Command::new(release.join(PROGRAM));
    command
        .args(passed)
        .env("PROCMON_BIN", procmon)
        .env("VICTIM_BIN", release.join("victim"))
        .current_dir(workspace::root());
    if !write {
        let error = command.exec();
        return Err(error).with_context(|| format!("cannot run {}", shell::line(&command)));
    }
    let output = command
        .arg("--document")
        .stderr(Stdio::inherit())
        .output()
        .with_context(|| format!("cannot run {}", shell::line(&command)))?;
    ensure!(!output.stdout.is_empty(), "{PROGRAM} measured nothing");
    let path = workspace::root().join(TABLE);
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    }
    fs::write(&path, output.stdout).with_context(|| format!("cannot write {}", path.display()))?;
    shell::say(&format!("wrote {TABLE}"));
    // A limit that does not hold is told by the status, not by an old table.
    Ok(match output.status.success() {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    })
}
