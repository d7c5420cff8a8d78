//! What a process is, and what is known of it.

pub mod errno;
#[cfg(test)]
pub(crate) mod fixture;
pub mod identity;
pub mod metadata;
pub mod owners;
pub mod sample;
pub mod signal;

pub use identity::{ByProcess, Clock, ProcessId};
pub use metadata::{Metadata, MetadataReader};
pub use sample::{Exit, Histogram, ProbeCounters, ProcessSample, Totals};
