//! The programs on hooks, one file a family.

mod bench;
pub mod files;
mod lifecycle;
pub mod memory;
mod sched;
mod syscall;
