//! Rules: an ordered list of conditions, of which the first that holds says
//! what a process is called.

use std::collections::BTreeMap;

use serde::Deserialize;
use thiserror::Error;

use super::error::ExpressionError;
use super::expression::{Captures, Expression};
use super::facts::Facts;
use crate::process::Wanted;

/// What a named group's text becomes an attribute under.
const CAPTURED: &str = "procmon.match.";
/// Attribute keys that only procmon itself fills in.
const RESERVED: [&str; 7] = [
    "process.",
    "procmon.",
    "container.",
    "k8s.",
    "host.",
    "os.",
    "service.instance.",
];

/// A rule as it is written in a configuration file.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RuleSpec {
    /// An [`Expression`].
    #[serde(rename = "match")]
    pub condition: String,
    /// What the rule is called, where processes are grouped by rule; else its
    /// target, else its expression.
    #[serde(default)]
    pub name: Option<String>,
    /// `service.name` of those it matches.
    #[serde(default)]
    pub target: Option<String>,
    /// `procmon.task.id` of those it matches, and `task_id` over MQTT.
    #[serde(default)]
    pub task_id: Option<String>,
    /// The name of the profile that says what is collected of those it matches.
    #[serde(default)]
    pub profile: Option<String>,
    /// More resource attributes of those it matches.
    #[serde(default)]
    pub attributes: BTreeMap<String, String>,
}

/// A rule that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("rule {number}: {problem}")]
pub struct RuleError {
    /// Which of the list, from 1.
    pub number: usize,
    /// What is wrong with it.
    pub problem: RuleProblem,
}

/// What is wrong with a rule.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum RuleProblem {
    /// A mistake in its expression.
    #[error("match: {0}")]
    Match(#[from] ExpressionError),
    /// A value that says nothing.
    #[error("{0} is empty: name one or leave it out")]
    Empty(&'static str),
    /// An attribute that a rule may not set.
    #[error("attributes: {key:?} {why}")]
    Attribute {
        /// Its key.
        key: String,
        /// What to do about it.
        why: &'static str,
    },
}

/// What a rule says of a process that it matches.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Matched {
    /// The number of the rule, from 0.
    pub rule: usize,
    /// What the rule is called.
    pub name: String,
    /// `service.name`.
    pub target: Option<String>,
    /// The id of the task that the process is run for.
    pub task_id: Option<String>,
    /// More resource attributes, `procmon.match.*` among them; no key twice.
    pub attributes: Vec<(String, String)>,
}

/// An ordered list of rules.
#[derive(Clone, Debug, Default)]
pub struct Rules(Vec<Rule>);

#[derive(Clone, Debug)]
struct Rule {
    condition: Expression,
    name: String,
    target: Option<String>,
    task_id: Option<String>,
    attributes: BTreeMap<String, String>,
    profile: Option<String>,
    wanted: Option<Wanted>,
}

impl Rules {
    /// Reads rules; the first that holds of a process wins.
    ///
    /// # Errors
    /// At the first rule with a mistake; says which.
    pub fn new(specs: Vec<RuleSpec>) -> Result<Self, RuleError> {
        let rule = |(at, spec)| {
            Rule::new(spec).map_err(|problem| RuleError {
                number: at + 1,
                problem,
            })
        };
        let rules: Result<Vec<Rule>, RuleError> = specs.into_iter().enumerate().map(rule).collect();
        rules.map(Self)
    }

    /// Rules that only tell who is meant.
    pub fn of(conditions: Vec<Expression>) -> Self {
        let rule = |condition: Expression| Rule {
            name: condition.source().to_owned(),
            condition,
            target: None,
            task_id: None,
            attributes: BTreeMap::new(),
            profile: None,
            wanted: None,
        };
        Self(conditions.into_iter().map(rule).collect())
    }

    /// The same; `of` says what is wanted by a profile's name.
    #[must_use]
    pub fn wanting(mut self, of: impl Fn(&str) -> Option<Wanted>) -> Self {
        for rule in &mut self.0 {
            rule.wanted = rule.profile.as_deref().and_then(&of);
        }
        self
    }

    /// What is wanted of those that the rule of this number matches, if it says
    /// so.
    pub fn wanted(&self, number: usize) -> Option<Wanted> {
        self.0.get(number)?.wanted
    }

    /// Whether there is no rule.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The conditions, in order.
    pub fn conditions(&self) -> impl Iterator<Item = &Expression> {
        self.0.iter().map(|rule| &rule.condition)
    }

    /// What the first rule that holds of a process says.
    pub fn first_match(&self, facts: &Facts<'_>) -> Option<Matched> {
        self.0.iter().enumerate().find_map(|(number, rule)| {
            let captures = rule.condition.matches(facts)?;
            Some(rule.matched(number, captures))
        })
    }
}

impl Rule {
    fn new(spec: RuleSpec) -> Result<Self, RuleProblem> {
        let condition: Expression = spec.condition.parse()?;
        for (what, value) in [
            ("name", &spec.name),
            ("target", &spec.target),
            ("task_id", &spec.task_id),
            ("profile", &spec.profile),
        ] {
            if value.as_ref().is_some_and(String::is_empty) {
                return Err(RuleProblem::Empty(what));
            }
        }
        for key in spec.attributes.keys() {
            let why = match key.as_str() {
                "" => "is no key: name it",
                "service.name" => "is what `target` sets: use that",
                key if RESERVED.iter().any(|ours| key.starts_with(ours)) => {
                    "is one that procmon fills in: choose another key"
                }
                _ => continue,
            };
            let key = key.clone();
            return Err(RuleProblem::Attribute { key, why });
        }
        let name = spec.name.or_else(|| spec.target.clone());
        Ok(Self {
            name: name.unwrap_or(spec.condition),
            condition,
            target: spec.target,
            task_id: spec.task_id,
            attributes: spec.attributes,
            profile: spec.profile,
            wanted: None,
        })
    }

    fn matched(&self, rule: usize, captures: Captures) -> Matched {
        let own = self.attributes.clone().into_iter();
        let captured = |(name, text)| (format!("{CAPTURED}{name}"), text);
        Matched {
            rule,
            name: self.name.clone(),
            target: self.target.clone(),
            task_id: self.task_id.clone(),
            attributes: own.chain(captures.into_iter().map(captured)).collect(),
        }
    }
}

impl Matched {
    /// The same, with those of the other's attributes that it has not itself.
    #[must_use]
    pub fn with_attributes_of(mut self, other: Self) -> Self {
        for (key, value) in other.attributes {
            if !self.attributes.iter().any(|(known, _)| *known == key) {
                self.attributes.push((key, value));
            }
        }
        self
    }
}

#[cfg(test)]
mod tests;
