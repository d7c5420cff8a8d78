//! Defaults, file and environment, one over the other.

use std::collections::BTreeMap;
use std::path::Path;
use std::rc::Rc;
use std::sync::Arc;

use super::keys::{self, KEYS, Key, LATER};
use super::mistake::{ConfigError, Mistake, Origin};
use super::seeds::{ALIASES, Alias};
use super::tree::{self, Content, Name, Node};
use super::{Config, Environment, read, suggest};

/// A configuration and where each of its values came from.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Loaded {
    /// The configuration.
    pub config: Config,
    /// Where the values of keys came from that are not defaults.
    origins: BTreeMap<&'static str, Origin>,
}

impl Loaded {
    /// Where the value of the key at `path` came from.
    pub fn origin(&self, path: &str) -> &Origin {
        self.origins.get(path).unwrap_or(&Origin::Default)
    }

    /// How to call the value of the key at `path` in a message: the flag that
    /// gave it, or its place and the key.
    pub fn named(&self, path: &str) -> String {
        match self.origin(path) {
            Origin::Default => path.to_owned(),
            flag @ Origin::Flag(_) => flag.to_string(),
            variable @ Origin::Variable(_) => variable.to_string(),
            origin => format!("{origin}: {path}"),
        }
    }

    /// Takes over what the flag of the key at `path` says, if it was given.
    pub fn flag<T>(&mut self, path: &'static str, value: Option<T>, set: fn(&mut Config, T)) {
        let flag = keys::find(path).and_then(|key| key.flag);
        if let (Some(value), Some(flag)) = (value, flag) {
            set(&mut self.config, value);
            self.origins.insert(path, Origin::Flag(flag));
        }
    }
}

/// Loads the file, if there is one, and what the environment has to say.
///
/// # Errors
/// All mistakes of both, at once.
pub fn load(file: Option<&Path>, env: Environment<'_>) -> Result<Loaded, ConfigError> {
    let mut loader = Loader::default();
    if let Some(path) = file {
        loader.file(path);
    }
    loader.environment(env);
    loader.texts();
    if loader.mistakes.is_empty() {
        Ok(loader.loaded)
    } else {
        Err(ConfigError(loader.mistakes))
    }
}

#[derive(Default)]
struct Loader {
    loaded: Loaded,
    mistakes: Vec<Mistake>,
}

impl Loader {
    fn file(&mut self, path: &Path) {
        let root = read::read(path)
            .map_err(|mistake| vec![mistake])
            .and_then(|text| {
                let file: Arc<str> = path.display().to_string().into();
                tree::parse(&text, &|line, column| Origin::File {
                    file: Arc::clone(&file),
                    line,
                    column,
                })
            });
        match root {
            Ok(root) => self.section("", &root),
            Err(mistakes) => self.mistakes.extend(mistakes),
        }
    }

    /// Looks at what stands in the texts of `export`, and whether they fit
    /// together.
    fn texts(&mut self) {
        let export = &self.loaded.config.export;
        let mistakes = export.otlp.mistakes();
        for error in mistakes.into_iter().chain(export.mqtt.mistakes()) {
            let origin = self.loaded.origin(&error.setting);
            let mistake = Mistake::new(origin, error.problem).of(&error.setting);
            self.mistakes.push(mistake);
        }
    }

    /// Takes in the keys of a section, `path` being empty at the top.
    fn section(&mut self, path: &str, node: &Node) {
        match &node.content {
            // A section whose keys are all comments.
            Content::Null => {}
            Content::Map(entries) => {
                for (name, value) in entries {
                    self.entry(path, name, value);
                }
            }
            _ => {
                let names = below(path).join(", ");
                let whose = if path.is_empty() { "the file" } else { path };
                let problem = format!(
                    "{whose} is made of keys and values ({names}), not {}",
                    node.kind()
                );
                self.mistakes.push(Mistake::new(&node.origin, problem));
            }
        }
    }

