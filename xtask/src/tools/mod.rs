//! Finds or installs what the builds and the tests need.

use anyhow::Result;

mod bpf_linker;
pub mod cross;
pub mod fetch;
pub mod peers;
mod rustc;
mod rustup;

/// Everything `procmon-user/build.rs` needs to build the kernel programs.
pub fn ensure_toolchain() -> Result<()> {
    let rustc = rustc::Rustc::detect()?;
    rustup::ensure_source(&rustc)?;
    bpf_linker::ensure(&rustc)
}

/// What rustc needs to build for another target.
pub fn ensure_target(triple: &str) -> Result<()> {
    rustup::ensure_target(&rustc::Rustc::detect()?, triple)
}
