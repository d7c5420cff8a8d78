//! `history`: how much of the past is kept.

use std::fmt;
use std::str::FromStr;

use serde_json::json;

use super::value::{Form, Scalar};
use crate::analysis::history::{LEAST_DEPTH, Settings};
use crate::size;

/// The keys of `history`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct History {
    /// Whether it is kept; `None`: where an output shows what it adds up to.
    pub retain: Option<bool>,
    /// The samples of each.
    pub size: Samples,
    /// What all of them may take.
    pub max_memory: Memory,
}

impl Default for History {
    fn default() -> Self {
        let Settings {
            retain,
            size,
            max_memory,
        } = Settings::default();
        Self {
            retain,
            size: Samples(size),
            max_memory: Memory(max_memory),
        }
    }
}

impl History {
    /// The settings; a size of 0 is no history.
    pub fn settings(&self) -> Settings {
        Settings {
            retain: self.retain,
            size: self.size.0,
            max_memory: self.max_memory.0,
        }
    }
}

/// A number of samples: 0 for none, else 2 to a million.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Samples(pub u32);

impl Samples {
    const WANTED: &str = "a number of samples from 2 to 1000000, or 0 for none";
    const MOST: u32 = 1_000_000;
}

impl FromStr for Samples {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let fits = |number: &u32| *number == 0 || (LEAST_DEPTH..=Self::MOST).contains(number);
        let number = text.parse().ok().filter(fits);
        number
            .map(Self)
            .ok_or_else(|| format!("{text:?} is not {}", Self::WANTED))
    }
}

impl fmt::Display for Samples {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Scalar for Samples {
    fn form() -> Form {
        Form {
            words: Self::WANTED.to_owned(),
            schema: json!({"type": "integer", "minimum": 0, "maximum": Self::MOST}),
        }
    }
}

/// Bytes of memory, at least 64 KiB.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Memory(pub u64);

impl Memory {
    const WANTED: &str = "bytes, at least 64KiB, as in 16MiB";
    const LEAST: u64 = 64 << 10;
}

impl FromStr for Memory {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        size::at_least(text, Self::LEAST, Self::WANTED).map(Self)
    }
}

impl fmt::Display for Memory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&size::shown(self.0))
    }
}

impl Scalar for Memory {
    fn form() -> Form {
        Form::of_bytes(Self::LEAST, Self::WANTED)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_size_is_none_or_enough_for_a_change_between_two() {
        for (text, size) in [("0", 0), ("2", 2), ("1000000", 1_000_000)] {
            assert_eq!(text.parse(), Ok(Samples(size)));
        }
        for wrong in ["1", "-1", "1000001", "many", ""] {
            let error = wrong.parse::<Samples>().unwrap_err();
            assert!(error.contains("from 2 to 1000000"), "{wrong}: {error}");
        }
    }

    #[test]
    fn memory_is_shown_as_it_was_written() {
        for text in ["16MiB", "64KiB", "1GiB", "100001"] {
            assert_eq!(text.parse::<Memory>().unwrap().to_string(), text);
        }
        for wrong in ["0", "65535", "1kB", "much", ""] {
            let error = wrong.parse::<Memory>().unwrap_err();
            assert!(error.contains("at least 64KiB"), "{wrong}: {error}");
        }
    }
}
