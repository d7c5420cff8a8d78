//! What a new user does first, from a clone with nothing in `target/`.

use std::{fs, path::PathBuf, process::Command};

use anyhow::{Context as _, Result, ensure};

use super::{heading, tally::Tally};
use crate::{shell, workspace};

const RUNS: &str = "from_a_fresh_clone_cargo_xtask_run_pid_1_works_and_needs_no_other_command";
const REBUILDS: &str = "a_second_cargo_build_rebuilds_nothing";

/// Clones the last commit and runs both promises there.
pub fn tests(tally: &mut Tally) -> Result<()> {
    heading("a fresh clone");
    if !workspace::root().join(".git").exists() {
        for test in [RUNS, REBUILDS] {
            tally.skip(format!("SKIPPED {test}: this is no git checkout to clone"));
        }
        return Ok(());
    }
    let clone = Clone::make()?;
    for (test, holds) in [(RUNS, clone.runs()), (REBUILDS, clone.rebuilds_nothing())] {
        tally.promise(test, holds);
    }
    Ok(())
}

/// A clone, removed when dropped.
struct Clone {
    folder: PathBuf,
}

impl Clone {
    fn make() -> Result<Self> {
        let folder = workspace::root().join("target/fresh-clone");
        if folder.exists() {
            fs::remove_dir_all(&folder)
                .with_context(|| format!("cannot remove {}", folder.display()))?;
        }
        let mut git = Command::new("git");
        git.args(["clone", "--quiet", "--no-hardlinks"])
            .arg(workspace::root())
            .arg(&folder);
        shell::run(&mut git)?;
        Ok(Self { folder })
    }

    fn cargo(&self, arguments: &[&str]) -> Command {
        let mut cargo = workspace::cargo();
        cargo
            .args(arguments)
            .current_dir(&self.folder)
            .env_remove("CARGO_TARGET_DIR");
        cargo
    }

    /// The command of the README, and that it shows process 1 at each of five seconds.
    fn runs(&self) -> Result<()> {
        let mut run = self.cargo(&[
            "xtask",
            "run",
            "--pid",
            "1",
            "--",
            "--duration",
            "5s",
            "--jsonl",
            "-",
        ]);
        let output = shell::output(&mut run)?;
        let objects = output
            .lines()
            .filter(|line| line.contains("\"pid\":1,"))
            .count();
        ensure!(objects >= 5, "{objects} objects of process 1: {output}");
        Ok(())
    }

    fn rebuilds_nothing(&self) -> Result<()> {
        let mut build = self.cargo(&["build", "--release", "--package", "procmon-user"]);
        let output = build.output().context("cannot run cargo")?;
        let said = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "{said}");
        ensure!(!said.contains("Compiling"), "it rebuilt: {said}");
        Ok(())
    }
}

impl Drop for Clone {
    fn drop(&mut self) {
        // It is in target/: what cannot be removed is in nobody's way.
        let _ = fs::remove_dir_all(&self.folder);
    }
}
