//! Certificates and keys.

use http::Uri;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore};

use super::{TransportError, chain};
use crate::export::otlp::settings::{Pem, Tls};

/// How a client of `endpoint` talks TLS, if it does.
pub(in crate::export) fn tls_config(
    endpoint: &Uri,
    tls: &Tls,
    secure: bool,
) -> Result<ClientConfig, TransportError> {
    let Tls {
        authority,
        identity,
    } = tls;
    let error = |error: rustls::Error| tls_error(endpoint, &error);
    let mut roots = RootCertStore::empty();
    if secure {
        let authorities = match authority {
            Some(authority) => certificates(authority)?,
            None => rustls_native_certs::load_native_certs().certs,
        };
        roots.add_parsable_certificates(authorities);
    }
    let provider = rustls::crypto::ring::default_provider();
    let builder = ClientConfig::builder_with_provider(provider.into())
        .with_safe_default_protocol_versions()
        .map_err(error)?
        .with_root_certificates(roots);
    match identity {
        Some((certificate, key)) if secure => builder
            .with_client_auth_cert(certificates(certificate)?, private_key(key)?)
            .map_err(error),
        _ => Ok(builder.with_no_client_auth()),
    }
}

/// The certificates of a file; at least one.
pub(super) fn certificates(pem: &Pem) -> Result<Vec<CertificateDer<'static>>, TransportError> {
    let problem = |problem: String| TransportError::Pem {
        path: pem.path.clone(),
        problem,
    };
    let certificates: Vec<_> = CertificateDer::pem_slice_iter(&pem.content)
        .collect::<Result<_, _>>()
        .map_err(|error| problem(error.to_string()))?;
    if certificates.is_empty() {
        return Err(problem("no PEM certificate in it".to_owned()));
    }
    Ok(certificates)
}

/// The private key of a file.
pub(super) fn private_key(pem: &Pem) -> Result<PrivateKeyDer<'static>, TransportError> {
    PrivateKeyDer::from_pem_slice(&pem.content).map_err(|error| TransportError::Pem {
        path: pem.path.clone(),
        problem: format!("no PEM private key in it: {error}"),
    })
}

pub(super) fn tls_error(endpoint: &Uri, error: &dyn std::error::Error) -> TransportError {
    TransportError::Tls {
        endpoint: endpoint.to_string(),
        problem: chain(error),
    }
}
