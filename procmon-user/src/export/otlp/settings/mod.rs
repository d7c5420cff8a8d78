//! Where OTLP goes and how: from the flag, the environment and the file.
//!
//! Flags beat the environment, which beats the file, which beats the defaults;
//! a variable of the metrics signal beats the generic one; an empty variable is
//! as good as none. Nothing goes out unless an endpoint is given.

use std::ffi::OsString;
use std::fmt;
use std::time::Duration;

use http::uri::Uri;
use http::{HeaderName, HeaderValue};
use thiserror::Error;

use super::spool::SpoolKeys;

mod endpoint;
mod source;

use endpoint::Endpoint;
use source::{Given, Source};

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

/// The keys of `export.otlp` in the configuration file, as they were written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FileSettings {
    /// `endpoint`: means what OTEL_EXPORTER_OTLP_ENDPOINT means.
    pub endpoint: Option<String>,
    /// `protocol`.
    pub protocol: Option<String>,
    /// `headers`, as in the variable.
    pub headers: Option<String>,
    /// `timeout`, milliseconds.
    pub timeout: Option<String>,
    /// `compression`.
    pub compression: Option<String>,
    /// `certificate`.
    pub certificate: Option<String>,
    /// `client_certificate`.
    pub client_certificate: Option<String>,
    /// `client_key`.
    pub client_key: Option<String>,
    /// `insecure`.
    pub insecure: Option<String>,
    /// `temporality`.
    pub temporality: Option<String>,
    /// `service_instance`: give each process a service name and instance.
    pub service_instance: Option<bool>,
    /// `spool`.
    pub spool: SpoolKeys,
}

impl FileSettings {
    /// All that is wrong with the keys, each looked at alone; files that are
    /// named are not.
    pub fn mistakes(&self) -> Vec<SettingsError> {
        let given = |key, text: &Option<String>| Given::in_file(key, text);
        let checks = [
            given("endpoint", &self.endpoint).and_then(|given| self.check_endpoint(given).err()),
            given("protocol", &self.protocol).and_then(|given| given.protocol().err()),
            given("headers", &self.headers).and_then(|given| given.headers().err()),
            given("timeout", &self.timeout).and_then(|given| given.milliseconds().err()),
            given("compression", &self.compression).and_then(|given| given.compression().err()),
            given("insecure", &self.insecure).and_then(|given| given.boolean().err()),
            given("temporality", &self.temporality).and_then(|given| given.temporality().err()),
        ];
        checks.into_iter().flatten().collect()
    }

    fn check_endpoint(&self, given: Given) -> Result<(), SettingsError> {
        let endpoint = Endpoint {
            given,
            complete: false,
        };
        // A bad protocol is told as one.
        let protocol = Given::in_file("protocol", &self.protocol);
        let protocol = match protocol.map(|given| given.protocol()) {
            Some(Ok(protocol)) => protocol,
            _ => endpoint.protocol()?,
        };
        endpoint.uri(protocol, false).map(drop)
    }
}

/// Everything the exporter needs to know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
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
    /// procmon's own service name.
    pub service_name: Option<String>,
    /// Attributes for every resource.
    pub resource_attributes: Vec<(String, String)>,
    /// Give each process a service name and instance.
    pub service_instance: bool,
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
    /// Resolves the settings; `None` when OTLP was not asked for or is
    /// switched off. `flag` is `--otlp`: absent, without a value, with one.
    pub fn resolve(
        flag: Option<Option<&str>>,
        file: &FileSettings,
        env: Environment<'_>,
    ) -> Result<Option<Self>, SettingsError> {
        let source = Source { env };
        if flag.is_none() && source.switched_off()? {
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
        Ok(Some(Self {
            endpoint: endpoint.uri(protocol, insecure)?,
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
            service_name: source.variable("OTEL_SERVICE_NAME")?.map(|v| v.text),
            resource_attributes: match source.variable("OTEL_RESOURCE_ATTRIBUTES")? {
                Some(value) => value.pairs()?,
                None => Vec::new(),
            },
            service_instance: file.service_instance.unwrap_or(true),
            queue_bytes: 16 << 20,
            batch_bytes: BATCH_BYTES,
        }))
    }

    /// [`Settings::resolve`] with the environment of this process.
    pub fn from_environment(
        flag: Option<Option<&str>>,
        file: &FileSettings,
    ) -> Result<Option<Self>, SettingsError> {
        Self::resolve(flag, file, &|name| std::env::var_os(name))
    }
}

#[cfg(test)]
mod tests;
