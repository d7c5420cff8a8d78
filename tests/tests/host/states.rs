//! The host's processes by state.

use std::{collections::BTreeMap, fs};

use procmon_tests::{
    Collector, Victim, need,
    watching::{ROADS, wait_until, wait_zombie},
};

use crate::support::{one_frame, value};

const METRIC: &str = "system.process.count";

/// All processes, and those in the states that do not come and go by themselves, by the letters
/// of /proc.
fn truth() -> BTreeMap<&'static str, f64> {
    let mut counts = BTreeMap::from([("all", 0.0), ("stopped", 0.0), ("defunct", 0.0)]);
    for entry in fs::read_dir("/proc").unwrap().flatten() {
        let name = entry.file_name();
        if !name
            .to_string_lossy()
            .bytes()
            .all(|byte| byte.is_ascii_digit())
        {
            continue;
        }
        let Ok(stat) = fs::read_to_string(entry.path().join("stat")) else {
            continue;
        };
        let state = match stat
            .rsplit(") ")
            .next()
            .and_then(|rest| rest.chars().next())
        {
            Some('T' | 't') => Some("stopped"),
            Some('Z' | 'X') => Some("defunct"),
            _ => None,
        };
        for name in state.into_iter().chain(["all"]) {
            *counts.get_mut(name).unwrap() += 1.0;
        }
    }
    counts
}

/// The same as procmon tells it.
fn seen(collector: &Collector, road: &[&str]) -> BTreeMap<&'static str, f64> {
    let points = one_frame(collector, road);
    let of = |state| value(&points, METRIC, &[("process.state", state)]).unwrap();
    let states = ["running", "sleeping", "stopped", "defunct"].map(of);
    BTreeMap::from([
        ("all", states.iter().sum()),
        ("stopped", states[2]),
        ("defunct", states[3]),
    ])
}

/// Parents with a zombie each.
const PARENTS: usize = 40;
/// How many processes of others may come, go or wait to be reaped between two readings, procmon's
/// own among them, and how many may be hidden from iterators (docs/counting.md).
const OTHERS: f64 = 12.0;

#[test]
fn processes_are_counted_by_state_kernel_threads_and_zombies_too() {
    let collector = need!(Collector::rotel().unwrap());
    let stopped: Vec<Victim> = (0..3)
        .map(|_| Victim::start("print-ready kill=SIGSTOP").unwrap())
        .collect();
    wait_until("stopped", || truth()["stopped"] >= stopped.len() as f64);
    for road in ROADS {
        // A reading between which and /proc's nobody else starts a crowd.
        let agrees = (0..10).any(|_| {
            let without = (seen(&collector, road), truth());
            let parents: Vec<Victim> = (0..PARENTS)
                .map(|_| Victim::start("zombie print-ready wait").unwrap())
                .collect();
            for parent in &parents {
                wait_zombie(parent.zombie().unwrap());
            }
            let with = (seen(&collector, road), truth());
            for parent in parents {
                parent.finish().unwrap();
            }
            let near = |seen: f64, truth: f64| (seen - truth).abs() <= OTHERS;
            let more = |state: &str| with.0[state] - without.0[state];
            [&without, &with].iter().all(|(seen, truth)| {
                seen["stopped"] == truth["stopped"]
                    && near(seen["defunct"], truth["defunct"])
                    && near(seen["all"], truth["all"])
            }) && near(more("defunct"), PARENTS as f64)
                && near(more("all"), 2.0 * PARENTS as f64)
        });
        assert!(agrees, "{road:?}: the states never agreed with /proc");
    }
    for mut victim in stopped {
        victim.program().signal(libc::SIGKILL).unwrap();
    }
}
