//! Programs of others that the tests run in the machine: bash, and strace to compare with.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result};

use crate::{arch::Arch, packages, shell, tools::fetch};

/// Files by their paths here and in the machine; libraries that `ldd` names come by themselves.
pub type Files = Vec<(PathBuf, String)>;

/// bash and strace; the error is the reason to do without.
pub fn files(arch: Arch) -> Result<Files> {
    if Arch::host() != Some(arch) {
        return unpacked(arch);
    }
    let mut files = vec![(fetch::strace()?, STRACE.to_owned())];
    files.extend(shell::which("bash").map(|bash| (bash, "/bin/bash".to_owned())));
    Ok(files)
}

/// Where strace is in the machine.
pub const STRACE: &str = "/bin/strace";

/// Debian's, with all their libraries: `ldd` knows this host's alone.
fn unpacked(arch: Arch) -> Result<Files> {
    let root = packages::cache().join(format!("tools-{arch}"));
    if !root.exists() {
        let wanted = ["bash", "strace"].map(str::to_owned);
        packages::unpack(arch, &packages::missing_for(arch, &wanted)?, &root)?;
    }
    let mut files = vec![
        (root.join("bin/bash"), "/bin/bash".to_owned()),
        (root.join("usr/bin/strace"), STRACE.to_owned()),
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
