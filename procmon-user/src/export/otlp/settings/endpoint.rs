//! An endpoint as it was given, and the address that it means.

use http::uri::{Authority, Scheme, Uri};

use super::given::Given;
use super::{Protocol, SettingsError};
use crate::export::otlp::Signal;

/// An endpoint as given.
pub(super) struct Endpoint {
    pub(super) given: Given,
    /// What is sent there.
    pub(super) of: Signal,
    /// It names the signal's resource itself.
    pub(super) complete: bool,
}

impl Endpoint {
    /// The protocol its port stands for.
    pub(super) fn protocol(&self) -> Result<Protocol, SettingsError> {
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
    pub(super) fn uri(&self, protocol: Protocol, insecure: bool) -> Result<Uri, SettingsError> {
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
            Protocol::HttpProtobuf => http_path(path, self.of, self.complete),
        };
        Uri::builder()
            .scheme(scheme)
            .authority(authority)
            .path_and_query(path)
            .build()
            .map_err(|_| bad())
    }
}

/// The path to post to: a generic endpoint's gets the signal's behind it.
fn http_path(path: &str, of: Signal, complete: bool) -> String {
    let (path, query) = match path.find('?') {
        Some(at) => path.split_at(at),
        None => (path, ""),
    };
    if !complete {
        return format!("{}{}{query}", path.trim_end_matches('/'), of.path());
    }
    let slash = if path.starts_with('/') { "" } else { "/" };
    format!("{slash}{path}{query}")
}
