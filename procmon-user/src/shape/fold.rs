//! Sums over processes: what they hold now, and what they did while they were
//! counted in.

use std::array;

use procmon_common::{Counter, Feature, Operation};

use crate::process::{
    Histogram, ProbeCounters, ProcessSample, Rows, Seen, Switches, Totals, Wanted,
};

/// Kernel totals that only grow.
const COUNTERS: usize = 15;
/// Kernel totals of what a process holds.
const LEVELS: usize = 11;
/// Parts of the probes that begin and end together: each feature, and the rest.
const PARTS: usize = Feature::COUNT + 1;
/// The place of the rest.
const REST: usize = Feature::COUNT;

/// The part that keeps each counter.
const PART: [usize; Counter::COUNT] = {
    let mut parts = [REST; Counter::COUNT];
    let mut feature = 0;
    while feature < Feature::COUNT {
        let counters = Feature::ALL[feature].counters();
        let mut counter = 0;
        while counter < counters.len() {
            parts[counters[counter].index()] = feature;
            counter += 1;
        }
        feature += 1;
    }
    parts
};

/// What the counters of a process are compared with.
#[derive(Clone, Copy, Debug)]
pub enum Before<'a> {
    /// It was in no frame, and has begun since: all it did is new.
    Birth,
    /// What it had done when it was last in a frame.
    Sample(&'a ProcessSample),
    /// It is older and was in no frame: what of it is new is unknown.
    Unknown,
}

/// A sum over processes that come and go. Its counters never fall; what a
/// process did before it was added is not in them.
#[derive(Clone, Debug, Default)]
pub struct Sum {
    counters: [Option<u64>; COUNTERS],
    levels: [Option<u64>; LEVELS],
    probes: Option<Probes>,
    /// Metrics that are sent of some of those in it.
    rows: Option<Rows>,
}

#[derive(Clone, Debug)]
struct Probes {
    counters: Box<[u64; Counter::COUNT]>,
    failures: Vec<(Operation, u32, u64)>,
    seen: Seen,
    /// When the sums of each part began, ns of Unix time; `None` while it is
    /// away.
    since: [Option<u64>; PARTS],
    /// Whether some process of this tick has the part, and whether one is
    /// without it.
    with: [bool; PARTS],
    without: [bool; PARTS],
}

/// How much of what a part of the probes shows is new.
#[derive(Clone, Copy, PartialEq, Eq)]
enum New {
    All,
    /// What was added since the frame before.
    Change,
    None,
}

impl Sum {
    /// Begins a tick: the levels are summed anew.
    pub fn begin(&mut self) {
        for level in self.levels.iter_mut().flatten() {
            *level = 0;
        }
        if let Some(probes) = &mut self.probes {
            probes.with = [false; PARTS];
            probes.without = [false; PARTS];
        }
    }

    /// Adds what a process holds.
    pub fn add_levels(&mut self, sample: &ProcessSample) {
        self.add_rows(sample);
        for (sum, now) in self.levels.iter_mut().zip(levels(&sample.totals)) {
            if let Some(now) = now {
                *sum = Some(sum.unwrap_or(0) + now);
            }
        }
    }

    /// Adds what a process did since the frame before, which was at
    /// `since_unix_ns`.
    pub fn add_increments(
        &mut self,
        sample: &ProcessSample,
        before: Before<'_>,
        since_unix_ns: u64,
    ) {
        self.add_rows(sample);
        let now = counters(&sample.totals);
        let earlier = match before {
            Before::Birth => [Some(0); COUNTERS],
            Before::Sample(before) => counters(&before.totals),
            Before::Unknown => now,
        };
        for ((sum, now), earlier) in self.counters.iter_mut().zip(now).zip(earlier) {
            if let Some(now) = now {
                // One that could not be read before: what is new is unknown.
                let new = now.saturating_sub(earlier.unwrap_or(now));
                *sum = Some(sum.unwrap_or(0) + new);
            }
        }
        if let Some(now) = &sample.probes {
            let sums = self.probes.get_or_insert_default();
            sums.add(now, before, since_unix_ns);
        }
    }

    /// Ends a tick: a part of the probes that all processes are without is
    /// away, and begins a new sum when it comes back.
    pub fn end(&mut self, since_unix_ns: u64) {
        if let Some(probes) = &mut self.probes {
            probes.end(since_unix_ns);
        }
    }

    fn add_rows(&mut self, sample: &ProcessSample) {
        let rows = sample.wanted.rows;
        self.rows = Some(self.rows.map_or(rows, |before| before.or(rows)));
    }

    /// What is sent of the sum.
    pub fn wanted(&self) -> Wanted {
        let rows = self.rows.unwrap_or(Rows::ALL);
        Wanted::new(Switches::ALL, rows, false)
    }

    /// The totals of the sum, as if it were one process.
    pub fn totals(&self) -> Totals {
        totals(&self.counters, &self.levels)
    }

    /// The probes' counters of the sum, as if it were one process that began
    /// at `since_unix_ns`.
    pub fn probes(&self, since_unix_ns: u64) -> Option<ProbeCounters> {
        let probes = self.probes.as_ref()?;
        Some(ProbeCounters {
            since_unix_ns: probes.since[REST].unwrap_or(since_unix_ns),
            counters: *probes.counters,
            failures: probes.failures.clone(),
            // Not additive by the catalogue.
            waits: Histogram::default(),
            features: array::from_fn(|feature| probes.since[feature]),
            seen: probes.seen,
            executed_boot_ns: None,
            oom_killed_boot_ns: None,
        })
    }
}

