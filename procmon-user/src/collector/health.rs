//! How procmon itself does.

use std::time::Duration;

use procmon_common::Loss;

use super::kernel_road::KernelRoad;
use super::overhead::Overhead;
use crate::frame::{AgentHealth, ProbeHealth};
use crate::kernel::{ProbeState, ProbeStatus};
use crate::proc::{KeptFile, ProcRoot, ProcessDir, ReadErrors, stat};
use crate::process::{Basics, Clock, ProcessId};

/// What whoever collects has missed so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Missed {
    /// Ticks that began late, or were left out.
    pub ticks: u64,
    /// Frames that consumers were too slow for.
    pub frames: u64,
}

/// What is remembered between ticks.
#[derive(Debug)]
pub struct Health {
    took: Duration,
    missed: Missed,
    root: ProcRoot,
    statm: KeptFile,
    buf: Vec<u8>,
    started_unix_ns: Option<u64>,
}

impl Health {
    /// Health of this process, which began by this clock.
    pub fn new(root: &ProcRoot, clock: &Clock) -> Self {
        Self {
            took: Duration::ZERO,
            missed: Missed::default(),
            root: root.clone(),
            statm: KeptFile::new(root, root.proc.join("self/statm")),
            buf: Vec::new(),
            started_unix_ns: started(root).map(|id| clock.creation_unix_ns(id)),
        }
    }

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
        &mut self,
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
        &mut self,
        probes: &[ProbeStatus],
        errors: &ReadErrors,
        overhead: &Overhead,
    ) -> AgentHealth {
        let asked = probes
            .iter()
            .filter(|status| status.state != ProbeState::Off);
        AgentHealth {
            probes: asked.map(ProbeHealth::from).collect(),
            tick_duration: self.took,
            ticks_late: self.missed.ticks,
            frames_dropped: self.missed.frames,
            read_errors: errors.as_slice().to_vec(),
            own: Basics {
                started_unix_ns: self.started_unix_ns,
                ..self.own_basics()
            },
            probe_runs: overhead.runs(),
            overhead: overhead.cores(),
            ..AgentHealth::default()
        }
    }

    /// What procmon takes and may take: getrusage(2), getrlimit(2), /proc/self/statm
    /// and /proc/self/fd.
    fn own_basics(&mut self) -> Basics {
        use rustix::process::{Resource, getrlimit};
        let statm = self.statm.read(&mut self.buf).map(|()| &*self.buf);
        let statm = String::from_utf8_lossy(statm.unwrap_or_default());
        let mut pages = statm.split_whitespace().map(|field| field.parse().ok());
        let page = rustix::param::page_size() as u64;
        let mut bytes = || pages.next().flatten().map(|pages: u64| pages * page);
        let limit = |resource| Some(getrlimit(resource).current.unwrap_or(u64::MAX));
        Basics {
            cpu_ns: Some(own_cpu_ns()),
            virtual_memory: bytes(),
            resident: bytes(),
            virtual_memory_limit: limit(Resource::As),
            descriptors: own_descriptors(&self.root),
            descriptor_limit: limit(Resource::Nofile),
            ..Basics::default()
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

/// CPU time of procmon, ns (getrusage(2)).
pub fn own_cpu_ns() -> u64 {
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
    ns(usage.ru_utime) + ns(usage.ru_stime)
}

fn own_descriptors(root: &ProcRoot) -> Option<u64> {
    let dir = ProcessDir::open(root, std::process::id()).ok()?;
    dir.count_descriptors("fd", &mut Vec::new()).ok()
}

/// Who procmon is.
fn started(root: &ProcRoot) -> Option<ProcessId> {
    let pid = std::process::id();
    let mut text = Vec::new();
    ProcessDir::open(root, pid)
        .ok()?
        .read("stat", &mut text)
        .ok()?;
    let start_ticks = stat::parse(&text).ok()?.start_ticks;
    Some(ProcessId { pid, start_ticks })
}
