//! `logging`: procmon's own words.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use log::LevelFilter;
use serde_json::json;

use super::files::{FileSize, FilesKept, Limit};
use super::mistake::Mistake;
use super::suggest;
use super::tree::{Content, Node};
use super::value::{FilePath, Form, Scalar, Value};
use crate::export::sink::{Place, Rotation};

/// What procmon says of itself, and where beside stderr.
#[derive(Clone, Debug, PartialEq)]
pub struct Logging {
    /// A file for it.
    pub file: Option<FilePath>,
    /// The most bytes before it is put aside.
    pub max_size: Limit<FileSize>,
    /// How many that were put aside are kept.
    pub max_files: FilesKept,
    /// Send it by OTLP, too.
    pub otlp: bool,
    /// Send it by OTLP, and write no file, whatever is said of it.
    pub otlp_only: bool,
    /// How much is said.
    pub levels: Levels,
}

impl Default for Logging {
    fn default() -> Self {
        Self {
            file: None,
            max_size: Limit(Some(FileSize(10 << 20))),
            max_files: FilesKept::default(),
            otlp: false,
            otlp_only: false,
            levels: Levels::default(),
        }
    }
}

impl Logging {
    /// Whether it is sent by OTLP.
    pub fn goes_to_otlp(&self) -> bool {
        self.otlp || self.otlp_only
    }

    /// The key that says so.
    pub fn why_otlp(&self) -> &'static str {
        match self.otlp_only {
            true => "logging.otlp_only",
            false => "logging.otlp",
        }
    }

    /// Where the file is written, if one is.
    pub fn place(&self) -> Option<Place> {
        let file = self.file.as_ref().filter(|_| !self.otlp_only)?;
        Some(Place {
            path: file.0.clone(),
            rotation: Rotation {
                max_size: self.max_size.0.map(|size| size.0),
                max_age: None,
                max_files: self.max_files.0,
            },
        })
    }
}

/// How much each part of procmon says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Levels {
    /// Those that are not named.
    pub default: Level,
    /// Those that are, by the names of [`modules`].
    pub modules: BTreeMap<&'static str, Level>,
}

impl Default for Levels {
    fn default() -> Self {
        Self {
            default: Level(LevelFilter::Info),
            modules: BTreeMap::new(),
        }
    }
}

/// What all parts that are not named are called.
const DEFAULT: &str = "default";

/// The parts of procmon, which are the modules of its library.
pub fn modules() -> impl Iterator<Item = &'static str> {
    // Read from where they are declared, so that a new one can be named at once.
    let lines = include_str!("../lib.rs").lines();
    lines.filter_map(|line| line.strip_prefix("pub mod ")?.strip_suffix(';'))
}

impl Value for Levels {
    fn read(node: &Node) -> Result<Self, Vec<Mistake>> {
        let parsed = node.parsed_variable()?;
        let node = parsed.as_ref().unwrap_or(node);
        let Content::Map(entries) = &node.content else {
            let problem = format!("{} is not {}", node.kind(), Self::form().words);
            return Err(vec![Mistake::new(&node.origin, problem)]);
        };
        let mut levels = Self::default();
        let mut mistakes = Vec::new();
        for (name, value) in entries {
            let level = match Level::read(value) {
                Ok(level) => level,
                Err(more) => {
                    mistakes.extend(more.into_iter().map(|mistake| mistake.of(&name.text)));
                    continue;
                }
            };
            if name.text == DEFAULT {
                levels.default = level;
            } else if let Some(module) = modules().find(|module| *module == name.text) {
                levels.modules.insert(module, level);
            } else {
                let here: Vec<_> = [DEFAULT].into_iter().chain(modules()).collect();
                let problem = suggest::unknown(&name.text, &here, std::iter::empty());
                mistakes.push(Mistake::new(&name.origin, problem));
            }
        }
        match mistakes.is_empty() {
            true => Ok(levels),
            false => Err(mistakes),
        }
    }

