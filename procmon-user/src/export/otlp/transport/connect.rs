//! Connections to the collector, straight or through a proxy.

use std::error::Error;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use http::Uri;
use http::uri::Authority;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::connect::proxy::Tunnel;
use hyper_util::rt::TokioIo;
use thiserror::Error as ThisError;
use tokio::net::TcpStream;
use tower_service::Service;

use crate::export::otlp::settings::{Proxy, Settings};

type BoxError = Box<dyn Error + Send + Sync>;

/// How long a connection is silent before the peer is asked whether it is there.
const KEEPALIVE: Duration = Duration::from_secs(30);

/// Connects to what it is asked for.
#[derive(Clone, Debug)]
pub enum Connector {
    /// Straight.
    Direct(HttpConnector),
    /// Through a proxy that is asked to CONNECT.
    Proxied(Box<Tunnel<HttpConnector>>, Uri),
}

/// A proxy that did not let us through, or is not there.
#[derive(Debug, ThisError)]
#[error("proxy {proxy}")]
struct ProxyError {
    proxy: Uri,
    source: BoxError,
}

impl Connector {
    /// What the settings ask for.
    pub fn new(settings: &Settings) -> Self {
        let mut tcp = HttpConnector::new();
        // TLS comes on top of it.
        tcp.enforce_http(false);
        tcp.set_nodelay(true);
        tcp.set_keepalive(Some(KEEPALIVE));
        tcp.set_connect_timeout(Some(settings.timeout));
        let Some(Proxy { uri, authorization }) = &settings.proxy else {
            return Self::Direct(tcp);
        };
        let tunnel = Tunnel::new(uri.clone(), tcp);
        let tunnel = match authorization {
            Some(authorization) => tunnel.with_auth(authorization.clone()),
            None => tunnel,
        };
        Self::Proxied(Box::new(tunnel), uri.clone())
    }
}

impl Service<Uri> for Connector {
    type Response = TokioIo<TcpStream>;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, BoxError>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        match self {
            Self::Direct(tcp) => tcp.poll_ready(context).map_err(Into::into),
            Self::Proxied(tunnel, _) => tunnel.poll_ready(context).map_err(Into::into),
        }
    }

    fn call(&mut self, to: Uri) -> Self::Future {
        match self {
            Self::Direct(tcp) => {
                let connecting = tcp.call(to);
                Box::pin(async { connecting.await.map_err(Into::into) })
            }
            Self::Proxied(tunnel, proxy) => {
                let connecting = tunnel.call(with_port(to));
                let proxy = proxy.clone();
                Box::pin(async {
                    let error = |error: BoxError| ProxyError {
                        proxy,
                        source: error,
                    };
                    Ok(connecting.await.map_err(|source| error(Box::new(source)))?)
                })
            }
        }
    }
}

/// The address with its port said: a tunnel would take 443 for every one.
fn with_port(to: Uri) -> Uri {
    if to.port().is_some() || to.scheme_str() != Some("http") {
        return to;
    }
    let mut parts = to.into_parts();
    let authority = parts.authority.take().map(|authority| {
        let with_port: Result<Authority, _> = format!("{authority}:80").parse();
        with_port.unwrap_or(authority)
    });
    parts.authority = authority;
    Uri::from_parts(parts).expect("an address with its port is one")
}
