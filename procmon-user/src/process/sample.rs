//! The raw totals of one process at one tick.

use std::num::NonZeroU64;
use std::sync::{Arc, LazyLock};

use procmon_common::counters::{WAIT_BUCKETS, wait_bucket};
use procmon_common::{Counter, Feature, Operation};

use super::select::Matched;
use super::{Connections, Metadata, ProcessId, Wanted, errno};

/// What the kernel keeps of a process. Times are ns, sizes bytes. `None` is a
/// value that could not be read: never 0 in its place.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Totals {
    /// Time since its start, by the clock that is never stepped; at its end,
    /// how long it lived.
    pub uptime_ns: Option<u64>,
    /// User time, adjusted as /proc shows it.
    pub user_ns: Option<u64>,
    /// System time, adjusted as /proc shows it.
    pub system_ns: Option<u64>,
    /// Time on a CPU, `se.sum_exec_runtime` of all threads.
    pub on_cpu_ns: Option<u64>,
    /// Time runnable but not running.
    pub run_queue_ns: Option<u64>,
    /// Migrations between CPUs.
    pub migrations: Option<u64>,
    /// Voluntary context switches of all threads, live and dead.
    pub voluntary_switches: Option<u64>,
    /// Involuntary context switches.
    pub involuntary_switches: Option<u64>,
    /// Threads now.
    pub threads: Option<u64>,
    /// Resident anonymous memory.
    pub rss_anon: Option<u64>,
    /// Resident file mappings.
    pub rss_file: Option<u64>,
    /// Resident shared memory.
    pub rss_shmem: Option<u64>,
    /// Resident set: the sum of the three above.
    pub rss: Option<u64>,
    /// Address space.
    pub virtual_memory: Option<u64>,
    /// Swapped out.
    pub swap: Option<u64>,
    /// Page tables.
    pub page_tables: Option<u64>,
    /// High-water mark of the resident set.
    pub peak_rss: Option<u64>,
    /// Unique set size and its age.
    pub uss: Option<u64>,
    /// Proportional set size.
    pub pss: Option<u64>,
    /// Resident memory by kind of mapping.
    pub mappings: Option<MappingUsage>,
    /// How old the oldest of `uss`, `pss` and `mappings` is.
    pub uss_age_ns: Option<u64>,
    /// Minor page faults.
    pub minor_faults: Option<u64>,
    /// Major page faults.
    pub major_faults: Option<u64>,
    /// Open descriptors.
    pub descriptors: Option<u64>,
    /// RLIMIT_NOFILE, soft; `u64::MAX` when unlimited.
    pub descriptor_soft_limit: Option<u64>,
    /// RLIMIT_NOFILE, hard; `u64::MAX` when unlimited.
    pub descriptor_hard_limit: Option<u64>,
    /// RLIMIT_AS, soft: how large the address space may become; `u64::MAX` when
    /// unlimited.
    pub virtual_memory_limit: Option<u64>,
    /// Bytes fetched from the storage layer.
    pub disk_read_bytes: Option<u64>,
    /// Bytes sent to the storage layer.
    pub disk_write_bytes: Option<u64>,
    /// Read system calls on any file.
    pub read_calls: Option<u64>,
    /// Write system calls on any file.
    pub write_calls: Option<u64>,
    /// Bytes read by calls (rchar).
    pub read_chars: Option<u64>,
    /// Bytes written by calls (wchar).
    pub write_chars: Option<u64>,
    /// TCP connections and UDP sockets.
    pub connections: Option<Arc<Connections>>,
    /// CPUs it may use: the smaller of its cgroup's quota and its affinity,
    /// in thousandths of a CPU.
    pub cpu_limit_milli: Option<u64>,
    /// Time its cgroup was throttled.
    pub throttled_ns: Option<u64>,
    /// Its cgroup's memory limit, if one is set.
    pub memory_limit: Option<u64>,
}

