//! The road through the kernel half: one pass of the task iterator, and exit
//! records.

use std::collections::{HashMap, HashSet};
use std::time::Instant;

use log::{debug, info, warn};
use procmon_common::records::state;
use procmon_common::{CgroupIds, Counter, Feature, Loss, ProcessEntry};

use super::chosen::Selection;
use super::dying::{self, Threaded};
use super::gaps::Gaps;
use super::health::Missed;
use super::hidden::Hidden;
use super::observed::{End, Facts, Observed, Seen};
use super::{CollectError, verify};
use crate::frame::ProbeHealth;
use crate::kernel::{
    Accounts, Kernel, Losses, Options, Others, Programs, Scope, Sizes, SnapshotProcess, Sums,
    executable,
};
use crate::proc::{self, ProcRoot, ProcessDir, ReadErrors, read_totals};
use crate::process::{ByProcess, Cgroups, Groups, Pids, ProcessId, ProcessSample, Totals};

/// `task_struct.flags` of a kernel thread (include/linux/sched.h).
const PF_KTHREAD: u32 = 0x0020_0000;
/// How long the record of a process that is gone is awaited, ns: a thread that
/// has done all but its last switch may wait for a CPU.
const RECORD_COMES_WITHIN_NS: u64 = 1_000_000_000;

/// What is kept of a process from one tick to the next.
#[derive(Default)]
struct Account {
    sums: Accounts,
    /// The generation whose name was told.
    named: Option<u64>,
    /// Threads that no look has found.
    missing: u64,
}

/// Reads the kernel half.
pub struct KernelRoad {
    kernel: Kernel,
    root: ProcRoot,
    /// When the hooks were in place, ns of CLOCK_BOOTTIME.
    attached_ns: u64,
    accounts: ByProcess<Box<Account>>,
    /// Exit records that came in since the last tick.
    exits: Vec<ProcessEntry>,
    /// Chosen processes that have not ended.
    waited_for: HashSet<u32>,
    all: bool,
    losses: Losses,
    buffer: Vec<u8>,
    hidden: Hidden,
    gaps: Gaps,
    /// Processes that were gone without a record at the last tick, and since
    /// when, ns of CLOCK_BOOTTIME.
    missing: HashMap<ProcessId, u64>,
    changes: Vec<ProbeHealth>,
    /// How many updates had found no entry when /proc was last searched.
    strays: u64,
    cgroups: Cgroups,
}

impl KernelRoad {
    /// Loads the kernel half, verifies it, and asks it for the chosen processes.
    pub fn open(
        selection: &Selection,
        root: &ProcRoot,
        sizes: Sizes,
        programs: Programs,
    ) -> Result<Self, CollectError> {
        let scope = match selection {
            Selection::Processes { .. } => Scope::Chosen,
            Selection::Command => Scope::Exec,
            Selection::All { .. } | Selection::Matching(_) => Scope::All {
                kernel_threads: selection.kernel_threads(),
            },
        };
        let mut kernel = Kernel::load(Options {
            scope,
            children: selection.children(),
            sizes,
            programs,
        })?;
        if let Err(untrue) = verify::against_proc(&mut kernel, root) {
            kernel.detach_in_background();
            return Err(untrue.into());
        }
        let mut road = Self {
            kernel,
            root: root.clone(),
            attached_ns: proc::clock::now_boot_ns(),
            accounts: ByProcess::default(),
            exits: Vec::new(),
            waited_for: selection.pids().iter().copied().collect(),
            all: selection.meets_all(),
            losses: Losses::default(),
            buffer: Vec::new(),
            hidden: Hidden::default(),
            gaps: Gaps::default(),
            missing: HashMap::new(),
            changes: Vec::new(),
            strays: 0,
            cgroups: Cgroups::default(),
        };
        // After the hooks: what comes from now on, they tell.
        road.walk_cgroups();
        for pid in selection.pids() {
            road.kernel.want(*pid)?;
        }
        if selection.children() {
            road.want_descendants(selection.pids())?;
        }
        if !selection.pids().is_empty() {
            // Who is wanted is counted once a pass has met it: what it does
            // after we said that we watch must not wait for the first tick.
            road.kernel.meet_all()?;
        }
        Ok(road)
    }

    /// The kernel half.
    pub fn kernel(&self) -> &Kernel {
        &self.kernel
    }

