//! A process is its pid and its start: a reused pid is a new process.

use std::collections::{HashMap, HashSet};
use std::time::{Duration, SystemTime};

/// Ticks a second of the times /proc shows (`USER_HZ`): 100 on every
/// architecture procmon runs on (include/asm-generic/param.h).
const TICKS_PER_SECOND: u64 = 100;
/// One of them, ns.
pub const NS_PER_TICK: u64 = 1_000_000_000 / TICKS_PER_SECOND;

/// Who a process is, for as long as the host is up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ProcessId {
    /// Thread group id.
    pub pid: u32,
    /// Start of the leader in ticks of 1/100 s since boot: field 22 of
    /// /proc/PID/stat, and `start_boottime` of the kernel, rounded down.
    pub start_ticks: u64,
}

impl ProcessId {
    /// The identity of a process whose leader started at `start_ns` of
    /// CLOCK_BOOTTIME.
    pub fn from_boot_ns(pid: u32, start_ns: u64) -> Self {
        Self {
            pid,
            start_ticks: start_ns / NS_PER_TICK,
        }
    }

    /// Its start, ns of CLOCK_BOOTTIME, rounded down to the tick.
    pub fn start_boot_ns(self) -> u64 {
        self.start_ticks * NS_PER_TICK
    }
}

/// What is kept by process. Its keys are the kernel's: a hash that withstands
/// attackers would take longer for nothing.
pub type ByProcess<T> = HashMap<ProcessId, T, foldhash::fast::RandomState>;

/// Pids of the present, hashed in the same way.
pub type Pids = HashSet<u32, foldhash::fast::RandomState>;

/// Turns times since boot into times of day.
///
/// It holds `btime` (seconds, from /proc/stat), read once per boot, so that a
/// process's creation time is the same on every road, on every tick, after a
/// restart and after a stepped clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Clock {
    boot_unix_ns: u64,
}

impl Clock {
    /// A clock for a host that booted at `btime` seconds of Unix time.
    pub fn from_btime(btime: u64) -> Self {
        Self {
            boot_unix_ns: btime * 1_000_000_000,
        }
    }

    /// The creation time of a process, ns of Unix time, exact to the tick.
    pub fn creation_unix_ns(&self, id: ProcessId) -> u64 {
        self.boot_unix_ns + id.start_boot_ns()
    }
}

/// RFC 3339, UTC, `Z`, three decimals: how procmon writes every time.
pub fn rfc3339(unix_ns: u64) -> String {
    let time = SystemTime::UNIX_EPOCH + Duration::from_nanos(unix_ns);
    humantime::format_rfc3339_millis(time).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_start_in_the_kernels_clock_is_the_tick_of_proc() {
        assert_eq!(
            ProcessId::from_boot_ns(7, 12_349_999_999),
            ProcessId {
                pid: 7,
                start_ticks: 1234
            }
        );
    }

    #[test]
    fn creation_is_boot_plus_start() {
        let clock = Clock::from_btime(1_700_000_000);
        let id = ProcessId {
            pid: 1,
            start_ticks: 150,
        };
        assert_eq!(
            rfc3339(clock.creation_unix_ns(id)),
            "2023-11-14T22:13:21.500Z"
        );
    }
}
