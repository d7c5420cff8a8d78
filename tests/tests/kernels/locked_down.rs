//! Under `lockdown=confidentiality` programs may not read kernel memory. There is no way back
//! from it, so these run in the machines of `cargo xtask vmtest` only, after all others.

use std::fs;

use procmon_tests::{
    Procmon, Victim, ground, jsonl,
    watching::{wait_asleep, wait_until},
};

use crate::{LIMIT, diagnosis};

fn assert_locked_down() {
    let mode = fs::read_to_string("/sys/kernel/security/lockdown").unwrap();
    assert!(mode.contains("[confidentiality]"), "{mode}");
}

#[test]
fn locked_down_doctor_says_what_to_do() {
    assert_locked_down();
    let output = Procmon::new("doctor").arg("--json").output(LIMIT).unwrap();
    let diagnosis = diagnosis(&output);
    assert_eq!(output.status.code(), Some(3), "{diagnosis:#}");
    let host = diagnosis["host"].as_array().unwrap();
    let lockdown = host.iter().find(|finding| finding["name"] == "lockdown");
    let lockdown = lockdown.unwrap();
    assert_eq!(lockdown["ok"], false);
    assert_eq!(lockdown["found"], "confidentiality");
    let advice = lockdown["advice"].as_str().unwrap();
    assert!(advice.contains("--no-ebpf"), "{advice}");
}

#[test]
fn locked_down_run_ends_with_3_and_advice() {
    assert_locked_down();
    let victim = Victim::held_before("").unwrap();
    let run = Procmon::new("run").pid(victim.pid()).args(["--count", "1"]);
    let output = run.output(LIMIT).unwrap();
    assert_eq!(output.status.code(), Some(3), "{output:?}");
    for words in ["lockdown", "confidentiality", "--no-ebpf"] {
        assert!(output.stderr.contains(words), "{words}: {}", output.stderr);
    }
}

#[test]
fn locked_down_reports_what_proc_says_and_the_end() {
    assert_locked_down();
    let then = "touch=4000000 open-keep=5 spin=50 sleep=5 thread=5 print-ready wait exit=7";
    let mut victim = Victim::held_before(then).unwrap();
    victim.go().unwrap();
    victim.wait_ready(2).unwrap();
    let pid = victim.pid();
    wait_asleep(pid);
    let folder = tempfile::tempdir().unwrap();
    let [lines, report] = ["lines", "report"].map(|name| folder.path().join(name));
    let procmon = Procmon::new("run")
        .pid(pid)
        .args(["--no-ebpf", "--interval", "50ms", "--jsonl"])
        .arg(&lines)
        .arg("--report")
        .arg(&report)
        .start()
        .unwrap();
    let written = || fs::read_to_string(&lines).unwrap_or_default();
    wait_until("three ticks", || written().lines().count() > 3);
    let line = |file, name| ground::line(pid, file, name).unwrap();
    let kernel = [
        ("process.memory.virtual", line("status", "VmSize")),
        ("process.thread.count", line("status", "Threads")),
        (
            "process.unix.file_descriptor.count",
            ground::entries(pid, "fd").unwrap(),
        ),
        (
            "procmon.io.logical{disk.io.direction=\"read\"}",
            line("io", "rchar"),
        ),
        (
            "process.paging.faults{system.paging.fault.type=\"minor\"}",
            ground::stat(pid, 10).unwrap(),
        ),
    ];
    victim.finish().unwrap();
    let output = procmon.wait(LIMIT).unwrap();
    assert!(output.status.success(), "{output:?}");
    let objects = jsonl::parse(&written()).unwrap();
    let (last, live) = objects.split_last().unwrap();
    assert!(live.len() >= 3 && last.has_exited(), "{objects:?}");
    // It slept at all ticks but maybe the last.
    for object in &live[..3] {
        for (key, value) in &kernel {
            assert_eq!(object.get(key), Some(*value as f64), "{key}: {object:?}");
        }
    }
    let report = fs::read_to_string(&report).unwrap();
    assert!(report.contains(&pid.to_string()), "{report}");
}
