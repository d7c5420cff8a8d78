//! Parts of the toolchain that rustup adds: cargo alone does not ask for them.

use std::process::Command;

use anyhow::{Context as _, Result, ensure};

use super::rustc::Rustc;
use crate::{shell, workspace};

/// The source of the standard library: `-Z build-std=core` compiles core for the BPF target.
///
/// rustup adds it by itself when it follows `rust-toolchain.toml`, unless the
/// toolchain was there before without the component and automatic installs are off.
pub fn ensure_source(rustc: &Rustc) -> Result<()> {
    add(
        rustc,
        "the source of Rust's standard library (rust-src)",
        "lib/rustlib/src/rust/library/core/src/lib.rs",
        &["component", "add", "rust-src"],
    )
}

/// The standard library for another architecture.
pub fn ensure_target(rustc: &Rustc, triple: &str) -> Result<()> {
    add(
        rustc,
        &format!("Rust's standard library for {triple}"),
        &format!("lib/rustlib/{triple}/lib"),
        &["target", "add", triple],
    )
}

/// Adds a part to the workspace's toolchain when this file or folder of it is not there.
fn add(rustc: &Rustc, what: &str, file: &str, arguments: &[&str]) -> Result<()> {
    let file = rustc.sysroot.join(file);
    if file.exists() {
        return Ok(());
    }
    ensure!(
        shell::which("rustup").is_some(),
        "{what} is not at {} and there is no rustup to fetch it: install rustup, or your \
         distribution's package of it",
        file.display()
    );
    shell::say(&format!("adding {what} to Rust {}", rustc.release));
    shell::run(
        Command::new("rustup")
            .args(arguments)
            .current_dir(workspace::root()),
    )
    .with_context(|| {
        let words = arguments.join(" ");
        format!("cannot add {what}; try `rustup {words}` in this folder")
    })?;
    ensure!(
        file.exists(),
        "rustup added {what}, but {} is still missing",
        file.display()
    );
    Ok(())
}