    /// Switches a feature off.
    ///
    /// # Errors
    /// When the kernel half's map cannot be written.
    pub fn switch_off(&mut self, feature: Feature, reason: String) -> Result<(), CollectError> {
        self.kernel.switch_off(feature, reason)?;
        self.gaps.begin(feature, proc::clock::now_boot_ns());
        self.note_change(feature);
        Ok(())
    }

    /// Switches a feature on again; what it counts begins anew.
    ///
    /// # Errors
    /// When the kernel half's maps cannot be read or written.
    pub fn switch_on(&mut self, feature: Feature) -> Result<(), CollectError> {
        let mut entries = Vec::new();
        let mut pass = self.kernel.pass()?;
        while let Some(process) = pass.next_process()? {
            entries.push(process.entry);
        }
        let hidden = self.hidden.pids().into_iter();
        entries.extend(hidden.filter_map(|pid| self.kernel.entry(pid)));
        let entries = entries.iter().map(|entry| (entry_id(entry), entry));
        self.gaps.end(feature, proc::clock::now_boot_ns(), entries);
        self.kernel.switch_on(feature)?;
        self.note_change(feature);
        Ok(())
    }

    fn note_change(&mut self, feature: Feature) {
        let Some(status) = self.kernel.status_of(feature) else {
            return;
        };
        if status.state.works() {
            info!("probe {status}");
        } else {
            warn!("probe {status}");
        }
        self.changes.push(status.into());
    }

    /// Probes whose state has changed since this was last asked.
    pub fn take_changes(&mut self) -> Vec<ProbeHealth> {
        std::mem::take(&mut self.changes)
    }

    /// What was lost until the last tick.
    pub fn losses(&self) -> Losses {
        self.losses
    }

    /// Writes down what has been missed, where other programs can see it.
    pub fn note_missed(&mut self, missed: Missed) {
        for (loss, count) in [
            (Loss::LateTick, missed.ticks),
            (Loss::ViewDropped, missed.frames),
        ] {
            if count != self.losses.get(loss) {
                self.kernel.note_loss(loss, count);
            }
        }
    }

    /// Lets go of the kernel half.
    pub fn close(self) {
        self.kernel.detach_in_background();
    }

    /// Takes in exit records.
    pub fn absorb(&mut self) {
        let events = self.kernel.take_events();
        for record in &events.cgroups {
            self.cgroups.apply(record);
        }
        for entry in events.exits {
            self.note_end(entry);
        }
        self.kernel.flush_log();
    }

    /// What the control groups tell that the kernel half noted of a process;
    /// `None` when they are unknown.
    pub fn groups(&self, ids: CgroupIds) -> Option<Groups> {
        self.cgroups.groups(ids)
    }

    /// Finds all control groups there are.
    fn walk_cgroups(&mut self) {
        if let Err(error) = self.cgroups.walk(&self.root) {
            debug!("not all control groups are known: {error}");
        }
    }

    fn note_end(&mut self, entry: ProcessEntry) {
        self.waited_for.remove(&entry.pid);
        self.exits.push(entry);
    }

    /// Whether every chosen process has ended.
    pub fn all_ended(&self) -> bool {
        self.waited_for.is_empty()
    }

    /// Whether a process is counted no more: its exit record is written.
    pub fn has_ended(&self, pid: u32) -> bool {
        self.kernel
            .entry(pid)
            .is_none_or(|entry| entry.state == state::EXITED)
    }

    /// Children that were born before the kernel half looked: those of wanted
    /// processes it finds itself, so this ends.
    fn want_descendants(&mut self, pids: &[u32]) -> Result<(), CollectError> {
        let mut buffer = Vec::new();
        let mut wanted: HashSet<u32> = HashSet::new();
        loop {
            let found = proc::descendants(&self.root, pids, &mut buffer)?;
            let mut new = false;
            for pid in found {
                if wanted.insert(pid) {
                    self.kernel.want(pid)?;
                    new = true;
                }
            }
            if !new {
                return Ok(());
            }
        }
    }

