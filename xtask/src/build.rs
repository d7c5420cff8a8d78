//! `cargo xtask build`.

use std::{path::PathBuf, process::ExitCode};

use anyhow::{Context as _, Result, ensure};

use crate::{arch::Arch, shell, target::Target, tools};

/// What `cargo xtask build` takes.
#[derive(clap::Args)]
pub struct Options {
    /// Build for this architecture; for another than the host's a static binary, with musl
    #[arg(long, value_enum)]
    arch: Option<Arch>,
}

/// Builds and says where the binary is.
pub fn run(options: &Options) -> Result<ExitCode> {
    let target = match options.arch {
        Some(arch) => Target::of(arch)?,
        None => Target::host(),
    };
    let binary = procmon(&target)?;
    shell::say(&format!("built {}", binary.display()));
    Ok(ExitCode::SUCCESS)
}

/// Builds procmon in release with all it needs and returns the binary's path.
pub fn procmon(target: &Target) -> Result<PathBuf> {
    ensure!(
        cfg!(target_os = "linux"),
        "procmon watches processes through the Linux kernel: it builds for Linux only, not for {}",
        std::env::consts::OS
    );
    tools::ensure_toolchain()?;
    let binary = target.release().join("procmon");
    if !binary.exists() {
        shell::say("building procmon and its kernel programs: some minutes, once");
    }
    let mut cargo = target.cargo();
    cargo.args([
        "build",
        "--release",
        "--package",
        "procmon-user",
        "--bin",
        "procmon",
    ]);
    shell::run(&mut cargo).context("procmon does not build")?;
    Ok(binary)
}
