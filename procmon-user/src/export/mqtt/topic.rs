//! Topics: a template, and what stands for its names.

use std::fmt;
use std::str::FromStr;

/// The most bytes of a topic (MQTT 3.1.1, 1.5.3).
const LONGEST: usize = 65_535;

/// A topic whose `{names}` are filled in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template(String);

/// A name that may stand in a [`Template`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Name {
    /// As it is written, without braces.
    pub name: &'static str,
    /// The key of `export.mqtt` that has its value.
    pub key: &'static str,
}

/// Every name.
pub const NAMES: &[Name] = &[
    Name {
        name: "domain_id",
        key: "export.mqtt.domain_id",
    },
    Name {
        name: "channel_id",
        key: "export.mqtt.channel_id",
    },
    Name {
        name: "client_id",
        key: "export.mqtt.client_id",
    },
];

impl Default for Template {
    fn default() -> Self {
        Self("m/{domain_id}/c/{channel_id}/metrics/proplet".to_owned())
    }
}

impl Template {
    /// What it may be, in words.
    pub const WANTED: &str =
        "a topic, in which {domain_id}, {channel_id} and {client_id} stand for those keys";

    /// The names it needs.
    pub fn names(&self) -> impl Iterator<Item = Name> {
        let named = |name: &&Name| self.0.contains(&format!("{{{}}}", name.name));
        NAMES.iter().filter(named).copied()
    }

    /// The topic, with what `value` says of each name in place of it.
    pub fn fill<'a>(&self, value: impl Fn(Name) -> &'a str) -> String {
        let mut topic = self.0.clone();
        for name in NAMES {
            topic = topic.replace(&format!("{{{}}}", name.name), value(*name));
        }
        topic
    }
}

/// Why a text cannot stand in a topic that is published to.
pub fn problem(text: &str) -> Option<&'static str> {
    if text.is_empty() {
        return Some("it is empty");
    }
    if text.len() > LONGEST {
        return Some("it is longer than MQTT allows, 65,535 bytes");
    }
    let is_bad = |c| matches!(c, '+' | '#' | '\0');
    text.contains(is_bad)
        .then_some("`+`, `#` and NUL cannot stand in a topic that is published to")
}

/// Why a text cannot be one level of such a topic.
pub fn level_problem(text: &str) -> Option<&'static str> {
    let slash = text
        .contains('/')
        .then_some("`/` would make it more than one level");
    problem(text).or(slash)
}

impl FromStr for Template {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let bad = |why: &str| format!("{text:?} is not {}: {why}", Self::WANTED);
        if let Some(why) = problem(text) {
            return Err(bad(why));
        }
        let mut rest = Self(text.to_owned()).fill(|_| "");
        rest.retain(|c| matches!(c, '{' | '}'));
        match rest.is_empty() {
            true => Ok(Self(text.to_owned())),
            false => Err(bad("there is another brace in it")),
        }
    }
}

impl fmt::Display for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filled(text: &str) -> String {
        let template: Template = text.parse().unwrap();
        template.fill(|name| &name.name[..1])
    }

    #[test]
    fn names_are_filled_in_wherever_they_stand() {
        let default = Template::default();
        assert_eq!(default.to_string().parse(), Ok(default.clone()));
        assert_eq!(filled(&default.to_string()), "m/d/c/c/metrics/proplet");
        assert_eq!(filled("{domain_id}/{domain_id}x/{client_id}"), "d/dx/c");
        assert_eq!(filled("plain"), "plain");
        let names: Vec<_> = default.names().map(|name| name.name).collect();
        assert_eq!(names, ["domain_id", "channel_id"]);
    }

    #[test]
    fn what_cannot_be_published_to_is_told_why() {
        for (text, why) in [
            ("", "empty"),
            ("m/+/c", "`+`"),
            ("m/#", "`#`"),
            ("a\0b", "NUL"),
            ("m/{domain}/c", "brace"),
            ("m/{domain_id/c", "brace"),
        ] {
            let error = text.parse::<Template>().unwrap_err();
            assert!(error.contains(why), "{text}: {error}");
            assert!(error.contains("{domain_id}"), "{text}: {error}");
        }
        assert!("x".repeat(70_000).parse::<Template>().is_err());
        assert!(level_problem("a/b").is_some() && level_problem("a b").is_none());
    }
}
