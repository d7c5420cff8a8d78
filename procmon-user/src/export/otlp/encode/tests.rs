mod groups;
mod histograms;

use std::collections::{BTreeMap, BTreeSet};

use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::common::v1::KeyValue;
use opentelemetry_proto::tonic::common::v1::any_value::Value as Any;
use opentelemetry_proto::tonic::metrics::v1::exponential_histogram_data_point::Buckets;
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_proto::tonic::metrics::v1::number_data_point::Value as Number;
use opentelemetry_proto::tonic::metrics::v1::{ExponentialHistogramDataPoint, ResourceMetrics};

use prost::Message as _;

use super::*;
use crate::analysis::Rates;
use crate::export::otlp::testing::{BOOT, SECOND, exited, sample, settings, view, view_with};
use crate::metrics::compat::Compat;
use crate::metrics::{Choice, Level};
use crate::process::{Histogram, Switch, Switches};
use procmon_common::{Counter, Feature, Operation};

const ENDPOINT: (&str, &str) = ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:4317");
const TEMPORALITY: &str = "OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE";

fn host() -> HostIdentity {
    HostIdentity {
        name: Some("db1".to_owned()),
        id: Some("0123456789abcdef0123456789abcdef".to_owned()),
        arch: "amd64",
    }
}

fn encoder() -> Encoder {
    Encoder::new(&settings(&[ENDPOINT]), host())
}

fn chosen(pid: u32) -> ProcessSample {
    ProcessSample {
        chosen: true,
        ..sample(pid)
    }
}

fn decode(batches: &[Batch]) -> Vec<ResourceMetrics> {
    batches
        .iter()
        .flat_map(|batch| {
            let request = ExportMetricsServiceRequest::decode(batch.body.clone()).expect("OTLP");
            let points: usize = request
                .resource_metrics
                .iter()
                .map(|r| points(r).len())
                .sum();
            assert_eq!(batch.items, points as u64);
            request.resource_metrics
        })
        .collect()
}

/// A point, whatever it is of.
#[derive(Clone, Debug, PartialEq)]
struct Point {
    start: u64,
    time: u64,
    value: Shown,
}

#[derive(Clone, Debug, PartialEq)]
enum Shown {
    Number(Number),
    Histogram(u64, f64, i32, Vec<u64>),
    /// NoRecordedValue.
    Ended,
}

fn int(value: i64) -> Shown {
    Shown::Number(Number::AsInt(value))
}

fn double(value: f64) -> Shown {
    Shown::Number(Number::AsDouble(value))
}

/// `name{key="value"}` as in JSON lines.
fn series_name(name: &str, attributes: &[KeyValue]) -> String {
    let mut name = name.to_owned();
    for (index, attribute) in attributes.iter().enumerate() {
        let Some(Any::StringValue(value)) = any(attribute) else {
            panic!("{attribute:?} is a string")
        };
        let before = if index == 0 { '{' } else { ',' };
        name += &format!("{before}{}=\"{value}\"", attribute.key);
    }
    if !attributes.is_empty() {
        name.push('}');
    }
    name
}

fn any(attribute: &KeyValue) -> Option<&Any> {
    attribute.value.as_ref()?.value.as_ref()
}

fn points(resource: &ResourceMetrics) -> Vec<(String, Point)> {
    let [scope] = &resource.scope_metrics[..] else {
        panic!("one scope")
    };
    let mut points = Vec::new();
    for metric in &scope.metrics {
        match metric.data.as_ref().expect("data") {
            Data::Sum(sum) => points.extend(sum.data_points.iter().map(|p| number(metric, p))),
            Data::Gauge(gauge) => {
                points.extend(gauge.data_points.iter().map(|p| number(metric, p)));
            }
            Data::ExponentialHistogram(histogram) => {
                points.extend(histogram.data_points.iter().map(|p| shown(metric, p)));
            }
            other => panic!("no row makes {other:?}"),
        }
    }
    points
}

type Wire = opentelemetry_proto::tonic::metrics::v1::Metric;

fn number(
    metric: &Wire,
    p: &opentelemetry_proto::tonic::metrics::v1::NumberDataPoint,
) -> (String, Point) {
    assert_eq!(p.flags, u32::from(p.value.is_none()));
    let point = Point {
        start: p.start_time_unix_nano,
        time: p.time_unix_nano,
        value: p.value.map_or(Shown::Ended, Shown::Number),
    };
    (series_name(&metric.name, &p.attributes), point)
}

