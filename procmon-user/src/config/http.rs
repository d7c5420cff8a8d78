//! The keys below `http`: what is served, where, and to whom.

use std::fmt;
use std::path::Path;
use std::str::FromStr;

use serde_json::json;

use super::value::{FilePath, Form, Scalar};
use crate::export::otlp::HostIdentity;
use crate::http::page::{Contents, Part};
use crate::http::{Listen, Settings};
use crate::metrics::compat::Compat;
use crate::metrics::prometheus::Naming;

/// What is served over HTTP.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Http {
    /// Where.
    pub listen: Listen,
    /// Other machines may ask.
    pub allow_remote: bool,
    /// Names of this host that requests may say.
    pub hosts: Vec<String>,
    /// The file with the token that requests must bring.
    pub token_file: Option<FilePath>,
    /// TLS, if it is spoken.
    pub tls: Tls,
    /// The page for Prometheus.
    pub metrics: HttpMetrics,
}

/// How TLS is spoken.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Tls {
    /// The certificate, and those that signed it.
    pub certificate: Option<FilePath>,
    /// Its key.
    pub key: Option<FilePath>,
}

/// What stands on the page for Prometheus.
#[derive(Clone, Debug, PartialEq)]
pub struct HttpMetrics {
    /// How its metrics are called.
    pub naming: NamingWord,
    /// What it is made of.
    pub parts: Vec<Part>,
}

impl Default for HttpMetrics {
    fn default() -> Self {
        Self {
            naming: NamingWord::default(),
            parts: Part::ALL.to_vec(),
        }
    }
}

impl Http {
    /// What the server is to do,
    /// with names of other monitors beside ours.
    pub fn settings(&self, compat: &[Compat]) -> Settings {
        let path = |file: &Option<FilePath>| file.as_ref().map(|file| file.0.clone());
        Settings {
            listen: self.listen.clone(),
            allow_remote: self.allow_remote,
            hosts: self.hosts.clone(),
            token_file: path(&self.token_file),
            certificate: path(&self.tls.certificate),
            key: path(&self.tls.key),
            contents: Contents {
                parts: self.metrics.parts.clone(),
                naming: self.metrics.naming.0,
                compat: compat.to_vec(),
            },
            host: HostIdentity::read(Path::new("/")),
        }
    }
}

/// [`Naming`] as a word.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NamingWord(pub Naming);

impl NamingWord {
    const ALL: [(&str, Naming); 2] = [("suffixes", Naming::Suffixes), ("plain", Naming::Plain)];
}

impl FromStr for NamingWord {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let found = Self::ALL.iter().find(|(word, _)| *word == text);
        let found = found.map(|(_, naming)| Self(*naming));
        found.ok_or_else(|| format!("{text:?} is not {}", Self::form().words))
    }
}

impl fmt::Display for NamingWord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = Self::ALL.iter().find(|(_, naming)| *naming == self.0);
        f.write_str(word.map_or("", |(word, _)| word))
    }
}

impl Scalar for NamingWord {
    fn form() -> Form {
        Form::one_of(&Self::ALL.map(|(word, _)| word))
    }
}

impl Scalar for Compat {
    fn form() -> Form {
        Form::one_of(&Self::ALL.map(Self::name))
    }
}

impl Scalar for Part {
    fn form() -> Form {
        Form::one_of(&Self::ALL.map(Self::name))
    }
}

impl Scalar for Listen {
    fn form() -> Form {
        Form {
            words: "host:port, as in 127.0.0.1:9464 or [::1]:9464, or off".to_owned(),
            schema: json!({"type": "string", "pattern": r"^(off|.+:\d+)$"}),
        }
    }
}
