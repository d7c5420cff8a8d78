//! What a process is, and what is known of it.

pub mod command_line;
pub mod errno;
#[cfg(test)]
pub(crate) mod fixture;
pub mod identity;
pub mod metadata;
pub mod owners;
pub mod sample;
pub mod select;
pub mod signal;

pub use identity::{Clock, ProcessId};
pub use metadata::{Metadata, MetadataReader};
pub use sample::{Exit, Histogram, ProbeCounters, ProcessSample, Totals};
