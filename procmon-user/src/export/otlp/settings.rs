//! Where OTLP goes and how: from the flag, the environment and the file.
//!
//! Flags beat the environment, which beats the file, which beats the defaults;
//! a variable of the metrics signal beats the generic one; an empty variable is
//! as good as none. Nothing goes out unless an endpoint is given.

use std::ffi::OsString;
use std::fmt;
use std::time::Duration;

use http::uri::{Authority, Scheme, Uri};
use http::{HeaderName, HeaderValue};
use thiserror::Error;

/// The endpoint of `--otlp` without a value, for gRPC.
pub const DEFAULT_ENDPOINT: &str = "http://127.0.0.1:4317";
/// The endpoint of `--otlp` without a value, when the protocol is HTTP.
pub const DEFAULT_HTTP_ENDPOINT: &str = "http://127.0.0.1:4318";
/// How long one try may take, unless said otherwise.
pub const DEFAULT_TIMEOUT: Duration = Duration::from_secs(10);

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
#[derive(Clone, Debug, Default)]
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
            batch_bytes: 3 << 20,
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

/// Where values are looked up.
struct Source<'a> {
    env: Environment<'a>,
}

/// A value and who gave it.
struct Given {
    setting: String,
    text: String,
}

/// An endpoint as given.
struct Endpoint {
    given: Given,
    /// It names the metrics resource itself.
    complete: bool,
}

impl Source<'_> {
    fn variable(&self, name: &str) -> Result<Option<Given>, SettingsError> {
        let Some(value) = (self.env)(name) else {
            return Ok(None);
        };
        let given = |text: String| Given {
            setting: name.to_owned(),
            text,
        };
        match value.into_string() {
            Ok(text) if text.trim().is_empty() => Ok(None),
            Ok(text) => Ok(Some(given(text.trim().to_owned()))),
            Err(bytes) => Err(given(bytes.to_string_lossy().into_owned()).bad("valid UTF-8")),
        }
    }

    /// A variable, else the key of the file.
    fn of(
        &self,
        name: &str,
        key: &str,
        file: &Option<String>,
    ) -> Result<Option<Given>, SettingsError> {
        if let Some(given) = self.variable(name)? {
            return Ok(Some(given));
        }
        Ok(file
            .as_deref()
            .map(str::trim)
            .filter(|text| !text.is_empty())
            .map(|text| Given {
                setting: format!("export.otlp.{key}"),
                text: text.to_owned(),
            }))
    }

    /// The signal's variable, else the generic one, else the key of the file.
    fn signal(
        &self,
        name: &str,
        key: &str,
        file: &Option<String>,
    ) -> Result<Option<Given>, SettingsError> {
        match self.variable(&format!("OTEL_EXPORTER_OTLP_METRICS_{name}"))? {
            Some(given) => Ok(Some(given)),
            None => self.of(&format!("OTEL_EXPORTER_OTLP_{name}"), key, file),
        }
    }

    fn switched_off(&self) -> Result<bool, SettingsError> {
        if let Some(value) = self.variable("OTEL_SDK_DISABLED")?
            && value.boolean()?
        {
            return Ok(true);
        }
        let Some(value) = self.variable("OTEL_METRICS_EXPORTER")? else {
            return Ok(false);
        };
        let mut otlp = false;
        for exporter in value.text.split(',') {
            match exporter.trim() {
                "otlp" => otlp = true,
                "none" | "prometheus" | "console" | "" => {}
                _ => return Err(value.bad("otlp, none, prometheus, console")),
            }
        }
        Ok(!otlp)
    }

    fn endpoint(
        &self,
        flag: Option<Option<&str>>,
        file: &FileSettings,
    ) -> Result<Option<Endpoint>, SettingsError> {
        let given = match flag {
            Some(Some(text)) => Given {
                setting: "--otlp".to_owned(),
                text: text.trim().to_owned(),
            },
            Some(None) => {
                let protocol = self.signal("PROTOCOL", "protocol", &file.protocol)?;
                let text = match protocol.map(|value| value.protocol()).transpose()? {
                    Some(Protocol::HttpProtobuf) => DEFAULT_HTTP_ENDPOINT,
                    Some(Protocol::Grpc) | None => DEFAULT_ENDPOINT,
                };
                Given {
                    setting: "--otlp".to_owned(),
                    text: text.to_owned(),
                }
            }
            None => {
                if let Some(given) = self.variable("OTEL_EXPORTER_OTLP_METRICS_ENDPOINT")? {
                    return Ok(Some(Endpoint {
                        given,
                        complete: true,
                    }));
                }
                let generic = self.of("OTEL_EXPORTER_OTLP_ENDPOINT", "endpoint", &file.endpoint)?;
                match generic {
                    Some(given) => given,
                    None => return Ok(None),
                }
            }
        };
        Ok(Some(Endpoint {
            given,
            complete: false,
        }))
    }

    fn tls(&self, file: &FileSettings) -> Result<Tls, SettingsError> {
        let pem = |name, key, file| {
            self.signal(name, key, file)?
                .map(|value| value.pem())
                .transpose()
        };
        let certificate = pem(
            "CLIENT_CERTIFICATE",
            "client_certificate",
            &file.client_certificate,
        )?;
        let key = pem("CLIENT_KEY", "client_key", &file.client_key)?;
        let identity = match (certificate, key) {
            (Some(certificate), Some(key)) => Some((certificate, key)),
            (None, None) => None,
            (certificate, _) => {
                let (given, missing) = match certificate {
                    Some(_) => ("CLIENT_CERTIFICATE", "CLIENT_KEY"),
                    None => ("CLIENT_KEY", "CLIENT_CERTIFICATE"),
                };
                return Err(SettingsError {
                    setting: format!("OTEL_EXPORTER_OTLP_{given}"),
                    problem: format!("OTEL_EXPORTER_OTLP_{missing} must be given with it"),
                });
            }
        };
        Ok(Tls {
            authority: pem("CERTIFICATE", "certificate", &file.certificate)?,
            identity,
        })
    }
}

