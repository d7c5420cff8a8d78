//! Children that share what is usually their own: memory (vfork), descriptors (CLONE_FILES); and
//! children that have another pid where they are.

use std::process::Command;

use procmon_tests::{Program, Victim, ground, jsonl, program::SOON, strace::file_key, victim};

use crate::{assert_counts_equal_strace, support::*};

const OPENS: &str = "open=5 mmap=2:8192 open-fail=3";

#[test]
fn vfork_and_exec_count_what_strace_counts() {
    assert_counts_equal_strace!(&format!("open=1 vfork=20 {OPENS} exec=/bin/true"));
}

#[test]
fn vfork_and_exit_count_what_strace_counts() {
    assert_counts_equal_strace!(&format!("open=1 vfork=20 {OPENS}"));
}

#[test]
fn each_vforked_child_is_a_process_of_its_own_with_its_own_counts() {
    let program = file_name("/bin/false");
    for (end, executable, code) in [("exit=3", "victim", 3), ("exec=/bin/false", &program, 1)] {
        let (objects, status) = exec(&victim_command(&format!("vfork=4 {OPENS} {end}")));
        assert_eq!(status, Some(0));
        let last: Vec<_> = jsonl::last(&objects).into_values().collect();
        assert_eq!(last.len(), 5, "{end}");
        let parent = last
            .iter()
            .find(|object| number(object, "procmon.process.forks") == 4);
        let parent = parent.unwrap().pid;
        let children = last.iter().filter(|object| object.pid != parent);
        for child in children {
            assert_eq!(child.executable(), executable);
            assert_eq!(child.exit_code(), Some(code));
            assert_eq!(number(child, &file_key("open", Some("ENOENT"))), 3);
            if code == 3 {
                assert_eq!(number(child, &file_key("open", None)), 5);
            }
        }
    }
}

#[test]
fn processes_that_share_descriptors_have_their_own_calls_and_show_the_table_they_share() {
    for road in ROADS {
        let then = "open-keep=3 share-files open-keep=5 dup=2 print-ready wait";
        let mut victim = Victim::held_before(then).unwrap();
        let parent = victim.pid();
        let run = watch(&[parent], "50ms").arg("--children").args(road);
        let procmon = run.start().unwrap();
        wait_objects(&procmon, 1);
        victim.go().unwrap();
        victim.wait_ready(2).unwrap();
        let child = ground::children(parent).unwrap()[0];
        wait_asleep(child);
        let seen = objects(&procmon.stdout()).len();
        // One pass may have begun before that.
        let shown = wait_objects(&procmon, seen + 6);
        for pid in [parent, child] {
            let live = of(&shown, pid);
            let open = ground::entries(pid, "fd").unwrap();
            let ours = number(live.last().unwrap(), "process.unix.file_descriptor.count");
            assert_eq!(ours, open, "{road:?}");
        }
        victim.finish().unwrap();
        let output = procmon.wait(SOON).unwrap();
        if road.is_empty() {
            let objects = objects(&output.stdout);
            let calls = |pid: u32| {
                let own = of(&objects, pid);
                let count = |kind| number(own.last().unwrap(), &file_key(kind, None));
                [count("open"), count("dup")]
            };
            assert_eq!([calls(parent), calls(child)], [[3, 0], [5, 2]]);
        }
    }
}

#[test]
fn a_process_of_an_inner_pid_namespace_is_watched_by_the_pid_it_has_here() {
    let mut unshare = Command::new("unshare");
    let unshare = unshare
        .args(["--pid", "--fork"])
        .arg(victim::path().unwrap());
    let operations = ["print-ready", "wait", "open=8", "exit=6"];
    let mut unshare = Program::start(unshare.args(operations)).unwrap();
    unshare
        .wait_for_stdout(SOON, |text| text == "ready 1\n")
        .unwrap();
    let pid = ground::children(unshare.pid()).unwrap()[0];
    let procmon = watch(&[pid], NEVER).start().unwrap();
    wait_objects(&procmon, 1);
    unshare.send(b"\n").unwrap();
    let output = procmon.wait(SOON).unwrap();
    let objects = objects(&output.stdout);
    let last = objects.last().unwrap();
    assert_eq!((last.pid, last.exit_code()), (pid, Some(6)));
    assert_eq!(number(last, &file_key("open", None)), 8);
}
