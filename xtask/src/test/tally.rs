//! Counting what passed, over all of libtest's summaries.

use std::{
    io::{BufRead as _, BufReader},
    process::{Child, Command, ExitCode, Stdio},
};

use anyhow::{Context as _, Result};

use crate::shell;

/// The total.
#[derive(Default)]
pub struct Tally {
    /// Tests and checks that passed.
    pub passed: usize,
    failed: usize,
    failures: Vec<String>,
    /// Reasons, each for the number of tests it kept from running.
    skipped: Vec<String>,
}

/// One `test result:` line.
#[derive(Debug, Default, PartialEq)]
struct Summary {
    passed: usize,
    failed: usize,
}

impl Tally {
    /// Notes a failure that libtest does not know of.
    pub fn fail(&mut self, what: String) {
        eprintln!("FAILED {what}");
        self.failed += 1;
        self.failures.push(what);
    }

    /// Counts a test of our own.
    pub fn promise(&mut self, test: &str, holds: Result<()>) {
        match holds {
            Ok(()) => {
                println!("test {test} ... ok");
                self.passed += 1;
            }
            Err(error) => self.fail(format!("{test}: {error:#}")),
        }
    }

    /// Takes tests that noted themselves as skipped, and that libtest took for passed, out again.
    pub fn take_skipped(&mut self, lines: Vec<String>) {
        self.passed = self.passed.saturating_sub(lines.len());
        self.skipped.extend(lines);
    }

    /// Notes something that could not be run at all.
    pub fn skip(&mut self, what: String) {
        self.skipped.push(what);
    }

    /// Runs a program made of libtest's tests, shows what it writes and adds its summaries up.
    pub fn run_tests(&mut self, title: &str, command: &mut Command) -> Result<()> {
        let mut child = command
            .stdout(Stdio::piped())
            .spawn()
            .with_context(|| format!("cannot run {}", shell::line(command)))?;
        self.watch_tests(title, &mut child)
    }

    /// The same for one that runs already, its stdout piped to us.
    pub fn watch_tests(&mut self, title: &str, child: &mut Child) -> Result<()> {
        let stdout = child.stdout.take().context("the tests have no stdout")?;
        let mut failed = 0;
        for line in BufReader::new(stdout).split(b'\n') {
            let line = line.with_context(|| format!("cannot read from {title}"))?;
            let line = String::from_utf8_lossy(&line);
            println!("{line}");
            if let Some(summary) = summary(&line) {
                self.passed += summary.passed;
                failed += summary.failed;
            } else if let Some((name, outcome)) = outcome(&line) {
                match outcome {
                    "FAILED" => self.failures.push(format!("{title}: {name}")),
                    _ if outcome.starts_with("ignored") => {
                        self.skipped
                            .push(format!("SKIPPED {title}: {name}: {outcome}"));
                    }
                    _ => {}
                }
            }
        }
        self.failed += failed;
        let status = child
            .wait()
            .with_context(|| format!("cannot wait for {title}"))?;
        if !status.success() && failed == 0 {
            self.fail(format!("{title}: ended with {status}"));
        }
        Ok(())
    }

    /// Lists what failed and what was skipped; the total is the last line.
    pub fn report(&self) -> ExitCode {
        println!();
        for skipped in &self.skipped {
            println!("{skipped}");
        }
        for failure in &self.failures {
            println!("FAILED {failure}");
        }
        println!(
            "{} passed, {} failed, {} skipped",
            self.passed,
            self.failed,
            self.skipped.len()
        );
        if self.failed == 0 {
            ExitCode::SUCCESS
        } else {
            ExitCode::FAILURE
        }
    }
}

/// Reads `test result: ok. 5 passed; 0 failed; 0 ignored; 0 measured; ...`.
fn summary(line: &str) -> Option<Summary> {
    let (_, counts) = line.strip_prefix("test result: ")?.split_once(". ")?;
    let mut summary = Summary::default();
    for part in counts.split(';') {
        let Some((number, what)) = part.trim().split_once(' ') else {
            continue;
        };
        let Ok(number) = number.parse() else { continue };
        match what {
            "passed" => summary.passed = number,
            "failed" => summary.failed = number,
            _ => {}
        }
    }
    Some(summary)
}

/// Reads `test some::name ... ok`; the outcome may be followed by a reason.
fn outcome(line: &str) -> Option<(&str, &str)> {
    line.strip_prefix("test ")?.rsplit_once(" ... ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn summaries_of_libtest_are_read() {
        let line = "test result: FAILED. 12 passed; 3 failed; 1 ignored; 0 measured; 7 filtered out; finished in 0.01s";
        assert_eq!(
            summary(line),
            Some(Summary {
                passed: 12,
                failed: 3
            })
        );
        assert_eq!(summary("test x ... ok"), None);
    }

    #[test]
    fn outcomes_of_libtest_are_read() {
        assert_eq!(outcome("test a::b ... FAILED"), Some(("a::b", "FAILED")));
        assert_eq!(
            outcome("test a::b ... ignored, slow"),
            Some(("a::b", "ignored, slow"))
        );
        assert_eq!(outcome("running 3 tests"), None);
    }
}
