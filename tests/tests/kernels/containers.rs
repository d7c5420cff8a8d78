//! Which container a process is in, by its control group of either version, however short both
//! live. On a host with trees of both versions all is done in both.

use std::process::Command;

use procmon_tests::{
    Output, Procmon, Program, Victim,
    jsonl::{self, Object},
    need,
    nested::{Nested, Tree, own_name, trees},
    victim,
    watching::{NEVER, ROADS, once, wait_objects},
};

use crate::LIMIT;

const ID: &str = "3b1f0a9e3b1f0a9e3b1f0a9e3b1f0a9e3b1f0a9e3b1f0a9e3b1f0a9e3b1f0a9e";
const INNER: &str = "00000000000000000000000000000000000000000000000000000000000000ff";

/// A procmon that looks at every process when it starts and when it ends, and not in between.
fn watch_all() -> Program {
    Procmon::new("run")
        .args(["--all", "--interval", NEVER, "--jsonl", "-"])
        .start_watching(LIMIT)
        .unwrap()
}

/// What it had to say.
fn stop(procmon: Program) -> Vec<Object> {
    procmon.signal(libc::SIGINT).unwrap();
    let output = procmon.wait(LIMIT).unwrap();
    assert!(output.status.success(), "{output:?}");
    jsonl::parse(&output.stdout).unwrap()
}

fn container(object: &Object) -> Option<&str> {
    object.json["process"].get("container_id")?.as_str()
}

/// Runs a victim to its end that has three children, one after the other.
fn family(group: &Nested) -> u32 {
    let mut command = group.command(victim::path().unwrap()).unwrap();
    run(command.args(["fork=3", "open=1"]))
}

fn run(command: &mut Command) -> u32 {
    let program = Program::start(command).unwrap();
    let pid = program.pid();
    let output: Output = program.wait(LIMIT).unwrap();
    assert!(output.status.success(), "{output:?}");
    pid
}

/// The containers of a process that has exited and of its children, that of the process first.
fn containers_of_family(objects: &[Object], pid: u32) -> Vec<Option<&str>> {
    let exited = |object: &&Object| object.has_exited();
    let own = objects.iter().filter(exited).filter(|o| o.pid == pid);
    let child = |object: &&Object| object.json["process"]["parent_pid"] == pid;
    let children = objects.iter().filter(exited).filter(child);
    own.chain(children).map(container).collect()
}

#[test]
fn a_process_in_a_container_like_cgroup_carries_its_container_id_also_when_it_lived_5_ms() {
    for tree in need!(trees()) {
        let procmon = watch_all();
        let group = Nested::new(tree, &["docker", ID]).unwrap();
        let pid = family(&group);
        let mut living = Victim::held_before("").unwrap();
        group.take_in(living.pid()).unwrap();
        let objects = stop(procmon);
        assert_eq!(
            containers_of_family(&objects, pid),
            [Some(ID); 4],
            "{tree:?}"
        );
        let object = objects.iter().rfind(|object| object.pid == living.pid());
        assert_eq!(container(object.unwrap()), Some(ID), "{tree:?}");
        living.go().unwrap();
        living.finish().unwrap();
    }
}

#[test]
fn a_cgroup_that_is_removed_right_after_its_process_keeps_its_name() {
    for tree in need!(trees()) {
        let procmon = watch_all();
        let pids = [ID, INNER].map(|id| {
            let group = Nested::new(tree, &["docker", id]).unwrap();
            let pid = family(&group);
            group.remove().unwrap();
            pid
        });
        let objects = stop(procmon);
        for (pid, id) in pids.into_iter().zip([ID, INNER]) {
            let found = containers_of_family(&objects, pid);
            assert_eq!(found, [Some(id); 4], "{tree:?}");
        }
    }
}

