//! The schedule under a clock and costs made up here.

use super::*;
use crate::proc::smaps::Rollup;
use proptest::prelude::*;

const MS: u64 = 1_000_000;
const SECOND: u64 = 1000 * MS;

fn id(pid: u32) -> ProcessId {
    ProcessId {
        pid,
        start_ticks: 1,
    }
}

fn candidates(pids: std::ops::Range<u32>) -> Vec<Candidate> {
    pids.map(|pid| Candidate {
        id: id(pid),
        size: 1 << 20,
    })
    .collect()
}

/// One round; every read costs `cost`. Returns who was read.
fn round(schedule: &mut Schedule<Rollup>, all: &[Candidate], now: u64, cost: u64) -> Vec<u32> {
    schedule.begin_round(all);
    let mut read = Vec::new();
    while let Some(next) = schedule.next(now) {
        schedule.record(next, now, cost, Some(Rollup { uss: now, pss: 1 }));
        read.push(next.pid);
    }
    read
}

#[test]
fn the_oldest_goes_first_and_nobody_starves() {
    let mut schedule = Schedule::new(Budget::default());
    let all = candidates(1..11);
    assert_eq!(round(&mut schedule, &all, 0, 8 * MS), [1, 2, 3]);
    assert_eq!(round(&mut schedule, &all, SECOND, 8 * MS), [4, 5, 6]);
    assert_eq!(round(&mut schedule, &all, 2 * SECOND, 8 * MS), [7, 8, 9]);
    // 1 to 9 cost 8 ms each: 72 of 100 ms are gone.
    assert_eq!(round(&mut schedule, &all, 3 * SECOND, 8 * MS), [10, 1]);
    assert_eq!(round(&mut schedule, &all, 4 * SECOND, 8 * MS), [2]);
    assert_eq!(round(&mut schedule, &all, 5 * SECOND, 8 * MS), [0u32; 0]);
    assert_eq!(round(&mut schedule, &all, 60 * SECOND, 8 * MS), [3, 4]);
}

#[test]
fn large_ones_are_not_read() {
    let mut schedule = Schedule::new(Budget::default());
    let mut all = candidates(1..3);
    all[0].size = (1 << 30) + 1;
    assert_eq!(round(&mut schedule, &all, 0, 1), [2]);
    assert_eq!(schedule.get(id(1), 0), None);
}

#[test]
fn values_age_and_go() {
    let mut schedule = Schedule::new(Budget::default());
    round(&mut schedule, &candidates(1..2), 5 * SECOND, MS);
    let rollup = Rollup {
        uss: 5 * SECOND,
        pss: 1,
    };
    let age = |now| {
        schedule.get(id(1), now * SECOND).map(|(value, age)| {
            assert_eq!(value, rollup);
            age / SECOND
        })
    };
    assert_eq!(age(5), Some(0));
    assert_eq!(age(605), Some(600));
    assert_eq!(age(606), None);
}

#[test]
fn a_young_value_is_not_renewed() {
    let mut schedule = Schedule::new(Budget {
        renew: Duration::from_secs(10),
        ..Budget::default()
    });
    let all = candidates(1..3);
    assert_eq!(round(&mut schedule, &all, 0, MS), [1, 2]);
    assert_eq!(round(&mut schedule, &all, 9 * SECOND, MS), [0u32; 0]);
    assert_eq!(round(&mut schedule, &all, 10 * SECOND, MS), [1, 2]);
}

#[test]
fn a_read_that_failed_is_not_first_again() {
    let mut schedule = Schedule::<Rollup>::new(Budget::default());
    let all = candidates(1..3);
    schedule.begin_round(&all);
    let first = schedule.next(0).unwrap();
    schedule.record(first, 0, 19 * MS, None);
    assert_eq!(schedule.next(0), Some(id(2)));
    schedule.record(id(2), 1, 19 * MS, None);
    assert_eq!(schedule.next(1), None);
    assert_eq!(schedule.get(first, 1), None);
}

#[test]
fn whoever_has_gone_is_forgotten() {
    let mut schedule = Schedule::new(Budget::default());
    round(&mut schedule, &candidates(1..5), 0, 1);
    round(&mut schedule, &candidates(3..5), 1, 1);
    assert_eq!(schedule.known.len(), 2);
}

proptest! {
    #[test]
    fn no_minute_costs_more_than_its_budget(
        costs in proptest::collection::vec(1u64..30 * MS, 1..40),
        gaps in proptest::collection::vec(1u64..20 * SECOND, 1..60),
    ) {
        let mut schedule = Schedule::<Rollup>::new(Budget::default());
        let all = candidates(0..costs.len() as u32);
        let (mut now, mut log) = (0, Vec::new());
        for gap in gaps {
            now += gap;
            schedule.begin_round(&all);
            while let Some(next) = schedule.next(now) {
                let cost = costs[next.pid as usize];
                schedule.record(next, now, cost, None);
                log.push((now, cost));
            }
        }
        // A cost is known only afterwards: each process's first read may exceed.
        let surprise = costs.iter().max().unwrap();
        for (end, _) in &log {
            let minute: u64 = log
                .iter()
                .filter(|(at, _)| at <= end && at + 60 * SECOND > *end)
                .map(|(_, cost)| cost)
                .sum();
            prop_assert!(minute <= 100 * MS + surprise);
        }
    }
}