    /// Reads all counted processes and the ends since the last tick.
    pub fn observe(&mut self, now_ns: u64, errors: &mut ReadErrors) -> Result<Seen, CollectError> {
        let mut seen = Seen::default();
        let mut present = Pids::default();
        present.reserve(self.accounts.len());
        let threadless = self.pass(now_ns, errors, &mut seen, &mut present)?;
        self.absorb();
        self.take_what_was_deferred();
        let mut entries = std::mem::take(&mut self.exits);
        entries.sort_by_key(|entry| entry.exit_ns);
        let ended: HashSet<ProcessId> = entries.iter().map(entry_id).collect();
        if !ended.is_empty() {
            seen.live.retain(|id| !ended.contains(&id));
        }
        for process in threadless {
            let id = entry_id(&process.entry);
            if ended.contains(&id) {
                continue;
            }
            if !self.is_unknown(&process.entry) {
                // Met between its last thread and its record, which is on its way.
                seen.ending.push(id);
            } else {
                // A zombie from before: all its threads had ended.
                self.kernel.forget(id.pid);
                self.waited_for.remove(&id.pid);
                seen.ended.push(self.zombie(&process, now_ns, errors));
            }
        }
        for entry in &entries {
            let observed = self.ended(entry);
            self.forget(observed.sample.id);
            seen.ended.push(observed);
        }
        self.notice_vanished(&present, &ended, now_ns, &mut seen);
        self.observe_hidden(&present, now_ns, errors, &mut seen)?;
        Ok(seen)
    }

    /// Passes over all counted processes; returns those that have no thread left.
    fn pass(
        &mut self,
        now_ns: u64,
        errors: &mut ReadErrors,
        seen: &mut Seen,
        present: &mut Pids,
    ) -> Result<Vec<SnapshotProcess>, CollectError> {
        let begin = Instant::now();
        let (mut threadless, mut threaded) = (Vec::new(), Vec::new());
        // As many as last time, and some that have come since.
        seen.live
            .reserve(self.accounts.len() + self.accounts.len() / 16);
        let mut pass = self.kernel.pass()?;
        while let Some(process) = pass.next_process()? {
            present.insert(process.leader.pid);
            if !process.is_whole() {
                continue;
            }
            if has_no_thread_left(process) {
                threadless.push(process.clone());
                continue;
            }
            let place = seen.live.len();
            seen.live.push(self.shown(process));
            if Threaded::is(process) {
                threaded.push(Threaded::new(place, process));
            } else {
                let live = seen.live.get_mut(place);
                self.complete(live, process, &Others::default(), now_ns, errors);
            }
        }
        for process in &mut threaded {
            process.others = pass.others(process.process.leader.pid);
            if process.missing() > 0 {
                let account = self.accounts.get(&entry_id(&process.process.entry));
                process.missing_before = account.map_or(0, |account| account.missing);
            }
        }
        seen.states = Some(pass.states());
        dying::look_again(&mut self.kernel, &mut threaded, begin.elapsed())?;
        for found in threaded {
            if found.was_seen_again() {
                seen.live.replace(found.place, self.shown(&found.process));
            }
            let live = seen.live.get_mut(found.place);
            self.complete(live, &found.process, &found.others, now_ns, errors);
        }
        Ok(threadless)
    }

    /// Reads what the iterator does not show. Who might be hidden: the chosen
    /// that were not shown; with every process, whoever makes calls and has no
    /// entry.
    fn observe_hidden(
        &mut self,
        present: &Pids,
        now_ns: u64,
        errors: &mut ReadErrors,
        seen: &mut Seen,
    ) -> Result<(), CollectError> {
        let mut candidates = self.hidden.pids();
        let strays = self.losses.get(Loss::UpdateWithoutProcess);
        // Who found no room is not hidden, and adopting takes room.
        let full = self.losses.get(Loss::NoRoomForProcess) > 0;
        if self.all && !full && strays != self.strays {
            self.strays = strays;
            let mut pids = Vec::new();
            proc::list_pids(&self.root, &mut self.buffer, &mut pids)?;
            candidates.extend(pids.into_iter().filter(|pid| self.is_stray(*pid, present)));
        }
        candidates.extend(self.waited_for.iter().filter(|pid| !present.contains(pid)));
        candidates.sort_unstable();
        candidates.dedup();
        let mut live = Vec::new();
        for pid in candidates {
            let (kernel, root) = (&mut self.kernel, &self.root);
            match self.hidden.observe(kernel, root, pid, now_ns, errors)? {
                Some(mut observed) => {
                    self.gaps.apply_to(&mut observed.sample);
                    live.push(observed);
                }
                None => {
                    let mut ended = self.hidden.end(kernel, pid, now_ns);
                    if ended.is_none() && self.record_is_coming(pid) {
                        continue;
                    }
                    if let Some(observed) = &mut ended {
                        self.gaps.apply_to(&mut observed.sample);
                        self.gaps.forget(observed.sample.id);
                    }
                    seen.ended.extend(ended);
                    self.waited_for.remove(&pid);
                }
            }
        }
        self.hidden.end_round();
        seen.live.merge(live);
        Ok(())
    }

