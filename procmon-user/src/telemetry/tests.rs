use std::collections::BTreeMap;

use opentelemetry_proto::tonic::common::v1::KeyValue as WireKeyValue;
use opentelemetry_proto::tonic::common::v1::any_value::Value as Any;
use opentelemetry_proto::tonic::metrics::v1::metric::Data;

use super::*;
use crate::export::otlp::testing::{
    Answer, Collector, Got, PATIENCE, sample, settings as settings_of, view,
};
use crate::metrics::agent::AGENT;
use crate::metrics::host;
use crate::metrics::{Instrument, Value};

/// Longer than any test: values go out at the end only.
const NEVER: Duration = Duration::from_secs(3600);

fn host() -> HostIdentity {
    HostIdentity {
        name: Some("db1".to_owned()),
        id: Some("0123456789abcdef0123456789abcdef".to_owned()),
        arch: "amd64",
    }
}

fn settings(collector: &Collector, protocol: &str, more: &[(&str, &str)]) -> Settings {
    let endpoint = format!("http://{}", collector.address);
    let mut variables = vec![
        ("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint.as_str()),
        ("OTEL_EXPORTER_OTLP_PROTOCOL", protocol),
    ];
    variables.extend(more);
    settings_of(&variables)
}

fn start(settings: &Settings, interval: Duration) -> Telemetry {
    let runtime = Handle::current();
    let heartbeats = Heartbeats::default();
    heartbeats.of("collect").beat();
    Telemetry::start(
        settings,
        &host(),
        1_700_000_000_000_000_000,
        interval,
        heartbeats,
        &runtime,
    )
    .expect("telemetry")
}

fn exporters() -> Vec<ExporterHealth> {
    vec![ExporterHealth {
        exporter: "otlp",
        sent: 4,
        ..ExporterHealth::default()
    }]
}

fn strings(attributes: &[WireKeyValue]) -> BTreeMap<String, String> {
    let string = |kv: &WireKeyValue| match kv.value.as_ref().and_then(|v| v.value.as_ref()) {
        Some(Any::StringValue(value)) => (kv.key.clone(), value.clone()),
        other => panic!("{} is a string, not {other:?}", kv.key),
    };
    attributes.iter().map(string).collect()
}

/// The metrics of a request that come from rows with points: name, unit,
/// description and kind.
fn shapes(got: &Got) -> BTreeMap<String, (String, String, Instrument)> {
    let [resource] = &got.request.resource_metrics[..] else {
        panic!("one resource")
    };
    let [scope] = &resource.scope_metrics[..] else {
        panic!("one scope")
    };
    let scope_name = scope.scope.as_ref().map(|scope| scope.name.as_str());
    assert_eq!(scope_name, Some("procmon"));
    let shape = |metric: &opentelemetry_proto::tonic::metrics::v1::Metric| {
        let kind = match metric.data.as_ref().expect("data") {
            Data::Sum(sum) if sum.is_monotonic => Instrument::Counter,
            Data::Sum(_) => Instrument::UpDownCounter,
            Data::Gauge(_) => Instrument::Gauge,
            Data::ExponentialHistogram(_) => Instrument::ExponentialHistogram,
            other => panic!("no row makes {other:?}"),
        };
        let shape = (metric.unit.clone(), metric.description.clone(), kind);
        (metric.name.clone(), shape)
    };
    scope.metrics.iter().map(shape).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_row_with_a_value_is_exported_over_both_protocols() {
    for (collector, protocol) in [
        (Collector::grpc(), "grpc"),
        (Collector::http(), "http/protobuf"),
    ] {
        let telemetry = start(&settings(&collector, protocol, &[]), NEVER);
        let view = view(10, vec![sample(1)], vec![]);
        telemetry.publish(&view, exporters());
        assert_eq!(telemetry.shutdown(PATIENCE).await, Ok(()));
        let taken = collector.took(1).await;
        assert_eq!(taken.len(), 1);

        let mut expected = BTreeMap::new();
        let mut count = 0;
        for row in host::rows() {
            count = 0;
            (row.read)(
                &view.frame.host,
                &mut |_: &[(&'static str, &str)], _: Value<'_>| count += 1,
            );
            if count > 0 {
                let shape = (
                    row.unit.to_owned(),
                    row.description.to_owned(),
                    row.instrument,
                );
                expected.insert(row.name.to_owned(), shape);
            }
        }
        let reading = crate::metrics::AgentReading {
            health: &view.frame.agent,
            exporters: &exporters(),
            series_folded: 0,
            loops: &[("collect", Duration::ZERO)],
            history: None,
        };
        for row in AGENT {
            count = 0;
            (row.read)(&reading, &mut |_: &[(&'static str, &str)], _: Value<'_>| {
                count += 1
            });
            if count > 0 {
                let shape = (
                    row.unit.to_owned(),
                    row.description.to_owned(),
                    row.instrument,
                );
                expected.insert(row.name.to_owned(), shape);
            }
        }
        assert_eq!(count, 1, "the last row has a value");
        assert_eq!(shapes(&taken[0]), expected);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn values_and_attributes_are_those_of_the_latest_view() {
    let collector = Collector::grpc();
    let telemetry = start(&settings(&collector, "grpc", &[]), NEVER);
    for tick in [10, 11] {
        telemetry.publish(&view(tick, vec![], vec![]), exporters());
    }
    assert_eq!(telemetry.shutdown(PATIENCE).await, Ok(()));
    let taken = collector.took(1).await;
    let metrics = &taken[0].request.resource_metrics[0].scope_metrics[0].metrics;
    let data = |name: &str| {
        let metric = metrics.iter().find(|metric| metric.name == name);
        metric.and_then(|metric| metric.data.clone()).expect(name)
    };
    let Data::Sum(batches) = data("procmon.agent.export.batches") else {
        panic!("a sum")
    };
    let mut outcomes: Vec<_> = batches
        .data_points
        .iter()
        .map(|p| (strings(&p.attributes)["procmon.outcome"].clone(), p.value))
        .collect();
    outcomes.sort_by(|a, b| a.0.cmp(&b.0));
    let int = |value| {
        Some(opentelemetry_proto::tonic::metrics::v1::number_data_point::Value::AsInt(value))
    };
    let expected = [("dropped", 0), ("rejected", 0), ("retried", 0), ("sent", 4)]
        .map(|(outcome, count)| (outcome.to_owned(), int(count)));
    assert_eq!(outcomes, expected);
    let Data::ExponentialHistogram(ticks) = data("procmon.agent.tick.duration") else {
        panic!("an exponential histogram")
    };
    let point = &ticks.data_points[0];
    assert_eq!((point.scale, point.count, point.sum), (0, 2, Some(0.006)));
    // 3 ms lies in (2^-9, 2^-8] s.
    let buckets = point.positive.as_ref().expect("buckets");
    assert_eq!((buckets.offset, &buckets.bucket_counts[..]), (-9, &[2][..]));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_resource_is_procmon_and_its_host() {
    for (more, name, version) in [
        (&[][..], "procmon", env!("CARGO_PKG_VERSION")),
        (
            &[(
                "OTEL_RESOURCE_ATTRIBUTES",
                "service.name=a,service.version=2,host.name=other",
            )][..],
            "a",
            "2",
        ),
        (
            &[
                ("OTEL_SERVICE_NAME", "b"),
                ("OTEL_RESOURCE_ATTRIBUTES", "service.name=a"),
            ][..],
            "b",
            env!("CARGO_PKG_VERSION"),
        ),
    ] {
        let collector = Collector::grpc();
        let telemetry = start(&settings(&collector, "grpc", more), NEVER);
        telemetry.publish(&view(10, vec![], vec![]), vec![]);
        assert_eq!(telemetry.shutdown(PATIENCE).await, Ok(()));
        let taken = collector.took(1).await;
        let resource = taken[0].request.resource_metrics[0].resource.as_ref();
        let mut attributes = strings(&resource.expect("a resource").attributes);
        let instance = attributes
            .remove("service.instance.id")
            .expect("an instance");
        assert_eq!(
            uuid::Uuid::parse_str(&instance)
                .expect("a UUID")
                .get_version_num(),
            5
        );
        let expected = [
            ("host.arch", "amd64"),
            ("host.id", "0123456789abcdef0123456789abcdef"),
            ("host.name", "db1"),
            ("os.type", "linux"),
            ("service.name", name),
            ("service.version", version),
        ]
        .map(|(key, value)| (key.to_owned(), value.to_owned()));
        assert_eq!(attributes, BTreeMap::from(expected));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn values_go_out_every_interval() {
    let collector = Collector::http();
    let settings = settings(&collector, "http/protobuf", &[]);
    let telemetry = start(&settings, Duration::from_millis(10));
    telemetry.publish(&view(10, vec![], vec![]), vec![]);
    collector.took(2).await;
    assert_eq!(telemetry.shutdown(PATIENCE).await, Ok(()));
}

#[tokio::test(flavor = "multi_thread")]
async fn headers_and_compression_are_those_of_the_settings() {
    for (collector, protocol, encoding) in [
        (Collector::grpc(), "grpc", "grpc-encoding"),
        (Collector::http(), "http/protobuf", "content-encoding"),
    ] {
        let more = [
            ("OTEL_EXPORTER_OTLP_HEADERS", "authorization=Bearer%20abc"),
            ("OTEL_EXPORTER_OTLP_COMPRESSION", "zstd"),
        ];
        let telemetry = start(&settings(&collector, protocol, &more), NEVER);
        telemetry.publish(&view(10, vec![], vec![]), vec![]);
        assert_eq!(telemetry.shutdown(PATIENCE).await, Ok(()));
        let taken = collector.took(1).await;
        assert_eq!(taken[0].headers["authorization"], "Bearer abc");
        assert_eq!(taken[0].headers[encoding], "zstd");
    }
}

#[tokio::test]
async fn the_end_does_not_wait_for_a_collector_that_hangs() {
    for (collector, protocol) in [
        (Collector::grpc(), "grpc"),
        (Collector::http(), "http/protobuf"),
    ] {
        collector.will([Answer::Slow(NEVER)]);
        let telemetry = start(&settings(&collector, protocol, &[]), NEVER);
        telemetry.publish(&view(10, vec![], vec![]), vec![]);
        let deadline = Duration::from_millis(300);
        let ended = tokio::time::timeout(PATIENCE, telemetry.shutdown(deadline)).await;
        assert_eq!(ended, Ok(Err(ShutdownError::Deadline(deadline))));
    }
}

#[tokio::test]
async fn a_collector_that_is_gone_is_told_at_the_end() {
    let mut gone = Collector::grpc();
    gone.die();
    let telemetry = start(&settings(&gone, "grpc", &[]), NEVER);
    telemetry.publish(&view(10, vec![], vec![]), vec![]);
    let ended = telemetry.shutdown(PATIENCE).await;
    assert!(matches!(ended, Err(ShutdownError::Failed(_))), "{ended:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn histograms_have_explicit_bounds_when_asked_for() {
    let name = "OTEL_EXPORTER_OTLP_METRICS_DEFAULT_HISTOGRAM_AGGREGATION";
    let collector = Collector::grpc();
    let more = [(name, "explicit_bucket_histogram")];
    let telemetry = start(&settings(&collector, "grpc", &more), NEVER);
    for tick in [10, 11] {
        telemetry.publish(&view(tick, vec![], vec![]), vec![]);
    }
    assert_eq!(telemetry.shutdown(PATIENCE).await, Ok(()));
    let taken = collector.took(1).await;
    let metrics = &taken[0].request.resource_metrics[0].scope_metrics[0].metrics;
    let ticks = metrics
        .iter()
        .find(|metric| metric.name == "procmon.agent.tick.duration");
    let Some(Data::Histogram(ticks)) = ticks.and_then(|metric| metric.data.as_ref()) else {
        panic!("an explicit histogram")
    };
    let point = &ticks.data_points[0];
    assert_eq!((point.count, point.sum), (2, Some(0.006)));
    // 3 ms lies in (2^-9, 2^-8] s.
    let bucket = point.bucket_counts.iter().position(|count| *count == 2);
    assert_eq!(
        point.explicit_bounds[bucket.expect("a bucket")],
        1.0 / 256.0
    );
}
