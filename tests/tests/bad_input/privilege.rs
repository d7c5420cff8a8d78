//! Without privilege.

use procmon_tests::{Procmon, Program, Victim, program::SOON, strace::file_key};
use serde_json::Value;

use crate::support::*;

#[test]
fn an_unprivileged_run_explains_what_to_do_and_exits_3() {
    let public = Public::new();
    let output = finish(public.as_nobody(&watch(&[std::process::id()], "1s")));
    assert_eq!(output.status.code(), Some(3), "{output:?}");
    assert_eq!(output.stdout, "");
    for word in ["65534", "CAP_BPF", "root", "--no-ebpf"] {
        assert!(output.stderr.contains(word), "{output:?}");
    }
    assert_eq!(output.stderr.lines().count(), 1, "{output:?}");
}

#[test]
fn an_unprivileged_exec_exits_3_and_does_not_run_the_command() {
    let public = Public::new();
    let exec = Procmon::new("exec").args(["--", "echo", "ran"]);
    let output = finish(public.as_nobody(&exec));
    assert_eq!(output.status.code(), Some(3), "{output:?}");
    assert_eq!(output.stdout, "");
}

#[test]
fn unprivileged_no_ebpf_works_from_proc_and_says_once_what_is_missing() {
    let public = Public::new();
    let run = watch(&[1], "50ms").args(["--count", "5", "--no-ebpf"]);
    let output = finish(public.as_nobody(&run));
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let objects = objects(&output.stdout);
    assert_eq!(objects.len(), 5);
    for object in &objects {
        assert!(
            object
                .get("process.memory.usage")
                .is_some_and(|bytes| bytes > 0.0)
        );
        let absent = object
            .metrics
            .keys()
            .find(|key| key.starts_with("process.disk.io"));
        assert_eq!(absent, None, "what may not be read is not 0");
        assert!(object.json["process"]["path"].is_null());
    }
    for field in ["io", "exe"] {
        let line = format!("{field} is left out where it cannot be read");
        assert_eq!(times(&output.stderr, &line), 1, "{output:?}");
    }
    assert_eq!(times(&output.stderr, "no eBPF"), 1, "{output:?}");
}

#[test]
fn unprivileged_no_ebpf_exec_works() {
    let public = Public::new();
    let exec = Procmon::new("exec").args(["--no-ebpf", "--", "sh", "-c", "id -u; exit 6"]);
    let output = finish(public.as_nobody(&exec));
    assert_eq!(output.status.code(), Some(6), "{output:?}");
    assert_eq!(output.stdout, format!("{NOBODY}\n"));
    assert!(output.stderr.contains("not seen: "), "{output:?}");
}

#[test]
fn cap_bpf_and_cap_perfmon_alone_count_every_call_of_another_users_process() {
    let public = Public::new();
    let mut victim = Victim::held_before("open=50 open-fail=11 dup=9").unwrap();
    let run = public.as_nobody(&watch(&[victim.pid()], NEVER));
    let procmon = Program::start(&mut with_capabilities(&run)).unwrap();
    wait_objects(&procmon, 1);
    victim.go().unwrap();
    victim.finish().unwrap();
    let output = procmon.wait(SOON).unwrap();
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let objects = objects(&output.stdout);
    assert!(objects.last().unwrap().has_exited(), "{output:?}");
    for (key, count) in [
        (file_key("open", None), 50.0),
        (file_key("open", Some("ENOENT")), 11.0),
        (file_key("dup", None), 9.0),
    ] {
        let before = objects[0].get(&key).unwrap_or(0.0);
        let after = objects.last().unwrap().get(&key);
        assert_eq!(after, Some(before + count), "{key}: {output:?}");
    }
    // tracefs is made for root alone.
    let said = "tracefs may not be read: one program on sys_exit stands in";
    assert!(output.stderr.contains(said), "{output:?}");
}

#[test]
fn an_unprivileged_snapshot_works() {
    let public = Public::new();
    for format in ["table", "json"] {
        let snapshot = Procmon::new("snapshot").args(["--format", format]);
        let output = finish(public.as_nobody(&snapshot));
        assert_eq!(output.status.code(), Some(0), "{output:?}");
        assert!(output.stdout.lines().count() > 2, "{output:?}");
    }
}

#[test]
fn an_unprivileged_zombie_of_others_is_not_said_to_have_ended_well() {
    let public = Public::new();
    let mut dead = std::process::Command::new(procmon_tests::victim::path().unwrap());
    let dead = Program::start(dead.arg("exit=5")).unwrap();
    wait_zombie(dead.pid());
    let run = watch(&[dead.pid()], NEVER).arg("--no-ebpf");
    let output = finish(public.as_nobody(&run));
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let objects = objects(&output.stdout);
    let exited = &objects[0].json["exited"];
    assert!(
        exited["code"].is_null() && exited["signal"].is_null(),
        "{exited}"
    );
}

/// What `procmon doctor` says of tracefs, and of all probes in one line.
fn doctor(of: impl FnOnce(&Procmon) -> std::process::Command) -> (Value, Value) {
    let output = finish(of(&Procmon::new("doctor").arg("--json")));
    let diagnosis: Value = serde_json::from_str(&output.stdout).expect(&output.stderr);
    let mut host = diagnosis["host"].as_array().unwrap().iter();
    let tracefs = host.find(|finding| finding["name"] == "tracefs").unwrap();
    (tracefs.clone(), diagnosis["summary"].clone())
}

#[test]
fn an_unprivileged_doctor_says_that_tracefs_may_not_be_read_and_what_to_do() {
    let public = Public::new();
    let told = |tracefs: Value| {
        assert_eq!(tracefs["ok"], false, "{tracefs}");
        let found = tracefs["found"].as_str().unwrap();
        assert!(
            found.contains("/sys/kernel/tracing may not be read: "),
            "{tracefs}"
        );
        let advice = tracefs["advice"].as_str().unwrap();
        assert!(advice.contains("CAP_DAC_READ_SEARCH"), "{tracefs}");
    };
    told(doctor(|doctor| public.as_nobody(doctor)).0);
    let (tracefs, _) = doctor(|doctor| with_capabilities(&public.as_nobody(doctor)));
    told(tracefs);
    // As advised.
    let (tracefs, summary) =
        doctor(|doctor| with_just("+bpf,+perfmon,+dac_read_search", &public.as_nobody(doctor)));
    assert_eq!(tracefs["ok"], true, "{tracefs}");
    let (_, roots) = doctor(|doctor| doctor.command().unwrap());
    assert_eq!(summary, roots);
}
