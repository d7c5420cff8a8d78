//! Where OTLP goes and how: from the flag, the environment and the file.
//!
//! Flags beat the environment, which beats the file, which beats the defaults;
//! a variable of the signal beats the generic one; an empty variable is
//! as good as none. Nothing goes out unless an endpoint is given.

use std::ffi::OsString;
use std::fmt;
use std::time::Duration;

use http::uri::Uri;
use http::{HeaderName, HeaderValue};
use thiserror::Error;

use crate::metrics::compat::Compat;

mod endpoint;
mod file;
mod given;
mod proxy;
mod signals;
mod source;
pub mod variables;

pub use file::{FileSettings, Traced};
pub use proxy::Proxy;
pub use signals::Signals;

use super::Signal;
use source::Source;

/// The endpoint of `--otlp` without a value, for gRPC.
pub const DEFAULT_ENDPOINT: &str = "http://127.0.0.1:4317";
/// The endpoint of `--otlp` without a value, when the protocol is HTTP.
pub const DEFAULT_HTTP_ENDPOINT: &str = "http://127.0.0.1:4318";
/// How long one try may take, unless said otherwise.
pub const DEFAULT_TIMEOUT: Duration = Duration::from_secs(10);
/// Bytes of a request: collectors take 4 MiB (gRPC's own limit); of a great
/// host's tick, only some requests are in memory at a time.
const BATCH_BYTES: usize = 1 << 20;

/// What OTLP is spoken over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// gRPC.
    Grpc,
    /// Protobuf in HTTP requests.
    HttpProtobuf,
}

/// How requests are compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compression {
    /// gzip.
    Gzip,
    /// zstd.
    Zstd,
}

impl Compression {
    /// The value of `Content-Encoding`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Gzip => "gzip",
            Self::Zstd => "zstd",
        }
    }
}

/// What the points of sums cover.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Temporality {
    /// All since the start.
    #[default]
    Cumulative,
    /// Counters and histograms: what came since the last export.
    Delta,
    /// Histograms delta, the rest cumulative.
    LowMemory,
}

/// How values are counted in histograms.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum HistogramAggregation {
    /// In buckets whose bounds follow from a scale: as the kernel counts, and
    /// no longer than what was counted.
    #[default]
    Exponential,
    /// The same buckets with their bounds in each point, for stores that know no
    /// others.
    Explicit,
}

impl HistogramAggregation {
    /// OpenTelemetry's words for them.
    pub const WORDS: &[&str] = &[
        "base2_exponential_bucket_histogram",
        "explicit_bucket_histogram",
    ];
}

/// A PEM file.
#[derive(Clone, PartialEq, Eq)]
pub struct Pem {
    /// Where it was read.
    pub path: String,
    /// Its content.
    pub content: Vec<u8>,
}

impl fmt::Debug for Pem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // A key must not get into a log.
        write!(f, "Pem({:?})", self.path)
    }
}

/// How the peer and procmon prove who they are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tls {
    /// The authority that signed the collector's certificate; the system's
    /// authorities when absent.
    pub authority: Option<Pem>,
    /// procmon's certificate and its key.
    pub identity: Option<(Pem, Pem)>,
}

/// Everything the exporter needs to know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// What is sent.
    pub signal: Signal,
    /// Scheme, host and port for gRPC; the whole URL for HTTP.
    pub endpoint: Uri,
    /// What is spoken.
    pub protocol: Protocol,
    /// Sent with each request; their values are marked sensitive.
    pub headers: Vec<(HeaderName, HeaderValue)>,
    /// How long one try may take.
    pub timeout: Duration,
    /// How requests are compressed.
    pub compression: Option<Compression>,
    /// Certificates; of no use with `http://`.
    pub tls: Tls,
    /// What the points of sums cover.
    pub temporality: Temporality,
    /// How values are counted in histograms.
    pub histograms: HistogramAggregation,
    /// What stands between, if anything.
    pub proxy: Option<Proxy>,
    /// procmon's own service name.
    pub service_name: Option<String>,
    /// Attributes for every resource.
    pub resource_attributes: Vec<(String, String)>,
    /// Give each process a service name and instance.
    pub service_instance: bool,
    /// Names of other monitors for the metrics of processes, beside ours; they
    /// are no setting of OTLP's, so whoever resolves these gives them.
    pub compat: Vec<Compat>,
    /// Most bytes that wait for the collector.
    pub queue_bytes: usize,
    /// Most bytes in one request, uncompressed.
    pub batch_bytes: usize,
}

