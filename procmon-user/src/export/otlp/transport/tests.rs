use ::http::header::RETRY_AFTER;
use ::http::{HeaderMap, HeaderValue};
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use prost::Message;
use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt};

use super::http::retry_after;
use super::*;
use crate::export::otlp::HostIdentity;
use crate::export::otlp::encode::{Batch, Encoder};
use crate::export::otlp::settings::Compression;
use crate::export::otlp::testing::{Answer, Collector, sample, settings, view};

mod cost;
mod proxy;
mod tls;

fn endpoint_of(collector: &Collector, scheme: &str) -> String {
    format!("{scheme}://localhost:{}", collector.address.port())
}

fn grpc_settings(collector: &Collector) -> Settings {
    settings(&[(
        "OTEL_EXPORTER_OTLP_ENDPOINT",
        &endpoint_of(collector, "http"),
    )])
}

fn http_settings(collector: &Collector) -> Settings {
    settings(&[
        (
            "OTEL_EXPORTER_OTLP_ENDPOINT",
            &endpoint_of(collector, "http"),
        ),
        ("OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf"),
    ])
}

fn batches(processes: u32) -> Vec<Batch> {
    let settings = settings(&[("OTEL_EXPORTER_OTLP_ENDPOINT", "http://localhost:4317")]);
    let processes = (1..=processes).map(sample).collect();
    Encoder::new(&settings, HostIdentity::default()).encode(&view(10, processes, vec![]))
}

fn one_batch() -> Bytes {
    batches(1).remove(0).body
}

fn retryable(outcome: Result<Accepted, Failure>) -> (Option<Duration>, String) {
    match outcome {
        Err(Failure::Retryable { after, reason }) => (after, reason),
        other => panic!("retryable, not {other:?}"),
    }
}

fn permanent(outcome: Result<Accepted, Failure>) -> String {
    match outcome {
        Err(Failure::Permanent { reason }) => reason,
        other => panic!("permanent, not {other:?}"),
    }
}

fn too_large(outcome: Result<Accepted, Failure>) -> String {
    match outcome {
        Err(Failure::TooLarge { reason }) => reason,
        other => panic!("not too large: {other:?}"),
    }
}

/// A collector of each kind, with a transport to it.
fn both() -> [(Collector, Network); 2] {
    let grpc = Collector::grpc();
    let http = Collector::http();
    let to_grpc = Network::new(&grpc_settings(&grpc)).expect("a transport");
    let to_http = Network::new(&http_settings(&http)).expect("a transport");
    [(grpc, to_grpc), (http, to_http)]
}

#[tokio::test]
async fn a_body_arrives_as_it_was_made_with_and_without_compression() {
    let body = one_batch();
    for compression in [None, Some(Compression::Gzip), Some(Compression::Zstd)] {
        for (collector, http) in [(Collector::grpc(), false), (Collector::http(), true)] {
            let mut settings = if http {
                http_settings(&collector)
            } else {
                grpc_settings(&collector)
            };
            settings.compression = compression;
            let mut network = Network::new(&settings).expect("a transport");
            assert_eq!(network.send(body.clone()).await, Ok(Accepted::default()));
            let taken = collector.took(1).await;
            let sent = ExportMetricsServiceRequest::decode(body.clone()).expect("OTLP");
            assert_eq!(taken[0].request, sent);
            let header = if http {
                "content-encoding"
            } else {
                "grpc-encoding"
            };
            let encoding = taken[0].headers.get(header).map(HeaderValue::as_bytes);
            assert_eq!(encoding, compression.map(|c| c.name().as_bytes()));
        }
    }
}

#[tokio::test]
async fn headers_are_sent_with_each_request() {
    for (collector, protocol) in [
        (Collector::grpc(), "grpc"),
        (Collector::http(), "http/protobuf"),
    ] {
        let settings = settings(&[
            (
                "OTEL_EXPORTER_OTLP_ENDPOINT",
                &endpoint_of(&collector, "http"),
            ),
            ("OTEL_EXPORTER_OTLP_PROTOCOL", protocol),
            ("OTEL_EXPORTER_OTLP_HEADERS", "authorization=Bearer%20abc"),
        ]);
        let mut network = Network::new(&settings).expect("a transport");
        for _ in 0..2 {
            assert_eq!(network.send(one_batch()).await, Ok(Accepted::default()));
        }
        for got in collector.took(2).await {
            assert_eq!(got.headers["authorization"], "Bearer abc");
            let agent = got.headers["user-agent"].to_str().expect("text");
            assert!(agent.starts_with(AGENT), "{agent}");
        }
    }
}

