//! A store that takes OTLP and answers PromQL: what is asked of it is what /proc and procmon's own
//! file say.

use std::{collections::BTreeMap, time::Duration};

use procmon_tests::{
    Procmon, Program, Protocol, Victim, VictoriaMetrics, ground, jsonl, need,
    program::SOON,
    time,
    watching::{wait_asleep, wait_until},
};

/// What is done until the values are looked at.
const OPERATIONS: &str = "spin=300 open-keep=7 mmap=10:65536 open=70 open-fail=30 print-ready wait open=33 \
     print-ready wait";

/// A procmon that feeds a store.
fn procmon(store: &VictoriaMetrics, pids: &[u32]) -> Procmon {
    let run = pids
        .iter()
        .fold(Procmon::new("run"), |run, pid| run.pid(*pid));
    run.args(["--interval", "250ms"])
        .otlp(&store.endpoint(), Protocol::Http)
}

fn watching(procmon: &Procmon) -> Program {
    procmon.start_watching(SOON).unwrap()
}

/// Waits until a store has this value as the only answer.
fn assert_value(store: &VictoriaMetrics, query: &str, expected: f64, slack: f64) {
    let fits = |(_, value): &(_, f64)| (value - expected).abs() <= slack;
    if let Err(error) = store.wait_for(query, |values| matches!(values, [one] if fits(one))) {
        panic!("not {expected} +- {slack}: {error:#}");
    }
}

fn opened(pid: u32) -> String {
    format!(
        "procmon_file_descriptor_operations_total{{process_pid=\"{pid}\",\
         procmon_file_descriptor_operation=\"open\",error_type=\"\"}}"
    )
}

#[test]
fn victoria_metrics_answers_promql_with_process_labels_and_the_values_of_proc() {
    let store = need!(VictoriaMetrics::start().unwrap());
    let mut victim = Victim::held_before(OPERATIONS).unwrap();
    let pid = victim.pid();
    let _procmon = watching(&procmon(&store, &[pid]));
    victim.go().unwrap();
    victim.wait_ready(2).unwrap();
    wait_asleep(pid);

    let found = store
        .wait_for(&opened(pid), |values| {
            values.first().is_some_and(|(_, value)| *value > 0.0)
        })
        .unwrap();
    let [(labels, value)] = found.as_slice() else {
        panic!("{found:?}");
    };
    // Of open-keep, too, each is one.
    assert_eq!(*value, 77.0);
    assert_eq!(labels["process_pid"], pid.to_string());
    assert_eq!(labels["process_executable_name"], "victim");
    assert_eq!(labels["process_owner"], "root");
    assert_eq!(labels["os_type"], "linux");
    let created = time::parse(labels["process_creation_time"].as_str().unwrap()).unwrap();
    let ticks = ground::stat(pid, 22).unwrap();
    let uptime = time::now() - created;
    assert!(uptime < SOON.as_nanos() as u64 && ticks > 0, "{labels}");

    let of = |metric: &str, labels: &str| format!("{metric}{{process_pid=\"{pid}\"{labels}}}");
    let status = |key| ground::line(pid, "status", key).unwrap() as f64;
    let stat = |field| ground::stat(pid, field).unwrap() as f64;
    let switches = "process_context_switches_total";
    let faults = "process_paging_faults_total";
    let exact = [
        (of("process_memory_virtual_bytes", ""), status("VmSize")),
        (of("process_thread_count", ""), status("Threads")),
        (
            of("process_unix_file_descriptor_count", ""),
            ground::entries(pid, "fd").unwrap() as f64,
        ),
        (
            of(switches, ",process_context_switch_type=\"voluntary\""),
            status("voluntary_ctxt_switches"),
        ),
        (
            of(switches, ",process_context_switch_type=\"involuntary\""),
            status("nonvoluntary_ctxt_switches"),
        ),
        (of(faults, ",system_paging_fault_type=\"minor\""), stat(10)),
        (of(faults, ",system_paging_fault_type=\"major\""), stat(12)),
    ];
    for (query, expected) in exact {
        assert_value(&store, &query, expected, 0.0);
    }
    // /proc counts in hundredths of a second, and splits between user and system anew each time.
    let cpu = (stat(14) + stat(15)) / 100.0;
    assert!(cpu > 0.2, "{cpu}");
    let sum = format!("sum({})", of("process_cpu_time_seconds_total", ""));
    assert_value(&store, &sum, cpu, 0.02);
    // Resident memory is exact to what the kernel keeps on each CPU before it adds it up.
    let cpus = std::thread::available_parallelism().map_or(1, usize::from);
    let kept = (3 * 32.max(2 * cpus) * cpus * 4096) as f64;
    assert_value(
        &store,
        &of("process_memory_usage_bytes", ""),
        status("VmRSS"),
        kept,
    );
}

