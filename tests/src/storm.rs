//! How great the great numbers are. An emulated machine is some thirty times as slow as a host:
//! there they are smaller.

use std::time::Duration;

use crate::environment::is_emulated;

/// Short lives.
pub fn processes() -> usize {
    if is_emulated() { 2_000 } else { 50_000 }
}

/// Processes of many threads.
pub fn threaded() -> usize {
    processes() / 50
}

/// System calls.
pub fn calls() -> u64 {
    if is_emulated() { 50_000 } else { 1_000_000 }
}

/// Bytes over the network.
pub fn bytes() -> u64 {
    100 * calls()
}

/// How long a mixed load lasts.
pub fn load() -> Duration {
    Duration::from_secs(if is_emulated() { 10 } else { 60 })
}