#[tokio::test]
async fn a_stock_collector_takes_5000_processes() {
    let batches = batches(5000);
    for (collector, mut network) in both() {
        for batch in &batches {
            let outcome = network.send(batch.body.clone()).await;
            assert_eq!(outcome, Ok(Accepted::default()));
        }
        let taken = collector.took(batches.len()).await;
        let processes: usize = taken.iter().map(|g| g.request.resource_metrics.len()).sum();
        assert_eq!(processes, 5000);
    }
}

#[tokio::test]
async fn partial_success_is_success_with_its_count() {
    for (collector, mut network) in both() {
        collector.will([
            Answer::Partial(3, "too\nold"),
            Answer::Partial(0, "a remark"),
        ]);
        let expected = Accepted {
            rejected: 3,
            message: "too old".to_owned(),
        };
        assert_eq!(network.send(one_batch()).await, Ok(expected));
        let expected = Accepted {
            rejected: 0,
            message: "a remark".to_owned(),
        };
        assert_eq!(network.send(one_batch()).await, Ok(expected));
    }
}

#[tokio::test]
async fn a_slow_collector_is_given_up_in_time_and_asked_again() {
    for (collector, http) in [(Collector::grpc(), false), (Collector::http(), true)] {
        let mut settings = if http {
            http_settings(&collector)
        } else {
            grpc_settings(&collector)
        };
        settings.timeout = Duration::from_millis(200);
        let mut network = Network::new(&settings).expect("a transport");
        collector.will([Answer::Slow(Duration::from_secs(600))]);
        let (after, reason) = retryable(network.send(one_batch()).await);
        assert_eq!((after, &*reason), (None, "no answer within 200 ms"));
        // A busy machine may need more than one try.
        let mut again = network.send(one_batch()).await;
        for _ in 0..20 {
            if again.is_ok() {
                break;
            }
            again = network.send(one_batch()).await;
        }
        assert_eq!(again, Ok(Accepted::default()));
    }
}

#[tokio::test]
async fn a_collector_that_is_not_there_or_dies_is_asked_again() {
    for (mut collector, mut network) in both() {
        assert_eq!(network.send(one_batch()).await, Ok(Accepted::default()));
        collector.will([Answer::Slow(Duration::from_secs(600))]);
        let dying = tokio::spawn(async move {
            let outcome = network.send(one_batch()).await;
            (network, outcome)
        });
        collector.was_asked(2).await;
        collector.die();
        let (mut network, outcome) = dying.await.expect("no panic");
        retryable(outcome);
        // Nobody listens now.
        retryable(network.send(one_batch()).await);
    }
}

#[tokio::test]
async fn a_connection_that_breaks_in_the_middle_is_tried_again() {
    let collector = Collector::http();
    collector.will([Answer::HangUp]);
    let mut network = Network::new(&http_settings(&collector)).expect("a transport");
    retryable(network.send(one_batch()).await);
    assert_eq!(network.send(one_batch()).await, Ok(Accepted::default()));
}

#[tokio::test]
async fn grpc_codes_mean_what_the_specification_says() {
    let collector = Collector::grpc();
    let mut network = Network::new(&grpc_settings(&collector)).expect("a transport");
    for code in (1..=16).map(Code::from) {
        collector.will([Answer::Status(Status::new(code, "so it is"))]);
        let outcome = network.send(one_batch()).await;
        match code {
            Code::Cancelled
            | Code::DeadlineExceeded
            | Code::Aborted
            | Code::OutOfRange
            | Code::Unavailable
            | Code::DataLoss => {
                assert_eq!(retryable(outcome), (None, format!("{code:?}: so it is")))
            }
            _ => assert_eq!(permanent(outcome), format!("{code:?}: so it is")),
        }
    }
    assert_eq!(collector.taken().len(), 0);
}

#[tokio::test]
async fn grpc_retry_info_makes_exhaustion_retryable_and_says_when() {
    let collector = Collector::grpc();
    let mut network = Network::new(&grpc_settings(&collector)).expect("a transport");
    for (code, seconds, expected) in [
        (Code::ResourceExhausted, 7, 7),
        (Code::Unavailable, 2, 2),
        (Code::ResourceExhausted, 86_400, 300),
    ] {
        let delay = Some(Duration::from_secs(seconds));
        let details = ErrorDetails::with_retry_info(delay);
        let status = Status::with_error_details(code, "full", details);
        collector.will([Answer::Status(status)]);
        let (after, _) = retryable(network.send(one_batch()).await);
        assert_eq!(after, Some(Duration::from_secs(expected)));
    }
}

