use tokio::runtime::Handle;

use super::*;
use testing::{Answer, Collector, PATIENCE, sample, settings, view};

fn settings_of(address: std::net::SocketAddr, protocol: &str) -> Settings {
    settings(&[
        ("OTEL_EXPORTER_OTLP_ENDPOINT", &format!("http://{address}")),
        ("OTEL_EXPORTER_OTLP_PROTOCOL", protocol),
    ])
}

fn start(settings: &Settings) -> OtlpExporter {
    OtlpExporter::start(settings, None, HostIdentity::default(), &Handle::current())
        .expect("an exporter")
}

/// The ticks of what arrived, in seconds after boot.
fn ticks(collector: &Collector) -> Vec<u64> {
    let point_time = |got: &testing::Got| {
        use opentelemetry_proto::tonic::metrics::v1::metric::Data;
        let metric = &got.request.resource_metrics[0].scope_metrics[0].metrics[0];
        match &metric.data {
            Some(Data::Sum(sum)) => sum.data_points[0].time_unix_nano,
            other => panic!("CPU time is a sum, not {other:?}"),
        }
    };
    let taken = collector.taken();
    let times = taken.iter().map(point_time);
    times
        .map(|time| (time - testing::BOOT) / testing::SECOND)
        .collect()
}

#[tokio::test]
async fn views_arrive_in_order_over_both_protocols() {
    for (collector, protocol) in [
        (Collector::grpc(), "grpc"),
        (Collector::http(), "http/protobuf"),
    ] {
        let mut exporter = start(&settings_of(collector.address, protocol));
        let health = exporter.health();
        for tick in 10..15 {
            exporter.consume(&view(tick, vec![sample(1), sample(2)], vec![]));
        }
        assert_eq!(exporter.shutdown(PATIENCE).await, Undelivered::default());
        assert_eq!(ticks(&collector), [10, 11, 12, 13, 14]);
        let health = health.get();
        assert_eq!(
            (health.exporter, health.sent, health.retried),
            ("otlp", 5, 0)
        );
        let taken = collector.taken();
        let points = taken[4].request.resource_metrics.iter();
        let points = points
            .flat_map(|r| &r.scope_metrics[0].metrics)
            .map(points_of);
        assert_eq!(health.series, Some(points.sum::<usize>() as u64));
    }
}

fn points_of(metric: &opentelemetry_proto::tonic::metrics::v1::Metric) -> usize {
    use opentelemetry_proto::tonic::metrics::v1::metric::Data;
    match metric.data.as_ref().expect("data") {
        Data::Sum(sum) => sum.data_points.len(),
        Data::Gauge(gauge) => gauge.data_points.len(),
        Data::ExponentialHistogram(histogram) => histogram.data_points.len(),
        other => panic!("no row makes {other:?}"),
    }
}

#[tokio::test]
async fn a_collector_that_dies_in_the_middle_and_returns_misses_nothing() {
    for protocol in ["grpc", "http/protobuf"] {
        let at = |address| match protocol {
            "grpc" => Collector::grpc_at(address, None),
            _ => Collector::http_at(address),
        };
        let mut first = at("127.0.0.1:0".parse().expect("an address"));
        let mut exporter = start(&settings_of(first.address, protocol));
        let health = exporter.health();
        exporter.consume(&view(10, vec![sample(1)], vec![]));
        first.took(1).await;
        first.will([Answer::Slow(PATIENCE)]);
        exporter.consume(&view(11, vec![sample(1)], vec![]));
        first.was_asked(2).await;
        first.die();
        exporter.consume(&view(12, vec![sample(1)], vec![]));
        let second = at(first.address);
        second.took(2).await;
        assert_eq!(exporter.shutdown(PATIENCE).await, Undelivered::default());
        assert_eq!(ticks(&first), [10]);
        assert_eq!(ticks(&second), [11, 12]);
        let health = health.get();
        assert_eq!((health.sent, health.rejected, health.dropped), (3, 0, 0));
        assert!(health.retried > 0);
    }
}

#[tokio::test]
async fn refusals_are_counted_and_the_next_batch_is_sent() {
    let collector = Collector::grpc();
    let mut exporter = start(&settings_of(collector.address, "grpc"));
    let health = exporter.health();
    collector.will([
        Answer::Status(tonic::Status::unavailable("starting")),
        Answer::Status(tonic::Status::resource_exhausted("message too big")),
        Answer::Partial(2, "too old"),
        Answer::Accept,
    ]);
    for tick in 10..13 {
        exporter.consume(&view(tick, vec![sample(1)], vec![]));
    }
    assert_eq!(exporter.shutdown(PATIENCE).await, Undelivered::default());
    assert_eq!(collector.asked(), 4);
    // Tick 10 was refused for good; of tick 11 two points were.
    assert_eq!(ticks(&collector), [11, 12]);
    let health = health.get();
    assert_eq!(
        (health.sent, health.rejected, health.dropped, health.retried),
        (1, 2, 0, 1)
    );
}

