//! Why a try failed, in words for whoever can do something about it.

use std::error::Error;
use std::io;

use rustls::{AlertDescription, CertificateError, Error as TlsError};

/// An error, what caused it, and what to do about it where that is known.
pub(super) fn reason(error: &(dyn Error + 'static)) -> String {
    match tls(error).and_then(explained) {
        Some(explained) => format!("{explained} ({})", chain(error)),
        None => chain(error),
    }
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

/// What TLS says among the causes.
fn tls<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a TlsError> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(error) = error.downcast_ref() {
            return Some(error);
        }
        // An error that stands in another as it is is no source of it.
        let inner = error
            .downcast_ref::<io::Error>()
            .and_then(io::Error::get_ref);
        next = match inner {
            Some(inner) => Some(inner as &(dyn Error + 'static)),
            None => error.source(),
        };
    }
    None
}

fn explained(error: &TlsError) -> Option<&'static str> {
    Some(match error {
        TlsError::InvalidCertificate(problem) => match problem {
            CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
                "the collector's certificate has expired: it needs a new one, or this host's clock \
                 is wrong"
            }
            CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
                "the collector's certificate is not valid yet: is this host's clock right?"
            }
            CertificateError::UnknownIssuer => {
                "the collector's certificate is not of an authority trusted here: give that \
                 authority's as OTEL_EXPORTER_OTLP_CERTIFICATE"
            }
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
                "the collector's certificate is for another name than the endpoint's"
            }
            _ => return None,
        },
        TlsError::AlertReceived(AlertDescription::CertificateExpired) => {
            "the collector says that procmon's certificate has expired: give a new one as \
             OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE"
        }
        TlsError::AlertReceived(AlertDescription::CertificateRequired) => {
            "the collector wants a certificate of procmon: give one as \
             OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE, with its key"
        }
        TlsError::AlertReceived(
            AlertDescription::UnknownCA
            | AlertDescription::BadCertificate
            | AlertDescription::DecryptError,
        ) => "the collector does not trust OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE",
        TlsError::InvalidMessage(_) => {
            "what is there speaks no TLS: is the endpoint http:// and not https://?"
        }
        _ => return None,
    })
}