#[test]
fn in_victoria_metrics_two_processes_are_two_series() {
    let store = need!(VictoriaMetrics::start().unwrap());
    let mut victims = [(); 2].map(|()| Victim::held_before(OPERATIONS).unwrap());
    let pids = victims.each_ref().map(Victim::pid);
    let _procmon = watching(&procmon(&store, &pids));
    victims[0].go().unwrap();
    victims[0].wait_ready(2).unwrap();
    assert_value(&store, &opened(pids[0]), 77.0, 0.0);
    assert_value(&store, &opened(pids[1]), 0.0, 0.0);
    let by_pid = "count by (process_pid) (process_memory_usage_bytes)";
    let counted: BTreeMap<String, f64> = store
        .query(by_pid)
        .unwrap()
        .into_iter()
        .map(|(labels, count)| (labels["process_pid"].as_str().unwrap().to_owned(), count))
        .collect();
    let expected = pids.map(|pid| (pid.to_string(), 1.0)).into();
    assert_eq!(counted, expected);
}

#[test]
fn in_victoria_metrics_a_gone_process_is_absent_from_the_next_query() {
    let store = need!(VictoriaMetrics::start().unwrap());
    let [mut first, second] = [(); 2].map(|()| Victim::held_before(OPERATIONS).unwrap());
    let [gone, left] = [&first, &second].map(Victim::pid);
    let _procmon = watching(&procmon(&store, &[gone, left]));
    first.go().unwrap();
    first.wait_ready(2).unwrap();
    assert_value(&store, &opened(gone), 77.0, 0.0);
    let all_of = |pid| format!("count({{process_pid=\"{pid}\"}})");
    assert!(!store.query(&all_of(gone)).unwrap().is_empty());
    first.finish().unwrap();
    // No series of it is left: not one is only waited out, which takes minutes.
    let began = std::time::Instant::now();
    store.wait_for(&all_of(gone), <[_]>::is_empty).unwrap();
    assert!(began.elapsed() < Duration::from_secs(10));
    assert!(!store.query(&all_of(left)).unwrap().is_empty());
    // Its last value is there, and after it the end.
    let points = store.points(&opened(gone)).unwrap();
    let [.., (last, Some(value)), (end, None)] = points.as_slice() else {
        panic!("{points:?}");
    };
    assert_eq!(*value, 110.0);
    assert!(last < end);
}

#[test]
fn cumulative_counters_increase_right_over_a_restart_of_victoria_metrics() {
    let mut store = need!(VictoriaMetrics::start().unwrap());
    let mut victim = Victim::held_before(OPERATIONS).unwrap();
    let pid = victim.pid();
    let folder = tempfile::tempdir().unwrap();
    let truth = folder.path().join("truth.jsonl");
    let run = procmon(&store, &[pid]).arg("--jsonl").arg(&truth);
    let procmon = watching(&run.env("OTEL_EXPORTER_OTLP_TIMEOUT", "1000"));
    assert_value(&store, &opened(pid), 0.0, 0.0);
    victim.go().unwrap();
    victim.wait_ready(2).unwrap();
    assert_value(&store, &opened(pid), 77.0, 0.0);

    store.stop().unwrap();
    victim.go().unwrap();
    victim.wait_ready(3).unwrap();
    procmon
        .wait_for_stderr(SOON, |text| text.contains("trying again until it works"))
        .unwrap();
    store.start_again().unwrap();
    procmon
        .wait_for_stderr(SOON, |text| text.contains("answers again"))
        .unwrap();
    assert_value(&store, &opened(pid), 110.0, 0.0);
    let increase = format!("increase({}[5m])", opened(pid));
    assert_value(&store, &increase, 110.0, 0.0);

    // Every tick is there, once, with its time and its value, those of the outage too.
    let key = "procmon.file_descriptor.operations{procmon.file_descriptor.operation=\"open\"}";
    procmon.signal(libc::SIGINT).unwrap();
    assert!(procmon.wait(2 * SOON).unwrap().status.success());
    let point = |object: &jsonl::Object| {
        let at = time::parse(object.json["timestamp"].as_str().unwrap()).unwrap();
        (at / 1_000_000, object.get(key))
    };
    let expected: Vec<_> = jsonl::read(&truth).unwrap().iter().map(point).collect();
    wait_until("every tick", || {
        store.points(&opened(pid)).unwrap().len() >= expected.len()
    });
    assert_eq!(store.points(&opened(pid)).unwrap(), expected);
    victim.finish().unwrap();
}
