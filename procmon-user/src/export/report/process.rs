//! The block of a process.

use std::iter;

use procmon_common::{Counter, Operation};

use super::{Block, Quantity};
use crate::analysis::Derived;
use crate::frame::Frame;
use crate::process::{
    ConnectionState, Connections, Exit, ProbeCounters, ProcessSample, Seen, signal,
};

/// How a row of the section "Activity" is written.
#[derive(Clone, Copy)]
enum Kind {
    Count,
    Bytes,
    Nanoseconds,
}

/// A row of the section "Activity": its label, and where its total is.
struct Activity {
    label: &'static str,
    kind: Kind,
    /// Kept by our probes: begins anew when they do.
    probe: bool,
    total: fn(&ProcessSample) -> Option<u64>,
}

const fn kernel(
    label: &'static str,
    kind: Kind,
    total: fn(&ProcessSample) -> Option<u64>,
) -> Activity {
    Activity {
        label,
        kind,
        probe: false,
        total,
    }
}

const fn probe(label: &'static str, total: fn(&ProcessSample) -> Option<u64>) -> Activity {
    Activity {
        label,
        kind: Kind::Count,
        probe: true,
        total,
    }
}

const fn network(label: &'static str, total: fn(&ProcessSample) -> Option<u64>) -> Activity {
    Activity {
        label,
        kind: Kind::Bytes,
        probe: true,
        total,
    }
}

const ROWS: usize = 15;
const ACTIVITY: [Activity; ROWS] = [
    probe("Mapped (mmap)", |s| memory(s, Counter::Mmap)),
    probe("Unmapped (munmap)", |s| memory(s, Counter::Munmap)),
    probe("Remapped (mremap)", |s| memory(s, Counter::Mremap)),
    probe("Break Moved (brk)", |s| memory(s, Counter::Brk)),
    probe("Descriptor Opens", |s| {
        let opens = Operation::FILES
            .iter()
            .filter(|of| **of != Operation::Close);
        files(s, opens.map(|of| of.succeeded()))
    }),
    probe("Descriptor Closes", |s| {
        files(s, iter::once(Counter::Close))
    }),
    probe("Failed Calls", failed),
    network("Network Received", |s| Some(s.network_bytes()?[0])),
    network("Network Sent", |s| Some(s.network_bytes()?[1])),
    kernel("Disk Read", Kind::Bytes, |s| s.totals.disk_read_bytes),
    kernel("Disk Written", Kind::Bytes, |s| s.totals.disk_write_bytes),
    kernel("Context Switches", Kind::Count, |s| {
        Some(s.totals.voluntary_switches? + s.totals.involuntary_switches?)
    }),
    kernel("Minor Page Faults", Kind::Count, |s| s.totals.minor_faults),
    kernel("Major Page Faults", Kind::Count, |s| s.totals.major_faults),
    kernel("Run Queue Wait", Kind::Nanoseconds, |s| {
        s.totals.run_queue_ns
    }),
];

/// The probes' counters, where what they count is seen.
fn probes(sample: &ProcessSample, of: fn(&Seen) -> bool) -> Option<&ProbeCounters> {
    let probes = sample.probes.as_ref();
    probes.filter(|probes| of(&probes.seen))
}

/// A counter of calls that change the address space.
fn memory(sample: &ProcessSample, counter: Counter) -> Option<u64> {
    Some(probes(sample, |seen| seen.memory)?.get(counter))
}

/// Calls of several kinds that make and close descriptors, together.
fn files(sample: &ProcessSample, counters: impl Iterator<Item = Counter>) -> Option<u64> {
    let probes = probes(sample, |seen| seen.files)?;
    Some(counters.map(|counter| probes.get(counter)).sum())
}

/// Calls that failed, of those that are seen.
fn failed(sample: &ProcessSample) -> Option<u64> {
    let probes = probes(sample, |seen| seen.memory || seen.files)?;
    let kinds = [
        (probes.seen.memory, Operation::MEMORY),
        (probes.seen.files, Operation::FILES),
    ];
    let seen = kinds.iter().filter(|(seen, _)| *seen);
    let operations = seen.flat_map(|(_, operations)| *operations);
    Some(operations.map(|of| probes.get(of.failed())).sum())
}

/// What the next block of a process is compared with.
pub struct Before {
    at_unix_ns: u64,
    at_boot_ns: u64,
    cpu_ns: Option<u64>,
    rss: Option<u64>,
    virtual_memory: Option<u64>,
    uss: Option<u64>,
    probes_since: Option<u64>,
    activity: [Option<u64>; ROWS],
}

impl Before {
    /// What came before a process that was counted from its birth and has had
    /// no block: nothing.
    fn birth(sample: &ProcessSample) -> Option<Self> {
        let since = sample.probes.as_ref()?.since_unix_ns;
        (since == sample.created_unix_ns).then(|| Self {
            at_unix_ns: 0,
            at_boot_ns: 0,
            cpu_ns: None,
            rss: None,
            virtual_memory: None,
            uss: None,
            probes_since: Some(since),
            activity: ACTIVITY.map(|row| (row.total)(sample).map(|_| 0)),
        })
    }

