use std::path::PathBuf;
use std::sync::Arc;

use procmon_common::Counter;
use serde_json::json;

use super::*;
use crate::analysis::rates::{CpuRate, Derived, Rates};
use crate::export::sink::Place;
use crate::process::fixture::{self, SECOND, ended, frame, probes};
use crate::process::{Metadata, Totals};

fn object(sample: &ProcessSample, derived: Option<&Derived>) -> String {
    serde_json::to_string(&ProcessObject::new(ProcessReading {
        sample,
        derived,
        at_unix_ns: (fixture::BOOT + 12) * SECOND,
    }))
    .unwrap()
}

fn metrics(sample: &ProcessSample) -> serde_json::Value {
    let text = object(sample, None);
    let value: serde_json::Value = serde_json::from_str(&text).unwrap();
    value["metrics"].clone()
}

#[test]
fn a_line_is_byte_for_byte_as_specified() {
    let mut sample = fixture::sample(1234, "postgres");
    sample.chosen = false;
    sample.totals = Totals {
        user_ns: Some(1_250_000_000),
        system_ns: Some(0),
        threads: Some(24),
        uptime_ns: Some(2_000_000_000),
        ..Totals::default()
    };
    sample.metadata = Arc::new(Metadata {
        executable: "postgres".to_owned(),
        path: Some(PathBuf::from("/usr/bin/postgres")),
        command: Some("postgres: \"writer\"\n".to_owned()),
        container_id: Some("c0ffee".to_owned()),
        ..Metadata::default()
    });
    let expected = concat!(
        r#"{"timestamp":"2023-11-14T22:13:32.000Z","process":{"pid":1234,"#,
        r#""creation_time":"2023-11-14T22:13:30.000Z","executable":"postgres","#,
        r#""path":"/usr/bin/postgres","command":"postgres: \"writer\"\n","owner":null,"#,
        r#""parent_pid":null,"container_id":"c0ffee"},"metrics":{"#,
        r#""process.cpu.time{cpu.mode=\"user\"}":1.25,"#,
        r#""process.cpu.time{cpu.mode=\"system\"}":0.0,"#,
        r#""process.thread.count":24,"process.uptime":2.0}}"#,
    );
    assert_eq!(object(&sample, None), expected);
}

#[test]
fn opt_in_metrics_are_for_the_chosen() {
    let derived = Derived {
        cpu: Some(CpuRate {
            user: 0.5,
            system: 0.0,
            available: 2.0,
        }),
        ..Derived::default()
    };
    let mut sample = fixture::sample(7, "sh");
    let key = r#""process.cpu.utilization{cpu.mode=\"user\"}":0.25"#;
    assert!(object(&sample, Some(&derived)).contains(key));
    sample.chosen = false;
    assert!(!object(&sample, Some(&derived)).contains(key));
}

#[test]
fn zeros_of_the_probes_are_shown_and_failures_are_apart() {
    let mut sample = fixture::sample(7, "sh");
    sample.chosen = false;
    let mut counted = probes(&[(Counter::OpenFailed, 5)]);
    counted.failures = vec![(procmon_common::Operation::Open, 2, 3)];
    sample.probes = Some(counted);
    let metrics = metrics(&sample);
    let operation = |of: &str, error: &str| {
        let name = "procmon.file_descriptor.operations";
        let attribute = "procmon.file_descriptor.operation";
        metrics[format!("{name}{{{error}{attribute}=\"{of}\"}}")].clone()
    };
    assert_eq!(operation("close", ""), 0);
    assert_eq!(operation("open", ""), 0);
    assert_eq!(operation("open", "error.type=\"ENOENT\","), 3);
    assert_eq!(operation("open", "error.type=\"_OTHER\","), 2);
    assert_eq!(metrics["procmon.process.forks"], 0);
}

#[test]
fn a_histogram_is_cumulative_without_its_empty_buckets() {
    let mut sample = fixture::sample(7, "sh");
    let mut counted = probes(&[]);
    counted.waits.buckets[0] = 1;
    counted.waits.buckets[29] = 2;
    counted.waits.buckets[39] = 1;
    counted.waits.sum_ns = 2_500_000_000;
    sample.probes = Some(counted);
    assert_eq!(
        metrics(&sample)["procmon.cpu.run_queue.duration"],
        json!({
            "count": 4,
            "sum": 2.5,
            "buckets": [[2f64.powi(-29), 1], [1.0, 3], [1024.0, 4]],
        })
    );
}

