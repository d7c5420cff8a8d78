//! The server, asked over real connections.

use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::ServerName;
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use super::*;
use crate::process::fixture::{self, SECOND};

/// A server at a free port that has one view.
struct Running {
    address: String,
    views: Views,
}

impl Running {
    fn start(settings: Settings) -> Self {
        let settings = Settings {
            listen: "127.0.0.1:0".parse().unwrap(),
            ..settings
        };
        let bound = Bound::take(&settings).unwrap().unwrap();
        let (_, address) = bound.url().split_once("://").map(owned).unwrap();
        let views = Views::default();
        let server = Server::start(bound, &views, Arc::new(Vec::new), &Handle::current());
        // It ends with the runtime.
        std::mem::forget(server.unwrap());
        Self { address, views }
    }

    fn send_a_view(&self) {
        let frame = fixture::frame(20 * SECOND, vec![fixture::sample(7, "sh")], vec![]);
        self.views
            .send(fixture::view(frame, &mut Default::default()));
    }
}

fn owned((scheme, address): (&str, &str)) -> (String, String) {
    (scheme.to_owned(), address.to_owned())
}

async fn asked(mut stream: impl AsyncRead + AsyncWrite + Unpin, path: &str) -> String {
    let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.unwrap();
    String::from_utf8(answer).unwrap()
}

#[tokio::test]
async fn a_page_comes_once_there_is_a_view() {
    let running = Running::start(Settings::default());
    let ask = || async {
        let stream = TcpStream::connect(&running.address).await.unwrap();
        asked(stream, "/metrics").await
    };
    let none = ask().await;
    assert!(
        none.starts_with("HTTP/1.1 503 ") && none.contains("no frame yet"),
        "{none}"
    );
    running.send_a_view();
    let deadline = tokio::time::Instant::now() + Duration::from_secs(20);
    loop {
        let page = ask().await;
        if page.starts_with("HTTP/1.1 200 ") {
            assert!(page.contains("process_info{process_pid=\"7\""), "{page}");
            return;
        }
        assert!(tokio::time::Instant::now() < deadline, "{page}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test]
async fn tls_is_spoken_when_there_is_a_certificate() {
    let folder = tempfile::tempdir().unwrap();
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let path = |name: &str, content: String| {
        let path = folder.path().join(name);
        std::fs::write(&path, content).unwrap();
        Some(path)
    };
    let running = Running::start(Settings {
        certificate: path("server.pem", made.cert.pem()),
        key: path("server.key", made.signing_key.serialize_pem()),
        ..Settings::default()
    });
    let mut roots = RootCertStore::empty();
    roots.add(made.cert.der().clone()).unwrap();
    let provider = rustls::crypto::ring::default_provider();
    let config = ClientConfig::builder_with_provider(provider.into())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let connector = TlsConnector::from(Arc::new(config));
    let stream = TcpStream::connect(&running.address).await.unwrap();
    let name = ServerName::try_from("localhost").unwrap();
    let stream = connector.connect(name, stream).await.unwrap();
    let health = asked(stream, "/healthz").await;
    assert!(health.starts_with("HTTP/1.1 200 "), "{health}");
    // Who does not speak it has no answer, and others still have one.
    let mut plain = TcpStream::connect(&running.address).await.unwrap();
    plain.write_all(b"GET / HTTP/1.1\r\n\r\n").await.unwrap();
    let mut answer = Vec::new();
    let _ = plain.read_to_end(&mut answer).await;
    assert!(!answer.starts_with(b"HTTP/"), "{answer:?}");
}
