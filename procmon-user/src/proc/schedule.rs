//! Decides of whom a costly value may be read now: no reading here, no clock.
//!
//! Reading smaps_rollup stops the process's own mmap calls for as long as it
//! takes (48 ms for 8 GiB resident), and looking through 100,000 descriptors
//! takes as long as a tick may. So the time is rationed.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use crate::process::ProcessId;

/// How much may be spent on one kind of value.
#[derive(Clone, Copy, Debug)]
pub struct Budget {
    /// Larger processes are not read, in the unit of [`Candidate::size`].
    pub max_size: u64,
    /// What a first read of a process of this size may take, ns.
    pub guess: fn(size: u64) -> u64,
    /// A value younger than this is not renewed.
    pub renew: Duration,
    /// Reading time in any stretch of `window`.
    pub per_window: Duration,
    /// See `per_window`.
    pub window: Duration,
    /// Reading time in one round, so that one tick does not spend it all.
    pub per_round: Duration,
    /// Older values are absent.
    pub keep: Duration,
}

/// That of USS and PSS. Before anything was measured: a read takes 20 us and
/// 6 ms more for each GiB (measured on a kernel 6.18).
impl Default for Budget {
    fn default() -> Self {
        Self {
            max_size: 1 << 30,
            guess: |resident| 20_000 + resident / 179,
            renew: Duration::ZERO,
            per_window: Duration::from_millis(100),
            window: Duration::from_secs(60),
            per_round: Duration::from_millis(20),
            keep: Duration::from_secs(600),
        }
    }
}

/// A process that might be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// Who it is.
    pub id: ProcessId,
    /// What reading time grows with: its resident set in bytes, or its
    /// descriptors.
    pub size: u64,
}

#[derive(Clone, Debug)]
struct Known<V> {
    tried_ns: Option<u64>,
    cost_ns: Option<u64>,
    value: Option<(V, u64)>,
}

impl<V> Default for Known<V> {
    fn default() -> Self {
        Self {
            tried_ns: None,
            cost_ns: None,
            value: None,
        }
    }
}

/// Who was read when, and what it cost. Times are ns of a clock that is never
/// stepped.
#[derive(Debug)]
pub struct Schedule<V> {
    budget: Budget,
    known: HashMap<ProcessId, Known<V>>,
    spent: VecDeque<(u64, u64)>,
    waiting: Vec<Candidate>,
    round_ns: u64,
}

impl<V: Clone> Schedule<V> {
    /// A schedule that spends no more than `budget`.
    pub fn new(budget: Budget) -> Self {
        Self {
            budget,
            known: HashMap::new(),
            spent: VecDeque::new(),
            waiting: Vec::new(),
            round_ns: 0,
        }
    }

    /// Begins a round over the living processes; those not among them are
    /// forgotten. The oldest value will be renewed first, and first of all
    /// those that have none.
    pub fn begin_round(&mut self, candidates: &[Candidate]) {
        let living: std::collections::HashSet<_> =
            candidates.iter().map(|candidate| candidate.id).collect();
        self.known.retain(|id, _| living.contains(id));
        self.waiting.clear();
        let most = self.budget.max_size;
        self.waiting
            .extend(candidates.iter().filter(|one| one.size <= most));
        // The next one is popped from the end.
        self.waiting.sort_by_key(|candidate| {
            let known = self.known.get(&candidate.id);
            std::cmp::Reverse((known.and_then(|known| known.tried_ns), candidate.id))
        });
        self.round_ns = 0;
    }

    /// The next process to read; `None` when the round is over. One that does
    /// not fit into what is left is passed over for this round: it is the first
    /// of the next, when more is left.
    pub fn next(&mut self, now_ns: u64) -> Option<ProcessId> {
        let window = nanos(self.budget.window);
        while let Some((at, _)) = self.spent.front()
            && at.saturating_add(window) <= now_ns
        {
            self.spent.pop_front();
        }
        let spent: u64 = self.spent.iter().map(|(_, cost)| cost).sum();
        let left = nanos(self.budget.per_window).saturating_sub(spent);
        let candidate = *self.waiting.last()?;
        let known = self.known.get(&candidate.id);
        let renew = nanos(self.budget.renew);
        if known
            .and_then(|known| known.tried_ns)
            .is_some_and(|tried| now_ns.saturating_sub(tried) < renew)
        {
            // Whoever is behind it is younger still.
            return None;
        }
        let cost = known
            .and_then(|known| known.cost_ns)
            .unwrap_or_else(|| (self.budget.guess)(candidate.size));
        // One that costs more than a round has is read alone in its round.
        let round = nanos(self.budget.per_round);
        let fits = self.round_ns == 0 || self.round_ns.saturating_add(cost) <= round;
        if cost > left || !fits {
            // Whoever is behind it is younger: it must not starve.
            return None;
        }
        self.waiting.pop();
        Some(candidate.id)
    }

    /// Says what a read brought and cost. Without a value the old one stays,
    /// and ages.
    pub fn record(&mut self, id: ProcessId, now_ns: u64, cost_ns: u64, value: Option<V>) {
        self.spent.push_back((now_ns, cost_ns));
        self.round_ns = self.round_ns.saturating_add(cost_ns.max(1));
        let known = self.known.entry(id).or_default();
        known.tried_ns = Some(now_ns);
        known.cost_ns = Some(cost_ns);
        if let Some(value) = value {
            known.value = Some((value, now_ns));
        }
    }

    /// The last value of a process and its age in ns; `None` when it is older
    /// than the budget keeps it.
    pub fn get(&self, id: ProcessId, now_ns: u64) -> Option<(V, u64)> {
        let (value, at) = self.known.get(&id)?.value.clone()?;
        let age = now_ns.saturating_sub(at);
        (age <= nanos(self.budget.keep)).then_some((value, age))
    }
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests;
