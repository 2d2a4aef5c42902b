//! Why there is no stream to a peer.

use std::io;

#[cfg(feature = "http")]
use pool_drivers::http::NetError;
#[cfg(all(feature = "redis", not(feature = "http")))]
use pool_drivers::redis::NetError;
use pool_drivers::tls::TlsError;
#[cfg(not(any(feature = "http", feature = "redis")))]
use pool_drivers::websocket::NetError;

use super::Failure;
use crate::blueprint::in_one_line;

pub(super) fn explain(error: &NetError) -> Failure {
    match error {
        NetError::Resolve { host, .. } | NetError::NoAddress { host } => Failure::unknown_host(host),
        NetError::Connect { source, .. } => of_system(source),
        NetError::Tls(error) => of_tls(error),
        error => Failure::unreachable(in_one_line(error), "look at the log of the server"),
    }
}

/// What the system says of a connect.
pub(super) fn of_system(error: &io::Error) -> Failure {
    match error.kind() {
        io::ErrorKind::ConnectionRefused => Failure::refused(),
        io::ErrorKind::TimedOut => Failure::unreachable(
            "no answer from the host",
            "check the address, that the host is up, and that no firewall is on the way",
        ),
        _ => Failure::unreachable(in_one_line(error), "correct `host` and `port`"),
    }
}

pub(super) fn of_tls(error: &TlsError) -> Failure {
    Failure::tls(error.problem(), in_one_line(error))
}
