//! Short lives in great numbers, and their CPU time.

use std::{thread, time::Duration};

use procmon_tests::{
    Victim,
    cgroup::{Cgroup, Controller},
    ground,
    jsonl::Object,
    need,
    program::file_name,
    storm,
};

use crate::support::{LIMIT, Recording, cpu};

/// What `procmon run --all` writes of the victim and its children, who run in a cgroup: the last
/// objects of the children, all their CPU time and the kernel's word on it.
struct Lives {
    children: Vec<Object>,
    cpu: f64,
    kernel: f64,
}

impl Lives {
    fn of(cgroup: &Cgroup, operations: &str) -> Self {
        // Often, so that passes meet births and ends at every stage.
        let recording = Recording::start(&["--all", "--interval", "20ms"]);
        let victim = Victim::held_before(operations).unwrap();
        let pid = victim.pid();
        // What it has used until here is not in the cgroup's.
        let before = ground::cpu_ns_at_rest(pid).unwrap();
        cgroup.take(pid).unwrap();
        let output = victim.finish_within(LIMIT).unwrap();
        assert!(output.status.success(), "{output:?}");
        // The last record may come after wait() has returned.
        thread::sleep(Duration::from_millis(1_500));
        // Others live on this machine as well.
        let mut ended = recording.stop();
        let victim = ended.iter().position(|object| object.pid == pid).unwrap();
        let victim = ended.swap_remove(victim);
        ended.retain(|object| object.json["process"]["parent_pid"] == pid);
        Self {
            cpu: cpu(&victim) + ended.iter().map(cpu).sum::<f64>(),
            children: ended,
            kernel: (before + cgroup.cpu_ns().unwrap()) as f64 / 1e9,
        }
    }

    /// To a microsecond: in version 2 the cgroup's is in whole ones.
    fn assert_cpu_is_the_kernels(&self) {
        let Self { cpu, kernel, .. } = self;
        assert!(
            (cpu - kernel).abs() < 2e-6,
            "procmon {cpu} s, the cgroup {kernel} s"
        );
    }
}

#[test]
fn fifty_thousand_short_lives_are_fifty_thousand_exits_and_their_cpu_time_is_the_cgroups() {
    let cgroup = need!(Cgroup::new("short-lives", &[Controller::Cpu]));
    let lives = Lives::of(&cgroup, &format!("run={}:/bin/true", storm::processes()));
    assert_eq!(lives.children.len(), storm::processes());
    let name = file_name("/bin/true");
    let well = |object: &Object| object.executable() == name && object.exit_code() == Some(0);
    let others: Vec<_> = lives.children.iter().filter(|life| !well(life)).collect();
    assert!(others.is_empty(), "{}: {others:?}", others.len());
    lives.assert_cpu_is_the_kernels();
}

#[test]
fn a_thousand_nine_thread_lives_have_the_cgroups_cpu_time() {
    let cgroup = need!(Cgroup::new("nine-threads", &[Controller::Cpu]));
    let children = format!("children={} threads=8 spin=1", storm::threaded());
    let lives = Lives::of(&cgroup, &children);
    assert_eq!(lives.children.len(), storm::threaded());
    lives.assert_cpu_is_the_kernels();
}
