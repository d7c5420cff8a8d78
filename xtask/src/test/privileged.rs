//! The tests in `tests/`, which need root, the real kernel and the tools of others.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use anyhow::{Context as _, Result, ensure};

use super::{heading, tally::Tally};
use crate::{run, shell, target::Target, tools::fetch, vm, workspace};

const PACKAGE: &str = "procmon-tests";
const TRACEFS: &str = "/sys/kernel/tracing";

/// Builds them in release, then runs each binary as root, one test at a time.
pub fn tests(filter: Option<&str>, tally: &mut Tally) -> Result<()> {
    heading("tests on the real kernel");
    let binaries = build(&Target::host())?;
    let Some(privilege) = Privilege::get()? else {
        for (name, _) in &binaries {
            tally.skip(format!(
                "SKIPPED {name}: needs root, and sudo asks for a password or is not there"
            ));
        }
        return Ok(());
    };
    mount_tracefs(&privilege);
    let log = workspace::root().join("target/skipped-tests.txt");
    let environment = environment(&log);
    for (name, binary) in &binaries {
        heading(name);
        fs::write(&log, "").with_context(|| format!("cannot write {}", log.display()))?;
        let mut command = privilege.command(&environment, binary);
        command
            .arg("--test-threads=1")
            // They run in machines of their own.
            .args(["--skip", vm::LOCKED_DOWN])
            // The name of a binary stands for all its tests.
            .args(filter.filter(|filter| !name.contains(*filter)))
            .current_dir(workspace::root().join("tests"));
        tally.run_tests(&format!("host: {name}"), &mut command)?;
        let skipped =
            fs::read_to_string(&log).with_context(|| format!("cannot read {}", log.display()))?;
        tally.take_skipped(skipped.lines().map(str::to_owned).collect());
    }
    Ok(())
}

/// Builds the victim, the machines' `init` and the test binaries; name and path of each of the latter.
pub fn build(target: &Target) -> Result<Vec<(String, PathBuf)>> {
    let mut victim = target.cargo();
    shell::run(victim.args([
        "build",
        "--release",
        "--quiet",
        "--package",
        PACKAGE,
        "--bins",
    ]))?;
    let mut tests = target.cargo();
    tests.args([
        "test",
        "--release",
        "--no-run",
        "--package",
        PACKAGE,
        "--test",
        "*",
    ]);
    // Its messages, for people, name each binary: `Executable tests/x.rs (target/release/deps/x-0123)`.
    let output = tests
        .env("CARGO_TERM_COLOR", "never")
        .stdin(Stdio::null())
        .output()
        .context("cannot run cargo")?;
    let messages = String::from_utf8_lossy(&output.stderr);
    ensure!(
        output.status.success(),
        "the tests do not build:\n{messages}"
    );
    let binaries: Vec<_> = messages.lines().filter_map(executable).collect();
    ensure!(
        !binaries.is_empty(),
        "cargo names no test binary:\n{messages}"
    );
    Ok(binaries)
}

/// Reads one of cargo's lines.
fn executable(line: &str) -> Option<(String, PathBuf)> {
    let rest = line.trim_start().strip_prefix("Executable ")?;
    let (source, binary) = rest.rsplit_once(" (")?;
    let path = workspace::root().join(binary.strip_suffix(')')?);
    Some((source.to_owned(), path))
}

/// What the tests read from their environment.
fn environment(log: &Path) -> Vec<(String, String)> {
    let release = workspace::target().join("release");
    let mut variables = vec![
        (
            "PROCMON_BIN".to_owned(),
            release.join("procmon").display().to_string(),
        ),
        (
            "VICTIM_BIN".to_owned(),
            release.join("victim").display().to_string(),
        ),
        ("PROCMON_SKIP_LOG".to_owned(), log.display().to_string()),
    ];
    variables.extend(
        fetch::TOOLS
            .iter()
            .map(|tool| (tool.variable.to_owned(), tool.value())),
    );
    variables
}

/// How we become root.
enum Privilege {
    Root,
    Sudo(PathBuf),
}

impl Privilege {
    /// None when only a password would do: the tests run without a person.
    fn get() -> Result<Option<Self>> {
        if run::is_root()? {
            return Ok(Some(Self::Root));
        }
        let Some(sudo) = shell::which("sudo") else {
            return Ok(None);
        };
        let allowed =
            shell::output(Command::new(&sudo).args(["--non-interactive", "true"])).is_ok();
        Ok(allowed.then_some(Self::Sudo(sudo)))
    }

    /// A program as root with these variables.
    fn command(&self, environment: &[(String, String)], program: &Path) -> Command {
        match self {
            Self::Root => {
                let mut command = Command::new(program);
                command.envs(environment.iter().map(|(name, value)| (name, value)));
                command
            }
            Self::Sudo(sudo) => {
                let mut command = Command::new(sudo);
                command.args(["--non-interactive", "--", "env"]);
                command.args(
                    environment
                        .iter()
                        .map(|(name, value)| format!("{name}={value}")),
                );
                command.arg(program);
                command
            }
        }
    }
}

/// Tracepoints are found through tracefs. Where it is not mounted we mount it, and say so.
fn mount_tracefs(privilege: &Privilege) {
    if Path::new(TRACEFS).join("events").exists() {
        return;
    }
    shell::say(&format!("tracefs is not mounted: mounting it at {TRACEFS}"));
    let mut mount = privilege.command(&[], Path::new("mount"));
    if let Err(error) = shell::output(mount.args(["-t", "tracefs", "tracefs", TRACEFS])) {
        shell::say(&format!("that did not work, so tests may fail: {error:#}"));
    }
}
