//! The host's processes by state.

use std::{collections::BTreeMap, fs};

use procmon_tests::{
    Collector, Victim, need,
    watching::{ROADS, wait_until, wait_zombie},
};

use crate::support::{FRAME, value, watch_all};

const METRIC: &str = "system.process.count";

/// Processes in the states that do not come and go by themselves, by the letters of /proc.
fn truth() -> BTreeMap<&'static str, f64> {
    let mut counts = BTreeMap::from([("stopped", 0.0), ("defunct", 0.0)]);
    for entry in fs::read_dir("/proc").unwrap().flatten() {
        if !entry
            .file_name()
            .to_string_lossy()
            .bytes()
            .all(|byte| byte.is_ascii_digit())
        {
            continue;
        }
        let stat = fs::read_to_string(entry.path().join("stat")).unwrap_or_default();
        let letter = stat
            .rsplit(") ")
            .next()
            .and_then(|rest| rest.chars().next());
        match letter {
            Some('T' | 't') => *counts.entry("stopped").or_default() += 1.0,
            Some('Z' | 'X') => *counts.entry("defunct").or_default() += 1.0,
            _ => {}
        }
    }
    counts
}

#[test]
fn processes_are_counted_by_state_counted_or_not() {
    let stopped: Vec<Victim> = (0..3)
        .map(|_| Victim::start("print-ready kill=SIGSTOP").unwrap())
        .collect();
    let parents: Vec<Victim> = (0..2)
        .map(|_| Victim::start("zombie print-ready wait").unwrap())
        .collect();
    for parent in &parents {
        wait_zombie(parent.zombie().unwrap());
    }
    wait_until("stopped", || truth()["stopped"] >= stopped.len() as f64);
    assert!(truth()["defunct"] >= parents.len() as f64);
    // Other programs' processes come and go: a count that stands between two equal ones is right.
    for road in ROADS {
        let found = (0..20).find(|_| {
            let collector = match Collector::rotel().unwrap() {
                Ok(collector) => collector,
                Err(_) => return true,
            };
            let before = truth();
            let _procmon = watch_all(&collector, "200ms", road);
            let points = collector
                .wait_for(FRAME, |points| {
                    value(points, METRIC, &[("process.state", "defunct")]).is_some()
                })
                .unwrap();
            let seen = |state| value(&points, METRIC, &[("process.state", state)]).unwrap();
            let all: f64 = ["running", "sleeping", "stopped", "defunct"]
                .map(seen)
                .iter()
                .sum();
            let listed = fs::read_dir("/proc").unwrap().flatten();
            let listed = listed
                .filter(|entry| entry.path().join("stat").exists())
                .count();
            assert!((all - listed as f64).abs() <= 40.0, "{all} of {listed}");
            before == truth() && before.iter().all(|(state, count)| seen(state) == *count)
        });
        assert!(
            found.is_some(),
            "{road:?}: the states never agreed with /proc"
        );
    }
    let _skip = need!(Collector::rotel().unwrap());
    for mut victim in stopped {
        victim.program().signal(libc::SIGKILL).unwrap();
    }
}
