//! The keys below `select`: what OTLP and /metrics tell of all processes, and
//! what those are called.

use std::fmt;
use std::str::FromStr;

use serde_json::json;

use super::mistake::Mistake;
use super::rules::RuleList;
use super::tree::Node;
use super::value::{Form, Scalar, Value};
use crate::process::select::Rules;
use crate::shape::{self, GroupBy, LEAST_SERIES};

/// Who of all processes is sent, and as what.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Select {
    /// How many processes have series of their own.
    pub top: Top,
    /// By what they are first.
    pub by: By,
    /// How long they keep their places.
    pub sticky: Sticky,
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
            by: self.by.0.clone(),
            sticky: self.sticky.0,
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
        number.map_err(|_| format!("{text:?} is not {}", <Self as Scalar>::form().words))
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

/// By what processes are first, in turn.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct By(pub Vec<shape::Key>);

impl Default for By {
    fn default() -> Self {
        Self(shape::Settings::default().by)
    }
}

impl Value for By {
    fn read(node: &Node) -> Result<Self, Vec<Mistake>> {
        let keys: Vec<shape::Key> = Value::read(node)?;
        let twice = (1..keys.len()).find(|at| keys[..*at].contains(&keys[*at]));
        let problem = match twice {
            Some(at) => format!("{} is there twice: it is served once a turn", keys[at]),
            None if keys.is_empty() => {
                format!("the list is empty: it is {}", <Self as Value>::form().words)
            }
            None => return Ok(Self(keys)),
        };
        Err(vec![Mistake::new(&node.origin, problem)])
    }

    fn show(&self) -> String {
        self.0.show()
    }

    fn form() -> Form {
        let mut form = <Vec<shape::Key> as Value>::form();
        form.schema["minItems"] = 1.into();
        form.schema["uniqueItems"] = true.into();
        form
    }
}

impl FromStr for shape::Key {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let found = Self::ALL.into_iter().find(|key| key.name() == text);
        found.ok_or_else(|| format!("{text:?} is not {}", <Self as Scalar>::form().words))
    }
}

impl fmt::Display for shape::Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl Scalar for shape::Key {
    fn form() -> Form {
        Form::one_of(&Self::ALL.map(Self::name))
    }
}

/// A number of ticks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sticky(pub u64);

impl Sticky {
    /// More than a day of the shortest interval: what is longer is a mistake.
    const MOST: u64 = 10_000_000;
}

impl Default for Sticky {
    fn default() -> Self {
        Self(shape::Settings::default().sticky)
    }
}

impl FromStr for Sticky {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let number = text.parse().ok().filter(|number| *number <= Self::MOST);
        number
            .map(Self)
            .ok_or_else(|| format!("{text:?} is not {}", <Self as Scalar>::form().words))
    }
}

impl fmt::Display for Sticky {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Scalar for Sticky {
    fn form() -> Form {
        Form {
            words: format!("a number of ticks, at most {}", Self::MOST),
            schema: json!({"type": "integer", "minimum": 0, "maximum": Self::MOST}),
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
            let wanted = <Self as Scalar>::form().words;
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
    fn by_is_some_of_the_keys_each_once() {
        let read = |words: &str| {
            let origin = super::super::Origin::Variable("PROCMON_SELECT_BY".into());
            let read = By::read(&Node::text(origin, words.to_owned()));
            read.map_err(|mistakes| mistakes[0].problem.clone())
        };
        let keys = vec![shape::Key::Io, shape::Key::Cpu];
        assert_eq!(read("io, cpu"), Ok(By(keys)));
        assert_eq!(
            By::default().show(),
            "[cpu, memory, growth, descriptors, io]"
        );
        assert!(
            read("cpu,io,cpu")
                .unwrap_err()
                .contains("cpu is there twice")
        );
        let error = read("cpu,disk").unwrap_err();
        assert!(
            error.contains("cpu, memory, growth, descriptors, io"),
            "{error}"
        );
    }

    #[test]
    fn sticky_is_a_number_of_ticks() {
        assert_eq!("0".parse(), Ok(Sticky(0)));
        for wrong in ["-1", "10000001", "5s", ""] {
            let error = wrong.parse::<Sticky>().unwrap_err();
            assert!(error.contains("a number of ticks"), "{wrong}: {error}");
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
