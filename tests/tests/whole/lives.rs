//! Short lives in great numbers, and their CPU time.

use std::{thread, time::Duration};

use procmon_tests::{
    Program,
    cgroup::{Cgroup, Controller},
    jsonl::Object,
    need, victim,
};

use crate::support::{LIMIT, Watching, cpu};

/// What `procmon run --all` writes while the victim runs in a cgroup: the last objects of those
/// that ended, and the kernel's word on the CPU time.
fn all_while(cgroup: &Cgroup, operations: &[&str]) -> (Vec<Object>, f64) {
    let watching = Watching::start(&["--all", "--interval", "1s"]);
    let victim = victim::path().unwrap().display().to_string();
    let mut command = cgroup.command(&victim, operations);
    let output = Program::start(&mut command).unwrap().wait(LIMIT).unwrap();
    assert!(output.status.success(), "{output:?}");
    // The last record may come after wait() has returned.
    thread::sleep(Duration::from_millis(1_500));
    let ended = watching.stop();
    (ended, cgroup.cpu_ns().unwrap() as f64 / 1e9)
}

fn of<'a>(objects: &'a [Object], executable: &str) -> Vec<&'a Object> {
    objects
        .iter()
        .filter(|object| object.executable() == executable)
        .collect()
}

/// Their CPU time is the cgroup's, to this share of it.
fn assert_within(share: f64, lives: &[&Object], kernel: f64) {
    let ours: f64 = lives.iter().map(|object| cpu(object)).sum();
    assert!(
        (ours - kernel).abs() <= kernel * share,
        "procmon {ours} s, the cgroup {kernel} s"
    );
}

#[test]
fn fifty_thousand_short_lives_are_fifty_thousand_exits_and_their_cpu_time_is_the_cgroups() {
    let cgroup = need!(Cgroup::new("short-lives", &[Controller::Cpu]));
    let (ended, kernel) = all_while(&cgroup, &["run=50000:/bin/true"]);
    let mut lives = of(&ended, "true");
    assert_eq!(lives.len(), 50_000);
    assert!(lives.iter().all(|object| object.exit_code() == Some(0)));
    lives.extend(of(&ended, "victim"));
    assert_within(0.01, &lives, kernel);
}

#[test]
fn a_thousand_nine_thread_lives_have_the_cgroups_cpu_time() {
    let cgroup = need!(Cgroup::new("nine-threads", &[Controller::Cpu]));
    let operations = ["children=1000", "threads=8", "spin=1"];
    let (ended, kernel) = all_while(&cgroup, &operations);
    let lives = of(&ended, "victim");
    assert_eq!(lives.len(), 1_001);
    assert_within(0.02, &lives, kernel);
}