impl Given {
    fn bad(&self, accepted: &str) -> SettingsError {
        SettingsError {
            setting: self.setting.clone(),
            problem: format!("{:?} is none of: {accepted}", self.text),
        }
    }

    fn error(&self, problem: impl Into<String>) -> SettingsError {
        SettingsError {
            setting: self.setting.clone(),
            problem: problem.into(),
        }
    }

    fn protocol(&self) -> Result<Protocol, SettingsError> {
        match self.text.to_ascii_lowercase().as_str() {
            "grpc" => Ok(Protocol::Grpc),
            "http/protobuf" => Ok(Protocol::HttpProtobuf),
            "http/json" => {
                Err(self.error("http/json is not supported; accepted: grpc, http/protobuf"))
            }
            _ => Err(self.bad("grpc, http/protobuf")),
        }
    }

    fn boolean(&self) -> Result<bool, SettingsError> {
        match self.text.to_ascii_lowercase().as_str() {
            "true" => Ok(true),
            "false" => Ok(false),
            _ => Err(self.bad("true, false")),
        }
    }

    fn milliseconds(&self) -> Result<Duration, SettingsError> {
        match self.text.parse() {
            Ok(0) | Err(_) => Err(self.bad("whole numbers of milliseconds above 0")),
            Ok(milliseconds) => Ok(Duration::from_millis(milliseconds)),
        }
    }

    fn compression(&self) -> Result<Option<Compression>, SettingsError> {
        match self.text.to_ascii_lowercase().as_str() {
            "none" => Ok(None),
            "gzip" => Ok(Some(Compression::Gzip)),
            "zstd" => Ok(Some(Compression::Zstd)),
            _ => Err(self.bad("none, gzip, zstd")),
        }
    }

    fn temporality(&self) -> Result<Temporality, SettingsError> {
        match self.text.to_ascii_lowercase().as_str() {
            "cumulative" => Ok(Temporality::Cumulative),
            "delta" => Ok(Temporality::Delta),
            "lowmemory" => Ok(Temporality::LowMemory),
            _ => Err(self.bad("cumulative, delta, lowmemory")),
        }
    }

    fn pem(&self) -> Result<Pem, SettingsError> {
        let content = std::fs::read(&self.text)
            .map_err(|error| self.error(format!("cannot read {}: {error}", self.text)))?;
        Ok(Pem {
            path: self.text.clone(),
            content,
        })
    }

    /// `key=value,key=value`, values percent-encoded.
    fn pairs(&self) -> Result<Vec<(String, String)>, SettingsError> {
        let mut pairs = Vec::new();
        for pair in self.text.split(',').filter(|pair| !pair.trim().is_empty()) {
            // The value may be a secret: it is not repeated.
            let (key, value) = pair
                .split_once('=')
                .filter(|(key, _)| !key.trim().is_empty())
                .ok_or_else(|| {
                    self.error("it must be key=value pairs, separated by commas, the values percent-encoded")
                })?;
            let key = key.trim();
            let value = percent_decode(value.trim()).ok_or_else(|| {
                self.error(format!("the value of {key:?} is badly percent-encoded"))
            })?;
            pairs.push((key.to_owned(), value));
        }
        Ok(pairs)
    }