    fn entry(&mut self, section: &str, name: &Name, value: &Rc<Node>) {
        let path = match section {
            "" => name.text.clone(),
            section => format!("{section}.{}", name.text),
        };
        if let Some(key) = keys::find(&path) {
            self.set(key, value);
        } else if let Some(alias) = ALIASES.iter().find(|alias| alias.path == Some(&path)) {
            self.alias(alias, &path, value);
        } else if LATER.contains(&path.as_str()) {
            let problem = format!("`{path}` is not in this version of procmon: leave it out");
            self.mistakes.push(Mistake::new(&name.origin, problem));
        } else if is_section(&path) {
            self.section(&path, value);
        } else {
            let here = below(section);
            let problem = suggest::unknown(&name.text, &here, KEYS.iter().map(|key| key.path));
            self.mistakes.push(Mistake::new(&name.origin, problem));
        }
    }

    /// Sets a key by the file.
    fn set(&mut self, key: &'static Key, node: &Node) {
        // As good as not there.
        if matches!(node.content, Content::Null) {
            return;
        }
        if let Some(first) = self.loaded.origins.get(key.path) {
            let problem = format!("`{}` is said twice, first at {first}", key.path);
            self.mistakes.push(Mistake::new(&node.origin, problem));
            return;
        }
        self.overlay(key, node);
    }

    /// Sets a key, whoever has set it before.
    fn overlay(&mut self, key: &'static Key, node: &Node) {
        match key.read(&mut self.loaded.config, node) {
            Ok(()) => {
                self.loaded.origins.insert(key.path, node.origin.clone());
            }
            Err(mistakes) => self.mistakes.extend(mistakes),
        }
    }

    fn alias(&mut self, alias: &Alias, name: &str, node: &Node) {
        if matches!(node.content, Content::Null) {
            return;
        }
        match alias.resolve(node) {
            Ok(None) => {}
            Ok(Some((key, node))) => {
                let key = keys::find(key).expect("an alias of no key");
                match node.origin {
                    Origin::Variable(_) => self.overlay(key, &node),
                    _ => self.set(key, &node),
                }
            }
            Err(mistake) => self.mistakes.push(mistake.of(name)),
        }
    }

    fn environment(&mut self, env: Environment<'_>) {
        // procmon's own names come last: they beat the others.
        for alias in ALIASES {
            if let Some(variable) = alias.variable
                && let Some(node) = self.variable(variable, env)
            {
                self.alias(alias, variable, &node);
            }
        }
        for key in KEYS {
            if let Some(node) = self.variable(&key.variable(), env) {
                self.overlay(key, &node);
            }
        }
    }

    /// The value of a variable; empty is unset.
    fn variable(&mut self, name: &str, env: Environment<'_>) -> Option<Node> {
        let value = env(name).filter(|value| !value.is_empty())?;
        let origin = Origin::Variable(name.into());
        match value.into_string() {
            Ok(text) => Some(Node::text(origin, text)),
            Err(value) => {
                let problem = format!("{:?} is not UTF-8", value.to_string_lossy());
                self.mistakes.push(Mistake::new(&origin, problem));
                None
            }
        }
    }
}

/// Whether keys stand below this path.
fn is_section(path: &str) -> bool {
    let aliases = ALIASES.iter().filter_map(|alias| alias.path);
    let mut paths = KEYS.iter().map(|key| key.path).chain(aliases);
    paths.any(|key| {
        key.strip_prefix(path)
            .is_some_and(|rest| rest.starts_with('.'))
    })
}

/// The names directly below a section, each once.
fn below(section: &str) -> Vec<&'static str> {
    let name = |path: &'static str| {
        let rest = match section {
            "" => Some(path),
            section => path
                .strip_prefix(section)
                .and_then(|rest| rest.strip_prefix('.')),
        };
        rest?.split('.').next()
    };
    let mut names: Vec<_> = KEYS.iter().filter_map(|key| name(key.path)).collect();
    if names.is_empty() {
        // Only others' names are there.
        names = ALIASES
            .iter()
            .filter_map(|alias| name(alias.path?))
            .collect();
    }
    names.dedup();
    names
}
