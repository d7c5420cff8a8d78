//! The host as a collector sees it, and chosen processes once.

use std::time::Duration;

use procmon_tests::{
    Collector, Point, Procmon, Program, Protocol,
    jsonl::Object,
    watching::{NEVER, objects, of, output, watch},
};

/// The object of a process at the first tick.
pub fn once(pid: u32, road: &[&str]) -> Object {
    let ended = output(
        &watch(&[pid], NEVER)
            .args(["--count", "1"])
            .args(road.iter().copied()),
    );
    assert!(ended.status.success(), "{ended:?}");
    of(&objects(&ended.stdout), pid).pop().unwrap()
}

/// Watches every process, and sends what it sees to the collector.
pub fn watch_all(collector: &Collector, interval: &str, road: &[&str]) -> Program {
    Procmon::new("run")
        .args(["--all", "--interval", interval])
        .args(["--otlp", &collector.endpoint(Protocol::Grpc)])
        .args(road.iter().copied())
        .start()
        .unwrap()
}

/// The first value of a host's metric.
pub fn value(points: &[Point], metric: &str, attributes: &[(&str, &str)]) -> Option<f64> {
    let point = points
        .iter()
        .find(|point| point.pid().is_none() && point.is(metric, attributes));
    point?.value
}

/// Long enough for a frame to come through a collector.
pub const FRAME: Duration = Duration::from_secs(30);
