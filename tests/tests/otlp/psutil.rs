//! `compat: [psutil]`: memory under psutil's names, beside ours.

use procmon_tests::{Collector, Procmon, Program, Victim, ground, need, program::SOON, watching};

use crate::checks::values;

const NAMES: [(&str, &str); 3] = [
    ("process.memory.rss", "process.memory.usage"),
    ("process.memory.vms", "process.memory.virtual"),
    ("process.memory.uss", "procmon.memory.uss"),
];

/// A victim that holds memory of its own and rests, and a procmon that watches it.
fn scene(collector: &Collector, compat: Option<&str>) -> (Victim, Program) {
    let victim = Victim::held_before("touch=20000000 print-ready wait").unwrap();
    let procmon = Procmon::new("run")
        .pid(victim.pid())
        .args(["--interval", "200ms", "--otlp"])
        .arg(collector.endpoint(procmon_tests::Protocol::Grpc));
    let procmon = match compat {
        Some(names) => procmon.env("PROCMON_COMPAT", names),
        None => procmon,
    };
    let mut victim = victim;
    victim.go().unwrap();
    victim.wait_ready(2).unwrap();
    watching::wait_asleep(victim.pid());
    let procmon = procmon.start_watching(SOON).unwrap();
    (victim, procmon)
}

#[test]
fn compat_psutil_tells_rss_vms_and_uss_equal_to_the_standard_metrics_and_to_proc() {
    let collector = need!(Collector::rotel().unwrap());
    let (victim, _procmon) = scene(&collector, Some("psutil"));
    let pid = i64::from(victim.pid());
    let points = collector
        .wait_for(SOON, |points| {
            values(points, pid, "process.memory.uss", &[]).len() > 2
        })
        .unwrap();
    for (name, of) in NAMES {
        let series = |metric| {
            let of = points
                .iter()
                .filter(|p| p.pid() == Some(pid) && p.is(metric, &[]));
            of.map(|p| (p.time, p.start, p.kind, p.unit.as_str(), p.value))
                .collect::<Vec<_>>()
        };
        assert_eq!(series(name), series(of), "{name}");
    }
    let last = |metric| values(&points, pid, metric, &[]).last().copied();
    let proc = |file, key| ground::line(victim.pid(), file, key).unwrap() as f64;
    assert_eq!(last("process.memory.vms"), Some(proc("status", "VmSize")));
    let private = ["Private_Clean", "Private_Dirty", "Private_Hugetlb"];
    let private: f64 = private.map(|key| proc("smaps_rollup", key)).iter().sum();
    assert!(private > 20e6);
    assert_eq!(last("process.memory.uss"), Some(private));
}

#[test]
fn without_compat_there_is_no_name_of_psutils() {
    let collector = need!(Collector::rotel().unwrap());
    let (victim, _procmon) = scene(&collector, None);
    let pid = i64::from(victim.pid());
    let points = collector
        .wait_for(SOON, |points| {
            values(points, pid, "procmon.memory.uss", &[]).len() > 2
        })
        .unwrap();
    for (name, of) in NAMES {
        assert!(points.iter().any(|point| point.metric == of), "{of}");
        assert!(points.iter().all(|point| point.metric != name), "{name}");
    }
}