impl Totals {
    /// What stays true of a process that has ended: what it had used up. Of
    /// what it held it holds nothing now.
    pub fn of_the_ended(self) -> Self {
        Self {
            threads: None,
            rss_anon: None,
            rss_file: None,
            rss_shmem: None,
            rss: None,
            virtual_memory: None,
            swap: None,
            page_tables: None,
            uss: None,
            pss: None,
            mappings: None,
            uss_age_ns: None,
            connections: None,
            descriptors: None,
            descriptor_soft_limit: None,
            descriptor_hard_limit: None,
            virtual_memory_limit: None,
            cpu_limit_milli: None,
            throttled_ns: None,
            memory_limit: None,
            ..self
        }
    }
}

/// Resident memory by kind of mapping, bytes, huge pages included.
///
/// What the kernel lends (`[vdso]`, `[vvar]`, `[vsyscall]`) is not counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MappingUsage {
    /// `[heap]`: what brk(2) made.
    pub heap: u64,
    /// `[stack]` of the first thread; the others' are anonymous mappings.
    pub stack: u64,
    /// Private mappings of no file.
    pub anonymous: u64,
    /// Private mappings of files: programs, libraries.
    pub file: u64,
    /// Mappings made with MAP_SHARED, of files or of none.
    pub shared: u64,
}

/// A histogram in OTLP's exponential layout at scale 0, offset -30: bucket `i`
/// counts values in (2^(i-30), 2^(i-29)] seconds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Histogram {
    /// Counts by bucket.
    pub buckets: [u64; WAIT_BUCKETS],
    /// Exact sum, ns.
    pub sum_ns: u64,
}

impl Default for Histogram {
    fn default() -> Self {
        Self {
            buckets: [0; WAIT_BUCKETS],
            sum_ns: 0,
        }
    }
}

impl Histogram {
    /// The exponent of bucket 0: OTLP's `offset`.
    pub const OFFSET: i32 = -30;

    /// Counts a time.
    pub fn record(&mut self, ns: u64) {
        self.buckets[wait_bucket(ns)] += 1;
        self.sum_ns += ns;
    }

    /// How many values were counted.
    pub fn count(&self) -> u64 {
        self.buckets.iter().sum()
    }

    /// The sum of all values, s.
    pub fn sum_seconds(&self) -> f64 {
        self.sum_ns as f64 / 1e9
    }

    /// The greatest value of each bucket, s; that of the last is not kept to,
    /// and not among them.
    pub fn bounds() -> [f64; WAIT_BUCKETS - 1] {
        std::array::from_fn(Self::bound)
    }

    /// The greatest value of a bucket, s.
    pub fn bound(bucket: usize) -> f64 {
        let exponent = Self::OFFSET + 1 + i32::try_from(bucket).expect("few buckets");
        f64::from(exponent).exp2()
    }
}

/// What the probes keep of a process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProbeCounters {
    /// When counting began, ns of Unix time: process start, or attach.
    pub since_unix_ns: u64,
    /// By [`Counter`].
    pub counters: [u64; Counter::COUNT],
    /// (operation, errno, count), sorted; what is missing to the operation's
    /// failure counter is `_OTHER`.
    pub failures: Vec<(Operation, u32, u64)>,
    /// Run-queue waits.
    pub waits: Histogram,
    /// When counting of each [`Feature`] began, in the same way; `None` for one
    /// that is off, or whose hooks do not see this process: what it counts is
    /// unknown then, not 0.
    pub features: [Option<u64>; Feature::COUNT],
    /// Which probes see it.
    pub seen: Seen,
    /// When it last executed a program, ns of CLOCK_BOOTTIME.
    pub executed_boot_ns: Option<NonZeroU64>,
    /// When it was last chosen to be killed for want of memory, ns of
    /// CLOCK_BOOTTIME.
    pub oom_killed_boot_ns: Option<NonZeroU64>,
}

/// What is counted of a process: false where the probes for it do not work here
/// or are switched off, so that their counters are unknown and not 0.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Seen {
    /// Calls that change the address space.
    pub memory: bool,
    /// Calls that make and close descriptors.
    pub files: bool,
    /// Socket payload.
    pub network: bool,
    /// Kills for want of memory.
    pub oom: bool,
}

