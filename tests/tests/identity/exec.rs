//! execve by a thread that is not the leader: the others die, it takes the leader's place and
//! pid, and the process goes on (de_thread of fs/exec.c).

use procmon_tests::{
    Victim,
    cgroup::{Cgroup, Controller},
    need,
    program::SOON,
    strace::file_key,
};

use crate::{assert_counts_equal_strace, support::*};

#[test]
fn exec_by_another_thread_is_the_same_process_with_a_new_executable_that_ends_once() {
    for road in ROADS {
        let mut victim = Victim::held_before("exec-thread=3:/bin/cat").unwrap();
        let pid = victim.pid();
        let procmon = watch(&[pid], "50ms").args(road).start().unwrap();
        wait_objects(&procmon, 1);
        victim.go().unwrap();
        let cat = file_name("/bin/cat");
        let named = format!(r#""executable":"{cat}""#);
        // A look at /proc that the execve came into may tell of the threads before and of the
        // program after it: the next is of what is now.
        procmon
            .wait_for_stdout(SOON, |text| text.matches(&named).count() >= 2)
            .unwrap();
        victim.finish().unwrap();
        let output = procmon.wait(SOON).unwrap();
        assert_eq!(output.status.code(), Some(0), "{output:?}");
        let objects = objects(&output.stdout);
        assert_eq!(of(&objects, pid).len(), objects.len(), "{road:?}");
        for object in &objects {
            assert_eq!(object.creation_time, objects[0].creation_time, "{road:?}");
        }
        assert_eq!(ends(&objects), 1, "{road:?}");
        let [.., live, last] = &objects[..] else {
            panic!("too few objects: {objects:?}")
        };
        assert_eq!(last.executable(), cat, "{road:?}");
        assert!(last.has_exited(), "{road:?}");
        assert_eq!(number(live, "process.thread.count"), 1, "{road:?}");
        if road.is_empty() {
            assert_eq!(last.exit_code(), Some(0));
            assert_eq!(number(last, "procmon.process.execs"), 1);
        }
    }
}

#[test]
fn exec_by_another_thread_ends_with_the_code_of_the_new_program() {
    let (objects, status) = exec(&victim_command("exec-thread=3:/bin/false"));
    assert_eq!(status, Some(1));
    assert_eq!(ends(&objects), 1);
    let last = objects.last().unwrap();
    assert_eq!(last.executable(), file_name("/bin/false"));
    assert_eq!(last.exit_code(), Some(1));
}

#[test]
fn exec_by_another_thread_loses_no_count() {
    assert_counts_equal_strace!("open=5 mmap=3:8192 exec-thread=3:/bin/true");
}

#[test]
fn exec_by_another_thread_loses_no_cpu_time_of_the_threads_it_kills() {
    let cgroup = need!(Cgroup::new("exec-thread", &[Controller::Cpu]));
    let mut victim = Victim::held_in(&cgroup, "open=5 exec-thread=4:/bin/cat").unwrap();
    wait_asleep(victim.pid());
    let kernel = cgroup.cpu_ns().unwrap();
    let procmon = watch(&[victim.pid()], NEVER).start().unwrap();
    wait_objects(&procmon, 1);
    victim.go().unwrap();
    victim.finish().unwrap();
    let output = procmon.wait(SOON).unwrap();
    let objects = objects(&output.stdout);
    let kernel = cgroup.cpu_ns().unwrap() - kernel;
    let [first, last] = &objects[..] else {
        panic!("not two objects: {objects:?}")
    };
    assert!(kernel > 40_000_000, "four threads of 10 ms: {kernel} ns");
    // A cgroup of version 2 tells whole microseconds.
    let ours = ns(last, ON_CPU) - ns(first, ON_CPU);
    assert!(ours.abs_diff(kernel) <= 2_000, "{ours} ns of {kernel} ns");
    let opens = growth(&objects, &file_key("open", None)).unwrap();
    assert!(opens >= 5.0, "{opens} opens: 5 and those of cat");
}
