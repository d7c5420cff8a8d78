//! Proxies in the environment.

use super::*;
use crate::export::otlp::testing::authority::{Authority, collectors};
use crate::export::otlp::testing::proxy::HttpProxy;

/// Settings for a collector that only the proxy can find.
fn through(proxy: &HttpProxy, endpoint: &str, protocol: &str) -> Settings {
    let proxy = format!("http://Aladdin:open%20sesame@{}", proxy.address);
    settings(&[
        ("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint),
        ("OTEL_EXPORTER_OTLP_PROTOCOL", protocol),
        ("ALL_PROXY", &proxy),
    ])
}

#[tokio::test]
async fn proxies_in_the_environment_are_asked_to_connect() {
    for (collector, protocol) in [
        (Collector::grpc(), "grpc"),
        (Collector::http(), "http/protobuf"),
    ] {
        for (endpoint, asked_for) in [
            ("http://collector.test:8080", "collector.test:8080"),
            ("http://collector.test", "collector.test:80"),
        ] {
            let proxy = HttpProxy::start(collector.address, "200 OK").await;
            let settings = through(&proxy, endpoint, protocol);
            let mut network = Network::new(&settings).expect("a transport");
            assert_eq!(network.send(one_batch()).await, Ok(Accepted::default()));
            let asked = proxy.asked();
            let [(line, headers)] = &asked[..] else {
                panic!("{asked:?}")
            };
            assert_eq!(*line, format!("CONNECT {asked_for} HTTP/1.1"));
            assert_eq!(
                headers["proxy-authorization"],
                "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="
            );
        }
        // What is for the proxy is not for the collector.
        for got in collector.took(2).await {
            assert!(!got.headers.contains_key("proxy-authorization"));
        }
    }
}

#[tokio::test]
async fn tls_goes_through_a_proxy_from_end_to_end() {
    let authority = Authority::new();
    let shown = authority.sign("collector.test");
    for (collector, protocol) in collectors(&shown, &authority) {
        let proxy = HttpProxy::start(collector.address, "200 OK").await;
        let mut settings = through(&proxy, "https://collector.test", protocol);
        settings.tls.authority = Some(authority.pem());
        settings.tls.identity = Some(authority.sign("procmon").identity());
        let mut network = Network::new(&settings).expect("a transport");
        assert_eq!(network.send(one_batch()).await, Ok(Accepted::default()));
        assert_eq!(proxy.asked()[0].0, "CONNECT collector.test:443 HTTP/1.1");
    }
}

#[tokio::test]
async fn a_proxy_that_refuses_or_is_not_there_is_told_and_asked_again() {
    let nobody = "127.0.0.1:9".parse().expect("an address");
    for protocol in ["grpc", "http/protobuf"] {
        for (status, told) in [
            ("403 Forbidden", "unsuccessful"),
            (
                "407 Proxy Authentication Required",
                "proxy authorization required",
            ),
        ] {
            let proxy = HttpProxy::start(nobody, status).await;
            let settings = through(&proxy, "http://collector.test:4317", protocol);
            let mut network = Network::new(&settings).expect("a transport");
            let (_, reason) = retryable(network.send(one_batch()).await);
            let whole = format!("proxy http://{}/: tunnel error: {told}", proxy.address);
            assert!(reason.contains(&whole), "{reason}");
            assert!(!reason.contains("sesame"), "{reason}");
        }
        let gone = {
            let port = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
            port.local_addr().expect("an address")
        };
        let url = format!("http://{gone}");
        let settings = settings(&[
            ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://collector.test:4317"),
            ("OTEL_EXPORTER_OTLP_PROTOCOL", protocol),
            ("http_proxy", &url),
        ]);
        let mut network = Network::new(&settings).expect("a transport");
        let (_, reason) = retryable(network.send(one_batch()).await);
        assert!(reason.contains(&format!("proxy {url}/")), "{reason}");
        assert!(reason.contains("refused"), "{reason}");
    }
}
