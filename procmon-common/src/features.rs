//! What the kernel half can do without: parts of programs that user space
//! switches off and on again while they run.

use crate::Counter;
use crate::counters::indexed;

indexed! {
    /// One part that costs time in hot programs and that nothing else needs, in
    /// the order in which they go when the overhead budget is used up.
    Feature {
        /// The histogram of waits for a CPU.
        RunQueue,
        /// Time off the CPU by reason.
        OffCpu,
        /// Bytes that mmap, munmap, mremap and brk map and unmap.
        MappingBytes,
    }
}

impl Feature {
    /// The counters that this part alone keeps.
    pub const fn counters(self) -> &'static [Counter] {
        match self {
            Self::RunQueue => &[Counter::RunQueueWait],
            Self::OffCpu => &[
                Counter::OffCpuSleep,
                Counter::OffCpuUninterruptible,
                Counter::OffCpuStopped,
            ],
            Self::MappingBytes => &[Counter::MappedBytes, Counter::UnmappedBytes],
        }
    }
}

/// Which features are off, and how often one has come back: the only element
/// of the map [`FEATURES`]. 0, as the map begins, is all on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Features(pub u64);

/// The map of the [`Features`].
pub const FEATURES: &str = "FEATURES";

/// Bits of [`Features`] that say what is off; those above are the epoch.
const EPOCH_SHIFT: u32 = 8;

impl Features {
    /// Whether a feature is on.
    #[inline(always)]
    pub const fn has(self, feature: Feature) -> bool {
        self.0 & Self::bit(feature) == 0
    }

    /// Whether a thread's waits serve anything.
    #[inline(always)]
    pub const fn has_waits(self) -> bool {
        self.has(Feature::RunQueue) || self.has(Feature::OffCpu)
    }

    /// Never 0, and new when a feature has come back: what was noted of a
    /// thread in another epoch is of no use.
    #[inline(always)]
    pub const fn epoch(self) -> u64 {
        (self.0 >> EPOCH_SHIFT) + 1
    }

    /// The same with a feature off.
    #[must_use]
    pub const fn without(self, feature: Feature) -> Self {
        Self(self.0 | Self::bit(feature))
    }

    /// The same with a feature on again, in a new epoch.
    #[must_use]
    pub const fn with(self, feature: Feature) -> Self {
        Self((self.0 & !Self::bit(feature)) + (1 << EPOCH_SHIFT))
    }

    const fn bit(feature: Feature) -> u64 {
        1 << feature.index()
    }
}

const _: () = assert!(Feature::COUNT <= EPOCH_SHIFT as usize);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_comes_back_begins_a_new_epoch_and_what_goes_does_not() {
        let all = Features::default();
        assert!(Feature::ALL.iter().all(|feature| all.has(*feature)));
        let less = all.without(Feature::OffCpu);
        assert!(!less.has(Feature::OffCpu) && less.has(Feature::RunQueue));
        assert_eq!(less.epoch(), all.epoch());
        let again = less.with(Feature::OffCpu);
        assert!(again.has(Feature::OffCpu));
        assert_eq!(again.epoch(), all.epoch() + 1);
        let none = less.without(Feature::RunQueue);
        assert!(less.has_waits() && !none.has_waits());
    }
}
