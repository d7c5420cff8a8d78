//! What is wrong with a configuration, and where; and where its values came
//! from.

use std::fmt::{self, Write as _};
use std::sync::Arc;

/// Most mistakes that are told at once.
const MOST_TOLD: usize = 25;

/// Who gave a value.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Origin {
    /// Nobody: it is the default.
    #[default]
    Default,
    /// The file, at this line and column, both from 1.
    File {
        /// The file as it was named.
        file: Arc<str>,
        /// Its line.
        line: usize,
        /// The character in the line.
        column: usize,
    },
    /// The file, nowhere in particular.
    WholeFile(Arc<str>),
    /// A variable of the environment.
    Variable(Arc<str>),
    /// An option of the command line.
    Flag(&'static str),
    /// The profile of this name, which was chosen elsewhere.
    Profile(Arc<str>),
}

impl Origin {
    /// Flags beat variables, which beat the file, which beats what nobody said.
    pub fn strength(&self) -> u8 {
        match self {
            Self::Default | Self::Profile(_) => 0,
            Self::File { .. } | Self::WholeFile(_) => 1,
            Self::Variable(_) => 2,
            Self::Flag(_) => 3,
        }
    }

    /// The same, so many characters further on in its line.
    pub fn further(&self, characters: usize) -> Self {
        let mut origin = self.clone();
        if let Self::File { column, .. } = &mut origin {
            *column += characters;
        }
        origin
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::File { file, line, column } => write!(f, "{file}:{line}:{column}"),
            Self::WholeFile(name) | Self::Variable(name) => f.write_str(name),
            Self::Flag(name) => f.write_str(name),
            Self::Profile(name) => write!(f, "profile {name}"),
        }
    }
}

/// One mistake.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mistake {
    /// Where it was made.
    pub at: Origin,
    /// What is wrong, and what would be right.
    pub problem: String,
}

impl Mistake {
    /// A mistake made there.
    pub fn new(at: &Origin, problem: impl Into<String>) -> Self {
        Self {
            at: at.clone(),
            problem: problem.into(),
        }
    }

    /// The same, said of the value of this key.
    pub fn of(mut self, key: &str) -> Self {
        self.problem = format!("{key}: {}", self.problem);
        self
    }
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.at, self.problem)
    }
}

/// A configuration that cannot be used: all that is wrong with it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}", list(.0))]
pub struct ConfigError(pub Vec<Mistake>);

fn list(mistakes: &[Mistake]) -> String {
    if let [mistake] = mistakes {
        return mistake.to_string();
    }
    let mut text = format!("{} mistakes in the configuration:", mistakes.len());
    for mistake in mistakes.iter().take(MOST_TOLD) {
        // Some have lines below them, which show the place.
        let mistake = mistake.to_string().replace('\n', "\n  ");
        let _ = write!(text, "\n  {mistake}");
    }
    if mistakes.len() > MOST_TOLD {
        let _ = write!(text, "\n  and {} more", mistakes.len() - MOST_TOLD);
    }
    text
}
