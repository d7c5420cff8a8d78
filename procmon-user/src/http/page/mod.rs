//! A page of `/metrics`, written piece by piece: it is never in memory as a whole,
//! however many processes there are and however slowly it is read.

mod catalogue;
mod family;
mod labels;
mod text;
mod write;

#[cfg(test)]
mod tests;

use std::fmt;
use std::str::FromStr;

use crate::metrics::compat::Compat;
use crate::metrics::prometheus::Naming;
pub use catalogue::Catalogue;
pub use labels::Labels;
pub use write::{Own, Page, of_client};

/// How a page is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Prometheus' text format, 0.0.4.
    Text,
    /// OpenMetrics 1.0.
    OpenMetrics,
}

impl Format {
    /// `Content-Type`.
    pub fn content_type(self) -> &'static str {
        match self {
            Self::Text => "text/plain; version=0.0.4; charset=utf-8",
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
        }
    }
}

/// What stands on a page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Contents {
    /// What it tells about.
    pub parts: Vec<Part>,
    /// How its metrics are called.
    pub naming: Naming,
    /// Names of other monitors beside.
    pub compat: Vec<Compat>,
}

impl Default for Contents {
    fn default() -> Self {
        Self {
            parts: Part::ALL.to_vec(),
            naming: Naming::default(),
            compat: Vec::new(),
        }
    }
}

/// What a page tells about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// procmon itself.
    Agent,
    /// Processes and groups.
    Processes,
    /// The host.
    Host,
}

impl Part {
    /// Every part, in the order of the page.
    pub const ALL: [Self; 3] = [Self::Agent, Self::Processes, Self::Host];

    /// Its name in the configuration.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Agent => "agent",
            Self::Processes => "processes",
            Self::Host => "host",
        }
    }
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Part {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let found = Self::ALL.into_iter().find(|part| part.name() == text);
        found.ok_or_else(|| {
            let names = Self::ALL.map(Self::name).join(", ");
            format!("{text:?} is no part of the page: {names}")
        })
    }
}