#[test]
fn the_innermost_of_nested_containers_is_told_also_of_groups_older_than_procmon() {
    for tree in need!(trees()) {
        let group = Nested::new(tree, &["docker", ID, "kubepods", INNER, "init.scope"]).unwrap();
        let procmon = watch_all();
        let pid = family(&group);
        let objects = stop(procmon);
        let found = containers_of_family(&objects, pid);
        assert_eq!(found, [Some(INNER); 4], "{tree:?}");
    }
}

#[test]
fn cgroup_paths_of_4096_bytes() {
    for tree in need!(trees()) {
        // The longest that /proc/PID/cgroup shows has 4,095 bytes, the last of which are the id.
        let long = "x".repeat(250);
        let names = vec![&*long; 15];
        let rest = 4095 - own_name().len() - 1 - 15 * 251 - 1;
        let last = format!("{}-{ID}", "y".repeat(rest - 1 - ID.len()));
        let names = [&names[..], &[&last]].concat();
        let group = Nested::new(tree, &names).unwrap();
        assert_eq!(group.path().len(), 4095);
        let found = containers_on_both_roads(&group);
        assert_eq!(
            found.each_ref().map(Option::as_deref),
            [Some(ID); 2],
            "{tree:?}"
        );
        drop(group);

        // Beyond that, only the ids lead to it: one from before procmon, one from after.
        let names = [&names[..], &[INNER]].concat();
        let group = Nested::new(tree, &names).unwrap();
        let procmon = watch_all();
        let before = family(&group);
        group.remove().unwrap();
        let group = Nested::new(tree, &names).unwrap();
        let after = family(&group);
        let objects = stop(procmon);
        for pid in [before, after] {
            let found = containers_of_family(&objects, pid);
            assert_eq!(found, [Some(INNER); 4], "{tree:?}");
        }
    }
}

/// The container of a living process, by procmon with its kernel half and without.
fn containers_on_both_roads(group: &Nested) -> [Option<String>; 2] {
    let victim = Victim::held_before("").unwrap();
    group.take_in(victim.pid()).unwrap();
    ROADS.map(|road| container(&once(victim.pid(), road)).map(str::to_owned))
}

#[test]
fn a_group_of_another_name_is_told_by_that() {
    let v1 = |tree: &Tree| !tree.v2;
    let trees: Vec<Tree> = need!(trees()).into_iter().filter(v1).collect();
    if trees.is_empty() {
        procmon_tests::skip!("only version 1 gives groups another name");
    }
    for tree in trees {
        let procmon = watch_all();
        let mut group = Nested::new(tree, &["docker", ID]).unwrap();
        group.rename(INNER).unwrap();
        let pid = family(&group);
        group.remove().unwrap();
        let objects = stop(procmon);
        let found = containers_of_family(&objects, pid);
        assert_eq!(found, [Some(INNER); 4], "{tree:?}");
    }
}

#[test]
fn a_process_that_moves_is_in_its_new_container_from_its_next_exec_on() {
    for tree in need!(trees()) {
        let group = Nested::new(tree, &["docker", ID]).unwrap();
        let mut victim = Victim::held_before("print-ready wait exec=/bin/true").unwrap();
        let procmon = Procmon::new("run")
            .pid(victim.pid())
            .args(["--interval", "50ms", "--jsonl", "-"])
            .start()
            .unwrap();
        wait_objects(&procmon, 1);
        group.take_in(victim.pid()).unwrap();
        victim.go().unwrap();
        victim.wait_ready(2).unwrap();
        let lines = procmon.stdout().lines().count();
        procmon
            .wait_for_stdout(LIMIT, |text| text.lines().count() > lines + 2)
            .unwrap();
        victim.go().unwrap();
        victim.finish().unwrap();
        let output = procmon.wait(LIMIT).unwrap();
        let objects = jsonl::parse(&output.stdout).unwrap();
        for object in &objects {
            let executed = object.get("procmon.process.execs") == Some(1.0);
            assert_eq!(container(object).is_some(), executed, "{tree:?} {object:?}");
        }
        assert!(objects.last().unwrap().has_exited());
    }
}
