//! The machine's whole file system: procmon-tests' `init`, the programs to run, the libraries
//! they want, and busybox.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result};

use super::{cpio::Archive, tools::Files};
use crate::{arch::Arch, packages, shell};

/// Where the programs are in the machine.
pub const PROGRAMS: &str = "/programs";

/// What goes in, and what `init` is to do.
#[derive(Default)]
pub struct Contents {
    /// The program that becomes PID 1.
    pub init: PathBuf,
    /// busybox, linked statically.
    pub busybox: PathBuf,
    /// Programs and whatever else they need.
    pub programs: Files,
    /// The lines of `init`'s job.
    pub job: String,
}

/// Puts it together.
pub fn build(contents: &Contents) -> Result<Vec<u8>> {
    let mut archive = Archive::default();
    for folder in [
        "/proc", "/sys", "/dev", "/tmp", "/run", "/root", "/etc", "/bin",
    ] {
        archive.folder(folder);
    }
    // For init's first steps, before it mounts devtmpfs.
    archive.device("/dev/console", 5, 1);
    archive.device("/dev/null", 1, 3);
    archive.file("/etc/passwd", b"root:x:0:0:root:/root:/bin/sh\n");
    archive.file("/etc/group", b"root:x:0:\n");
    archive.file("/job", contents.job.as_bytes());
    archive.file("/init", &read(&contents.init)?);
    let mut libraries = libraries(&contents.init)?;
    for (here, there) in &contents.programs {
        archive.file(there, &read(here)?);
        libraries.extend(self::libraries(here)?);
    }
    for library in libraries {
        let contents = read(&library)?;
        archive.file(&library.to_string_lossy(), &contents);
    }
    archive.file("/bin/busybox", &read(&contents.busybox)?);
    // Programs and scripts name these by their full paths.
    archive.link("/usr/bin", "/bin");
    Ok(archive.finish())
}

/// Fetches busybox.
pub fn busybox(arch: Arch) -> Result<PathBuf> {
    let folder = packages::cache().join(format!("busybox-{arch}"));
    packages::unpack(arch, &["busybox-static".to_owned()], &folder)?;
    let candidates = ["bin/busybox", "usr/bin/busybox"].map(|path| folder.join(path));
    candidates
        .into_iter()
        .find(|path| path.is_file())
        .context("busybox-static holds no bin/busybox")
}

/// The loader and the libraries of a program, by the paths it looks for them at; none of a static one.
fn libraries(program: &Path) -> Result<BTreeSet<PathBuf>> {
    let Ok(listed) = shell::output(Command::new("ldd").arg(program)) else {
        // `not a dynamic executable` is a failure to ldd.
        return Ok(BTreeSet::new());
    };
    // `libc.so.6 => /lib/.../libc.so.6 (0x...)`, `/lib64/ld-linux-x86-64.so.2 (0x...)`
    Ok(listed
        .lines()
        .filter_map(|line| line.split_whitespace().find(|word| word.starts_with('/')))
        .map(PathBuf::from)
        .collect())
}

fn read(path: &Path) -> Result<Vec<u8>> {
    fs::read(path).with_context(|| format!("cannot read {}", path.display()))
}
