//! What a program made of libtest's tests tells of them, read line by line.

/// The lines of a failed test that are told again at the end: enough for a panic's message and what
/// an assertion compared.
pub const LINES: usize = 40;
/// The characters of each: some assertions show the whole output of a program in one line.
const CHARACTERS: usize = 2_000;

/// A test that failed.
#[derive(Debug, PartialEq)]
pub struct Failure {
    /// Its name.
    pub test: String,
    /// What it wrote, the panic's message included.
    pub story: Vec<String>,
}

/// What has been told so far, over all summaries.
#[derive(Debug, Default)]
pub struct Told {
    /// How many passed, by the summaries.
    pub passed: usize,
    /// How many failed, by the summaries.
    pub failed: usize,
    /// Each of the latter.
    pub failures: Vec<Failure>,
    /// Those that were ignored, and why: `name: ignored, reason`.
    pub ignored: Vec<String>,
    /// The failure that the lines are about.
    telling: Option<usize>,
}

impl Told {
    /// Takes one more line.
    pub fn hear(&mut self, line: &str) {
        if let Some(summary) = summary(line) {
            self.passed += summary.passed;
            self.failed += summary.failed;
            self.telling = None;
        } else if line == "failures:" {
            self.telling = None;
        } else if let Some(test) = section(line) {
            self.telling = Some(self.failure(test));
        } else if let Some(failure) = self.telling {
            self.failures[failure].story.push(line.to_owned());
        } else if let Some((test, outcome)) = outcome(line) {
            match outcome {
                "FAILED" => drop(self.failure(test)),
                _ if outcome.starts_with("ignored") => {
                    self.ignored.push(format!("{test}: {outcome}"));
                }
                _ => {}
            }
        }
    }

    /// Where a failed test is, which may be new.
    fn failure(&mut self, test: &str) -> usize {
        let known = |failure: &Failure| failure.test == test;
        self.failures.iter().position(known).unwrap_or_else(|| {
            self.failures.push(Failure {
                test: test.to_owned(),
                story: Vec::new(),
            });
            self.failures.len() - 1
        })
    }
}

/// So much of a story as is told again: from the panic on where all would be too long.
pub fn shortened(story: &[String]) -> Vec<String> {
    let blank = |line: &&String| line.trim().is_empty();
    let first = story.iter().take_while(blank).count();
    let last = story.len() - story[first..].iter().rev().take_while(blank).count();
    let mut story = &story[first..last];
    if story.len() > LINES {
        let panic = story.iter().position(|line| line.contains(" panicked at "));
        story = &story[panic.unwrap_or(0)..];
    }
    let mut lines: Vec<_> = story.iter().take(LINES).map(|line| cut(line)).collect();
    if story.len() > LINES {
        lines.push(format!("... {} lines more, above", story.len() - LINES));
    }
    lines
}

fn cut(line: &str) -> String {
    match line.char_indices().nth(CHARACTERS) {
        Some((end, _)) => format!("{}... (more of the line above)", &line[..end]),
        None => line.to_owned(),
    }
}

/// One `test result:` line.
#[derive(Debug, Default, PartialEq)]
struct Summary {
    passed: usize,
    failed: usize,
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

/// Reads `---- some::name stdout ----`, which begins what a failed test wrote.
fn section(line: &str) -> Option<&str> {
    line.strip_prefix("---- ")?.strip_suffix(" stdout ----")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As libtest writes it.
    const FAILED: &str = "
running 3 tests
test a::good ... ok
test a::bad ... FAILED
test b::worse ... FAILED
test c::slow ... ignored, slow

failures:

---- a::bad stdout ----
SKIPPED nothing

thread 'a::bad' (12) panicked at a.rs:3:5:
assertion failed: 1 == 2
note: run with `RUST_BACKTRACE=1` environment variable to display a backtrace

---- b::worse stdout ----

thread 'b::worse' (13) panicked at b.rs:9:1:
no such thing


failures:
    a::bad
    b::worse

test result: FAILED. 1 passed; 2 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.01s
";

    fn told(text: &str) -> Told {
        let mut told = Told::default();
        text.lines().for_each(|line| told.hear(line));
        told
    }

    #[test]
    fn a_failed_test_is_told_with_its_panic() {
        let told = told(FAILED);
        assert_eq!((told.passed, told.failed), (1, 2));
        assert_eq!(told.ignored, ["c::slow: ignored, slow"]);
        let stories: Vec<_> = told
            .failures
            .iter()
            .map(|failure| (failure.test.as_str(), shortened(&failure.story).join("\n")))
            .collect();
        let bad = "SKIPPED nothing\n\nthread 'a::bad' (12) panicked at a.rs:3:5:\n\
            assertion failed: 1 == 2\n\
            note: run with `RUST_BACKTRACE=1` environment variable to display a backtrace";
        let worse = "thread 'b::worse' (13) panicked at b.rs:9:1:\nno such thing";
        assert_eq!(
            stories,
            [("a::bad", bad.to_owned()), ("b::worse", worse.to_owned())]
        );
    }

    #[test]
    fn several_binaries_add_up() {
        let twice = FAILED.to_owned() + &FAILED.replace("a::", "d::").replace("b::", "e::");
        let told = told(&twice);
        assert_eq!((told.passed, told.failed), (2, 4));
        let names: Vec<_> = told.failures.iter().map(|failure| &failure.test).collect();
        assert_eq!(names, ["a::bad", "b::worse", "d::bad", "e::worse"]);
    }

    #[test]
    fn a_failure_whose_outcome_is_lost_among_other_output_is_told() {
        let told =
            told(&FAILED.replace("test a::bad ... FAILED", "test a::bad ... watchingFAILED"));
        let bad = told
            .failures
            .iter()
            .find(|failure| failure.test == "a::bad");
        assert!(bad.is_some_and(|bad| bad.story.len() > 3), "{told:?}");
    }

    #[test]
    fn a_long_story_is_told_from_the_panic_on() {
        let mut story = vec!["chatter".to_owned(); 100];
        story.push("thread 'x' panicked at x.rs:1:1:".to_owned());
        story.extend((1..=LINES + 6).map(|number| format!("line {number}")));
        let told = shortened(&story);
        assert_eq!(told.len(), LINES + 1);
        assert_eq!(told[0], "thread 'x' panicked at x.rs:1:1:");
        assert_eq!(told[LINES - 1], format!("line {}", LINES - 1));
        assert_eq!(told[LINES], "... 7 lines more, above");
    }

    #[test]
    fn a_long_line_is_cut() {
        let told = shortened(&["ä".repeat(CHARACTERS + 1)]);
        let wanted = "ä".repeat(CHARACTERS) + "... (more of the line above)";
        assert_eq!(told, [wanted]);
    }

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
