//! Programs of others that the tests run in the machine: bash, strace to compare with, and a collector.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result, ensure};

use super::initramfs::PROGRAMS;
use crate::{arch::Arch, packages, shell, tools::fetch};

/// Files by their paths here and in the machine; libraries that `ldd` names come by themselves.
pub type Files = Vec<(PathBuf, String)>;

/// What there is of them.
#[derive(Default)]
pub struct Tools {
    /// What goes into the machine.
    pub files: Files,
    /// What the tests read from their environment: where each is in the machine, or why it is not.
    pub variables: Vec<(&'static str, String)>,
}

impl Tools {
    /// Gets what can be had.
    pub fn of(arch: Arch) -> Self {
        let mut tools = Self::default();
        tools.add("STRACE_BIN", "strace", "/bin/strace", |there| {
            shells_and_strace(arch, there)
        });
        let there = format!("{PROGRAMS}/rotel-agent");
        tools.add("ROTEL_BIN", "rotel", &there, |there| rotel(arch, there));
        let reason = "mockotlpserver wants node, which no machine has";
        tools
            .variables
            .push(("MOCKOTLP_BIN", format!("missing: {reason}")));
        tools
    }

    fn add(
        &mut self,
        variable: &'static str,
        name: &str,
        there: &str,
        get: impl FnOnce(&str) -> Result<Files>,
    ) {
        let value = match get(there) {
            Ok(files) => {
                self.files.extend(files);
                there.to_owned()
            }
            Err(error) => format!("missing: no {name}: {error:#}").replace(['\n', '\t'], " "),
        };
        self.variables.push((variable, value));
    }
}

/// strace, and bash beside it.
fn shells_and_strace(arch: Arch, there: &str) -> Result<Files> {
    if Arch::host() != Some(arch) {
        return unpacked(arch, there);
    }
    let mut files = vec![(fetch::strace()?, there.to_owned())];
    files.extend(shell::which("bash").map(|bash| (bash, "/bin/bash".to_owned())));
    Ok(files)
}

/// The host's own, so for its architecture alone.
fn rotel(arch: Arch, there: &str) -> Result<Files> {
    ensure!(
        Arch::host() == Some(arch),
        "it is unpacked for the host's architecture only, which is not {arch}"
    );
    Ok(vec![(fetch::rotel()?, there.to_owned())])
}

/// Debian's, with all their libraries: `ldd` knows this host's alone.
fn unpacked(arch: Arch, strace: &str) -> Result<Files> {
    let root = packages::cache().join(format!("tools-{arch}"));
    if !root.exists() {
        let wanted = ["bash", "strace"].map(str::to_owned);
        packages::unpack(arch, &packages::missing_for(arch, &wanted)?, &root)?;
    }
    let mut files = vec![
        (root.join("bin/bash"), "/bin/bash".to_owned()),
        (root.join("usr/bin/strace"), strace.to_owned()),
    ];
    add_libraries(&root, &root.join("lib"), &mut files)?;
    Ok(files)
}

fn add_libraries(root: &Path, folder: &Path, files: &mut Files) -> Result<()> {
    let entries =
        fs::read_dir(folder).with_context(|| format!("cannot read {}", folder.display()))?;
    for entry in entries {
        let path = entry?.path();
        if path.is_dir() {
            add_libraries(root, &path, files)?;
        } else if path.to_string_lossy().contains(".so") {
            let inside = path.strip_prefix(root)?.display().to_string();
            files.push((path, format!("/{inside}")));
        }
    }
    Ok(())
}
