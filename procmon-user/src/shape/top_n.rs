//! Which processes have series of their own.
//!
//! Five keys are served in turn: the process that is first by the first key,
//! then the first by the second key of those that are left, and so on.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use crate::process::ProcessSample;

/// How many ticks a process keeps its place after it was last among the first.
pub const STICKY_TICKS: u64 = 5;

/// How many keys there are.
const KEYS: usize = 5;

/// A process by each key: CPU time, resident memory, growth of it, descriptors,
/// bytes from and to storage and network. The first, the third and the last
/// are of the time since the last tick.
pub type Scores = [u64; KEYS];

/// A score and whose it is: more is first, and of the same the lower place.
type Ranked = (u64, Reverse<u32>);

/// What a process scores; `before` is its sample of the last tick.
pub fn scores(now: &ProcessSample, before: Option<&ProcessSample>) -> Scores {
    let totals = &now.totals;
    let descriptors = totals.descriptors.unwrap_or(0);
    let rss = totals.rss.unwrap_or(0);
    let Some(before) = before else {
        return [0, rss, 0, descriptors, 0];
    };
    let growth = before.totals.rss.map_or(0, |rss| growth(totals.rss, rss));
    [
        cpu(now).saturating_sub(cpu(before)),
        rss,
        growth,
        descriptors,
        io(now).saturating_sub(io(before)),
    ]
}

fn growth(now: Option<u64>, before: u64) -> u64 {
    now.map_or(0, |now| now.saturating_sub(before))
}

fn cpu(sample: &ProcessSample) -> u64 {
    let totals = &sample.totals;
    let of_proc = || Some(totals.user_ns? + totals.system_ns?);
    totals.on_cpu_ns.or_else(of_proc).unwrap_or(0)
}

fn io(sample: &ProcessSample) -> u64 {
    use procmon_common::Counter::{NetworkReceived, NetworkTransmitted};
    let totals = &sample.totals;
    let disk = totals.disk_read_bytes.unwrap_or(0) + totals.disk_write_bytes.unwrap_or(0);
    let network = sample.probes.as_ref().map_or(0, |probes| {
        probes.get(NetworkReceived) + probes.get(NetworkTransmitted)
    });
    disk + network
}

/// Keeps the first by each key of all processes that it is shown.
#[derive(Debug)]
pub struct Ranking {
    limit: usize,
    /// The last of the first is on top.
    by_key: [BinaryHeap<Reverse<Ranked>>; KEYS],
}

impl Ranking {
    /// A ranking of this many processes at most.
    pub fn new(limit: usize) -> Self {
        Self {
            limit,
            by_key: Default::default(),
        }
    }

    /// Shows it a process, by its place in the frame: the order of pids.
    #[inline]
    pub fn offer(&mut self, place: u32, scores: &Scores) {
        for (heap, score) in self.by_key.iter_mut().zip(scores) {
            // Nobody is first in doing nothing.
            if *score == 0 {
                continue;
            }
            let entry = Reverse((*score, Reverse(place)));
            if heap.len() < self.limit {
                heap.push(entry);
            } else if let Some(mut last) = heap.peek_mut()
                && entry < *last
            {
                *last = entry;
            }
        }
    }

    /// The first, best first. Those that do nothing at all are not among them.
    pub fn first(self) -> Vec<u32> {
        let limit = self.limit;
        let mut queues = self.by_key.map(|heap| heap.into_sorted_vec().into_iter());
        let mut first = Vec::new();
        let mut taken = std::collections::HashSet::new();
        let mut left = true;
        while left && first.len() < limit {
            left = false;
            for queue in &mut queues {
                let next = queue.find(|Reverse((_, Reverse(place)))| !taken.contains(place));
                let Some(Reverse((_, Reverse(place)))) = next else {
                    continue;
                };
                left = true;
                if first.len() < limit {
                    taken.insert(place);
                    first.push(place);
                }
            }
        }
        first
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn first(limit: usize, all: &[Scores]) -> Vec<u32> {
        let mut ranking = Ranking::new(limit);
        for (place, scores) in (0..).zip(all) {
            ranking.offer(place, scores);
        }
        ranking.first()
    }

    #[test]
    fn keys_are_served_in_turn_and_nobody_twice() {
        let all = [
            [9, 9, 0, 0, 0],
            [8, 8, 0, 0, 0],
            [0, 7, 0, 0, 0],
            [0, 0, 1, 0, 0],
            [0, 0, 0, 1, 0],
            [0, 0, 0, 0, 1],
        ];
        assert_eq!(first(5, &all), [0, 1, 3, 4, 5]);
        assert_eq!(first(3, &all), [0, 1, 3]);
        assert_eq!(first(6, &all), [0, 1, 3, 4, 5, 2]);
    }

    #[test]
    fn the_lower_pid_is_first_of_two_alike_and_who_does_nothing_is_not_there() {
        let all = [[0; KEYS], [5, 0, 0, 0, 0], [5, 0, 0, 0, 0], [5, 0, 0, 0, 0]];
        assert_eq!(first(2, &all), [1, 2]);
        assert_eq!(first(9, &all), [1, 2, 3]);
        assert_eq!(first(0, &all), [0; 0]);
    }
}
