//! Kernel maps with room for next to nothing.

use std::fs;

use procmon_tests::{Procmon, Victim, jsonl, program::SOON, strace::file_key, victim};

use crate::support::*;

const PROCESSES: &str = "PROCMON_KERNEL_MAX_PROCESSES";
const BUFFER: &str = "PROCMON_KERNEL_EVENTS_BUFFER";

#[test]
fn with_room_for_one_process_that_one_is_counted_right() {
    let mut victim = Victim::held_before("open=7 children=3 open=2").unwrap();
    let run = watch(&[victim.pid()], NEVER).env(PROCESSES, "1");
    let procmon = run.start().unwrap();
    wait_objects(&procmon, 1);
    victim.go().unwrap();
    let output = procmon.wait(SOON).unwrap();
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let objects = objects(&output.stdout);
    assert_eq!(growth(&objects, &file_key("open", None)), Some(7.0));
    assert_eq!(objects.last().unwrap().exit_code(), Some(0));
}

#[test]
fn two_processes_with_room_for_one_are_refused_with_what_to_raise() {
    let pids = [std::process::id(), 1];
    let run = watch(&pids, NEVER).env(PROCESSES, "1");
    assert_refused(&run, 3, &["no room for another process", PROCESSES]);
}

#[test]
fn children_that_find_no_room_are_told_in_the_report_and_the_summary_of_exec() {
    let folder = tempfile::tempdir().unwrap();
    let [lines, report] = ["lines", "report"].map(|name| folder.path().join(name));
    let exec = Procmon::new("exec").env(PROCESSES, "1");
    let exec = exec.arg("--jsonl").arg(&lines).arg("--report").arg(&report);
    let output = output(
        &exec
            .arg("--")
            .arg(victim::path().unwrap())
            .args(["open=7", "children=3"]),
    );
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let objects = jsonl::read(&lines).unwrap();
    let last = jsonl::last(&objects);
    assert_eq!(last.len(), 1, "{last:?}");
    let lost = "what was lost: process map_full 3";
    assert!(output.stderr.contains(lost), "{output:?}");
    let report = fs::read_to_string(report).unwrap();
    assert!(
        report.contains("lost so far: process map_full 3"),
        "{report}"
    );
}

#[test]
fn a_buffer_of_1_byte_and_room_for_no_process_are_refused_with_what_would_do() {
    for value in ["1", "4095", "5000", "many", "-4096"] {
        let run = watch(&[std::process::id()], NEVER).env(BUFFER, value);
        assert_refused(&run, 2, &[BUFFER, value, "a power of two of at least 4096"]);
    }
    for value in ["0", "-1", "all", "4294967296"] {
        let run = watch(&[std::process::id()], NEVER).env(PROCESSES, value);
        assert_refused(&run, 2, &[PROCESSES, value, "at least 1"]);
    }
}
