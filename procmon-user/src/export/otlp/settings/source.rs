//! Looking values up, and what they may be.

use std::time::Duration;

use http::{HeaderName, HeaderValue};

use super::endpoint::Endpoint;
use super::{
    Compression, DEFAULT_ENDPOINT, DEFAULT_HTTP_ENDPOINT, Environment, FileSettings, Pem, Protocol,
    SettingsError, Temporality, Tls,
};

/// Where values are looked up.
pub(super) struct Source<'a> {
    pub(super) env: Environment<'a>,
}

/// A value and who gave it.
pub(super) struct Given {
    pub(super) setting: String,
    pub(super) text: String,
}

impl Source<'_> {
    pub(super) fn variable(&self, name: &str) -> Result<Option<Given>, SettingsError> {
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
    pub(super) fn of(
        &self,
        name: &str,
        key: &str,
        file: &Option<String>,
    ) -> Result<Option<Given>, SettingsError> {
        if let Some(given) = self.variable(name)? {
            return Ok(Some(given));
        }
        Ok(Given::in_file(key, file))
    }

    /// The signal's variable, else the generic one, else the key of the file.
    pub(super) fn signal(
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

    pub(super) fn switched_off(&self) -> Result<bool, SettingsError> {
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

    pub(super) fn endpoint(
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

    pub(super) fn tls(&self, file: &FileSettings) -> Result<Tls, SettingsError> {
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
    /// What stands in the file; empty is as good as none.
    pub(super) fn in_file(key: &str, value: &Option<String>) -> Option<Self> {
        let text = value.as_deref()?.trim();
        (!text.is_empty()).then(|| Self {
            setting: format!("export.otlp.{key}"),
            text: text.to_owned(),
        })
    }

    pub(super) fn bad(&self, accepted: &str) -> SettingsError {
        SettingsError {
            setting: self.setting.clone(),
            problem: format!("{:?} is none of: {accepted}", self.text),
        }
    }

    pub(super) fn error(&self, problem: impl Into<String>) -> SettingsError {
        SettingsError {
            setting: self.setting.clone(),
            problem: problem.into(),
        }
    }

    pub(super) fn protocol(&self) -> Result<Protocol, SettingsError> {
        match self.text.to_ascii_lowercase().as_str() {
            "grpc" => Ok(Protocol::Grpc),
            "http/protobuf" => Ok(Protocol::HttpProtobuf),
            "http/json" => {
                Err(self.error("http/json is not supported; accepted: grpc, http/protobuf"))
            }
            _ => Err(self.bad("grpc, http/protobuf")),
        }
    }

    pub(super) fn boolean(&self) -> Result<bool, SettingsError> {
        match self.text.to_ascii_lowercase().as_str() {
            "true" => Ok(true),
            "false" => Ok(false),
            _ => Err(self.bad("true, false")),
        }
    }

    pub(super) fn milliseconds(&self) -> Result<Duration, SettingsError> {
        match self.text.parse() {
            Ok(0) | Err(_) => Err(self.bad("whole numbers of milliseconds above 0")),
            Ok(milliseconds) => Ok(Duration::from_millis(milliseconds)),
        }
    }

    pub(super) fn compression(&self) -> Result<Option<Compression>, SettingsError> {
        match self.text.to_ascii_lowercase().as_str() {
            "none" => Ok(None),
            "gzip" => Ok(Some(Compression::Gzip)),
            "zstd" => Ok(Some(Compression::Zstd)),
            _ => Err(self.bad("none, gzip, zstd")),
        }
    }

    pub(super) fn temporality(&self) -> Result<Temporality, SettingsError> {
        match self.text.to_ascii_lowercase().as_str() {
            "cumulative" => Ok(Temporality::Cumulative),
            "delta" => Ok(Temporality::Delta),
            "lowmemory" => Ok(Temporality::LowMemory),
            _ => Err(self.bad("cumulative, delta, lowmemory")),
        }
    }

    pub(super) fn pem(&self) -> Result<Pem, SettingsError> {
        let content = std::fs::read(&self.text)
            .map_err(|error| self.error(format!("cannot read {}: {error}", self.text)))?;
        Ok(Pem {
            path: self.text.clone(),
            content,
        })
    }

    /// `key=value,key=value`, values percent-encoded.
    pub(super) fn pairs(&self) -> Result<Vec<(String, String)>, SettingsError> {
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

    pub(super) fn headers(&self) -> Result<Vec<(HeaderName, HeaderValue)>, SettingsError> {
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
