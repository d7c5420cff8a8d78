//! Folding: what a collector gets adds up to what is there.

mod ledger;
mod received;

use std::{collections::BTreeSet, fs, process::Command, time::Duration};

use procmon_tests::{
    Collector, Point, Procmon, Program, Protocol, Victim, jsonl, need, program::SOON, storm, victim,
};

use crate::{
    ledger::{Births, Ledger},
    received::Received,
};

/// Frames that are compared.
const TICKS: usize = 6;

/// A run of everything with these options: the points that a collector got, and all objects.
fn run(collector: &Collector, options: &[&str], meanwhile: impl FnOnce()) -> (Vec<Point>, String) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("all.jsonl");
    let procmon = Procmon::new("run")
        .args(["--all", "--interval", "2s", "--overhead-budget", "off"])
        .args(["--count", &TICKS.to_string()])
        .args(["--otlp", &collector.endpoint(Protocol::Grpc)])
        .arg("--jsonl")
        .arg(&file)
        .args(options)
        .start_watching(SOON)
        .unwrap();
    meanwhile();
    let output = procmon.wait(Duration::from_secs(120)).unwrap();
    assert!(output.status.success(), "{output:?}");
    for bad in ["frames are lost", "not delivered"] {
        assert!(!output.stderr.contains(bad), "{}", output.stderr);
    }
    let points = collector.points().unwrap();
    (points, fs::read_to_string(file).unwrap())
}

/// Processes that come while procmon runs, are seen, and end; and some that are not seen.
fn lives() {
    let start = |operations: &str| {
        let operations = operations.split_whitespace();
        Program::start(Command::new(victim::path().unwrap()).args(operations)).unwrap()
    };
    for _ in 0..3 {
        let seen = (0..5).map(|_| start("open=50 open-fail=5 spin=20 sleep=2500 open=7 spin=5"));
        let unseen = (0..5).map(|_| start("open=9 spin=2"));
        let programs: Vec<Program> = seen.chain(unseen).collect();
        for program in programs {
            program.wait(SOON).unwrap();
        }
    }
}

#[test]
fn with_top_20_of_5000_sleeping_and_50_busy_everything_adds_up_at_every_tick() {
    let collector = need!(Collector::rotel().unwrap());
    let sleepers = storm::processes() / 10;
    let operations = format!("sleepers={sleepers} workers=50 print-ready wait");
    let crowd = Victim::start(&operations).unwrap();
    crowd.wait_ready(1).unwrap();
    let (points, text) = run(&collector, &["--top", "20"], lives);
    let received = Received::of(&points);
    let objects = jsonl::parse(&text).unwrap();
    let mut ledger = Ledger::of_processes(Births::of(crowd.pid(), &objects));
    let ticks = ledger::ticks(objects);
    assert_eq!(ticks.len(), TICKS);
    for tick in &ticks {
        let mut own = received.processes_at(tick.at_ms);
        // Who ends while a frame is taken has the frame's time.
        own.retain(|process| !tick.has_ended(process));
        assert_eq!(own.len(), 20, "at {}", tick.at_ms);
        assert_eq!(received.groups_at(tick.at_ms), [("top", "other")]);
        let other = received.group(tick.at_ms, "other");
        let whole = tick.live.len();
        assert!(whole > sleepers + 50);
        assert_eq!(other["procmon.group.members"], (whole - 20) as i128);
        ledger.check(tick, &received);
    }
    let has_ended = ticks.iter().map(|tick| tick.ended.len()).sum::<usize>();
    assert!(has_ended >= 30, "{has_ended} ended");
    assert!(
        ledger.grown["procmon.cpu.on_cpu.time"] > 0,
        "the busy are in `other`, too"
    );
}

#[test]
fn groups_take_the_place_of_processes_and_add_up_to_the_whole() {
    let collector = need!(Collector::rotel().unwrap());
    let crowd = Victim::start("sleepers=30 workers=20 print-ready wait").unwrap();
    crowd.wait_ready(1).unwrap();
    let (points, text) = run(&collector, &["--group-by", "executable"], lives);
    let received = Received::of(&points);
    let objects = jsonl::parse(&text).unwrap();
    let mut ledger = Ledger::of_groups(Births::of(crowd.pid(), &objects));
    for tick in ledger::ticks(objects) {
        assert!(received.processes_at(tick.at_ms).is_empty());
        let names: BTreeSet<&str> = tick.live.iter().map(|one| one.executable()).collect();
        let groups = received.groups_at(tick.at_ms);
        for name in names {
            let members = tick.live.iter().filter(|one| one.executable() == name);
            let group = received.group(tick.at_ms, name);
            assert_eq!(
                group["procmon.group.members"],
                members.count() as i128,
                "{name}"
            );
            assert!(groups.contains(&("executable", name)));
        }
        ledger.check(&tick, &received);
    }
    assert!(ledger.grown["procmon.cpu.on_cpu.time"] > 0);
}

#[test]
fn a_cap_on_series_holds_and_is_told() {
    let collector = need!(Collector::rotel().unwrap());
    let crowd = Victim::start("sleepers=50 print-ready wait").unwrap();
    crowd.wait_ready(1).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let procmon = Procmon::new("run")
        .args([
            "--all",
            "--interval",
            "300ms",
            "--count",
            "4",
            "--max-series",
            "300",
        ])
        .args(["--otlp", &collector.endpoint(Protocol::Grpc)])
        .arg("--jsonl")
        .arg(folder.path().join("all.jsonl"));
    let output = procmon.output(SOON).unwrap();
    assert!(output.status.success(), "{output:?}");
    let lines: Vec<&str> = output
        .stderr
        .lines()
        .filter(|line| line.contains("--max-series"))
        .collect();
    assert_eq!(lines.len(), 1, "{}", output.stderr);
    let points = collector.points().unwrap();
    let received = Received::of(&points);
    assert_eq!(received.ticks().len(), 4);
    for at_ms in received.ticks() {
        let series = received.series_at(at_ms);
        assert!(series <= 300, "{series} series at {at_ms}");
        assert!(!received.processes_at(at_ms).is_empty());
        assert_eq!(received.groups_at(at_ms), [("top", "other")]);
    }
    let told = |name: &str| {
        let of = points.iter().filter(|point| point.metric == name);
        of.filter_map(|point| point.value).next_back().unwrap()
    };
    assert!(told("procmon.agent.series.folded") >= 50.0);
    assert!(told("procmon.agent.series.active") <= 300.0);
}
