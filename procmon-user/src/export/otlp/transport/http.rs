//! OTLP over HTTP.

use std::io::Write;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use flate2::write::GzEncoder;
use http::header::{ACCEPT, CONTENT_ENCODING, CONTENT_TYPE, RETRY_AFTER, USER_AGENT};
use http::{HeaderMap, HeaderValue, StatusCode, Uri};
use http_body_util::{BodyExt, Full, Limited};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceResponse;
use prost::Message;

use super::tls::tls_config;
use super::{
    AGENT, Accepted, Connector, Failure, MAX_ANSWER, MAX_WAIT, TransportError, accepted, chain,
    printable, timed_out,
};
use crate::export::otlp::settings::{Compression, Settings};

/// OTLP over HTTP; cheap to clone.
#[derive(Clone, Debug)]
pub struct HttpTransport {
    client: Client<HttpsConnector<Connector>, Full<Bytes>>,
    uri: Uri,
    /// Whether TLS is spoken.
    secure: bool,
    headers: HeaderMap,
    timeout: Duration,
    compression: Option<Compression>,
}

impl HttpTransport {
    /// The transport of the settings; must be called within the runtime it is
    /// to run on.
    pub fn new(settings: &Settings) -> Result<Self, TransportError> {
        let secure = settings.is_secure();
        let connector = HttpsConnectorBuilder::new()
            .with_tls_config(tls_config(&settings.endpoint, &settings.tls, secure)?)
            .https_or_http()
            .enable_http1()
            .wrap_connector(Connector::new(settings));
        let protobuf = HeaderValue::from_static("application/x-protobuf");
        let mut headers: HeaderMap<HeaderValue> = settings.headers.iter().cloned().collect();
        headers.insert(CONTENT_TYPE, protobuf.clone());
        headers.insert(ACCEPT, protobuf);
        headers.insert(USER_AGENT, HeaderValue::from_static(AGENT));
        if let Some(compression) = settings.compression {
            let name = HeaderValue::from_static(compression.name());
            headers.insert(CONTENT_ENCODING, name);
        }
        Ok(Self {
            client: Client::builder(TokioExecutor::new()).build(connector),
            uri: settings.endpoint.clone(),
            secure,
            headers,
            timeout: settings.timeout,
            compression: settings.compression,
        })
    }

    /// One try at posting `body`: status, headers and body of the answer.
    pub async fn post(&self, body: Bytes) -> Result<http::Response<Bytes>, Failure> {
        let body = match self.compression {
            Some(compression) => compressed(compression, &body).map_err(Failure::permanent)?,
            None => body,
        };
        let mut request = http::Request::post(self.uri.clone())
            .body(Full::new(body))
            .expect("a URI that was checked");
        *request.headers_mut() = self.headers.clone();
        let exchange = async {
            let answer = self.client.request(request).await;
            let answer = answer.map_err(|error| Failure::unreachable(&error, self.secure))?;
            let (head, body) = answer.into_parts();
            let body = Limited::new(body, MAX_ANSWER).collect().await;
            let body = body.map_err(|error| Failure::retryable(chain(&*error)))?;
            Ok(http::Response::from_parts(head, body.to_bytes()))
        };
        match tokio::time::timeout(self.timeout, exchange).await {
            Ok(answer) => answer,
            Err(_) => Err(timed_out(self.timeout)),
        }
    }

    pub(super) async fn send(&self, body: Bytes) -> Result<Accepted, Failure> {
        let answer = self.post(body).await?;
        if !answer.status().is_success() {
            return Err(classify_answer(&answer));
        }
        let is_protobuf = answer.headers().get(CONTENT_TYPE).is_none_or(|kind| {
            let kind = kind.as_bytes();
            kind.starts_with(b"application/x-protobuf")
        });
        // Some stores answer with nothing, or with a word: that is a yes.
        let answer = is_protobuf
            .then(|| ExportMetricsServiceResponse::decode(answer.into_body()).ok())
            .flatten();
        Ok(answer.map(accepted).unwrap_or_default())
    }
}

/// What an HTTP status means to the batch (OTLP specification, "Failures").
fn classify_answer(answer: &http::Response<Bytes>) -> Failure {
    let status = answer.status();
    let said = tonic_types::Status::decode(answer.body().clone())
        .map(|status| status.message)
        .ok()
        .filter(|message| !message.is_empty())
        .unwrap_or_else(|| String::from_utf8_lossy(answer.body()).into_owned());
    let reason = printable(&match said.trim() {
        "" => format!("HTTP status {status}"),
        said => format!("HTTP status {status}: {said}"),
    });
    match status {
        StatusCode::TOO_MANY_REQUESTS
        | StatusCode::BAD_GATEWAY
        | StatusCode::SERVICE_UNAVAILABLE
        | StatusCode::GATEWAY_TIMEOUT => Failure::Retryable {
            after: retry_after(answer.headers(), SystemTime::now()),
            reason,
        },
        StatusCode::PAYLOAD_TOO_LARGE => Failure::TooLarge { reason },
        _ => Failure::Permanent { reason },
    }
}

/// `Retry-After`: seconds or a date.
pub(super) fn retry_after(headers: &HeaderMap, now: SystemTime) -> Option<Duration> {
    let value = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    let wait = match value.parse() {
        Ok(seconds) => Duration::from_secs(seconds),
        Err(_) => httpdate::parse_http_date(value)
            .ok()?
            .duration_since(now)
            .unwrap_or_default(),
    };
    Some(wait.min(MAX_WAIT))
}

fn compressed(compression: Compression, body: &[u8]) -> std::io::Result<Bytes> {
    let compressed = match compression {
        Compression::Gzip => {
            let mut encoder = GzEncoder::new(Vec::new(), flate2::Compression::default());
            encoder.write_all(body)?;
            encoder.finish()?
        }
        Compression::Zstd => zstd::bulk::compress(body, zstd::DEFAULT_COMPRESSION_LEVEL)?,
    };
    Ok(compressed.into())
}
