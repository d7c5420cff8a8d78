//! `select.rules`: a list, each rule made of keys and values.

use std::rc::Rc;

use serde_json::json;

use super::mistake::{Mistake, Origin};
use super::suggest;
use super::tree::{Content, Name, Node};
use super::value::{Form, Value, quoted};
use crate::process::select::{ExpressionError, RuleProblem, RuleSpec, Rules};

/// The keys of a rule.
const KEYS: [&str; 5] = ["match", "name", "target", "task_id", "attributes"];
/// A key that is planned, and that this version has not.
const LATER: &str = "profile";

/// Rules, each of which can be used.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RuleList(Vec<RuleSpec>);

impl RuleList {
    /// The rules, ready to be asked.
    pub fn rules(&self) -> Rules {
        Rules::new(self.0.clone()).expect("each was tried when it was read")
    }
}

impl Value for RuleList {
    fn read(node: &Node) -> Result<Self, Vec<Mistake>> {
        let (Content::List(items), Origin::File { .. }) = (&node.content, &node.origin) else {
            let problem = format!("{} is not {}", node.kind(), Self::form().words);
            return Err(vec![Mistake::new(&node.origin, problem)]);
        };
        let mut rules = Vec::with_capacity(items.len());
        let mut mistakes = Vec::new();
        for item in items {
            match rule(item) {
                Ok(rule) => rules.push(rule),
                Err(more) => mistakes.extend(more),
            }
        }
        match mistakes.is_empty() {
            true => Ok(Self(rules)),
            false => Err(mistakes),
        }
    }

    fn show(&self) -> String {
        let rules: Vec<String> = self.0.iter().map(shown).collect();
        format!("[{}]", rules.join(", "))
    }

    fn form() -> Form {
        let text = json!({"type": ["string", "number"], "minLength": 1});
        Form {
            words: format!(
                "a list in the file, each a rule of {}",
                KEYS.map(|key| format!("`{key}`")).join(", ")
            ),
            schema: json!({"type": "array", "items": {
                "type": "object",
                "additionalProperties": false,
                "required": ["match"],
                "properties": {
                    "match": {"type": "string", "minLength": 1},
                    "name": text,
                    "target": text,
                    "task_id": text,
                    "attributes": {"type": "object", "additionalProperties": text},
                },
            }}),
        }
    }
}

/// A rule as YAML in one line.
fn shown(rule: &RuleSpec) -> String {
    let mut parts = vec![format!("match: {}", quoted(&rule.condition))];
    let mut part = |key: &str, value: &Option<String>| {
        parts.extend(
            value
                .iter()
                .map(|value| format!("{key}: {}", quoted(value))),
        );
    };
    part("name", &rule.name);
    part("target", &rule.target);
    part("task_id", &rule.task_id);
    if !rule.attributes.is_empty() {
        let pair = |(key, value): (&String, &String)| format!("{}: {}", quoted(key), quoted(value));
        let pairs: Vec<_> = rule.attributes.iter().map(pair).collect();
        parts.push(format!("attributes: {{{}}}", pairs.join(", ")));
    }
    format!("{{{}}}", parts.join(", "))
}

type Entries = [(Name, Rc<Node>)];

fn rule(node: &Node) -> Result<RuleSpec, Vec<Mistake>> {
    let Content::Map(entries) = &node.content else {
        let problem = format!("{} is no rule: expected `match: EXPRESSION`", node.kind());
        return Err(vec![Mistake::new(&node.origin, problem)]);
    };
    let mut spec = RuleSpec::default();
    let mut mistakes = Vec::new();
    for (name, value) in entries {
        if let Err(mistake) = take(&mut spec, name, value) {
            mistakes.push(mistake);
        }
    }
    if !entries.iter().any(|(name, _)| name.text == KEYS[0]) {
        let problem = "a rule needs `match: EXPRESSION`";
        mistakes.push(Mistake::new(&node.origin, problem));
    }
    if !mistakes.is_empty() {
        return Err(mistakes);
    }
    match Rules::new(vec![spec.clone()]) {
        Ok(_) => Ok(spec),
        Err(error) => Err(vec![placed(error.problem, node, entries)]),
    }
}

/// Takes over one key of a rule.
fn take(spec: &mut RuleSpec, name: &Name, value: &Node) -> Result<(), Mistake> {
    match name.text.as_str() {
        "match" => spec.condition = text(value)?,
        "name" => spec.name = Some(text(value)?),
        "target" => spec.target = Some(text(value)?),
        "task_id" => spec.task_id = Some(text(value)?),
        "attributes" => {
            let Content::Map(pairs) = &value.content else {
                let problem = format!("{} is not keys and values", value.kind());
                return Err(Mistake::new(&value.origin, problem).of("attributes"));
            };
            for (key, value) in pairs {
                spec.attributes.insert(key.text.clone(), text(value)?);
            }
        }
        LATER => {
            let problem = format!("`{LATER}` is not in this version of procmon: leave it out");
            return Err(Mistake::new(&name.origin, problem));
        }
        other => {
            let problem = suggest::unknown(other, &KEYS, std::iter::empty());
            return Err(Mistake::new(&name.origin, problem));
        }
    }
    Ok(())
}

fn text(node: &Node) -> Result<String, Mistake> {
    match &node.content {
        Content::Text { text, .. } => Ok(text.clone()),
        _ => Err(Mistake::new(
            &node.origin,
            format!("{} is not a text", node.kind()),
        )),
    }
}

/// What is wrong with a rule, where it stands in the file.
fn placed(problem: RuleProblem, rule: &Node, entries: &Entries) -> Mistake {
    let find = |entries: &Entries, key: &str| {
        let entry = entries.iter().find(|(name, _)| name.text == key);
        entry.map(|(name, value)| (name.clone(), Rc::clone(value)))
    };
    match &problem {
        RuleProblem::Match(error) => find(entries, "match").map(|(_, node)| pointed(error, &node)),
        RuleProblem::Empty(key) => {
            find(entries, key).map(|(_, node)| Mistake::new(&node.origin, problem.to_string()))
        }
        RuleProblem::Attribute { key, .. } => {
            let pairs = find(entries, "attributes");
            let name = pairs.and_then(|(_, node)| match &node.content {
                Content::Map(pairs) => find(pairs, key).map(|(name, _)| name),
                _ => None,
            });
            name.map(|name| Mistake::new(&name.origin, problem.to_string()))
        }
    }
    .unwrap_or_else(|| Mistake::new(&rule.origin, problem.to_string()))
}

/// A mistake in an expression: its column, where the expression stands in the
/// file as it is; else its line with carets below.
fn pointed(error: &ExpressionError, node: &Node) -> Mistake {
    match &node.content {
        Content::Text {
            text,
            verbatim: Some(first),
        } => {
            let before = text[..error.place().start].chars().count();
            Mistake::new(&node.origin.further(first + before), error.what())
        }
        _ => Mistake::new(&node.origin, error.to_string()),
    }
    .of("match")
}

#[cfg(test)]
mod tests;
