//! Parsers of /proc and of cgroup files.
//!
//! Every parser is a pure function over bytes; what opens files takes a
//! [`ProcRoot`], so that a tree of fixtures does as well as a running kernel.
//! Nothing here panics on any input: a process may end between two reads, and
//! its name may hold any byte but `/` and NUL.

pub mod argv;
pub mod cgroup;
pub mod cgroup_tree;
pub mod clock;
pub mod connections;
pub mod container;
pub mod cpu_list;
pub mod dir;
pub mod error;
pub mod exe;
pub mod filesystems;
pub mod hierarchy;
pub mod host;
pub mod io;
pub mod kept_file;
pub mod ledger;
pub mod limits;
pub mod mappings;
pub mod meminfo;
mod mount_table;
pub mod mounts;
pub mod pressure;
pub mod process;
pub mod rlimits;
pub mod root;
pub mod sched;
pub mod schedule;
pub mod smaps;
pub mod stat;
pub mod status;
pub mod statvfs;
pub mod system;
pub mod tasks;
mod text;
pub mod tree;
pub mod unit;
pub mod uss;

pub use connections::ConnectionReader;
pub use dir::{ProcessDir, list_pids};
pub use error::{Error, Malformed, ReadErrors};
pub use filesystems::FilesystemReader;
pub use host::HostReader;
pub use kept_file::KeptFile;
pub use limits::LimitReader;
pub use process::{Facts, Reading, TotalsReader, read_totals};
pub use root::ProcRoot;
pub use tree::descendants;
pub use uss::UssReader;
