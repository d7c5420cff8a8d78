//! bpf-linker, built against rustc's own LLVM: no LLVM of the system is needed.

use std::{
    fs, io,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result, ensure};

use super::rustc::Rustc;
use crate::{shell, workspace};

const NAME: &str = "bpf-linker";
const VERSION: &str = "0.13.0";

/// A crate of nothing but one function: enough to see whether a linker reads this rustc's bitcode.
const TRIAL: &str = r#"#![allow(internal_features)]
#![feature(no_core, lang_items)]
#![no_core]
#[lang = "pointee_sized"] pub trait PointeeSized {}
#[lang = "meta_sized"] pub trait MetaSized: PointeeSized {}
#[lang = "sized"] pub trait Sized: MetaSized {}
#[unsafe(no_mangle)] pub extern "C" fn trial() {}
"#;

/// Keeps the linker in target/tools or the one on PATH if it works with this
/// rustc, else builds one into target/tools.
pub fn ensure(rustc: &Rustc) -> Result<()> {
    let installed = workspace::tools().join("bin").join(NAME);
    let bitcode = compile_trial()?;
    if installed.exists() {
        // The toolchain may have moved since.
        link_llvm(rustc, &workspace::tools())?;
        match try_link(&installed, &bitcode) {
            Ok(()) => return Ok(()),
            Err(error) => {
                shell::say(&format!(
                    "{} does not fit Rust {}: {error:#}",
                    installed.display(),
                    rustc.release
                ));
                // build.rs prefers this one, so it must go even if the one on PATH works.
                fs::remove_file(&installed)
                    .with_context(|| format!("cannot remove {}", installed.display()))?;
            }
        }
    }
    if let Some(found) = shell::which(NAME) {
        match try_link(&found, &bitcode) {
            Ok(()) => return Ok(()),
            Err(error) => shell::say(&format!(
                "not using {}, which does not fit Rust {}: {error:#}",
                found.display(),
                rustc.release
            )),
        }
    }
    install(rustc)?;
    try_link(&installed, &bitcode).context("the bpf-linker just installed does not work")
}

/// Compiles [`TRIAL`] to bitcode of the BPF target.
fn compile_trial() -> Result<PathBuf> {
    let folder = workspace::tools().join("trial");
    fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
    let source = folder.join("trial.rs");
    fs::write(&source, TRIAL).with_context(|| format!("cannot write {}", source.display()))?;
    let bitcode = folder.join("trial.bc");
    shell::output(
        workspace::rustc()
            .env("RUSTC_BOOTSTRAP", "1")
            .args([
                "--target=bpfel-unknown-none",
                "--crate-type=lib",
                "--emit=llvm-bc",
                "--edition=2024",
                "-o",
            ])
            .args([&bitcode, &source]),
    )
    .context("rustc cannot compile for the BPF target")?;
    Ok(bitcode)
}

/// Links the trial; fails when the linker's LLVM is older than rustc's, or cannot be loaded.
fn try_link(linker: &Path, bitcode: &Path) -> Result<()> {
    let object = bitcode.with_extension("o");
    shell::output(
        Command::new(linker)
            .arg("--emit=obj")
            .arg("-o")
            .args([&object, bitcode]),
    )
    .map(drop)
}

fn install(rustc: &Rustc) -> Result<()> {
    let tools = workspace::tools();
    let prefix = link_llvm(rustc, &tools)?;
    shell::say(&format!(
        "building bpf-linker {VERSION} against Rust {}'s LLVM {} into {}: about a minute, once",
        rustc.release,
        rustc.llvm,
        tools.display()
    ));
    // cargo advises to add to PATH where it installs; that it is not on it is
    // as it should be.
    let bin = tools.join("bin");
    let path = std::env::var_os("PATH").unwrap_or_default();
    let path = std::env::join_paths(std::env::split_paths(&path).chain([bin]))
        .context("PATH cannot be passed on")?;
    let mut command = workspace::cargo();
    command
        .env("PATH", path)
        .env("LLVM_PREFIX", prefix)
        .args([
            "install",
            NAME,
            "--locked",
            "--force",
            "--no-default-features",
        ])
        .arg(format!("--version={VERSION}"))
        .arg(format!("--features=llvm-{}", rustc.llvm))
        .arg("--root")
        .arg(&tools);
    shell::run(&mut command).context("cannot build bpf-linker; its own message is above")
}

/// Makes the folder bpf-linker's build takes for an LLVM installation: `lib/libLLVM.so`
/// to link against, and the library under its full name, since the build bakes this
/// folder into the program as the place to look at run time.
fn link_llvm(rustc: &Rustc, tools: &Path) -> Result<PathBuf> {
    let library = find_llvm(rustc)?;
    let name = library.file_name().context("libLLVM has no name")?;
    let prefix = tools.join("llvm");
    match fs::remove_dir_all(&prefix) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            return Err(error).with_context(|| format!("cannot remove {}", prefix.display()));
        }
        _ => {}
    }
    let lib = prefix.join("lib");
    fs::create_dir_all(&lib).with_context(|| format!("cannot make {}", lib.display()))?;
    for link in [lib.join("libLLVM.so"), lib.join(name)] {
        symlink(&library, &link).with_context(|| format!("cannot link {}", link.display()))?;
    }
    Ok(prefix)
}

/// The shared LLVM that comes with the toolchain.
fn find_llvm(rustc: &Rustc) -> Result<PathBuf> {
    let folder = rustc.sysroot.join("lib");
    let wanted = format!("libLLVM.so.{}.", rustc.llvm);
    let mut found = Vec::new();
    for entry in
        fs::read_dir(&folder).with_context(|| format!("cannot read {}", folder.display()))?
    {
        let entry = entry.with_context(|| format!("cannot read {}", folder.display()))?;
        if entry.file_name().to_string_lossy().starts_with(&wanted) {
            found.push(entry.path());
        }
    }
    ensure!(
        found.len() == 1,
        "{} holds {} files named {wanted}*, not one: this Rust has no LLVM of its own to build bpf-linker \
         against. Use the toolchain of rust-toolchain.toml through rustup, or put a bpf-linker built with \
         LLVM {} on PATH",
        folder.display(),
        found.len(),
        rustc.llvm
    );
    Ok(found.remove(0))
}
