//! Finds or installs what the builds and the tests need.

use anyhow::Result;

mod bpf_linker;
pub mod fetch;
mod rust_src;
mod rustc;

/// Everything `procmon-user/build.rs` needs to build the kernel programs.
pub fn ensure_toolchain() -> Result<()> {
    let rustc = rustc::Rustc::detect()?;
    rust_src::ensure(&rustc)?;
    bpf_linker::ensure(&rustc)
}
