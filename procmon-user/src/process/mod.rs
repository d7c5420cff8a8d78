//! What a process is, and what is known of it.

pub mod connections;
pub mod errno;
#[cfg(test)]
pub(crate) mod fixture;
pub mod identity;
pub mod metadata;
pub mod owners;
pub mod sample;
pub mod signal;
pub mod state;

pub use connections::{ConnectionState, Connections};
pub use identity::{Clock, ProcessId};
pub use metadata::{Metadata, MetadataReader};
pub use sample::{Exit, Histogram, MappingUsage, ProbeCounters, ProcessSample, Totals};
pub use state::{State, StateCounts};
