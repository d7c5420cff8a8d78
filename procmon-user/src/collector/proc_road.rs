//! The road through /proc alone: what --no-ebpf can see.

use std::collections::{BTreeSet, HashMap};

use super::CollectError;
use super::chosen::Selection;
use super::observed::{End, Observed, Seen};
use crate::proc::{self, ProcRoot, ReadErrors, Reading, TotalsReader};
use crate::process::{ProcessId, Totals};

/// Reads /proc.
pub struct ProcRoad {
    selection: Selection,
    /// Chosen processes that have not ended.
    waited_for: BTreeSet<u32>,
    /// Children found under them, kept when their parents end.
    family: BTreeSet<u32>,
    last: HashMap<ProcessId, Totals>,
    reader: TotalsReader,
    buffer: Vec<u8>,
}

impl ProcRoad {
    /// A road for these processes.
    pub fn new(selection: &Selection) -> Self {
        Self {
            selection: selection.clone(),
            waited_for: selection.pids().iter().copied().collect(),
            family: BTreeSet::new(),
            last: HashMap::new(),
            reader: TotalsReader::default(),
            buffer: Vec::new(),
        }
    }

    /// Watches one more process.
    pub fn watch(&mut self, pid: u32) {
        self.waited_for.insert(pid);
    }

    /// Whether every chosen process has ended.
    pub fn all_ended(&self) -> bool {
        self.waited_for.is_empty()
    }

    /// Reads the processes there are; those of the last tick that are there no
    /// more have ended, nobody knows how.
    pub fn observe(
        &mut self,
        root: &ProcRoot,
        now_ns: u64,
        errors: &mut ReadErrors,
    ) -> Result<Seen, CollectError> {
        let mut seen = Seen::default();
        let mut present = HashMap::new();
        for pid in self.pids(root)? {
            let reading = match self.reader.read(root, pid, errors) {
                Ok(reading) => reading,
                Err(error) if error.is_gone() => continue,
                Err(error) => {
                    errors.record("stat", &error);
                    continue;
                }
            };
            if reading.facts.zombie || !self.wants(&reading) {
                continue;
            }
            present.insert(reading.id, reading.totals.clone());
            seen.live.push(observe(reading, now_ns));
        }
        self.reader.end_round();
        for (id, totals) in std::mem::replace(&mut self.last, present) {
            if !self.last.contains_key(&id) {
                seen.ended.push(ended(id, totals, now_ns));
            }
        }
        let live: BTreeSet<u32> = self.last.keys().map(|id| id.pid).collect();
        self.waited_for.retain(|pid| live.contains(pid));
        self.family.retain(|pid| live.contains(pid));
        Ok(seen)
    }

    fn pids(&mut self, root: &ProcRoot) -> Result<Vec<u32>, CollectError> {
        let mut pids = Vec::new();
        match &self.selection {
            Selection::All { .. } => proc::list_pids(root, &mut self.buffer, &mut pids)?,
            Selection::Processes { .. } | Selection::Command => {
                if self.selection.children() {
                    let roots: Vec<u32> = self.waited_for.union(&self.family).copied().collect();
                    let found = proc::descendants(root, &roots, &mut self.buffer)?;
                    self.family.extend(found);
                }
                pids.extend(self.waited_for.union(&self.family));
            }
        }
        Ok(pids)
    }

    fn wants(&self, reading: &Reading) -> bool {
        match self.selection {
            Selection::All { kernel_threads } => kernel_threads || !reading.facts.kernel_thread,
            Selection::Processes { .. } | Selection::Command => true,
        }
    }
}

fn observe(reading: Reading, now_ns: u64) -> Observed {
    let mut totals = reading.totals;
    let tick_ns = 1_000_000_000 / crate::process::identity::TICKS_PER_SECOND;
    totals.uptime_ns = Some(now_ns.saturating_sub(reading.id.start_ticks * tick_ns));
    Observed {
        id: reading.id,
        totals,
        probes: None,
        counted_since: None,
        executable: None,
        parent_pid: Some(reading.facts.parent_pid),
        user_id: None,
        generation: reading.facts.program,
        kernel_thread: reading.facts.kernel_thread,
        end: None,
    }
}

fn ended(id: ProcessId, totals: Totals, now_ns: u64) -> Observed {
    Observed {
        id,
        totals: totals.of_the_ended(),
        probes: None,
        counted_since: None,
        executable: None,
        parent_pid: None,
        user_id: None,
        generation: 0,
        kernel_thread: false,
        end: Some(End {
            at_boot_ns: now_ns,
            code: None,
            signal: None,
        }),
    }
}