    /// A process has been told to its end.
    fn forget(&mut self, id: ProcessId) {
        self.accounts.remove(&id);
        self.gaps.forget(id);
        self.missing.remove(&id);
    }

    /// Whether a process is older than the attach and was never seen alive.
    fn is_unknown(&self, entry: &ProcessEntry) -> bool {
        entry.since_ns != entry.start_ns
            && !self.accounts.contains_key(&entry_id(entry))
            && !self.has_ended(entry.pid)
    }

    /// Whether the exit record of a process that is gone is yet to be taken in. It
    /// may be gone before its last switch, when its parent was quick to wait for it.
    fn record_is_coming(&mut self, pid: u32) -> bool {
        match self.kernel.entry(pid) {
            // The record has just taken it out of the map.
            None => true,
            Some(entry) if entry.state == state::ACTIVE => {
                // From now on it would be noticed, should no record come.
                self.accounts.entry(entry_id(&entry)).or_default();
                true
            }
            Some(entry) => entry.state == state::EXITED,
        }
    }

    /// Whether a process that /proc lists has no entry, though it should: one that
    /// was born since has its own from its birth's hook, which may be at work.
    fn is_stray(&self, pid: u32, present: &Pids) -> bool {
        !present.contains(&pid)
            && self.kernel.entry(pid).is_none()
            && read_totals(&self.root, pid, &mut ReadErrors::default()).is_ok_and(|reading| {
                reading.id.start_boot_ns() < self.attached_ns
                    && !reading.facts.kernel_thread
                    && !reading.facts.zombie
            })
    }

    /// What an entry tells of a process, which ended at `exit_ns` if it did; its
    /// name is left out.
    fn observed(&self, entry: &ProcessEntry, exit_ns: Option<u64>, totals: Totals) -> Observed {
        let id = entry_id(entry);
        let mut probes = self.kernel.probe_counters(entry);
        self.gaps.apply(id, exit_ns, &mut probes);
        let mut observed = Observed::new(id, totals, Some(probes));
        observed.facts = Facts {
            counted_since: (entry.since_ns != entry.start_ns).then_some(entry.since_ns),
            parent_pid: (entry.parent != 0).then_some(entry.parent),
            user_id: Some(entry.uid),
            cgroups: (entry.cgroups != CgroupIds::default()).then_some(entry.cgroups),
            generation: Some(entry.counters[Counter::Execs.index()]),
            ..Facts::default()
        };
        observed
    }

    /// What a live process shows but for its totals and its name.
    fn shown(&self, process: &SnapshotProcess) -> Observed {
        let mut observed = self.observed(&process.entry, None, Totals::default());
        observed.facts.kernel_thread = process.leader.flags & PF_KTHREAD != 0;
        observed.facts.user_id = Some(process.leader.uid);
        observed.facts.generation = Some(process.generation);
        observed
    }

    /// Puts in the totals of a live process that has these other threads, and its
    /// name when that is new.
    fn complete(
        &mut self,
        (sample, facts): (&mut ProcessSample, &mut Facts),
        process: &SnapshotProcess,
        others: &Others,
        now_ns: u64,
        errors: &mut ReadErrors,
    ) {
        let id = sample.id;
        let account = self.accounts.entry(id).or_default();
        account.missing = dying::missing(process, others);
        if account.named != facts.generation {
            account.named = facts.generation;
            facts.executable = Some(executable(&process.entry.executable));
        }
        let mut totals = self
            .kernel
            .live_totals(process, &others.sums, &mut account.sums);
        totals.uptime_ns = Some(now_ns.saturating_sub(process.entry.start_ns));
        if totals.descriptors.is_none() {
            // More than the kernel half counts: ask /proc.
            let count = ProcessDir::open(&self.root, id.pid)
                .and_then(|dir| dir.count_descriptors("fd", &mut self.buffer));
            match count {
                Ok(count) => totals.descriptors = Some(count),
                Err(error) if error.is_gone() => {}
                Err(error) => errors.record("fd", &error),
            }
        }
        sample.totals = totals;
    }

