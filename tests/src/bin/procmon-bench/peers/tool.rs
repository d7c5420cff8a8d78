//! Programs of others, unpacked by `cargo xtask bench --peers` and named in
//! the environment; the reason to do without, where they could not be had.

use std::{
    env,
    ffi::OsString,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result, anyhow};
use procmon_tests::environment::MISSING;

use crate::interrupt;

/// One of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tool {
    /// prometheus-process-exporter.
    ProcessExporter,
    /// A Python that has psutil.
    Psutil,
    /// redis-server and redis-benchmark.
    Redis,
    /// postgres, initdb and pgbench.
    Postgres,
    /// bpftrace.
    Bpftrace,
}

impl Tool {
    /// The variable with the folder it was unpacked into.
    fn variable(self) -> &'static str {
        match self {
            Self::ProcessExporter => "PROCESS_EXPORTER_ROOT",
            Self::Psutil => "PSUTIL_ROOT",
            Self::Redis => "REDIS_ROOT",
            Self::Postgres => "POSTGRES_ROOT",
            Self::Bpftrace => "BPFTRACE_ROOT",
        }
    }

    /// One of its programs, by its path below that folder; it ends with us.
    pub fn command(self, program: &str) -> Result<Command> {
        let root = self.root()?;
        let path = root.join(program);
        path.metadata()
            .with_context(|| format!("{}: remove the folder to unpack it anew", path.display()))?;
        let mut command = interrupt::bound(Command::new(path));
        command.env("LD_LIBRARY_PATH", library_path(&root)?);
        Ok(command)
    }

    /// Where it was unpacked.
    pub fn root(self) -> Result<PathBuf> {
        let variable = self.variable();
        let value = env::var_os(variable)
            .with_context(|| format!("{variable} is not set: `cargo xtask bench --peers` does"))?;
        match value.to_str().and_then(|value| value.strip_prefix(MISSING)) {
            Some(reason) => Err(anyhow!("{reason}")),
            None => Ok(PathBuf::from(value)),
        }
    }
}

/// Debian's libraries below a folder.
pub fn library_path(root: &Path) -> Result<OsString> {
    let multiarch = format!("{}-linux-gnu", env::consts::ARCH);
    let folders = ["usr/lib", "lib"].map(|folder| root.join(folder).join(&multiarch));
    env::join_paths(folders).context("this folder cannot stand in LD_LIBRARY_PATH")
}
