//! The block of the host.

use super::{Block, Quantity, word};
use crate::frame::{Frame, Host};
use crate::process::{ProcessSample, identity};

/// What the next host block is compared with.
pub struct HostBefore {
    at_boot_ns: u64,
    busy_ns: Option<u64>,
    pressure: Vec<(&'static str, &'static str, u64)>,
}

impl HostBefore {
    /// What a frame leaves for the next block.
    pub fn of(frame: &Frame) -> Self {
        Self {
            at_boot_ns: frame.at_boot_ns,
            busy_ns: busy(&frame.host),
            pressure: frame.host.pressure.clone(),
        }
    }
}

/// Time the CPUs worked for this host.
fn busy(host: &Host) -> Option<u64> {
    let working = host
        .cpu_ns
        .iter()
        .filter(|(mode, _)| !matches!(*mode, "idle" | "iowait" | "steal"));
    (!host.cpu_ns.is_empty()).then(|| working.map(|(_, ns)| ns).sum())
}

/// Processes of the section "Top Memory", at most.
const TOP: usize = 10;
/// The share of the host's memory that a process in it has more than.
const TOP_SHARE: f64 = 0.01;

/// The processes that have more than a hundredth of the host's memory, the
/// largest first; no section when there are none.
fn top_memory(out: &mut Block<'_>, frame: &Frame) {
    let Some(total) = frame.host.memory.as_ref().map(|memory| memory.total) else {
        return;
    };
    let share = |sample: &ProcessSample| Some(sample.totals.rss? as f64 / total as f64);
    let mut top: Vec<(f64, &ProcessSample)> = frame
        .processes
        .iter()
        .filter_map(|sample| Some((share(sample)?, sample)))
        .filter(|(share, _)| *share > TOP_SHARE && share.is_finite())
        .collect();
    top.sort_by(|(a, one), (b, other)| b.total_cmp(a).then(one.id.cmp(&other.id)));
    if !top.is_empty() {
        out.section("Top Memory");
    }
    for (share, sample) in top.into_iter().take(TOP) {
        let label = format!("{} {}", sample.id.pid, word(&sample.metadata.executable));
        out.value(&label, Some(Quantity::Share(share)));
    }
}

/// The host's block; `shown` processes follow it.
pub fn block(out: &mut Block<'_>, frame: &Frame, before: Option<&HostBefore>, shown: usize) {
    let host = &frame.host;
    out.line(format_args!(
        "# {} host, then the {shown} largest of {} processes by resident set",
        identity::rfc3339(frame.at_unix_ns),
        frame.processes.len(),
    ));
    out.line(format_args!("**Host Metrics**"));

    out.section("Memory Usage");
    let memory = host.memory.as_ref();
    let mut bytes = |label, value: Option<u64>| out.value(label, value.map(Quantity::Bytes));
    // Used is what is not available: page cache that can go is not in use.
    bytes("Used", memory.map(|m| m.total.saturating_sub(m.available)));
    bytes("Available", memory.map(|m| m.available));
    bytes("Total", memory.map(|m| m.total));
    bytes(
        "Swap Used",
        memory.map(|m| m.swap_total.saturating_sub(m.swap_free)),
    );
    bytes("Swap Total", memory.map(|m| m.swap_total));

    out.section("Resources");
    let elapsed = before
        .map(|before| frame.at_boot_ns.saturating_sub(before.at_boot_ns))
        .filter(|elapsed| *elapsed > 0);
    let share = |before: Option<u64>, now: Option<u64>| {
        let change = now?.saturating_sub(before?);
        Some(Quantity::Share(change as f64 / elapsed? as f64))
    };
    out.value(
        "CPU Usage",
        share(before.and_then(|b| b.busy_ns), busy(host)),
    );
    out.value("CPUs", host.cpus.map(Quantity::Count));
    out.value(
        "Processes",
        Some(Quantity::Count(frame.processes.len() as u64)),
    );

    top_memory(out, frame);

    if host.pressure.is_empty() {
        return;
    }
    out.section("Stalled (since last snapshot)");
    for (resource, kind, now) in &host.pressure {
        let before = before.and_then(|before| {
            let same = before
                .pressure
                .iter()
                .find(|(r, k, _)| r == resource && k == kind);
            same.map(|(_, _, ns)| *ns)
        });
        out.value(&format!("{resource} ({kind})"), share(before, Some(*now)));
    }
}
