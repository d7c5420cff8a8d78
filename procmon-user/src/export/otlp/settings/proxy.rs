//! The proxy between procmon and its collector, from the environment.

use std::fmt;
use std::net::IpAddr;

use http::HeaderValue;
use http::uri::{Scheme, Uri};
use hyper_util::client::proxy::matcher::Matcher;

use super::SettingsError;
use super::given::Given;
use super::source::Source;

/// An HTTP proxy that is asked to CONNECT to the collector.
#[derive(Clone, PartialEq, Eq)]
pub struct Proxy {
    /// Its address.
    pub uri: Uri,
    /// `Proxy-Authorization`, when its URL has a user.
    pub authorization: Option<HeaderValue>,
}

impl fmt::Debug for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // A password must not get into a log.
        write!(f, "Proxy({})", self.uri)
    }
}

impl Source<'_> {
    /// The proxy for this endpoint. A collector on this host is never behind
    /// one: what the variables mean are other hosts.
    pub(super) fn proxy(&self, endpoint: &Uri) -> Result<Option<Proxy>, SettingsError> {
        if is_loopback(endpoint.host().unwrap_or_default()) {
            return Ok(None);
        }
        let name = match endpoint.scheme_str() {
            Some("https") => "HTTPS_PROXY",
            _ => "HTTP_PROXY",
        };
        let given = match self.in_either_case(name)? {
            None => self.in_either_case("ALL_PROXY")?,
            given => given,
        };
        let Some(given) = given else { return Ok(None) };
        let exceptions = self.in_either_case("NO_PROXY")?;
        if exceptions.is_some_and(|exceptions| exceptions.excepts(endpoint)) {
            return Ok(None);
        }
        given.proxy(endpoint).map(Some)
    }

    /// Such variables are written in capitals and in small letters.
    fn in_either_case(&self, name: &str) -> Result<Option<Given>, SettingsError> {
        match self.variable(name)? {
            None => self.variable(&name.to_ascii_lowercase()),
            given => Ok(given),
        }
    }
}

impl Given {
    fn proxy(&self, endpoint: &Uri) -> Result<Proxy, SettingsError> {
        let matcher = Matcher::builder().all(self.text.as_str()).build();
        let found = matcher.intercept(endpoint);
        let found = found.filter(|proxy| proxy.uri().scheme() == Some(&Scheme::HTTP));
        // It may have a password: it is not repeated.
        let Some(proxy) = found else {
            return Err(self.error(
                "it must be http://[user:password@]host:port, other kinds of proxies are not \
                 supported; hosts in NO_PROXY are reached without",
            ));
        };
        Ok(Proxy {
            uri: proxy.uri().clone(),
            authorization: proxy.basic_auth().cloned(),
        })
    }

    /// Whether this list, of `NO_PROXY`, has the host of an endpoint.
    fn excepts(&self, endpoint: &Uri) -> bool {
        let anything = "http://proxy";
        let matcher = Matcher::builder().all(anything).no(self.text.as_str());
        self.text.split(',').any(|entry| entry.trim() == "*")
            || matcher.build().intercept(endpoint).is_none()
    }
}

/// Whether a name or an address is this host's own.
fn is_loopback(host: &str) -> bool {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    match bare.parse::<IpAddr>() {
        Ok(address) => address.to_canonical().is_loopback(),
        Err(_) => {
            let name = bare.trim_end_matches('.').to_ascii_lowercase();
            name == "localhost" || name.ends_with(".localhost")
        }
    }
}
