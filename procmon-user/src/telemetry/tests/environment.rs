//! The environment of a real process, which the SDK reads, too: both roads have
//! to make the same of it.

use std::process::{Command, Stdio};

use opentelemetry_proto::tonic::metrics::v1::AggregationTemporality;

use super::*;
use crate::export::otlp::encode::Encoder;
use crate::export::otlp::transport::{Network, Transport as _};
use crate::export::otlp::{FileSettings, Signal};

/// One export by each road, to where the environment says.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "the other test here makes its environment"]
async fn both_roads_once() {
    let settings = Settings::from_environment(Signal::Metrics, None, &FileSettings::default());
    let settings = settings.expect("good settings").expect("an endpoint");
    let view = view(10, vec![sample(1)], vec![]);
    let mut network = Network::new(&settings).expect("a transport");
    let batches = Encoder::new(&settings, host()).encode(&view);
    for batch in batches {
        network.send(batch.body).await.expect("delivered");
    }
    let telemetry = start(&settings, NEVER);
    telemetry.publish(&view, exporters());
    assert_eq!(telemetry.shutdown(PATIENCE).await, Ok(()));
}

/// What of a request follows from the environment.
fn of_environment(got: &Got, encoding: &str) -> Vec<String> {
    let mut told = Vec::new();
    for name in ["authorization", "x-tenant", "x-generic", encoding] {
        let values = got.headers.get_all(name);
        told.push(format!("{name}: {:?}", values.iter().collect::<Vec<_>>()));
    }
    for resource in &got.request.resource_metrics {
        let attributes = &resource.resource.as_ref().expect("a resource").attributes;
        let team = attributes
            .iter()
            .filter(|attribute| attribute.key == "team");
        told.push(format!("{:?}", team.collect::<Vec<_>>()));
    }
    told
}

/// The temporality of counters, and whether each histogram has bounds.
fn layouts(got: &Got) -> (Vec<i32>, Vec<bool>) {
    let resources = got.request.resource_metrics.iter();
    let metrics = resources.flat_map(|resource| &resource.scope_metrics[0].metrics);
    let (mut counters, mut histograms) = (Vec::new(), Vec::new());
    for metric in metrics {
        match metric.data.as_ref().expect("data") {
            Data::Sum(sum) if sum.is_monotonic => counters.push(sum.aggregation_temporality),
            Data::Histogram(_) => histograms.push(true),
            Data::ExponentialHistogram(_) => histograms.push(false),
            _ => {}
        }
    }
    counters.dedup();
    histograms.dedup();
    (counters, histograms)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_environment_means_the_same_on_both_roads() {
    for (collector, protocol, encoding) in [
        (Collector::grpc(), "grpc", "grpc-encoding"),
        (Collector::http(), "http/protobuf", "content-encoding"),
    ] {
        let endpoint = format!("http://{}", collector.address);
        let test = concat!(module_path!(), "::both_roads_once");
        let test = test.split_once("::").expect("a crate").1;
        let mut child = Command::new(std::env::current_exe().expect("this program"));
        child
            .args(["--exact", "--ignored", test])
            .env_clear()
            .envs([
                ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:9"),
                ("OTEL_EXPORTER_OTLP_PROTOCOL", protocol),
                ("OTEL_EXPORTER_OTLP_HEADERS", "x-generic=1,authorization=no"),
                (
                    "OTEL_EXPORTER_OTLP_METRICS_HEADERS",
                    "authorization=Bearer%20abc, x-tenant=a%2Cb",
                ),
                ("OTEL_EXPORTER_OTLP_COMPRESSION", "gzip"),
                ("OTEL_EXPORTER_OTLP_METRICS_COMPRESSION", "zstd"),
                ("OTEL_EXPORTER_OTLP_INSECURE", "false"),
                ("OTEL_EXPORTER_OTLP_METRICS_TIMEOUT", "30000"),
                ("OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE", "delta"),
                (
                    "OTEL_EXPORTER_OTLP_METRICS_DEFAULT_HISTOGRAM_AGGREGATION",
                    "explicit_bucket_histogram",
                ),
                ("OTEL_RESOURCE_ATTRIBUTES", "team=a%20b"),
                ("OTEL_METRIC_EXPORT_INTERVAL", "1"),
                ("HTTP_PROXY", "http://127.0.0.1:9"),
            ])
            .stdin(Stdio::null());
        // The signal's endpoint is taken as it is.
        let path = if protocol == "grpc" {
            ""
        } else {
            "/v1/metrics"
        };
        child.env(
            "OTEL_EXPORTER_OTLP_METRICS_ENDPOINT",
            format!("{endpoint}{path}"),
        );
        let ended = tokio::task::spawn_blocking(move || child.output()).await;
        let output = ended.expect("no panic").expect("a child");
        let said = String::from_utf8_lossy(&output.stdout);
        assert!(said.contains("1 passed"), "{said}");

        let taken = collector.took(2).await;
        let [processes, own] = &taken[..] else {
            panic!("one request by each road, not {}", taken.len())
        };
        let told = of_environment(processes, encoding);
        assert_eq!(told, of_environment(own, encoding));
        assert_eq!(
            told[..4],
            [
                "authorization: [\"Bearer abc\"]".to_owned(),
                "x-tenant: [\"a,b\"]".to_owned(),
                "x-generic: []".to_owned(),
                format!("{encoding}: [\"zstd\"]"),
            ]
        );
        assert!(told[4].contains("a b"), "{told:?}");
        let delta = vec![AggregationTemporality::Delta as i32];
        // This process is not among the chosen: it has no histogram.
        assert_eq!(layouts(processes), (delta.clone(), vec![]));
        assert_eq!(layouts(own), (delta, vec![true]));
    }
}
