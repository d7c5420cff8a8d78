//! Kinds of times, shares and sizes.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde_json::json;

use super::value::{Form, Scalar};
use crate::size;

const LONGEST: Duration = Duration::from_secs(24 * 60 * 60);
/// A pattern of what humantime reads.
pub(super) const TIME: &str = r"^\s*(\d+\s*[a-zA-Zµ]+\s*)+$";

/// Reads a time with its unit.
///
/// # Errors
/// What is wrong, with an example.
pub fn time(text: &str) -> Result<Duration, String> {
    humantime::parse_duration(text)
        .map_err(|error| format!("{error}; write a number with its unit: 500ms, 10s, 5m, 1h"))
}

/// A time within these bounds, both included, which `range` says in words.
pub(super) fn between(
    text: &str,
    least: Duration,
    most: Duration,
    range: &'static str,
) -> Result<Duration, String> {
    let time = time(text).map_err(|error| format!("{error}; {range}"))?;
    match (least..=most).contains(&time) {
        true => Ok(time),
        false => Err(format!("{text} is out of range: {range}")),
    }
}

/// Time between two frames: 10 ms to 24 h.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Interval(pub Duration);

impl Interval {
    const RANGE: &str = "from 10ms to 24h";
}

impl FromStr for Interval {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        between(text, Duration::from_millis(10), LONGEST, Self::RANGE).map(Self)
    }
}

impl fmt::Display for Interval {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        humantime::format_duration(self.0).fmt(f)
    }
}

impl Scalar for Interval {
    fn form() -> Form {
        Form {
            words: format!("a time {}, as in 10s", Self::RANGE),
            schema: json!({"type": "string", "pattern": TIME}),
        }
    }
}

/// How long procmon's cost is looked at before it is judged: 1 s, which is four
/// times the shortest sample, to 24 h.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Period(pub Duration);

impl Period {
    const RANGE: &str = "a time from 1s to 24h, as in 30s";
}

impl FromStr for Period {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        between(text, Duration::from_secs(1), LONGEST, Self::RANGE).map(Self)
    }
}

impl fmt::Display for Period {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        humantime::format_duration(self.0).fmt(f)
    }
}

impl Scalar for Period {
    fn form() -> Form {
        Form {
            words: Self::RANGE.to_owned(),
            schema: json!({"type": "string", "pattern": TIME}),
        }
    }
}

/// A part of one core: `2%`, or `off` for no limit.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Budget(pub Option<f64>);

impl FromStr for Budget {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "off" {
            return Ok(Self(None));
        }
        text.strip_suffix('%')
            .and_then(|number| number.trim_end().parse::<f64>().ok())
            .filter(|percent| *percent > 0.0 && percent.is_finite())
            .map(|percent| Self(Some(percent / 100.0)))
            .ok_or_else(|| "write a share of one core above 0, as in 2% or 0.5%, or off".to_owned())
    }
}

impl fmt::Display for Budget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            // The shortest that reads as the same share; 0.029 * 100 is not 2.9.
            Some(cores) => write!(f, "{}%", (cores * 1e12).round() / 1e10),
            None => f.write_str("off"),
        }
    }
}

impl Scalar for Budget {
    fn form() -> Form {
        Form {
            words: "a share of one core above 0, as in 2% or 0.5%, or off".to_owned(),
            schema: json!({"type": "string", "pattern": r"^(off|[0-9.]+ *%)$"}),
        }
    }
}

/// A size that procmon chooses when it is `auto`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Auto<T>(pub Option<T>);

impl<T: FromStr> FromStr for Auto<T> {
    type Err = T::Err;

    fn from_str(text: &str) -> Result<Self, T::Err> {
        match text {
            "auto" => Ok(Self(None)),
            text => text.parse().map(|value| Self(Some(value))),
        }
    }
}

impl<T: fmt::Display> fmt::Display for Auto<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Some(value) => value.fmt(f),
            None => f.write_str("auto"),
        }
    }
}

impl<T: Scalar> Scalar for Auto<T> {
    fn form() -> Form {
        let Form { words, schema } = T::form();
        Form {
            words: format!("{words}; or auto"),
            schema: json!({"anyOf": [schema, {"const": "auto"}]}),
        }
    }
}

/// A number of processes, at least 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Processes(pub u32);

impl Processes {
    const WANTED: &str = "a number of processes, at least 1";
}

impl FromStr for Processes {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let number = text.parse().ok().filter(|number| *number > 0);
        number
            .map(Self)
            .ok_or_else(|| format!("{text:?} is not {}", Self::WANTED))
    }
}

impl fmt::Display for Processes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Scalar for Processes {
    fn form() -> Form {
        Form {
            words: Self::WANTED.to_owned(),
            schema: json!({"type": "integer", "minimum": 1, "maximum": u32::MAX}),
        }
    }
}

/// Bytes of a ring buffer: a power of two of at least the smallest page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RingBytes(pub u32);

impl RingBytes {
    const WANTED: &str = "bytes, a power of two of at least 4096, as in 8388608 or 8MiB";
}

impl FromStr for RingBytes {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        size::whole_bytes(text)
            .and_then(|bytes| u32::try_from(bytes).ok())
            .filter(|bytes| bytes.is_power_of_two() && *bytes >= 4096)
            .map(Self)
            .ok_or_else(|| format!("{text:?} is not {}", Self::WANTED))
    }
}

impl fmt::Display for RingBytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Scalar for RingBytes {
    fn form() -> Form {
        Form::of_bytes(4096, Self::WANTED)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_interval_is_10_ms_to_24_h_inclusive() {
        assert_eq!("10ms".parse(), Ok(Interval(Duration::from_millis(10))));
        assert_eq!("24h".parse(), Ok(Interval(LONGEST)));
        for outside in ["9ms", "24h 1ms", "0s", "0", "soon", ""] {
            let error = outside.parse::<Interval>().unwrap_err();
            assert!(error.contains("from 10ms to 24h"), "{outside}: {error}");
        }
    }

    #[test]
    fn a_number_without_a_unit_is_explained() {
        assert!("10".parse::<Interval>().unwrap_err().contains("500ms"));
    }

    #[test]
    fn a_budget_is_a_share_of_a_core_or_off() {
        assert_eq!("2%".parse(), Ok(Budget(Some(0.02))));
        assert_eq!("0.5 %".parse(), Ok(Budget(Some(0.005))));
        assert_eq!("off".parse(), Ok(Budget(None)));
        for wrong in ["2", "0%", "-1%", "%", "inf%", "nan%", ""] {
            let error = wrong.parse::<Budget>().unwrap_err();
            assert!(error.contains("2%"), "{wrong}");
        }
    }

    #[test]
    fn a_budget_is_shown_as_it_was_written() {
        for text in ["2%", "0.5%", "2.9%", "7.1%", "150%", "off"] {
            assert_eq!(text.parse::<Budget>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn the_ring_buffer_is_a_power_of_two_of_bytes_or_larger_units() {
        for (text, bytes) in [("4096", 4096), ("4KiB", 4096), ("8 MiB", 8 << 20)] {
            assert_eq!(text.parse(), Ok(Auto(Some(RingBytes(bytes)))), "{text}");
        }
        assert_eq!("auto".parse(), Ok(Auto::<RingBytes>(None)));
        for wrong in ["1", "5000", "-4096", "4GiB", "8MB", "99999999999GiB", ""] {
            let error = wrong.parse::<Auto<RingBytes>>().unwrap_err();
            assert!(error.contains("a power of two"), "{wrong}: {error}");
        }
    }
}
