//! Whom to watch: processes that are missing, ending, ended, or the kernel's.

use std::process::{Child, Command, Stdio};

use procmon_tests::{
    Procmon, Program, Victim, ground,
    next_pid::{self, LAST_PID},
    program::SOON,
    skip,
    strace::{file_key, memory_key},
    victim,
};
use serde_json::{Value, json};

use crate::support::*;

const MISSING: u32 = 3_999_999;

#[test]
fn run_of_a_missing_pid_explains_itself_and_exits_2() {
    assert_refused(&watch(&[MISSING], "1s"), 2, &["no process has pid 3999999"]);
}

#[test]
fn one_of_several_pids_missing_is_named_alone() {
    let own = std::process::id();
    let output = assert_refused(&watch(&[own, MISSING, 1], "1s"), 2, &["pid 3999999"]);
    assert_eq!(times(&output.stderr, "pid "), 1, "{output:?}");
    let second = MISSING - 1;
    let output = watch(&[MISSING, own, second], "1s").arg("--no-ebpf");
    assert_refused(&output, 2, &["3999999", "3999998"]);
}

#[test]
fn pid_0_is_explained_and_exits_2() {
    assert_refused(&watch(&[0], "1s"), 2, &["pid 0", "idle task"]);
}

#[test]
fn snapshot_of_a_missing_pid_exits_2() {
    let snapshot = Procmon::new("snapshot").pid(MISSING);
    assert_refused(&snapshot, 2, &["no process has pid 3999999"]);
}

#[test]
fn a_thread_id_names_the_process_it_belongs_to() {
    let mut threads = Command::new(victim::path().unwrap());
    let threads = Program::start(threads.args(["threads=2", "print-ready", "wait"])).unwrap();
    threads
        .wait_for_stdout(SOON, |text| text.lines().count() == 2)
        .unwrap();
    let tid = ground::other_threads(threads.pid()).unwrap()[0];
    let said = format!("{tid} is a thread of process {}", threads.pid());
    assert_refused(&watch(&[tid], "1s"), 2, &[&said]);
}

fn exited(object: &procmon_tests::jsonl::Object) -> (Value, Value) {
    let exited = &object.json["exited"];
    (exited["code"].clone(), exited["signal"].clone())
}

#[test]
fn a_pid_that_exits_while_watched_leaves_a_last_object_with_code_and_final_metrics() {
    let mut victim =
        Victim::held_before("mmap=100:8192 open=50 open-fail=7 spin=20 exit=7").unwrap();
    let procmon = watch(&[victim.pid()], NEVER).start().unwrap();
    wait_objects(&procmon, 1);
    victim.go().unwrap();
    // It is not reaped before procmon has ended: its zombie is an end, too.
    let output = procmon.wait(SOON).unwrap();
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let objects = objects(&output.stdout);
    let last = objects.last().unwrap();
    assert_eq!(exited(last), (json!(7), Value::Null));
    let expected = [
        (memory_key("mmap", None), 100.0),
        (file_key("open", None), 50.0),
        (file_key("open", Some("ENOENT")), 7.0),
    ];
    for (key, count) in expected {
        assert_eq!(last.get(&key), Some(count), "{key}");
    }
    let spent = growth(&objects, "procmon.cpu.on_cpu.time").unwrap();
    assert!(spent >= 0.02, "{spent} s of 20 ms");
    assert_eq!(last.get("process.memory.usage"), None, "it has no memory");
}

#[test]
fn a_pid_that_is_killed_while_watched_leaves_a_last_object_with_the_signal() {
    for road in ROADS {
        let mut victim = Victim::held_before("kill=SIGKILL").unwrap();
        let procmon = watch(&[victim.pid()], NEVER).args(road).start().unwrap();
        wait_objects(&procmon, 1);
        victim.go().unwrap();
        let output = procmon.wait(SOON).unwrap();
        assert_eq!(output.status.code(), Some(0), "{output:?}");
        let objects = objects(&output.stdout);
        let end = exited(objects.last().unwrap());
        assert_eq!(end, (Value::Null, json!("SIGKILL")), "{road:?}");
    }
}

