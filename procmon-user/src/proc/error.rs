//! What can go wrong, and how often it did.

use std::io;
use std::path::{Path, PathBuf};

use crate::process::errno;

/// A text that is not what the kernel writes.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected {expected}, found {found:?}")]
pub struct Malformed {
    /// What should have stood there.
    pub expected: &'static str,
    /// What stood there, shortened.
    pub found: String,
}

impl Malformed {
    /// The longest piece of offending text that is kept.
    const LONGEST: usize = 80;

    /// Says what was expected of `found`.
    pub fn new(expected: &'static str, found: &[u8]) -> Self {
        let shown = &found[..found.len().min(Self::LONGEST)];
        Self {
            expected,
            found: String::from_utf8_lossy(shown).into_owned(),
        }
    }

    /// Says where it was found.
    pub fn at(self, path: impl Into<PathBuf>) -> Error {
        Error::Malformed {
            path: path.into(),
            malformed: self,
        }
    }
}

/// Why a file of /proc or of a cgroup could not be read.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The process ended, before or while it was read.
    #[error("process {pid} has gone")]
    Gone {
        /// Its pid.
        pid: u32,
    },
    /// The file could not be read.
    #[error("{}: {source}", path.display())]
    Io {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The file does not say what it should.
    #[error("{}: {malformed}", path.display())]
    Malformed {
        /// Which file.
        path: PathBuf,
        /// What is wrong with it.
        malformed: Malformed,
    },
}

impl Error {
    /// An error of the operating system.
    pub fn io(path: &Path, source: impl Into<io::Error>) -> Self {
        Self::Io {
            path: path.to_owned(),
            source: source.into(),
        }
    }

    /// The process has ended: not a failure.
    pub fn is_gone(&self) -> bool {
        matches!(self, Self::Gone { .. })
    }

    /// The cause in one word, for `error.type`: the error number's name, or
    /// `malformed`.
    pub fn cause(&self) -> &'static str {
        match self {
            Self::Gone { .. } => "ESRCH",
            Self::Io { source, .. } => source
                .raw_os_error()
                .map_or("_OTHER", |number| errno::name(number.unsigned_abs())),
            Self::Malformed { .. } => "malformed",
        }
    }
}

/// Counts values that could not be read, by field and cause: the source of
/// `procmon.agent.read.errors`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ReadErrors {
    counts: Vec<(&'static str, &'static str, u64)>,
    unsaid: Vec<String>,
}

impl ReadErrors {
    /// Counts one. The first of its field and cause leaves a line for
    /// [`ReadErrors::take_new`].
    pub fn record(&mut self, field: &'static str, error: &Error) {
        if self.count(field, error.cause()) {
            self.say(format!(
                "{field} is left out where it cannot be read: {error}"
            ));
        }
    }

    /// Counts one without a word, and returns whether it was the first of its
    /// field and cause.
    pub fn count(&mut self, field: &'static str, cause: &'static str) -> bool {
        for (known_field, known_cause, count) in &mut self.counts {
            if *known_field == field && *known_cause == cause {
                *count += 1;
                return false;
            }
        }
        self.counts.push((field, cause, 1));
        true
    }

    /// Counts one that a process took with it: that is no trouble of the host's,
    /// and leaves no line.
    pub fn record_gone(&mut self, field: &'static str) {
        self.count(field, Error::Gone { pid: 0 }.cause());
    }

    /// Leaves a line for [`ReadErrors::take_new`].
    pub fn say(&mut self, line: String) {
        self.unsaid.push(line);
    }

    /// One line for each field and cause that is new since the last call, and
    /// what else was said, for the log.
    pub fn take_new(&mut self) -> Vec<String> {
        std::mem::take(&mut self.unsaid)
    }

    /// (field, cause, count), in the order of their first appearance.
    pub fn as_slice(&self) -> &[(&'static str, &'static str, u64)] {
        &self.counts
    }

    /// The value, or `None` and one more error. A process that has gone is no
    /// error of a field.
    pub(crate) fn keep<T>(
        &mut self,
        field: &'static str,
        result: Result<T, Error>,
    ) -> Result<Option<T>, Error> {
        match result {
            Ok(value) => Ok(Some(value)),
            Err(gone @ Error::Gone { .. }) => Err(gone),
            Err(error) => {
                self.record(field, &error);
                Ok(None)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn denied() -> Error {
        Error::io(
            Path::new("/proc/1/io"),
            io::Error::from_raw_os_error(libc::EACCES),
        )
    }

    #[test]
    fn one_line_a_cause_and_a_count() {
        let mut errors = ReadErrors::default();
        errors.record("io", &denied());
        errors.record("io", &denied());
        errors.record("fd", &denied());
        assert_eq!(errors.take_new().len(), 2);
        let malformed = Malformed::new("a number", b"x").at("/proc/1/io");
        errors.record("io", &malformed);
        assert!(errors.take_new()[0].contains("/proc/1/io"));
        assert!(errors.take_new().is_empty());
        assert_eq!(
            errors.as_slice(),
            [
                ("io", "EACCES", 2),
                ("fd", "EACCES", 1),
                ("io", "malformed", 1)
            ]
        );
    }

    #[test]
    fn an_error_names_the_file_and_the_text() {
        let error = Malformed::new("a number", b"12x").at("/proc/7/stat");
        assert_eq!(
            error.to_string(),
            r#"/proc/7/stat: expected a number, found "12x""#
        );
        assert!(denied().to_string().starts_with("/proc/1/io: "));
    }

    #[test]
    fn what_a_process_took_with_it_is_counted_and_not_said() {
        let mut errors = ReadErrors::default();
        errors.record("fd", &denied());
        errors.record_gone("exe");
        errors.record_gone("exe");
        assert_eq!(errors.take_new().len(), 1);
        assert_eq!(errors.as_slice()[1], ("exe", "ESRCH", 2));
    }

    #[test]
    fn a_process_that_has_gone_is_not_counted() {
        let mut errors = ReadErrors::default();
        let gone: Result<u64, Error> = Err(Error::Gone { pid: 7 });
        assert!(errors.keep("io", gone).unwrap_err().is_gone());
        assert_eq!(errors.keep::<u64>("io", Err(denied())).unwrap(), None);
        assert_eq!(errors.as_slice().len(), 1);
    }
}