#[tokio::test]
async fn what_no_collector_takes_is_told_at_the_end() {
    let mut gone = Collector::grpc();
    gone.die();
    let mut exporter = start(&settings_of(gone.address, "grpc"));
    let health = exporter.health();
    let mut points = 0;
    for tick in 10..12 {
        exporter.consume(&view(tick, vec![sample(1)], vec![]));
        points += health.get().series.unwrap();
    }
    let left = exporter.shutdown(Duration::from_millis(300)).await;
    let expected = Undelivered {
        batches: 2,
        items: points,
        ..Undelivered::default()
    };
    assert_eq!(left, expected);
    assert_eq!(health.get().dropped, 2);
}

/// An exporter whose spool is in this folder.
fn start_spooled(settings: &Settings, folder: &std::path::Path) -> OtlpExporter {
    let spool = SpoolSettings {
        state_dir: folder.to_owned(),
        max_size: 64 << 20,
    };
    let host = HostIdentity::default();
    OtlpExporter::start(settings, Some(&spool), host, &Handle::current()).expect("an exporter")
}

#[tokio::test]
async fn a_collector_that_limits_messages_to_1_mib_takes_every_batch_of_a_great_host() {
    let any = "127.0.0.1:0".parse().expect("an address");
    let collector = Collector::grpc_taking(1 << 20, any, None);
    let mut exporter = start(&settings_of(collector.address, "grpc"));
    let health = exporter.health();
    let processes = (1..1001).map(sample).collect();
    let exporter = tokio::task::spawn_blocking(move || {
        exporter.consume(&view(10, processes, vec![]));
        exporter
    });
    let exporter = exporter.await.expect("no panic");
    assert_eq!(exporter.shutdown(PATIENCE).await, Undelivered::default());
    let health = health.get();
    assert!(health.sent > 2, "{health:?}");
    assert_eq!((health.rejected, health.dropped, health.retried), (0, 0, 0));
    let taken = collector.taken();
    let resources = taken.iter().map(|got| got.request.resource_metrics.len());
    assert_eq!(resources.sum::<usize>(), 1000);
}

#[tokio::test]
async fn a_collector_that_takes_less_than_a_batch_gets_every_process_in_parts() {
    let any = "127.0.0.1:0".parse().expect("an address");
    let collector = Collector::grpc_taking(50_000, any, None);
    let mut exporter = start(&settings_of(collector.address, "grpc"));
    let health = exporter.health();
    for tick in 10..15 {
        exporter.consume(&view(tick, (1..200).map(sample).collect(), vec![]));
    }
    assert_eq!(exporter.shutdown(PATIENCE).await, Undelivered::default());
    let health = health.get();
    assert!(health.sent >= 5, "{health:?}");
    assert_eq!((health.rejected, health.dropped), (0, 0), "{health:?}");
    let taken = collector.taken();
    assert!(taken.len() > 10, "{}", taken.len());
    let resources = taken.iter().map(|got| got.request.resource_metrics.len());
    assert_eq!(resources.sum::<usize>(), 5 * 199);
    assert!(ticks(&collector).is_sorted());
}

#[tokio::test]
async fn a_clock_that_is_set_back_in_an_outage_changes_neither_order_nor_times() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut gone = Collector::http();
    gone.die();
    let settings = settings_of(gone.address, "http/protobuf");
    let mut exporter = start_spooled(&settings, folder.path());
    // The clock goes back by a minute, then forth by an hour.
    let times = [100, 101, 41, 42, 3642, 3643];
    for tick in times {
        exporter.consume(&view(tick, vec![sample(1)], vec![]));
    }
    let left = exporter.shutdown(Duration::ZERO).await;
    assert_eq!((left.batches, left.kept_batches), (0, 6));
    let collector = Collector::http_at(gone.address);
    let exporter = start_spooled(&settings, folder.path());
    assert_eq!(exporter.shutdown(PATIENCE).await, Undelivered::default());
    assert_eq!(ticks(&collector), times);
}

#[tokio::test]
async fn a_grpc_collector_that_is_exhausted_for_ever_is_asked_as_it_says_and_loses_nothing() {
    use tonic_types::{ErrorDetails, StatusExt as _};
    let collector = Collector::grpc();
    let soon = Some(Duration::from_millis(1));
    let exhausted = tonic::Status::with_error_details(
        tonic::Code::ResourceExhausted,
        "no room",
        ErrorDetails::with_retry_info(soon),
    );
    collector.will((0..50).map(|_| Answer::Status(exhausted.clone())));
    let folder = tempfile::tempdir().expect("a folder");
    let mut exporter = start_spooled(&settings_of(collector.address, "grpc"), folder.path());
    let health = exporter.health();
    for tick in 10..15 {
        exporter.consume(&view(tick, vec![sample(1)], vec![]));
    }
    // With procmon's own waits fifty tries would take minutes.
    collector.took(5).await;
    assert_eq!(exporter.shutdown(PATIENCE).await, Undelivered::default());
    assert_eq!(ticks(&collector), [10, 11, 12, 13, 14]);
    let health = health.get();
    assert_eq!((health.sent, health.retried, health.dropped), (5, 50, 0));
}
