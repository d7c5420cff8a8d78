//! Each of the host's numbers against the kernel's files, read before and after the frame.

use std::{collections::BTreeMap, fs, thread};

use procmon_tests::{Collector, Point, need};

use crate::support::{one_frame, value};

/// What the machine may take or give back between a frame and the readings around it.
const SLACK: f64 = 64.0 * 1024.0 * 1024.0;

/// A key and its value.
type Attribute = (&'static str, &'static str);

/// /proc/meminfo in bytes.
fn meminfo() -> BTreeMap<String, f64> {
    let text = fs::read_to_string("/proc/meminfo").unwrap();
    let lines = text.lines().filter_map(|line| {
        let (key, value) = line.split_once(':')?;
        let number = value.trim().strip_suffix(" kB")?.parse::<f64>().ok()?;
        Some((key.to_owned(), number * 1024.0))
    });
    lines.collect()
}

/// Numbers that only grow: by metric and attributes, in the metric's unit.
fn growing() -> Vec<(&'static str, Vec<Attribute>, f64)> {
    let stat = fs::read_to_string("/proc/stat").unwrap();
    let line = |name: &str| {
        let line = stat
            .lines()
            .find(|line| line.split(' ').next() == Some(name));
        let words = line.unwrap().split_whitespace().skip(1);
        words
            .map(|word| word.parse::<f64>().unwrap())
            .collect::<Vec<_>>()
    };
    let mut all = Vec::new();
    let modes = [
        "user",
        "nice",
        "system",
        "idle",
        "iowait",
        "interrupt",
        "softirq",
        "steal",
    ];
    for (mode, ticks) in modes.into_iter().zip(line("cpu")) {
        // iowait may fall (proc_stat(5)).
        if mode != "iowait" {
            all.push(("system.cpu.time", vec![("cpu.mode", mode)], ticks / 100.0));
        }
    }
    all.push(("system.process.created", vec![], line("processes")[0]));
    let uptime = fs::read_to_string("/proc/uptime").unwrap();
    let uptime = uptime.split(' ').next().unwrap().parse().unwrap();
    all.push(("system.uptime", vec![], uptime));
    for resource in ["cpu", "memory", "io"] {
        let text = fs::read_to_string(format!("/proc/pressure/{resource}")).unwrap_or_default();
        for line in text.lines() {
            let kind = if line.starts_with("some") {
                "some"
            } else {
                "full"
            };
            if (resource, kind) == ("cpu", "full") {
                continue;
            }
            let total = line.rsplit('=').next().unwrap().parse::<f64>().unwrap();
            let attributes = vec![
                ("procmon.pressure.resource", resource),
                ("procmon.pressure.kind", kind),
            ];
            all.push(("procmon.system.pressure", attributes, total / 1e6));
        }
    }
    all
}

fn at(points: &[Point], metric: &str, attributes: &[(&str, &str)]) -> f64 {
    value(points, metric, attributes)
        .unwrap_or_else(|| panic!("{metric} {attributes:?} has not arrived"))
}

/// The gauges by metric, attributes, and the line of /proc/meminfo that tells the same.
const LINES: [(&str, &[Attribute], &str); 9] = [
    (
        "system.memory.usage",
        &[("system.memory.state", "free")],
        "MemFree",
    ),
    (
        "system.memory.usage",
        &[("system.memory.state", "cached")],
        "Cached",
    ),
    (
        "system.memory.usage",
        &[("system.memory.state", "buffers")],
        "Buffers",
    ),
    ("system.memory.linux.available", &[], "MemAvailable"),
    ("system.memory.linux.shared", &[], "Shmem"),
    (
        "procmon.system.memory.lru",
        &[("procmon.memory.lru", "active")],
        "Active",
    ),
    (
        "procmon.system.memory.lru",
        &[("procmon.memory.lru", "inactive")],
        "Inactive",
    ),
    (
        "system.memory.linux.slab.usage",
        &[("system.memory.linux.slab.state", "reclaimable")],
        "SReclaimable",
    ),
    (
        "system.memory.linux.slab.usage",
        &[("system.memory.linux.slab.state", "unreclaimable")],
        "SUnreclaim",
    ),
];

#[test]
fn every_number_of_the_host_is_the_kernels() {
    let collector = need!(Collector::rotel().unwrap());
    let (memory_before, before) = (meminfo(), growing());
    let points = one_frame(&collector, &["--no-ebpf"]);
    let (memory_after, after) = (meminfo(), growing());

    assert_eq!(before.len(), after.len());
    for ((metric, attributes, low), (_, _, high)) in before.into_iter().zip(after) {
        let seen = at(&points, metric, &attributes);
        assert!(
            (low..=high).contains(&seen),
            "{metric} {attributes:?}: {seen} is not in {low}..={high}"
        );
    }
    for (metric, attributes, line) in LINES {
        let (one, other) = (memory_before[line], memory_after[line]);
        let seen = at(&points, metric, attributes);
        assert!(
            (one.min(other) - SLACK..=one.max(other) + SLACK).contains(&seen),
            "{metric} {attributes:?}: {seen}, but {line} was {one} and then {other}"
        );
    }

    // What follows from others follows exactly.
    let total = at(&points, "system.memory.limit", &[]);
    assert_eq!(total, memory_before["MemTotal"]);
    let states = ["used", "free", "cached", "buffers"].map(|state| {
        let attributes = [("system.memory.state", state)];
        let bytes = at(&points, "system.memory.usage", &attributes);
        let share = at(&points, "system.memory.utilization", &attributes);
        assert!((share - bytes / total).abs() < 1e-12, "{state}");
        bytes
    });
    assert_eq!(states.iter().sum::<f64>(), total);
    let swap = ["used", "free"].map(|state| {
        at(
            &points,
            "system.paging.usage",
            &[("system.paging.state", state)],
        )
    });
    assert_eq!(swap.iter().sum::<f64>(), memory_before["SwapTotal"]);
    let online = thread::available_parallelism().unwrap().get();
    assert!(at(&points, "system.cpu.logical.count", &[]) >= online as f64);
}
