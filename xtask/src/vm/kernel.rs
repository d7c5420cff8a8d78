//! The kernels: Debian's, by meta package, since old ones leave the mirrors.

use std::{
    fmt, fs,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result};

use crate::{arch::Arch, packages, shell};

/// A series of kernels that Debian 12 offers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Series {
    /// Linux 6.1, Debian 12's own: the oldest procmon promises to run on
    #[value(name = "6.1")]
    V6_1,
    /// Linux 6.12
    #[value(name = "6.12")]
    V6_12,
    /// Linux 6.12 with pages of 16 KiB, for arm64: on demand only
    #[value(name = "6.12-16k")]
    V6_12Pages16,
}

impl Series {
    /// Those of every architecture.
    pub const ALL: [Self; 2] = [Self::V6_1, Self::V6_12];

    fn meta_package(self, arch: Arch) -> String {
        match self {
            Self::V6_1 => format!("linux-image-cloud-{arch}"),
            Self::V6_12 => format!("linux-image-6.12-cloud-{arch}"),
            Self::V6_12Pages16 => format!("linux-image-6.12-{arch}-16k"),
        }
    }
}

impl fmt::Display for Series {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::V6_1 => "6.1",
            Self::V6_12 => "6.12",
            Self::V6_12Pages16 => "6.12-16k",
        })
    }
}

/// A kernel's image, of the release that is current today, or of one unpacked before when no
/// mirror can be reached.
pub fn image(series: Series, arch: Arch) -> Result<PathBuf> {
    let folder = packages::cache().join(format!("linux-{series}-{arch}"));
    fetch(series, arch, &folder).or_else(|error| {
        let kept = unpacked(&folder).ok_or(error)?;
        shell::say(&format!("no newer Linux {series}: {}", kept.display()));
        Ok(kept)
    })
}

fn fetch(series: Series, arch: Arch, folder: &Path) -> Result<PathBuf> {
    let current = || packages::stands_for(arch, &series.meta_package(arch), "linux-image-");
    let mut package = current()?;
    if let Err(error) = unpack(&package, arch, folder) {
        // The lists named one that has left the mirror since; now they are fresh.
        let fresh = current()?;
        if fresh == package {
            return Err(error);
        }
        package = fresh;
        unpack(&package, arch, folder)?;
    }
    image_in(&folder.join(&package)).with_context(|| format!("{package} holds no boot/vmlinuz-*"))
}

fn unpack(package: &str, arch: Arch, folder: &Path) -> Result<()> {
    let place = folder.join(package);
    if place.exists() {
        return Ok(());
    }
    packages::unpack(arch, &[package.to_owned()], &place)?;
    // All that the tests need is built in; the modules are most of the package.
    for modules in ["lib/modules", "usr/lib/modules"] {
        let modules = place.join(modules);
        if modules.exists() {
            fs::remove_dir_all(&modules)
                .with_context(|| format!("cannot remove {}", modules.display()))?;
        }
    }
    Ok(())
}

/// Any release unpacked before.
fn unpacked(folder: &Path) -> Option<PathBuf> {
    let mut images: Vec<PathBuf> = fs::read_dir(folder)
        .ok()?
        .filter_map(|entry| image_in(&entry.ok()?.path()))
        .collect();
    images.sort();
    images.pop()
}

fn image_in(package: &Path) -> Option<PathBuf> {
    fs::read_dir(package.join("boot"))
        .ok()?
        .filter_map(Result::ok)
        .map(|entry| entry.path())
        .find(|path| {
            path.file_name()
                .is_some_and(|name| name.to_string_lossy().starts_with("vmlinuz-"))
        })
}
