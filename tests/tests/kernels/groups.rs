//! Control groups, version 2: most development machines have version 1 or a tree without controllers.

use std::{
    fs,
    path::{Path, PathBuf},
    thread,
    time::Duration,
};

use procmon_tests::{
    Victim, need,
    watching::{ROADS, once},
};

const ROOT: &str = "/sys/fs/cgroup";

/// A group of our own, removed at the end, after those who are in it.
struct Group(PathBuf);

impl Group {
    fn new(parent: &Path, name: &str) -> Self {
        let path = parent.join(name);
        fs::create_dir(&path).unwrap();
        Self(path)
    }

    fn set(&self, file: &str, value: &str) {
        fs::write(self.0.join(file), value).unwrap_or_else(|error| panic!("{file}: {error}"));
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        for _ in 0..100 {
            if fs::remove_dir(&self.0).is_ok() {
                return;
            }
            thread::sleep(Duration::from_millis(10));
        }
    }
}

/// Whether the tree is of version 2 and hands these controllers on.
fn available() -> Result<(), String> {
    let passed = fs::read_to_string(Path::new(ROOT).join("cgroup.subtree_control"))
        .map_err(|_| format!("{ROOT} is no tree of control groups version 2"))?;
    for controller in ["cpu", "memory"] {
        if !passed.split_whitespace().any(|name| name == controller) {
            return Err(format!("{ROOT} hands no controller {controller} on"));
        }
    }
    Ok(())
}

#[test]
fn cgroup_limits_are_read_from_v2() {
    need!(available());
    let outer = Group::new(
        Path::new(ROOT),
        &format!("procmon-test-{}", std::process::id()),
    );
    outer.set("cgroup.subtree_control", "+cpu +memory");
    let inner = Group::new(&outer.0, "inner");
    inner.set("memory.max", "268435456");
    inner.set("cpu.max", "50000 100000");

    let victim = Victim::held_before("").unwrap();
    inner.set("cgroup.procs", &victim.pid().to_string());
    assert_eq!(limits(&victim), (Some(268_435_456.0), Some(0.5)));
    // The tightest on the way up is the one that binds.
    outer.set("memory.max", "134217728");
    outer.set("cpu.max", "25000 100000");
    assert_eq!(limits(&victim), (Some(134_217_728.0), Some(0.25)));
    for group in [&inner, &outer] {
        group.set("memory.max", "max");
        group.set("cpu.max", "max");
    }
    let cpus = thread::available_parallelism().unwrap().get() as f64;
    assert_eq!(limits(&victim), (None, Some(cpus)));
    drop(victim);
}

/// Memory and CPU limit, by `procmon run` with and without its kernel half.
fn limits(victim: &Victim) -> (Option<f64>, Option<f64>) {
    let [with, without] = ROADS.map(|road| {
        let object = once(victim.pid(), road);
        (
            object.get("procmon.memory.limit"),
            object.get("procmon.cpu.limit"),
        )
    });
    assert_eq!(with, without, "with and without the kernel half");
    with
}
