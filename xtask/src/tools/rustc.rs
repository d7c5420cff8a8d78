//! What we need to know about the compiler of this workspace.

use std::path::PathBuf;

use anyhow::{Context as _, Result};

use crate::{shell, workspace};

/// The compiler that builds the workspace and, in a nested build, the kernel programs.
pub struct Rustc {
    /// Release, as `1.95.0`.
    pub release: String,
    /// The major version of its LLVM: the linker must read that LLVM's bitcode.
    pub llvm: u32,
    /// Its sysroot, where libLLVM and the standard library's source are.
    pub sysroot: PathBuf,
}

impl Rustc {
    /// Asks the compiler.
    pub fn detect() -> Result<Self> {
        let version = shell::output(workspace::rustc().arg("-vV"))?;
        let field = |name: &str| {
            version
                .lines()
                .find_map(|line| line.strip_prefix(name))
                .map(str::trim)
                .with_context(|| format!("`rustc -vV` has no line `{name}`"))
        };
        let llvm = field("LLVM version:")?;
        let major = llvm.split('.').next().unwrap_or(llvm);
        let sysroot = shell::output(workspace::rustc().args(["--print", "sysroot"]))?;
        Ok(Self {
            release: field("release:")?.to_owned(),
            llvm: major
                .parse()
                .with_context(|| format!("cannot read LLVM version {llvm:?} of `rustc -vV`"))?,
            sysroot: PathBuf::from(sysroot.trim()),
        })
    }
}
