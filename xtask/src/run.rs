//! `cargo xtask run`: build, get privilege, become procmon.

use std::{
    env,
    ffi::{OsStr, OsString},
    fs,
    os::unix::{ffi::OsStrExt as _, fs::MetadataExt as _, process::CommandExt as _},
    path::Path,
    process::{Command, ExitCode},
};

use anyhow::{Context as _, Result};

use crate::{build, shell, target::Target};

/// procmon's status for "privilege is missing".
const NO_PRIVILEGE: u8 = 3;

/// What `cargo xtask run` takes.
#[derive(clap::Args)]
pub struct Options {
    /// Watch this process; may be given several times
    #[arg(long, value_name = "N")]
    pid: Vec<OsString>,
    /// Options of `procmon run`, such as --all, --duration 30s or --otlp
    #[arg(last = true, value_name = "PROCMON OPTIONS")]
    rest: Vec<OsString>,
}

/// Builds procmon and becomes it, so that signals and its exit status are its own.
pub fn run(options: &Options) -> Result<ExitCode> {
    let binary = build::procmon(&Target::host())?;
    let arguments = arguments(options);
    let mut command = if is_root()? || wants_no_privilege(&options.rest) {
        Command::new(&binary)
    } else if let Some(sudo) = shell::which("sudo") {
        shell::say("kernel programs need root: asking sudo (with `-- --no-ebpf` it is not needed)");
        with_sudo(&sudo, &binary)
    } else {
        let mut wanted = Command::new(&binary);
        wanted.args(&arguments);
        shell::say(&format!(
            "loading kernel programs needs root, and there is no sudo here. As root, run\n    {}\nor watch \
             from /proc alone, without privilege, by adding --no-ebpf after --",
            shell::line(&wanted)
        ));
        return Ok(ExitCode::from(NO_PRIVILEGE));
    };
    command.args(&arguments);
    let error = command.exec();
    Err(error).with_context(|| format!("cannot run {}", shell::line(&command)))
}

fn arguments(options: &Options) -> Vec<OsString> {
    let mut arguments = vec![OsString::from("run")];
    for pid in &options.pid {
        arguments.push("--pid".into());
        arguments.push(pid.clone());
    }
    arguments.extend(options.rest.iter().cloned());
    arguments
}

/// `procmon` with root's rights and the variables that steer it, which sudo drops by itself.
fn with_sudo(sudo: &Path, binary: &Path) -> Command {
    let kept: Vec<String> = env::vars_os()
        .filter_map(|(name, _)| name.into_string().ok())
        .filter(|name| {
            ["OTEL_", "PROCMON_", "RUST_"]
                .iter()
                .any(|prefix| name.starts_with(prefix))
                || ["NO_COLOR", "TERM", "COLUMNS"].contains(&name.as_str())
        })
        .collect();
    let mut command = Command::new(sudo);
    if !kept.is_empty() {
        command.arg(format!("--preserve-env={}", kept.join(",")));
    }
    command.arg("--").arg(binary);
    command
}

fn wants_no_privilege(rest: &[OsString]) -> bool {
    let plain = ["--no-ebpf", "--help", "-h"];
    rest.iter().any(|word| {
        plain
            .iter()
            .any(|wanted| OsStr::new(wanted).as_bytes() == word.as_bytes())
    })
}

/// Whether we run as root: the owner of our own /proc entry is our effective user.
pub fn is_root() -> Result<bool> {
    let me = fs::metadata("/proc/self").context("cannot read /proc/self: is /proc mounted?")?;
    Ok(me.uid() == 0)
}
