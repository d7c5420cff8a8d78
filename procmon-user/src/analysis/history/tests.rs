use std::sync::Arc;

use super::*;
use crate::analysis::Rates;
use crate::frame::HostMemory;
use crate::process::fixture::{self, SECOND};
use procmon_common::Counter;

fn settings(size: u32, max_memory: u64) -> Settings {
    Settings {
        retain: Some(true),
        size,
        max_memory,
    }
}

/// A host whose processes are looked at once a second.
struct Watched {
    history: History,
    rates: Rates,
    tick: u64,
}

impl Watched {
    fn new(settings: &Settings) -> Self {
        Self {
            history: History::new(settings),
            rates: Rates::default(),
            tick: 0,
        }
    }

    fn tick(&mut self, live: Vec<ProcessSample>, exited: Vec<ProcessSample>) -> Past {
        self.tick_of(fixture::frame(0, live, exited), &[])
    }

    fn tick_of(&mut self, mut frame: Frame, groups: &[(&str, ProcessSample)]) -> Past {
        self.tick += 1;
        frame.tick = self.tick;
        frame.at_boot_ns = self.tick * SECOND;
        let derived = self.rates.derive(&frame);
        let groups = groups.iter();
        let groups =
            groups.map(|(name, sum)| ((Cow::Borrowed("executable"), Arc::from(*name)), sum));
        self.history.record(&frame, &derived, groups)
    }
}

/// A process that has used so many ms of CPU, and holds so many MiB.
fn process(pid: u32, cpu_ms: u64, mib: u64) -> ProcessSample {
    let mut process = fixture::sample(pid, "sh");
    process.totals.user_ns = Some(cpu_ms * 1_000_000);
    process.totals.system_ns = Some(0);
    process.totals.rss = Some(mib << 20);
    process
}

/// A server of which everything changes all the time: `n` is any number.
fn busy(pid: u32, n: u64) -> ProcessSample {
    let noise = (n ^ u64::from(pid)).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32;
    let mut process = process(pid, 400 * n + noise % 300, 200);
    process.totals.rss = Some((200 << 20) + noise % 4_000 * 4096);
    process.totals.disk_read_bytes = Some(n * 300_000 + noise % 200_000);
    process.totals.disk_write_bytes = Some(n * 500_000 + noise % 400_000);
    process.totals.threads = Some(20 + noise % 5);
    process.totals.descriptors = Some(100 + noise % 50);
    process.probes = Some(fixture::probes(&[
        (Counter::NetworkReceived, n * 400_000 + noise % 300_000),
        (Counter::NetworkTransmitted, n * 900_000 + noise % 100_000),
    ]));
    process
}

#[test]
fn the_window_tells_the_mean_the_extremes_and_what_went_through() {
    let mut watched = Watched::new(&settings(3, 1 << 20));
    let mut last = None;
    for (cpu, mib, read) in [(0, 9, 0), (100, 3, 7), (400, 5, 8), (600, 4, 20)] {
        let mut process = process(7, cpu, mib);
        process.totals.disk_read_bytes = Some(read);
        last = watched.tick(vec![process], vec![]).live[0];
    }
    let aggregate = last.unwrap();
    // 10 %, 30 % and 20 %: the first sample has left the window.
    let cpu = Spread {
        average: 2000.0,
        max: 3000,
        min: 1000,
    };
    assert_eq!(aggregate.cpu, Some(cpu));
    let memory = aggregate.memory.unwrap();
    assert_eq!((memory.max, memory.min), (5 << 10, 3 << 10));
    assert_eq!((aggregate.samples, aggregate.disk_read), (3, Some(13)));
    assert_eq!(aggregate.network_received, None);
}

#[test]
fn a_process_that_has_ended_is_told_with_its_final_totals_and_forgotten() {
    let mut watched = Watched::new(&settings(10, 1 << 20));
    watched.tick(vec![busy(7, 1), busy(8, 1)], vec![]);
    let mut last = fixture::ended(busy(7, 2), 2 * SECOND, 0);
    last.totals = last.totals.of_the_ended();
    let past = watched.tick(vec![busy(8, 2)], vec![last]);
    let aggregate = past.exited[0].unwrap();
    assert_eq!(aggregate.samples, 2);
    let read = |n| busy(7, n).totals.disk_read_bytes.unwrap();
    assert_eq!(aggregate.disk_read, Some(read(2) - read(1)));
    let id = fixture::sample(7, "sh").id;
    assert!(watched.history.process_series(id).is_none());
    let other = fixture::sample(8, "sh").id;
    assert_eq!(watched.history.process_series(other).unwrap().samples(), 2);
}

#[test]
fn a_pid_that_is_used_again_begins_anew() {
    let mut watched = Watched::new(&settings(10, 1 << 20));
    watched.tick(vec![process(7, 0, 1)], vec![]);
    let mut other = process(7, 0, 1);
    other.id.start_ticks += 1;
    let past = watched.tick(vec![other], vec![]);
    assert_eq!(past.live[0].unwrap().samples, 1);
    assert_eq!(watched.history.processes.len(), 1);
}

