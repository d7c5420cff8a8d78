//! Births, restarts, execs and ends of those that match.

use procmon_tests::{
    Procmon, Program,
    program::file_name,
    strace::{file_key, memory_key},
};

use crate::support::*;

#[test]
fn a_match_by_executable_follows_a_victim_through_a_restart() {
    let named = Named::new("restarted");
    for road in ROADS {
        let procmon = start(&matching(&named.is()).args(road));
        let said = procmon.stderr();
        assert!(said.contains(&named.is()), "{said}");
        let mut expected = Vec::new();
        for _ in 0..3 {
            let victim = named.held_before("open=5 exit=7");
            let pid = victim.pid();
            expected.push(pid);
            wait_for(&procmon, |objects| !of(objects, pid).is_empty());
            assert_eq!(finish(victim).status.code(), Some(7));
            let ended = |of: &[_]| {
                of.last()
                    .is_some_and(procmon_tests::jsonl::Object::has_exited)
            };
            wait_for(&procmon, |objects| ended(&of(objects, pid)));
        }
        let objects = stop(procmon);
        assert_eq!(pids(&objects), expected, "{road:?}");
        for pid in expected {
            let of = of(&objects, pid);
            let ends = of.iter().filter(|object| object.has_exited()).count();
            assert_eq!(ends, 1, "{road:?}");
            assert!(of.iter().all(|object| object.executable() == named.name));
        }
    }
}

#[test]
fn those_that_match_are_counted_from_their_birth() {
    let named = Named::new("counted");
    let operations = "mmap=10:8192 open=5 open-fail=3";
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("lines");
    let exec = Procmon::new("exec").arg("--jsonl").arg(&file).arg("--");
    let held = format!("print-ready wait {operations}");
    output(&exec.arg(named.path()).args(held.split_whitespace()));
    let exec = procmon_tests::jsonl::read(&file).unwrap();

    let procmon = start(&matching(&named.is()));
    let pid = {
        let victim = named.held_before(operations);
        let pid = victim.pid();
        finish(victim);
        pid
    };
    wait_for(&procmon, |objects| {
        objects.iter().any(|object| object.has_exited())
    });
    let objects = of(&stop(procmon), pid);
    let (ours, expected) = (objects.last().unwrap(), exec.last().unwrap());
    for key in [
        memory_key("mmap", None),
        file_key("open", None),
        file_key("open", Some("ENOENT")),
        file_key("close", None),
    ] {
        // From its fork on: between that and its exec whoever spawns it opens and maps nothing.
        assert_eq!(ours.get(&key), expected.get(&key), "{key}");
        assert!(ours.get(&key).is_some(), "{key}");
    }
}

#[test]
fn an_exec_is_asked_again_on_both_roads() {
    let named = Named::new("becomes");
    let witness = Named::new("witness");
    let cat = file_name("/bin/cat");
    for road in ROADS {
        let stays = witness.held_before("");
        let mut victim = named.held_before("exec=/bin/cat");
        let pid = victim.pid();
        let expression = format!("executable == '{cat}' and pid == {pid} or {}", witness.is());
        let procmon = start(&matching(&expression).args(road));
        let before = wait_ticks(&procmon, stays.pid(), 3);
        assert_eq!(pids(&before), [stays.pid()], "{road:?}");
        victim.send(b"\n").unwrap();
        wait_for(&procmon, |objects| !of(objects, pid).is_empty());
        assert!(finish(victim).status.success());
        wait_for(&procmon, |objects| {
            of(objects, pid).iter().any(|object| object.has_exited())
        });
        let after = of(&stop(procmon), pid);
        assert!(
            after.iter().all(|object| object.executable() == cat),
            "{road:?}"
        );
        assert!(after.last().unwrap().has_exited());
    }
}

