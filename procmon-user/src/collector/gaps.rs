//! Features that were away for a while: what a process shows of them begins
//! anew when they come back.

use std::collections::HashMap;

use procmon_common::counters::WAIT_BUCKETS;
use procmon_common::{Counter, Feature, ProcessEntry};

use crate::process::{ProbeCounters, ProcessId, ProcessSample};

/// When each feature was away, and what it had counted before it came back.
#[derive(Debug, Default)]
pub struct Gaps([Option<Gap>; Feature::COUNT]);

/// The last time a feature was away.
#[derive(Debug)]
struct Gap {
    /// ns of CLOCK_BOOTTIME.
    from_ns: u64,
    /// `None`: it is away.
    to_ns: Option<u64>,
    /// What processes that were there when it came back had before.
    before: HashMap<ProcessId, Before>,
}

#[derive(Debug)]
struct Before {
    counters: Vec<(Counter, u64)>,
    waits: Option<[u64; WAIT_BUCKETS]>,
}

impl Gaps {
    /// A feature goes.
    pub fn begin(&mut self, feature: Feature, now_ns: u64) {
        self.0[feature.index()] = Some(Gap {
            from_ns: now_ns,
            to_ns: None,
            before: HashMap::new(),
        });
    }

    /// A feature comes back; `entries` are all there are just before it does.
    pub fn end<'a>(
        &mut self,
        feature: Feature,
        now_ns: u64,
        entries: impl Iterator<Item = (ProcessId, &'a ProcessEntry)>,
    ) {
        let Some(gap) = &mut self.0[feature.index()] else {
            return;
        };
        gap.to_ns = Some(now_ns);
        gap.before = entries
            .map(|(id, entry)| (id, Before::of(feature, entry)))
            .filter(|(_, before)| !before.is_nothing())
            .collect();
    }

    /// Takes off what a process shows what was counted before a gap. Of one
    /// that ended at `exit_ns`, a gap that began later took nothing.
    pub fn apply(&self, id: ProcessId, exit_ns: Option<u64>, probes: &mut ProbeCounters) {
        for (feature, gap) in Feature::ALL.iter().zip(&self.0) {
            let since = &mut probes.features[feature.index()];
            let Some(gap) = gap.as_ref().filter(|_| since.is_some()) else {
                continue;
            };
            let ended_before = |ns: u64| exit_ns.is_some_and(|exit_ns| exit_ns < ns);
            if ended_before(gap.from_ns) {
                continue;
            }
            *since = gap.to_ns.filter(|to_ns| !ended_before(*to_ns));
            if since.is_some()
                && let Some(before) = gap.before.get(&id)
            {
                before.take_off(probes);
            }
        }
    }

    /// The same for a process that is there, or was until just now.
    pub fn apply_to(&self, sample: &mut ProcessSample) {
        if let Some(probes) = &mut sample.probes {
            self.apply(sample.id, None, probes);
        }
    }

    /// A process has shown its last.
    pub fn forget(&mut self, id: ProcessId) {
        for gap in self.0.iter_mut().flatten() {
            gap.before.remove(&id);
        }
    }
}

impl Before {
    fn of(feature: Feature, entry: &ProcessEntry) -> Self {
        Self {
            counters: feature
                .counters()
                .iter()
                .map(|counter| (*counter, entry.counters[counter.index()]))
                .collect(),
            waits: (feature == Feature::RunQueue).then_some(entry.waits),
        }
    }

    fn is_nothing(&self) -> bool {
        let waits = self.waits.iter().flatten();
        let mut counts = self.counters.iter().map(|(_, count)| count).chain(waits);
        counts.all(|count| *count == 0)
    }

    fn take_off(&self, probes: &mut ProbeCounters) {
        for (counter, before) in &self.counters {
            let count = &mut probes.counters[counter.index()];
            *count = count.saturating_sub(*before);
        }
        if let Some(waits) = &self.waits {
            for (count, before) in probes.waits.buckets.iter_mut().zip(waits) {
                *count = count.saturating_sub(*before);
            }
            probes.waits.sum_ns = probes.counters[Counter::RunQueueWait.index()];
        }
    }
}

#[cfg(test)]
mod tests {
    use procmon_common::records::state;

    use super::*;
    use crate::kernel::empty_entry;
    use crate::process::fixture;

    const ID: ProcessId = ProcessId {
        pid: 7,
        start_ticks: 1,
    };

    fn shown(gaps: &Gaps, exit_ns: Option<u64>) -> (Option<u64>, u64) {
        let mut probes = fixture::probes(&[(Counter::OffCpuSleep, 100)]);
        gaps.apply(ID, exit_ns, &mut probes);
        let since = probes.features[Feature::OffCpu.index()];
        (since, probes.get(Counter::OffCpuSleep))
    }

    #[test]
    fn what_comes_back_begins_anew_and_what_ended_meanwhile_is_unknown() {
        let mut gaps = Gaps::default();
        let whole = shown(&gaps, None);
        assert_eq!(whole.1, 100);

        gaps.begin(Feature::OffCpu, 50);
        assert_eq!(shown(&gaps, None).0, None);
        assert_eq!(shown(&gaps, Some(49)), whole);
        assert_eq!(shown(&gaps, Some(51)).0, None);

        let mut entry = empty_entry();
        entry.state = state::ACTIVE;
        entry.counters[Counter::OffCpuSleep.index()] = 60;
        gaps.end(Feature::OffCpu, 80, std::iter::once((ID, &entry)));
        assert_eq!(shown(&gaps, None), (Some(80), 40));
        assert_eq!(shown(&gaps, Some(90)), (Some(80), 40));
        assert_eq!(shown(&gaps, Some(70)).0, None);

        gaps.forget(ID);
        assert_eq!(shown(&gaps, None), (Some(80), 100));
    }

    #[test]
    fn the_histogram_begins_anew_with_its_sum() {
        let mut gaps = Gaps::default();
        let mut entry = empty_entry();
        entry.waits[3] = 2;
        entry.counters[Counter::RunQueueWait.index()] = 30;
        gaps.begin(Feature::RunQueue, 1);
        gaps.end(Feature::RunQueue, 2, std::iter::once((ID, &entry)));
        let mut probes = fixture::probes(&[(Counter::RunQueueWait, 50)]);
        probes.waits.buckets[3] = 5;
        probes.waits.sum_ns = 50;
        gaps.apply(ID, None, &mut probes);
        assert_eq!((probes.waits.count(), probes.waits.sum_ns), (3, 20));
    }
}