#[test]
fn keys_are_sorted_and_escaped() {
    let mut key = String::new();
    let attributes = [("b", "1"), ("c", "a\\b\"c\nd"), ("a", "")];
    write_key(&mut key, "m", &attributes);
    assert_eq!(key, "m{a=\"\",b=\"1\",c=\"a\\\\b\\\"c\\nd\"}");
}

#[test]
fn an_end_carries_its_time_and_its_reason() {
    let mut sample = ended(fixture::sample(7, "sh"), 11_500_000_000, 7);
    sample.totals.rss = Some(4096);
    let value: serde_json::Value = serde_json::from_str(&object(&sample, None)).unwrap();
    let at = "2023-11-14T22:13:31.500Z";
    assert_eq!(value["timestamp"], at);
    assert_eq!(
        value["exited"],
        json!({"at": at, "code": 7, "signal": null})
    );
    assert_eq!(value["metrics"]["process.uptime"], 1.5);
    assert_eq!(value["metrics"]["process.memory.usage"], 4096);
    sample.exit = Some(Exit {
        at_unix_ns: 0,
        code: None,
        signal: Some(9),
    });
    let text = object(&sample, None);
    assert!(
        text.ends_with(r#""code":null,"signal":"SIGKILL"}}"#),
        "{text}"
    );
}

#[test]
fn a_file_has_a_line_for_the_ended_then_for_the_live() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.jsonl");
    let mut jsonl = Jsonl::new(Sink::open(&Place::of(&path), "lines").unwrap());
    let live = vec![fixture::sample(1, "init"), fixture::sample(9, "sh")];
    let gone = vec![ended(fixture::sample(7, "true"), SECOND, 0)];
    let frame = frame(2 * SECOND, live, gone);
    let view = fixture::view(frame, &mut Rates::default());
    jsonl.write(&view).unwrap();
    let text = std::fs::read_to_string(&path).unwrap();
    let pids: Vec<_> = text
        .lines()
        .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap())
        .map(|value| value["process"]["pid"].as_u64().unwrap())
        .collect();
    assert_eq!(pids, [7, 1, 9]);
}

#[test]
fn no_key_stands_twice() {
    use procmon_common::Operation::Accept;
    let mut sample = fixture::sample(7, "sh");
    let mut counted = probes(&[(Counter::AcceptFailed, 10)]);
    // Error numbers without a name: ERESTARTSYS and ERESTARTNOINTR.
    counted.failures = vec![(Accept, 512, 3), (Accept, 513, 4)];
    sample.probes = Some(counted);
    let text = object(&sample, None);
    let other = r#"error.type=\"_OTHER\""#;
    assert_eq!(text.matches(other).count(), 1, "{text}");
    assert!(
        text.contains(r#"error.type=\"_OTHER\",procmon.file_descriptor.operation=\"accept\"}":10"#),
        "{text}"
    );
}

/// `cargo test --release -- --ignored --nocapture two_thousand`
#[test]
#[ignore = "measures; run it in release"]
fn two_thousand_processes_take_little() {
    let live = (1..=2_000)
        .map(|pid| {
            let mut sample = fixture::sample(pid, "postgres");
            sample.chosen = false;
            let value = Some(u64::from(pid) * 1_234_567);
            sample.totals = Totals {
                user_ns: value,
                system_ns: value,
                on_cpu_ns: value,
                run_queue_ns: value,
                voluntary_switches: value,
                involuntary_switches: value,
                threads: value,
                rss_anon: value,
                rss_file: value,
                rss_shmem: value,
                rss: value,
                virtual_memory: value,
                swap: value,
                minor_faults: value,
                major_faults: value,
                descriptors: value,
                disk_read_bytes: value,
                disk_write_bytes: value,
                ..Totals::default()
            };
            sample.probes = Some(probes(&[(Counter::Mmap, 5)]));
            sample
        })
        .collect();
    let frame = frame(2 * SECOND, live, vec![]);
    let view = fixture::view(frame, &mut Rates::default());
    let path = std::path::Path::new("/dev/null");
    let mut jsonl = Jsonl::new(Sink::open(&Place::of(path), "lines").unwrap());
    jsonl.write(&view).unwrap();
    let begin = std::time::Instant::now();
    for _ in 0..20 {
        jsonl.write(&view).unwrap();
    }
    let each = begin.elapsed() / 20;
    println!("2,000 processes: {each:?}");
    assert!(each.as_millis() < 25, "{each:?}");
}
