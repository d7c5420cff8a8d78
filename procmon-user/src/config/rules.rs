//! `select.rules`: a list of rules, each a few keys.

use std::collections::BTreeMap;
use std::rc::Rc;

use serde_json::json;

use super::mistake::{Mistake, Origin};
use super::suggest;
use super::tree::{Content, Name, Node};
use super::value::{Form, Value, quoted};
use crate::process::select::{ExpressionError, RuleProblem, RuleSpec, Rules};

/// The keys of a rule, and what each is.
const KEYS: &[(&str, &str)] = &[
    ("match", "The expression, as `--match` has it."),
    (
        "name",
        "What the rule is called in groups; else its target.",
    ),
    ("target", "`service.name` of those it matches."),
    ("task_id", "`procmon.task.id` of those it matches."),
    (
        "attributes",
        "More resource attributes of those it matches.",
    ),
];
/// A key that is planned.
const LATER: &str = "profile";

/// Rules as they were written, looked at and found good.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RuleList(pub Vec<RuleSpec>);

impl Value for RuleList {
    fn read(node: &Node) -> Result<Self, Vec<Mistake>> {
        let parsed = node.parsed_variable()?;
        let node = parsed.as_ref().unwrap_or(node);
        let Content::List(items) = &node.content else {
            let problem = format!("{} is not {}", node.kind(), Self::form().words);
            return Err(vec![Mistake::new(&node.origin, problem)]);
        };
        let mut rules = Vec::with_capacity(items.len());
        let mut mistakes = Vec::new();
        for (number, item) in (1..).zip(items) {
            match rule(item) {
                Ok(rule) => rules.push(rule),
                Err(more) => {
                    let of = |mistake: Mistake| mistake.of(&format!("rule {number}"));
                    mistakes.extend(more.into_iter().map(of));
                }
            }
        }
        match mistakes.is_empty() {
            true => Ok(Self(rules)),
            false => Err(mistakes),
        }
    }

    fn show(&self) -> String {
        let rules: Vec<_> = self.0.iter().map(show).collect();
        format!("[{}]", rules.join(", "))
    }

    fn form() -> Form {
        let keys = KEYS.iter().map(|(name, about)| {
            let kind = match *name {
                "attributes" => json!({
                    "type": "object",
                    "additionalProperties": {"type": ["string", "number", "boolean"]},
                }),
                "match" => json!({"type": "string"}),
                _ => json!({"type": ["string", "number", "boolean"]}),
            };
            let mut kind = kind;
            kind["description"] = about.replace('`', "").into();
            ((*name).to_owned(), kind)
        });
        let rule = json!({
            "type": "object",
            "required": ["match"],
            "additionalProperties": false,
            "properties": keys.collect::<serde_json::Map<_, _>>(),
        });
        let names: Vec<_> = KEYS.iter().map(|(name, _)| *name).collect();
        Form {
            words: format!("a list of rules, each with {}", names.join(", ")),
            schema: json!({"type": "array", "items": rule}),
        }
    }
}

/// Reads a rule, with all that is wrong with it.
fn rule(node: &Node) -> Result<RuleSpec, Vec<Mistake>> {
    let Content::Map(entries) = &node.content else {
        let problem = format!("{} is no rule: write match: and an expression", node.kind());
        return Err(vec![Mistake::new(&node.origin, problem)]);
    };
    let mut spec = RuleSpec::default();
    let mut mistakes = Vec::new();
    for (name, value) in entries {
        if let Err(more) = set(&mut spec, name, value) {
            mistakes.extend(more.into_iter().map(|mistake| mistake.of(&name.text)));
        }
    }
    let value = |key: &str| entries.iter().find(|(name, _)| name.text == key);
    if value("match").is_none() {
        mistakes.push(Mistake::new(
            &node.origin,
            "match is missing: write an expression",
        ));
    }
    if !mistakes.is_empty() {
        return Err(mistakes);
    }
    let Err(error) = Rules::new(vec![spec.clone()]) else {
        return Ok(spec);
    };
    let at = match &error.problem {
        RuleProblem::Match(error) => value("match").map(|(_, node)| place(node, error)),
        RuleProblem::Empty(key) => value(key).map(|(_, node)| node.origin.clone()),
        RuleProblem::Attribute { key, .. } => value("attributes").and_then(|(_, node)| {
            let Content::Map(pairs) = &node.content else {
                return None;
            };
            let pair = pairs.iter().find(|(name, _)| name.text == *key);
            pair.map(|(name, _)| name.origin.clone())
        }),
    };
    let at = at.unwrap_or_else(|| node.origin.clone());
    Err(vec![Mistake::new(&at, error.problem.to_string())])
}

fn set(spec: &mut RuleSpec, name: &Name, value: &Rc<Node>) -> Result<(), Vec<Mistake>> {
    // Without a value it is as good as not there, but for the expression.
    match name.text.as_str() {
        "match" => spec.condition = String::read(value)?,
        "name" => spec.name = Option::read(value)?,
        "target" => spec.target = Option::read(value)?,
        "task_id" => spec.task_id = Option::read(value)?,
        "attributes" => spec.attributes = attributes(value)?,
        LATER => {
            let problem = "not in this version of procmon: leave it out";
            return Err(vec![Mistake::new(&name.origin, problem)]);
        }
        unknown => {
            let here: Vec<_> = KEYS.iter().map(|(name, _)| *name).collect();
            let problem = suggest::unknown(unknown, &here, std::iter::empty());
            return Err(vec![Mistake::new(&name.origin, problem)]);
        }
    }
    Ok(())
}

fn attributes(node: &Node) -> Result<BTreeMap<String, String>, Vec<Mistake>> {
    let entries = match &node.content {
        Content::Null => return Ok(BTreeMap::new()),
        Content::Map(entries) => entries,
        _ => {
            let problem = format!("{} is not attributes: write `key: value`", node.kind());
            return Err(vec![Mistake::new(&node.origin, problem)]);
        }
    };
    let mut mistakes = Vec::new();
    let mut attributes = BTreeMap::new();
    for (name, value) in entries {
        match String::read(value) {
            Ok(value) => drop(attributes.insert(name.text.clone(), value)),
            Err(more) => mistakes.extend(more.into_iter().map(|m| m.of(&name.text))),
        }
    }
    match mistakes.is_empty() {
        true => Ok(attributes),
        false => Err(mistakes),
    }
}

/// The place of a mistake in an expression: in the file, where its characters
/// stand there as they are, else that of the whole.
fn place(node: &Node, error: &ExpressionError) -> Origin {
    let Content::Text { text, verbatim } = &node.content else {
        return node.origin.clone();
    };
    match (verbatim, text.get(..error.place().start)) {
        (Some(quotes), Some(before)) => node.origin.further(quotes + before.chars().count()),
        _ => node.origin.clone(),
    }
}

/// A rule as YAML, in one line.
fn show(spec: &RuleSpec) -> String {
    let mut parts = vec![format!("match: {}", quoted(&spec.condition))];
    for (name, value) in [
        ("name", &spec.name),
        ("target", &spec.target),
        ("task_id", &spec.task_id),
    ] {
        parts.extend(
            value
                .as_deref()
                .map(|value| format!("{name}: {}", quoted(value))),
        );
    }
    if !spec.attributes.is_empty() {
        let pair = |(key, value): (&String, &String)| format!("{}: {}", quoted(key), quoted(value));
        let pairs: Vec<_> = spec.attributes.iter().map(pair).collect();
        parts.push(format!("attributes: {{{}}}", pairs.join(", ")));
    }
    format!("{{{}}}", parts.join(", "))
}

#[cfg(test)]
mod tests;
