use std::num::NonZeroU64;
use std::sync::Arc;

use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value as Any;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue};
use opentelemetry_proto::tonic::logs::v1::ResourceLogs;
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_proto::tonic::metrics::v1::number_data_point::Value as Number;
use procmon_common::Counter;
use prost::Message as _;

use super::*;
use crate::export::jsonl::write_key;
use crate::export::otlp::Signal;
use crate::export::otlp::encode::Encoder;
use crate::export::otlp::testing::{BOOT, SECOND, exited, sample, settings, settings_for, view};
use crate::frame::{AgentHealth, Frame, ProbeHealth};
use crate::process::ProcessSample;

const ENDPOINT: (&str, &str) = ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:4317");

fn encoder(events: bool, own: Option<OwnLog>) -> LogEncoder {
    let settings = settings_for(Signal::Logs, &[ENDPOINT]);
    LogEncoder::new(&settings, &HostIdentity::default(), BOOT, events, own)
}

fn encode(encoder: &mut LogEncoder, view: &View) -> Vec<Batch> {
    let mut batches = Vec::new();
    encoder.encode_each(view, |batch| batches.push(batch));
    batches
}

fn own_words(encoder: &LogEncoder) -> Vec<Batch> {
    let mut batches = Vec::new();
    encoder.encode_own_words(|batch| batches.push(batch));
    batches
}

fn decode(batches: &[Batch]) -> Vec<ResourceLogs> {
    let resources = batches.iter().flat_map(|batch| {
        let request = ExportLogsServiceRequest::decode(batch.body.clone()).expect("OTLP");
        let records = request.resource_logs.iter().flat_map(|r| &r.scope_logs);
        let records: usize = records.map(|scope| scope.log_records.len()).sum();
        assert_eq!(batch.items, records as u64);
        request.resource_logs
    });
    resources.collect()
}

/// Whose each record is, and the record.
fn records(batches: &[Batch]) -> Vec<(Option<i64>, LogRecord)> {
    let mut records = Vec::new();
    for logs in decode(batches) {
        let resource = logs.resource.expect("a resource");
        let pid = match find(&resource.attributes, "process.pid") {
            Some(Any::IntValue(pid)) => Some(pid),
            _ => None,
        };
        let scopes = logs.scope_logs.into_iter();
        records.extend(scopes.flat_map(|s| s.log_records).map(|one| (pid, one)));
    }
    records
}

fn find(attributes: &[KeyValue], key: &str) -> Option<Any> {
    let found = attributes.iter().find(|attribute| attribute.key == key)?;
    found.value.clone()?.value
}

fn names(batches: &[Batch]) -> Vec<(i64, String, u64)> {
    let records = records(batches).into_iter();
    records
        .map(|(pid, one)| (pid.expect("a pid"), one.event_name, one.time_unix_nano))
        .collect()
}

/// A process with these counts, which last happened at these seconds of boot.
fn counted(pid: u32, execs: (u64, u64), oom_kills: (u64, u64)) -> ProcessSample {
    let mut sample = sample(pid);
    let probes = sample.probes.as_mut().expect("probes");
    probes.counters[Counter::Execs.index()] = execs.0;
    probes.counters[Counter::OomKills.index()] = oom_kills.0;
    probes.executed_boot_ns = NonZeroU64::new(execs.1 * SECOND);
    probes.oom_killed_boot_ns = NonZeroU64::new(oom_kills.1 * SECOND);
    sample
}

fn exec(pid: i64, at: u64) -> (i64, String, u64) {
    (pid, "procmon.process.exec".to_owned(), BOOT + at * SECOND)
}

fn killed(pid: i64, at: u64) -> (i64, String, u64) {
    let name = "procmon.process.oom_killed".to_owned();
    (pid, name, BOOT + at * SECOND)
}

fn exit(pid: i64, at: u64) -> (i64, String, u64) {
    (pid, "procmon.process.exit".to_owned(), BOOT + at * SECOND)
}

#[test]
fn execs_kills_and_ends_are_told_once_each_in_the_order_of_their_times() {
    let mut encoder = encoder(true, None);
    let (none, once) = ((0, 0), (1, 4));
    let first = view(
        10,
        vec![counted(1, none, none), counted(2, once, none)],
        vec![],
    );
    assert_eq!(names(&encode(&mut encoder, &first)), [exec(2, 4)]);
    // Nothing new.
    let second = view(
        11,
        vec![counted(1, none, none), counted(2, once, none)],
        vec![],
    );
    assert_eq!(encode(&mut encoder, &second), []);
    // The second one executes and is killed; one lives and ends in between.
    let victim = exited(counted(2, (2, 12), (1, 14)), BOOT + 15 * SECOND);
    let brief = exited(counted(3, (1, 13), none), BOOT + 14 * SECOND + 1);
    let third = view(20, vec![counted(1, (3, 19), none)], vec![brief, victim]);
    let batches = encode(&mut encoder, &third);
    let mut brief_end = exit(3, 14);
    brief_end.2 += 1;
    let expected = [
        exec(2, 12),
        exec(3, 13),
        killed(2, 14),
        brief_end,
        exit(2, 15),
        exec(1, 19),
    ];
    assert_eq!(names(&batches), expected);
    let records = records(&batches);
    let (_, last) = &records[5];
    // Three, of which the last is the program that it is now.
    assert_eq!(
        find(&last.attributes, "procmon.exec.count"),
        Some(Any::IntValue(3))
    );
    assert_eq!(last.observed_time_unix_nano, BOOT + 20 * SECOND);
    let severities = records.iter().map(|(_, one)| one.severity_text.as_str());
    let expected = ["INFO", "INFO", "ERROR", "INFO", "INFO", "INFO"];
    assert_eq!(severities.collect::<Vec<_>>(), expected);
    // Who has ended is not told again.
    assert_eq!(
        encode(
            &mut encoder,
            &view(21, vec![counted(1, (3, 19), none)], vec![])
        ),
        []
    );
}

