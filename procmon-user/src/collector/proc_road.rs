//! The road through /proc alone: what --no-ebpf can see.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::os::fd::RawFd;

use super::CollectError;
use super::chosen::Selection;
use super::ends::Ends;
use super::observed::{End, Facts, Observed, Seen};
use crate::proc::{self, ProcRoot, ReadErrors, Reading, TotalsReader};
use crate::process::{ProcessId, StateCounts, Totals};

/// Reads /proc.
pub struct ProcRoad {
    selection: Selection,
    /// Chosen processes that have not ended, and who they are once seen.
    waited_for: BTreeMap<u32, Option<ProcessId>>,
    /// Children found under them, kept when their parents end.
    family: BTreeSet<u32>,
    last: HashMap<ProcessId, Totals>,
    ends: Ends,
    reader: TotalsReader,
    buffer: Vec<u8>,
}

impl ProcRoad {
    /// A road for these processes.
    pub fn new(selection: &Selection) -> Self {
        Self {
            selection: selection.clone(),
            waited_for: selection.pids().iter().map(|pid| (*pid, None)).collect(),
            family: BTreeSet::new(),
            last: HashMap::new(),
            ends: Ends::of(selection.pids()),
            reader: TotalsReader::default(),
            buffer: Vec::new(),
        }
    }

    /// Watches one more process.
    pub fn watch(&mut self, pid: u32) {
        self.waited_for.insert(pid, None);
    }

    /// Becomes readable when a chosen process ends.
    pub fn wakeup(&self) -> Option<RawFd> {
        self.ends.wakeup()
    }

    /// Takes in ends of chosen processes.
    pub fn absorb(&mut self) {
        self.ends.absorb();
    }

    /// Whether every chosen process has ended.
    pub fn all_ended(&self) -> bool {
        self.waited_for.keys().all(|pid| self.ends.has_ended(*pid))
    }

    /// Reads the processes there are; those of the last tick that are there no
    /// more have ended. How, only a zombie tells.
    pub fn observe(
        &mut self,
        root: &ProcRoot,
        now_ns: u64,
        errors: &mut ReadErrors,
    ) -> Result<Seen, CollectError> {
        let mut seen = Seen::default();
        self.ends.absorb();
        let mut states = StateCounts::default();
        let mut before = std::mem::take(&mut self.last);
        for pid in self.pids(root)? {
            let reading = match self.reader.read(root, pid, errors) {
                Ok(reading) => reading,
                Err(error) if error.is_gone() => continue,
                Err(error) => {
                    errors.record("stat", &error);
                    continue;
                }
            };
            states.add(reading.facts.state);
            let chosen = self.waited_for.get_mut(&pid);
            if reading.facts.zombie {
                let awaited = chosen.is_some_and(|id| id.is_none_or(|id| id == reading.id));
                let known = before.remove(&reading.id);
                if awaited || known.is_some() {
                    seen.ended.push(zombie(reading, known, now_ns));
                }
                continue;
            }
            if let Some(id) = chosen
                && (*id.get_or_insert(reading.id) != reading.id || self.ends.has_ended(pid))
            {
                // Another process has been given the pid: ours has ended.
                continue;
            }
            if !self.wants(&reading) {
                continue;
            }
            self.last.insert(reading.id, reading.totals.clone());
            seen.live.push(observe(reading, now_ns));
        }
        self.reader.end_round();
        if let Selection::All { .. } = self.selection {
            seen.states = Some(states);
        }
        for (id, totals) in before {
            if !self.last.contains_key(&id) {
                seen.ended.push(ended(id, totals, None, now_ns));
            }
        }
        let live: BTreeSet<u32> = self.last.keys().map(|id| id.pid).collect();
        self.waited_for.retain(|pid, _| live.contains(pid));
        self.family.retain(|pid| live.contains(pid));
        Ok(seen)
    }

    fn pids(&mut self, root: &ProcRoot) -> Result<Vec<u32>, CollectError> {
        let mut pids = Vec::new();
        match &self.selection {
            Selection::All { .. } | Selection::Matching(_) => {
                proc::list_pids(root, &mut self.buffer, &mut pids)?
            }
            Selection::Processes { .. } | Selection::Command => {
                if self.selection.children() {
                    let roots: Vec<u32> = self.waited_for.keys().copied().collect();
                    let roots: Vec<u32> = self.family.iter().copied().chain(roots).collect();
                    let found = proc::descendants(root, &roots, &mut self.buffer)?;
                    self.family.extend(found);
                }
                pids.extend(self.waited_for.keys().chain(&self.family));
                pids.sort_unstable();
                pids.dedup();
            }
        }
        Ok(pids)
    }

    fn wants(&self, reading: &Reading) -> bool {
        !self.selection.meets_all()
            || self.selection.kernel_threads()
            || !reading.facts.kernel_thread
    }
}

fn observe(reading: Reading, now_ns: u64) -> Observed {
    let mut totals = reading.totals;
    totals.uptime_ns = Some(now_ns.saturating_sub(reading.id.start_boot_ns()));
    let mut observed = Observed::new(reading.id, totals, None);
    observed.facts = Facts {
        parent_pid: Some(reading.facts.parent_pid),
        generation: Some(reading.facts.program),
        kernel_thread: reading.facts.kernel_thread,
        ..Facts::default()
    };
    observed
}

/// A process that waits to be reaped: its last times and counts can still be
/// read, and how it ended. The rest is as it was last seen.
fn zombie(reading: Reading, before: Option<Totals>, now_ns: u64) -> Observed {
    let last = reading.totals;
    let before = before.unwrap_or_default();
    let totals = Totals {
        user_ns: last.user_ns.or(before.user_ns),
        system_ns: last.system_ns.or(before.system_ns),
        on_cpu_ns: last.on_cpu_ns.or(before.on_cpu_ns),
        run_queue_ns: last.run_queue_ns.or(before.run_queue_ns),
        migrations: last.migrations.or(before.migrations),
        voluntary_switches: last.voluntary_switches.or(before.voluntary_switches),
        involuntary_switches: last.involuntary_switches.or(before.involuntary_switches),
        minor_faults: last.minor_faults.or(before.minor_faults),
        major_faults: last.major_faults.or(before.major_faults),
        ..before
    };
    let mut observed = ended(reading.id, totals, reading.facts.wait_status, now_ns);
    observed.facts.parent_pid = Some(reading.facts.parent_pid);
    observed
}

fn ended(id: ProcessId, totals: Totals, wait_status: Option<u32>, now_ns: u64) -> Observed {
    let mut observed = Observed::new(id, totals.of_the_ended(), None);
    observed.facts.end = Some(End::of_wait_status(now_ns, wait_status));
    observed
}
