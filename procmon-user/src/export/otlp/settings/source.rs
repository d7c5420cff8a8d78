//! Looking values up.

use super::endpoint::Endpoint;
use super::given::Given;
use super::{
    DEFAULT_ENDPOINT, DEFAULT_HTTP_ENDPOINT, Environment, FileSettings, Protocol, SettingsError,
    Tls,
};
use crate::export::otlp::Signal;

/// Where values are looked up.
pub(super) struct Source<'a> {
    pub(super) env: Environment<'a>,
    /// For which signal.
    pub(super) of: Signal,
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

    /// The name of the signal's variable.
    fn own(&self, name: &str) -> String {
        format!("OTEL_EXPORTER_OTLP_{}_{name}", self.of.variable())
    }

    /// The signal's variable, else the generic one, else the key of the file.
    pub(super) fn signal(
        &self,
        name: &str,
        key: &str,
        file: &Option<String>,
    ) -> Result<Option<Given>, SettingsError> {
        match self.variable(&self.own(name))? {
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
        let Some(value) = self.variable(self.of.exporters())? else {
            return Ok(false);
        };
        let mut otlp = false;
        let others = self.of.other_exporters();
        for exporter in value.text.split(',') {
            match exporter.trim() {
                "otlp" => otlp = true,
                other if other.is_empty() || others.contains(&other) => {}
                _ => return Err(value.bad(&format!("otlp, {}", others.join(", ")))),
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
                if let Some(given) = self.variable(&self.own("ENDPOINT"))? {
                    return Ok(Some(Endpoint {
                        given,
                        of: self.of,
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
            of: self.of,
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
