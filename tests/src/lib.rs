//! The harness of the tests that need root, the real kernel and real collectors.
//!
//! `cargo xtask test` builds and unpacks what they use and names it in the environment
//! (see [`environment`]). A test whose need cannot be met is skipped and says so at the end of
//! the run; it never passes in silence.

pub mod address;
pub mod altered_btf;
pub mod births;
pub mod broker;
pub mod cgroup;
pub mod collector;
pub mod daemon;
pub mod disk;
pub mod environment;
pub mod fuse;
pub mod ground;
pub mod http;
pub mod jsonl;
pub mod loaded;
pub mod nested;
pub mod next_pid;
pub mod payload;
pub mod point;
pub mod procmon;
pub mod program;
pub mod prometheus;
pub mod promql;
pub mod receiver;
pub mod rotated;
pub mod skip;
pub mod storm;
pub mod strace;
pub mod sysctl;
pub mod time;
pub mod tracers;
pub mod victim;
pub mod victoria_metrics;
pub mod watching;

pub use self::{
    collector::{Collector, Protocol},
    point::{Attribute, Kind, Point},
    procmon::Procmon,
    program::{Output, Program},
    victim::Victim,
    victoria_metrics::VictoriaMetrics,
};