#[test]
fn an_exec_of_the_same_program_with_other_arguments_is_asked_again() {
    let witness = Named::new("witness");
    let folder = tempfile::tempdir().unwrap();
    let script = folder.path().join("again");
    let lines = "echo ready $$\nread line\n[ -n \"$1\" ] || exec sh \"$0\" second\n";
    std::fs::write(&script, lines).unwrap();
    for road in ROADS {
        let stays = witness.held_before("");
        let mut shell = held(std::process::Command::new("sh").arg(&script));
        let pid = shell.pid();
        let second = format!("pid == {pid} and args =~ 'again second$'");
        let procmon = start(&matching(&format!("{second} or {}", witness.is())).args(road));
        let before = wait_ticks(&procmon, stays.pid(), 3);
        assert_eq!(pids(&before), [stays.pid()], "{road:?}");
        shell.send(b"\n").unwrap();
        wait_for(&procmon, |objects| !of(objects, pid).is_empty());
        finish(shell);
        stop(procmon);
    }
}

#[test]
fn whoever_matches_no_more_after_an_exec_is_told_at_its_end_alone() {
    let named = Named::new("was");
    let witness = Named::new("witness");
    let cat = file_name("/bin/cat");
    for road in ROADS {
        let stays = witness.held_before("");
        let mut victim = named.held_before("exec=/bin/cat");
        let pid = victim.pid();
        let expression = format!("{} or {}", named.is(), witness.is());
        let procmon = start(&matching(&expression).args(road));
        wait_ticks(&procmon, stays.pid(), 3);
        victim.send(b"\n").unwrap();
        wait_until("cat", || {
            std::fs::read_to_string(format!("/proc/{pid}/comm"))
                .unwrap()
                .trim()
                == cat
        });
        // The tick that was under way then, and those after it.
        wait_ticks(&procmon, stays.pid(), 2);
        let seen = of(&objects(&procmon.stdout()), pid).len();
        wait_ticks(&procmon, stays.pid(), 3);
        assert_eq!(of(&objects(&procmon.stdout()), pid).len(), seen, "{road:?}");
        finish(victim);
        wait_for(&procmon, |objects| {
            of(objects, pid).iter().any(|object| object.has_exited())
        });
        let of = of(&stop(procmon), pid);
        assert_eq!(of.len(), seen + 1, "{road:?}");
        assert_eq!(of.last().unwrap().executable(), cat);
    }
}

#[test]
fn a_match_that_lived_shorter_than_a_tick_has_its_last_object() {
    let named = Named::new("short");
    let us = std::process::id();
    let user = own_name();
    let short = format!("{} and parent == {us} and user == '{user}'", named.is());
    let expression = format!("{short} or pid == {us}");
    let procmon = start(&every(NEVER).args(["--match", &expression]));
    // The only tick but the last: whoever comes later is in none.
    wait_objects(&procmon, 1);
    let lives = 20;
    let mut expected = Vec::new();
    for _ in 0..lives {
        let program = Program::start(&mut named.command("open=3 exit=7")).unwrap();
        expected.push(program.pid());
        assert_eq!(finish(program).status.code(), Some(7));
    }
    let others = Program::start(std::process::Command::new("true").arg("x")).unwrap();
    finish(others);
    // The last record may come after wait() has returned.
    std::thread::sleep(std::time::Duration::from_millis(500));
    let mut objects = stop(procmon);
    objects.retain(|object| object.pid != us);
    // In the order of their last switches, which is not that of wait().
    objects.sort_by_key(|object| expected.iter().position(|pid| *pid == object.pid));
    assert_eq!(pids(&objects), expected);
    assert_eq!(objects.len(), lives);
    for object in &objects {
        assert_eq!(object.exit_code(), Some(7));
        assert_eq!(object.executable(), named.name);
    }
}

/// The name of whoever runs the tests.
fn own_name() -> String {
    let output = std::process::Command::new("id")
        .arg("-un")
        .output()
        .unwrap();
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

#[test]
fn watching_goes_on_when_all_that_matched_have_ended() {
    let named = Named::new("ends");
    for road in ROADS {
        let victim = named.held_before("");
        let mut procmon = start(&matching(&named.is()).args(road));
        wait_objects(&procmon, 1);
        finish(victim);
        wait_for(&procmon, |objects| {
            objects.last().is_some_and(|last| last.has_exited())
        });
        std::thread::sleep(std::time::Duration::from_millis(200));
        assert!(procmon.is_running(), "{road:?}");
        stop(procmon);
    }
}