    /// What a sample leaves for the next block.
    pub fn of(sample: &ProcessSample, at_unix_ns: u64, at_boot_ns: u64) -> Self {
        let totals = &sample.totals;
        Self {
            at_unix_ns,
            at_boot_ns,
            cpu_ns: cpu(sample),
            rss: totals.rss,
            virtual_memory: totals.virtual_memory,
            uss: totals.uss,
            probes_since: sample.probes.as_ref().map(|p| p.since_unix_ns),
            activity: ACTIVITY.map(|row| (row.total)(sample)),
        }
    }
}

fn cpu(sample: &ProcessSample) -> Option<u64> {
    Some(sample.totals.user_ns? + sample.totals.system_ns?)
}

/// The block of a live process. CPU use is that of the last tick, all changes
/// are since the process's last block.
pub fn live(
    out: &mut Block<'_>,
    sample: &ProcessSample,
    derived: &Derived,
    before: Option<&Before>,
    frame: &Frame,
) {
    out.process_head(frame.at_unix_ns, sample, "");
    let cores = derived.cpu.map(|rate| rate.user + rate.system);
    body(out, sample, cores, before);
}

/// The last block of a process, with its final numbers.
pub fn exited(out: &mut Block<'_>, sample: &ProcessSample, before: Option<&Before>, frame: &Frame) {
    let exit = sample.exit;
    let at = exit.map_or(frame.at_unix_ns, |exit| exit.at_unix_ns);
    let how = match exit {
        Some(Exit {
            signal: Some(number),
            ..
        }) => format!(" exited signal={}", signal::name(number)),
        Some(Exit {
            code: Some(code), ..
        }) => format!(" exited code={code}"),
        _ => " exited".to_owned(),
    };
    out.process_head(at, sample, &how);
    let cores = before.and_then(|before| {
        let elapsed = at.checked_sub(before.at_unix_ns)?;
        // A clock that was stepped in between tells nothing.
        let most = frame.at_boot_ns.saturating_sub(before.at_boot_ns);
        let used = cpu(sample)?.saturating_sub(before.cpu_ns?);
        (1..=most)
            .contains(&elapsed)
            .then(|| used as f64 / elapsed as f64)
    });
    let birth = Before::birth(sample);
    body(out, sample, cores, before.or(birth.as_ref()));
    out.section("Life");
    out.value("Lived", sample.totals.uptime_ns.map(Quantity::Nanoseconds));
    out.value("CPU Time", cpu(sample).map(Quantity::Nanoseconds));
    out.value("Peak RSS", sample.totals.peak_rss.map(Quantity::Bytes));
}

fn body(out: &mut Block<'_>, sample: &ProcessSample, cores: Option<f64>, before: Option<&Before>) {
    let totals = &sample.totals;
    out.line(format_args!("**Process Metrics**"));

    out.section("Memory Usage");
    out.value("RSS (Physical)", totals.rss.map(Quantity::Bytes));
    out.value("VMS (Virtual)", totals.virtual_memory.map(Quantity::Bytes));
    out.value("USS (Unique)", totals.uss.map(Quantity::Bytes));

    out.section("Memory Changes (since last snapshot)");
    let change = |before: Option<u64>, now: Option<u64>| {
        let change = now?.wrapping_sub(before?).cast_signed();
        Some(Quantity::Change(change))
    };
    let rss = change(before.and_then(|b| b.rss), totals.rss);
    out.value("RSS Delta", rss);
    let vms = change(before.and_then(|b| b.virtual_memory), totals.virtual_memory);
    out.value("VMS Delta", vms);
    let uss = change(before.and_then(|b| b.uss), totals.uss);
    out.value("USS Delta", uss);

    out.section("Resources");
    out.value("CPU Usage", cores.map(Quantity::Share));
    out.value("Threads", totals.threads.map(Quantity::Count));
    out.value("File Descriptors", totals.descriptors.map(Quantity::Count));

    if let Some(connections) = &totals.connections {
        held(out, connections);
    }
    activity(out, sample, before);
}

/// The connections, if there are any: by state, and those it opened by where
/// they go.
fn held(out: &mut Block<'_>, connections: &Connections) {
    let mut lines: Vec<(String, u64)> = Vec::new();
    for state in ConnectionState::ALL {
        lines.push((format!("TCP ({})", state.name()), connections.tcp(state)));
        if state == ConnectionState::Established {
            let opened = connections.remote_ports.iter();
            lines.extend(opened.map(|(port, count)| (format!("to port {port}"), *count)));
        }
    }
    lines.push(("UDP".to_owned(), connections.udp));
    lines.retain(|(_, count)| *count > 0);
    if !lines.is_empty() {
        out.section("Connections");
    }
    for (label, count) in lines {
        out.value(&label, Some(Quantity::Count(count)));
    }
}

fn activity(out: &mut Block<'_>, sample: &ProcessSample, before: Option<&Before>) {
    let since = sample.probes.as_ref().map(|p| p.since_unix_ns);
    let mut titled = false;
    for (index, row) in ACTIVITY.iter().enumerate() {
        let Some(now) = (row.total)(sample) else {
            continue;
        };
        if !std::mem::replace(&mut titled, true) {
            out.section("Activity (since last snapshot)");
        }
        let change = before
            .filter(|before| !row.probe || before.probes_since == since)
            .and_then(|before| before.activity[index])
            .map(|before| now.saturating_sub(before));
        out.value(
            row.label,
            change.map(match row.kind {
                Kind::Count => Quantity::Count,
                Kind::Bytes => Quantity::Bytes,
                Kind::Nanoseconds => Quantity::Nanoseconds,
            }),
        );
    }
}
