//! An expression, read and ready to be asked.

use std::str::FromStr;

use regex::Regex;

use super::error::ExpressionError;
use super::facts::Facts;
use super::field::{Field, NumberField, TextField};
use super::parser;

/// A condition on a process.
///
/// ```text
/// executable == "postgres" and not user in ("root", "admin")
/// args =~ "-jar (?P<app>[^ ]+)\.jar" or (rss > 1GiB and age > 5m)
/// ```
///
/// A comparison with a value that is not there (no container, nothing read) is
/// false, whatever the operator; `not` of it is true. So `container != "..."`
/// is for processes in other containers, `not container =~ ""` for those in
/// none.
#[derive(Clone, Debug)]
pub struct Expression {
    source: String,
    condition: Condition,
    changes: bool,
}

/// What named groups of `=~` held: names, and the text each matched.
pub type Captures = Vec<(String, String)>;

/// How much of what a group matched is kept, in characters.
const LONGEST_CAPTURE: usize = 256;

#[derive(Clone, Debug)]
pub(super) enum Condition {
    Any(Vec<Self>),
    All(Vec<Self>),
    Not(Box<Self>),
    Text(TextField, TextTest),
    Number(NumberField, NumberTest),
}

#[derive(Clone, Debug)]
pub(super) enum TextTest {
    OneOf(Vec<String>),
    NoneOf(Vec<String>),
    /// A container id that begins with one of these.
    Begins(Vec<String>),
    BeginsNot(Vec<String>),
    Matches(Regex),
    MatchesNot(Regex),
}

#[derive(Clone, Debug)]
pub(super) enum NumberTest {
    OneOf(Vec<f64>),
    NoneOf(Vec<f64>),
    Less(f64),
    Greater(f64),
}

impl FromStr for Expression {
    type Err = ExpressionError;

    fn from_str(source: &str) -> Result<Self, ExpressionError> {
        let condition = parser::parse(source)?;
        Ok(Self::new(source.to_owned(), condition))
    }
}

impl Expression {
    fn new(source: String, condition: Condition) -> Self {
        Self {
            changes: condition.any_field(&|field| field.changes()),
            source,
            condition,
        }
    }

    /// `field == value`, the value taken as it is.
    pub(super) fn equals(field: TextField, name: &str, value: &str) -> Self {
        let values = vec![value.to_owned()];
        let test = match field {
            TextField::Container => TextTest::Begins(values),
            _ => TextTest::OneOf(values),
        };
        let source = format!("{name} == \"{value}\"");
        Self::new(source, Condition::Text(field, test))
    }

    /// As it was written.
    pub fn source(&self) -> &str {
        &self.source
    }

    /// Whether its answer may change without an execve: it asks for the age,
    /// the resident set or the CPU use.
    pub fn changes(&self) -> bool {
        self.changes
    }

    /// Whether it asks for the CPU use.
    pub fn asks_for_cpu(&self) -> bool {
        self.condition
            .any_field(&|field| field == Field::Number(NumberField::Cpu))
    }

    /// Whether it holds, and then what its named groups matched: of those
    /// comparisons that made it hold, which are looked at from left to right and
    /// no further than needed.
    pub fn matches(&self, facts: &Facts<'_>) -> Option<Captures> {
        let mut captures = Captures::new();
        self.condition
            .holds(facts, &mut captures)
            .then_some(captures)
    }
}

impl Condition {
    /// Whether this holds of any field that is compared.
    fn any_field(&self, is: &impl Fn(Field) -> bool) -> bool {
        match self {
            Self::Any(conditions) | Self::All(conditions) => {
                conditions.iter().any(|condition| condition.any_field(is))
            }
            Self::Not(condition) => condition.any_field(is),
            Self::Text(field, _) => is(Field::Text(*field)),
            Self::Number(field, _) => is(Field::Number(*field)),
        }
    }

    /// Whether it holds. When it does not, `captures` stay as they were.
    fn holds(&self, facts: &Facts<'_>, captures: &mut Captures) -> bool {
        let before = captures.len();
        let holds = match self {
            Self::Any(conditions) => conditions.iter().any(|each| each.holds(facts, captures)),
            Self::All(conditions) => conditions.iter().all(|each| each.holds(facts, captures)),
            Self::Not(condition) => {
                let holds = !condition.holds(facts, captures);
                captures.truncate(before);
                holds
            }
            Self::Text(field, test) => facts
                .text(*field)
                .is_some_and(|text| test.holds(&text, captures)),
            Self::Number(field, test) => facts
                .number(*field)
                .is_some_and(|number| test.holds(number)),
        };
        if !holds {
            captures.truncate(before);
        }
        holds
    }
}

impl TextTest {
    fn holds(&self, text: &str, captures: &mut Captures) -> bool {
        let is_one = |values: &[String]| values.iter().any(|value| value == text);
        let begins = |values: &[String]| values.iter().any(|value| text.starts_with(value));
        match self {
            Self::OneOf(values) => is_one(values),
            Self::NoneOf(values) => !is_one(values),
            Self::Begins(values) => begins(values),
            Self::BeginsNot(values) => !begins(values),
            Self::Matches(regex) => capture(regex, text, captures),
            Self::MatchesNot(regex) => !regex.is_match(text),
        }
    }
}

impl NumberTest {
    fn holds(&self, number: f64) -> bool {
        match self {
            Self::OneOf(values) => values.contains(&number),
            Self::NoneOf(values) => !values.contains(&number),
            Self::Less(value) => number < *value,
            Self::Greater(value) => number > *value,
        }
    }
}

/// Whether a regex matches anywhere, and what its named groups matched; the
/// first that gives a name its value wins.
fn capture(regex: &Regex, text: &str, captures: &mut Captures) -> bool {
    if regex.captures_len() == 1 {
        return regex.is_match(text);
    }
    let Some(found) = regex.captures(text) else {
        return false;
    };
    for name in regex.capture_names().flatten() {
        let known = captures.iter().any(|(known, _)| known == name);
        if let Some(group) = found.name(name).filter(|_| !known) {
            captures.push((name.to_owned(), shortened(group.as_str()).to_owned()));
        }
    }
    true
}

fn shortened(text: &str) -> &str {
    match text.char_indices().nth(LONGEST_CAPTURE) {
        Some((end, _)) => &text[..end],
        None => text,
    }
}

#[cfg(test)]
mod tests;