#[test]
fn a_pid_that_exits_and_is_reaped_at_once_ends_the_run_with_status_0() {
    for road in ROADS {
        let mut victim = reaped_at_once();
        let procmon = watch(&[victim.0], NEVER).args(road).start().unwrap();
        wait_objects(&procmon, 1);
        victim.1.take();
        let output = procmon.wait(SOON).unwrap();
        assert_eq!(output.status.code(), Some(0), "{road:?} {output:?}");
        let objects = objects(&output.stdout);
        let last = objects.last().unwrap();
        assert!(last.has_exited(), "{road:?} {last:?}");
        if road.is_empty() {
            assert_eq!(exited(last), (json!(3), Value::Null));
        }
    }
}

/// A process that ends with 3 when its stdin closes, and somebody who waits for it.
fn reaped_at_once() -> (u32, Option<std::process::ChildStdin>) {
    let mut child: Child = Command::new(victim::path().unwrap())
        .args(["wait", "exit=3"])
        .stdin(Stdio::piped())
        .spawn()
        .unwrap();
    let (pid, stdin) = (child.id(), child.stdin.take());
    std::thread::spawn(move || child.wait());
    (pid, stdin)
}

#[test]
fn without_ebpf_the_end_of_the_last_pid_ends_the_run_before_the_next_tick() {
    let mut first = Victim::held_before("exit=1").unwrap();
    let mut second = Victim::held_before("exit=2").unwrap();
    let pids = [first.pid(), second.pid()];
    let procmon = watch(&pids, NEVER).arg("--no-ebpf").start().unwrap();
    wait_objects(&procmon, 2);
    first.go().unwrap();
    second.go().unwrap();
    let output = procmon.wait(SOON).unwrap();
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let objects = objects(&output.stdout);
    for (pid, code) in pids.into_iter().zip([1, 2]) {
        let own = of(&objects, pid);
        assert_eq!(exited(own.last().unwrap()), (json!(code), Value::Null));
    }
}

#[test]
fn several_pids_end_the_run_when_all_have_exited() {
    let mut first = Victim::held_before("exit=1").unwrap();
    let mut second = Victim::held_before("exit=2").unwrap();
    let pids = [first.pid(), second.pid()];
    let mut procmon = watch(&pids, "50ms").start().unwrap();
    wait_objects(&procmon, 2);
    first.go().unwrap();
    let text = procmon.wait_for_stdout(SOON, |text| text.contains("\"exited\""));
    let after = objects(&text.unwrap()).len() + 3;
    wait_objects(&procmon, after);
    assert!(procmon.is_running(), "one of two still lives");
    second.go().unwrap();
    let output = procmon.wait(SOON).unwrap();
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let objects = objects(&output.stdout);
    for (pid, code) in pids.into_iter().zip([1, 2]) {
        let own = of(&objects, pid);
        let ends = own.iter().filter(|object| object.has_exited()).count();
        assert_eq!(ends, 1, "pid {pid} ends once");
        assert_eq!(exited(own.last().unwrap()), (json!(code), Value::Null));
    }
}

