//! Events while the collector is away, and when procmon is killed meanwhile.

use std::time::Duration;

use procmon_tests::{
    Procmon,
    receiver::{Manner, Receiver},
    watching::{LIMIT, wait_until},
};

use crate::support::*;

#[test]
fn events_survive_an_outage_and_kill_9_in_the_spool_once_each() {
    let mut receiver = Receiver::start().unwrap();
    let state = tempfile::tempdir().unwrap();
    let mut first = Held::before("exec \"$0\" exit=3");
    let second = Held::before("exec \"$0\"");
    let pids = [first.pid(), second.pid()];
    let sending = || sending(&receiver).env("PROCMON_STATE_DIR", state.path());
    let [run, next] = [sending().pid(pids[0]).pid(pids[1]), sending()];
    receiver.stop();
    let run = run.start_watching(LIMIT).unwrap();
    first.go();
    assert_eq!(first.end().status.code(), Some(3));
    let spooled = || {
        let segments = std::fs::read_dir(state.path().join("spool-logs"));
        let files = segments.into_iter().flatten().flatten();
        let sizes = files.map(|file| file.metadata().map_or(0, |of| of.len()));
        sizes.sum::<u64>()
    };
    // More than the headers of the files. Both events may not be of one tick.
    wait_until("the events are in the spool", || spooled() > 300);
    std::thread::sleep(Duration::from_millis(500));
    run.signal(libc::SIGKILL).unwrap();
    run.wait(LIMIT).unwrap();

    receiver.start_again().unwrap();
    let output = finish(second.watched_by(next));
    assert!(
        output.stderr.contains("log records of before"),
        "{output:?}"
    );
    let logs = receiver.logs();
    for (pid, code) in pids.into_iter().zip([3, 0]) {
        assert_eq!(events(&logs, pid), [EXEC, EXIT]);
        let exit = only(&logs, pid, EXIT);
        assert_eq!(exit.attributes.get("process.exit.code").cloned(), int(code));
    }
}

#[test]
fn a_collector_that_takes_no_logs_does_not_keep_the_metrics_waiting() {
    // Nobody is there.
    let gone = procmon_tests::address::free();
    let receiver = Receiver::start().unwrap();
    let procmon = Procmon::new("run")
        .args(["--interval", "200ms"])
        .env("OTEL_EXPORTER_OTLP_ENDPOINT", receiver.url())
        .env("OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf")
        .env(
            "OTEL_EXPORTER_OTLP_LOGS_ENDPOINT",
            format!("http://{gone}/v1/logs"),
        );
    let procmon = Held::before("exec \"$0\"").watched_by(procmon);
    let output = procmon.wait(LIMIT).unwrap();
    assert!(output.status.success(), "{output:?}");
    assert!(!receiver.bodies().is_empty());
    let said = "2 log records were not delivered";
    assert!(output.stderr.contains(said), "{output:?}");
    assert!(
        !output.stderr.contains("points were not delivered"),
        "{output:?}"
    );
}

#[test]
fn logs_that_are_refused_are_said_once_and_counted() {
    let receiver = Receiver::start().unwrap();
    receiver.behave(Manner::Refuse("404 Not Found", ""));
    let procmon = sending(&receiver).env("PROCMON_LOGGING_OTLP", "true");
    let procmon = Held::before("exec \"$0\"").watched_by(procmon);
    let output = procmon.wait(LIMIT).unwrap();
    assert!(output.status.success(), "{output:?}");
    let refused = output.stderr.matches("(logs): a batch was refused").count();
    assert_eq!(refused, 1, "{output:?}");
}
