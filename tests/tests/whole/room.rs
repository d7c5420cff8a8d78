//! With room for one process: what found none is counted, and shown.

use std::fs;

use procmon_tests::{
    Collector, Procmon, Protocol, Victim, need, program::SOON, victim, watching::wait_until,
};

use crate::support::LIMIT;

const PROCESSES: [&str; 2] = ["process", "map_full"];
const UPDATES: [&str; 2] = ["update", "no_process"];

/// A procmon with room for one process, its report in a file, its metrics in a collector.
struct Scene {
    collector: Collector,
    report: tempfile::NamedTempFile,
}

impl Scene {
    fn new() -> Result<Self, String> {
        Ok(Self {
            collector: Collector::rotel().unwrap()?,
            report: tempfile::NamedTempFile::new().unwrap(),
        })
    }

    fn procmon(&self, command: &str) -> Procmon {
        Procmon::new(command)
            .env("PROCMON_KERNEL_MAX_PROCESSES", "1")
            .args(["--otlp", &self.collector.endpoint(Protocol::Grpc)])
            .arg("--report")
            .arg(self.report.path())
    }

    /// How much was lost, as the report says at each tick.
    fn reported(&self, [event, reason]: [&str; 2]) -> Vec<u64> {
        let text = fs::read_to_string(self.report.path()).unwrap();
        let lines = text.lines().filter(|line| line.contains(" lost so far: "));
        let count = |line: &str| {
            let (_, rest) = line.split_once(&format!("{event} {reason} "))?;
            rest.split(',').next()?.parse().ok()
        };
        lines.filter_map(count).collect()
    }

    /// The same of a procmon that has ended, as exported last.
    fn exported(&self, [event, reason]: [&str; 2]) -> Option<u64> {
        let attributes = [("procmon.event", event), ("procmon.loss.reason", reason)];
        let is_it = |point: &procmon_tests::Point| {
            point.is("procmon.agent.events.lost", &attributes) && point.value > Some(0.0)
        };
        let points = self
            .collector
            .wait_for(SOON, |points| points.iter().any(is_it))
            .unwrap();
        let last = points
            .iter()
            .filter(|point| is_it(point))
            .max_by_key(|point| point.time);
        last.and_then(|point| point.value).map(|value| value as u64)
    }
}

#[test]
fn with_room_for_one_process_report_and_metrics_say_exactly_how_many_processes_found_no_room() {
    let scene = need!(Scene::new());
    // The command takes the room, its children find none.
    let exec = scene
        .procmon("exec")
        .arg("--")
        .arg(victim::path().unwrap())
        .args(["children=37", "open=5"]);
    let output = exec.output(LIMIT).unwrap();
    assert!(output.status.success(), "{output:?}");
    assert_eq!(scene.reported(PROCESSES).last(), Some(&37));
    assert_eq!(scene.exported(PROCESSES), Some(37));
}

#[test]
fn with_room_for_one_process_report_and_metrics_say_how_many_updates_found_no_room() {
    const PAIRS: u64 = 50_000;
    let scene = need!(Scene::new());
    // Process 1 takes the room. Whatever else this machine does is lost as well, so the true number
    // is at least the victim's.
    let procmon = scene
        .procmon("run")
        .args(["--all", "--interval", "500ms"])
        .start()
        .unwrap();
    wait_until("a report", || !scene.reported(UPDATES).is_empty());
    let victim = Victim::start(&format!("open={PAIRS}")).unwrap();
    assert!(victim.finish().unwrap().status.success());
    procmon.signal(libc::SIGINT).unwrap();
    assert!(procmon.wait(LIMIT).unwrap().status.success());
    for (what, least) in [(UPDATES, 2 * PAIRS), (PROCESSES, 1)] {
        let reported = scene.reported(what);
        let (first, last) = (reported[0], *reported.last().unwrap());
        assert!(last - first >= least, "{what:?}: {reported:?}");
        assert_eq!(scene.exported(what), Some(last), "{what:?}");
    }
}
