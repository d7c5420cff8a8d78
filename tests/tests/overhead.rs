//! The overhead contract: what goes, what stays, what comes back.

use std::{
    fs,
    path::Path,
    thread,
    time::{Duration, Instant},
};

use procmon_tests::{Procmon, Victim, jsonl::Object, program::SOON, watching::objects};

/// The order in which the optional probes go.
const ORDER: [&str; 3] = ["run_queue", "off_cpu", "mapping_bytes"];
const MAPPED: &str = r#"procmon.memory.mapping.size{procmon.memory.mapping.direction="map"}"#;
const MMAPS: &str = r#"procmon.memory.mapping.operations{procmon.memory.operation="mmap"}"#;
const ASLEEP: &str = r#"procmon.cpu.off_cpu.time{procmon.off_cpu.reason="sleep"}"#;
const WAITS: &str = "procmon.cpu.run_queue.duration";
/// Time for three features to go, or to come back.
const LIMIT: Duration = Duration::from_secs(120);

/// The last whole object of a process, if there is one yet.
fn last(file: &Path, pid: u32) -> Option<Object> {
    // It is not there before the first tick.
    let text = fs::read_to_string(file).unwrap_or_default();
    objects(&text).into_iter().rfind(|object| object.pid == pid)
}

/// Waits until this holds of the last object of a process.
fn wait_for_last(file: &Path, pid: u32, holds: impl Fn(&Object) -> bool) -> Object {
    let until = Instant::now() + SOON;
    loop {
        let object = last(file, pid);
        match object {
            Some(object) if holds(&object) => return object,
            other => assert!(Instant::now() < until, "{other:?}"),
        }
        thread::sleep(Duration::from_millis(50));
    }
}

/// Reads the changes of probes, and holds them to the order: who goes is the next, who comes back
/// is the last that went. How many went in all, and how many are away. A busy machine may well send
/// one away again that had come back.
fn changes(text: &str) -> (usize, usize) {
    let (mut went, mut away) = (0, 0);
    for line in text.lines() {
        let Some((probe, state)) = line
            .split_once("probe ")
            .and_then(|(_, change)| change.split_once(' '))
        else {
            continue;
        };
        if state.starts_with("detached") {
            assert_eq!(probe, ORDER[away], "{text}");
            (went, away) = (went + 1, away + 1);
        } else if state == "active" {
            away -= 1;
            assert_eq!(probe, ORDER[away], "{text}");
        }
    }
    (went, away)
}

#[test]
fn with_an_absurdly_low_budget_the_optional_probes_go_in_the_order_given_and_come_back() {
    let folder = tempfile::tempdir().unwrap();
    let [file, report] = ["out.jsonl", "report.txt"].map(|name| folder.path().join(name));
    // One that does little, so that its counts can be told, and one that costs.
    let mut quiet =
        Victim::start("print-ready wait map-pairs=100:8192 print-ready wait map-pairs=10:8192 print-ready wait map-pairs=7:8192 print-ready wait")
            .unwrap();
    quiet.wait_ready(1).unwrap();
    let mut busy = Victim::held_before("map-pairs=1000000000000:8192").unwrap();
    let procmon = Procmon::new("run")
        .pid(quiet.pid())
        .pid(busy.pid())
        .args(["--interval", "500ms", "--overhead-budget", "3%", "--jsonl"])
        .arg(&file)
        .arg("--report")
        .arg(&report)
        .env("PROCMON_OVERHEAD_PERIOD", "1s")
        .start_watching(SOON)
        .unwrap();
    quiet.go().unwrap();
    quiet.wait_ready(2).unwrap();
    let before = wait_for_last(&file, quiet.pid(), |object| {
        object.get(MMAPS) >= Some(100.0) && object.get(ASLEEP).is_some()
    });
    let mmaps = before.get(MMAPS).unwrap();
    assert!(before.get(MAPPED) >= Some(100.0 * 8192.0));
    assert!(before.json["metrics"].get(WAITS).is_some());

    // Too much is done: all go.
    busy.go().unwrap();
    procmon
        .wait_for_stderr(LIMIT, |text| changes(text).1 == ORDER.len())
        .unwrap();
    quiet.go().unwrap();
    quiet.wait_ready(3).unwrap();
    // What is away is absent, the rest goes on.
    let away = wait_for_last(&file, quiet.pid(), |object| {
        object.get(MMAPS) >= Some(mmaps + 10.0) && object.get(MAPPED).is_none()
    });
    assert_eq!(away.get(MMAPS), Some(mmaps + 10.0));
    for gone in [MAPPED, ASLEEP, WAITS] {
        assert!(away.json["metrics"].get(gone).is_none(), "{gone}");
    }

    // It is calm again: all come back, the last first.
    busy.program().signal(libc::SIGKILL).unwrap();
    let text = procmon
        .wait_for_stderr(LIMIT, |text| changes(text).1 == 0)
        .unwrap();
    quiet.go().unwrap();
    quiet.wait_ready(4).unwrap();
    // What has come back begins anew.
    let again = wait_for_last(&file, quiet.pid(), |object| {
        object.get(MMAPS) >= Some(mmaps + 17.0) && object.get(MAPPED).is_some()
    });
    assert_eq!(again.get(MMAPS), Some(mmaps + 17.0));
    assert_eq!(again.get(MAPPED), Some(7.0 * 8192.0));
    for returned in [ASLEEP, WAITS] {
        assert!(again.json["metrics"].get(returned).is_some(), "{returned}");
    }

    quiet.finish().unwrap();
    assert!(procmon.wait(SOON).unwrap().status.success());
    let report = fs::read_to_string(report).unwrap();
    assert!(changes(&report).0 >= changes(&text).0, "{report}");
}
