//! What becomes of an error: a status for the client, the whole story for the log.

use std::error::Error;

use axum::Json;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use pool_core::AcquireError;
use pool_drivers::sqlx;
use pool_manager::{AccessError, LookupError};
use serde_json::json;

/// Why a request was not served.
pub(crate) enum Failure {
    /// There is no such thing.
    NotFound,
    /// Fewer pieces are left than were ordered.
    OutOfStock,
    /// A pool has no connection to give, or one was lost. The same request may succeed in a moment.
    Unavailable(Box<dyn Error + Send + Sync>),
    /// A mistake of ours.
    Broken(Box<dyn Error + Send + Sync>),
}

impl From<AccessError> for Failure {
    fn from(error: AccessError) -> Self {
        let kind = if error.is_retryable() { Failure::Unavailable } else { Failure::Broken };
        kind(error.into())
    }
}

impl From<AcquireError> for Failure {
    fn from(error: AcquireError) -> Self {
        AccessError::from(error).into()
    }
}

impl From<LookupError> for Failure {
    fn from(error: LookupError) -> Self {
        Failure::Broken(error.into())
    }
}

/// Queries through a pool fail with errors of sqlx. An I/O error is a pool without connections, or a lost connection; the
/// class `57P` is a server that goes down or comes up.
impl From<sqlx::Error> for Failure {
    fn from(error: sqlx::Error) -> Self {
        let class = error.as_database_error().and_then(|error| error.code());
        let unavailable =
            matches!(error, sqlx::Error::Io(_)) || class.is_some_and(|class| class.starts_with("57P"));
        let kind = if unavailable { Failure::Unavailable } else { Failure::Broken };
        kind(error.into())
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let (status, text) = match self {
            Failure::NotFound => (StatusCode::NOT_FOUND, "not found"),
            Failure::OutOfStock => (StatusCode::CONFLICT, "not that many are left"),
            Failure::Unavailable(error) => {
                tracing::warn!("failed to {error}");
                (StatusCode::SERVICE_UNAVAILABLE, "try again in a moment")
            }
            Failure::Broken(error) => {
                tracing::error!("failed to {error}");
                (StatusCode::INTERNAL_SERVER_ERROR, "a mistake of ours; it is in the log")
            }
        };
        let mut response = (status, Json(json!({ "error": text }))).into_response();
        if status == StatusCode::SERVICE_UNAVAILABLE {
            response.headers_mut().insert(header::RETRY_AFTER, header::HeaderValue::from_static("1"));
        }
        response
    }
}
