//! What an error means for the pool. The table is in the [parent module](super).

use std::error::Error;

use h2::Reason;
use hyper::StatusCode;
use pool_core::ErrorClass;

use super::error::HttpError;
use crate::tls::problem_in;

pub(super) fn classify(error: &HttpError) -> ErrorClass {
    match error {
        HttpError::Net(error) => error.class(),
        HttpError::Moved(_) => ErrorClass::FatalAll,
        HttpError::Exchange { source, .. } | HttpError::Handshake(source) => of_hyper(source),
        HttpError::Closed { source } => source.as_deref().map_or(ErrorClass::FatalThis, of_hyper),
        HttpError::Unhealthy { status, retry_after } => of_status(*status, retry_after.is_some()),
        HttpError::Request(_) | HttpError::Unread => ErrorClass::Transient,
        HttpError::NoHttp2 { .. } | HttpError::Unfinished | HttpError::TooMuchLeft => ErrorClass::FatalThis,
    }
}

/// The status of an answer to a question for the peer's health, which was neither 2xx nor 3xx.
fn of_status(status: StatusCode, says_when: bool) -> ErrorClass {
    match status {
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => ErrorClass::Auth,
        StatusCode::TOO_MANY_REQUESTS => ErrorClass::Capacity,
        StatusCode::SERVICE_UNAVAILABLE if says_when => ErrorClass::Capacity,
        StatusCode::SERVICE_UNAVAILABLE
        | StatusCode::INTERNAL_SERVER_ERROR
        | StatusCode::BAD_GATEWAY
        | StatusCode::GATEWAY_TIMEOUT => ErrorClass::Transient,
        _ => ErrorClass::FatalThis,
    }
}

fn of_hyper(error: &hyper::Error) -> ErrorClass {
    if let Some(problem) = problem_in(error) {
        return problem.class();
    }
    match http2(error) {
        Some(error) if error.reason() == Some(Reason::ENHANCE_YOUR_CALM) => ErrorClass::Capacity,
        Some(error) if error.is_reset() => ErrorClass::Transient,
        _ => ErrorClass::FatalThis,
    }
}

/// Whether the peer promises that it has not begun with the request.
pub(super) fn is_refused_stream(error: &hyper::Error) -> bool {
    http2(error).is_some_and(|error| error.is_reset() && error.reason() == Some(Reason::REFUSED_STREAM))
}

fn http2(error: &hyper::Error) -> Option<&h2::Error> {
    error.source()?.downcast_ref()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_means_what_the_table_says() {
        for (status, says_when, class) in [
            (401, false, ErrorClass::Auth),
            (403, false, ErrorClass::Auth),
            (429, false, ErrorClass::Capacity),
            (503, true, ErrorClass::Capacity),
            (503, false, ErrorClass::Transient),
            (500, false, ErrorClass::Transient),
            (502, false, ErrorClass::Transient),
            (504, true, ErrorClass::Transient),
            (404, false, ErrorClass::FatalThis),
            (501, false, ErrorClass::FatalThis),
        ] {
            assert_eq!(of_status(StatusCode::from_u16(status).unwrap(), says_when), class, "{status}");
        }
    }
}
