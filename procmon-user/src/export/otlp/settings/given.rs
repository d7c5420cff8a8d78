//! What values may be.

use std::time::Duration;

use http::{HeaderName, HeaderValue};

use super::{Compression, HistogramAggregation, Pem, Protocol, SettingsError, Temporality};

/// A value and who gave it.
pub(super) struct Given {
    pub(super) setting: String,
    pub(super) text: String,
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

    pub(super) fn histograms(&self) -> Result<HistogramAggregation, SettingsError> {
        match self.text.to_ascii_lowercase().as_str() {
            "base2_exponential_bucket_histogram" => Ok(HistogramAggregation::Exponential),
            "explicit_bucket_histogram" => Ok(HistogramAggregation::Explicit),
            _ => Err(self.bad(&HistogramAggregation::WORDS.join(", "))),
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
