//! Samples and views for tests.

use std::sync::Arc;

use procmon_common::{Counter, Feature};

use super::{Clock, Exit, Metadata, ProbeCounters, ProcessId, ProcessSample, Seen, Totals, Wanted};
use crate::analysis::{Derived, Rates};
use crate::frame::{Frame, Host};
use crate::process::Histogram;
use crate::shape::View;

/// 2023-11-14T22:13:20Z: when the host of the tests booted.
pub const BOOT: u64 = 1_700_000_000;
pub const SECOND: u64 = 1_000_000_000;

/// A chosen process that started 10 s after boot, of which nothing was read.
pub fn sample(pid: u32, executable: &str) -> ProcessSample {
    let id = ProcessId {
        pid,
        start_ticks: 1_000,
    };
    ProcessSample {
        id,
        created_unix_ns: Clock::from_btime(BOOT).creation_unix_ns(id),
        metadata: Arc::new(Metadata {
            executable: executable.to_owned(),
            ..Metadata::default()
        }),
        chosen: true,
        wanted: Wanted::default(),
        matched: None,
        totals: Totals::default(),
        probes: None,
        exit: None,
    }
}

/// Counters of a process that has been counted since its start.
pub fn probes(set: &[(Counter, u64)]) -> ProbeCounters {
    let mut probes = ProbeCounters {
        since_unix_ns: (BOOT + 10) * SECOND,
        counters: [0; Counter::COUNT],
        failures: Vec::new(),
        waits: Histogram::default(),
        features: [Some((BOOT + 10) * SECOND); Feature::COUNT],
        seen: Seen::ALL,
        executed_boot_ns: None,
        oom_killed_boot_ns: None,
    };
    for (counter, value) in set {
        probes.counters[counter.index()] = *value;
    }
    probes
}

/// The sample of a process that has ended.
pub fn ended(mut sample: ProcessSample, boot_ns: u64, code: i32) -> ProcessSample {
    sample.totals.uptime_ns = Some(boot_ns.saturating_sub(10 * SECOND));
    sample.exit = Some(Exit {
        at_unix_ns: BOOT * SECOND + boot_ns,
        code: Some(code),
        signal: None,
    });
    sample
}

/// A frame at `boot_ns` after boot, on a host of two CPUs.
pub fn frame(boot_ns: u64, processes: Vec<ProcessSample>, exited: Vec<ProcessSample>) -> Frame {
    Frame {
        tick: 0,
        at_unix_ns: BOOT * SECOND + boot_ns,
        at_boot_ns: boot_ns,
        host: Host {
            cpus: Some(2),
            ..Host::default()
        },
        processes,
        exited,
        ending: vec![],
        agent: Arc::default(),
    }
}

/// A view of a frame.
pub fn view(frame: Frame, rates: &mut Rates) -> View {
    let derived: Vec<Derived> = rates.derive(&frame);
    View::of_all(Arc::new(frame), derived)
}
