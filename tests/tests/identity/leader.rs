//! A leader that ends before the other threads is a zombie, of a process that lives on.

use procmon_tests::{Victim, ground, program::SOON, strace::file_key, victim};

use crate::support::*;

/// Asserts that an object tells what /proc tells of the thread that is left.
fn assert_lives(object: &procmon_tests::jsonl::Object, road: &[&str]) {
    let pid = object.pid;
    let others = ground::other_threads(pid).unwrap();
    let [thread] = others[..] else {
        panic!("one thread is left, not {others:?}")
    };
    let status = format!("task/{thread}/status");
    let kernel = [
        ground::entries(pid, "task").unwrap(),
        ground::entries(pid, &format!("task/{thread}/fd")).unwrap(),
        ground::line(pid, &status, "VmSize").unwrap(),
    ];
    let ours = [
        "process.thread.count",
        "process.unix.file_descriptor.count",
        "process.memory.virtual",
    ]
    .map(|key| number(object, key));
    assert_eq!(ours, kernel, "{road:?} {object:?}");
    for key in ["process.memory.usage", "procmon.memory.uss"] {
        assert!(number(object, key) > 0, "{road:?} {key}");
    }
    assert_eq!(object.executable(), "victim", "{road:?}");
    let path = victim::path().unwrap().display().to_string();
    for word in ["path", "command"] {
        assert_eq!(object.json["process"][word], path, "{road:?}");
    }
    assert!(!object.has_exited(), "{road:?}");
}

#[test]
fn a_process_whose_leader_ends_first_lives_until_its_last_thread_ends_and_ends_once() {
    for road in ROADS {
        let then = "open-keep=7 leader-exit=9 open-keep=5 print-ready wait exit=4";
        let mut victim = Victim::held_before(then).unwrap();
        let procmon = watch(&[victim.pid()], "50ms").args(road).start().unwrap();
        wait_objects(&procmon, 1);
        victim.go().unwrap();
        victim.wait_ready(2).unwrap();
        wait_zombie(victim.pid());
        let seen = objects(&procmon.stdout()).len();
        // One pass may have begun before that.
        let lives = wait_objects(&procmon, seen + 4);
        assert_lives(lives.last().unwrap(), road);
        let status = victim.finish().unwrap().status;
        let output = procmon.wait(SOON).unwrap();
        assert_eq!(output.status.code(), Some(0), "{output:?}");
        let objects = objects(&output.stdout);
        let last = objects.last().unwrap();
        assert_eq!(ends(&objects), 1, "{road:?}");
        assert!(last.has_exited(), "{road:?}");
        assert_eq!(status.code(), Some(4));
        if road.is_empty() {
            assert_eq!(last.exit_code(), Some(4));
            // The victim looks for its leader's state: one open and its close.
            let opens = growth(&objects, &file_key("open", None));
            assert_eq!(opens, Some(7.0 + 5.0 + 1.0));
        }
    }
}

#[test]
fn a_process_whose_leader_had_ended_before_procmon_came_is_shown_whole() {
    for road in ROADS {
        let then = "spin=20 leader-exit=9 spin=10 open-keep=3 print-ready wait open=6 exit=4";
        let mut victim = Victim::held_before(then).unwrap();
        victim.go().unwrap();
        victim.wait_ready(2).unwrap();
        wait_zombie(victim.pid());
        let [thread] = ground::other_threads(victim.pid()).unwrap()[..] else {
            panic!("one thread is left")
        };
        wait_asleep(thread);
        let procmon = watch(&[victim.pid()], NEVER).args(road).start().unwrap();
        let first = &wait_objects(&procmon, 1)[0];
        assert_lives(first, road);
        let kernel = ground::cpu_ns(victim.pid()).unwrap();
        assert_eq!(ns(first, ON_CPU), kernel, "{road:?}");
        victim.finish().unwrap();
        let output = procmon.wait(SOON).unwrap();
        let objects = objects(&output.stdout);
        assert_eq!(ends(&objects), 1, "{road:?}");
        let last = objects.last().unwrap();
        assert_eq!(last.executable(), "victim", "{road:?}");
        if road.is_empty() {
            assert_eq!(last.exit_code(), Some(4));
            assert_eq!(growth(&objects, &file_key("open", None)), Some(6.0));
        }
    }
}

#[test]
fn the_code_is_what_wait_says_when_the_last_thread_ends_alone() {
    let mut victim = Victim::held_before("leader-exit=9 exit-thread=5").unwrap();
    let procmon = watch(&[victim.pid()], NEVER).start().unwrap();
    wait_objects(&procmon, 1);
    victim.go().unwrap();
    let status = victim.finish().unwrap().status;
    let output = procmon.wait(SOON).unwrap();
    let objects = objects(&output.stdout);
    let code = objects.last().unwrap().exit_code();
    assert_eq!(code, status.code().map(i64::from));
}
