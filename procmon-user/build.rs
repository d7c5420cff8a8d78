//! Builds the kernel programs (package `procmon-ebpf`) and leaves the object at
//! `OUT_DIR/procmon-kernel`, where the library embeds it.
//!
//! What this needs beside cargo, `cargo xtask` finds or installs: the standard
//! library's source and a bpf-linker that reads the bitcode of this rustc. With
//! `AYA_BUILD_SKIP=1` an empty stub takes the object's place.

use std::{
    env, fs, io,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result};
use aya_build::{Package, Toolchain};

const EBPF_PACKAGE: &str = "procmon-ebpf";
const OBJECT: &str = "procmon-kernel";
const LINKER: &str = "bpf-linker";
const TOOLCHAIN_FILE: &str = include_str!("../rust-toolchain.toml");

fn main() -> Result<()> {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-env-changed=AYA_BUILD_SKIP");

    let system = env::var("CARGO_CFG_TARGET_OS").context("CARGO_CFG_TARGET_OS is not set")?;
    if system != "linux" {
        return stop(&format!(
            "procmon watches processes through the Linux kernel: it builds for Linux only, not for {system}"
        ));
    }

    let out = PathBuf::from(env::var_os("OUT_DIR").context("OUT_DIR is not set")?);
    if skipped() {
        let stub = out.join(OBJECT);
        return fs::write(&stub, []).with_context(|| format!("cannot write {}", stub.display()));
    }

    let root = workspace_root()?;
    if !has_rust_src()? {
        return stop(
            "the source of Rust's standard library (component rust-src) is missing: `cargo xtask build` installs it",
        );
    }
    let Some(linker) = find_linker(&root) else {
        return stop(
            "bpf-linker is neither in target/tools/bin nor on PATH: `cargo xtask build` installs it",
        );
    };
    println!("cargo::rerun-if-changed={}", linker.display());

    prepare_nested_cargo(&linker)?;
    let package = Package {
        name: EBPF_PACKAGE,
        root_dir: &root.join(EBPF_PACKAGE).display().to_string(),
        ..Default::default()
    };
    aya_build::build_ebpf([package], Toolchain::Custom(&toolchain()?))
        .context("the kernel programs do not build; `cargo xtask build` checks the tools they need")
}

/// Ends the build with one line, as cargo prints it, and no backtrace.
fn stop(reason: &str) -> Result<()> {
    println!("cargo::error={reason}");
    Ok(())
}

/// The same reading of the variable as aya-build's.
fn skipped() -> bool {
    env::var("AYA_BUILD_SKIP").is_ok_and(|value| value == "1" || value.eq_ignore_ascii_case("true"))
}

fn workspace_root() -> Result<PathBuf> {
    let manifest =
        PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").context("CARGO_MANIFEST_DIR is not set")?);
    let root = manifest
        .parent()
        .context("procmon-user is not inside a workspace")?;
    Ok(root.to_path_buf())
}

fn has_rust_src() -> Result<bool> {
    let rustc = env::var_os("RUSTC").context("RUSTC is not set")?;
    let output = Command::new(&rustc)
        .args(["--print", "sysroot"])
        .output()
        .with_context(|| format!("cannot run {}", rustc.display()))?;
    let sysroot = String::from_utf8(output.stdout).context("the sysroot's path is not UTF-8")?;
    Ok(Path::new(sysroot.trim())
        .join("lib/rustlib/src/rust/library/core/src/lib.rs")
        .exists())
}

/// The linker `cargo xtask` installed, else the first one on PATH.
fn find_linker(root: &Path) -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    let installed = root.join("target/tools/bin");
    std::iter::once(installed)
        .chain(env::split_paths(&path))
        .map(|folder| folder.join(LINKER))
        .find(|file| file.is_file())
}

/// The toolchain that runs this build; without rustup's variable, the one the workspace asks for.
fn toolchain() -> Result<String> {
    if let Ok(name) = env::var("RUSTUP_TOOLCHAIN") {
        return Ok(name);
    }
    TOOLCHAIN_FILE
        .lines()
        .find_map(|line| line.strip_prefix("channel = "))
        .map(|channel| channel.trim().trim_matches('"').to_owned())
        .context("rust-toolchain.toml names no channel")
}

/// Sets what only the nested cargo is to see: unstable features for `-Z build-std`
/// on a stable toolchain, the linker's folder first on PATH, and silence but for
/// warnings and errors, since cargo repeats on every build what a build script said.
fn prepare_nested_cargo(linker: &Path) -> Result<()> {
    let folder = linker
        .parent()
        .map(Path::to_path_buf)
        .ok_or_else(|| io::Error::from(io::ErrorKind::NotFound))
        .context("bpf-linker has no folder")?;
    let path = env::var_os("PATH").unwrap_or_default();
    let path = env::join_paths(std::iter::once(folder).chain(env::split_paths(&path)))
        .context("cannot put bpf-linker's folder on PATH")?;
    // SAFETY: this build script has one thread.
    unsafe {
        env::set_var("PATH", path);
        env::set_var("RUSTC_BOOTSTRAP", "1");
        env::set_var("CARGO_TERM_QUIET", "true");
    }
    Ok(())
}
