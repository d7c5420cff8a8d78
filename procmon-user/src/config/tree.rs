//! YAML as a tree whose every value knows where it stands.
//!
//! Aliases share what they name, so that they cannot explode in memory; a bound
//! on all values, those of aliases counted each time, keeps them from exploding
//! in whoever walks the tree.

use std::collections::HashMap;
use std::rc::Rc;

use saphyr_parser::{Event, Parser, ScalarStyle, Span};

use super::mistake::{Mistake, Origin};

/// Most values of a document, those that aliases stand for included.
const MOST_VALUES: usize = 100_000;
/// Most lists and mappings within one another.
const DEEPEST: usize = 32;

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
    let mut builder = Builder {
        at,
        open: Vec::new(),
        anchors: HashMap::new(),
        root: None,
        values: 0,
        mistakes: Vec::new(),
    };
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
            builder.mistakes.push(mistake);
            return Err(builder.mistakes);
        }
    }
    if !builder.mistakes.is_empty() {
        return Err(builder.mistakes);
    }
    let empty = || Rc::new(Node::new(at(1, 1), Content::Null, 1));
    let root = builder.root.unwrap_or_else(empty);
    Ok(Rc::unwrap_or_clone(root))
}

/// A list or a mapping that has not ended.
struct Open {
    origin: Origin,
    anchor: usize,
    weight: usize,
    parts: Parts,
}

enum Parts {
    List(Vec<Rc<Node>>),
    Map {
        entries: Vec<(Name, Rc<Node>)>,
        seen: HashMap<String, Origin>,
        key: Option<Key>,
    },
}

/// A key whose value is to come.
enum Key {
    Good(Name),
    /// Its value is left out.
    Bad,
}

struct Builder<'a> {
    at: &'a dyn Fn(usize, usize) -> Origin,
    open: Vec<Open>,
    anchors: HashMap<usize, Rc<Node>>,
    root: Option<Rc<Node>>,
    values: usize,
    mistakes: Vec<Mistake>,
}

impl Builder<'_> {
    /// Takes in an event; an error ends the reading.
    fn event(&mut self, event: Event<'_>, span: Span) -> Result<(), Mistake> {
        let origin = (self.at)(span.start.line(), span.start.col() + 1);
        match event {
            Event::Scalar(text, style, anchor, tag) => {
                self.no_tag(tag.is_some(), &origin);
                let plain = style == ScalarStyle::Plain;
                let null = plain && matches!(&*text, "" | "~" | "null" | "Null" | "NULL");
                let content = if null {
                    Content::Null
                } else {
                    Content::Text {
                        verbatim: verbatim(&text, style, span),
                        text: text.into_owned(),
                    }
                };
                let node = Rc::new(Node::new(origin.clone(), content, 1));
                self.add(node, anchor, &origin)
            }
            Event::SequenceStart(anchor, tag) => {
                self.no_tag(tag.is_some(), &origin);
                self.begin(origin, anchor, Parts::List(Vec::new()))
            }
            Event::MappingStart(anchor, tag) => {
                self.no_tag(tag.is_some(), &origin);
                let parts = Parts::Map {
                    entries: Vec::new(),
                    seen: HashMap::new(),
                    key: None,
                };
                self.begin(origin, anchor, parts)
            }
            Event::SequenceEnd | Event::MappingEnd => self.end(),
            Event::Alias(anchor) => match self.anchors.get(&anchor) {
                Some(node) => self.add(Rc::clone(node), 0, &origin),
                None => Err(Mistake::new(
                    &origin,
                    "this alias stands within what it is the name of",
                )),
            },
            Event::DocumentStart(_) if self.root.is_some() => Err(Mistake::new(
                &origin,
                "a second document begins here: a configuration is one",
            )),
            _ => Ok(()),
        }
    }

    fn no_tag(&mut self, tagged: bool, origin: &Origin) {
        if tagged {
            let mistake = Mistake::new(origin, "tags (`!...`) mean nothing here: leave it out");
            self.mistakes.push(mistake);
        }
    }

    fn begin(&mut self, origin: Origin, anchor: usize, parts: Parts) -> Result<(), Mistake> {
        if self.open.len() == DEEPEST {
            return Err(Mistake::new(
                &origin,
                format!("more than {DEEPEST} lists and mappings within one another"),
            ));
        }
        self.open.push(Open {
            origin,
            anchor,
            weight: 1,
            parts,
        });
        Ok(())
    }

    fn end(&mut self) -> Result<(), Mistake> {
        let Some(open) = self.open.pop() else {
            return Ok(());
        };
        let content = match open.parts {
            Parts::List(items) => Content::List(items),
            Parts::Map { entries, .. } => Content::Map(entries),
        };
        let node = Rc::new(Node::new(open.origin, content, open.weight));
        // Its parts have been counted.
        self.values = self.values.saturating_sub(open.weight - 1);
        let origin = node.origin.clone();
        self.add(node, open.anchor, &origin)
    }

    /// Adds a whole value, met at `origin`, to the one that is open.
    fn add(&mut self, node: Rc<Node>, anchor: usize, origin: &Origin) -> Result<(), Mistake> {
        if anchor > 0 {
            self.anchors.insert(anchor, Rc::clone(&node));
        }
        self.values = self.values.saturating_add(node.weight);
        if self.values > MOST_VALUES {
            return Err(Mistake::new(
                origin,
                format!(
                    "more than {MOST_VALUES} values, those that aliases stand for included: \
                     no configuration has so many"
                ),
            ));
        }
        let Some(open) = self.open.last_mut() else {
            self.root = Some(node);
            return Ok(());
        };
        open.weight += node.weight;
        let (entries, seen, key) = match &mut open.parts {
            Parts::List(items) => {
                items.push(node);
                return Ok(());
            }
            Parts::Map { entries, seen, key } => (entries, seen, key),
        };
        match key.take() {
            Some(Key::Good(name)) => entries.push((name, node)),
            Some(Key::Bad) => {}
            None => {
                *key = Some(match name(&node, seen) {
                    Ok(name) => Key::Good(name),
                    Err(mistake) => {
                        self.mistakes.push(mistake);
                        Key::Bad
                    }
                });
            }
        }
        Ok(())
    }
}

/// The name of a key that is not there yet.
fn name(node: &Node, seen: &mut HashMap<String, Origin>) -> Result<Name, Mistake> {
    let Content::Text { text, .. } = &node.content else {
        let problem = format!("a key is a word, not {}", node.kind());
        return Err(Mistake::new(&node.origin, problem));
    };
    if let Some(first) = seen.get(text) {
        let problem = format!("{text:?} is there twice, first at {first}");
        return Err(Mistake::new(&node.origin, problem));
    }
    seen.insert(text.clone(), node.origin.clone());
    Ok(Name {
        text: text.clone(),
        origin: node.origin.clone(),
    })
}

/// How far the first character of a scalar is from where it begins, if what
/// follows stands in the file character by character.
fn verbatim(text: &str, style: ScalarStyle, span: Span) -> Option<usize> {
    let quotes = match style {
        ScalarStyle::Plain => 0,
        ScalarStyle::SingleQuoted | ScalarStyle::DoubleQuoted => 1,
        ScalarStyle::Literal | ScalarStyle::Folded => return None,
    };
    let one_line = span.start.line() == span.end.line();
    let width = span.end.col().saturating_sub(span.start.col());
    (one_line && width == text.chars().count() + 2 * quotes).then_some(quotes)
}

#[cfg(test)]
mod tests;
