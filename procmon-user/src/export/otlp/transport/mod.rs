//! One try at delivering a batch, over gRPC or HTTP, and what its failure means.

use std::fmt;
use std::future::Future;
use std::time::Duration;

use bytes::Bytes;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceResponse;
use thiserror::Error;

use super::settings::{Protocol, Settings};

mod connect;
mod grpc;
mod http;
mod reason;
mod split;
mod tls;

pub use self::connect::Connector;
pub use self::grpc::{GrpcTransport, endpoint, metadata};
pub use self::http::HttpTransport;
use self::reason::{advice, chain, printable};
pub use self::split::Splitting;
pub(in crate::export) use self::tls::tls_config;

const AGENT: &str = concat!("procmon/", env!("CARGO_PKG_VERSION"));
/// Most of an answer that is read.
const MAX_ANSWER: usize = 4 << 20;
/// The longest a collector may ask us to wait.
const MAX_WAIT: Duration = Duration::from_secs(300);

/// What a collector said to a batch it took.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Accepted {
    /// Points, log records or spans it threw away; never sent again.
    pub rejected: u64,
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
    /// It is too long for one message.
    TooLarge {
        /// What the collector says.
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
        let (Self::Retryable { reason, .. }
        | Self::TooLarge { reason }
        | Self::Permanent { reason }) = self;
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
    Grpc(Box<GrpcTransport>),
    /// HTTP.
    Http(Box<HttpTransport>),
}

impl Network {
    /// The transport of the settings. Connects when there is something to
    /// send; must be called within the runtime it is to run on.
    pub fn new(settings: &Settings) -> Result<Self, TransportError> {
        Ok(match settings.protocol {
            Protocol::Grpc => Self::Grpc(Box::new(GrpcTransport::new(settings)?)),
            Protocol::HttpProtobuf => Self::Http(Box::new(HttpTransport::new(settings)?)),
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

impl Failure {
    /// `secure` is whether TLS was to be spoken.
    fn unreachable(error: &(dyn std::error::Error + 'static), secure: bool) -> Self {
        Self::retryable(advice(error, secure).unwrap_or_else(|| chain(error)))
    }
}

/// What an answer says. Those to logs and traces have the same fields, under
/// the same numbers (opentelemetry-proto, `Export*PartialSuccess`).
fn accepted(answer: ExportMetricsServiceResponse) -> Accepted {
    let Some(partial) = answer.partial_success else {
        return Accepted::default();
    };
    Accepted {
        rejected: u64::try_from(partial.rejected_data_points).unwrap_or(0),
        message: printable(&partial.error_message),
    }
}

fn timed_out(timeout: Duration) -> Failure {
    Failure::retryable(format!("no answer within {} ms", timeout.as_millis()))
}

#[cfg(test)]
mod tests;
