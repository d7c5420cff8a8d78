//! What crosses the boundary between procmon's kernel programs and its user
//! space: the table of counters, the table of probes, and the records.
//!
//! Both halves compile this crate, so an order or a size cannot drift. Only
//! plain `#[repr(C)]` integers cross; their sizes are asserted at compile time.
#![no_std]

pub mod cgroups;
pub mod config;
pub mod counters;
pub mod features;
pub mod fields;
pub mod oom;
pub mod probes;
pub mod records;
pub mod tasks;

pub use cgroups::{CgroupIds, CgroupRecord};
pub use config::Config;
pub use counters::{Counter, Loss, Operation};
pub use features::{Feature, Features};
pub use fields::Field;
pub use oom::OomStat;
pub use probes::Probe;
pub use records::{ProcessEntry, ThreadState};
pub use tasks::ThreadStat;
