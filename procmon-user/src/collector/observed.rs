//! What either road tells of a process.

use procmon_common::CgroupIds;

use crate::proc::ReadErrors;
use crate::process::{
    Clock, Exit, Groups, Metadata, MetadataReader, ProbeCounters, ProcessId, ProcessSample,
    StateCounts, Totals,
};

/// The end of a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct End {
    /// When, ns of CLOCK_BOOTTIME.
    pub at_boot_ns: u64,
    /// Exit code, when it ended by exiting and that was seen.
    pub code: Option<i32>,
    /// Signal that ended it.
    pub signal: Option<i32>,
}

impl End {
    /// An end of which only this is known, as wait(2) tells it: the low seven
    /// bits are the signal, the next byte the code.
    pub fn of_wait_status(at_boot_ns: u64, status: Option<u32>) -> Self {
        let signal = status.map(|status| (status & 0x7f).cast_signed());
        let code = status.map(|status| (status >> 8 & 0xff).cast_signed());
        Self {
            at_boot_ns,
            code: code.filter(|_| signal == Some(0)),
            signal: signal.filter(|signal| *signal != 0),
        }
    }

    /// The same at a time of day.
    pub fn exit(self, at_unix_ns: u64) -> Exit {
        Exit {
            at_unix_ns,
            code: self.code,
            signal: self.signal,
        }
    }
}

/// What a road tells of a process beside its numbers.
#[derive(Clone, Debug, Default)]
pub struct Facts {
    /// When counting began, ns of CLOCK_BOOTTIME; `None`: at its birth.
    pub counted_since: Option<u64>,
    /// Its program's name as the kernel half noted it; of a live process only
    /// when that is new.
    pub executable: Option<String>,
    /// Parent at birth, or now if that is not known.
    pub parent_pid: Option<u32>,
    /// Real user id.
    pub user_id: Option<u32>,
    /// Its control groups as the kernel half noted them.
    pub cgroups: Option<CgroupIds>,
    /// Changes when it executes another program; `None`: as far as known it
    /// has not.
    pub generation: Option<u64>,
    /// It has no memory of its own.
    pub kernel_thread: bool,
    /// Set when it has ended.
    pub end: Option<End>,
}

/// A process as a road saw it.
#[derive(Clone, Debug)]
pub struct Observed {
    /// Its numbers. When counting began is in the facts, and of a feature that
    /// was away in `probes.features`, ns of CLOCK_BOOTTIME; its words are
    /// unknown.
    pub sample: ProcessSample,
    /// The rest.
    pub facts: Facts,
}

/// Live processes. A sample is big, and becomes part of the frame where it is.
#[derive(Debug, Default)]
pub struct Live {
    samples: Vec<ProcessSample>,
    /// Of each sample.
    facts: Vec<Facts>,
}

impl Live {
    /// Makes room: a vector that grows is copied each time.
    pub fn reserve(&mut self, additional: usize) {
        self.samples.reserve(additional);
        self.facts.reserve(additional);
    }

    /// How many they are.
    pub fn len(&self) -> usize {
        self.samples.len()
    }

    /// Adds one.
    pub fn push(&mut self, observed: Observed) {
        self.samples.push(observed.sample);
        self.facts.push(observed.facts);
    }

    /// One of them.
    pub fn get_mut(&mut self, place: usize) -> (&mut ProcessSample, &mut Facts) {
        (&mut self.samples[place], &mut self.facts[place])
    }

    /// Puts another look at the same process in the place of one.
    pub fn replace(&mut self, place: usize, observed: Observed) {
        self.samples[place] = observed.sample;
        self.facts[place] = observed.facts;
    }

    /// Keeps some.
    pub fn retain(&mut self, keep: impl Fn(ProcessId) -> bool) {
        let kept: Vec<bool> = self.samples.iter().map(|sample| keep(sample.id)).collect();
        let mut each = kept.iter();
        self.samples
            .retain(|_| each.next().is_none_or(|kept| *kept));
        let mut each = kept.iter();
        self.facts.retain(|_| each.next().is_none_or(|kept| *kept));
    }

