//! Events of processes.

use std::collections::HashSet;

use procmon_tests::{
    Procmon, Program, Protocol,
    cgroup::{Cgroup, Controller},
    need,
    program::SOON,
    receiver::{
        Receiver,
        signals::{Logged, counters_at},
    },
    strace::file_key,
    victim,
    watching::LIMIT,
};

use crate::support::*;

#[test]
fn exec_and_exit_arrive_once_each_with_the_exact_code_and_the_counters_of_the_last_points() {
    let receiver = Receiver::start().unwrap();
    let mut held = Held::before("exec \"$0\" open=70 dup=30 exit=7");
    let pid = held.pid();
    let procmon = sending(&receiver).pid(pid).start_watching(LIMIT).unwrap();
    let begun = now();
    held.go();
    assert_eq!(held.end().status.code(), Some(7));
    let ended = now();
    finish(procmon);

    let logs = receiver.logs();
    assert_eq!(events(&logs, pid), [EXEC, EXIT]);
    let (exec, exit) = (only(&logs, pid, EXEC), only(&logs, pid, EXIT));
    assert_eq!(exec.resource["process.executable.name"], "victim".into());
    assert_eq!(exec.attributes.get("procmon.exec.count").cloned(), int(1));
    assert_eq!(exit.attributes.get("process.exit.code").cloned(), int(7));
    assert_eq!(exit.attributes.get("procmon.exit.signal"), None);
    assert_eq!((&*exec.severity, &*exit.severity), ("INFO", "WARN"));
    assert!(
        begun - ACCURACY < exec.time && exec.time < exit.time + ACCURACY,
        "{logs:#?}"
    );
    assert!(exit.time < ended + ACCURACY, "{logs:#?}");
    assert!(exit.observed >= exit.time && exec.observed >= exec.time);

    // The loader opens files, too.
    assert_eq!(exit.counters.get(&file_key("dup", None)), Some(&30.0));
    let last = counters_at(&receiver.bodies(), pid, exit.time);
    assert_eq!(exit.counters, last);
}

/// Some 16 MB of events, four times what may wait in memory.
#[test]
fn four_thousand_ends_of_one_tick_are_told_one_by_one() {
    let receiver = Receiver::start().unwrap();
    let held = Held::before("exec \"$0\" run=4000:/bin/true");
    let procmon = Procmon::new("run")
        .args(["--interval", "10m", "--children"])
        .otlp(&receiver.url(), Protocol::Http);
    finish(held.watched_by(procmon));
    let logs = receiver.logs();
    let exits = logs.iter().filter(|record| record.event == EXIT);
    let pids: HashSet<_> = exits.clone().map(Logged::pid).collect();
    // None has the pid of another, nor is told twice.
    assert_eq!((exits.count(), pids.len()), (4_001, 4_001));
}

#[test]
fn a_kill_by_a_signal_is_told_by_its_name() {
    let receiver = Receiver::start().unwrap();
    let held = Held::before("exec \"$0\"");
    let pid = held.pid();
    let procmon = sending(&receiver).pid(pid).start_watching(LIMIT).unwrap();
    // SAFETY: kill(2) with the pid of a child that nobody has waited for.
    unsafe { libc::kill(pid.cast_signed(), libc::SIGKILL) };
    held.end();
    finish(procmon);
    let logs = receiver.logs();
    assert_eq!(events(&logs, pid), [EXIT]);
    let exit = only(&logs, pid, EXIT);
    assert_eq!(exit.attributes["procmon.exit.signal"], "SIGKILL".into());
    assert_eq!(exit.attributes.get("process.exit.code"), None);
}

