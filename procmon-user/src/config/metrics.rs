//! The key `metrics`: which metrics of processes are sent.

use strsim::osa_distance;

use serde_json::json;

use super::mistake::Mistake;
use super::tree::{Content, Node};
use super::value::{Form, Scalar, Value};
use crate::metrics::Choice;
use crate::metrics::process::{self, PROCESS};

const DEFAULT: &str = "default";
const ALL: &str = "all";

/// Which metrics of processes are sent.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Metrics(pub Choice);

/// The name of a metric.
struct Name(&'static str);

impl std::str::FromStr for Name {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Some(row) = process::named(text) {
            return Ok(Self(row.name));
        }
        let names = PROCESS
            .iter()
            .map(|row| (osa_distance(row.name, text), row.name));
        let (distance, nearest) = names.min().unwrap_or_default();
        // Names are long, and half of one is often right.
        let text = format!("{text:?} is no metric of processes");
        Err(match distance <= nearest.len() / 3 {
            true => format!("{text}: did you mean `{nearest}`?"),
            false => format!("{text}: `procmon metrics` lists them; the others are always sent"),
        })
    }
}

impl std::fmt::Display for Name {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.0)
    }
}

impl Scalar for Name {
    fn form() -> Form {
        let names: Vec<_> = PROCESS.iter().map(|row| row.name).collect();
        Form {
            words: "the name of a metric of processes".to_owned(),
            schema: json!({"enum": names}),
        }
    }
}

impl Value for Metrics {
    fn read(node: &Node) -> Result<Self, Vec<Mistake>> {
        let choice = match &node.content {
            Content::Text { text, .. } if text == DEFAULT => Choice::Default,
            Content::Text { text, .. } if text == ALL => Choice::All,
            _ => {
                let names = Vec::<Name>::read(node)?;
                Choice::Only(names.into_iter().map(|name| name.0).collect())
            }
        };
        Ok(Self(choice))
    }

    fn show(&self) -> String {
        match &self.0 {
            Choice::Default => DEFAULT.to_owned(),
            Choice::All => ALL.to_owned(),
            Choice::Only(names) => format!("[{}]", names.join(", ")),
        }
    }

    fn form() -> Form {
        let Form { words, schema } = <Vec<Name> as Value>::form();
        Form {
            words: format!("{DEFAULT}, {ALL}, or {words}"),
            schema: json!({"anyOf": [{"enum": [DEFAULT, ALL]}, schema]}),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::Origin;
    use super::*;

    fn read(words: &str) -> Result<Choice, Vec<String>> {
        let origin = Origin::Variable("PROCMON_METRICS".into());
        let read = Metrics::read(&Node::text(origin, words.to_owned()));
        let read = read.map(|metrics| metrics.0);
        read.map_err(|mistakes| mistakes.into_iter().map(|m| m.problem).collect())
    }

    #[test]
    fn a_word_or_names_are_wanted() {
        assert_eq!(read("default"), Ok(Choice::Default));
        assert_eq!(read("all"), Ok(Choice::All));
        let names = vec!["process.cpu.time", "procmon.memory.pss"];
        let wanted = Choice::Only(names);
        assert_eq!(
            read("process.cpu.time, procmon.memory.pss"),
            Ok(wanted.clone())
        );
        let shown = Metrics(wanted).show();
        assert_eq!(shown, "[process.cpu.time, procmon.memory.pss]");
    }

    #[test]
    fn an_unknown_name_is_answered_with_the_nearest_each_of_them() {
        let mistakes = read("process.cpu.tiem,proces.memory.usage,system.cpu.time").unwrap_err();
        assert!(mistakes[0].ends_with("did you mean `process.cpu.time`?"));
        assert!(mistakes[1].ends_with("did you mean `process.memory.usage`?"));
        assert_eq!(mistakes.len(), 3);
        let far = &read("nothing").unwrap_err()[0];
        assert!(far.contains("`procmon metrics` lists them"), "{far}");
    }
}
