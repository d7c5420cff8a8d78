//! Which processes have series of their own.
//!
//! The keys are served in turn: the process that is first by the first key,
//! then the first by the second key of those that are left, and so on.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use super::settings::Key;
use crate::process::ProcessSample;

/// How many keys there are.
const KEYS: usize = Key::ALL.len();

/// A process by each [`Key`], in the order of their declaration.
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
    by_key: Vec<(Key, BinaryHeap<Reverse<Ranked>>)>,
}

impl Ranking {
    /// A ranking of this many processes at most, by these keys in turn.
    pub fn new(limit: usize, by: &[Key]) -> Self {
        let heap = |key: &Key| (*key, BinaryHeap::new());
        Self {
            limit,
            by_key: by.iter().map(heap).collect(),
        }
    }

    /// Shows it a process, by its place in the frame: the order of pids.
    #[inline]
    pub fn offer(&mut self, place: u32, scores: &Scores) {
        for (key, heap) in &mut self.by_key {
            let score = scores[*key as usize];
            // Nobody is first in doing nothing.
            if score == 0 {
                continue;
            }
            let entry = Reverse((score, Reverse(place)));
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
        let heaps = self.by_key.into_iter().map(|(_, heap)| heap);
        let mut queues: Vec<_> = heaps
            .map(|heap| heap.into_sorted_vec().into_iter())
            .collect();
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
        first_by(limit, &Key::ALL, all)
    }

    fn first_by(limit: usize, by: &[Key], all: &[Scores]) -> Vec<u32> {
        let mut ranking = Ranking::new(limit, by);
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
    fn the_keys_that_are_named_count_in_their_order_and_no_others() {
        let all = [
            [9, 1, 0, 0, 0],
            [1, 9, 0, 0, 0],
            [5, 5, 9, 0, 0],
            [0, 0, 0, 9, 9],
        ];
        assert_eq!(first_by(2, &[Key::Memory, Key::Cpu], &all), [1, 0]);
        assert_eq!(first_by(2, &[Key::Growth, Key::Memory], &all), [2, 1]);
        assert_eq!(first_by(9, &[Key::Io], &all), [3]);
        assert_eq!(first_by(9, &[], &all), [0; 0]);
    }

    #[test]
    fn the_lower_pid_is_first_of_two_alike_and_who_does_nothing_is_not_there() {
        let all = [[0; KEYS], [5, 0, 0, 0, 0], [5, 0, 0, 0, 0], [5, 0, 0, 0, 0]];
        assert_eq!(first(2, &all), [1, 2]);
        assert_eq!(first(9, &all), [1, 2, 3]);
        assert_eq!(first(0, &all), [0; 0]);
    }
}
