//! Tools of others, unpacked into target/ and nowhere else.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result, ensure};

use crate::{
    arch::Arch,
    packages::{self, Origin},
    shell, workspace,
};

/// A tool that some tests need.
pub struct Tool {
    /// The variable the tests look it up in: a program, or the folder its packages are in.
    pub variable: &'static str,
    name: &'static str,
    /// Looks for it, or fetches it.
    ensure: fn() -> Result<PathBuf>,
}

/// All of them.
pub const TOOLS: &[Tool] = &[
    Tool {
        variable: "ROTEL_BIN",
        name: "rotel",
        ensure: rotel,
    },
    Tool {
        variable: "MOCKOTLP_BIN",
        name: "mockotlpserver",
        ensure: mockotlpserver,
    },
    Tool {
        variable: "PROMETHEUS_ROOT",
        name: "prometheus",
        ensure: prometheus,
    },
    Tool {
        variable: "VICTORIAMETRICS_BIN",
        name: "VictoriaMetrics",
        ensure: victoria_metrics,
    },
    Tool {
        variable: "STRACE_BIN",
        name: "strace",
        ensure: strace,
    },
    Tool {
        variable: "MOSQUITTO_ROOT",
        name: "mosquitto",
        ensure: mosquitto,
    },
];

impl Tool {
    /// The variable's value: a path, or why there is none, in the form the tests expect.
    pub fn value(&self) -> String {
        match (self.ensure)() {
            Ok(path) => path.display().to_string(),
            Err(error) => {
                shell::say(&format!("no {}: {error:#}", self.name));
                format!("missing: {} could not be had here: {error:#}", self.name)
            }
        }
    }
}

const ROTEL: &str = "rotel==0.0.1a15";
const MOCK: &str = "@elastic/mockotlpserver@0.10.0";

fn collectors() -> PathBuf {
    workspace::root().join("target/collectors")
}

/// rotel, an OTLP collector: a wheel in a virtual environment of its own.
pub fn rotel() -> Result<PathBuf> {
    let folder = collectors().join("rotel");
    if let Some(agent) = rotel_agent(&folder) {
        return Ok(agent);
    }
    python(ROTEL, &folder)?;
    rotel_agent(&folder).with_context(|| format!("{ROTEL} holds no rotel-agent"))
}

/// A Python package in a virtual environment of its own, unless it is there.
pub fn python(package: &str, folder: &Path) -> Result<()> {
    // Half of one is never taken for a whole one.
    let done = folder.join("unpacked");
    if fs::read_to_string(&done).is_ok_and(|there| there == package) {
        return Ok(());
    }
    shell::say(&format!("unpacking {package} into {}", folder.display()));
    shell::output(
        Command::new("python3")
            .args(["-m", "venv", "--clear"])
            .arg(folder),
    )?;
    shell::output(Command::new(folder.join("bin/pip")).args(["install", "--quiet", package]))?;
    fs::write(&done, package).with_context(|| format!("cannot write {}", done.display()))
}

fn rotel_agent(folder: &Path) -> Option<PathBuf> {
    let versions = fs::read_dir(folder.join("lib")).ok()?;
    versions
        .filter_map(Result::ok)
        .map(|version| version.path().join("site-packages/rotel/rotel-agent"))
        .find(|agent| agent.is_file())
}

/// mockotlpserver, an OTLP receiver that prints JSON.
fn mockotlpserver() -> Result<PathBuf> {
    let folder = collectors().join("mockotlpserver");
    let server = folder.join("node_modules/.bin/mockotlpserver");
    if server.exists() {
        return Ok(server);
    }
    ensure!(shell::which("node").is_some(), "there is no node to run it");
    shell::say(&format!("unpacking {MOCK} into {}", folder.display()));
    fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
    shell::output(
        Command::new("npm")
            .args([
                "install",
                "--ignore-scripts",
                "--no-audit",
                "--no-fund",
                "--loglevel=error",
                "--prefix",
            ])
            .arg(&folder)
            .arg(MOCK),
    )?;
    ensure!(server.exists(), "{MOCK} holds no mockotlpserver");
    Ok(server)
}

/// Prometheus and promtool: the root folder of Debian's package.
fn prometheus() -> Result<PathBuf> {
    let arch = Arch::host().context("this architecture is not one of those procmon is for")?;
    let folder = collectors().join("prometheus");
    packages::unpack(arch, &["prometheus".to_owned()], &folder)?;
    Ok(folder)
}

/// VictoriaMetrics, a store that takes OTLP and answers PromQL: of the first release of Debian
/// whose version of it takes OTLP under the names that Prometheus would give.
fn victoria_metrics() -> Result<PathBuf> {
    let arch = Arch::host().context("this architecture is not one of those procmon is for")?;
    let folder = collectors().join("victoria-metrics");
    let package = "victoria-metrics".to_owned();
    packages::unpack(Origin::of_suite(arch, "trixie"), &[package], &folder)?;
    let program = folder.join("usr/bin/victoria-metrics");
    // It is linked with the libraries of that release.
    shell::output(Command::new(&program).arg("-version"))
        .context("trixie's does not run on this host")?;
    Ok(program)
}

/// mosquitto, an MQTT broker, and mosquitto_sub: the folder they are unpacked into.
fn mosquitto() -> Result<PathBuf> {
    let folder = workspace::root().join("target/mosquitto");
    super::peers::debian(&["mosquitto", "mosquitto-clients"], &folder)?;
    Ok(folder)
}

/// strace: the system's, else Debian's package unpacked beside the system.
pub fn strace() -> Result<PathBuf> {
    if let Some(found) = shell::which("strace") {
        return Ok(found);
    }
    let folder = workspace::root().join("target/strace");
    let program = folder.join("root/usr/bin/strace");
    if program.exists() {
        return Ok(program);
    }
    shell::say(&format!(
        "unpacking Debian's strace into {}",
        folder.display()
    ));
    fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
    shell::output(
        Command::new("apt-get")
            .args(["download", "--quiet", "strace"])
            .current_dir(&folder),
    )?;
    let package = fs::read_dir(&folder)
        .with_context(|| format!("cannot read {}", folder.display()))?
        .filter_map(Result::ok)
        .map(|entry| entry.path())
        .find(|path| path.extension().is_some_and(|extension| extension == "deb"))
        .context("apt-get downloaded no package")?;
    shell::output(
        Command::new("dpkg")
            .arg("-x")
            .arg(&package)
            .arg(folder.join("root")),
    )?;
    ensure!(
        program.exists(),
        "{} holds no usr/bin/strace",
        package.display()
    );
    Ok(program)
}
