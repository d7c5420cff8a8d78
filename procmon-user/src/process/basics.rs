//! What client libraries for Prometheus tell of the process they are in.

use procmon_common::Counter;

use super::{ProcessSample, Totals};

/// The values of the client libraries' common set. `None` is what is not known.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Basics {
    /// User and system time, ns.
    pub cpu_ns: Option<u64>,
    /// Resident set, bytes.
    pub resident: Option<u64>,
    /// Address space, bytes.
    pub virtual_memory: Option<u64>,
    /// RLIMIT_AS, soft; `u64::MAX` when unlimited.
    pub virtual_memory_limit: Option<u64>,
    /// Open descriptors.
    pub descriptors: Option<u64>,
    /// RLIMIT_NOFILE, soft; `u64::MAX` when unlimited.
    pub descriptor_limit: Option<u64>,
    /// When it started, ns of Unix time.
    pub started_unix_ns: Option<u64>,
    /// Payload received, bytes.
    pub received: Option<u64>,
    /// Payload transmitted, bytes.
    pub transmitted: Option<u64>,
}

impl Basics {
    /// Those of a process that is watched.
    pub fn of(sample: &ProcessSample) -> Self {
        let Totals {
            user_ns, system_ns, ..
        } = sample.totals;
        let probes = sample.probes.as_ref().filter(|probes| probes.seen.network);
        let counter = |counter| probes.map(|probes| probes.get(counter));
        Self {
            cpu_ns: user_ns.zip(system_ns).map(|(user, system)| user + system),
            resident: sample.totals.rss,
            virtual_memory: sample.totals.virtual_memory,
            virtual_memory_limit: sample.totals.virtual_memory_limit,
            descriptors: sample.totals.descriptors,
            descriptor_limit: sample.totals.descriptor_soft_limit,
            started_unix_ns: Some(sample.created_unix_ns),
            received: counter(Counter::NetworkReceived),
            transmitted: counter(Counter::NetworkTransmitted),
        }
    }
}
