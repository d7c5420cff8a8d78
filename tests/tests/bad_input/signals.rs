//! Ends from outside.

use std::{fs, net::TcpListener, time::Duration};

use procmon_tests::{Procmon, Program, Victim, program::SOON, strace::memory_key};

use crate::support::*;

#[test]
fn sigint_and_sigterm_end_with_status_0_and_the_latest_values() {
    for road in [&[][..], &["--no-ebpf"]] {
        for signal in [libc::SIGINT, libc::SIGTERM] {
            let mut busy = Victim::held_before("mmap=100:8192 spin=30 print-ready wait").unwrap();
            let mut brief = Victim::held_before("exit=9").unwrap();
            let pids = [busy.pid(), brief.pid()];
            let procmon = watch(&pids, NEVER).args(road).start().unwrap();
            wait_objects(&procmon, 2);
            busy.go().unwrap();
            busy.wait_ready(2).unwrap();
            brief.go().unwrap();
            wait_zombie(brief.pid());
            procmon.signal(signal).unwrap();
            let output = procmon.wait(SOON).unwrap();
            assert_eq!(output.status.code(), Some(0), "{output:?}");
            let objects = objects(&output.stdout);
            let own = of(&objects, busy.pid());
            assert!(
                growth(&own, "procmon.cpu.on_cpu.time").unwrap() >= 0.03,
                "{own:?}"
            );
            if road.is_empty() {
                assert_eq!(growth(&own, &memory_key("mmap", None)), Some(100.0));
            }
            let ended = of(&objects, brief.pid());
            assert_eq!(
                ended.last().unwrap().json["exited"]["code"],
                9,
                "{road:?} {ended:?}"
            );
        }
    }
}

#[test]
fn a_duration_that_is_no_multiple_of_the_interval_ends_with_the_latest_values() {
    let mut victim = Victim::held_before("mmap=100:8192 print-ready wait").unwrap();
    let run = watch(&[victim.pid()], NEVER).args(["--duration", "2s"]);
    let procmon = run.start().unwrap();
    wait_objects(&procmon, 1);
    victim.go().unwrap();
    let output = procmon.wait(LIMIT).unwrap();
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let objects = objects(&output.stdout);
    assert_eq!(growth(&objects, &memory_key("mmap", None)), Some(100.0));
}

#[test]
fn a_second_sigint_ends_at_once_with_130() {
    // It takes connections and never answers: the last delivery takes its five seconds.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", silent.local_addr().unwrap());
    for command in [
        watch(&[std::process::id()], "50ms"),
        Procmon::new("exec").args(["--interval", "50ms"]),
    ] {
        let mark = format!("PROCMON_TEST=second-{}", std::process::id());
        let is_exec = command.command().unwrap().get_args().next().unwrap() == "exec";
        let command = command
            .args(["--otlp", &url])
            .env("PROCMON_TEST", &mark[13..]);
        let command = match is_exec {
            true => command.args(["--", "sleep", "0.3"]),
            false => command,
        };
        let mut procmon = command.start().unwrap();
        if is_exec {
            procmon
                .wait_for_stderr(SOON, |text| text.contains("elapsed"))
                .unwrap();
        } else {
            wait_objects(&procmon, 3);
        }
        procmon.signal(libc::SIGINT).unwrap();
        std::thread::sleep(Duration::from_millis(300));
        assert!(procmon.is_running(), "delivery is tried for five seconds");
        procmon.signal(libc::SIGINT).unwrap();
        let output = procmon.wait(SOON).unwrap();
        assert_eq!(output.status.code(), Some(130), "{output:?}");
        wait_until("what closes the probes ends", || marked(&mark).is_empty());
    }
}

fn count_under(folder: &str) -> usize {
    fs::read_dir(folder).map_or(0, Iterator::count)
}

#[test]
fn sigkill_leaves_nothing_behind_and_it_can_be_started_again() {
    let pinned = count_under("/sys/fs/bpf");
    let mark = format!("PROCMON_TEST=kill-{}", std::process::id());
    let run = watch(&[std::process::id()], "50ms").env("PROCMON_TEST", &mark[13..]);
    for signal in [libc::SIGKILL, libc::SIGKILL, libc::SIGINT] {
        let procmon = run.start().unwrap();
        wait_objects(&procmon, 2);
        procmon.signal(signal).unwrap();
        procmon.wait(LIMIT).unwrap();
        wait_until("no process is left", || marked(&mark).is_empty());
        assert_eq!(count_under("/sys/fs/bpf"), pinned, "nothing is pinned");
    }
}

#[test]
fn two_procmons_at_once_both_count_right() {
    let mut victim = Victim::held_before("mmap=300:8192 print-ready wait").unwrap();
    let both: Vec<Program> = [NEVER, "50ms"]
        .map(|interval| watch(&[victim.pid()], interval).start().unwrap())
        .into();
    for procmon in &both {
        wait_objects(procmon, 1);
    }
    victim.go().unwrap();
    victim.wait_ready(2).unwrap();
    for procmon in both {
        let output = end(procmon);
        let objects = objects(&output.stdout);
        assert_eq!(growth(&objects, &memory_key("mmap", None)), Some(300.0));
    }
}