    fn headers(&self) -> Result<Vec<(HeaderName, HeaderValue)>, SettingsError> {
        self.pairs()?
            .into_iter()
            .map(|(key, value)| {
                let name = HeaderName::try_from(key.as_str())
                    .map_err(|_| self.error(format!("{key:?} is no header name")))?;
                let mut value = HeaderValue::try_from(value.as_str())
                    .map_err(|_| self.error(format!("the value of {key:?} is no header value")))?;
                value.set_sensitive(true);
                Ok((name, value))
            })
            .collect()
    }
}

impl Endpoint {
    /// The protocol its port stands for.
    fn protocol(&self) -> Result<Protocol, SettingsError> {
        let (_, rest) = self.split();
        let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
        Ok(if authority.ends_with(":4318") {
            Protocol::HttpProtobuf
        } else {
            Protocol::Grpc
        })
    }

    /// Scheme, when there is one, and the rest.
    fn split(&self) -> (Option<&str>, &str) {
        match self.given.text.split_once("://") {
            Some((scheme, rest)) if !scheme.contains(['/', '?', '#']) => (Some(scheme), rest),
            _ => (None, &self.given.text),
        }
    }

    /// The address to send to.
    fn uri(&self, protocol: Protocol, insecure: bool) -> Result<Uri, SettingsError> {
        let accepted = match protocol {
            Protocol::Grpc => "http://host:port, https://host:port, host:port",
            Protocol::HttpProtobuf => "http://host:port[/path], https://host:port[/path]",
        };
        let bad = || self.given.bad(accepted);
        let (scheme, rest) = self.split();
        let scheme = match scheme.map(str::to_ascii_lowercase).as_deref() {
            Some("http") => Scheme::HTTP,
            Some("https") => Scheme::HTTPS,
            Some(_) => return Err(bad()),
            None if protocol == Protocol::HttpProtobuf => return Err(bad()),
            None if insecure => Scheme::HTTP,
            None => Scheme::HTTPS,
        };
        let (authority, path) = match rest.find(['/', '?', '#']) {
            Some(at) => rest.split_at(at),
            None => (rest, ""),
        };
        if authority.contains('@') {
            return Err(self
                .given
                .error("credentials belong into OTEL_EXPORTER_OTLP_HEADERS, not into the URL"));
        }
        let authority: Authority = authority.parse().map_err(|_| bad())?;
        let port_is_good = match authority.as_str().rsplit_once(':') {
            // The colon of an IPv6 address is none of a port.
            Some((_, port)) if !port.contains(']') => port.parse().is_ok_and(|port: u16| port > 0),
            _ => true,
        };
        if authority.host().is_empty() || !port_is_good || path.starts_with('#') {
            return Err(bad());
        }
        let path = match protocol {
            Protocol::Grpc if path.is_empty() || path == "/" => "/".to_owned(),
            Protocol::Grpc => {
                return Err(self.given.error(format!(
                    "a path ({path}) needs OTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf; the protocol here is grpc"
                )));
            }
            Protocol::HttpProtobuf => http_path(path, self.complete),
        };
        Uri::builder()
            .scheme(scheme)
            .authority(authority)
            .path_and_query(path)
            .build()
            .map_err(|_| bad())
    }
}

/// The path to post to: a generic endpoint's gets `/v1/metrics`.
fn http_path(path: &str, complete: bool) -> String {
    let (path, query) = match path.find('?') {
        Some(at) => path.split_at(at),
        None => (path, ""),
    };
    if !complete {
        return format!("{}/v1/metrics{query}", path.trim_end_matches('/'));
    }
    let slash = if path.starts_with('/') { "" } else { "/" };
    format!("{slash}{path}{query}")
}

/// Undoes percent-encoding; `None` where it is broken.
fn percent_decode(text: &str) -> Option<String> {
    let mut bytes = text.bytes();
    let mut decoded = Vec::with_capacity(text.len());
    while let Some(byte) = bytes.next() {
        if byte != b'%' {
            decoded.push(byte);
            continue;
        }
        let mut digit = || char::from(bytes.next()?).to_digit(16);
        decoded.push(u8::try_from(digit()? * 16 + digit()?).ok()?);
    }
    String::from_utf8(decoded).ok()
}

#[cfg(test)]
#[path = "settings_tests.rs"]
mod tests;