fn shown(metric: &Wire, p: &ExponentialHistogramDataPoint) -> (String, Point) {
    assert_eq!((p.scale, p.zero_count), (0, 0));
    let value = if p.flags == 1 {
        // What it repeats is whole.
        let buckets = p.positive.iter().flat_map(|b| &b.bucket_counts);
        assert_eq!(p.count, buckets.sum::<u64>());
        assert_eq!(p.sum.is_some(), p.count > 0);
        Shown::Ended
    } else {
        assert_eq!(p.flags, 0);
        let Buckets {
            offset,
            bucket_counts,
        } = p.positive.clone().unwrap_or_default();
        Shown::Histogram(p.count, p.sum.expect("a sum"), offset, bucket_counts)
    };
    let point = Point {
        start: p.start_time_unix_nano,
        time: p.time_unix_nano,
        value,
    };
    (series_name(&metric.name, &p.attributes), point)
}

fn attributes(resource: &ResourceMetrics) -> Vec<(String, Any)> {
    let resource = resource.resource.as_ref().expect("a resource");
    resource
        .attributes
        .iter()
        .map(|kv| (kv.key.clone(), any(kv).expect("a value").clone()))
        .collect()
}

fn pid(resource: &ResourceMetrics) -> i64 {
    let attributes = attributes(resource);
    let pid = attributes.iter().find(|(key, _)| key == "process.pid");
    match pid {
        Some((_, Any::IntValue(pid))) => *pid,
        other => panic!("process.pid is an integer, not {other:?}"),
    }
}

fn get<'a>(points: &'a [(String, Point)], name: &str) -> &'a Point {
    let found: Vec<_> = points.iter().filter(|(series, _)| series == name).collect();
    assert_eq!(found.len(), 1, "{name} is there once");
    &found[0].1
}

fn one(batches: &[Batch]) -> ResourceMetrics {
    let mut all = decode(batches);
    assert_eq!(all.len(), 1);
    all.remove(0)
}

