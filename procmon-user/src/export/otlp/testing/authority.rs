//! Certificates that are made on the spot.

use std::sync::Arc;

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, KeyUsagePurpose,
    date_time_ymd,
};
use rustls::RootCertStore;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use super::{Collector, ServerTls};
use crate::export::otlp::settings::Pem;

/// An authority, and what it signs.
pub struct Authority(CertifiedIssuer<'static, KeyPair>);

/// A certificate and its key, PEM.
#[derive(Clone, Debug)]
pub struct Signed {
    pub certificate: String,
    pub key: String,
}

impl Signed {
    /// As procmon takes its own.
    pub fn identity(&self) -> (Pem, Pem) {
        (pem(&self.certificate), pem(&self.key))
    }
}

impl Authority {
    pub fn new() -> Self {
        let mut params = CertificateParams::new(vec![]).expect("parameters");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        let key = KeyPair::generate().expect("a key");
        // No two authorities have one name.
        let name = format!("authority {:x?}", &key.public_key_raw()[1..9]);
        params.distinguished_name.push(DnType::CommonName, name);
        Self(CertifiedIssuer::self_signed(params, key).expect("an authority"))
    }

    pub fn pem(&self) -> Pem {
        pem(&self.0.pem())
    }

    /// A certificate for `name`.
    pub fn sign(&self, name: &str) -> Signed {
        self.sign_until(name, 2100)
    }

    /// One that was good until a year began.
    pub fn sign_until(&self, name: &str, year: i32) -> Signed {
        let mut params = CertificateParams::new(vec![name.to_owned()]).expect("parameters");
        params.not_before = date_time_ymd(2000, 1, 1);
        params.not_after = date_time_ymd(year, 1, 1);
        let key = KeyPair::generate().expect("a key");
        let certificate = params.signed_by(&key, &self.0).expect("a certificate");
        Signed {
            certificate: certificate.pem(),
            key: key.serialize_pem(),
        }
    }
}

/// A file with this content.
pub fn pem(text: &str) -> Pem {
    Pem {
        path: "test.pem".to_owned(),
        content: text.as_bytes().to_vec(),
    }
}

/// A collector of each kind that shows this certificate and wants one of
/// `clients`; with the protocol it speaks.
pub fn collectors(shown: &Signed, clients: &Authority) -> [(Collector, &'static str); 2] {
    let tls = ServerTls {
        certificate: shown.certificate.clone(),
        key: shown.key.clone(),
        client_authority: Some(clients.0.pem()),
    };
    let address = "127.0.0.1:0".parse().expect("an address");
    let grpc = Collector::grpc_at(address, Some(tls));
    let https = Collector::https(Arc::new(server(shown, clients)));
    [(grpc, "grpc"), (https, "http/protobuf")]
}

fn server(shown: &Signed, clients: &Authority) -> rustls::ServerConfig {
    let certificate = CertificateDer::from_pem_slice(shown.certificate.as_bytes());
    let key = PrivateKeyDer::from_pem_slice(shown.key.as_bytes()).expect("a key");
    let mut trusted = RootCertStore::empty();
    trusted.add(clients.0.der().clone()).expect("an authority");
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let verifier = rustls::server::WebPkiClientVerifier::builder_with_provider(
        trusted.into(),
        Arc::clone(&provider),
    );
    rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_client_cert_verifier(verifier.build().expect("a verifier"))
        .with_single_cert(vec![certificate.expect("a certificate")], key)
        .expect("a server")
}
