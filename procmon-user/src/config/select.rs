//! The keys below `select`: what OTLP sends of all processes, and what those
//! are called.

use std::fmt;
use std::str::FromStr;

use serde_json::json;

use super::rules::RuleList;
use super::value::{Form, Scalar};
use crate::process::select::Rules;
use crate::shape::{self, GroupBy, LEAST_SERIES};

/// Who of all processes is sent, and as what.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Select {
    /// How many processes have series of their own.
    pub top: Top,
    /// What processes are grouped by; `None`: they are not.
    pub group_by: Option<GroupBy>,
    /// The most series; `None`: any number.
    pub max_series: Option<MaxSeries>,
    /// What processes are called.
    pub rules: RuleList,
}

impl Select {
    /// How views are to be shaped.
    pub fn shape(&self) -> shape::Settings {
        shape::Settings {
            top: self.top.0,
            group_by: self.group_by,
            max_series: self.max_series.map(|series| series.0),
        }
    }

    /// The rules, to be asked about processes.
    pub fn rules(&self) -> Rules {
        let rules = Rules::new(self.rules.0.clone());
        rules.expect("rules were looked at when they were read")
    }
}

/// A number of processes; 0 is no limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Top(pub usize);

impl FromStr for Top {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let number = text.parse().map(Self);
        number.map_err(|_| format!("{text:?} is not {}", Self::form().words))
    }
}

impl fmt::Display for Top {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Scalar for Top {
    fn form() -> Form {
        Form {
            words: "a number of processes, 0 is no limit".to_owned(),
            schema: json!({"type": "integer", "minimum": 0}),
        }
    }
}

/// The most series: at least [`LEAST_SERIES`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MaxSeries(pub u64);

impl FromStr for MaxSeries {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let number = text.parse().ok().filter(|number| *number >= LEAST_SERIES);
        number.map(Self).ok_or_else(|| {
            let wanted = Self::form().words;
            format!("{text:?} is not {wanted}: what is folded needs series too")
        })
    }
}

impl fmt::Display for MaxSeries {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Scalar for MaxSeries {
    fn form() -> Form {
        Form {
            words: format!("a number of series, at least {LEAST_SERIES}"),
            schema: json!({"type": "integer", "minimum": LEAST_SERIES}),
        }
    }
}

impl Scalar for GroupBy {
    fn form() -> Form {
        Form::one_of(&Self::ALL.map(Self::name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cap_leaves_room_for_what_is_folded() {
        assert_eq!("100".parse(), Ok(MaxSeries(100)));
        for wrong in ["99", "0", "-5", "many", ""] {
            let error = wrong.parse::<MaxSeries>().unwrap_err();
            assert!(error.contains("at least 100"), "{wrong}: {error}");
        }
    }

    #[test]
    fn top_is_a_number_of_processes() {
        assert_eq!("0".parse(), Ok(Top(0)));
        for wrong in ["-1", "1.5", "all", ""] {
            let error = wrong.parse::<Top>().unwrap_err();
            assert!(error.contains("a number of processes"), "{wrong}: {error}");
        }
    }
}
