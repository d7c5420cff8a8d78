//! TLS: who is trusted, who is shown, and what is said when it is the wrong one.

use tokio::io::AsyncWriteExt as _;

use super::*;
use crate::export::otlp::settings::Tls;
use crate::export::otlp::testing::authority::{Authority, Signed, collectors, pem};

/// Settings for a collector at this name.
fn secure(collector: &Collector, name: &str, protocol: &str, tls: Tls) -> Settings {
    let endpoint = format!("https://{name}:{}", collector.address.port());
    let settings = settings(&[
        ("OTEL_EXPORTER_OTLP_ENDPOINT", &endpoint),
        ("OTEL_EXPORTER_OTLP_PROTOCOL", protocol),
    ]);
    Settings { tls, ..settings }
}

/// Trusts the authority, and shows what was signed.
fn tls(trusted: &Authority, shown: Option<&Signed>) -> Tls {
    Tls {
        authority: Some(trusted.pem()),
        identity: shown.map(Signed::identity),
    }
}

/// Why nothing is delivered.
async fn refusal(settings: &Settings) -> String {
    let mut network = Network::new(settings).expect("a transport");
    retryable(network.send(one_batch()).await).1
}

#[tokio::test]
async fn mutual_tls_delivers_over_both_protocols() {
    let (ours, theirs) = (Authority::new(), Authority::new());
    let procmon = ours.sign("procmon");
    for (collector, protocol) in collectors(&theirs.sign("localhost"), &ours) {
        for compression in [None, Some(Compression::Zstd)] {
            let trusting = tls(&theirs, Some(&procmon));
            let mut settings = secure(&collector, "localhost", protocol, trusting);
            settings.compression = compression;
            let mut network = Network::new(&settings).expect("a transport");
            assert_eq!(network.send(one_batch()).await, Ok(Accepted::default()));
        }
        let taken = collector.took(2).await;
        assert_eq!(taken[0].request, taken[1].request);
    }
}

#[tokio::test]
async fn a_collector_with_an_expired_certificate_is_told_clearly() {
    let authority = Authority::new();
    let procmon = authority.sign("procmon");
    for (collector, protocol) in collectors(&authority.sign_until("localhost", 2020), &authority) {
        let trusting = tls(&authority, Some(&procmon));
        let settings = secure(&collector, "localhost", protocol, trusting);
        let reason = refusal(&settings).await;
        let said = "the collector's certificate has expired: it needs a new one, or this host's \
                    clock is wrong (";
        assert!(reason.starts_with(said), "{protocol}: {reason}");
        assert_eq!(collector.taken().len(), 0);
    }
}

#[tokio::test]
async fn a_collector_of_the_wrong_authority_or_name_is_told_clearly() {
    let authority = Authority::new();
    let procmon = authority.sign("procmon");
    for (collector, protocol) in collectors(&authority.sign("localhost"), &authority) {
        for (trusted, name, said) in [
            (
                &Authority::new(),
                "localhost",
                "the collector's certificate is not of an authority trusted here: give that \
                 authority's as OTEL_EXPORTER_OTLP_CERTIFICATE (",
            ),
            (
                &authority,
                "127.0.0.1",
                "the collector's certificate is for another name than the endpoint's (",
            ),
        ] {
            let trusting = tls(trusted, Some(&procmon));
            let settings = secure(&collector, name, protocol, trusting);
            let reason = refusal(&settings).await;
            assert!(reason.starts_with(said), "{protocol}: {reason}");
        }
        assert_eq!(collector.taken().len(), 0);
    }
}

#[tokio::test]
async fn a_certificate_of_procmon_that_the_collector_refuses_is_told_clearly() {
    let authority = Authority::new();
    let expired = authority.sign_until("procmon", 2020);
    let foreign = Authority::new().sign("procmon");
    for (collector, protocol) in collectors(&authority.sign("localhost"), &authority) {
        for (shown, said) in [
            (None, "the collector wants a certificate of procmon"),
            (
                Some(&expired),
                "the collector says that procmon's certificate has expired",
            ),
            (
                Some(&foreign),
                "the collector does not trust OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE",
            ),
        ] {
            let settings = secure(&collector, "localhost", protocol, tls(&authority, shown));
            let reason = refusal(&settings).await;
            // The collector's word may be lost when it hangs up right after it.
            let closed = "the collector closed the TLS connection: if it always does, it may not \
                          trust OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE, or want one (";
            let is_told = reason.starts_with(said) || reason.starts_with(closed);
            assert!(is_told, "{protocol}: {reason}");
        }
        assert_eq!(collector.taken().len(), 0);
    }
}

#[tokio::test]
async fn https_to_a_collector_without_tls_is_told_clearly() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await;
    let listener = listener.expect("a port");
    let address = listener.local_addr().expect("an address");
    // As HTTP servers do with what they cannot read.
    tokio::spawn(async move {
        let (mut client, _) = listener.accept().await.expect("a connection");
        let answer = b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n";
        client.write_all(answer).await.expect("an answer");
        let _ = tokio::io::copy(&mut client, &mut tokio::io::sink()).await;
    });
    let endpoint = format!("https://localhost:{}", address.port());
    let settings = settings(&[
        ("OTEL_EXPORTER_OTLP_ENDPOINT", &endpoint),
        ("OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf"),
    ]);
    let reason = refusal(&settings).await;
    let said = "what is there speaks no TLS: is the endpoint http:// and not https://?";
    assert!(reason.starts_with(said), "{reason}");
}

#[tokio::test]
async fn a_file_that_is_no_certificate_is_named() {
    for protocol in ["grpc", "http/protobuf"] {
        let mut settings = settings(&[
            ("OTEL_EXPORTER_OTLP_ENDPOINT", "https://localhost:4317"),
            ("OTEL_EXPORTER_OTLP_PROTOCOL", protocol),
        ]);
        settings.tls.authority = Some(pem("nothing of the kind"));
        let error = Network::new(&settings).expect_err("no certificate");
        assert_eq!(error.to_string(), "test.pem: no PEM certificate in it");
        settings.tls.authority = Some(Authority::new().pem());
        let signed = Authority::new().sign("procmon");
        settings.tls.identity = Some((pem(&signed.certificate), pem("no key")));
        let error = Network::new(&settings).expect_err("no key").to_string();
        assert!(
            error.starts_with("test.pem: no PEM private key in it"),
            "{error}"
        );
        // A key of another certificate.
        let other = Authority::new().sign("procmon");
        settings.tls.identity = Some((pem(&signed.certificate), pem(&other.key)));
        let error = Network::new(&settings)
            .expect_err("another key")
            .to_string();
        assert!(
            error.starts_with("TLS for https://localhost:4317"),
            "{error}"
        );
    }
}
