//! What the keys' values may be: how each kind is read from a file, a variable
//! or a flag, shown, and described.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use serde_json::{Value as Json, json};

use super::mistake::{Mistake, Origin};
use super::tree::{Content, Node};
use crate::size;

/// A kind of values.
pub trait Value: Sized {
    /// Reads a value that is there.
    ///
    /// # Errors
    /// All that is wrong with it.
    fn read(node: &Node) -> Result<Self, Vec<Mistake>>;
    /// The value as YAML, in one line.
    fn show(&self) -> String;
    /// What it may be.
    fn form() -> Form;
}

/// What the values of a kind may be.
#[derive(Clone, Debug, PartialEq)]
pub struct Form {
    /// In words: "a time from 10ms to 24h, as in 10s".
    pub words: String,
    /// As a JSON Schema.
    pub schema: Json,
}

impl Form {
    /// One of these words.
    pub fn one_of(words: &[&str]) -> Self {
        Self {
            words: match words {
                [one] => format!("`{one}`"),
                words => format!("one of {}", words.join(", ")),
            },
            schema: match words {
                ["true", "false"] => json!({"type": "boolean"}),
                words => json!({"enum": words}),
            },
        }
    }

    /// At least so many bytes, as a number or with a unit.
    pub fn of_bytes(least: u64, words: &str) -> Self {
        let number = json!({"type": "integer", "minimum": least});
        let text = json!({"type": "string", "pattern": size::PATTERN});
        Self {
            words: words.to_owned(),
            schema: json!({"anyOf": [number, text]}),
        }
    }
}

/// A kind of single values: their text is read by `FromStr`, whose error says
/// what is wanted, and shown by `Display`; so they can stand in flags too.
pub trait Scalar: FromStr<Err: fmt::Display> + fmt::Display {
    /// What it may be.
    fn form() -> Form;
}

impl<T: Scalar> Value for T {
    fn read(node: &Node) -> Result<Self, Vec<Mistake>> {
        let problem = match &node.content {
            Content::Text { text, .. } => match text.parse() {
                Ok(value) => return Ok(value),
                Err(problem) => problem.to_string(),
            },
            _ => format!("{} is not {}", node.kind(), T::form().words),
        };
        Err(vec![Mistake::new(&node.origin, problem)])
    }

    fn show(&self) -> String {
        quoted(&self.to_string())
    }

    fn form() -> Form {
        T::form()
    }
}

/// A value that need not be there; `null` in YAML.
impl<T: Value> Value for Option<T> {
    fn read(node: &Node) -> Result<Self, Vec<Mistake>> {
        match node.content {
            Content::Null => Ok(None),
            _ => T::read(node).map(Some),
        }
    }

    fn show(&self) -> String {
        self.as_ref().map_or("null".to_owned(), T::show)
    }

    fn form() -> Form {
        let Form { words, schema } = T::form();
        Form {
            words,
            schema: json!({"anyOf": [schema, {"type": "null"}]}),
        }
    }
}

/// A list; in a variable, words with commas between.
impl<T: Value> Value for Vec<T> {
    fn read(node: &Node) -> Result<Self, Vec<Mistake>> {
        let words: Vec<Node>;
        let items: Vec<&Node> = match (&node.content, &node.origin) {
            (Content::List(items), _) => items.iter().map(AsRef::as_ref).collect(),
            (Content::Text { text, .. }, Origin::Variable(_)) => {
                let word = |word: &str| Node::text(node.origin.clone(), word.trim().to_owned());
                words = text.split(',').map(word).collect();
                words.iter().collect()
            }
            _ => {
                let problem = format!("{} is not {}", node.kind(), Self::form().words);
                return Err(vec![Mistake::new(&node.origin, problem)]);
            }
        };
        let mut values = Vec::with_capacity(items.len());
        let mut mistakes = Vec::new();
        for item in items {
            match T::read(item) {
                Ok(value) => values.push(value),
                Err(more) => mistakes.extend(more),
            }
        }
        match mistakes.is_empty() {
            true => Ok(values),
            false => Err(mistakes),
        }
    }

    fn show(&self) -> String {
        let items: Vec<_> = self.iter().map(T::show).collect();
        format!("[{}]", items.join(", "))
    }

    fn form() -> Form {
        let Form { words, schema } = T::form();
        Form {
            words: format!("a list, each {words}"),
            schema: json!({"type": "array", "items": schema}),
        }
    }
}

impl Scalar for String {
    fn form() -> Form {
        Form {
            words: "a text".to_owned(),
            schema: json!({"type": ["string", "number", "boolean"]}),
        }
    }
}

/// The path of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FilePath(pub PathBuf);

impl FromStr for FilePath {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "" => Err("the path is empty: write the name of a file, or - for stdout".to_owned()),
            text => Ok(Self(text.into())),
        }
    }
}

impl fmt::Display for FilePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.display().fmt(f)
    }
}

impl Scalar for FilePath {
    fn form() -> Form {
        Form {
            words: "the path of a file, or - for stdout".to_owned(),
            schema: json!({"type": "string", "minLength": 1}),
        }
    }
}

/// The path of a folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FolderPath(pub PathBuf);

impl FromStr for FolderPath {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "" => Err("the path is empty: write the name of a folder".to_owned()),
            text => Ok(Self(text.into())),
        }
    }
}

impl fmt::Display for FolderPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.display().fmt(f)
    }
}

impl Scalar for FolderPath {
    fn form() -> Form {
        Form {
            words: "the path of a folder".to_owned(),
            schema: json!({"type": "string", "minLength": 1}),
        }
    }
}

impl Value for bool {
    fn read(node: &Node) -> Result<Self, Vec<Mistake>> {
        match &node.content {
            Content::Text { text, .. } if text == "true" => Ok(true),
            Content::Text { text, .. } if text == "false" => Ok(false),
            content => {
                let found = match content {
                    Content::Text { text, .. } => format!("{text:?}"),
                    _ => node.kind().to_owned(),
                };
                let problem = format!("{found} is neither true nor false");
                Err(vec![Mistake::new(&node.origin, problem)])
            }
        }
    }

    fn show(&self) -> String {
        self.to_string()
    }

    fn form() -> Form {
        Form {
            words: "true or false".to_owned(),
            schema: json!({"type": "boolean"}),
        }
    }
}

/// A text as YAML that reads as it: in quotes where it has to be.
pub fn quoted(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "_-./%:+".contains(c);
    let begins_well = |c: char| c.is_ascii_alphanumeric() || c == '/';
    let word = text.starts_with(begins_well)
        && text.chars().all(plain)
        && !text.ends_with(':')
        && !matches!(text, "null" | "Null" | "NULL");
    if word {
        text.to_owned()
    } else {
        // A JSON string is one of YAML's double-quoted ones.
        Json::from(text).to_string()
    }
}