#[test]
fn one_whose_end_is_awaited_is_not_forgotten() {
    let mut watched = Watched::new(&settings(10, 1 << 20));
    watched.tick(vec![process(7, 0, 1)], vec![]);
    let mut frame = fixture::frame(0, vec![], vec![]);
    frame.ending = vec![fixture::sample(7, "sh").id];
    watched.tick_of(frame, &[]);
    let past = watched.tick(vec![], vec![process(7, 0, 1)]);
    assert_eq!(past.exited[0].unwrap().samples, 2);
}

#[test]
fn groups_and_the_host_have_histories_too() {
    let mut watched = Watched::new(&settings(10, 1 << 20));
    for n in 0..3 {
        let mut frame = fixture::frame(0, vec![], vec![]);
        frame.host.cpu_ns = vec![("user", n * SECOND), ("idle", n * 7 * SECOND)];
        frame.host.memory = Some(HostMemory {
            total: 100 << 20,
            available: (90 - n) << 20,
            ..HostMemory::default()
        });
        watched.tick_of(frame, &[("sh", process(1, 500 * n, n))]);
    }
    let host = watched.history.host_series().aggregate();
    assert_eq!(host.cpu.unwrap().average, 10_000.0);
    assert_eq!(host.memory.unwrap().max, 12 << 10);
    let group = watched.history.group_series("executable", "sh").unwrap();
    let aggregate = group.aggregate();
    assert_eq!((aggregate.samples, aggregate.cpu.unwrap().max), (3, 5000));
    watched.tick(vec![], vec![]);
    assert!(watched.history.group_series("executable", "sh").is_none());
}

/// 1,000 processes with 1,000 samples each, made by `process`.
fn thousand(max_memory: u64, process: fn(u32, u64) -> ProcessSample) -> (Watched, Past) {
    many(1000, max_memory, process)
}

/// The same of so many processes.
fn many(count: u32, max_memory: u64, process: fn(u32, u64) -> ProcessSample) -> (Watched, Past) {
    let mut watched = Watched::new(&settings(1000, max_memory));
    let mut past = Past::default();
    for n in 0..1000 {
        let live = (1..=count).map(|pid| process(pid, n)).collect();
        past = watched.tick(live, vec![]);
    }
    (watched, past)
}

/// The documented figures: bytes of a sample of which everything changes and
/// of one of which nothing does, with the eighth that its ring grows by.
const BUSY_SAMPLE: u64 = 22;
const IDLE_SAMPLE: u64 = 2;

#[test]
fn a_thousand_processes_with_a_thousand_samples_fit_the_stated_bytes() {
    let fixed = 1000 * SERIES_BYTES as u64;
    for (bytes, make) in [
        (BUSY_SAMPLE, busy as fn(u32, u64) -> ProcessSample),
        (IDLE_SAMPLE, |pid, _| busy(pid, 0)),
    ] {
        let (watched, past) = thousand(u64::MAX, make);
        assert_eq!(past.health.depth, 1000);
        assert!(past.live.iter().all(|one| one.unwrap().samples == 1000));
        let most = bytes * 1_000_000 + fixed;
        assert!(past.health.bytes <= most, "{} of {most}", past.health.bytes);
        let rings = watched.history.processes.values();
        let counted: usize = rings.map(Series::heap_bytes).sum();
        let host = watched.history.host.series.heap_bytes();
        assert_eq!(watched.history.cap.heap_bytes(), counted + host);
    }
    // One in ten does something: as hosts are, and within the default.
    let (_, past) = thousand(16 << 20, |pid, n| {
        busy(pid, if pid % 10 == 0 { n } else { 0 })
    });
    assert_eq!(past.health.depth, 1000);
    assert!(past.health.bytes < 6 << 20, "{}", past.health.bytes);
}

#[test]
fn at_the_cap_depth_shrinks_and_it_is_said() {
    let (watched, past) = many(100, 1 << 20, busy);
    assert!(past.health.bytes <= 1 << 20, "{}", past.health.bytes);
    let depth = past.health.depth;
    assert!((100..1000).contains(&depth), "{depth}");
    assert_eq!(past.health.left_out, 0);
    for one in &past.live {
        assert!(one.unwrap().samples <= depth);
    }
    assert!(watched.history.cap.was_said());
}

#[test]
fn depth_comes_back_when_there_is_room_again() {
    let (mut watched, past) = many(100, 1 << 20, busy);
    assert!(past.health.depth < 1000);
    let mut depth = 0;
    for n in 0..20 {
        depth = watched.tick(vec![busy(1, n)], vec![]).health.depth;
    }
    assert_eq!(depth, 1000);
    assert!(!watched.history.cap.was_said());
}

#[test]
fn where_not_even_that_is_enough_some_have_no_history_and_they_are_counted() {
    let mut watched = Watched::new(&settings(1000, 100_000));
    let past = watched.tick((1..=1000).map(|pid| busy(pid, 0)).collect(), vec![]);
    let kept = past.live.iter().filter(|one| one.is_some()).count() as u64;
    assert!(kept > 50, "{kept}");
    assert_eq!(past.health.left_out, 1000 - kept);
    assert!(past.health.bytes <= 100_000, "{}", past.health.bytes);
}
