//! The keys `profile` and `profiles`.

use std::collections::BTreeMap;

use serde_json::json;

use super::mistake::{Mistake, Origin};
use super::profile::{AUTO, PRESETS, Profile};
use super::tree::{self, Content, Node};
use super::value::{Form, Value, quoted};

/// The key `profile`: a profile by its name, or itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ProfileChoice {
    /// By its name; [`AUTO`] too.
    Named(String),
    /// Its fields stand there.
    Own(Profile),
}

impl ProfileChoice {
    /// What it is called in messages.
    pub fn name(&self) -> &str {
        match self {
            Self::Named(name) => name,
            Self::Own(_) => "of its own",
        }
    }
}

impl Value for ProfileChoice {
    fn read(node: &Node) -> Result<Self, Vec<Mistake>> {
        match &node.content {
            // In a variable it is YAML as in a file.
            Content::Text { text, .. } if text.starts_with('{') => {
                let origin = |_, _| node.origin.clone();
                Profile::read(&tree::parse(text, &origin)?).map(Self::Own)
            }
            Content::Text { text, .. } => Ok(Self::Named(text.clone())),
            Content::Map(_) => Profile::read(node).map(Self::Own),
            _ => {
                let problem = format!("{} is not {}", node.kind(), Self::form().words);
                Err(vec![Mistake::new(&node.origin, problem)])
            }
        }
    }

    fn show(&self) -> String {
        match self {
            Self::Named(name) => quoted(name),
            Self::Own(profile) => profile.show(),
        }
    }

    fn form() -> Form {
        let names = PRESETS.map(|(name, _)| name).join(", ");
        Form {
            words: format!("{names}, {AUTO}, a name of `profiles`, or a profile itself"),
            schema: json!({"anyOf": [{"type": "string"}, Profile::form().schema]}),
        }
    }
}

/// The key `profiles`: more of them, by their names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Profiles(pub BTreeMap<String, Profile>);

impl Profiles {
    /// The profile of this name, those that procmon brings along included.
    pub fn find(&self, name: &str) -> Option<Profile> {
        let preset = PRESETS.iter().find(|(preset, _)| *preset == name);
        let preset = preset.map(|(_, profile)| *profile);
        preset.or_else(|| self.0.get(name).copied())
    }

    /// What is wrong with a name that is nobody's.
    pub fn unknown(&self, name: &str) -> String {
        let presets = PRESETS.iter().map(|(name, _)| *name);
        let names: Vec<&str> = presets.chain(self.0.keys().map(String::as_str)).collect();
        let text = format!("there is no profile {name:?}");
        // As close as for a key, which has underscores where a name has hyphens.
        let close = names
            .iter()
            .min_by_key(|known| strsim::osa_distance(known, name));
        match close.filter(|known| strsim::osa_distance(known, name) <= 2) {
            Some(nearest) => format!("{text}: did you mean `{nearest}`?"),
            None => format!("{text}; there are {}, {AUTO}", names.join(", ")),
        }
    }
}

impl Value for Profiles {
    fn read(node: &Node) -> Result<Self, Vec<Mistake>> {
        let parsed;
        let node = match (&node.content, &node.origin) {
            // A variable has them as YAML.
            (Content::Text { text, .. }, origin @ Origin::Variable(_)) => {
                parsed = tree::parse(text, &|_, _| origin.clone())?;
                &parsed
            }
            _ => node,
        };
        let Content::Map(entries) = &node.content else {
            let problem = format!("{} is not {}", node.kind(), Self::form().words);
            return Err(vec![Mistake::new(&node.origin, problem)]);
        };
        let mut profiles = BTreeMap::new();
        let mut mistakes = Vec::new();
        for (name, value) in entries {
            let own = PRESETS.iter().map(|(preset, _)| *preset).chain([AUTO]);
            if own.into_iter().any(|own| own == name.text) {
                let problem = format!("{:?} is procmon's own: choose another name", name.text);
                mistakes.push(Mistake::new(&name.origin, problem));
                continue;
            }
            match Profile::read(value) {
                Ok(profile) => drop(profiles.insert(name.text.clone(), profile)),
                Err(more) => mistakes.extend(more.into_iter().map(|m| m.of(&name.text))),
            }
        }
        match mistakes.is_empty() {
            true => Ok(Self(profiles)),
            false => Err(mistakes),
        }
    }

    fn show(&self) -> String {
        let pair =
            |(name, profile): (&String, &Profile)| format!("{}: {}", quoted(name), profile.show());
        let pairs: Vec<_> = self.0.iter().map(pair).collect();
        format!("{{{}}}", pairs.join(", "))
    }

    fn form() -> Form {
        let Form { words, schema } = Profile::form();
        Form {
            words: format!("names, each with {words}; what one does not say is as in `standard`"),
            schema: json!({"type": "object", "additionalProperties": schema}),
        }
    }
}

#[cfg(test)]
mod tests;
