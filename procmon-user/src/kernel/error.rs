//! Why the kernel half cannot run.

use thiserror::Error;

use super::btf::BtfError;
use super::prerequisites::Finding;

/// Why the kernel half cannot run.
#[derive(Debug, Error)]
pub enum KernelError {
    /// Something it needs is missing.
    #[error("{}: {}; {}", .0.name, .0.found, .0.advice.unwrap_or("see `procmon doctor`"))]
    Prerequisite(Finding),
    /// The kernel's structures are not as expected.
    #[error("the kernel's type information does not serve: {0}")]
    Layout(#[from] BtfError),
    /// The object could not be loaded.
    #[error("loading the kernel programs failed: {0}")]
    Load(String),
    /// A map is not as expected.
    #[error("map {name}: {reason}")]
    Map {
        /// The map.
        name: &'static str,
        /// What is wrong.
        reason: String,
    },
    /// A program without which nothing can be counted did not attach.
    #[error("probe {0}")]
    Probe(String),
    /// Reading from the kernel half failed.
    #[error("reading {what}: {source}")]
    Read {
        /// What was read.
        what: &'static str,
        /// What the system said.
        source: std::io::Error,
    },
    /// The records are not what /proc says.
    #[error("the kernel's records are not what /proc says: {0}")]
    Untrue(String),
}

impl KernelError {
    /// Whether this kernel is laid out as the programs do not know it: with
    /// another version of either, nobody would have to do anything.
    pub fn is_about_this_kernel(&self) -> bool {
        matches!(self, Self::Layout(_) | Self::Untrue(_))
    }

    pub(super) fn map(name: &'static str, error: impl std::fmt::Display) -> Self {
        Self::Map {
            name,
            reason: error.to_string(),
        }
    }
}
