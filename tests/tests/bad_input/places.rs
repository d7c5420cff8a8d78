//! Kernels and namespaces that lack something.

use std::fs;

use procmon_tests::{
    Procmon, Victim, jsonl,
    program::SOON,
    strace::{FILES, MEMORY},
    victim,
};

use crate::support::*;

const MOUNTS: &[&str] = &["unshare", "--mount", "--propagation", "private"];
const PIDS: &[&str] = &["unshare", "--pid", "--fork", "--mount-proc"];
const UNMOUNT: &str = "umount -l /sys/kernel/debug 2>/dev/null; umount -l /sys/kernel/tracing;";

#[test]
fn without_btf_run_exits_3_with_advice() {
    let script = "mount -t tmpfs none /sys/kernel/btf && exec \"$@\"";
    let run = watch(&[std::process::id()], "1s");
    let output = finish(wrapped(MOUNTS, script, &run));
    assert_eq!(output.status.code(), Some(3), "{output:?}");
    for word in ["BTF", "CONFIG_DEBUG_INFO_BTF=y", "--no-ebpf"] {
        assert!(output.stderr.contains(word), "{output:?}");
    }
    let run = run.args(["--no-ebpf", "--count", "1"]);
    let output = finish(wrapped(MOUNTS, script, &run));
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert_eq!(objects(&output.stdout).len(), 1);
}

/// What procmon counts of a victim, run by this script, and what it says.
fn counted(script: &str) -> (std::collections::BTreeMap<String, u64>, String) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("lines");
    let exec = Procmon::new("exec")
        .arg("--jsonl")
        .arg(&file)
        .arg("--")
        .arg(victim::path().unwrap())
        .args([
            "mmap=100:8192",
            "munmap=40",
            "open=50",
            "open-fail=11",
            "dup=9",
            "pipe=4",
        ]);
    let output = finish(wrapped(MOUNTS, script, &exec));
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let objects = jsonl::read(&file).unwrap();
    (jsonl::totals(&objects, &[MEMORY, FILES]), output.stderr)
}

#[test]
fn tracefs_that_is_not_mounted_is_mounted_and_said_so() {
    let (expected, said) = counted("exec \"$@\"");
    assert!(!said.contains("tracefs"), "{said}");
    let (counts, said) = counted(&format!("{UNMOUNT} exec \"$@\""));
    assert!(
        said.contains("tracefs was not mounted: it is now"),
        "{said}"
    );
    assert_eq!(counts, expected);
}

#[test]
fn without_tracefs_counting_is_still_right_and_the_fallback_is_said() {
    let (expected, _) = counted("exec \"$@\"");
    // Without the privilege to mount it there is no tracefs at all.
    let script = format!(
        "{UNMOUNT} exec setpriv --bounding-set -all,+bpf,+perfmon --inh-caps -all,+bpf,+perfmon \
         \"$@\""
    );
    let (counts, said) = counted(&script);
    assert!(
        said.contains("degraded") && said.contains("no tracefs"),
        "{said}"
    );
    assert_eq!(counts, expected);
}

#[test]
fn a_doctor_that_may_not_mount_tracefs_says_that_it_is_not_mounted_and_what_to_do() {
    let script = format!("{UNMOUNT} exec setpriv --bounding-set -sys_admin \"$@\"");
    let output = finish(wrapped(MOUNTS, &script, &Procmon::new("doctor")));
    for words in [
        "--  tracefs        not mounted on /sys/kernel/tracing",
        "mount -t tracefs tracefs /sys/kernel/tracing",
    ] {
        assert!(output.stdout.contains(words), "{words}: {output:?}");
    }
}

#[test]
fn in_a_pid_namespace_ebpf_is_refused_with_the_reason() {
    let script = "exec \"$@\"";
    let run = Procmon::new("run").args(["--pid", "1", "--count", "1", "--jsonl", "-"]);
    let output = finish(wrapped(PIDS, script, &run));
    assert_eq!(output.status.code(), Some(3), "{output:?}");
    for word in ["PID namespace", "--pid=host", "--no-ebpf"] {
        assert!(output.stderr.contains(word), "{output:?}");
    }
    let output = finish(wrapped(PIDS, script, &run.arg("--no-ebpf")));
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let objects = objects(&output.stdout);
    assert_eq!(
        objects[0].json["process"]["executable"], "procmon",
        "pid 1 is its own"
    );
}

#[test]
fn files_of_proc_that_say_nothing_are_left_out_with_one_line_each() {
    let folder = tempfile::tempdir().unwrap();
    let garbage = folder.path().join("garbage");
    fs::write(&garbage, "VmRSS: many kB\nrchar").unwrap();
    let victim = Victim::held_before("").unwrap();
    let pid = victim.pid();
    let mounts: String = ["status", "io", "limits", "cgroup"]
        .iter()
        .map(|file| format!("mount --bind {} /proc/{pid}/{file} && ", garbage.display()))
        .collect();
    let run = watch(&[pid], "50ms").args(["--count", "4", "--no-ebpf"]);
    let output = finish(wrapped(MOUNTS, &format!("{mounts} exec \"$@\""), &run));
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let objects = objects(&output.stdout);
    assert_eq!(objects.len(), 4, "{output:?}");
    for object in &objects {
        let disk = object
            .metrics
            .keys()
            .find(|key| key.starts_with("process.disk.io"));
        assert_eq!(disk, None);
        assert!(
            object.get("process.memory.usage").is_some(),
            "stat still tells"
        );
    }
    for file in ["io", "limits"] {
        let line = format!("{file} is left out where it cannot be read");
        assert_eq!(times(&output.stderr, &line), 1, "{output:?}");
    }
    for line in output.stderr.lines() {
        assert!(line.starts_with("procmon: "), "one line each: {line:?}");
    }
}

#[test]
fn a_stat_that_cannot_be_read_at_start_is_no_panic() {
    let folder = tempfile::tempdir().unwrap();
    let garbage = folder.path().join("garbage");
    fs::write(&garbage, "1 (victim").unwrap();
    let victim = Victim::held_before("").unwrap();
    let script = format!(
        "mount --bind {} /proc/{}/stat && exec \"$@\"",
        garbage.display(),
        victim.pid()
    );
    let run = watch(&[victim.pid()], "50ms").args(["--count", "2", "--no-ebpf"]);
    let output = finish(wrapped(MOUNTS, &script, &run));
    assert!(matches!(output.status.code(), Some(0..=3)), "{output:?}");
    assert!(output.stderr.contains("stat"), "{output:?}");
    assert!(output.took < SOON);
}
