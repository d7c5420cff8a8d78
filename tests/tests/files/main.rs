//! Files that procmon writes for long: put aside, read along, and its own log.

mod follow;
mod log;
