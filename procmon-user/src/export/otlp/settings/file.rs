//! The keys of the configuration file.

use std::fmt;
use std::str::FromStr;

use super::SettingsError;
use super::endpoint::Endpoint;
use super::given::Given;
use crate::export::otlp::Signal;
use crate::export::otlp::spool::SpoolKeys;

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
    /// `histogram_aggregation`.
    pub histogram_aggregation: Option<String>,
    /// `service_name`.
    pub service_name: Option<String>,
    /// `resource_attributes`, as in the variable.
    pub resource_attributes: Option<String>,
    /// `service_instance`: give each process a service name and instance.
    pub service_instance: Option<bool>,
    /// `events`: whether the events of processes are sent.
    pub events: Option<bool>,
    /// `traces`: what spans are made of.
    pub traces: Vec<Traced>,
    /// `spool`.
    pub spool: SpoolKeys,
}

/// What spans are made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Traced {
    /// The lives of processes.
    Processes,
    /// What procmon does itself: ticks, and batches that were tried again.
    Agent,
}

impl Traced {
    /// All of it.
    pub const ALL: [Self; 2] = [Self::Processes, Self::Agent];

    /// Its word.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Processes => "processes",
            Self::Agent => "agent",
        }
    }
}

impl fmt::Display for Traced {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Traced {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let found = Self::ALL.into_iter().find(|one| one.name() == text);
        found.ok_or_else(|| format!("{text:?} is not one of processes, agent"))
    }
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
            given("histogram_aggregation", &self.histogram_aggregation)
                .and_then(|given| given.histograms().err()),
            given("resource_attributes", &self.resource_attributes)
                .and_then(|given| given.pairs().err()),
        ];
        checks.into_iter().flatten().collect()
    }

    fn check_endpoint(&self, given: Given) -> Result<(), SettingsError> {
        let endpoint = Endpoint {
            given,
            of: Signal::Metrics,
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