    /// Adds some, and puts all in the order of their pids.
    pub fn merge(&mut self, more: Vec<Observed>) {
        if more.is_empty() {
            return;
        }
        let samples = self.samples.drain(..).zip(self.facts.drain(..));
        let all = samples.map(|(sample, facts)| Observed { sample, facts });
        let mut all: Vec<Observed> = all.chain(more).collect();
        all.sort_by_key(|observed| observed.sample.id.pid);
        all.into_iter().for_each(|observed| self.push(observed));
    }

    /// The samples that are kept, once each has got what the facts tell.
    pub fn into_samples(
        mut self,
        mut complete: impl FnMut(&mut ProcessSample, Facts) -> bool,
    ) -> Vec<ProcessSample> {
        let mut facts = self.facts.into_iter();
        let complete = |sample: &mut _| facts.next().is_some_and(|facts| complete(sample, facts));
        self.samples.retain_mut(complete);
        self.samples
    }
}

/// The clocks of a run.
#[derive(Clone, Copy, Debug)]
pub struct Times {
    /// When processes were created: whole seconds of boot time and a tick.
    pub clock: Clock,
    /// Unix time when CLOCK_BOOTTIME was 0, by the clock as it was when procmon
    /// started: a start of counting stays the same if the clock is stepped.
    pub boot_unix_ns: u64,
}

impl Times {
    /// A time of CLOCK_BOOTTIME as Unix time.
    pub fn unix_ns(&self, boot_ns: u64) -> u64 {
        self.boot_unix_ns + boot_ns
    }
}

/// What a road saw at one tick.
#[derive(Debug, Default)]
pub struct Seen {
    /// Live processes, by pid.
    pub live: Live,
    /// Processes that ended since the last tick, in the order of their ends.
    pub ended: Vec<Observed>,
    /// Processes that have no thread any more, and whose exit records are on
    /// their way.
    pub ending: Vec<ProcessId>,
    /// All processes of the host by state, where they were seen on the way.
    pub states: Option<StateCounts>,
}

impl Observed {
    /// A process of which only this is known.
    pub fn new(id: ProcessId, totals: Totals, probes: Option<ProbeCounters>) -> Self {
        Self {
            sample: ProcessSample::of(id, totals, probes),
            facts: Facts::default(),
        }
    }
}

impl Facts {
    /// Puts the times into a sample: when it was created, and since when its
    /// probes count.
    pub fn date(&self, sample: &mut ProcessSample, times: &Times) {
        let created_unix_ns = times.clock.creation_unix_ns(sample.id);
        sample.created_unix_ns = created_unix_ns;
        let Some(probes) = &mut sample.probes else {
            return;
        };
        let since_unix_ns = match self.counted_since {
            Some(since_ns) => created_unix_ns.max(times.unix_ns(since_ns)),
            None => created_unix_ns,
        };
        probes.since_unix_ns = since_unix_ns;
        for since in probes.features.iter_mut().flatten() {
            *since = since_unix_ns.max(times.unix_ns(*since));
        }
    }

    /// What is known of a process that nobody saw alive since its last execve;
    /// what an execve does not change is as it was `before`.
    pub fn metadata(
        &self,
        before: Option<&Metadata>,
        groups: Option<Groups>,
        reader: &mut MetadataReader,
        errors: &mut ReadErrors,
    ) -> Metadata {
        let before = before.cloned().unwrap_or_default();
        let mut metadata = Metadata {
            executable: self.executable.clone().unwrap_or(before.executable),
            parent_pid: before.parent_pid.or(self.parent_pid),
            user_id: self.user_id.or(before.user_id),
            owner: match self.user_id {
                Some(user_id) => reader.owner(user_id),
                None => before.owner,
            },
            kernel_thread: self.kernel_thread,
            path: None,
            command: None,
            arguments: Vec::new(),
            ..before
        };
        if let Some(groups) = groups {
            metadata.enter(groups);
        }
        metadata.count_gone(errors);
        metadata
    }
}
