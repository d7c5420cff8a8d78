//! One try at delivering a batch, over gRPC or HTTP, and what its failure means.

use std::fmt;
use std::future::Future;
use std::io::Write;
use std::time::{Duration, SystemTime};

use bytes::{BufMut, Bytes};
use flate2::write::GzEncoder;
use http::header::{ACCEPT, CONTENT_ENCODING, CONTENT_TYPE, RETRY_AFTER, USER_AGENT};
use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderValue, StatusCode, Uri};
use http_body_util::{BodyExt, Full, Limited};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceResponse;
use prost::Message;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore};
use thiserror::Error;
use tonic::client::Grpc;
use tonic::codec::{Codec, CompressionEncoding, DecodeBuf, Decoder, EncodeBuf, Encoder};
use tonic::metadata::MetadataMap;
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint, Identity};
use tonic::{Code, Request, Status};
use tonic_types::StatusExt;

use super::settings::{Compression, Pem, Protocol, Settings, Tls};

const EXPORT: &str = "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export";
const AGENT: &str = concat!("procmon/", env!("CARGO_PKG_VERSION"));
/// Most of an answer that is read.
const MAX_ANSWER: usize = 4 << 20;
/// The longest a collector may ask us to wait.
const MAX_WAIT: Duration = Duration::from_secs(300);

/// What a collector said to a batch it took.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Accepted {
    /// Points it threw away; never sent again.
    pub rejected_points: u64,
    /// Why, or a remark when none were.
    pub message: String,
}

/// Why a batch was not taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Failure {
    /// It may be taken later.
    Retryable {
        /// How long the collector asks us to wait.
        after: Option<Duration>,
        /// What went wrong.
        reason: String,
    },
    /// It will never be taken.
    Permanent {
        /// What went wrong.
        reason: String,
    },
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (Self::Retryable { reason, .. } | Self::Permanent { reason }) = self;
        f.write_str(reason)
    }
}

impl Failure {
    fn retryable(reason: impl fmt::Display) -> Self {
        Self::Retryable {
            after: None,
            reason: printable(&reason.to_string()),
        }
    }

    fn permanent(reason: impl fmt::Display) -> Self {
        Self::Permanent {
            reason: printable(&reason.to_string()),
        }
    }
}

/// A transport that cannot be made of the settings.
#[derive(Debug, Error)]
pub enum TransportError {
    /// A certificate or key is not what it should be.
    #[error("{path}: {problem}")]
    Pem {
        /// The file.
        path: String,
        /// What is wrong with it.
        problem: String,
    },
    /// TLS cannot be set up.
    #[error("TLS for {endpoint}: {problem}")]
    Tls {
        /// The endpoint.
        endpoint: String,
        /// Why not.
        problem: String,
    },
}

/// Sends batches, one at a time.
pub trait Transport: Send + 'static {
    /// One try.
    fn send(&mut self, body: Bytes) -> impl Future<Output = Result<Accepted, Failure>> + Send;
}

/// Sends over what the settings say.
#[derive(Debug)]
pub enum Network {
    /// gRPC.
    Grpc(GrpcTransport),
    /// HTTP.
    Http(HttpTransport),
}

impl Network {
    /// The transport of the settings. Connects when there is something to
    /// send; must be called within the runtime it is to run on.
    pub fn new(settings: &Settings) -> Result<Self, TransportError> {
        Ok(match settings.protocol {
            Protocol::Grpc => Self::Grpc(GrpcTransport::new(settings)?),
            Protocol::HttpProtobuf => Self::Http(HttpTransport::new(settings)?),
        })
    }
}

impl Transport for Network {
    async fn send(&mut self, body: Bytes) -> Result<Accepted, Failure> {
        match self {
            Self::Grpc(grpc) => grpc.send(body).await,
            Self::Http(http) => http.send(body).await,
        }
    }
}

/// OTLP over gRPC.
#[derive(Debug)]
pub struct GrpcTransport {
    endpoint: Endpoint,
    client: Grpc<Channel>,
    metadata: MetadataMap,
    timeout: Duration,
    compression: Option<Compression>,
}

impl GrpcTransport {
    fn new(settings: &Settings) -> Result<Self, TransportError> {
        let endpoint = endpoint(settings)?;
        Ok(Self {
            client: grpc_client(&endpoint, settings.compression),
            endpoint,
            metadata: metadata(settings),
            timeout: settings.timeout,
            compression: settings.compression,
        })
    }

