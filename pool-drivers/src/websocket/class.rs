//! What an error means for the pool. The table is in the [parent module](super).

use http::StatusCode;
use pool_core::ErrorClass;
use tokio_tungstenite::tungstenite::Error as WireError;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;

use super::error::WebSocketError;

/// Codes of a close frame (<https://www.iana.org/assignments/websocket>).
mod code {
    pub(super) const SERVICE_RESTART: u16 = 1012;
    pub(super) const TRY_AGAIN_LATER: u16 = 1013;
    pub(super) const UNAUTHORIZED: u16 = 3000;
    pub(super) const FORBIDDEN: u16 = 3003;
}

pub(super) fn classify(error: &WebSocketError) -> ErrorClass {
    match error {
        WebSocketError::Net(error) => error.class(),
        WebSocketError::Moved(_) => ErrorClass::FatalAll,
        WebSocketError::Refused { status } => of_status(*status),
        WebSocketError::Handshake { problem: Some(problem), .. }
        | WebSocketError::Exchange { problem: Some(problem), .. } => problem.class(),
        WebSocketError::Handshake { source, .. } => match **source {
            WireError::Io(_) => ErrorClass::Transient,
            _ => ErrorClass::FatalThis,
        },
        WebSocketError::Closed { frame } => frame.as_ref().map_or(ErrorClass::FatalThis, of_frame),
        _ => ErrorClass::FatalThis,
    }
}

/// What a peer that closes says about its other connections.
pub(super) fn of_frame(frame: &CloseFrame) -> ErrorClass {
    match u16::from(frame.code) {
        code::SERVICE_RESTART => ErrorClass::FatalAll,
        code::TRY_AGAIN_LATER => ErrorClass::Capacity,
        code::UNAUTHORIZED | code::FORBIDDEN => ErrorClass::Auth,
        _ => ErrorClass::FatalThis,
    }
}

fn of_status(status: StatusCode) -> ErrorClass {
    match status {
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN | StatusCode::PROXY_AUTHENTICATION_REQUIRED => {
            ErrorClass::Auth
        }
        StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE => ErrorClass::Capacity,
        status if status.is_server_error() => ErrorClass::Transient,
        _ => ErrorClass::FatalThis,
    }
}

#[cfg(test)]
mod tests {
    use tokio_tungstenite::tungstenite::error::ProtocolError;

    use super::*;

    #[test]
    fn a_status_means_what_the_table_says() {
        for (status, class) in [
            (401, ErrorClass::Auth),
            (403, ErrorClass::Auth),
            (407, ErrorClass::Auth),
            (429, ErrorClass::Capacity),
            (503, ErrorClass::Capacity),
            (500, ErrorClass::Transient),
            (502, ErrorClass::Transient),
            (200, ErrorClass::FatalThis),
            (302, ErrorClass::FatalThis),
            (404, ErrorClass::FatalThis),
        ] {
            let status = StatusCode::from_u16(status).unwrap();
            assert_eq!(classify(&WebSocketError::Refused { status }), class, "{status}");
        }
    }

    #[test]
    fn a_close_code_means_what_the_table_says() {
        for (code, class) in [
            (1000, ErrorClass::FatalThis),
            (1001, ErrorClass::FatalThis),
            (1008, ErrorClass::FatalThis),
            (1012, ErrorClass::FatalAll),
            (1013, ErrorClass::Capacity),
            (3000, ErrorClass::Auth),
            (3003, ErrorClass::Auth),
            (4711, ErrorClass::FatalThis),
        ] {
            let frame = CloseFrame { code: code.into(), reason: "".into() };
            assert_eq!(classify(&WebSocketError::Closed { frame: Some(frame) }), class, "{code}");
        }
        assert_eq!(classify(&WebSocketError::Closed { frame: None }), ErrorClass::FatalThis);
    }

    #[test]
    fn a_handshake_that_is_cut_off_may_work_the_next_time() {
        let reset = WireError::Io(std::io::ErrorKind::ConnectionReset.into());
        assert_eq!(classify(&WebSocketError::handshake(reset)), ErrorClass::Transient);
        let nonsense = WireError::Protocol(ProtocolError::WrongHttpMethod);
        assert_eq!(classify(&WebSocketError::handshake(nonsense)), ErrorClass::FatalThis);
    }
}
