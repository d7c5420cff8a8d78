//! Taking the address, before anything else is begun: an address that is taken, a
//! certificate that is none are said at once.

use std::fmt;
use std::fs;
use std::io;
use std::net::{SocketAddr, TcpListener, ToSocketAddrs as _};
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;

use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use thiserror::Error;

use super::Settings;
use super::guard::{Guard, Hosts, Token};

/// Where to listen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Listen {
    /// Nowhere.
    Off,
    /// At this host, a name or an address, and port.
    At {
        /// The host; an IPv6 address without brackets.
        host: String,
        /// The port; 0 for any that is free.
        port: u16,
    },
}

impl Default for Listen {
    fn default() -> Self {
        Self::At {
            host: "127.0.0.1".to_owned(),
            port: 9464,
        }
    }
}

impl FromStr for Listen {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "off" {
            return Ok(Self::Off);
        }
        let split = || {
            let (host, port) = text.rsplit_once(':')?;
            let host = match host.strip_prefix('[') {
                Some(host) => host.strip_suffix(']')?,
                None if host.contains(':') => return None,
                None => host,
            };
            let fits = |c: char| c.is_ascii_alphanumeric() || ".-_:%".contains(c);
            let fits = !host.is_empty() && host.chars().all(fits);
            Some((host, port.parse().ok()?)).filter(|_| fits)
        };
        let (host, port) = split().ok_or_else(|| {
            format!("{text:?} is not host:port, as in 127.0.0.1:9464 or [::1]:9464, or off")
        })?;
        Ok(Self::At {
            host: host.to_owned(),
            port,
        })
    }
}

impl fmt::Display for Listen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Off => f.write_str("off"),
            Self::At { host, port } if host.contains(':') => write!(f, "[{host}]:{port}"),
            Self::At { host, port } => write!(f, "{host}:{port}"),
        }
    }
}

