//! Whose packages: of which architecture, and of which release of Debian.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result};

use super::cache;
use crate::{arch::Arch, shell};

/// The keys that Debian signs all of its releases with, of its own package
/// `debian-archive-keyring`.
const KEYS: &str = "/usr/share/keyrings/debian-archive-keyring.gpg";

/// What apt is asked for.
#[derive(Clone, Copy, Debug)]
pub struct Origin {
    arch: Arch,
    /// Another release than the host's; none for the host's own sources.
    suite: Option<&'static str>,
}

impl From<Arch> for Origin {
    fn from(arch: Arch) -> Self {
        Self { arch, suite: None }
    }
}

impl Origin {
    /// Another release of Debian, from the mirror that the host has its own from.
    pub fn of_suite(arch: Arch, suite: &'static str) -> Self {
        Self {
            arch,
            suite: Some(suite),
        }
    }

    /// One of apt's programs, set to it.
    pub(super) fn apt(self, program: &str) -> Result<Command> {
        let mut command = Command::new(program);
        let mut option = |name: &str, value: &str| {
            command.arg("-o").arg(format!("{name}={value}"));
        };
        // Else apt complains, as root, that its own user may not write where we download to.
        option("APT::Sandbox::User", "root");
        let Some(folder) = self.folder() else {
            return Ok(command);
        };
        // Lists of our own: the system's would change with an architecture added to dpkg, or
        // with a release.
        for place in ["lists/partial", "cache/archives/partial"] {
            let place = folder.join(place);
            fs::create_dir_all(&place)
                .with_context(|| format!("cannot make {}", place.display()))?;
        }
        if let Some(suite) = self.suite {
            let list = self.source_list(suite, &folder)?;
            option("Dir::Etc::SourceList", &list.display().to_string());
            option("Dir::Etc::SourceParts", "/dev/null");
        }
        option("APT::Architecture", &self.arch.to_string());
        option("APT::Architectures::", &self.arch.to_string());
        option(
            "Dir::State::Lists",
            &folder.join("lists").display().to_string(),
        );
        option("Dir::Cache", &folder.join("cache").display().to_string());
        option("Dir::State::status", "/dev/null");
        Ok(command)
    }

    /// Fetches the package lists; the host's are the system's, which needs root.
    pub(super) fn refresh(self) -> Result<()> {
        if self.suite.is_some() && mirror().is_err() {
            // Only the host's lists say which of its sources is Debian.
            Self::from(self.arch).refresh()?;
        }
        let what = self.suite.map(|suite| format!("{suite} for "));
        let what = what.unwrap_or_default();
        shell::say(&format!(
            "asking apt for fresh package lists of {what}{}",
            self.arch
        ));
        shell::output(self.apt("apt-get")?.args(["--quiet=2", "update"])).map(drop)
    }

    /// Where its lists are, unless the system has them.
    fn folder(self) -> Option<PathBuf> {
        match self.suite {
            Some(suite) => Some(cache().join(format!("apt-{suite}-{}", self.arch))),
            None if Arch::host() == Some(self.arch) => None,
            None => Some(cache().join(format!("apt-{}", self.arch))),
        }
    }

    fn source_list(self, suite: &str, folder: &Path) -> Result<PathBuf> {
        let file = folder.join("sources.list");
        let line = format!("deb [signed-by={KEYS}] {} {suite} main\n", mirror()?);
        fs::write(&file, line).with_context(|| format!("cannot write {}", file.display()))?;
        Ok(file)
    }
}

/// The mirror that this host has Debian itself from, as its own apt knows it.
fn mirror() -> Result<String> {
    let listed = shell::output(Command::new("apt-get").args([
        "indextargets",
        "--format",
        "$(REPO_URI)",
        "Created-By: Packages",
        "Origin: Debian",
        "Label: Debian",
        "Component: main",
    ]))?;
    let first = listed.lines().next().map(str::to_owned);
    first.context("none of this host's package sources is known to be Debian's archive")
}