#[test]
fn an_oom_kill_is_told_before_the_end_that_it_is() {
    let cgroup = need!(Cgroup::new("oom-event", &[Controller::Memory]));
    cgroup.limit_memory(64 << 20).unwrap();
    let victim = victim::path().unwrap().display().to_string();
    let operations = ["print-ready", "wait", "touch=134217728"];
    let mut greedy = Program::start(&mut cgroup.command(&victim, &operations)).unwrap();
    let ready = |text: &str| text.contains("ready ");
    greedy.wait_for_stdout(SOON, ready).unwrap();
    let pid = greedy.pid();
    let receiver = Receiver::start().unwrap();
    let procmon = sending(&receiver).pid(pid).start_watching(LIMIT).unwrap();
    let begun = now();
    greedy.send(b"\n").unwrap();
    greedy.wait(SOON).unwrap();
    finish(procmon);
    let logs = receiver.logs();
    assert_eq!(events(&logs, pid), [OOM_KILLED, EXIT]);
    let (killed, exit) = (only(&logs, pid, OOM_KILLED), only(&logs, pid, EXIT));
    assert_eq!(killed.severity, "ERROR");
    assert!(
        begun - ACCURACY < killed.time && killed.time < exit.time + ACCURACY,
        "{logs:#?}"
    );
    assert_eq!(exit.attributes["procmon.exit.signal"], "SIGKILL".into());
    assert_eq!(exit.counters.get("procmon.oom_kills"), Some(&1.0));
}

/// How many events of processes come of a procmon that watches all, so configured.
fn of_all(receiver: &Receiver, change: impl FnOnce(Procmon) -> Procmon) -> usize {
    let procmon = change(sending(receiver).arg("--all"));
    let procmon = procmon.start_watching(LIMIT).unwrap();
    let mut held = Held::before("exec \"$0\" open=5");
    let pid = held.pid();
    held.go();
    held.end();
    // It has been seen when a later tick's points are there.
    let ticks = |receiver: &Receiver| receiver.bodies().len();
    let before = ticks(receiver);
    procmon_tests::watching::wait_until("later ticks", || ticks(receiver) > before + 4);
    stop(procmon);
    events(&receiver.logs(), pid).len()
}

#[test]
fn all_processes_tell_no_events_unless_asked_for() {
    let receiver = Receiver::start().unwrap();
    assert_eq!(of_all(&receiver, |procmon| procmon), 0);
    let asked = of_all(&receiver, |procmon| {
        procmon.env("PROCMON_EXPORT_OTLP_EVENTS", "true")
    });
    // The shell's own execve, that of the victim, and the end; two in one tick are one event.
    assert!((2..=3).contains(&asked), "{asked}");
}

#[test]
fn chosen_processes_tell_none_where_that_is_switched_off() {
    let receiver = Receiver::start().unwrap();
    let procmon = sending(&receiver).env("PROCMON_EXPORT_OTLP_EVENTS", "false");
    finish(Held::before("exec \"$0\"").watched_by(procmon));
    assert!(!receiver.bodies().is_empty());
    assert_eq!(receiver.logs(), []);
}

#[test]
fn the_endpoint_of_metrics_alone_takes_no_events() {
    let receiver = Receiver::start().unwrap();
    let endpoint = format!("{}/v1/metrics", receiver.url());
    let procmon = Procmon::new("run")
        .args(["--interval", "200ms"])
        .env("OTEL_EXPORTER_OTLP_METRICS_ENDPOINT", endpoint)
        .env("OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf");
    finish(Held::before("exec \"$0\"").watched_by(procmon));
    assert!(!receiver.bodies().is_empty());
    assert_eq!(receiver.logs(), []);
}

#[test]
fn the_endpoint_of_logs_alone_takes_no_metrics() {
    let receiver = Receiver::start().unwrap();
    let held = Held::before("exec \"$0\"");
    let pid = held.pid();
    let endpoint = format!("{}/elsewhere", receiver.url());
    let procmon = Procmon::new("run")
        .args(["--interval", "200ms"])
        .env("OTEL_EXPORTER_OTLP_LOGS_ENDPOINT", endpoint)
        .env("OTEL_EXPORTER_OTLP_LOGS_PROTOCOL", "http/protobuf");
    finish(held.watched_by(procmon));
    let logs = procmon_tests::receiver::signals::logs(&receiver.bodies_of("/elsewhere"));
    assert_eq!(events(&logs, pid), [EXEC, EXIT]);
    assert_eq!(receiver.bodies(), Vec::<Vec<u8>>::new());
}