    async fn send(&mut self, body: Bytes) -> Result<Accepted, Failure> {
        let call = async {
            let mut request = Request::new(body);
            *request.metadata_mut() = self.metadata.clone();
            self.client.ready().await.map_err(Failure::unreachable)?;
            let path = PathAndQuery::from_static(EXPORT);
            let answer = self.client.unary(request, path, BytesCodec).await;
            answer.map_err(|status| classify_status(&status))
        };
        match tokio::time::timeout(self.timeout, call).await {
            Ok(answer) => answer.map(|answer| accepted(answer.into_inner())),
            Err(_) => {
                // The peer may be gone without a word: the next try gets a
                // connection of its own.
                self.client = grpc_client(&self.endpoint, self.compression);
                Err(timed_out(self.timeout))
            }
        }
    }
}

impl Failure {
    fn unreachable(error: impl std::error::Error) -> Self {
        Self::retryable(chain(&error))
    }
}

/// Headers as gRPC has them.
pub fn metadata(settings: &Settings) -> MetadataMap {
    let headers: HeaderMap = settings.headers.iter().cloned().collect();
    MetadataMap::from_headers(headers)
}

/// tonic's endpoint of the settings, TLS and all.
pub fn endpoint(settings: &Settings) -> Result<Endpoint, TransportError> {
    let endpoint = Endpoint::from(settings.endpoint.clone())
        .user_agent(AGENT)
        .expect("a constant that is a header value")
        .connect_timeout(settings.timeout)
        .tcp_keepalive(Some(Duration::from_secs(30)));
    if settings.endpoint.scheme_str() != Some("https") {
        return Ok(endpoint);
    }
    let mut tls = ClientTlsConfig::new();
    tls = match &settings.tls.authority {
        Some(authority) => {
            certificates(authority)?;
            tls.ca_certificate(Certificate::from_pem(&authority.content))
        }
        None => tls.with_native_roots(),
    };
    if let Some((certificate, key)) = &settings.tls.identity {
        certificates(certificate)?;
        private_key(key)?;
        tls = tls.identity(Identity::from_pem(&certificate.content, &key.content));
    }
    endpoint
        .tls_config(tls)
        .map_err(|error| tls_error(&settings.endpoint, &error))
}

fn grpc_client(endpoint: &Endpoint, compression: Option<Compression>) -> Grpc<Channel> {
    let client = Grpc::new(endpoint.connect_lazy()).max_decoding_message_size(MAX_ANSWER);
    let Some(compression) = compression else {
        return client;
    };
    let encoding = match compression {
        Compression::Gzip => CompressionEncoding::Gzip,
        Compression::Zstd => CompressionEncoding::Zstd,
    };
    // A collector answers as it was asked: what we send we must also accept.
    client.send_compressed(encoding).accept_compressed(encoding)
}

/// Passes encoded messages through.
#[derive(Clone, Copy, Debug)]
struct BytesCodec;

impl Codec for BytesCodec {
    type Encode = Bytes;
    type Decode = ExportMetricsServiceResponse;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        Self
    }

    fn decoder(&mut self) -> Self {
        Self
    }
}

impl Encoder for BytesCodec {
    type Item = Bytes;
    type Error = Status;

    fn encode(&mut self, item: Bytes, buffer: &mut EncodeBuf<'_>) -> Result<(), Status> {
        buffer.put(item);
        Ok(())
    }
}

impl Decoder for BytesCodec {
    type Item = ExportMetricsServiceResponse;
    type Error = Status;

    fn decode(&mut self, buffer: &mut DecodeBuf<'_>) -> Result<Option<Self::Item>, Status> {
        ExportMetricsServiceResponse::decode(buffer)
            .map(Some)
            .map_err(|error| Status::internal(error.to_string()))
    }
}

/// What a gRPC status means to the batch (OTLP specification, "Failures").
fn classify_status(status: &Status) -> Failure {
    use std::error::Error;

    let reason = match status.source() {
        Some(source) => format!("{}: {}", status.message(), chain(source)),
        None => format!("{:?}: {}", status.code(), status.message()),
    };
    let after = status
        .get_details_retry_info()
        .and_then(|info| info.retry_delay)
        .map(|delay| delay.min(MAX_WAIT));
    match status.code() {
        // The message would be as long the next time.
        Code::OutOfRange if status.message().contains("too large") => Failure::permanent(reason),
        Code::Cancelled
        | Code::DeadlineExceeded
        | Code::Aborted
        | Code::OutOfRange
        | Code::Unavailable
        | Code::DataLoss => Failure::Retryable {
            after,
            reason: printable(&reason),
        },
        Code::ResourceExhausted if after.is_some() => Failure::Retryable {
            after,
            reason: printable(&reason),
        },
        // Made on this side of the connection: the collector did not answer.
        Code::Unknown | Code::Internal if status.source().is_some() => Failure::retryable(reason),
        _ => Failure::permanent(reason),
    }
}