#[test]
fn a_zombie_from_before_is_told_as_exited_and_ends_the_run() {
    for road in ROADS {
        for (end, expected) in [
            ("exit=5", (json!(5), Value::Null)),
            ("kill=SIGTERM", (Value::Null, json!("SIGTERM"))),
            ("exit=0", (json!(0), Value::Null)),
        ] {
            let mut dead = Command::new(victim::path().unwrap());
            let dead = Program::start(dead.args(["spin=10", end])).unwrap();
            wait_zombie(dead.pid());
            let output = output(&watch(&[dead.pid()], NEVER).args(road));
            assert_eq!(output.status.code(), Some(0), "{output:?}");
            let objects = objects(&output.stdout);
            assert_eq!(objects.len(), 1, "{road:?} {output:?}");
            assert_eq!(exited(&objects[0]), expected, "{road:?}");
            assert_eq!(objects[0].json["process"]["executable"], "victim");
            let spent = objects[0].get("procmon.cpu.on_cpu.time").unwrap();
            assert!(spent >= 0.01, "{road:?}: {spent} s of 10 ms");
            assert_eq!(objects[0].get("process.memory.usage"), None);
        }
    }
}

#[test]
fn a_kernel_thread_by_pid_has_no_memory_rather_than_none_of_it() {
    for road in ROADS {
        let output = output(&watch(&[2], "1s").args(["--count", "1"]).args(road));
        assert_eq!(output.status.code(), Some(0), "{output:?}");
        let objects = objects(&output.stdout);
        assert_eq!(objects[0].json["process"]["executable"], "kthreadd");
        let sizes: Vec<_> = objects[0]
            .metrics
            .keys()
            .filter(|key| key.starts_with("process.memory.") || key.contains("memory.resident"))
            .collect();
        assert!(sizes.is_empty(), "{road:?} {sizes:?}");
        assert!(objects[0].get("procmon.cpu.on_cpu.time").is_some());
    }
}

#[test]
fn kernel_threads_are_left_out_of_all_unless_asked_for() {
    let all = Procmon::new("run").args(["--all", "--count", "1", "--jsonl", "-"]);
    let with = Procmon::new("run").args(["--all", "--kernel-threads", "--count", "1", "--jsonl"]);
    let with = with.arg("-");
    for road in ROADS {
        let has_kthreadd = |run: &Procmon| {
            let output = run.output(LIMIT).unwrap();
            assert_eq!(output.status.code(), Some(0), "{output:?}");
            let objects = objects(&output.stdout);
            assert!(!of(&objects, std::process::id()).is_empty());
            !of(&objects, 2).is_empty()
        };
        assert!(!has_kthreadd(&clone_with(&all, road)), "{road:?}");
        assert!(has_kthreadd(&clone_with(&with, road)), "{road:?}");
    }
}

fn clone_with(run: &Procmon, more: &[&str]) -> Procmon {
    let command = run.command().unwrap();
    let mut arguments = command.get_args();
    let subcommand = arguments.next().unwrap().to_str().unwrap();
    Procmon::new(subcommand).args(arguments).args(more)
}

#[test]
fn a_reused_pid_is_a_new_process() {
    if !next_pid::can_be_chosen() {
        skip!("no {LAST_PID}: a pid cannot be used again at will");
    }
    for road in ROADS {
        let keeps_it_running = Victim::held_before("").unwrap();
        let mut first = Command::new(victim::path().unwrap())
            .arg("wait")
            .stdin(Stdio::piped())
            .spawn()
            .unwrap();
        let pid = first.id();
        let procmon = watch(&[pid, keeps_it_running.pid()], "1s")
            .args(road)
            .start()
            .unwrap();
        wait_objects(&procmon, 2);
        first.kill().unwrap();
        first.wait().unwrap();
        let cat = || Program::start(&mut Command::new("cat")).unwrap();
        let Some(second) = next_pid::start_as(pid, cat, Program::pid) else {
            skip!("pid {pid} was taken by others each time");
        };
        let seen = wait_objects(&procmon, 2).len();
        wait_objects(&procmon, seen + 4);
        let objects = objects(&procmon.stdout());
        drop(second);
        let own = of(&objects, pid);
        assert!(own.last().unwrap().has_exited(), "{road:?} {own:?}");
        for object in &own {
            assert_eq!(object.creation_time, own[0].creation_time, "{road:?}");
            assert_eq!(object.json["process"]["executable"], "victim", "{road:?}");
        }
    }
}