#[tokio::test]
async fn a_message_that_is_too_large_is_told_from_other_failures() {
    let collector = Collector::grpc();
    let mut network = Network::new(&grpc_settings(&collector)).expect("a transport");
    let large = Bytes::from(vec![0; 5 << 20]);
    let reason = too_large(network.send(large).await);
    assert!(reason.contains("too large"), "{reason}");
    // Other servers' words.
    for words in [
        "grpc: received message larger than max (5242880 vs. 4194304)",
        "gRPC message exceeds maximum size 4194304: 5242880",
    ] {
        let status = Status::new(Code::ResourceExhausted, words);
        collector.will([Answer::Status(status)]);
        let reason = too_large(network.send(one_batch()).await);
        assert_eq!(reason, format!("ResourceExhausted: {words}"));
    }
    let collector = Collector::http();
    let mut network = Network::new(&http_settings(&collector)).expect("a transport");
    collector.will([Answer::Http(413, "", Bytes::new())]);
    let reason = too_large(network.send(one_batch()).await);
    assert_eq!(reason, "HTTP status 413 Payload Too Large");
}

#[tokio::test]
async fn http_statuses_mean_what_the_specification_says() {
    let collector = Collector::http();
    let mut network = Network::new(&http_settings(&collector)).expect("a transport");
    for status in [301, 400, 401, 403, 404, 408, 500, 501, 505] {
        collector.will([Answer::Http(status, "", Bytes::new())]);
        permanent(network.send(one_batch()).await);
    }
    for status in [429, 502, 503, 504] {
        collector.will([
            Answer::Http(status, "", Bytes::new()),
            Answer::Http(status, "Retry-After: 7\r\n", Bytes::new()),
            Answer::Http(status, "Retry-After: soon\r\n", Bytes::new()),
        ]);
        for expected in [None, Some(Duration::from_secs(7)), None] {
            let (after, _) = retryable(network.send(one_batch()).await);
            assert_eq!(after, expected, "{status}");
        }
    }
    assert_eq!(collector.taken().len(), 0);
}

#[tokio::test]
async fn what_an_http_collector_says_of_a_refusal_is_told() {
    let collector = Collector::http();
    let mut network = Network::new(&http_settings(&collector)).expect("a transport");
    let status = tonic_types::Status {
        code: 3,
        message: "no such\u{1b}[31m tenant".to_owned(),
        details: vec![],
    };
    collector.will([
        Answer::Http(400, "", status.encode_to_vec().into()),
        Answer::Http(400, "", Bytes::from_static(b"plain words\n")),
    ]);
    assert_eq!(
        permanent(network.send(one_batch()).await),
        "HTTP status 400 Bad Request: no such [31m tenant"
    );
    assert_eq!(
        permanent(network.send(one_batch()).await),
        "HTTP status 400 Bad Request: plain words"
    );
}

#[tokio::test]
async fn an_answer_without_words_is_a_yes() {
    let collector = Collector::http();
    let mut network = Network::new(&http_settings(&collector)).expect("a transport");
    let text = "Content-Type: text/plain\r\n";
    collector.will([
        Answer::Http(204, "", Bytes::new()),
        Answer::Http(200, text, Bytes::from_static(b"ok")),
    ]);
    for _ in 0..2 {
        assert_eq!(network.send(one_batch()).await, Ok(Accepted::default()));
    }
}

#[test]
fn retry_after_is_seconds_or_a_date() {
    let now = httpdate::parse_http_date("Fri, 31 Dec 1999 23:59:00 GMT").expect("a date");
    for (value, expected) in [
        ("5", Some(5)),
        ("86400", Some(300)),
        ("Fri, 31 Dec 1999 23:59:59 GMT", Some(59)),
        ("Fri, 31 Dec 1999 23:00:00 GMT", Some(0)),
        ("-1", None),
    ] {
        let mut headers = HeaderMap::new();
        headers.insert(RETRY_AFTER, HeaderValue::from_static(value));
        let found = retry_after(&headers, now);
        assert_eq!(found, expected.map(Duration::from_secs), "{value}");
    }
    assert_eq!(retry_after(&HeaderMap::new(), now), None);
}