impl Default for Probes {
    fn default() -> Self {
        Self {
            counters: Box::new([0; Counter::COUNT]),
            failures: Vec::new(),
            seen: Seen::default(),
            since: [None; PARTS],
            with: [false; PARTS],
            without: [false; PARTS],
        }
    }
}

impl Probes {
    fn add(&mut self, now: &ProbeCounters, before: Before<'_>, since_unix_ns: u64) {
        self.seen = self.seen.or(now.seen);
        let earlier = match before {
            Before::Sample(before) => before.probes.as_ref(),
            Before::Birth | Before::Unknown => None,
        };
        let mut new = [New::None; PARTS];
        for (part, new) in new.iter_mut().enumerate() {
            let Some(since) = since(now, part) else {
                self.without[part] = true;
                continue;
            };
            self.with[part] = true;
            *new = match earlier {
                _ if matches!(before, Before::Birth) => New::All,
                Some(earlier) if self::since(earlier, part) == Some(since) => New::Change,
                // It has begun to be counted since the frame before.
                _ if since > since_unix_ns => New::All,
                _ => New::None,
            };
        }
        match earlier {
            Some(earlier) if new == [New::Change; PARTS] => {
                let pairs = now.counters.iter().zip(&earlier.counters);
                for (sum, (now, earlier)) in self.counters.iter_mut().zip(pairs) {
                    *sum += now.saturating_sub(*earlier);
                }
            }
            _ => {
                for (counter, sum) in self.counters.iter_mut().enumerate() {
                    let earlier = earlier.map_or(0, |earlier| earlier.counters[counter]);
                    *sum += match new[PART[counter]] {
                        New::All => now.counters[counter],
                        New::Change => now.counters[counter].saturating_sub(earlier),
                        New::None => 0,
                    };
                }
            }
        }
        let earlier = match new[REST] {
            New::None => return,
            New::All => &[][..],
            New::Change => earlier.map_or(&[][..], |earlier| &earlier.failures),
        };
        self.add_failures(&now.failures, earlier);
    }

    /// Both are sorted, as what it keeps is.
    fn add_failures(&mut self, now: &[(Operation, u32, u64)], earlier: &[(Operation, u32, u64)]) {
        for (operation, errno, count) in now {
            let key = |failure: &(Operation, u32, u64)| (failure.0, failure.1);
            let place = earlier.binary_search_by_key(&(*operation, *errno), key);
            let new = count.saturating_sub(place.map_or(0, |place| earlier[place].2));
            if new == 0 {
                continue;
            }
            match self
                .failures
                .binary_search_by_key(&(*operation, *errno), key)
            {
                Ok(place) => self.failures[place].2 += new,
                Err(place) => self.failures.insert(place, (*operation, *errno, new)),
            }
        }
    }

    fn end(&mut self, since_unix_ns: u64) {
        for part in 0..PARTS {
            match (self.with[part], self.without[part]) {
                (true, _) => {
                    self.since[part].get_or_insert(since_unix_ns);
                }
                (false, true) => {
                    self.since[part] = None;
                    for (counter, sum) in self.counters.iter_mut().enumerate() {
                        if PART[counter] == part {
                            *sum = 0;
                        }
                    }
                }
                // Nobody is there to tell.
                (false, false) => {}
            }
        }
    }
}

/// When counting of a part began.
fn since(probes: &ProbeCounters, part: usize) -> Option<u64> {
    match probes.features.get(part) {
        Some(since) => *since,
        None => Some(probes.since_unix_ns),
    }
}

/// Takes totals apart, so that nobody adds one without saying here what it is.
macro_rules! totals {
    (counters: $($counter:ident)+; levels: $($level:ident)+; neither: $($neither:ident)+;) => {
        #[inline(always)]
        fn counters(totals: &Totals) -> [Option<u64>; COUNTERS] {
            let Totals { $($counter,)+ $($level: _,)+ $($neither: _,)+ } = totals;
            [$(*$counter,)+]
        }

        #[inline(always)]
        fn levels(totals: &Totals) -> [Option<u64>; LEVELS] {
            [$(totals.$level,)+]
        }

        fn totals(counters: &[Option<u64>; COUNTERS], levels: &[Option<u64>; LEVELS]) -> Totals {
            let [$($counter,)+] = *counters;
            let [$($level,)+] = *levels;
            Totals { $($counter,)+ $($level,)+ $($neither: None,)+ }
        }
    };
}

totals! {
    counters:
        user_ns system_ns on_cpu_ns run_queue_ns migrations
        voluntary_switches involuntary_switches minor_faults major_faults
        disk_read_bytes disk_write_bytes read_calls write_calls read_chars write_chars;
    levels:
        threads rss_anon rss_file rss_shmem rss virtual_memory swap page_tables
        uss pss descriptors;
    neither:
        uptime_ns peak_rss uss_age_ns mappings connections
        descriptor_soft_limit descriptor_hard_limit virtual_memory_limit
        cpu_limit_milli throttled_ns memory_limit;
}
