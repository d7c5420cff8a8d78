//! What a process is, and what is known of it.

pub mod basics;
pub mod cgroups;
pub mod command_line;
pub mod connections;
pub mod describe;
pub mod errno;
#[cfg(test)]
pub(crate) mod fixture;
pub mod groups;
pub mod identity;
pub mod metadata;
pub mod owners;
pub mod redact;
pub mod sample;
pub mod select;
pub mod shared;
pub mod signal;
pub mod state;
pub mod wanted;

pub use basics::Basics;
pub use cgroups::Cgroups;
pub use connections::{ConnectionState, Connections};
pub use groups::Groups;
pub use identity::{ByProcess, Clock, Pids, ProcessId};
pub use metadata::{Metadata, MetadataReader, Told};
pub use sample::{Exit, Histogram, MappingUsage, ProbeCounters, ProcessSample, Seen, Totals};
pub use shared::SharedMetadata;
pub use state::{State, StateCounts};
pub use wanted::{Extra, Rows, Switch, Switches, Wanted};
