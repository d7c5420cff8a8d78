//! Files that are written, and when they are put aside.

use std::fmt;
use std::path::Path;
use std::str::FromStr;
use std::time::Duration;

use serde_json::json;

use super::quantity::{TIME, between};
use super::value::{FilePath, Form, Scalar};
use crate::export::sink::{Place, Rotation};
use crate::size;

/// A file that is written.
#[derive(Clone, Debug, PartialEq)]
pub struct Output {
    /// Its path, `-` for stdout; `None`: it was not asked for.
    pub file: Option<FilePath>,
    /// The most bytes before it is put aside.
    pub max_size: Limit<FileSize>,
    /// The longest time before it is.
    pub max_age: Limit<FileAge>,
    /// How many that were put aside are kept.
    pub max_files: FilesKept,
}

impl Default for Output {
    fn default() -> Self {
        Self {
            file: None,
            max_size: Limit(None),
            max_age: Limit(None),
            max_files: FilesKept::default(),
        }
    }
}

impl Output {
    /// Whether it goes to standard output.
    pub fn is_stdout(&self) -> bool {
        self.file.as_ref().is_some_and(FilePath::is_stdout)
    }

    /// Where it is written, if it is.
    pub fn place(&self) -> Option<Place> {
        self.file.as_ref().map(|file| Place {
            path: file.0.clone(),
            rotation: Rotation {
                max_size: self.max_size.0.map(|size| size.0),
                max_age: self.max_age.0.map(|age| age.0),
                max_files: self.max_files.0,
            },
        })
    }
}

impl FilePath {
    /// Whether it stands for standard output.
    pub fn is_stdout(&self) -> bool {
        self.0 == Path::new("-")
    }
}

/// A bound, or `off`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limit<T>(pub Option<T>);

impl<T: FromStr> FromStr for Limit<T> {
    type Err = T::Err;

    fn from_str(text: &str) -> Result<Self, T::Err> {
        match text {
            "off" => Ok(Self(None)),
            text => text.parse().map(|value| Self(Some(value))),
        }
    }
}

impl<T: fmt::Display> fmt::Display for Limit<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Some(value) => value.fmt(f),
            None => f.write_str("off"),
        }
    }
}

impl<T: Scalar> Scalar for Limit<T> {
    fn form() -> Form {
        let Form { words, schema } = T::form();
        Form {
            words: format!("{words}; or off"),
            schema: json!({"anyOf": [schema, {"const": "off"}]}),
        }
    }
}

/// Bytes of a file, at least 4 KiB: a smaller one would hold few records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FileSize(pub u64);

impl FileSize {
    const LEAST: u64 = 4 << 10;
    const WANTED: &str = "a size of at least 4KiB, as in 10MiB or 500MB";
}

impl FromStr for FileSize {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        size::at_least(text, Self::LEAST, Self::WANTED).map(Self)
    }
}

impl fmt::Display for FileSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&size::shown(self.0))
    }
}

impl Scalar for FileSize {
    fn form() -> Form {
        Form::of_bytes(Self::LEAST, Self::WANTED)
    }
}

/// How old a file may become: 1 s to ten years.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FileAge(pub Duration);

impl FileAge {
    const MOST: Duration = Duration::from_secs(3650 * 24 * 60 * 60);
    const RANGE: &str = "a time from 1s to 3650d, as in 12h or 7d";
}

impl FromStr for FileAge {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        between(text, Duration::from_secs(1), Self::MOST, Self::RANGE).map(Self)
    }
}

impl fmt::Display for FileAge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        humantime::format_duration(self.0).fmt(f)
    }
}

impl Scalar for FileAge {
    fn form() -> Form {
        Form {
            words: Self::RANGE.to_owned(),
            schema: json!({"type": "string", "pattern": TIME}),
        }
    }
}

/// How many files that were put aside are kept: 0 to 1,000.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FilesKept(pub u32);

impl FilesKept {
    const MOST: u32 = 1_000;
    const WANTED: &str = "a number of files from 0 to 1000";
}

impl Default for FilesKept {
    fn default() -> Self {
        Self(5)
    }
}

impl FromStr for FilesKept {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let number = text.parse().ok().filter(|number| *number <= Self::MOST);
        number
            .map(Self)
            .ok_or_else(|| format!("{text:?} is not {}", Self::WANTED))
    }
}

impl fmt::Display for FilesKept {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Scalar for FilesKept {
    fn form() -> Form {
        Form {
            words: Self::WANTED.to_owned(),
            schema: json!({"type": "integer", "minimum": 0, "maximum": Self::MOST}),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_size_is_at_least_4_kib_or_off() {
        assert_eq!("10MiB".parse(), Ok(Limit(Some(FileSize(10 << 20)))));
        assert_eq!("4096".parse(), Ok(FileSize(4096)));
        assert_eq!("off".parse(), Ok(Limit::<FileSize>(None)));
        for wrong in ["4095", "0", "10", "10M", "-1MiB", "much", ""] {
            let error = wrong.parse::<Limit<FileSize>>().unwrap_err();
            assert!(error.contains("10MiB"), "{wrong}: {error}");
        }
    }

    #[test]
    fn an_age_is_at_least_a_second_or_off() {
        let week = Duration::from_secs(7 * 24 * 60 * 60);
        assert_eq!("7d".parse(), Ok(Limit(Some(FileAge(week)))));
        for wrong in ["0s", "999ms", "7", "11years"] {
            let error = wrong.parse::<FileAge>().unwrap_err();
            assert!(error.contains("7d"), "{wrong}: {error}");
        }
    }

    #[test]
    fn no_old_file_and_a_thousand_may_be_kept() {
        assert_eq!("0".parse(), Ok(FilesKept(0)));
        assert_eq!("1000".parse(), Ok(FilesKept(1_000)));
        for wrong in ["1001", "-1", "all", ""] {
            let error = wrong.parse::<FilesKept>().unwrap_err();
            assert!(error.contains("0 to 1000"), "{wrong}: {error}");
        }
    }
}
