//! Why an HTTP or a WebSocket service cannot be used.

use pool_config::PoolConfig;
#[cfg(feature = "http")]
use pool_drivers::http::{HttpConnector, HttpError};
#[cfg(feature = "websocket")]
use pool_drivers::websocket::{WebSocketConnector, WebSocketError};

use super::super::report::Check;
use super::{Explain, Failure, net};
use crate::blueprint::in_one_line;

#[cfg(feature = "http")]
impl Explain for HttpConnector {
    fn explain(&self, error: &HttpError, pool: &PoolConfig) -> Failure {
        match error {
            HttpError::Net(error) => net::explain(error),
            HttpError::Unhealthy { status, .. } => {
                let path = pool.health_path.as_deref().unwrap_or("/");
                let text = format!("the service answers {status} when asked for `{path}`");
                Failure::new(Check::Reachable, true, text, "look at its log, or correct `health_path`")
            }
            error => match error.tls_problem() {
                Some(problem) => Failure::tls(Some(&problem), ""),
                None => Failure::unreachable(in_one_line(error), "see whether it speaks HTTP on this port"),
            },
        }
    }
}

#[cfg(feature = "websocket")]
impl Explain for WebSocketConnector {
    fn explain(&self, error: &WebSocketError, _pool: &PoolConfig) -> Failure {
        match error {
            WebSocketError::Net(error) => net::explain(error),
            WebSocketError::Refused { status } if matches!(status.as_u16(), 401 | 403) => Failure::login(
                format!("the service answers {status} to the wish for a WebSocket"),
                "give it the credentials that it wants",
            ),
            WebSocketError::Refused { status } => Failure::new(
                Check::Reachable,
                true,
                format!("the service answers {status} to the wish for a WebSocket"),
                "correct the path in `url`",
            ),
            WebSocketError::Handshake { problem: Some(problem), .. } => Failure::tls(Some(problem), ""),
            error => Failure::unreachable(in_one_line(error), "see whether it speaks WebSocket on this port"),
        }
    }
}