#[test]
fn a_kill_whose_time_is_not_known_comes_before_the_end_of_the_process() {
    let mut encoder = encoder(true, None);
    let mut victim = exited(counted(2, (0, 0), (1, 0)), BOOT + 15 * SECOND);
    victim.exit.as_mut().expect("an end").signal = Some(9);
    let batches = encode(&mut encoder, &view(20, vec![], vec![victim]));
    assert_eq!(names(&batches), [killed(2, 15), exit(2, 15)]);
}

#[test]
fn a_process_that_comes_to_be_watched_late_is_told_from_then_on() {
    let mut encoder = encoder(true, None);
    assert_eq!(encode(&mut encoder, &view(10, vec![], vec![])), []);
    // Both are of the first second; one has just executed the last of its three.
    let late = vec![counted(1, (3, 8), (0, 0)), counted(2, (3, 12), (0, 0))];
    let batches = encode(&mut encoder, &view(13, late, vec![]));
    assert_eq!(names(&batches), [exec(2, 12)]);
    let count = &records(&batches)[0].1.attributes;
    assert_eq!(find(count, "procmon.exec.count"), Some(Any::IntValue(1)));
}

#[test]
fn a_view_that_was_lost_costs_no_exec() {
    let mut encoder = encoder(true, None);
    encode(
        &mut encoder,
        &view(10, vec![counted(1, (1, 4), (0, 0))], vec![]),
    );
    // Three happened in views that nobody had.
    let batches = encode(
        &mut encoder,
        &view(13, vec![counted(1, (4, 12), (0, 0))], vec![]),
    );
    let records = records(&batches);
    assert_eq!(
        find(&records[0].1.attributes, "procmon.exec.count"),
        Some(Any::IntValue(3))
    );
}

/// The counters of an exit event, by their keys.
fn counters(record: &LogRecord) -> Vec<(String, AnyValue)> {
    let Some(Any::KvlistValue(list)) = find(&record.attributes, "procmon.exit.counters") else {
        panic!("no counters: {record:?}");
    };
    let values = list.values.into_iter();
    values
        .map(|one| (one.key, one.value.expect("a value")))
        .collect()
}

#[test]
fn an_end_tells_how_it_was_and_the_counters_of_the_last_points() {
    let mut gone = exited(sample(7), BOOT + 15 * SECOND);
    gone.chosen = true;
    let end = gone.exit.as_mut().expect("an end");
    (end.code, end.signal) = (None, Some(9));
    let view = view(20, vec![], vec![gone]);
    let batches = encode(&mut encoder(true, None), &view);
    let records = records(&batches);
    let (_, record) = records.last().expect("a record");
    assert_eq!(record.event_name, "procmon.process.exit");
    assert_eq!(record.severity_text, "WARN");
    let text = |text: &str| Some(Any::StringValue(text.to_owned()));
    assert_eq!(
        find(&record.attributes, "procmon.exit.signal"),
        text("SIGKILL")
    );
    assert_eq!(find(&record.attributes, "process.exit.code"), None);
    let at = crate::process::identity::rfc3339(BOOT + 15 * SECOND);
    assert_eq!(find(&record.attributes, "process.exit.time"), text(&at));
    let lifetime = find(&record.attributes, "procmon.process.lifetime");
    assert_eq!(lifetime, Some(Any::DoubleValue(1.0)));

    let metrics = Encoder::new(&settings(&[ENDPOINT]), HostIdentity::default()).encode(&view);
    let mut last = Vec::new();
    for batch in &metrics {
        let request = ExportMetricsServiceRequest::decode(batch.body.clone()).expect("OTLP");
        let resources = request.resource_metrics.iter();
        let scopes = resources.flat_map(|resource| &resource.scope_metrics);
        for metric in scopes.flat_map(|scope| &scope.metrics) {
            let Some(Data::Sum(sum)) = &metric.data else {
                continue;
            };
            if !sum.is_monotonic {
                continue;
            }
            for point in sum.data_points.iter().filter(|point| point.flags == 0) {
                last.push((metric.name.clone(), point.clone()));
            }
        }
    }
    let mut expected: Vec<_> = last
        .iter()
        .map(|(name, point)| {
            let attributes: Vec<_> = point
                .attributes
                .iter()
                .map(
                    |one| match one.value.as_ref().and_then(|v| v.value.as_ref()) {
                        Some(Any::StringValue(text)) => (&*one.key.clone().leak(), text.as_str()),
                        other => panic!("{other:?} is a text"),
                    },
                )
                .collect();
            let mut key = String::new();
            write_key(&mut key, name, &attributes);
            let value = match point.value {
                Some(Number::AsInt(value)) => Any::IntValue(value),
                Some(Number::AsDouble(value)) => Any::DoubleValue(value),
                None => panic!("{name} has a value"),
            };
            (key, AnyValue { value: Some(value) })
        })
        .collect();
    let mut found = counters(record);
    expected.sort_by(|a, b| a.0.cmp(&b.0));
    found.sort_by(|a, b| a.0.cmp(&b.0));
    assert!(found.len() > 20, "{found:?}");
    assert_eq!(found, expected);
}

