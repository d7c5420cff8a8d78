//! What a process is, and what is known of it.

pub mod errno;
pub mod identity;
pub mod metadata;
pub mod owners;
pub mod sample;

pub use identity::{Clock, ProcessId};
pub use metadata::{Metadata, MetadataReader};
pub use sample::{Exit, Histogram, ProbeCounters, ProcessSample, Totals};