    fn ended(&mut self, entry: &ProcessEntry) -> Observed {
        let id = entry_id(entry);
        let account = self.accounts.entry(id).or_default();
        let mut totals = self.kernel.final_totals(entry, &mut account.sums);
        totals.uptime_ns = Some(entry.exit_ns.saturating_sub(entry.start_ns));
        let mut observed = self.observed(entry, Some(entry.exit_ns).filter(|ns| *ns != 0), totals);
        observed.facts.executable = Some(executable(&entry.executable));
        let status = (entry.state == state::EXITED).then_some(entry.exit_code);
        observed.facts.end = Some(End::of_wait_status(entry.exit_ns, status));
        observed
    }

    /// A process that was a zombie already when it was first seen.
    fn zombie(
        &mut self,
        process: &SnapshotProcess,
        now_ns: u64,
        errors: &mut ReadErrors,
    ) -> Observed {
        let id = entry_id(&process.entry);
        let mut account = self.accounts.remove(&id).unwrap_or_default();
        let none = Sums::default();
        let totals = self.kernel.live_totals(process, &none, &mut account.sums);
        let mut observed = self.observed(&process.entry, None, totals.of_the_ended());
        observed.facts.executable = Some(executable(&process.entry.executable));
        // Nobody saw how it ended, but it still says so.
        let status = read_totals(&self.root, id.pid, errors)
            .ok()
            .filter(|reading| reading.id == id)
            .and_then(|reading| reading.facts.wait_status);
        observed.facts.end = Some(End::of_wait_status(now_ns, status));
        observed
    }

    /// Exit records that found the ring buffer full wait in the map.
    fn take_what_was_deferred(&mut self) {
        let losses = self.kernel.losses();
        if losses.get(Loss::ExitRecordDeferred) != self.losses.get(Loss::ExitRecordDeferred) {
            let taken = self.kernel.take_deferred();
            debug!(
                "{} exit records had found the ring buffer full",
                taken.len()
            );
            for entry in taken {
                self.note_end(entry);
            }
        }
        if losses.get(Loss::CgroupChange) != self.losses.get(Loss::CgroupChange) {
            self.walk_cgroups();
        }
        let without_room = self.cgroups.without_room();
        if without_room != losses.get(Loss::CgroupForgotten) {
            self.kernel.note_loss(Loss::CgroupForgotten, without_room);
        }
        self.losses = losses;
    }

    /// A process that is neither there nor ended by a record: the kernel half
    /// had lost track of one of its threads. It ends here, its end unknown.
    fn notice_vanished(
        &mut self,
        present: &Pids,
        ended: &HashSet<ProcessId>,
        now_ns: u64,
        seen: &mut Seen,
    ) {
        let vanished: Vec<ProcessId> = self
            .accounts
            .keys()
            .filter(|id| !present.contains(&id.pid) && !ended.contains(id))
            .copied()
            .collect();
        for id in vanished {
            // Its record may be on its way between the two reads; the entry is
            // in the map until then.
            let entry = self.kernel.entry(id.pid);
            let entry = entry.filter(|entry| entry_id(entry) == id);
            if entry.is_some() && exists(&self.root, id.pid) {
                continue;
            }
            // Its parent may have waited for it before its last switch, and its
            // record comes any moment.
            let since = *self.missing.entry(id).or_insert(now_ns);
            if now_ns.saturating_sub(since) < RECORD_COMES_WITHIN_NS {
                seen.ending.push(id);
                continue;
            }
            let Some(entry) = entry else {
                // Its record was lost, which is counted where that happens.
                self.forget(id);
                continue;
            };
            warn!("process {} ended unseen: its totals may be short", id.pid);
            self.kernel.forget(id.pid);
            self.waited_for.remove(&id.pid);
            let mut observed = self.ended(&entry);
            observed.facts.end = Some(End::of_wait_status(now_ns, None));
            self.forget(id);
            seen.ended.push(observed);
        }
    }
}

fn exists(root: &ProcRoot, pid: u32) -> bool {
    ProcessDir::open(root, pid).is_ok()
}

/// Whether all threads of a process have ended.
fn has_no_thread_left(process: &SnapshotProcess) -> bool {
    process.leader.exit_state != 0 && process.leader.threads <= 1 && process.entry.threads == 0
}

fn entry_id(entry: &ProcessEntry) -> ProcessId {
    ProcessId::from_boot_ns(entry.pid, entry.start_ns)
}
