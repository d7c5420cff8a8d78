//! Why a try failed, in words for whoever can do something about it.

use std::error::Error;
use std::io;

use rustls::{AlertDescription, CertificateError, Error as TlsError};

/// What to do about an error, where that is known, and the error with what
/// caused it; `secure` is whether TLS was to be spoken.
pub(super) fn advice(error: &(dyn Error + 'static), secure: bool) -> Option<String> {
    let chain = chain(error);
    let advice = match tls(error) {
        Some(TlsError::InvalidCertificate(problem)) => of_certificate(problem),
        Some(TlsError::InvalidMessage(_)) => Some(NO_TLS),
        _ if !secure => None,
        _ => of_alert(&chain).or_else(|| is_closed(error).then_some(CLOSED)),
    };
    advice.map(|advice| format!("{advice} ({chain})"))
}

/// An error and what caused it, each said once.
pub(super) fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(error) = next {
        let cause = error.to_string();
        if !text.ends_with(&cause) {
            text = format!("{text}: {cause}");
        }
        next = error.source();
    }
    text
}

/// What a peer said, fit for a terminal: short, and one line.
pub(super) fn printable(text: &str) -> String {
    let mut printable: String = text
        .chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .take(300)
        .collect();
    printable.truncate(printable.trim_end().len());
    printable
}

/// With TLS 1.3 a client takes itself for connected before the collector has
/// looked at its certificate; what that says about it is often lost.
const CLOSED: &str = "the collector closed the TLS connection: if it always does, it may not trust \
                      OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE, or want one";

const NO_TLS: &str = "what is there speaks no TLS: is the endpoint http:// and not https://?";

/// Whether the peer ended the connection, without a word that was heard.
fn is_closed(error: &(dyn Error + 'static)) -> bool {
    causes(error).any(|error| {
        let by_http = error.downcast_ref().is_some_and(|error: &hyper::Error| {
            error.is_canceled() || error.is_closed() || error.is_incomplete_message()
        });
        let by_tcp = error.downcast_ref().is_some_and(|error: &io::Error| {
            use io::ErrorKind::{BrokenPipe, ConnectionReset, UnexpectedEof};
            matches!(error.kind(), BrokenPipe | ConnectionReset | UnexpectedEof)
        });
        by_http || by_tcp
    })
}

/// What TLS says among the causes.
fn tls<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a TlsError> {
    causes(error).find_map(|error| error.downcast_ref())
}

/// The error, and all that caused it.
fn causes<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    std::iter::successors(Some(error), |error| {
        let error: &'a (dyn Error + 'static) = *error;
        // An error that stands in another as it is is no source of it.
        let inner = error.downcast_ref::<io::Error>();
        match inner.and_then(io::Error::get_ref) {
            Some(inner) => Some(inner as &(dyn Error + 'static)),
            None => error.source(),
        }
    })
}

/// What is wrong with the collector's certificate.
fn of_certificate(problem: &CertificateError) -> Option<&'static str> {
    Some(match problem {
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
            "the collector's certificate has expired: it needs a new one, or this host's clock is \
             wrong"
        }
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            "the collector's certificate is not valid yet: is this host's clock right?"
        }
        // The latter when an authority has a new key under its old name.
        CertificateError::UnknownIssuer | CertificateError::BadSignature => {
            "the collector's certificate is not of an authority trusted here: give that \
             authority's as OTEL_EXPORTER_OTLP_CERTIFICATE"
        }
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            "the collector's certificate is for another name than the endpoint's"
        }
        _ => return None,
    })
}

const UNTRUSTED: &str = "the collector does not trust OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE";

/// What collectors say of procmon's certificate, and what it means.
const ALERTS: &[(AlertDescription, &str)] = &[
    (
        AlertDescription::CertificateExpired,
        "the collector says that procmon's certificate has expired: give a new one as \
         OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE",
    ),
    (
        AlertDescription::CertificateRequired,
        "the collector wants a certificate of procmon: give one as \
         OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE, with its key",
    ),
    (AlertDescription::UnknownCA, UNTRUSTED),
    (AlertDescription::BadCertificate, UNTRUSTED),
    (AlertDescription::DecryptError, UNTRUSTED),
];

/// What an alert in the words of an error means: HTTP/2 keeps nothing but the
/// words.
fn of_alert(words: &str) -> Option<&'static str> {
    let said = |alert| words.contains(&TlsError::AlertReceived(alert).to_string());
    let known = ALERTS.iter().find(|(alert, _)| said(*alert))?;
    Some(known.1)
}