/// A setting that cannot be meant.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("{setting}: {problem}")]
pub struct SettingsError {
    /// The flag, the variable or the key of the file.
    pub setting: String,
    /// What is wrong with it, and what would be right.
    pub problem: String,
}

/// Reads one variable of the environment.
pub type Environment<'a> = &'a dyn Fn(&str) -> Option<OsString>;

impl Settings {
    /// Resolves the settings for a signal; `None` when OTLP was not asked for
    /// or is switched off. `flag` is `--otlp`: absent, without a value, with one.
    pub fn resolve(
        signal: Signal,
        flag: Option<Option<&str>>,
        file: &FileSettings,
        env: Environment<'_>,
    ) -> Result<Option<Self>, SettingsError> {
        let source = Source { env, of: signal };
        // The flag asks for metrics; what else goes the same way may stay off.
        if (flag.is_none() || signal != Signal::Metrics) && source.switched_off()? {
            return Ok(None);
        }
        let Some(endpoint) = source.endpoint(flag, file)? else {
            return Ok(None);
        };
        let protocol = match source.signal("PROTOCOL", "protocol", &file.protocol)? {
            Some(value) => value.protocol()?,
            None => endpoint.protocol()?,
        };
        let insecure = match source.signal("INSECURE", "insecure", &file.insecure)? {
            Some(value) => value.boolean()?,
            None => false,
        };
        let get = |name, key, file| source.signal(name, key, file);
        let endpoint = endpoint.uri(protocol, insecure)?;
        Ok(Some(Self {
            signal,
            proxy: source.proxy(&endpoint)?,
            endpoint,
            protocol,
            headers: match get("HEADERS", "headers", &file.headers)? {
                Some(value) => value.headers()?,
                None => Vec::new(),
            },
            timeout: match get("TIMEOUT", "timeout", &file.timeout)? {
                Some(value) => value.milliseconds()?,
                None => DEFAULT_TIMEOUT,
            },
            compression: match get("COMPRESSION", "compression", &file.compression)? {
                Some(value) => value.compression()?,
                None => None,
            },
            tls: source.tls(file)?,
            temporality: match source.of(
                "OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE",
                "temporality",
                &file.temporality,
            )? {
                Some(value) => value.temporality()?,
                None => Temporality::default(),
            },
            histograms: match source.of(
                "OTEL_EXPORTER_OTLP_METRICS_DEFAULT_HISTOGRAM_AGGREGATION",
                "histogram_aggregation",
                &file.histogram_aggregation,
            )? {
                Some(value) => value.histograms()?,
                None => HistogramAggregation::default(),
            },
            service_name: source
                .of("OTEL_SERVICE_NAME", "service_name", &file.service_name)?
                .map(|value| value.text),
            resource_attributes: match source.of(
                "OTEL_RESOURCE_ATTRIBUTES",
                "resource_attributes",
                &file.resource_attributes,
            )? {
                Some(value) => value.pairs()?,
                None => Vec::new(),
            },
            service_instance: file.service_instance.unwrap_or(true),
            compat: Vec::new(),
            queue_bytes: match signal {
                Signal::Metrics => 16 << 20,
                Signal::Logs | Signal::Traces => 4 << 20,
            },
            batch_bytes: BATCH_BYTES,
        }))
    }

    /// Whether TLS is spoken.
    pub fn is_secure(&self) -> bool {
        self.endpoint.scheme_str() == Some("https")
    }

    /// [`Settings::resolve`] with the environment of this process.
    pub fn from_environment(
        signal: Signal,
        flag: Option<Option<&str>>,
        file: &FileSettings,
    ) -> Result<Option<Self>, SettingsError> {
        Self::resolve(signal, flag, file, &|name| std::env::var_os(name))
    }
}

#[cfg(test)]
mod tests;
