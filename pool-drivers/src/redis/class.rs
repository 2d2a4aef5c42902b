//! What an error of Redis or its client means for the pool. The table is in the [parent module](super).

use pool_core::ErrorClass;
use redis::{ErrorKind, RedisError, ServerErrorKind};

/// How Redis begins its refusal when `maxclients` is reached, after the code.
const FULL: &str = "max number of clients";

/// What an error means.
pub(super) fn classify(error: &RedisError) -> ErrorClass {
    match error.kind() {
        ErrorKind::Io | ErrorKind::Parse => ErrorClass::FatalThis,
        ErrorKind::AuthenticationFailed => ErrorClass::Auth,
        ErrorKind::Server(kind) => match kind {
            ServerErrorKind::ReadOnly => ErrorClass::FatalAll,
            ServerErrorKind::NoPerm => ErrorClass::Auth,
            ServerErrorKind::ResponseError if error.detail().is_some_and(is_full) => ErrorClass::Capacity,
            _ => ErrorClass::Transient,
        },
        _ => match error.code() {
            Some("NOAUTH" | "WRONGPASS") => ErrorClass::Auth,
            _ => ErrorClass::Transient,
        },
    }
}

/// Whether the text after `ERR` says that the server is full.
fn is_full(detail: &str) -> bool {
    detail.starts_with(FULL)
}

/// What the error of a holder's command means for the connection, if it means anything.
pub(super) fn fate(error: &RedisError) -> Option<ErrorClass> {
    match classify(error) {
        ErrorClass::Auth if error.code() == Some("NOPERM") => None,
        class @ (ErrorClass::FatalThis | ErrorClass::FatalAll | ErrorClass::Auth) => Some(class),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(line: &str) -> RedisError {
        let value = redis::parse_redis_value(format!("-{line}\r\n").as_bytes()).unwrap();
        value.extract_error().unwrap_err()
    }

    #[test]
    fn answers_of_the_server_are_told_apart() {
        for (line, class, own_fate) in [
            ("READONLY You can't write against a read only replica.", ErrorClass::FatalAll, true),
            ("LOADING Redis is loading the dataset in memory", ErrorClass::Transient, false),
            ("MASTERDOWN Link with MASTER is down", ErrorClass::Transient, false),
            ("CLUSTERDOWN The cluster is down", ErrorClass::Transient, false),
            ("TRYAGAIN Multiple keys request during rehashing of slot", ErrorClass::Transient, false),
            ("NOAUTH Authentication required.", ErrorClass::Auth, true),
            ("WRONGPASS invalid username-password pair or user is disabled.", ErrorClass::Auth, true),
            ("NOPERM this user has no permissions", ErrorClass::Auth, false),
            ("ERR max number of clients reached", ErrorClass::Capacity, false),
            ("ERR value is not an integer or out of range", ErrorClass::Transient, false),
            ("OOM command not allowed when used memory > 'maxmemory'.", ErrorClass::Transient, false),
            ("BUSY Redis is busy running a script.", ErrorClass::Transient, false),
            (
                "WRONGTYPE Operation against a key holding the wrong kind of value",
                ErrorClass::Transient,
                false,
            ),
            ("NOSCRIPT No matching script.", ErrorClass::Transient, false),
            ("EXECABORT Transaction discarded because of previous errors.", ErrorClass::Transient, false),
            ("UNKNOWNCODE whatever", ErrorClass::Transient, false),
        ] {
            let error = said(line);
            assert_eq!(classify(&error), class, "{line}");
            assert_eq!(fate(&error), own_fate.then_some(class), "{line}");
        }
    }

    #[test]
    fn a_lost_connection_is_fatal() {
        for kind in [
            std::io::ErrorKind::ConnectionRefused,
            std::io::ErrorKind::BrokenPipe,
            std::io::ErrorKind::TimedOut,
        ] {
            let error = RedisError::from(std::io::Error::from(kind));
            assert_eq!(
                (classify(&error), fate(&error)),
                (ErrorClass::FatalThis, Some(ErrorClass::FatalThis))
            );
        }
    }

    #[test]
    fn an_answer_that_cannot_be_read_is_fatal() {
        let error = redis::parse_redis_value(b"what?\r\n").unwrap_err();
        assert_eq!(classify(&error), ErrorClass::FatalThis);
    }
}