impl Seen {
    /// All of it.
    pub const ALL: Self = Self {
        memory: true,
        files: true,
        network: true,
        oom: true,
    };

    /// What is seen by either.
    #[must_use]
    pub const fn or(self, other: Self) -> Self {
        Self {
            memory: self.memory | other.memory,
            files: self.files | other.files,
            network: self.network | other.network,
            oom: self.oom | other.oom,
        }
    }
}

impl ProbeCounters {
    /// The value of one counter.
    pub fn get(&self, counter: Counter) -> u64 {
        self.counters[counter.index()]
    }

    /// The value of a counter of a feature, while that is counted.
    pub fn get_of(&self, feature: Feature, counter: Counter) -> Option<u64> {
        self.features[feature.index()].map(|_| self.get(counter))
    }

    /// When counting began of what a feature counts, or of all the rest.
    pub fn since(&self, feature: Option<Feature>) -> Option<u64> {
        match feature {
            Some(feature) => self.features[feature.index()],
            None => Some(self.since_unix_ns),
        }
    }

    /// The failures of an operation by errno name; those without a name and
    /// those beyond the kernel's slots come last, as one `_OTHER`.
    pub fn each_failure(&self, operation: Operation, mut each: impl FnMut(&'static str, u64)) {
        let mut rest = self.get(operation.failed());
        for (of, errno, count) in &self.failures {
            let name = errno::name(*errno);
            if *of == operation && name != errno::OTHER {
                each(name, *count);
                rest = rest.saturating_sub(*count);
            }
        }
        if rest > 0 {
            each(errno::OTHER, rest);
        }
    }
}

/// How a process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Exit {
    /// When, ns of Unix time.
    pub at_unix_ns: u64,
    /// Exit code, when it ended by exiting.
    pub code: Option<i32>,
    /// Signal number, when a signal ended it.
    pub signal: Option<i32>,
}

impl Exit {
    /// Whether it is known to have ended badly: by a signal, or with another
    /// code than 0.
    pub fn has_failed(self) -> bool {
        self.signal.is_some() || self.code.is_some_and(|code| code != 0)
    }
}

/// A process at a tick, or at its end.
#[derive(Clone, Debug)]
pub struct ProcessSample {
    /// Who it is.
    pub id: ProcessId,
    /// When it was created, ns of Unix time.
    pub created_unix_ns: u64,
    /// Its words.
    pub metadata: Arc<Metadata>,
    /// Chosen by `--pid`, `exec` or a rule: metrics of level `o` too.
    pub chosen: bool,
    /// What is wanted of it.
    pub wanted: Wanted,
    /// What the expression or rule that it matches says of it.
    pub matched: Option<Arc<Matched>>,
    /// The kernel's totals.
    pub totals: Totals,
    /// The probes' counters; `None` without eBPF or for want of room.
    pub probes: Option<ProbeCounters>,
    /// Set in the last sample of a process.
    pub exit: Option<Exit>,
}

impl ProcessSample {
    /// A process of which nothing but its numbers is known.
    pub fn of(id: ProcessId, totals: Totals, probes: Option<ProbeCounters>) -> Self {
        static UNKNOWN: LazyLock<Arc<Metadata>> = LazyLock::new(Arc::default);
        Self {
            id,
            created_unix_ns: 0,
            metadata: Arc::clone(&UNKNOWN),
            chosen: false,
            wanted: Wanted::default(),
            matched: None,
            totals,
            probes,
            exit: None,
        }
    }

    /// Payload bytes received and transmitted, where this kernel shows them.
    pub fn network_bytes(&self) -> Option<[u64; 2]> {
        let probes = self.probes.as_ref().filter(|probes| probes.seen.network)?;
        Some([Counter::NetworkReceived, Counter::NetworkTransmitted].map(|c| probes.get(c)))
    }
}
