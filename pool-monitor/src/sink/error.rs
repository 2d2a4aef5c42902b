//! Why a sink did not tell what it was given.

use std::error::Error;
use std::io;
use std::time::Duration;

/// An error of a sink. No variant holds an address: the secrets of webhooks are in their paths.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SinkError {
    /// Nobody answered at the address.
    #[error("connect to {host}")]
    Connect {
        /// Host and port.
        host: String,
        /// What the system, or TLS, said.
        source: io::Error,
    },
    /// The exchange broke off.
    #[error("exchange a request and an answer with {host}")]
    Exchange {
        /// Host and port.
        host: String,
        /// What went wrong.
        source: Box<dyn Error + Send + Sync>,
    },
    /// It was answered that it was not accepted.
    #[error("deliver to {host}: it answered {status}")]
    Status {
        /// Host and port.
        host: String,
        /// The status of HTTP.
        status: u16,
    },
    /// It took too long.
    #[error("deliver within {after:?}")]
    Timeout {
        /// How long it was waited for.
        after: Duration,
    },
    /// The sink panicked.
    #[error("deliver: the sink panicked")]
    Panicked,
    /// Something that may be well the next time.
    #[error("deliver for now")]
    Transient {
        /// What it was.
        source: Box<dyn Error + Send + Sync>,
    },
    /// Something that does not get better by itself.
    #[error("deliver")]
    Permanent {
        /// What it was.
        source: Box<dyn Error + Send + Sync>,
    },
}

impl SinkError {
    /// Whether the same may succeed later: nobody answered, it broke off, it took too long, or the other side says that the fault
    /// is its own (5xx). What is refused otherwise is refused again.
    pub fn is_retryable(&self) -> bool {
        match self {
            SinkError::Connect { .. }
            | SinkError::Exchange { .. }
            | SinkError::Timeout { .. }
            | SinkError::Transient { .. } => true,
            SinkError::Status { status, .. } => *status >= 500,
            SinkError::Panicked | SinkError::Permanent { .. } => false,
        }
    }
}
