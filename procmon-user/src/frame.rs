//! One tick's raw totals: what the collector makes, and nothing downstream
//! looks behind.

use std::sync::Arc;
use std::time::Duration;

use procmon_common::Loss;

use crate::kernel::ProbeStatus;
use crate::process::{Basics, ProcessId, ProcessSample};
use crate::rollup::Exited;

/// Everything that was read at one tick. Immutable; shared by all consumers.
#[derive(Debug)]
pub struct Frame {
    /// The number of the tick; the first is 0.
    pub tick: u64,
    /// The tick's time, ns of Unix time: every point carries it.
    pub at_unix_ns: u64,
    /// The tick's time on a clock that is never stepped (CLOCK_BOOTTIME, ns).
    pub at_boot_ns: u64,
    /// The host's totals.
    pub host: Host,
    /// Live processes, by pid.
    pub processes: Vec<ProcessSample>,
    /// Processes that ended since the last frame, in the order of their ends,
    /// with their final totals.
    pub exited: Vec<ProcessSample>,
    /// Processes that are not live any more and not told as ended yet: a later
    /// frame will have their final totals.
    pub ending: Vec<ProcessId>,
    /// How procmon itself does.
    pub agent: Arc<AgentHealth>,
}

impl Frame {
    /// A time of CLOCK_BOOTTIME as Unix time, by the clock as it is at this tick:
    /// as the ends of processes are told.
    pub fn unix_ns(&self, boot_ns: u64) -> u64 {
        self.at_unix_ns
            .saturating_sub(self.at_boot_ns.saturating_sub(boot_ns))
    }
}

/// The host's totals. Sizes in bytes, times in ns.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Host {
    /// /proc/meminfo.
    pub memory: Option<HostMemory>,
    /// Time by mode (user, nice, system, idle, iowait, interrupt, softirq,
    /// steal), summed over CPUs.
    pub cpu_ns: Vec<(&'static str, u64)>,
    /// Logical CPUs online.
    pub cpus: Option<u64>,
    /// Time since boot.
    pub uptime_ns: Option<u64>,
    /// Processes by `process.state` (running, sleeping, ...), when known.
    pub processes: Vec<(&'static str, u64)>,
    /// Forks since boot, threads included as the kernel counts them.
    pub forks: Option<u64>,
    /// Stalls: (resource, kind, total ns).
    pub pressure: Vec<(&'static str, &'static str, u64)>,
    /// Mounted file systems that hold files.
    pub filesystems: Vec<Filesystem>,
    /// What has ended since procmon started.
    pub exited: Arc<Exited>,
}

/// /proc/meminfo in bytes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HostMemory {
    /// MemTotal.
    pub total: u64,
    /// MemFree.
    pub free: u64,
    /// MemAvailable.
    pub available: u64,
    /// Buffers.
    pub buffers: u64,
    /// Cached.
    pub cached: u64,
    /// Active.
    pub active: u64,
    /// Inactive.
    pub inactive: u64,
    /// Shmem.
    pub shared: u64,
    /// SReclaimable.
    pub slab_reclaimable: u64,
    /// SUnreclaim.
    pub slab_unreclaimable: u64,
    /// SwapTotal.
    pub swap_total: u64,
    /// SwapFree.
    pub swap_free: u64,
}

/// One mounted file system, in bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Filesystem {
    /// What is mounted.
    pub device: String,
    /// Where.
    pub mountpoint: String,
    /// Bytes in use.
    pub used: u64,
    /// Bytes anyone may still use.
    pub free: u64,
    /// Bytes only root may still use.
    pub reserved: u64,
}

/// How a probe does; of one whose state has changed, the event
/// `procmon.probe.state_changed`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProbeHealth {
    /// `procmon.probe`.
    pub probe: &'static str,
    /// `procmon.probe.state`: active, degraded, unsupported, failed or detached.
    pub state: &'static str,
    /// Why; `None` for an active one.
    pub reason: Option<String>,
}

/// Runs of a probe's programs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProbeRuns {
    /// `procmon.probe`.
    pub probe: &'static str,
    /// How often they ran.
    pub runs: u64,
    /// How long, all runs together.
    pub time: Duration,
}

/// How procmon itself does: the source of `procmon.agent.*`.
#[derive(Clone, Debug, Default)]
pub struct AgentHealth {
    /// Every probe but those that the configuration switches off.
    pub probes: Vec<ProbeHealth>,
    /// Probes whose state has changed since the last frame.
    pub changes: Vec<ProbeHealth>,
    /// Runs of the probes' programs while they were measured, 1 s in 30.
    pub probe_runs: Vec<ProbeRuns>,
    /// What procmon took in the last 30 s, its programs and the agent, in
    /// cores; `None` when it is not known (yet).
    pub overhead: Option<f64>,
    /// (event, reason, count): what the kernel half lost.
    pub events_lost: Vec<(&'static str, &'static str, u64)>,
    /// (map, entries, most entries, bytes of kernel memory).
    pub maps: Vec<(&'static str, Option<u64>, u64, Option<u64>)>,
    /// How long the last tick took.
    pub tick_duration: Duration,
    /// Ticks that began more than half an interval late, or were left out.
    pub ticks_late: u64,
    /// Frames that consumers were too slow for, all consumers together.
    pub frames_dropped: u64,
    /// (field, errno name, count): values that could not be read.
    pub read_errors: Vec<(&'static str, &'static str, u64)>,
    /// procmon's own process.
    pub own: Basics,
}

impl From<&ProbeStatus> for ProbeHealth {
    fn from(status: &ProbeStatus) -> Self {
        Self {
            probe: status.probe.name,
            state: status.state.name(),
            reason: status.state.reason().map(str::to_owned),
        }
    }
}

impl AgentHealth {
    /// All that was lost so far: (event, reason, count).
    pub fn lost(&self) -> Vec<(&'static str, &'static str, u64)> {
        let own = [
            (Loss::LateTick, self.ticks_late),
            (Loss::ViewDropped, self.frames_dropped),
        ]
        .map(|(loss, count)| {
            let (event, reason) = loss.words();
            (event, reason, count)
        });
        let events = self.events_lost.iter().copied();
        events.chain(own).filter(|(.., count)| *count > 0).collect()
    }
}

/// Losses in words: "exit buffer_full 3, tick late 1".
pub fn losses_in_words(lost: &[(&str, &str, u64)]) -> String {
    let words: Vec<String> = lost
        .iter()
        .map(|(event, reason, count)| format!("{event} {reason} {count}"))
        .collect();
    words.join(", ")
}
