//! Short lives in great numbers, and their CPU time.

use std::{thread, time::Duration};

use procmon_tests::{
    Program,
    cgroup::{Cgroup, Controller},
    jsonl::Object,
    need,
    program::file_name,
    storm, victim,
};

use crate::support::{LIMIT, Recording, cpu};

/// What `procmon run --all` writes of the victim and its children, who run in a cgroup: their last
/// objects, the victim's apart, and the kernel's word on the CPU time.
fn all_while(cgroup: &Cgroup, operations: &[&str]) -> (Object, Vec<Object>, f64) {
    let recording = Recording::start(&["--all", "--interval", "1s"]);
    let victim = victim::path().unwrap().display().to_string();
    let program = Program::start(&mut cgroup.command(&victim, operations)).unwrap();
    let pid = program.pid();
    let output = program.wait(LIMIT).unwrap();
    assert!(output.status.success(), "{output:?}");
    // The last record may come after wait() has returned.
    thread::sleep(Duration::from_millis(1_500));
    // Others live on this machine as well.
    let mut ended = recording.stop();
    let victim = ended.iter().position(|object| object.pid == pid).unwrap();
    let victim = ended.swap_remove(victim);
    ended.retain(|object| object.json["process"]["parent_pid"] == pid);
    (victim, ended, cgroup.cpu_ns().unwrap() as f64 / 1e9)
}

/// Their CPU time is the cgroup's, to this share of it.
fn assert_within(share: f64, victim: &Object, children: &[Object], kernel: f64) {
    let ours: f64 = cpu(victim) + children.iter().map(cpu).sum::<f64>();
    assert!(
        (ours - kernel).abs() <= kernel * share,
        "procmon {ours} s, the cgroup {kernel} s"
    );
}

#[test]
fn fifty_thousand_short_lives_are_fifty_thousand_exits_and_their_cpu_time_is_the_cgroups() {
    let cgroup = need!(Cgroup::new("short-lives", &[Controller::Cpu]));
    let (victim, lives, kernel) =
        all_while(&cgroup, &[&format!("run={}:/bin/true", storm::processes())]);
    assert_eq!(lives.len(), storm::processes());
    let name = file_name("/bin/true");
    let well = |object: &Object| object.executable() == name && object.exit_code() == Some(0);
    let others: Vec<_> = lives.iter().filter(|life| !well(life)).collect();
    assert!(others.is_empty(), "{}: {others:?}", others.len());
    assert_within(0.01, &victim, &lives, kernel);
}

#[test]
fn a_thousand_nine_thread_lives_have_the_cgroups_cpu_time() {
    let cgroup = need!(Cgroup::new("nine-threads", &[Controller::Cpu]));
    let children = format!("children={}", storm::threaded());
    let (victim, lives, kernel) = all_while(&cgroup, &[&children, "threads=8", "spin=1"]);
    assert_eq!(lives.len(), storm::threaded());
    assert_within(0.02, &victim, &lives, kernel);
}
