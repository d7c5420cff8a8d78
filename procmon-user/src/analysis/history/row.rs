//! One sample of a history: eight values, each of which may be missing.

use crate::analysis::Derived;
use crate::process::ProcessSample;

/// The values that are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Column {
    /// CPU use since the sample before, hundredths of a percent of one CPU.
    Cpu,
    /// Resident memory, KiB.
    Memory,
    /// Bytes fetched from storage since the start.
    DiskRead,
    /// Bytes sent to storage since the start.
    DiskWrite,
    /// Payload bytes received since the start.
    NetworkReceived,
    /// Payload bytes transmitted since the start.
    NetworkTransmitted,
    /// Threads.
    Threads,
    /// Open descriptors.
    Descriptors,
}

impl Column {
    /// How many there are.
    pub const COUNT: usize = 8;
}

/// A sample: its values by [`Column`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Row(pub [Option<u64>; Column::COUNT]);

/// A share of one CPU in hundredths of a percent: what is kept of it, and what
/// is shown.
pub fn centipercent(cores: f64) -> u64 {
    // A float that is too great or below 0 ends at the bound.
    (cores * 1e4).round() as u64
}

impl Row {
    /// A value.
    pub fn get(&self, column: Column) -> Option<u64> {
        self.0[column as usize]
    }

    /// Of a process; what follows is not known of one that has ended.
    pub fn of_process(sample: &ProcessSample, derived: Option<&Derived>) -> Self {
        let cpu = derived.and_then(|derived| derived.cpu);
        Self::of_totals(sample, cpu.map(|cpu| cpu.user + cpu.system))
    }

    /// Of totals that are a process's or a group's, with the CPU use in cores.
    pub fn of_totals(sample: &ProcessSample, cores: Option<f64>) -> Self {
        let totals = &sample.totals;
        let network = sample.network_bytes();
        Self([
            cores.map(centipercent),
            totals.rss.map(|bytes| bytes >> 10),
            totals.disk_read_bytes,
            totals.disk_write_bytes,
            network.map(|[received, _]| received),
            network.map(|[_, transmitted]| transmitted),
            totals.threads,
            totals.descriptors,
        ])
    }
}
