//! Counting what passed, and telling at the end what did not.

use std::{
    process::{Command, ExitCode},
    time::Instant,
};

use anyhow::Result;

use super::{
    ended::{Ended, ended},
    libtest::shortened,
};
use crate::shell;

/// The total.
#[derive(Default)]
pub struct Tally {
    /// Tests and checks that passed.
    pub passed: usize,
    failed: usize,
    failures: Vec<Failed>,
    /// Reasons, each for the number of tests it kept from running.
    skipped: Vec<String>,
}

/// What is told again at the end, where nobody has to look for it.
struct Failed {
    /// Where it ran, and its name.
    what: String,
    story: Vec<String>,
}

impl Tally {
    /// Notes a failure that libtest does not know of, with what was said of it.
    pub fn fail(&mut self, what: String, story: Vec<String>) {
        eprintln!("FAILED {what}");
        self.failed += 1;
        self.failures.push(Failed { what, story });
    }

    /// Counts a test of our own.
    pub fn promise(&mut self, test: &str, holds: Result<()>) {
        match holds {
            Ok(()) => {
                println!("test {test} ... ok");
                self.passed += 1;
            }
            Err(error) => self.fail(test.to_owned(), lines(&format!("{error:#}"))),
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

    /// Runs a check that either holds or does not: one test of the total.
    pub fn check(&mut self, title: &str, command: &mut Command) -> Result<()> {
        let begun = Instant::now();
        let (status, said) = ended(command)?;
        if status.success() {
            let seconds = begun.elapsed().as_secs_f64();
            shell::say(&format!("{title}: ok, {seconds:.1} s"));
            self.passed += 1;
        } else {
            let what = format!("{title}: {} ended with {status}", shell::line(command));
            self.fail(what, said);
        }
        Ok(())
    }

    /// Runs a program made of libtest's tests, shows what it writes and adds its summaries up.
    pub fn run_tests(&mut self, place: &str, command: &mut Command) -> Result<()> {
        let ended = Ended::of(command, |line| println!("{line}"))?;
        self.take(place, ended);
        Ok(())
    }

    /// Adds what a program made of libtest's tests told, which ran there.
    pub fn take(&mut self, place: &str, ended: Ended) {
        let Ended { told, status, said } = ended;
        if !status.success() && told.failed == 0 {
            self.fail(format!("{place}: ended with {status}"), said);
        }
        self.passed += told.passed;
        self.failed += told.failed;
        let skipped = told.ignored.iter();
        self.skipped
            .extend(skipped.map(|ignored| format!("SKIPPED {place}: {ignored}")));
        let failures = told.failures.into_iter();
        self.failures.extend(failures.map(|failure| Failed {
            what: format!("{place}: {}", failure.test),
            story: failure.story,
        }));
    }

    /// Lists what was skipped, then what failed with what is known of it; the total is the last line.
    pub fn report(&self) -> ExitCode {
        print!("{}", self.text());
        if self.failed == 0 {
            ExitCode::SUCCESS
        } else {
            ExitCode::FAILURE
        }
    }

    fn text(&self) -> String {
        let mut text = String::new();
        if !self.skipped.is_empty() {
            text.push('\n');
        }
        for skipped in &self.skipped {
            text += &format!("{skipped}\n");
        }
        for failure in &self.failures {
            text += &format!("\nFAILED {}\n", failure.what);
            for line in shortened(&failure.story) {
                text += format!("    {line}").trim_end();
                text.push('\n');
            }
        }
        text + &format!(
            "\n{} passed, {} failed, {} skipped\n",
            self.passed,
            self.failed,
            self.skipped.len()
        )
    }
}

fn lines(text: &str) -> Vec<String> {
    text.lines().map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOLD: &str = "\
test a::bad ... FAILED
test c::slow ... ignored, slow

failures:

---- a::bad stdout ----

thread 'a::bad' (12) panicked at a.rs:3:5:
assertion failed: 1 == 2


failures:
    a::bad

test result: FAILED. 1 passed; 1 failed; 1 ignored; 0 measured; 0 filtered out
";

    #[test]
    fn a_failed_test_is_told_after_the_skipped_with_place_name_and_panic() {
        let mut tally = Tally::default();
        let mut tests = Command::new("printf");
        tests.args(["%s", TOLD]);
        tally.run_tests("Linux 6.1 arm64", &mut tests).unwrap();
        tally.promise("it_holds", Err(anyhow::anyhow!("it does\nnot")));
        tally.skip("SKIPPED one: no root".to_owned());
        let wanted = "
SKIPPED Linux 6.1 arm64: c::slow: ignored, slow
SKIPPED one: no root

FAILED Linux 6.1 arm64: a::bad
    thread 'a::bad' (12) panicked at a.rs:3:5:
    assertion failed: 1 == 2

FAILED it_holds
    it does
    not

1 passed, 2 failed, 2 skipped
";
        assert_eq!(tally.text(), wanted);
    }

    #[test]
    fn a_program_that_ends_without_a_summary_is_told_with_its_last_words() {
        let mut tally = Tally::default();
        let mut crash = Command::new("sh");
        crash.args(["-c", "echo no kernel >&2; exit 3"]);
        tally.run_tests("Linux 6.1 amd64", &mut crash).unwrap();
        let wanted = "
FAILED Linux 6.1 amd64: ended with exit status: 3
    no kernel

0 passed, 1 failed, 0 skipped
";
        assert_eq!(tally.text(), wanted);
    }

    #[test]
    fn a_check_that_fails_is_told_with_what_it_said() {
        let mut tally = Tally::default();
        tally
            .check("lints", Command::new("sh").args(["-c", "true"]))
            .unwrap();
        let mut fails = Command::new("sh");
        fails.args(["-c", "echo unused >&2; exit 1"]);
        tally.check("lints", &mut fails).unwrap();
        assert_eq!((tally.passed, tally.failed), (1, 1));
        assert_eq!(tally.failures[0].story, ["unused"]);
    }
}