#[test]
fn an_event_has_the_resource_of_the_metrics_of_its_process() {
    let mut gone = exited(sample(7), BOOT + 15 * SECOND);
    gone.chosen = true;
    let view = view(20, vec![], vec![gone]);
    let logs = decode(&encode(&mut encoder(true, None), &view));
    let metrics = Encoder::new(&settings(&[ENDPOINT]), HostIdentity::default()).encode(&view);
    let metrics = ExportMetricsServiceRequest::decode(metrics[0].body.clone()).expect("OTLP");
    assert_eq!(logs[0].resource, metrics.resource_metrics[0].resource);
}

#[test]
fn events_of_processes_are_not_told_unless_asked_for_those_of_probes_always() {
    let before = view(20, vec![], vec![exited(sample(7), BOOT + 15 * SECOND)]);
    let agent = AgentHealth {
        changes: vec![ProbeHealth {
            probe: "mmap",
            state: "detached",
            reason: Some("too dear".to_owned()),
        }],
        ..AgentHealth::default()
    };
    let frame = Frame {
        tick: 20,
        at_unix_ns: before.frame.at_unix_ns,
        at_boot_ns: before.frame.at_boot_ns,
        host: before.frame.host.clone(),
        processes: vec![],
        exited: before.frame.exited.clone(),
        ending: vec![],
        agent: Arc::new(agent),
    };
    let view = View::of_all(Arc::new(frame), vec![]);
    let batches = encode(&mut encoder(false, None), &view);
    let records = records(&batches);
    assert_eq!(records.len(), 1);
    let (pid, record) = &records[0];
    assert_eq!(
        (*pid, record.event_name.as_str()),
        (None, "procmon.probe.state_changed")
    );
    assert_eq!(record.severity_text, "WARN");
    let text = |text: &str| Some(Any::StringValue(text.to_owned()));
    assert_eq!(
        find(&record.attributes, "procmon.probe.state"),
        text("detached")
    );
    assert_eq!(
        find(&record.attributes, "procmon.probe.reason"),
        text("too dear")
    );
    let resource = decode(&batches)[0].resource.clone().expect("a resource");
    assert_eq!(find(&resource.attributes, "service.name"), text("procmon"));
}

#[test]
fn what_procmon_says_is_told_with_its_level_and_part_and_what_found_no_room() {
    let own = OwnLog::default();
    for line in 0..2051 {
        own.say(own::Said {
            at_unix_ns: BOOT + line,
            level: log::Level::Warn,
            part: "collector".to_owned(),
            words: format!("line {line}"),
        });
    }
    let encoder = encoder(false, Some(own));
    let found = records(&own_words(&encoder));
    assert_eq!(found.len(), 2049);
    let (_, first) = &found[0];
    assert_eq!(
        (first.time_unix_nano, &*first.severity_text),
        (BOOT, "WARN")
    );
    let words = |record: &LogRecord| match record.body.clone().and_then(|body| body.value) {
        Some(Any::StringValue(text)) => text,
        other => panic!("{other:?} is a text"),
    };
    assert_eq!(words(first), "line 0");
    let part = find(&first.attributes, "procmon.log.part");
    assert_eq!(part, Some(Any::StringValue("collector".to_owned())));
    assert!(
        words(&found[2048].1).starts_with("3 lines"),
        "{:?}",
        found[2048]
    );
    assert_eq!(own_words(&encoder), []);
}

#[test]
fn many_events_are_cut_into_batches_of_bounded_size() {
    let settings = Settings {
        batch_bytes: 20_000,
        ..settings_for(Signal::Logs, &[ENDPOINT])
    };
    let mut encoder = LogEncoder::new(&settings, &HostIdentity::default(), BOOT, true, None);
    let ended = (1..100).map(|pid| exited(sample(pid), BOOT + 15 * SECOND));
    let batches = encode(&mut encoder, &view(20, vec![], ended.collect()));
    assert!(batches.len() > 3, "{}", batches.len());
    assert!(batches.iter().all(|batch| batch.body.len() <= 20_000));
    let exits = names(&batches);
    assert_eq!(
        exits
            .iter()
            .filter(|(_, name, _)| name.ends_with("exit"))
            .count(),
        99
    );
}
