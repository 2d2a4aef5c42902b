//! Finds in any error what is wrong with TLS, and says it so that somebody can act on it.

use std::error::Error;
use std::io;
use std::sync::Arc;

use pool_core::ErrorClass;
use rustls::{AlertDescription, CertificateError, InvalidMessage};

/// What is wrong between the two ends of a TLS connection.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TlsProblem {
    /// The peer's certificate comes from an authority that is not trusted.
    #[error(
        "its certificate was issued by an authority that is not trusted; set `ca_certificate` to the file of the \
         right one"
    )]
    UnknownIssuer,
    /// The peer's certificate is for other names.
    #[error("{}", wrong_name(.wanted.as_deref(), .presented))]
    WrongName {
        /// The name that was wanted, if rustls told.
        wanted: Option<String>,
        /// What the certificate is for, as far as rustls told.
        presented: Vec<String>,
    },
    /// The peer's certificate has expired.
    #[error("its certificate has expired; it must be renewed there, or this machine's clock is wrong")]
    Expired,
    /// The peer's certificate is not valid yet.
    #[error("its certificate is not valid yet; this machine's clock or that of the issuer is wrong")]
    NotYetValid,
    /// The peer's certificate was revoked.
    #[error("its certificate was revoked; it must be replaced there")]
    Revoked,
    /// The peer's certificate is refused for another reason; see the source.
    #[error("its certificate cannot be accepted")]
    BadCertificate,
    /// The peer wants a client certificate and got none.
    #[error("it requires a client certificate; set `client_certificate`")]
    ClientCertificateRequired,
    /// The peer does not accept the client certificate.
    #[error("it refuses the client certificate ({reason}); present one that it accepts")]
    ClientCertificateRefused {
        /// What the peer said of it.
        reason: &'static str,
    },
    /// The peer answers with something that is not TLS.
    #[error("it does not speak TLS on this port; check the port, or turn TLS off")]
    NotTls,
    /// The peer does not know the name that was asked for.
    #[error("it does not serve the name that was asked for; set `server_name`")]
    UnknownName,
    /// There is no version, cipher or protocol that both ends support.
    #[error(
        "both ends have no version, cipher or protocol in common; it may also require a client certificate"
    )]
    NothingInCommon,
}

impl TlsProblem {
    /// What it means for a pool.
    pub fn class(&self) -> ErrorClass {
        match self {
            TlsProblem::ClientCertificateRequired | TlsProblem::ClientCertificateRefused { .. } => {
                ErrorClass::Auth
            }
            _ => ErrorClass::FatalThis,
        }
    }
}

fn wrong_name(wanted: Option<&str>, presented: &[String]) -> String {
    let wanted = wanted.map_or_else(|| String::from("this host"), |name| format!("`{name}`"));
    let presented =
        if presented.is_empty() { String::new() } else { format!(" but for {}", presented.join(", ")) };
    format!(
        "its certificate is not for {wanted}{presented}; connect by a name it is for, or set `server_name`"
    )
}

/// Finds what is wrong with TLS in an error of any client library; `None` if nothing of TLS is in it.
///
/// It looks at the error, its sources, and into [`io::Error`]s and `Arc`s, which hide what they hold from
/// [`Error::source`].
pub fn problem_in(error: &(dyn Error + 'static)) -> Option<TlsProblem> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(found) = error.downcast_ref::<rustls::Error>() {
            return problem_of(found);
        }
        next = inside(error).or_else(|| error.source());
    }
    None
}

/// What an error holds without naming it as its source.
fn inside<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a (dyn Error + 'static)> {
    if let Some(io) = error.downcast_ref::<io::Error>() {
        return io.get_ref().map(|error| error as _);
    }
    if let Some(shared) = error.downcast_ref::<Arc<dyn Error + Send + Sync>>() {
        return Some(&**shared);
    }
    if let Some(shared) = error.downcast_ref::<Arc<io::Error>>() {
        return Some(&**shared);
    }
    // As boxed by some libraries; the box is the error then.
    error.downcast_ref::<Box<rustls::Error>>().map(|boxed| &**boxed as _)
}

fn problem_of(error: &rustls::Error) -> Option<TlsProblem> {
    match error {
        rustls::Error::InvalidCertificate(error) => Some(problem_of_certificate(error)),
        rustls::Error::AlertReceived(alert) => problem_of_alert(*alert),
        // What starts like no record of TLS: the peer speaks another protocol.
        rustls::Error::InvalidMessage(
            InvalidMessage::InvalidContentType
            | InvalidMessage::UnknownProtocolVersion
            | InvalidMessage::MessageTooLarge,
        ) => Some(TlsProblem::NotTls),
        rustls::Error::PeerIncompatible(_) | rustls::Error::NoApplicationProtocol => {
            Some(TlsProblem::NothingInCommon)
        }
        _ => None,
    }
}

fn problem_of_certificate(error: &CertificateError) -> TlsProblem {
    match error {
        // A signature that does not fit is what an authority of the same name and with another key gives.
        CertificateError::UnknownIssuer | CertificateError::BadSignature => TlsProblem::UnknownIssuer,
        CertificateError::NotValidForName => TlsProblem::WrongName { wanted: None, presented: Vec::new() },
        CertificateError::NotValidForNameContext { expected, presented } => TlsProblem::WrongName {
            wanted: Some(expected.to_str().into_owned()),
            presented: presented.clone(),
        },
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => TlsProblem::Expired,
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            TlsProblem::NotYetValid
        }
        CertificateError::Revoked => TlsProblem::Revoked,
        _ => TlsProblem::BadCertificate,
    }
}

fn problem_of_alert(alert: AlertDescription) -> Option<TlsProblem> {
    let reason = match alert {
        AlertDescription::CertificateRequired | AlertDescription::NoCertificate => {
            return Some(TlsProblem::ClientCertificateRequired);
        }
        AlertDescription::UnrecognisedName => return Some(TlsProblem::UnknownName),
        AlertDescription::HandshakeFailure
        | AlertDescription::ProtocolVersion
        | AlertDescription::InsufficientSecurity
        | AlertDescription::NoApplicationProtocol => return Some(TlsProblem::NothingInCommon),
        AlertDescription::BadCertificate => "it cannot be verified",
        AlertDescription::UnsupportedCertificate => "its kind or purpose is not supported",
        AlertDescription::CertificateRevoked => "it was revoked",
        AlertDescription::CertificateExpired => "it has expired",
        AlertDescription::CertificateUnknown => "for a reason that was not told",
        AlertDescription::UnknownCA => "its issuer is not trusted there",
        AlertDescription::AccessDenied => "it gives no access",
        _ => return None,
    };
    Some(TlsProblem::ClientCertificateRefused { reason })
}
