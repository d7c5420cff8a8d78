//! Debian packages, unpacked into target/; nothing is ever installed.

use std::{
    env,
    ffi::OsString,
    fs, io,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result, ensure};

use crate::{shell, workspace};

mod origin;

pub use origin::Origin;

/// Where the emulated machines' go.
pub fn cache() -> PathBuf {
    workspace::root().join("target/vm")
}

/// Unpacks packages into a folder, unless it is there. Half of them are never there: the folder
/// gets its name last.
pub fn unpack(of: impl Into<Origin>, packages: &[String], folder: &Path) -> Result<()> {
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
    let of = of.into();
    with_lists(of, || {
        let mut download = of.apt("apt-get")?;
        download.args(["--quiet=2", "download"]).args(packages);
        shell::output(download.current_dir(&downloads))
    })?;
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

/// What has to be unpacked for packages to run: themselves and those of their dependencies that
/// are not installed. On the host, that is: of another architecture nothing is.
pub fn missing_for(of: impl Into<Origin>, packages: &[String]) -> Result<Vec<String>> {
    let of = of.into();
    let plan = with_lists(of, || {
        let mut simulate = of.apt("apt-get")?;
        simulate.args(["--simulate", "--quiet=2", "--no-install-recommends"]);
        shell::output(simulate.arg("install").args(packages))
    })?;
    Ok(plan
        .lines()
        .filter_map(|line| line.strip_prefix("Inst ")?.split_whitespace().next())
        .map(str::to_owned)
        .collect())
}

/// The package that a meta package stands for today: its dependency of this beginning.
pub fn stands_for(of: impl Into<Origin>, meta: &str, beginning: &str) -> Result<String> {
    let of = of.into();
    let depends = with_lists(of, || {
        let mut command = of.apt("apt-cache")?;
        shell::output(command.args(["depends", "--no-recommends", "--no-suggests", meta]))
    })?;
    depends
        .lines()
        .filter_map(|line| line.trim().strip_prefix("Depends: "))
        .find(|name| name.starts_with(beginning))
        .map(str::to_owned)
        .with_context(|| format!("{meta} depends on no {beginning}*"))
}

/// Where the libraries of this host's programs unpacked into a folder are, most of them.
pub fn libraries(root: &Path) -> PathBuf {
    root.join("usr/lib").join(multiarch())
}

fn multiarch() -> String {
    format!("{}-linux-gnu", env::consts::ARCH)
}

/// `LD_LIBRARY_PATH` for this host's programs unpacked into a folder.
pub fn library_path(root: &Path) -> Result<OsString> {
    let libraries = libraries(root);
    let mut paths = vec![
        libraries.clone(),
        root.join("lib").join(multiarch()),
        // PulseAudio keeps some of its own apart.
        libraries.join("pulseaudio"),
    ];
    if let Some(existing) = env::var_os("LD_LIBRARY_PATH") {
        paths.extend(env::split_paths(&existing));
    }
    env::join_paths(paths).context("target/ cannot stand in LD_LIBRARY_PATH")
}

/// Asks apt, and once more with fresh package lists if it does not know: they may not be there
/// yet, or name what has left the mirror since.
fn with_lists(of: Origin, ask: impl Fn() -> Result<String>) -> Result<String> {
    ask().or_else(|unknown| {
        of.refresh()
            .map_err(|error| unknown.context(format!("{error:#}")))?;
        ask()
    })
}

fn remove(folder: &Path) -> Result<()> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("cannot remove {}", folder.display()))
        }
        _ => Ok(()),
    }
}
