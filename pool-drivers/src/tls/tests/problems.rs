//! Errors as client libraries wrap them.

use std::error::Error;
use std::io;
use std::sync::Arc;

use rustls::{AlertDescription, CertificateError, PeerIncompatible};

use crate::tls::{TlsProblem, problem_in};

#[derive(Debug, thiserror::Error)]
#[error("as a client library has it")]
struct Wrapped<E: Error + 'static>(#[source] E);

fn expired() -> rustls::Error {
    rustls::Error::InvalidCertificate(CertificateError::Expired)
}

#[test]
fn it_is_found_however_deep_and_in_whatever_it_lies() {
    let io = || io::Error::new(io::ErrorKind::InvalidData, expired());
    let shared: Arc<dyn Error + Send + Sync> = Arc::new(io());
    let errors: [Box<dyn Error>; 7] = [
        Box::new(expired()),
        Box::new(io()),
        Box::new(io::Error::other(io())),
        Box::new(Wrapped(io())),
        Box::new(Wrapped(Wrapped(Box::new(expired())))),
        Box::new(Wrapped(shared)),
        Box::new(Wrapped(Arc::new(io()))),
    ];
    for error in errors {
        assert_eq!(problem_in(&*error), Some(TlsProblem::Expired), "{error:?}");
    }
}

#[test]
fn what_has_nothing_to_do_with_tls_is_left_alone() {
    let errors: [Box<dyn Error>; 4] = [
        Box::new(io::Error::from(io::ErrorKind::ConnectionRefused)),
        Box::new(io::Error::other("a text")),
        Box::new(Wrapped(io::Error::other(Wrapped(std::fmt::Error)))),
        Box::new(rustls::Error::FailedToGetCurrentTime),
    ];
    for error in errors {
        assert_eq!(problem_in(&*error), None, "{error:?}");
    }
}

#[test]
fn each_problem_has_its_own_words() {
    let alert = rustls::Error::AlertReceived;
    let certificate = rustls::Error::InvalidCertificate;
    let texts: Vec<String> = [
        certificate(CertificateError::UnknownIssuer),
        certificate(CertificateError::NotValidForName),
        certificate(CertificateError::Expired),
        certificate(CertificateError::NotValidYet),
        certificate(CertificateError::Revoked),
        certificate(CertificateError::BadEncoding),
        alert(AlertDescription::CertificateRequired),
        alert(AlertDescription::UnknownCA),
        alert(AlertDescription::CertificateExpired),
        alert(AlertDescription::UnrecognisedName),
        alert(AlertDescription::ProtocolVersion),
        rustls::Error::InvalidMessage(rustls::InvalidMessage::InvalidContentType),
    ]
    .iter()
    .map(|error| problem_in(error).unwrap_or_else(|| panic!("{error:?}")).to_string())
    .collect();
    let mut different = texts.clone();
    different.sort();
    different.dedup();
    assert_eq!(different.len(), texts.len(), "{texts:#?}");
}

#[test]
fn ends_without_a_version_in_common_are_told() {
    let error = rustls::Error::PeerIncompatible(PeerIncompatible::ServerDoesNotSupportTls12Or13);
    assert_eq!(problem_in(&error), Some(TlsProblem::NothingInCommon));
}
