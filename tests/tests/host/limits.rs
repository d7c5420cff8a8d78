//! What a process may take: limits of nested groups, and affinity.

use std::{
    fs,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use procmon_tests::{
    Victim, need,
    watching::{once, wait_asleep},
};
use rustix::{
    process::Pid,
    thread::{CpuSet, sched_setaffinity},
};

/// A group in a group of the test's own; both are removed when dropped.
struct Nested {
    /// Of the outer one: where its CPU time and where its memory is limited.
    cpu: PathBuf,
    memory: PathBuf,
    v2: bool,
}

const INNER: &str = "inner";

impl Nested {
    /// The inner error is a reason to skip.
    fn new() -> Result<Self, String> {
        let root = Path::new("/sys/fs/cgroup");
        let v2 = root.join("cgroup.controllers").exists();
        let name = format!("procmon-test-nested-{}", std::process::id());
        let place = |tree: &str| if v2 { root.to_owned() } else { root.join(tree) }.join(&name);
        let group = Self {
            cpu: place("cpu"),
            memory: place("memory"),
            v2,
        };
        for outer in [&group.cpu, &group.memory] {
            if outer.join(INNER).exists() {
                continue;
            }
            fs::create_dir(outer).map_err(|error| format!("{}: {error}", outer.display()))?;
            if v2 {
                for above in [root, outer] {
                    fs::write(above.join("cgroup.subtree_control"), "+cpu +memory")
                        .map_err(|error| format!("no controllers cpu and memory here: {error}"))?;
                }
            }
            fs::create_dir(outer.join(INNER)).map_err(|error| error.to_string())?;
        }
        Ok(group)
    }

    /// Limits the outer or the inner group to this share of a CPU, in percent.
    fn limit_cpu(&self, below: &str, percent: u64) {
        let (file, text) = match self.v2 {
            true => ("cpu.max", format!("{} 100000", percent * 1000)),
            false => ("cpu.cfs_quota_us", (percent * 1000).to_string()),
        };
        fs::write(self.cpu.join(below).join(file), text).unwrap();
    }

    /// Limits the memory of the outer or the inner group, bytes.
    fn limit_memory(&self, below: &str, bytes: u64) {
        let file = match self.v2 {
            true => "memory.max",
            false => "memory.limit_in_bytes",
        };
        fs::write(self.memory.join(below).join(file), bytes.to_string()).unwrap();
    }

    fn enter(&self, pid: u32) {
        for outer in [&self.cpu, &self.memory] {
            let file = outer.join(INNER).join("cgroup.procs");
            fs::write(file, pid.to_string()).unwrap();
        }
    }

    /// How long the outer group was throttled, s.
    fn throttled(&self) -> f64 {
        let text = fs::read_to_string(self.cpu.join("cpu.stat")).unwrap();
        let (name, unit) = match self.v2 {
            true => ("throttled_usec ", 1e6),
            false => ("throttled_time ", 1e9),
        };
        let line = text.lines().find_map(|line| line.strip_prefix(name));
        line.unwrap().parse::<f64>().unwrap() / unit
    }
}

impl Drop for Nested {
    fn drop(&mut self) {
        let until = Instant::now() + Duration::from_secs(2);
        for place in [self.cpu.join(INNER), self.memory.join(INNER)]
            .iter()
            .chain([&self.cpu, &self.memory])
        {
            while place.exists() && fs::remove_dir(place).is_err() && Instant::now() < until {
                std::thread::sleep(Duration::from_millis(5));
            }
        }
    }
}

const MIB: u64 = 1 << 20;

#[test]
fn the_tightest_limit_of_nested_groups_and_affinity_is_told_with_its_throttling() {
    let group = need!(Nested::new());
    let mut victim = Victim::held_before("spin=100 print-ready wait").unwrap();
    let pid = victim.pid();
    let cpus = std::thread::available_parallelism().unwrap().get() as f64;
    let told = |metric: &str| once(pid, &["--no-ebpf"]).get(metric);

    assert_eq!(told("procmon.cpu.limit"), Some(cpus));
    assert_eq!(told("procmon.memory.limit"), None);
    // The outer group is the tighter one in CPU: version 1 allows no looser quota below it, but
    // none at all.
    group.limit_cpu("", 10);
    group.limit_memory("", 64 * MIB);
    group.limit_memory(INNER, 32 * MIB);
    group.enter(pid);
    assert_eq!(told("procmon.cpu.limit"), Some(0.1));
    assert_eq!(told("procmon.memory.limit"), Some((32 * MIB) as f64));
    assert_eq!(told("procmon.cpu.throttled.time"), Some(group.throttled()));

    // 100 ms of CPU time take 10 periods: most of the time it may not run.
    victim.go().unwrap();
    victim.wait_ready(2).unwrap();
    wait_asleep(pid);
    let throttled = told("procmon.cpu.throttled.time").unwrap();
    assert_eq!(throttled, group.throttled());
    assert!(throttled > 0.1, "{throttled}");

    // Now in memory, and in CPU the inner one.
    group.limit_cpu("", 90);
    group.limit_cpu(INNER, 80);
    group.limit_memory("", 16 * MIB);
    assert_eq!(told("procmon.cpu.limit"), Some(0.8));
    assert_eq!(told("procmon.memory.limit"), Some((16 * MIB) as f64));
    group.limit_cpu("", 100_000);
    group.limit_cpu(INNER, 90_000);
    assert_eq!(told("procmon.cpu.limit"), Some(cpus));
    let mut one = CpuSet::new();
    one.set(0);
    sched_setaffinity(Pid::from_raw(pid as i32), &one).unwrap();
    assert_eq!(told("procmon.cpu.limit"), Some(1.0));
}
