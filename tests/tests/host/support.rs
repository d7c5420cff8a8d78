//! The host as a collector sees it.

use std::time::{Duration, SystemTime};

use procmon_tests::{Collector, Point, Procmon, Protocol, watching::output};

/// Watches every process, and sends what it sees to the collector.
pub fn watch_all(collector: &Collector) -> Procmon {
    Procmon::new("run")
        .arg("--all")
        .args(["--otlp", &collector.endpoint(Protocol::Grpc)])
}

/// The host's points of one frame.
pub fn one_frame(collector: &Collector, road: &[&str]) -> Vec<Point> {
    let began = now();
    let ended = output(&watch_all(collector).args(["--count", "1"]).args(road));
    assert!(ended.status.success(), "{ended:?}");
    let of_it = |point: &Point| point.pid().is_none() && point.time >= began;
    let arrived = collector.wait_for(FRAME, |points| {
        points
            .iter()
            .any(|point| of_it(point) && point.metric == "system.process.count")
    });
    let Ok(mut points) = arrived else {
        panic!("nothing of the host has arrived: {}", ended.stderr);
    };
    points.retain(of_it);
    points
}

/// The last value of a host's metric.
pub fn value(points: &[Point], metric: &str, attributes: &[(&str, &str)]) -> Option<f64> {
    let mut points = points.iter().rev();
    let point = points.find(|point| point.pid().is_none() && point.is(metric, attributes));
    point?.value
}

/// Nanoseconds since 1970.
pub fn now() -> u64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    u64::try_from(since.unwrap().as_nanos()).unwrap()
}

/// Long enough for two frames to come through a collector: the host's are sent every 10 s.
pub const FRAME: Duration = Duration::from_secs(40);