/// Why nothing is served.
#[derive(Debug, Error)]
pub enum BindError {
    /// The address cannot be taken.
    #[error("cannot listen on {address}: {problem}")]
    Address {
        /// Which.
        address: String,
        /// Why not.
        problem: io::Error,
    },
    /// Others could reach it.
    #[error(
        "{0} can be reached from other machines, and tells all about this one's processes: give \
         --allow-remote if that is meant, and a token and a certificate (http.token_file, http.tls)"
    )]
    Remote(String),
    /// A file cannot be used.
    #[error("{setting} {}: {problem}", path.display())]
    File {
        /// The key that names it.
        setting: &'static str,
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
    /// One of two files is missing.
    #[error("http.tls.certificate and http.tls.key go together: {0} is missing")]
    Half(&'static str),
}

/// An address that has been taken, and who may ask there for what.
#[derive(Debug)]
pub struct Bound {
    pub(super) listener: TcpListener,
    pub(super) tls: Option<Arc<ServerConfig>>,
    pub(super) guard: Guard,
    pub(super) settings: Settings,
    address: SocketAddr,
}

impl Bound {
    /// Takes the address that the settings say; `None` when it is off.
    ///
    /// # Errors
    /// When it cannot be taken, or a file that belongs to it cannot be used.
    pub fn take(settings: &Settings) -> Result<Option<Self>, BindError> {
        let Listen::At { host, port } = &settings.listen else {
            return Ok(None);
        };
        let tls = tls(settings)?;
        let token = settings.token_file.as_deref().map(token).transpose()?;
        let failed = |problem| BindError::Address {
            address: settings.listen.to_string(),
            problem,
        };
        let addresses: Vec<SocketAddr> = (host.as_str(), *port)
            .to_socket_addrs()
            .map_err(failed)?
            .collect();
        let is_local = |address: &SocketAddr| address.ip().to_canonical().is_loopback();
        if !settings.allow_remote && !addresses.iter().all(is_local) {
            return Err(BindError::Remote(settings.listen.to_string()));
        }
        let listener = TcpListener::bind(&*addresses).map_err(failed)?;
        listener.set_nonblocking(true).map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        let mut names = settings.hosts.clone();
        names.push(host.clone());
        names.extend(settings.host.name.clone().filter(|_| settings.allow_remote));
        Ok(Some(Self {
            listener,
            tls,
            guard: Guard {
                hosts: Hosts::new(address, names),
                token,
            },
            settings: settings.clone(),
            address,
        }))
    }

    /// Where it is served.
    pub fn url(&self) -> String {
        let scheme = if self.tls.is_some() { "https" } else { "http" };
        format!("{scheme}://{}", self.address)
    }

    /// Whether others can read what is served, and what is asked of them.
    pub fn is_open_to_all(&self) -> bool {
        !self.address.ip().to_canonical().is_loopback() && self.guard.token.is_none()
    }
}

fn token(path: &Path) -> Result<Token, BindError> {
    let wrong = |problem: String| BindError::File {
        setting: "http.token_file",
        path: path.to_owned(),
        problem,
    };
    let text = fs::read_to_string(path).map_err(|error| wrong(error.to_string()))?;
    Token::read(&text).ok_or_else(|| wrong("a token is one word of ASCII characters".to_owned()))
}

fn tls(settings: &Settings) -> Result<Option<Arc<ServerConfig>>, BindError> {
    let (certificate, key) = match (&settings.certificate, &settings.key) {
        (None, None) => return Ok(None),
        (Some(_), None) => return Err(BindError::Half("http.tls.key")),
        (None, Some(_)) => return Err(BindError::Half("http.tls.certificate")),
        (Some(certificate), Some(key)) => (certificate, key),
    };
    let wrong = |setting, path: &Path, problem: String| BindError::File {
        setting,
        path: path.to_owned(),
        problem,
    };
    let of_certificate = |problem| wrong("http.tls.certificate", certificate, problem);
    let of_key = |problem| wrong("http.tls.key", key, problem);
    let chain = CertificateDer::pem_file_iter(certificate)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|error| of_certificate(error.to_string()))?;
    if chain.is_empty() {
        return Err(of_certificate("no PEM certificate in it".to_owned()));
    }
    let private = PrivateKeyDer::from_pem_file(key)
        .map_err(|error| of_key(format!("no PEM private key in it: {error}")))?;
    let provider = rustls::crypto::ring::default_provider();
    let mut config = ServerConfig::builder_with_provider(provider.into())
        .with_safe_default_protocol_versions()
        .map_err(|error| of_certificate(error.to_string()))?
        .with_no_client_auth()
        .with_single_cert(chain, private)
        .map_err(|error| of_key(error.to_string()))?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Some(config.into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_reads_as_it_is_written() {
        for text in [
            "off",
            "127.0.0.1:9464",
            "[::1]:9464",
            "localhost:0",
            "[::]:1",
        ] {
            assert_eq!(text.parse::<Listen>().unwrap().to_string(), text);
        }
        for wrong in [
            "",
            "9464",
            ":9464",
            "127.0.0.1",
            "::1:9464",
            "a b:1",
            "x:99999",
            "[::1:1",
        ] {
            let error = wrong.parse::<Listen>().unwrap_err();
            assert!(error.contains("host:port"), "{wrong}: {error}");
        }
    }

    fn settings(listen: &str) -> Settings {
        Settings {
            listen: listen.parse().unwrap(),
            ..Settings::default()
        }
    }

    #[test]
    fn an_address_that_is_taken_is_named() {
        let first = Bound::take(&settings("127.0.0.1:0")).unwrap().unwrap();
        let address = first.address.to_string();
        let second = Bound::take(&settings(&address)).unwrap_err().to_string();
        assert!(second.contains(&address), "{second}");
        assert!(Bound::take(&settings("off")).unwrap().is_none());
    }

    #[test]
    fn other_machines_are_let_in_only_when_asked_for() {
        for remote in ["0.0.0.0:0", "[::]:0", "192.0.2.1:0"] {
            let error = Bound::take(&settings(remote)).unwrap_err().to_string();
            assert!(error.contains("--allow-remote"), "{error}");
        }
        let mut remote = settings("0.0.0.0:0");
        remote.allow_remote = true;
        let bound = Bound::take(&remote).unwrap().unwrap();
        assert!(bound.is_open_to_all());
    }

    #[test]
    fn a_certificate_a_key_or_a_token_that_is_none_is_named() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let path = Some(file.path().to_owned());
        let of = |change: fn(&mut Settings, Option<PathBuf>)| {
            let mut settings = settings("127.0.0.1:0");
            change(&mut settings, path.clone());
            Bound::take(&settings).unwrap_err().to_string()
        };
        let half = of(|settings, path| settings.certificate = path);
        assert!(half.contains("http.tls.key is missing"), "{half}");
        let none = of(|settings, path| {
            settings.certificate = path.clone();
            settings.key = path;
        });
        assert!(none.contains("http.tls.certificate"), "{none}");
        let token = of(|settings, path| settings.token_file = path);
        assert!(token.contains("one word"), "{token}");
    }
}