    fn show(&self) -> String {
        let modules = self.modules.iter().map(|(name, level)| (*name, level));
        let all = [(DEFAULT, &self.default)].into_iter().chain(modules);
        let pairs: Vec<_> = all
            .map(|(name, level)| format!("{name}: {level}"))
            .collect();
        format!("{{{}}}", pairs.join(", "))
    }

    fn form() -> Form {
        let level = <Level as Scalar>::form();
        let names: Vec<_> = [DEFAULT].into_iter().chain(modules()).collect();
        Form {
            words: format!("parts of procmon, or default, and for each {}", level.words),
            schema: json!({
                "type": "object",
                "propertyNames": {"enum": names},
                "additionalProperties": level.schema,
            }),
        }
    }
}

/// How much is said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Level(pub LevelFilter);

impl Level {
    /// Every word, those that others use behind ours.
    const WORDS: [(&str, LevelFilter); 8] = [
        ("off", LevelFilter::Off),
        ("error", LevelFilter::Error),
        ("warn", LevelFilter::Warn),
        ("info", LevelFilter::Info),
        ("debug", LevelFilter::Debug),
        ("trace", LevelFilter::Trace),
        ("warning", LevelFilter::Warn),
        ("critical", LevelFilter::Error),
    ];
}

impl FromStr for Level {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let lower = text.to_lowercase();
        let known = Self::WORDS.iter().find(|(word, _)| *word == lower);
        known
            .map(|(_, level)| Self(*level))
            .ok_or_else(|| format!("{text:?} is not {}", <Self as Scalar>::form().words))
    }
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.as_str().to_lowercase())
    }
}

impl Scalar for Level {
    fn form() -> Form {
        let words = Self::WORDS.map(|(word, _)| word);
        let capitals = words.map(str::to_uppercase);
        let all: Vec<_> = words
            .into_iter()
            .chain(capitals.iter().map(|word| &**word))
            .collect();
        Form {
            words: "one of off, error (or CRITICAL), warn, info, debug, trace".to_owned(),
            schema: json!({"enum": all}),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::mistake::Origin;
    use super::*;

    fn read(text: &str) -> Result<Levels, Vec<Mistake>> {
        let origin = Origin::Variable("PROCMON_LOGGING_LEVELS".into());
        Levels::read(&Node::text(origin, text.to_owned()))
    }

    #[test]
    fn levels_are_read_by_part_in_either_case_critical_as_error() {
        let levels = read("{default: WARNING, kernel: debug, export: CRITICAL}").unwrap();
        assert_eq!(levels.default, Level(LevelFilter::Warn));
        let of = |name| levels.modules.get(name).map(|level| level.0);
        assert_eq!(of("kernel"), Some(LevelFilter::Debug));
        assert_eq!(of("export"), Some(LevelFilter::Error));
        assert_eq!(of("proc"), None);
        assert_eq!(
            levels.show(),
            "{default: warn, export: error, kernel: debug}"
        );
        assert_eq!(read(&levels.show()), Ok(levels));
    }

    #[test]
    fn unknown_modules_are_answered_with_the_right_ones() {
        for (text, said) in [
            ("{kernl: debug}", "did you mean `kernel`?"),
            ("{defualt: debug}", "did you mean `default`?"),
            (
                "{music: debug}",
                "here may stand default, agent, analysis, capabilities, cli",
            ),
        ] {
            let mistakes = read(text).unwrap_err();
            assert!(mistakes[0].problem.contains(said), "{:?}", mistakes[0]);
        }
    }

    #[test]
    fn unknown_levels_are_answered_with_the_right_ones() {
        let mistakes = read("{default: loud, kernel: 3, export: [debug]}").unwrap_err();
        assert_eq!(mistakes.len(), 3);
        for mistake in mistakes {
            assert!(mistake.problem.contains("debug, trace"), "{mistake:?}");
        }
    }

    #[test]
    fn otlp_only_writes_no_file() {
        let mut logging = Logging {
            file: Some(FilePath("procmon.log".into())),
            ..Logging::default()
        };
        let place = logging.place().unwrap();
        assert_eq!(place.rotation.max_size, Some(10 << 20));
        assert_eq!(place.rotation.max_files, 5);
        logging.otlp_only = true;
        assert_eq!(logging.place(), None);
    }
}
