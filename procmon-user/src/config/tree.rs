//! YAML as a tree whose every value knows where it stands.
//!
//! Aliases share what they name, so that they cannot explode in memory; a bound
//! on all values, those of aliases counted each time, keeps them from exploding
//! in whoever walks the tree.

mod builder;

use std::rc::Rc;

use saphyr_parser::Parser;

use super::mistake::{Mistake, Origin};
use builder::Builder;

/// A value, and where it begins.
#[derive(Clone, Debug)]
pub struct Node {
    /// Where it stands.
    pub origin: Origin,
    /// What it is.
    pub content: Content,
    /// How many values it is made of, itself included.
    weight: usize,
}

/// What a value is.
#[derive(Clone, Debug)]
pub enum Content {
    /// Nothing, `~` or `null`.
    Null,
    /// A word, a number, a text: what it means is its reader's to say.
    Text {
        /// The text.
        text: String,
        /// How far its first character is from where it begins, when its
        /// characters stand in the file as they are: 1 behind a quote.
        verbatim: Option<usize>,
    },
    /// A list.
    List(Vec<Rc<Node>>),
    /// A mapping, in the order of the file, each key once.
    Map(Vec<(Name, Rc<Node>)>),
}

/// A key as it was written.
#[derive(Clone, Debug)]
pub struct Name {
    /// The key.
    pub text: String,
    /// Where it stands.
    pub origin: Origin,
}

impl Node {
    /// A text from somewhere else than a file.
    pub fn text(origin: Origin, text: String) -> Self {
        let content = Content::Text {
            text,
            verbatim: None,
        };
        Self::new(origin, content, 1)
    }

    fn new(origin: Origin, content: Content, weight: usize) -> Self {
        Self {
            origin,
            content,
            weight,
        }
    }

    /// A variable that holds what is no single value has it as YAML; `None`: it
    /// is no variable.
    ///
    /// # Errors
    /// As [`parse`] has them.
    pub fn parsed_variable(&self) -> Result<Option<Self>, Vec<Mistake>> {
        match (&self.content, &self.origin) {
            (Content::Text { text, .. }, origin @ Origin::Variable(_)) => {
                parse(text, &|_, _| origin.clone()).map(Some)
            }
            _ => Ok(None),
        }
    }

    /// What kind of value it is, in words.
    pub fn kind(&self) -> &'static str {
        match self.content {
            Content::Null => "nothing",
            Content::Text { .. } => "a single value",
            Content::List(_) => "a list",
            Content::Map(_) => "keys and values",
        }
    }
}

/// Reads a document; `at` makes an origin of a line and a column.
///
/// # Errors
/// All keys that are there twice and the like; or the place where it ceases to
/// be YAML.
pub fn parse(text: &str, at: &dyn Fn(usize, usize) -> Origin) -> Result<Node, Vec<Mistake>> {
    let mut builder = Builder::new(at);
    // A byte order mark is no character of the text.
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    for event in Parser::new_from_str(text) {
        let stop = match event {
            Ok((event, span)) => builder.event(event, span),
            Err(error) => {
                let mark = error.marker();
                let origin = at(mark.line(), mark.col() + 1);
                Err(Mistake::new(&origin, format!("no YAML: {}", error.info())))
            }
        };
        if let Err(mistake) = stop {
            return Err(builder.stopped(mistake));
        }
    }
    builder.finish()
}

#[cfg(test)]
mod tests;
