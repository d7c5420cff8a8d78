//! Who may ask: the names that a request may call this host, and the token.

use std::fmt;
use std::net::{IpAddr, SocketAddr};

use http::header::{AUTHORIZATION, HOST};
use http::uri::Authority;
use http::{HeaderMap, StatusCode, Version};
use subtle::ConstantTimeEq as _;

/// The names and addresses that a request may be sent to.
///
/// A page on the web may have a name that becomes 127.0.0.1 once it is loaded
/// ("DNS rebinding"); its requests say that name.
#[derive(Clone, Debug)]
pub struct Hosts {
    /// The address that is listened on.
    address: IpAddr,
    /// Names beside localhost.
    names: Vec<String>,
}

impl Hosts {
    /// Those of a server that listens on `address`, also called `names`.
    pub fn new(address: SocketAddr, names: Vec<String>) -> Self {
        Self {
            address: address.ip(),
            names,
        }
    }

    /// Whether a request says that it is for one of them.
    pub fn allow(&self, host: &str) -> bool {
        let Ok(authority) = host.parse::<Authority>() else {
            return false;
        };
        let name = authority.host();
        let bare = name
            .strip_prefix('[')
            .and_then(|name| name.strip_suffix(']'));
        if let Ok(address) = bare.unwrap_or(name).parse::<IpAddr>() {
            let any = self.address.is_unspecified();
            return any || address.is_loopback() || address == self.address;
        }
        let name = name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase();
        name == "localhost"
            || name.ends_with(".localhost")
            || self.names.iter().any(|own| own.eq_ignore_ascii_case(&name))
    }
}

/// What a request must bring.
#[derive(Clone)]
pub struct Token(String);

impl Token {
    /// The token that stands in a file's text; `None` where there is none, or
    /// where it could not be sent in a header.
    pub fn read(text: &str) -> Option<Self> {
        let token = text.trim();
        let fits = !token.is_empty() && token.bytes().all(|byte| byte.is_ascii_graphic());
        fits.then(|| Self(token.to_owned()))
    }

    fn is(&self, said: &str) -> bool {
        self.0.as_bytes().ct_eq(said.as_bytes()).into()
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token")
    }
}

/// Decides about requests.
#[derive(Clone, Debug)]
pub struct Guard {
    /// Whom they may be for.
    pub hosts: Hosts,
    /// What they must bring, if anything.
    pub token: Option<Token>,
}

/// Why a request is refused.
pub type Refusal = (StatusCode, String);

impl Guard {
    /// Looks at a request.
    ///
    /// # Errors
    /// The status and the words it is refused with.
    pub fn check(&self, path: &str, version: Version, headers: &HeaderMap) -> Result<(), Refusal> {
        let mut hosts = headers.get_all(HOST).iter();
        match (hosts.next().map(|host| host.to_str()), hosts.next()) {
            (Some(Ok(host)), None) if self.hosts.allow(host) => {}
            // Browsers say it; what knows no more than HTTP/1.0 is none.
            (None, None) if version == Version::HTTP_10 => {}
            (Some(Ok(host)), None) => {
                let problem = format!(
                    "{host:?} is not a name of this server: ask for localhost or its address, or \
                     list the name in http.hosts"
                );
                return Err((StatusCode::MISDIRECTED_REQUEST, problem));
            }
            _ => {
                let problem = "a request has one Host header".to_owned();
                return Err((StatusCode::BAD_REQUEST, problem));
            }
        }
        match &self.token {
            Some(token) if !is_open(path) => {
                let said = headers.get(AUTHORIZATION);
                let said = said.and_then(|said| said.to_str().ok());
                let said = said.and_then(bearer);
                match said.is_some_and(|said| token.is(said)) {
                    true => Ok(()),
                    false => {
                        let problem = "send `Authorization: Bearer TOKEN` with the token of \
                                       http.token_file";
                        Err((StatusCode::UNAUTHORIZED, problem.to_owned()))
                    }
                }
            }
            _ => Ok(()),
        }
    }
}

