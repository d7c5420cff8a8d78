//! What either road tells of a process.

use std::sync::Arc;

use crate::process::{
    Clock, Exit, Metadata, MetadataReader, ProbeCounters, ProcessId, ProcessSample, Totals,
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
    /// The probes' counters; when they began is in `counted_since`.
    pub probes: Option<ProbeCounters>,
    /// When counting began, ns of CLOCK_BOOTTIME; `None`: at its birth.
    pub counted_since: Option<u64>,
    /// Its program's name as the kernel half noted it.
    pub executable: Option<String>,
    /// Parent at birth, or now if that is not known.
    pub parent_pid: Option<u32>,
    /// Real user id.
    pub user_id: Option<u32>,
    /// Changes when it executes another program.
    pub generation: u64,
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
            totals: self.totals,
            probes: self.probes.map(|mut probes| {
                probes.since_unix_ns = since_unix_ns;
                probes
            }),
            exit: None,
        }
    }

    /// What is known of a process that nobody saw alive.
    pub fn metadata(&self, reader: &mut MetadataReader) -> Metadata {
        Metadata {
            executable: self.executable.clone().unwrap_or_default(),
            parent_pid: self.parent_pid,
            user_id: self.user_id,
            owner: self.user_id.and_then(|uid| reader.owner(uid)),
            kernel_thread: self.kernel_thread,
            ..Metadata::default()
        }
    }
}