#[test]
fn every_row_of_the_catalogue_goes_out_as_it_says() {
    let mut rates = Rates::default();
    let mut encoder = encoder();
    encoder.encode(&view_with(&mut rates, 10, vec![chosen(7)], vec![]));
    let view = view_with(&mut rates, 11, vec![chosen(7)], vec![]);
    let resource = one(&encoder.encode(&view));
    let scope = &resource.scope_metrics[0];
    assert_eq!(scope.metrics.len(), PROCESS.len());
    for (metric, row) in scope.metrics.iter().zip(PROCESS) {
        assert_eq!(metric.name, row.name);
        assert_eq!(metric.unit, row.unit, "{}", row.name);
        assert_eq!(metric.description, row.description, "{}", row.name);
        let kind = match metric.data.as_ref().expect("data") {
            Data::Sum(sum) => {
                assert_eq!(sum.aggregation_temporality, 2, "{}", row.name);
                if sum.is_monotonic {
                    Instrument::Counter
                } else {
                    Instrument::UpDownCounter
                }
            }
            Data::ExponentialHistogram(histogram) => {
                assert_eq!(histogram.aggregation_temporality, 2, "{}", row.name);
                Instrument::ExponentialHistogram
            }
            _ => Instrument::Gauge,
        };
        assert_eq!(kind, row.instrument, "{}", row.name);
    }
    let sent: Vec<_> = points(&resource);
    let mut expected = Vec::new();
    let (sample, derived) = view.processes().next().expect("a process");
    let reading = ProcessReading {
        sample,
        derived: Some(derived),
        at_unix_ns: view.frame.at_unix_ns,
    };
    for row in PROCESS {
        let mut take = |attributes: &[(&'static str, &str)], value: Value<'_>| {
            let attributes: Vec<_> = attributes
                .iter()
                .map(|(key, value)| KeyValue {
                    key: (*key).to_owned(),
                    value: Some(Any::StringValue((*value).to_owned()).into_any()),
                    ..KeyValue::default()
                })
                .collect();
            let value = match value {
                Value::Int(value) => int(value as i64),
                Value::Float(value) => double(value),
                Value::Histogram(_) => Shown::Histogram(7, 1.5, -27, vec![5, 0, 2]),
            };
            let start = match (row.instrument, row.source) {
                (Instrument::Gauge, _) => 0,
                (_, Source::Probe) => BOOT + 2 * SECOND,
                _ => BOOT + SECOND,
            };
            let point = Point {
                start,
                time: BOOT + 11 * SECOND,
                value,
            };
            expected.push((series_name(row.name, &attributes), point));
        };
        (row.read)(&reading, &mut take);
    }
    assert_eq!(sent, expected);
}

trait IntoAny {
    fn into_any(self) -> opentelemetry_proto::tonic::common::v1::AnyValue;
}

impl IntoAny for Any {
    fn into_any(self) -> opentelemetry_proto::tonic::common::v1::AnyValue {
        opentelemetry_proto::tonic::common::v1::AnyValue { value: Some(self) }
    }
}

#[test]
fn a_resource_is_exactly_what_the_contract_says() {
    let mut sample = sample(7);
    sample.metadata = Arc::new(Metadata {
        container_id: Some("c0ffee".to_owned()),
        pod_uid: Some("0b1c".to_owned()),
        ..Metadata::clone(&sample.metadata)
    });
    let resource = one(&encoder().encode(&view(10, vec![sample], vec![])));
    let text = |text: &str| Any::StringValue(text.to_owned());
    let instance = instance(&host(), 7);
    let expected = [
        ("process.pid", Any::IntValue(7)),
        ("process.creation.time", text("2023-11-14T22:13:21.000Z")),
        ("process.executable.name", text("program-7")),
        ("process.command", text("/usr/bin/program-7")),
        ("process.owner", text("somebody")),
        ("process.user.id", Any::IntValue(1000)),
        ("container.id", text("c0ffee")),
        ("k8s.pod.uid", text("0b1c")),
        ("service.name", text("program-7")),
        ("service.instance.id", text(&instance)),
        ("host.name", text("db1")),
        ("host.id", text("0123456789abcdef0123456789abcdef")),
        ("host.arch", text("amd64")),
        ("os.type", text("linux")),
    ]
    .map(|(key, value)| (key.to_owned(), value));
    assert_eq!(attributes(&resource), expected);
    assert_eq!(resource.schema_url, SCHEMA_URL);
    let scope = &resource.scope_metrics[0];
    assert_eq!(scope.schema_url, SCHEMA_URL);
    let scope = scope.scope.as_ref().expect("a scope");
    assert_eq!(scope.name, "procmon");
    assert_eq!(scope.version, env!("CARGO_PKG_VERSION"));
}

fn instance(host: &HostIdentity, pid: u32) -> String {
    resource::instance_id(host, pid, "2023-11-14T22:13:21.000Z")
}

#[test]
fn an_instance_is_told_by_host_pid_and_creation() {
    assert_eq!(instance(&host(), 7), "4e5f748e-0fb3-5d84-aa0e-327555852977");
    let other = HostIdentity {
        id: Some("ffffffffffffffffffffffffffffffff".to_owned()),
        ..host()
    };
    assert_ne!(instance(&other, 7), instance(&host(), 7));
    assert_ne!(instance(&host(), 8), instance(&host(), 7));
}

#[test]
fn what_is_unknown_of_a_process_is_no_attribute() {
    let mut sample = sample(7);
    sample.metadata = Arc::default();
    let settings = Settings {
        service_instance: false,
        ..settings(&[ENDPOINT])
    };
    let mut encoder = Encoder::new(&settings, HostIdentity::default());
    let resource = one(&encoder.encode(&view(10, vec![sample], vec![])));
    let keys: Vec<_> = attributes(&resource).into_iter().map(|(k, _)| k).collect();
    assert_eq!(keys, ["process.pid", "process.creation.time", "os.type"]);
}

#[test]
fn attributes_of_the_environment_never_speak_for_a_process() {
    let settings = settings(&[
        ENDPOINT,
        ("OTEL_SERVICE_NAME", "agent"),
        (
            "OTEL_RESOURCE_ATTRIBUTES",
            "process.owner=root,host.name=other,service.name=agent,process.pid=1,\
             deployment.environment.name=test%2Cstage",
        ),
    ]);
    let mut sample = sample(7);
    let metadata = Metadata {
        owner: None,
        ..Metadata::clone(&sample.metadata)
    };
    sample.metadata = Arc::new(metadata);
    let mut encoder = Encoder::new(&settings, host());
    let resource = one(&encoder.encode(&view(10, vec![sample], vec![])));
    let attributes: BTreeMap<_, _> = attributes(&resource).into_iter().collect();
    let text = |key: &str| match attributes.get(key) {
        Some(Any::StringValue(text)) => Some(text.as_str()),
        _ => None,
    };
    assert_eq!(pid(&resource), 7);
    assert_eq!(text("process.owner"), None);
    assert_eq!(text("host.name"), Some("db1"));
    assert_eq!(text("service.name"), Some("program-7"));
    assert_eq!(text("deployment.environment.name"), Some("test,stage"));
}

#[test]
fn metrics_on_request_are_for_chosen_processes_only() {
    let names = |sample| {
        let resource = one(&encoder().encode(&view(10, vec![sample], vec![])));
        let metrics = &resource.scope_metrics[0].metrics;
        let names: BTreeSet<_> = metrics.iter().map(|m| m.name.clone()).collect();
        names
    };
    let recommended: BTreeSet<_> = PROCESS
        .iter()
        .filter(|row| row.level == Level::Recommended)
        .map(|row| row.name.to_owned())
        .collect();
    assert_eq!(names(sample(7)), recommended);
    assert!(names(chosen(7)).contains("procmon.cpu.run_queue.duration"));
}

#[test]
fn psutils_names_stand_beside_ours_with_the_same_points_to_the_end_when_asked_for() {
    let names = Compat::Psutil.otlp();
    let with = |compat| {
        let settings = Settings {
            compat,
            ..settings(&[ENDPOINT])
        };
        let mut encoder = Encoder::new(&settings, host());
        let mut batches = encoder.encode(&view(10, vec![chosen(7)], vec![]));
        let live = encoder.live_series();
        let ended = exited(chosen(7), BOOT + 11 * SECOND);
        batches.extend(encoder.encode(&view(11, vec![], vec![ended])));
        let mut metrics = Vec::new();
        for mut resource in decode(&batches) {
            metrics.append(&mut resource.scope_metrics.remove(0).metrics);
        }
        (metrics, live)
    };
    let of = |metrics: &[Wire], name: &str| -> Vec<_> {
        let named = metrics.iter().filter(|metric| metric.name == name);
        named.map(|m| (m.unit.clone(), m.data.clone())).collect()
    };
    let (metrics, live) = with(vec![Compat::Psutil]);
    for alias in names {
        let points = of(&metrics, alias.name);
        // Live, at the end, and the end.
        assert_eq!(points.len(), 3, "{alias:?}");
        assert_eq!(points, of(&metrics, alias.of), "{alias:?}");
        assert_eq!(points[0].0, "By");
    }
    let (without, live_without) = with(vec![Compat::VertexAr]);
    assert_eq!(live, live_without + names.len() as u64);
    let ours: Vec<_> = metrics
        .into_iter()
        .filter(|metric| names.iter().all(|alias| alias.name != metric.name))
        .collect();
    assert_eq!(without, ours);
}

#[test]
fn a_probe_counter_at_0_is_sent_for_a_chosen_process_only() {
    let quiet = |chosen| {
        let mut sample = quiet(7);
        sample.chosen = chosen;
        let probes = sample.probes.as_mut().expect("probes");
        probes.counters[Counter::Munmap.index()] = 1;
        sample
    };
    let has = |sample, name: &str| {
        let resource = one(&encoder().encode(&view(10, vec![sample], vec![])));
        points(&resource).iter().any(|(series, _)| series == name)
    };
    let mmap = "procmon.memory.mapping.operations{procmon.memory.operation=\"mmap\"}";
    let munmap = "procmon.memory.mapping.operations{procmon.memory.operation=\"munmap\"}";
    assert!(!has(quiet(false), mmap));
    assert!(!has(quiet(false), "procmon.process.forks"));
    assert!(has(quiet(false), munmap));
    assert!(has(quiet(true), mmap));
    assert!(has(quiet(true), "procmon.process.forks"));
}

#[test]
fn a_quiet_process_costs_at_most_25_points() {
    let mut encoder = encoder();
    let resource = one(&encoder.encode(&view(10, vec![quiet(7)], vec![])));
    let count = points(&resource).len();
    assert!(count <= 25, "{count} points");
    assert_eq!(encoder.live_series(), count as u64);
}

#[test]
fn an_empty_histogram_has_no_buckets() {
    let mut sample = chosen(7);
    sample.probes.as_mut().expect("probes").waits = Histogram::default();
    let resource = one(&encoder().encode(&view(10, vec![sample], vec![])));
    let point = get(&points(&resource), "procmon.cpu.run_queue.duration").clone();
    assert_eq!(point.value, Shown::Histogram(0, 0.0, 0, vec![]));
}

#[test]
fn values_above_what_otlp_can_say_are_the_largest_it_can() {
    let mut sample = sample(7);
    sample.totals.virtual_memory = Some(u64::MAX);
    let resource = one(&encoder().encode(&view(10, vec![sample], vec![])));
    let point = get(&points(&resource), "process.memory.virtual").clone();
    assert_eq!(point.value, int(i64::MAX));
}

#[test]
fn no_batch_of_5000_processes_passes_1_mib_and_none_is_lost() {
    let processes: Vec<_> = (1..=5000).map(chosen).collect();
    let view = view(10, processes, vec![]);
    let mut encoder = encoder();
    for _ in 0..2 {
        let batches = encoder.encode(&view);
        assert!(batches.len() > 1);
        for batch in &batches {
            assert!(batch.body.len() <= 1 << 20, "{} bytes", batch.body.len());
        }
        let pids: Vec<_> = decode(&batches).iter().map(pid).collect();
        assert_eq!(pids, (1..=5000).collect::<Vec<_>>());
    }
}

#[test]
fn a_batch_is_cut_before_the_process_that_would_cross_the_limit() {
    let one_process = encoder().encode(&view(10, vec![sample(100)], vec![]))[0]
        .body
        .len();
    let settings = Settings {
        batch_bytes: 2 * one_process + 1,
        ..settings(&[ENDPOINT])
    };
    let mut encoder = Encoder::new(&settings, host());
    let processes = (100..105).map(sample).collect();
    let batches = encoder.encode(&view(10, processes, vec![]));
    let sizes: Vec<_> = batches.iter().map(|batch| batch.body.len()).collect();
    assert_eq!(sizes, [2 * one_process, 2 * one_process, one_process]);
}

#[test]
fn an_exited_process_sends_its_last_values_and_ends_every_series_it_ever_sent() {
    let mut rates = Rates::default();
    let mut encoder = encoder();
    let mut ever = BTreeSet::new();
    for tick in 10..13 {
        let mut sample = chosen(7);
        // Each tick has a failure that the other ticks do not have.
        sample.probes.as_mut().expect("probes").failures = vec![(Operation::Open, tick as u32, 1)];
        let view = view_with(&mut rates, tick, vec![sample], vec![]);
        let resource = one(&encoder.encode(&view));
        ever.extend(points(&resource).into_iter().map(|(name, _)| name));
    }
    let end = BOOT + 12 * SECOND + SECOND / 2;
    let mut last = chosen(7);
    last.totals.threads = Some(0);
    last.totals.uptime_ns = Some(11_500_000_000);
    let view = view_with(&mut rates, 13, vec![], vec![exited(last, end)]);
    let [values, ends] = &decode(&encoder.encode(&view))[..] else {
        panic!("values, then ends")
    };
    assert_eq!(attributes(values), attributes(ends));
    let values = points(values);
    assert!(values.iter().all(|(_, point)| point.time == end));
    assert_eq!(get(&values, "process.thread.count").value, int(0));
    assert_eq!(get(&values, "process.uptime").value, double(11.5));
    ever.extend(values.into_iter().map(|(name, _)| name));

    let ends = points(ends);
    let ended: Vec<_> = ends.iter().map(|(name, _)| name.clone()).collect();
    assert_eq!(ended.len(), ever.len());
    assert_eq!(ended.into_iter().collect::<BTreeSet<_>>(), ever);
    for (name, point) in ends {
        assert_eq!(point.value, Shown::Ended, "{name}");
        assert_eq!(point.time, BOOT + 13 * SECOND, "{name}");
    }
    // Then it is forgotten.
    let view = view_with(&mut rates, 14, vec![], vec![]);
    assert_eq!(encoder.encode(&view), []);
    assert_eq!(encoder.live_series(), 0);
}

#[test]
fn the_end_of_a_series_is_later_than_its_last_value() {
    let mut encoder = encoder();
    encoder.encode(&view(10, vec![sample(7)], vec![]));
    let now = BOOT + 11 * SECOND;
    let view = view(11, vec![], vec![exited(sample(7), now)]);
    let [values, ends] = &decode(&encoder.encode(&view))[..] else {
        panic!("values, then ends")
    };
    assert!(points(values).iter().all(|(_, point)| point.time == now));
    assert!(
        points(ends)
            .iter()
            .all(|(_, p)| p.time == now + END_AFTER_NS)
    );
}

#[test]
fn series_that_are_wanted_no_more_end_once_and_go_on_as_they_were_when_they_are_wanted_again() {
    let mut encoder = encoder();
    let switched = |on: bool| {
        let switches = match on {
            true => Switches::ALL,
            false => Switches::ALL.without(Switch::DiskIo),
        };
        let mut sample = sample(7);
        sample.wanted = crate::metrics::wanted(&Choice::Default, switches);
        sample.keep_wanted();
        sample
    };
    let mut disk = |tick, on| {
        let sent = decode(&encoder.encode(&view(tick, vec![switched(on)], vec![])));
        let all = sent.iter().flat_map(points);
        let of_disk = all.filter(|(name, _)| name.starts_with("process.disk.io"));
        of_disk.map(|(_, point)| point).collect::<Vec<_>>()
    };
    let before = disk(10, true);
    let off = disk(11, false);
    assert_eq!(off.len(), before.len());
    assert!(off.iter().all(|point| point.value == Shown::Ended));
    assert_eq!(disk(12, false), []);
    let again = disk(13, true);
    let shown = |points: &[Point]| -> Vec<_> {
        let of = points
            .iter()
            .map(|point| (point.start, point.value.clone()));
        of.collect()
    };
    assert_eq!(shown(&again), shown(&before));
}

#[test]
fn a_process_that_vanishes_ends_its_series_at_the_tick() {
    let mut encoder = encoder();
    let sent = one(&encoder.encode(&view(10, vec![sample(7)], vec![])));
    let ends = one(&encoder.encode(&view(11, vec![], vec![])));
    let expected: Vec<_> = points(&sent)
        .into_iter()
        .map(|(name, point)| {
            let end = Point {
                time: BOOT + 11 * SECOND,
                value: Shown::Ended,
                ..point
            };
            (name, end)
        })
        .collect();
    assert_eq!(points(&ends), expected);
    assert_eq!(encoder.encode(&view(12, vec![], vec![])), []);
}

#[test]
fn a_process_whose_end_is_to_come_has_its_final_values_before_its_series_end() {
    let mut encoder = encoder();
    encoder.encode(&view(10, vec![sample(7)], vec![]));
    let mut between = view(11, vec![], vec![]);
    let frame = Arc::get_mut(&mut between.frame).expect("nobody else has it");
    frame.ending.push(sample(7).id);
    assert_eq!(encoder.encode(&between), []);
    let end = BOOT + 11 * SECOND;
    let view = view(12, vec![], vec![exited(sample(7), end)]);
    let [values, ends] = &decode(&encoder.encode(&view))[..] else {
        panic!("values, then ends")
    };
    assert!(points(values).iter().all(|(_, point)| point.time == end));
    let ended = |(_, point): &(_, Point)| point.value == Shown::Ended;
    assert!(points(ends).iter().all(ended));
}

#[test]
fn a_process_of_no_frame_goes_out_only_when_it_was_chosen() {
    let end = BOOT + 10 * SECOND;
    let mut encoder = encoder();
    let unseen = view(11, vec![], vec![exited(sample(7), end)]);
    assert_eq!(encoder.encode(&unseen), []);
    let asked_for = view(12, vec![], vec![exited(chosen(8), end)]);
    let all = decode(&encoder.encode(&asked_for));
    assert_eq!(all.iter().map(pid).collect::<Vec<_>>(), [8, 8]);
    let names =
        |resource| -> Vec<_> { points(resource).into_iter().map(|(name, _)| name).collect() };
    assert_eq!(names(&all[0]), names(&all[1]));
}

#[test]
fn a_reused_pid_is_a_new_resource_and_ends_the_old_one() {
    let mut encoder = encoder();
    encoder.encode(&view(10, vec![sample(7)], vec![]));
    let mut reused = sample(7);
    reused.id.start_ticks = 1050;
    reused.created_unix_ns = BOOT + 10 * SECOND + SECOND / 2;
    let all = decode(&encoder.encode(&view(11, vec![reused], vec![])));
    assert_eq!(all.len(), 2);
    assert_ne!(attributes(&all[0]), attributes(&all[1]));
    assert!(points(&all[0]).iter().all(|(_, p)| p.value != Shown::Ended));
    assert!(points(&all[1]).iter().all(|(_, p)| p.value == Shown::Ended));
    assert_eq!(
        get(&points(&all[0]), "process.memory.usage").start,
        BOOT + 10 * SECOND + SECOND / 2
    );
}

#[test]
fn an_exec_ends_the_series_of_the_old_program() {
    let mut encoder = encoder();
    let old = one(&encoder.encode(&view(10, vec![sample(7)], vec![])));
    // Read again, but the same: nothing changes.
    let mut same = sample(7);
    same.metadata = Arc::new(Metadata::clone(&same.metadata));
    assert_eq!(
        attributes(&one(&encoder.encode(&view(11, vec![same], vec![])))),
        attributes(&old)
    );
    let mut execed = sample(7);
    execed.metadata = Arc::new(Metadata {
        executable: "other".to_owned(),
        ..Metadata::clone(&execed.metadata)
    });
    let [ends, new] = &decode(&encoder.encode(&view(12, vec![execed], vec![])))[..] else {
        panic!("ends of the old, values of the new")
    };
    assert_eq!(attributes(ends), attributes(&old));
    assert!(points(ends).iter().all(|(_, p)| p.value == Shown::Ended));
    assert_eq!(points(ends).len(), points(&old).len());
    assert_ne!(attributes(new), attributes(&old));
    // Its sums go on: an exec does not reset what the kernel counts.
    assert_eq!(
        get(&points(new), "procmon.cpu.on_cpu.time").start,
        BOOT + SECOND
    );
}

#[test]
fn probes_that_were_away_begin_a_new_sequence() {
    let mut encoder = encoder();
    encoder.encode(&view(10, vec![sample(7)], vec![]));
    let mut back = sample(7);
    let probes = back.probes.as_mut().expect("probes");
    probes.since_unix_ns = BOOT + 11 * SECOND;
    probes.counters = [0; Counter::COUNT];
    let points = points(&one(&encoder.encode(&view(12, vec![back], vec![]))));
    // It was sent before, so it goes on, from 0.
    let forks = get(&points, "procmon.process.forks");
    assert_eq!((forks.start, &forks.value), (BOOT + 11 * SECOND, &int(0)));
    assert_eq!(get(&points, "procmon.cpu.on_cpu.time").start, BOOT + SECOND);
}

#[test]
fn a_feature_that_was_away_begins_a_new_sequence_and_the_rest_goes_on() {
    let settings = settings(&[ENDPOINT, (TEMPORALITY, "delta")]);
    let mut encoder = Encoder::new(&settings, host());
    let mapped = |points: &[(String, Point)]| {
        let mut of = points.iter();
        of.find(|(name, _)| {
            name == "procmon.memory.mapping.size{procmon.memory.mapping.direction=\"map\"}"
        })
        .map(|(_, point)| (point.start, point.value.clone()))
    };
    encoder.encode(&view(10, vec![sample(7)], vec![]));

    let mut away = sample(7);
    let probes = away.probes.as_mut().expect("probes");
    probes.features[Feature::MappingBytes.index()] = None;
    let away = points(&one(&encoder.encode(&view(11, vec![away], vec![]))));
    assert_eq!(mapped(&away), None);

    let mut back = sample(7);
    let probes = back.probes.as_mut().expect("probes");
    probes.features[Feature::MappingBytes.index()] = Some(BOOT + 12 * SECOND);
    probes.counters[Counter::MappedBytes.index()] = 5;
    let back = points(&one(&encoder.encode(&view(13, vec![back], vec![]))));
    assert_eq!(mapped(&back), Some((BOOT + 12 * SECOND, int(5))));
    let forks = get(&back, "procmon.process.forks");
    assert_eq!((forks.start, &forks.value), (BOOT + 11 * SECOND, &int(0)));
}

#[test]
fn no_sum_begins_after_its_point() {
    let mut early = sample(7);
    early.created_unix_ns = BOOT + 60 * SECOND;
    let resource = one(&encoder().encode(&view(10, vec![early], vec![])));
    for (name, point) in points(&resource) {
        assert!(point.start <= point.time, "{name}");
    }
}

/// The points of a process over ticks, with `threads` growing and 3 CPU
/// seconds a tick.
fn ticks(temporality: &str) -> Vec<Vec<(String, Point)>> {
    let settings = settings(&[ENDPOINT, (TEMPORALITY, temporality)]);
    let mut encoder = Encoder::new(&settings, host());
    (0..3)
        .map(|tick| {
            let mut sample = chosen(7);
            sample.totals.on_cpu_ns = Some((tick + 1) * 3 * SECOND);
            sample.totals.threads = Some(tick + 1);
            let probes = sample.probes.as_mut().expect("probes");
            probes.counters[Counter::Forks.index()] = 10 + tick;
            probes.waits.buckets[3] = 5 + tick;
            probes.waits.sum_ns = (tick + 1) * SECOND;
            points(&one(&encoder.encode(&view(
                10 + tick,
                vec![sample],
                vec![],
            ))))
        })
        .collect()
}

#[test]
fn deltas_of_counters_and_histograms_begin_where_the_last_ended() {
    let ticks = ticks("delta");
    let series = |name: &str| -> Vec<_> {
        let point = |points: &Vec<_>| {
            let point: &Point = get(points, name);
            ((point.start - BOOT) / SECOND, point.value.clone())
        };
        ticks.iter().map(point).collect()
    };
    assert_eq!(
        series("procmon.cpu.on_cpu.time"),
        [(1, double(3.0)), (10, double(3.0)), (11, double(3.0))]
    );
    assert_eq!(
        series("procmon.process.forks"),
        [(2, int(10)), (10, int(1)), (11, int(1))]
    );
    assert_eq!(
        series("procmon.cpu.run_queue.duration"),
        [
            (2, Shown::Histogram(7, 1.0, -27, vec![5, 0, 2])),
            (10, Shown::Histogram(1, 1.0, -27, vec![1])),
            (11, Shown::Histogram(1, 1.0, -27, vec![1])),
        ]
    );
    assert_eq!(
        series("process.thread.count"),
        [(1, int(1)), (1, int(2)), (1, int(3))]
    );
}

#[test]
fn low_memory_has_deltas_of_histograms_only() {
    let ticks = ticks("lowmemory");
    let last = &ticks[2];
    assert_eq!(get(last, "procmon.process.forks").value, int(12));
    assert_eq!(
        get(last, "procmon.cpu.run_queue.duration").value,
        Shown::Histogram(1, 1.0, -27, vec![1])
    );
}

#[test]
fn a_delta_after_the_probes_were_away_is_all_they_counted_since() {
    let settings = settings(&[ENDPOINT, (TEMPORALITY, "delta")]);
    let mut encoder = Encoder::new(&settings, host());
    encoder.encode(&view(10, vec![sample(7)], vec![]));
    let mut back = sample(7);
    let probes = back.probes.as_mut().expect("probes");
    probes.since_unix_ns = BOOT + 11 * SECOND;
    probes.counters[Counter::Forks.index()] = 4;
    let points = points(&one(&encoder.encode(&view(12, vec![back], vec![]))));
    let forks = get(&points, "procmon.process.forks");
    assert_eq!((forks.start, &forks.value), (BOOT + 11 * SECOND, &int(4)));
    let threads = get(&points, "procmon.cpu.on_cpu.time");
    assert_eq!(
        (threads.start, &threads.value),
        (BOOT + 10 * SECOND, &double(0.0))
    );
}

/// A process whose probes have counted nothing yet.
fn quiet(pid: u32) -> ProcessSample {
    let mut sample = sample(pid);
    let probes = sample.probes.as_mut().expect("probes");
    probes.counters = [0; Counter::COUNT];
    probes.failures.clear();
    sample
}

/// Prints what a view of 2,000 processes costs: run it with `--release
/// --ignored --nocapture`.
#[test]
#[ignore = "a measurement"]
fn cost_of_2000_processes() {
    type Make = fn(u32) -> ProcessSample;
    let kinds: [(&str, Make); 3] = [("quiet", quiet), ("busy", sample), ("chosen", chosen)];
    for (name, make) in kinds {
        let mut encoder = encoder();
        let view = view(10, (1..=2000).map(make).collect(), vec![]);
        let mut costs: Vec<_> = (0..41)
            .map(|_| {
                let begun = thread_time();
                std::hint::black_box(encoder.encode(&view));
                thread_time() - begun
            })
            .collect();
        let first = costs[0];
        costs.sort_unstable();
        let batches = encoder.encode(&view);
        let bytes: usize = batches.iter().map(|batch| batch.body.len()).sum();
        let points: u64 = batches.iter().map(|batch| batch.items).sum();
        println!(
            "{name}: first {first:?}, median {:?}, {points} points, {bytes} bytes, {} batches",
            costs[costs.len() / 2],
            batches.len()
        );
    }
}

/// CPU time of this thread.
fn thread_time() -> std::time::Duration {
    let mut time = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: `time` is a timespec, and lives for the call.
    let result = unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &raw mut time) };
    assert_eq!(result, 0);
    std::time::Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}
