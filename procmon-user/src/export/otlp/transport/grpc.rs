//! OTLP over gRPC.

use std::error::Error;
use std::time::Duration;

use bytes::{BufMut, Bytes};
use http::HeaderMap;
use http::uri::PathAndQuery;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceResponse;
use prost::Message;
use tonic::client::Grpc;
use tonic::codec::{Codec, CompressionEncoding, DecodeBuf, Decoder, EncodeBuf, Encoder};
use tonic::metadata::MetadataMap;
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint, Identity};
use tonic::{Code, Request, Status};
use tonic_types::StatusExt;

use super::tls::{certificates, private_key, tls_error};
use super::{
    AGENT, Accepted, Connector, Failure, MAX_ANSWER, MAX_WAIT, TransportError, accepted, advice,
    chain, printable, timed_out,
};
use crate::export::otlp::settings::{Compression, Settings};

/// OTLP over gRPC.
#[derive(Debug)]
pub struct GrpcTransport {
    endpoint: Endpoint,
    connector: Connector,
    /// Whether TLS is spoken.
    secure: bool,
    client: Grpc<Channel>,
    metadata: MetadataMap,
    method: PathAndQuery,
    timeout: Duration,
    compression: Option<Compression>,
}

impl GrpcTransport {
    pub(super) fn new(settings: &Settings) -> Result<Self, TransportError> {
        let endpoint = endpoint(settings)?;
        let connector = Connector::new(settings);
        let channel = endpoint.connect_with_connector_lazy(connector.clone());
        Ok(Self {
            client: grpc_client(channel, settings.compression),
            endpoint,
            connector,
            secure: settings.is_secure(),
            metadata: metadata(settings),
            method: PathAndQuery::from_static(settings.signal.method()),
            timeout: settings.timeout,
            compression: settings.compression,
        })
    }

    pub(super) async fn send(&mut self, body: Bytes) -> Result<Accepted, Failure> {
        let call = async {
            let mut request = Request::new(body);
            *request.metadata_mut() = self.metadata.clone();
            let ready = self.client.ready().await;
            ready.map_err(|error| Failure::unreachable(&error, self.secure))?;
            let method = self.method.clone();
            let answer = self.client.unary(request, method, BytesCodec).await;
            answer.map_err(|status| classify_status(&status, self.secure))
        };
        match tokio::time::timeout(self.timeout, call).await {
            Ok(answer) => answer.map(|answer| accepted(answer.into_inner())),
            Err(_) => {
                // The peer may be gone without a word: the next try gets a
                // connection of its own.
                let connector = self.connector.clone();
                let channel = self.endpoint.connect_with_connector_lazy(connector);
                self.client = grpc_client(channel, self.compression);
                Err(timed_out(self.timeout))
            }
        }
    }
}

/// Headers as gRPC has them.
pub fn metadata(settings: &Settings) -> MetadataMap {
    let headers: HeaderMap = settings.headers.iter().cloned().collect();
    MetadataMap::from_headers(headers)
}

/// tonic's endpoint of the settings, TLS and all; a [`Connector`] goes with it.
pub fn endpoint(settings: &Settings) -> Result<Endpoint, TransportError> {
    let endpoint = Endpoint::from(settings.endpoint.clone())
        .user_agent(AGENT)
        .expect("a constant that is a header value")
        .connect_timeout(settings.timeout);
    if !settings.is_secure() {
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

fn grpc_client(channel: Channel, compression: Option<Compression>) -> Grpc<Channel> {
    let client = Grpc::new(channel).max_decoding_message_size(MAX_ANSWER);
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
/// `secure` is whether TLS was to be spoken.
fn classify_status(status: &Status, secure: bool) -> Failure {
    let reason = match status.source() {
        Some(source) => advice(source, secure)
            .unwrap_or_else(|| format!("{}: {}", status.message(), chain(source))),
        None => format!("{:?}: {}", status.code(), status.message()),
    };
    let after = status
        .get_details_retry_info()
        .and_then(|info| info.retry_delay)
        .map(|delay| delay.min(MAX_WAIT));
    match status.code() {
        // The message would be as long the next time.
        // Unless it asks for it again.
        Code::OutOfRange | Code::ResourceExhausted
            if after.is_none() && is_of_length(status.message()) =>
        {
            Failure::TooLarge {
                reason: printable(&reason),
            }
        }
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

/// Whether a server says that a message is too long for it. The codes have
/// other meanings, too: the words are those of tonic, gRPC for Go (and C++) and
/// for Java.
fn is_of_length(message: &str) -> bool {
    ["too large", "larger than max", "exceeds maximum size"]
        .iter()
        .any(|words| message.contains(words))
}
