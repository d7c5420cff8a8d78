//! Debian packages, unpacked into target/vm; nothing is ever installed.

use std::{
    fs, io,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result, ensure};

use crate::{shell, workspace};

/// Where all of it goes.
pub fn cache() -> PathBuf {
    workspace::root().join("target/vm")
}

/// Unpacks packages into a folder, unless it is there. Half of them are never there: the folder
/// gets its name last.
pub fn unpack(packages: &[String], folder: &Path) -> Result<()> {
    if folder.exists() {
        return Ok(());
    }
    shell::say(&format!(
        "unpacking {} into {}",
        match packages {
            [one] => one.clone(),
            [.., last] => format!("{last} and {} more", packages.len() - 1),
            [] => "nothing".to_owned(),
        },
        folder.display()
    ));
    let partial = folder.with_extension("partial");
    remove(&partial)?;
    let downloads = partial.join("downloads");
    fs::create_dir_all(&downloads)
        .with_context(|| format!("cannot make {}", downloads.display()))?;
    let mut download = apt("apt-get");
    shell::output(
        download
            .args(["--quiet=2", "download"])
            .args(packages)
            .current_dir(&downloads),
    )?;
    let mut found = 0;
    for entry in
        fs::read_dir(&downloads).with_context(|| format!("cannot read {}", downloads.display()))?
    {
        let file = entry?.path();
        shell::output(Command::new("dpkg").arg("-x").arg(&file).arg(&partial))?;
        found += 1;
    }
    ensure!(
        found == packages.len(),
        "{} packages wanted, {found} downloaded",
        packages.len()
    );
    remove(&downloads)?;
    fs::rename(&partial, folder).with_context(|| format!("cannot make {}", folder.display()))
}

/// What has to be unpacked for a package to run here: itself and those of its dependencies that
/// are not installed.
pub fn missing_for(package: &str) -> Result<Vec<String>> {
    let plan = with_lists(|| {
        let mut simulate = apt("apt-get");
        simulate.args(["--simulate", "--quiet=2", "--no-install-recommends"]);
        shell::output(simulate.args(["install", package]))
    })?;
    Ok(plan
        .lines()
        .filter_map(|line| line.strip_prefix("Inst ")?.split_whitespace().next())
        .map(str::to_owned)
        .collect())
}

/// The package that a meta package stands for today: its dependency of this beginning.
pub fn stands_for(meta: &str, beginning: &str) -> Result<String> {
    let depends = with_lists(|| {
        let mut command = apt("apt-cache");
        shell::output(command.args(["depends", "--no-recommends", "--no-suggests", meta]))
    })?;
    depends
        .lines()
        .filter_map(|line| line.trim().strip_prefix("Depends: "))
        .find(|name| name.starts_with(beginning))
        .map(str::to_owned)
        .with_context(|| format!("{meta} depends on no {beginning}*"))
}

/// Asks apt, and once more with fresh package lists if it does not know.
fn with_lists(ask: impl Fn() -> Result<String>) -> Result<String> {
    ask().or_else(|unknown| {
        refresh().map_err(|error| unknown.context(format!("{error:#}")))?;
        ask()
    })
}

/// Fetches the package lists, which needs root.
pub fn refresh() -> Result<()> {
    shell::say("asking apt for fresh package lists");
    shell::output(apt("apt-get").args(["--quiet=2", "update"])).map(drop)
}

fn apt(program: &str) -> Command {
    let mut command = Command::new(program);
    // Else apt complains, as root, that its own user may not write where we download to.
    command.args(["-o", "APT::Sandbox::User=root"]);
    command
}

fn remove(folder: &Path) -> Result<()> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("cannot remove {}", folder.display()))
        }
        _ => Ok(()),
    }
}
