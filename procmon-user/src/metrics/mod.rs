//! The metric catalogue: one table that every surface loops over.
//!
//! A metric is a row: its name, what it is, and the function that reads its
//! points from a sample. OTLP, JSON, the report and the generated
//! documentation know no metric by name.

pub mod agent;
pub mod client;
pub mod compat;
pub mod docs;
pub mod exited;
pub mod group;
pub mod host;
pub mod process;
pub mod prometheus;
mod row;
mod wanted;

pub use crate::process::Switch;
pub use row::{
    AgentRead, AgentReading, Attribute, ExporterHealth, GroupRead, GroupReading, HostRead,
    Instrument, Level, Metric, Number, Points, ProcessRead, ProcessReading, Source, Value,
};
pub use wanted::{Choice, names, programs, wanted};

#[cfg(test)]
mod tests;
