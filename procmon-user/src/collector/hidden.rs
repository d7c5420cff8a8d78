//! Processes that the task iterator does not show, though /proc does: a
//! security module may hide some. Their totals come from /proc, their calls
//! from the kernel half; their threads' switches are not seen.

use std::collections::BTreeMap;

use log::warn;
use procmon_common::Feature;
use procmon_common::records::state;

use super::observed::{End, Observed};
use crate::kernel::{Kernel, KernelError};
use crate::proc::{ProcRoot, ReadErrors, Reading, TotalsReader};
use crate::process::{ProcessId, Totals};

/// The hidden processes that are watched.
#[derive(Debug, Default)]
pub struct Hidden {
    /// The last totals of each.
    known: BTreeMap<u32, (ProcessId, Totals)>,
    reader: TotalsReader,
}

impl Hidden {
    /// The pids of all of them.
    pub fn pids(&self) -> Vec<u32> {
        self.known.keys().copied().collect()
    }

    /// Reads a process that the iterator did not show. `None` when it is not
    /// there either, or only as a zombie.
    pub fn observe(
        &mut self,
        kernel: &mut Kernel,
        root: &ProcRoot,
        pid: u32,
        now_ns: u64,
        errors: &mut ReadErrors,
    ) -> Result<Option<Observed>, KernelError> {
        let Ok(reading) = self.reader.read(root, pid, errors) else {
            return Ok(None);
        };
        let known = self.known.get(&pid).map(|(id, _)| *id);
        if reading.facts.zombie || known.is_some_and(|id| id != reading.id) {
            return Ok(None);
        }
        if known.is_none() {
            warn!(
                "process {pid} is hidden from the task iterator: its totals come from /proc, \
                 and the waits of its threads are not seen"
            );
            kernel.adopt(pid, reading.id.start_boot_ns(), now_ns)?;
        }
        let observed = observe(kernel, reading, now_ns);
        let sample = &observed.sample;
        self.known.insert(pid, (sample.id, sample.totals.clone()));
        Ok(Some(observed))
    }

    /// Ends a pass over them.
    pub fn end_round(&mut self) {
        self.reader.end_round();
    }

    /// The end of one that is there no more.
    pub fn end(&mut self, kernel: &mut Kernel, pid: u32, now_ns: u64) -> Option<Observed> {
        let (id, totals) = self.known.remove(&pid)?;
        let mut observed = base(kernel, id, totals.of_the_ended());
        kernel.forget(pid);
        observed.facts.end = Some(End::of_wait_status(now_ns, None));
        Some(observed)
    }
}

fn observe(kernel: &Kernel, reading: Reading, now_ns: u64) -> Observed {
    let mut totals = reading.totals;
    totals.uptime_ns = Some(now_ns.saturating_sub(reading.id.start_boot_ns()));
    let mut observed = base(kernel, reading.id, totals);
    observed.facts.parent_pid = Some(reading.facts.parent_pid);
    observed.facts.kernel_thread = reading.facts.kernel_thread;
    observed.facts.generation = Some(reading.facts.program);
    observed
}

fn base(kernel: &Kernel, id: ProcessId, totals: Totals) -> Observed {
    let entry = kernel
        .entry(id.pid)
        .filter(|entry| entry.state == state::ACTIVE);
    let probes = entry.map(|entry| {
        let mut probes = kernel.probe_counters(&entry);
        for unseen in [Feature::RunQueue, Feature::OffCpu] {
            probes.features[unseen.index()] = None;
        }
        probes
    });
    let mut observed = Observed::new(id, totals, probes);
    observed.facts.counted_since = entry.map(|entry| entry.since_ns);
    observed
}
