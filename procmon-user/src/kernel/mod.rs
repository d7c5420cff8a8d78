//! The loader: the only user of aya. It loads the kernel programs, attaches
//! them, and reads what they keep.

mod attach;
pub mod btf;
mod counters;
mod detach;
mod error;
mod events;
mod fdinfo;
mod features;
mod load;
mod offsets;
mod others;
mod pod;
mod prerequisites;
mod probe;
mod programs;
mod roads;
mod runs;
mod syscalls;
mod task_iter;
mod totals;
mod tracefs;

pub use counters::{Losses, MapUse};
pub use detach::keep_links_until_we_are_gone;
pub use error::KernelError;
pub use events::Events;
#[doc(hidden)]
pub use load::OBJECT;
pub use load::{Kernel, Options, Scope, Sizes};
pub use others::{Running, running};
#[cfg(test)]
pub use pod::empty_entry;
pub use prerequisites::{Finding, Prerequisites};
pub use probe::{ProbeState, ProbeStatus, all_failed};
pub use programs::Programs;
pub use roads::{Road, Roads, roads};
pub use runs::{Runs, RunsByProbe, Sample, Sampling};
pub use task_iter::{Others, Pass, SnapshotProcess, Sums};
pub use totals::{Accounts, executable};
