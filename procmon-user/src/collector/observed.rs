//! What either road tells of a process.

use std::sync::Arc;

use procmon_common::CgroupIds;

use crate::proc::ReadErrors;
use crate::process::{
    Clock, Exit, Groups, Metadata, MetadataReader, ProbeCounters, ProcessId, ProcessSample,
    StateCounts, Totals, Wanted,
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

/// A process as a road saw it.
#[derive(Clone, Debug)]
pub struct Observed {
    /// Who it is.
    pub id: ProcessId,
    /// The kernel's totals.
    pub totals: Totals,
    /// The probes' counters; when they began is in `counted_since`, and of a
    /// feature that was away in `features`, ns of CLOCK_BOOTTIME.
    pub probes: Option<ProbeCounters>,
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
    pub live: Vec<Observed>,
    /// Processes that ended since the last tick, in the order of their ends.
    pub ended: Vec<Observed>,
    /// Processes that have no thread any more, and whose exit records are on
    /// their way.
    pub ending: Vec<ProcessId>,
    /// All processes of the host by state, where they were seen on the way.
    pub states: Option<StateCounts>,
}

impl Observed {
    /// The sample of it, its end left out.
    pub fn sample(self, times: &Times, metadata: Arc<Metadata>, chosen: bool) -> ProcessSample {
        let created_unix_ns = times.clock.creation_unix_ns(self.id);
        let since_unix_ns = match self.counted_since {
            Some(since_ns) => created_unix_ns.max(times.unix_ns(since_ns)),
            None => created_unix_ns,
        };
        ProcessSample {
            id: self.id,
            created_unix_ns,
            metadata,
            chosen,
            wanted: Wanted::default(),
            matched: None,
            totals: self.totals,
            probes: self.probes.map(|mut probes| {
                probes.since_unix_ns = since_unix_ns;
                for since in probes.features.iter_mut().flatten() {
                    *since = since_unix_ns.max(times.unix_ns(*since));
                }
                probes
            }),
            exit: None,
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
