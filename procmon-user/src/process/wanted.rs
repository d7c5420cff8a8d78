//! What is wanted of a process: which kinds of values, and which metrics.

use super::{ProbeCounters, ProcessSample, Totals};
use procmon_common::Feature;

/// The profile's collect switch that governs a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Switch {
    /// Always on.
    Always,
    /// `collect_cpu`.
    Cpu,
    /// `collect_memory`.
    Memory,
    /// `collect_disk_io`.
    DiskIo,
    /// `collect_network_io`.
    NetworkIo,
    /// `collect_threads`.
    Threads,
    /// `collect_file_descriptors`.
    FileDescriptors,
}

impl Switch {
    /// Those that can be off, in the order of a profile.
    pub const ALL: [Self; 6] = [
        Self::Cpu,
        Self::Memory,
        Self::DiskIo,
        Self::NetworkIo,
        Self::Threads,
        Self::FileDescriptors,
    ];
}

/// Which switches are on; as it begins, all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Switches(u8);

impl Default for Switches {
    fn default() -> Self {
        Self::ALL
    }
}

impl Switches {
    /// All on.
    pub const ALL: Self = Self((1 << (Switch::ALL.len() + 1)) - 1);
    /// All off, but for what is always on.
    pub const NONE: Self = Self(1 << Switch::Always as u8);

    /// Whether a switch is on.
    pub const fn has(self, switch: Switch) -> bool {
        self.0 & (1 << switch as u8) != 0
    }

    /// The same with a switch on.
    #[must_use]
    pub const fn with(self, switch: Switch) -> Self {
        Self(self.0 | 1 << switch as u8)
    }

    /// The same with a switch off; one that is always on stays so.
    #[must_use]
    pub const fn without(self, switch: Switch) -> Self {
        Self(self.0 & !(1 << switch as u8) | Self::NONE.0)
    }

    /// What is on in either.
    #[must_use]
    pub const fn or(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

/// What costs too much to be read for everyone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extra {
    /// Limits of its control groups, and its affinity.
    Limits,
    /// USS, PSS and the use of mappings: smaps, under a budget.
    Sets,
    /// Connections by state, under a budget.
    Connections,
}

/// Metrics of the catalogue's process table, by their places in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rows(u64);

impl Rows {
    /// Every row.
    pub const ALL: Self = Self(u64::MAX);
    /// No row.
    pub const NONE: Self = Self(0);
    /// How many rows there may be.
    pub const MOST: usize = u64::BITS as usize;

    /// Whether the row at this place is among them.
    #[inline]
    pub const fn has(self, place: usize) -> bool {
        self.0 >> place & 1 != 0
    }

    /// The same with the row at this place.
    #[must_use]
    pub const fn with(self, place: usize) -> Self {
        Self(self.0 | 1 << place)
    }

    /// The rows of either.
    #[must_use]
    pub const fn or(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

/// What is wanted of a process; as it begins, everything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// Which values there are; of the others nothing is told by anybody.
    pub switches: Switches,
    /// Which metrics are sent of these.
    pub rows: Rows,
    /// Those of level `o` of everyone, not of the chosen alone.
    pub of_everyone: bool,
    /// By [`Extra`].
    extras: u8,
}

impl Default for Wanted {
    fn default() -> Self {
        Self {
            switches: Switches::ALL,
            rows: Rows::ALL,
            of_everyone: false,
            extras: u8::MAX,
        }
    }
}

impl Wanted {
    /// These, and nothing that is read apart.
    pub const fn new(switches: Switches, rows: Rows, of_everyone: bool) -> Self {
        Self {
            switches,
            rows,
            of_everyone,
            extras: 0,
        }
    }

    /// The same with what is read apart.
    #[must_use]
    pub const fn with(mut self, extra: Extra) -> Self {
        self.extras |= 1 << extra as u8;
        self
    }

    /// Whether something is to be read apart.
    const fn has(self, extra: Extra) -> bool {
        self.extras & (1 << extra as u8) != 0
    }
}

impl ProcessSample {
    /// Whether metrics of level `o` are sent of it.
    pub const fn has_opt_in(&self) -> bool {
        self.chosen || self.wanted.of_everyone
    }

    /// Whether something is to be read apart for it.
    pub const fn wants(&self, extra: Extra) -> bool {
        self.has_opt_in() && self.wanted.has(extra)
    }

    /// Leaves out what is switched off: from here on it is as if it could not
    /// be read.
    pub fn keep_wanted(&mut self) {
        let switches = self.wanted.switches;
        if switches == Switches::ALL {
            return;
        }
        let totals = std::mem::take(&mut self.totals);
        let off = Switch::ALL.iter().filter(|switch| !switches.has(**switch));
        self.totals = off.fold(totals, |totals, switch| totals.without(*switch));
        if let Some(probes) = &mut self.probes {
            probes.keep(switches);
        }
    }
}

impl Totals {
    fn without(self, switch: Switch) -> Self {
        match switch {
            Switch::Always => self,
            Switch::Cpu => Self {
                user_ns: None,
                system_ns: None,
                on_cpu_ns: None,
                run_queue_ns: None,
                migrations: None,
                voluntary_switches: None,
                involuntary_switches: None,
                cpu_limit_milli: None,
                throttled_ns: None,
                ..self
            },
            Switch::Memory => Self {
                rss_anon: None,
                rss_file: None,
                rss_shmem: None,
                rss: None,
                virtual_memory: None,
                swap: None,
                page_tables: None,
                peak_rss: None,
                uss: None,
                pss: None,
                mappings: None,
                uss_age_ns: None,
                minor_faults: None,
                major_faults: None,
                memory_limit: None,
                ..self
            },
            Switch::DiskIo => Self {
                disk_read_bytes: None,
                disk_write_bytes: None,
                read_calls: None,
                write_calls: None,
                read_chars: None,
                write_chars: None,
                ..self
            },
            Switch::NetworkIo => Self {
                connections: None,
                ..self
            },
            Switch::Threads => Self {
                threads: None,
                ..self
            },
            Switch::FileDescriptors => Self {
                descriptors: None,
                descriptor_soft_limit: None,
                descriptor_hard_limit: None,
                ..self
            },
        }
    }
}

impl ProbeCounters {
    fn keep(&mut self, switches: Switches) {
        let seen = &mut self.seen;
        seen.memory &= switches.has(Switch::Memory);
        seen.oom &= switches.has(Switch::Memory);
        seen.files &= switches.has(Switch::FileDescriptors);
        seen.network &= switches.has(Switch::NetworkIo);
        for (feature, since) in Feature::ALL.iter().zip(&mut self.features) {
            let switch = match feature {
                Feature::RunQueue | Feature::OffCpu => Switch::Cpu,
                Feature::MappingBytes => Switch::Memory,
            };
            *since = since.filter(|_| switches.has(switch));
        }
    }
}
