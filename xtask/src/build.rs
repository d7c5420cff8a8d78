//! `cargo xtask build`.

use std::path::PathBuf;

use anyhow::{Context as _, Result, ensure};

use crate::{shell, tools, workspace};

/// Builds procmon in release with all it needs and returns the binary's path.
pub fn procmon() -> Result<PathBuf> {
    ensure!(
        cfg!(target_os = "linux"),
        "procmon watches processes through the Linux kernel: it builds for Linux only, not for {}",
        std::env::consts::OS
    );
    tools::ensure_toolchain()?;
    if !workspace::target().join("release/procmon").exists() {
        shell::say("building procmon and its kernel programs: some minutes, once");
    }
    let mut cargo = workspace::cargo();
    cargo.args([
        "build",
        "--release",
        "--package",
        "procmon-user",
        "--bin",
        "procmon",
    ]);
    shell::run(&mut cargo).context("procmon does not build")?;
    Ok(workspace::target().join("release/procmon"))
}
