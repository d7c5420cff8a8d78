//! The source of the standard library: `-Z build-std=core` compiles core for the BPF target.

use std::process::Command;

use anyhow::{Context as _, Result, ensure};

use super::rustc::Rustc;
use crate::{shell, workspace};

const CORE: &str = "lib/rustlib/src/rust/library/core/src/lib.rs";

/// Adds the component rust-src to the workspace's toolchain when it is not there.
///
/// rustup does this by itself when it follows `rust-toolchain.toml`, unless the
/// toolchain was there before without the component and automatic installs are off.
pub fn ensure(rustc: &Rustc) -> Result<()> {
    let core = rustc.sysroot.join(CORE);
    if core.exists() {
        return Ok(());
    }
    ensure!(
        shell::which("rustup").is_some(),
        "the source of Rust's standard library is not at {} and there is no rustup to fetch it: install \
         rustup, or your distribution's package of it (rust-src)",
        core.display()
    );
    shell::say(&format!(
        "adding rust-src to Rust {}: the kernel programs need core's source",
        rustc.release
    ));
    shell::run(
        Command::new("rustup")
            .args(["component", "add", "rust-src"])
            .current_dir(workspace::root()),
    )
    .context("cannot add rust-src; try `rustup component add rust-src` in this folder")?;
    ensure!(
        core.exists(),
        "rustup added rust-src, but {} is still missing",
        core.display()
    );
    Ok(())
}
