//! procmon tells for every process on a Linux host what it takes from the
//! machine, exactly and at a cost hardly anybody feels, and exports it as OTLP.
//!
//! Data flows one way: `kernel` and `proc` are read by the `collector`, once a
//! tick, into a `frame`; `analysis` derives from it, `shape` makes a view of
//! it, and `export` passes the view on. Nothing downstream reads the kernel.

#[cfg(not(target_os = "linux"))]
compile_error!("procmon reads the Linux kernel: build it for Linux");

pub mod agent;
pub mod analysis;
pub mod capabilities;
pub mod cli;
pub mod collector;
pub mod config;
pub mod export;
pub mod file_lock;
pub mod frame;
pub mod heap;
pub mod heartbeat;
pub mod http;
pub mod kernel;
pub mod metrics;
pub mod nearest;
pub mod proc;
pub mod process;
pub mod rollup;
pub mod shape;
pub mod size;
pub mod telemetry;
