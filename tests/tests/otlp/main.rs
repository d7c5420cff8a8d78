//! What real collectors see of watched processes: names, units, kinds, attributes, resources,
//! start times, values, and the end of series; and that all of it arrives, whatever the collector
//! does.

mod checks;
mod delivery;
mod misbehaving;
mod outage;
mod psutil;
mod scene;
mod spools;
mod victoria;

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use procmon_tests::{
    Collector, Kind, Point, Procmon, Protocol, Victim, need, program::SOON, watching::end,
};

use crate::{
    checks::{assert_catalogue, assert_counts, assert_resource, has_acted, values},
    scene::{OPERATIONS, Scene, now},
};

/// The whole story over one road.
fn assert_a_collector_sees_it(collector: &Collector, protocol: Protocol, typed: bool) {
    let mut scene = Scene::set(collector, protocol);
    let [first, second] = scene.pids();
    scene.act();
    let points = collector
        .wait_for(SOON, |points| has_acted(points, first))
        .unwrap();
    for pid in [first, second] {
        assert_catalogue(&points, pid);
        if typed {
            assert_resource(&points, pid, scene.began);
        }
    }
    assert_counts(&points, first, 1.0);
    assert_counts(&points, second, 0.0);

    end(scene.procmon);
}

#[test]
fn a_real_collector_shows_the_same_numbers_over_grpc() {
    let collector = need!(Collector::rotel().unwrap());
    assert_a_collector_sees_it(&collector, Protocol::Grpc, true);
}

#[test]
fn a_real_collector_shows_the_same_numbers_over_http() {
    let collector = need!(Collector::rotel().unwrap());
    assert_a_collector_sees_it(&collector, Protocol::Http, true);
}

#[test]
fn a_second_receiver_shows_the_same_numbers_over_http() {
    let collector = need!(Collector::mock().unwrap());
    assert_a_collector_sees_it(&collector, Protocol::Http, false);
}

#[test]
fn two_processes_are_two_series() {
    let collector = need!(Collector::rotel().unwrap());
    let scene = Scene::set(&collector, Protocol::Grpc);
    let points = collector.points().unwrap();
    let [first, second] = scene.pids();
    let series = |pid: i64| -> BTreeSet<String> {
        points
            .iter()
            .filter(|point| point.pid() == Some(pid))
            .map(Point::series)
            .collect()
    };
    let (of_first, of_second) = (series(first), series(second));
    assert!(!of_first.is_empty() && !of_second.is_empty());
    assert!(of_first.is_disjoint(&of_second));
    // Identity does not hang on the pid alone: the instance differs too.
    let instance = |pid| {
        let point = points
            .iter()
            .find(|point| point.pid() == Some(pid))
            .unwrap();
        point.resource["service.instance.id"].clone()
    };
    assert_ne!(instance(first), instance(second));
    // No series has two points at one time.
    let mut seen = BTreeMap::new();
    for point in points
        .iter()
        .filter(|point| point.pid().is_some() && !point.is_end())
    {
        let before = seen.insert((point.series(), point.time), point.value);
        assert!(before.is_none(), "twice at one time: {point:?}");
    }
}

#[test]
fn every_series_of_a_process_that_has_gone_is_ended_after_its_final_values() {
    let collector = need!(Collector::rotel().unwrap());
    let mut scene = Scene::set(&collector, Protocol::Grpc);
    let [first, second] = scene.pids();
    scene.act();
    let ended = now();
    scene.first.finish().unwrap();
    let points = collector
        .wait_for(SOON, |points| {
            points
                .iter()
                .any(|point| point.pid() == Some(first) && point.is_end())
        })
        .unwrap();
    assert_counts(&points, first, 1.0);

    let mut last = BTreeMap::new();
    for point in points.iter().filter(|point| point.pid() == Some(first)) {
        last.insert(point.series(), point);
    }
    let end = last.values().map(|point| point.time).max();
    for (series, point) in &last {
        // rotel shows no flags, and the end of a histogram has its last value.
        let is_histogram = point.kind == Kind::ExponentialHistogram;
        let ends = point.is_end() || (is_histogram && Some(point.time) == end);
        assert!(ends, "not ended: {series}");
        assert!(point.time >= ended, "ended before its end: {point:?}");
    }
    assert!(
        points
            .iter()
            .all(|point| point.pid() != Some(second) || !point.is_end())
    );
    let cpu = values(&points, first, "process.cpu.time", &[("cpu.mode", "user")]);
    assert!(!cpu.is_empty());
}

#[test]
fn an_absent_collector_does_not_stop_the_run_and_is_named_at_its_end() {
    let victim = Victim::held_before(OPERATIONS).unwrap();
    let address = procmon_tests::address::free();
    let mut procmon = Procmon::new("run")
        .pid(victim.pid())
        .args(["--interval", "100ms"])
        .otlp(&format!("http://{address}"), Protocol::Grpc)
        .start()
        .unwrap();
    std::thread::sleep(Duration::from_secs(1));
    assert!(procmon.is_running(), "{}", procmon.stderr());
    let output = end(procmon);
    assert!(
        output.stderr.contains(&address),
        "stderr does not say what was not delivered: {}",
        output.stderr
    );
}
