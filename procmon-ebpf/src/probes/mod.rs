//! The programs on hooks, one file a family.

mod bench;
mod cgroups;
pub mod files;
mod lifecycle;
pub mod memory;
mod network;
mod sched;
mod syscall;