/// Whether a path is for those who watch over procmon, who have no token.
fn is_open(path: &str) -> bool {
    matches!(path, "/healthz" | "/readyz")
}

/// The token of `Bearer TOKEN` (RFC 6750); the scheme is in any case.
fn bearer(said: &str) -> Option<&str> {
    let (scheme, token) = said.split_once(' ')?;
    scheme
        .eq_ignore_ascii_case("bearer")
        .then(|| token.trim_start_matches(' '))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hosts(address: &str, names: &[&str]) -> Hosts {
        let names = names.iter().map(|name| (*name).to_owned()).collect();
        Hosts::new(address.parse().unwrap(), names)
    }

    #[test]
    fn loopback_is_always_a_name_of_this_server_and_a_strange_name_never() {
        let loopback = hosts("127.0.0.1:9464", &[]);
        for good in [
            "127.0.0.1:9464",
            "127.0.0.1",
            "127.1.2.3:1",
            "[::1]:9464",
            "localhost:9464",
            "LOCALHOST",
            "localhost.:9464",
            "procmon.localhost",
        ] {
            assert!(loopback.allow(good), "{good}");
        }
        for bad in [
            "evil.example",
            "evil.example:9464",
            "localhost.evil.example",
            "127.0.0.1.evil.example",
            "10.0.0.1:9464",
            "notlocalhost",
            "",
            "a b",
            "[::1",
            "user@",
        ] {
            assert!(!loopback.allow(bad), "{bad}");
        }
    }

    #[test]
    fn what_is_listened_on_and_what_is_listed_are_its_names() {
        let one = hosts("10.0.0.1:9464", &["node1"]);
        assert!(one.allow("10.0.0.1:9464") && one.allow("Node1:9464"));
        assert!(!one.allow("10.0.0.2") && !one.allow("node1.evil.example"));
        let any = hosts("0.0.0.0:9464", &[]);
        assert!(any.allow("10.0.0.2") && any.allow("[fe80::1]:9464"));
        assert!(!any.allow("node1"));
    }

    fn asked(guard: &Guard, path: &str, headers: &[(&str, &str)]) -> Option<u16> {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            let name: http::HeaderName = name.parse().unwrap();
            map.append(name, value.parse().unwrap());
        }
        let refused = guard.check(path, Version::HTTP_11, &map);
        refused.err().map(|(status, _)| status.as_u16())
    }

    #[test]
    fn a_token_is_asked_for_on_all_but_the_paths_of_health() {
        let guard = Guard {
            hosts: hosts("127.0.0.1:9464", &[]),
            token: Token::read("  secret\n"),
        };
        let host = ("host", "localhost");
        let with = |said| asked(&guard, "/metrics", &[host, ("authorization", said)]);
        assert_eq!(with("Bearer secret"), None);
        assert_eq!(with("bearer  secret"), None);
        for wrong in [
            "Bearer secre",
            "Bearer secret2",
            "secret",
            "Basic secret",
            "",
        ] {
            assert_eq!(with(wrong), Some(401), "{wrong}");
        }
        assert_eq!(asked(&guard, "/metrics", &[host]), Some(401));
        assert_eq!(asked(&guard, "/healthz", &[host]), None);
        assert_eq!(asked(&guard, "/readyz", &[host]), None);
        assert_eq!(
            asked(&guard, "/readyz", &[("host", "x.example")]),
            Some(421)
        );
        assert_eq!(asked(&guard, "/healthz", &[]), Some(400));
        assert_eq!(asked(&guard, "/healthz", &[host, host]), Some(400));
    }

    #[test]
    fn a_token_is_one_word() {
        for wrong in ["", " \n", "two words", "größe"] {
            assert!(Token::read(wrong).is_none(), "{wrong:?}");
        }
    }
}
