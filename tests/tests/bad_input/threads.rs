//! More threads than the machine has pids for.

use procmon_tests::{
    Procmon, Program, Victim,
    cgroup::{Cgroup, Controller},
    ground,
    jsonl::Object,
    need,
    sysctl::Sysctl,
};

use crate::support::*;

const PROCESSES: usize = 10;
const THREADS: u64 = 4_000;
const ON_CPU: &str = "procmon.cpu.on_cpu.time";

/// The sum over the objects of this rank of every process, ns.
fn on_cpu_ns(objects: &[Object]) -> u64 {
    let times = objects.iter().map(|object| object.get(ON_CPU).unwrap());
    times.map(|seconds| (seconds * 1e9).round() as u64).sum()
}

#[test]
fn forty_thousand_threads_of_ten_processes_are_counted_to_their_end_with_all_their_cpu_time() {
    let _pids = need!(Sysctl::at_least("kernel/pid_max", 131_072));
    let cgroup = need!(Cgroup::new("many-threads", &[Controller::Cpu]));
    let then = format!("threads={THREADS} wait");
    let mut victims: Vec<Victim> = (0..PROCESSES)
        .map(|_| Victim::held_in(&cgroup, &then).unwrap())
        .collect();
    let pids: Vec<u32> = victims.iter().map(Victim::pid).collect();
    for pid in &pids {
        wait_asleep(*pid);
    }
    let before = cgroup.cpu_ns().unwrap();
    let procmon = watch(&pids, "200ms").start().unwrap();
    let first = wait_objects(&procmon, PROCESSES)[..PROCESSES].to_vec();
    for victim in &mut victims {
        victim.go().unwrap();
    }
    for pid in &pids {
        wait_until("all threads are there", || {
            ground::stat(*pid, 20).unwrap() == THREADS + 1
        });
    }
    let seen = objects(&procmon.stdout()).len();
    // One pass may have begun before that.
    let crowd = wait_objects(&procmon, seen + 2 * PROCESSES);
    for object in &crowd[crowd.len() - PROCESSES..] {
        assert_eq!(
            object.get("process.thread.count"),
            Some((THREADS + 1) as f64)
        );
    }
    for victim in victims {
        assert!(victim.finish().unwrap().status.success());
    }
    let output = procmon.wait(LIMIT).unwrap();
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let kernel = cgroup.cpu_ns().unwrap() - before;
    let objects = objects(&output.stdout);
    let last = objects.iter().filter(|object| object.has_exited());
    let last: Vec<_> = last.cloned().collect();
    assert_eq!(last.len(), PROCESSES);
    assert!(last.iter().all(|object| object.exit_code() == Some(0)));
    // A cgroup of version 2 tells whole microseconds.
    let ours = on_cpu_ns(&last) - on_cpu_ns(&first);
    assert!(ours.abs_diff(kernel) <= 2_000, "{ours} ns of {kernel} ns");
}

#[test]
fn threads_that_come_and_go_while_every_process_is_watched_are_in_its_cpu_time() {
    let cgroup = need!(Cgroup::new("brief-threads", &[Controller::Cpu]));
    let mut victim = Victim::held_in(&cgroup, "thread=20000").unwrap();
    wait_asleep(victim.pid());
    let before = cgroup.cpu_ns().unwrap();
    let all = Procmon::new("run").args(["--all", "--interval", "20ms"]);
    let procmon: Program = all.args(["--jsonl", "-"]).start().unwrap();
    let pid = victim.pid();
    let has = |text: &str| !of(&objects(text), pid).is_empty();
    procmon.wait_for_stdout(LIMIT, has).unwrap();
    victim.go().unwrap();
    victim.finish().unwrap();
    let kernel = cgroup.cpu_ns().unwrap() - before;
    procmon.signal(libc::SIGINT).unwrap();
    let output = procmon.wait(LIMIT).unwrap();
    let own = of(&objects(&output.stdout), pid);
    assert_eq!(own.last().unwrap().exit_code(), Some(0));
    for pair in own.windows(2) {
        assert!(pair[0].get(ON_CPU) <= pair[1].get(ON_CPU), "it never falls");
    }
    let ours = on_cpu_ns(&own[own.len() - 1..]) - on_cpu_ns(&own[..1]);
    assert!(ours.abs_diff(kernel) <= 2_000, "{ours} ns of {kernel} ns");
}
