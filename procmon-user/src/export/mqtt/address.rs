//! Where a broker is.

use std::fmt;
use std::str::FromStr;

use http::Uri;

/// A broker's URL: `mqtt://host[:port]`, or `mqtts://` with TLS.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BrokerUrl {
    /// The host as the URL has it, an IPv6 address in brackets.
    host: String,
    port: u16,
    /// Whether it is talked to by TLS.
    pub secure: bool,
}

impl BrokerUrl {
    /// What it may be, in words.
    pub const WANTED: &str = "mqtt://host:port, or mqtts://host:port for TLS";

    /// The host's name or address.
    pub fn host(&self) -> &str {
        let bare = self.host.strip_prefix('[');
        let bare = bare.and_then(|host| host.strip_suffix(']'));
        bare.unwrap_or(&self.host)
    }

    /// The port: without one in the URL 1883, and 8883 with TLS.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// As a URI.
    pub fn uri(&self) -> Uri {
        let uri = self.to_string().parse();
        uri.expect("a scheme, a host and a port are a URI")
    }
}

impl FromStr for BrokerUrl {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let bad = || format!("{text:?} is not {}", Self::WANTED);
        if text.contains('@') {
            // The text may hold a password: it is not repeated.
            return Err(
                "credentials belong into export.mqtt.username and password, not into the URL"
                    .to_owned(),
            );
        }
        let uri: Uri = text.parse().map_err(|_| bad())?;
        let secure = match uri.scheme_str() {
            Some("mqtt") => false,
            Some("mqtts") => true,
            _ => return Err(bad()),
        };
        let authority = uri.authority().ok_or_else(bad)?;
        let port = match authority.as_str().strip_prefix(authority.host()) {
            Some("") => None,
            Some(port) => Some(port.trim_start_matches(':').parse().map_err(|_| bad())?),
            None => return Err(bad()),
        };
        let nothing_more = matches!(uri.path(), "" | "/") && uri.query().is_none();
        if authority.host().is_empty() || port == Some(0) || !nothing_more {
            return Err(bad());
        }
        Ok(Self {
            host: authority.host().to_owned(),
            port: port.unwrap_or(if secure { 8883 } else { 1883 }),
            secure,
        })
    }
}

impl fmt::Display for BrokerUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.secure { "mqtts" } else { "mqtt" };
        write!(f, "{scheme}://{}:{}", self.host, self.port)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_names_the_host_and_has_a_port_of_its_own() {
        for (text, host, port, secure) in [
            ("mqtt://broker", "broker", 1883, false),
            ("mqtts://broker", "broker", 8883, true),
            ("mqtt://127.0.0.1:1884/", "127.0.0.1", 1884, false),
            ("mqtts://[::1]:8884", "::1", 8884, true),
        ] {
            let url: BrokerUrl = text.parse().unwrap();
            assert_eq!((url.host(), url.port(), url.secure), (host, port, secure));
            assert_eq!(url.to_string().parse(), Ok(url.clone()));
            assert_eq!(url.uri().port_u16(), Some(port));
        }
    }

    #[test]
    fn what_is_no_broker_is_told_what_one_looks_like() {
        for text in [
            "",
            "broker",
            "broker:1883",
            "http://broker",
            "mqtt://",
            "mqtt://:1883",
            "mqtt://broker:0",
            "mqtt://broker:99999",
            "mqtt://broker:x",
            "mqtt://broker/topic",
            "mqtt://broker?x=1",
        ] {
            let error = text.parse::<BrokerUrl>().unwrap_err();
            assert!(error.contains("mqtt://host:port"), "{text}: {error}");
        }
    }

    #[test]
    fn credentials_in_a_url_are_not_repeated() {
        let error = "mqtt://me:geheim@broker".parse::<BrokerUrl>().unwrap_err();
        assert!(error.contains("export.mqtt.username"), "{error}");
        assert!(!error.contains("geheim"), "{error}");
    }
}
