//! `cargo xtask bench`: what watching costs, and what others take for it.

mod page;

use std::{
    ffi::OsString,
    fs, io,
    os::unix::process::CommandExt as _,
    process::{Command, ExitCode, Stdio},
};

use anyhow::{Context as _, Result, ensure};

use crate::{build, shell, target::Target, tools::peers, workspace};

const PACKAGE: &str = "procmon-tests";
const PROGRAM: &str = "procmon-bench";
const PAGE: &str = "docs/benchmarks.md";

/// What `cargo xtask bench` takes.
#[derive(clap::Args)]
pub struct Options {
    /// Whole hosts beside process-exporter, psutil and /proc, and what watched work feels
    #[arg(long)]
    peers: bool,
    /// Write the tables to docs/benchmarks.md instead of showing them
    #[arg(long)]
    write: bool,
    /// Options of procmon-bench, as --only SECTION and --quick: `-- --help` shows them
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
    let given = |flag: &str| options.rest.iter().any(|word| word == flag);
    let write = options.write || given("--write");
    let with_peers = options.peers || given("--peers");
    let ours = ["--write", "--peers"];
    let passed = options
        .rest
        .iter()
        .filter(|word| !ours.iter().any(|flag| word == flag));
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
    let mut itself = "cargo xtask bench --write";
    if with_peers {
        command.arg("--peers").envs(peers::environment());
        itself = "cargo xtask bench --peers --write";
    }
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
    write_section(itself, &String::from_utf8_lossy(&output.stdout))?;
    // A limit that does not hold is told by the status, not by an old table.
    Ok(match output.status.success() {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    })
}

fn write_section(command: &str, section: &str) -> Result<()> {
    let path = workspace::root().join(PAGE);
    let old = match fs::read_to_string(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
        read => read.with_context(|| format!("cannot read {}", path.display()))?,
    };
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    }
    fs::write(&path, page::replace(&old, command, section))
        .with_context(|| format!("cannot write {}", path.display()))?;
    shell::say(&format!("wrote {PAGE}"));
    Ok(())
}
