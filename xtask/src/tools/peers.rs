//! What `cargo xtask bench --peers` puts procmon beside, unpacked into target/ and nowhere else.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};

use super::fetch;
use crate::{arch::Arch, packages, shell, workspace};

/// What the benchmark needs of others.
struct Peer {
    /// The variable the benchmark looks it up in: the folder it was unpacked into.
    variable: &'static str,
    /// The folder's name.
    name: &'static str,
    from: From,
}

/// Where it comes from.
enum From {
    /// Debian's packages; what they depend on and is not installed comes along.
    Debian(&'static [&'static str]),
    /// A Python package, into a virtual environment of its own.
    Python(&'static str),
}

const PEERS: &[Peer] = &[
    Peer {
        variable: "PROCESS_EXPORTER_ROOT",
        name: "process-exporter",
        from: From::Debian(&["prometheus-process-exporter"]),
    },
    Peer {
        variable: "PSUTIL_ROOT",
        name: "psutil",
        from: From::Python("psutil==7.2.2"),
    },
    Peer {
        variable: "REDIS_ROOT",
        name: "redis",
        from: From::Debian(&["redis-server", "redis-tools"]),
    },
    Peer {
        variable: "POSTGRES_ROOT",
        name: "postgresql",
        from: From::Debian(&["postgresql"]),
    },
    Peer {
        variable: "BPFTRACE_ROOT",
        name: "bpftrace",
        from: From::Debian(&["bpftrace"]),
    },
];

/// Their folders for the benchmark's environment; in place of one that could not be had, why.
pub fn environment() -> Vec<(&'static str, String)> {
    let value = |peer: &Peer| match peer.ensure() {
        Ok(folder) => folder.display().to_string(),
        Err(error) => {
            shell::say(&format!("no {}: {error:#}", peer.name));
            format!("missing: {} could not be had here: {error:#}", peer.name)
        }
    };
    PEERS
        .iter()
        .map(|peer| (peer.variable, value(peer)))
        .collect()
}

impl Peer {
    fn ensure(&self) -> Result<PathBuf> {
        let folder = workspace::root().join("target/peers").join(self.name);
        match self.from {
            From::Debian(wanted) => debian(wanted, &folder)?,
            From::Python(package) => fetch::python(package, &folder)?,
        }
        Ok(folder)
    }
}

/// Debian packages with what of their dependencies is not installed, unless they are there.
pub(super) fn debian(wanted: &[&str], folder: &Path) -> Result<()> {
    if folder.exists() {
        return Ok(());
    }
    let arch = Arch::host().context("this architecture is not one of those procmon is for")?;
    let mut wanted: Vec<String> = wanted.iter().map(|package| (*package).to_owned()).collect();
    if wanted == ["postgresql"] {
        // What it stands for has its version in its name.
        wanted = vec![packages::stands_for(arch, "postgresql", "postgresql-")?];
    }
    let mut all = packages::missing_for(arch, &wanted)?;
    // What is installed is not missing, but is looked for below the folder.
    let installed = wanted.into_iter().filter(|package| !all.contains(package));
    let installed: Vec<String> = installed.collect();
    all.extend(installed);
    packages::unpack(arch, &all, folder)
}