/// OTLP over HTTP; cheap to clone.
#[derive(Clone, Debug)]
pub struct HttpTransport {
    client: Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
    uri: Uri,
    headers: HeaderMap,
    timeout: Duration,
    compression: Option<Compression>,
}

impl HttpTransport {
    /// The transport of the settings; must be called within the runtime it is
    /// to run on.
    pub fn new(settings: &Settings) -> Result<Self, TransportError> {
        let secure = settings.endpoint.scheme_str() == Some("https");
        let connector = HttpsConnectorBuilder::new()
            .with_tls_config(tls_config(settings, secure)?)
            .https_or_http()
            .enable_http1()
            .build();
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
            let (head, body) = answer.map_err(Failure::unreachable)?.into_parts();
            let body = Limited::new(body, MAX_ANSWER).collect().await;
            let body = body.map_err(|error| Failure::retryable(chain(&*error)))?;
            Ok(http::Response::from_parts(head, body.to_bytes()))
        };
        match tokio::time::timeout(self.timeout, exchange).await {
            Ok(answer) => answer,
            Err(_) => Err(timed_out(self.timeout)),
        }
    }

    async fn send(&self, body: Bytes) -> Result<Accepted, Failure> {
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
        _ => Failure::Permanent { reason },
    }
}

/// `Retry-After`: seconds or a date.
fn retry_after(headers: &HeaderMap, now: SystemTime) -> Option<Duration> {
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

fn accepted(answer: ExportMetricsServiceResponse) -> Accepted {
    let Some(partial) = answer.partial_success else {
        return Accepted::default();
    };
    Accepted {
        rejected_points: u64::try_from(partial.rejected_data_points).unwrap_or(0),
        message: printable(&partial.error_message),
    }
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

fn tls_config(settings: &Settings, secure: bool) -> Result<ClientConfig, TransportError> {
    let Tls {
        authority,
        identity,
    } = &settings.tls;
    let error = |error: rustls::Error| tls_error(&settings.endpoint, &error);
    let mut roots = RootCertStore::empty();
    if secure {
        let authorities = match authority {
            Some(authority) => certificates(authority)?,
            None => rustls_native_certs::load_native_certs().certs,
        };
        roots.add_parsable_certificates(authorities);
    }
    let provider = rustls::crypto::ring::default_provider();
    let builder = ClientConfig::builder_with_provider(provider.into())
        .with_safe_default_protocol_versions()
        .map_err(error)?
        .with_root_certificates(roots);
    match identity {
        Some((certificate, key)) if secure => builder
            .with_client_auth_cert(certificates(certificate)?, private_key(key)?)
            .map_err(error),
        _ => Ok(builder.with_no_client_auth()),
    }
}

fn certificates(pem: &Pem) -> Result<Vec<CertificateDer<'static>>, TransportError> {
    let problem = |problem: String| TransportError::Pem {
        path: pem.path.clone(),
        problem,
    };
    let certificates: Vec<_> = CertificateDer::pem_slice_iter(&pem.content)
        .collect::<Result<_, _>>()
        .map_err(|error| problem(error.to_string()))?;
    if certificates.is_empty() {
        return Err(problem("no PEM certificate in it".to_owned()));
    }
    Ok(certificates)
}

fn private_key(pem: &Pem) -> Result<PrivateKeyDer<'static>, TransportError> {
    PrivateKeyDer::from_pem_slice(&pem.content).map_err(|error| TransportError::Pem {
        path: pem.path.clone(),
        problem: format!("no PEM private key in it: {error}"),
    })
}

fn tls_error(endpoint: &Uri, error: &dyn std::error::Error) -> TransportError {
    TransportError::Tls {
        endpoint: endpoint.to_string(),
        problem: chain(error),
    }
}

fn timed_out(timeout: Duration) -> Failure {
    Failure::retryable(format!("no answer within {} ms", timeout.as_millis()))
}

/// An error and what caused it, each said once.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(error) = next {
        let cause = error.to_string();
        if !text.ends_with(&cause) {
            text = format!("{text}: {cause}");
        }
        next = error.source();
    }
    text
}

/// What a peer said, fit for a terminal: short, and one line.
fn printable(text: &str) -> String {
    let mut printable: String = text
        .chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .take(300)
        .collect();
    printable.truncate(printable.trim_end().len());
    printable
}

#[cfg(test)]
#[path = "transport_tests.rs"]
mod tests;
