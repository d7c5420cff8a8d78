//! What cargo builds for: this host, or another architecture.

use std::{ffi::OsString, path::PathBuf, process::Command};

use anyhow::Result;

use crate::{
    arch::Arch,
    tools::{self, cross::Compiler},
    workspace,
};

/// One of both.
pub struct Target {
    /// None for this host.
    triple: Option<String>,
    environment: Vec<(String, OsString)>,
}

impl Target {
    /// This host: its own libc, and what `cargo build` would do.
    pub fn host() -> Self {
        Self {
            triple: None,
            environment: Vec::new(),
        }
    }

    /// An architecture. When it is not the host's: static, with musl, since nobody knows which
    /// libraries are over there; what that takes is fetched.
    pub fn of(arch: Arch) -> Result<Self> {
        if Arch::host() == Some(arch) {
            return Ok(Self::host());
        }
        let triple = format!("{}-unknown-linux-musl", arch.rust());
        tools::ensure_target(&triple)?;
        let upper = triple.replace('-', "_").to_uppercase();
        let mut environment = vec![
            ("CARGO_BUILD_TARGET".to_owned(), triple.clone().into()),
            // rustc's own: what it links is all in its own folders.
            (
                format!("CARGO_TARGET_{upper}_LINKER"),
                OsString::from("rust-lld"),
            ),
        ];
        environment.extend(Compiler::ensure(arch)?.environment(&triple)?);
        Ok(Self {
            triple: Some(triple),
            environment,
        })
    }

    /// A cargo that builds for it.
    pub fn cargo(&self) -> Command {
        let mut cargo = workspace::cargo();
        cargo.envs(self.environment.iter().map(|(name, value)| (name, value)));
        cargo
    }

    /// Where it leaves what it builds in release.
    pub fn release(&self) -> PathBuf {
        let mut folder = workspace::target();
        folder.extend(&self.triple);
        folder.join("release")
    }
}
