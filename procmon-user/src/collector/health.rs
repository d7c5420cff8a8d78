//! How procmon itself does.

use std::time::Duration;

use procmon_common::Loss;

use super::kernel_road::KernelRoad;
use super::overhead::Overhead;
use crate::frame::AgentHealth;
use crate::kernel::{ProbeState, ProbeStatus};
use crate::proc::ReadErrors;

/// What whoever collects has missed so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Missed {
    /// Ticks that began late, or were left out.
    pub ticks: u64,
    /// Frames that consumers were too slow for.
    pub frames: u64,
}

/// What is remembered between ticks.
#[derive(Debug, Default)]
pub struct Health {
    took: Duration,
    missed: Missed,
}

impl Health {
    /// Notes what has been missed when a tick begins.
    pub fn begin_tick(&mut self, missed: Missed) {
        self.missed = missed;
    }

    /// Notes how long a tick took.
    pub fn end_tick(&mut self, took_ns: u64) {
        self.took = Duration::from_nanos(took_ns);
    }

    /// With the kernel half's part.
    pub fn with_kernel(
        &self,
        road: &mut KernelRoad,
        processes: usize,
        errors: &ReadErrors,
        overhead: &Overhead,
    ) -> AgentHealth {
        let changes = road.take_changes();
        let kernel = road.kernel();
        let losses = road.losses();
        let mut health = self.without_kernel(kernel.probes(), errors, overhead);
        health.changes = changes;
        health.events_lost = Loss::ALL
            .iter()
            .filter(|loss| !has_another_metric(**loss))
            .map(|loss| {
                let (event, reason) = loss.words();
                (event, reason, losses.get(*loss))
            })
            .collect();
        health.maps = kernel
            .maps()
            .iter()
            .map(|map| {
                let entries = (map.name == "COUNTERS").then_some(processes as u64);
                (map.name, entries, map.limit, map.memory)
            })
            .collect();
        health
    }

    /// Without it; `probes` says how each does all the same.
    pub fn without_kernel(
        &self,
        probes: &[ProbeStatus],
        errors: &ReadErrors,
        overhead: &Overhead,
    ) -> AgentHealth {
        let usage = own_usage();
        let asked = probes
            .iter()
            .filter(|status| status.state != ProbeState::Off);
        let state = |status: &ProbeStatus| (status.probe.name, status.state.name());
        AgentHealth {
            probes: asked.map(state).collect(),
            tick_duration: self.took,
            ticks_late: self.missed.ticks,
            frames_dropped: self.missed.frames,
            read_errors: errors.as_slice().to_vec(),
            cpu_ns: usage.0,
            memory_bytes: usage.1,
            probe_runs: overhead.runs(),
            overhead: overhead.cores(),
            ..AgentHealth::default()
        }
    }
}

/// Whether a loss is told by another metric than `procmon.agent.events.lost`, or
/// as another loss.
fn has_another_metric(loss: Loss) -> bool {
    matches!(
        loss,
        Loss::NoRoomAtSnapshot | Loss::LateTick | Loss::ViewDropped
    )
}

/// CPU time (getrusage(2)) and resident set (/proc/self/statm) of procmon.
pub fn own_usage() -> (u64, u64) {
    // SAFETY: getrusage(2) fills in the whole structure, whose integers may
    // be zero beforehand.
    let usage = unsafe {
        let mut usage = std::mem::zeroed::<libc::rusage>();
        libc::getrusage(libc::RUSAGE_SELF, &raw mut usage);
        usage
    };
    let ns = |time: libc::timeval| {
        time.tv_sec.cast_unsigned() * 1_000_000_000 + time.tv_usec.cast_unsigned() * 1_000
    };
    let pages = std::fs::read_to_string("/proc/self/statm")
        .ok()
        .and_then(|text| text.split_whitespace().nth(1)?.parse::<u64>().ok())
        .unwrap_or(0);
    let page = rustix::param::page_size() as u64;
    (ns(usage.ru_utime) + ns(usage.ru_stime), pages * page)
}
