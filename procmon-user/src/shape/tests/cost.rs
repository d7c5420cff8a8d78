//! What shaping costs.

use std::time::Duration;

use super::*;
use crate::export::otlp::testing;

/// Prints what a tick of 10,000 processes costs: run it with `--release
/// --ignored --nocapture`.
#[test]
#[ignore = "a measurement"]
fn cost_of_10000_processes() {
    const COUNT: u32 = 10_000;
    let grouped = Settings {
        group_by: Some(GroupBy::User),
        ..Settings::default()
    };
    let capped = |max_series| Settings {
        max_series: Some(max_series),
        ..Settings::default()
    };
    for (name, settings) in [
        ("nothing folded", Settings::default()),
        ("top 20", top(20)),
        ("top 1000", top(1_000)),
        ("by user", grouped),
        ("a cap that holds all", capped(1_000_000)),
        ("a cap that holds 1 in 10", capped(40_000)),
    ] {
        let mut shaped = Shaped::new(settings);
        let mut costs: Vec<Duration> = (0..15)
            .map(|tick| {
                let live = (1..=COUNT).map(|pid| {
                    let mut sample = testing::sample(pid);
                    let busy = u64::from(pid * 7_919 % 101 / 100);
                    sample.totals.on_cpu_ns = Some(tick * busy * 1_000);
                    sample
                });
                let frame = fixture::frame(shaped.second * SECOND, live.collect(), vec![]);
                shaped.second += 1;
                let frame = Arc::new(frame);
                let derived = shaped.rates.derive(&frame);
                let begun = thread_time();
                let view = shaped.shaper.shape(frame, derived);
                let took = thread_time() - begun;
                drop(view);
                took
            })
            .collect();
        costs.sort_unstable();
        println!("{name}: {:?} a process", costs[costs.len() / 2] / COUNT);
    }
}

/// CPU time of this thread.
fn thread_time() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}
