//! What an error of PostgreSQL or sqlx means for the pool. The table is in the [parent module](super).

use std::borrow::Cow;

use pool_core::ErrorClass;

use super::connector::Extras;
use crate::server::{Keep, Refusal, Role};

/// SQLSTATE codes, as far as they matter here (<https://www.postgresql.org/docs/current/errcodes-appendix.html>).
pub(super) mod code {
    pub(in super::super) const PROTOCOL_VIOLATION: &str = "08P01";
    pub(in super::super) const FEATURE_NOT_SUPPORTED: &str = "0A000";
    pub(in super::super) const READ_ONLY_TRANSACTION: &str = "25006";
    pub(in super::super) const NO_LOGIN: &str = "28000";
    pub(in super::super) const WRONG_PASSWORD: &str = "28P01";
    pub(in super::super) const IDLE_IN_TRANSACTION: &str = "25P03";
    pub(in super::super) const NO_SUCH_STATEMENT: &str = "26000";
    pub(in super::super) const NO_SUCH_DATABASE: &str = "3D000";
    pub(in super::super) const SERIALIZATION_FAILURE: &str = "40001";
    pub(in super::super) const DEADLOCK: &str = "40P01";
    pub(in super::super) const NO_PRIVILEGE: &str = "42501";
    pub(in super::super) const TOO_MANY_CONNECTIONS: &str = "53300";
    pub(in super::super) const ADMIN_SHUTDOWN: &str = "57P01";
    pub(in super::super) const CRASH_SHUTDOWN: &str = "57P02";
    pub(in super::super) const CANNOT_CONNECT_NOW: &str = "57P03";
    pub(in super::super) const DATABASE_DROPPED: &str = "57P04";
    pub(in super::super) const IDLE_SESSION: &str = "57P05";
}

/// The SQLSTATE, if the error came from the server.
pub(super) fn code_of(error: &sqlx::Error) -> Option<Cow<'_, str>> {
    error.as_database_error()?.code()
}

/// What an error means on a connection; `asked_read_only` if its holder asked for a transaction that may not write.
pub(super) fn classify(error: &sqlx::Error, keep: &Keep<Extras>, asked_read_only: bool) -> ErrorClass {
    let Some(code) = code_of(error) else {
        return match error {
            sqlx::Error::Io(_) | sqlx::Error::Protocol(_) | sqlx::Error::Tls(_) => ErrorClass::FatalThis,
            _ => ErrorClass::Transient,
        };
    };
    let message = error.as_database_error().map_or("", |error| error.message());
    match &*code {
        code::ADMIN_SHUTDOWN | code::CRASH_SHUTDOWN => ErrorClass::FatalAll,
        code::READ_ONLY_TRANSACTION if asked_read_only || keep.role == Role::Replica => ErrorClass::Transient,
        code::READ_ONLY_TRANSACTION => ErrorClass::FatalAll,
        code::TOO_MANY_CONNECTIONS => ErrorClass::Capacity,
        code::CANNOT_CONNECT_NOW
        | code::DATABASE_DROPPED
        | code::IDLE_SESSION
        | code::IDLE_IN_TRANSACTION
        | code::NO_SUCH_STATEMENT => ErrorClass::FatalThis,
        // A prepared statement whose table was altered fails for as long as the connection lives.
        code::FEATURE_NOT_SUPPORTED if message.contains("cached plan") => ErrorClass::FatalThis,
        // PgBouncer has one code for all that it says itself.
        code::PROTOCOL_VIOLATION if is_login_refused_by_bouncer(message) => ErrorClass::Auth,
        code::PROTOCOL_VIOLATION if message.contains("no more connections allowed") => ErrorClass::Capacity,
        code if code.starts_with("28") => ErrorClass::Auth,
        code if code.starts_with("08") => ErrorClass::FatalThis,
        _ => ErrorClass::Transient,
    }
}

fn is_login_refused_by_bouncer(message: &str) -> bool {
    ["authentication failed", "auth failed", "no such user", "not allowed"]
        .iter()
        .any(|words| message.contains(words))
}

/// What a login was refused for. Where one code has several meanings, the message tells, if the server speaks English.
pub(super) fn refusal(error: &sqlx::Error) -> Refusal {
    let message = error.as_database_error().map_or("", |error| error.message());
    let says = |words: &str| message.contains(words);
    match code_of(error).as_deref() {
        Some(code::NO_PRIVILEGE) => Refusal::Database,
        Some(code::NO_LOGIN) if says("does not exist") => Refusal::UnknownUser,
        Some(code::NO_LOGIN) if says("pg_hba.conf") || says("certificate") => Refusal::Origin,
        Some(code::NO_LOGIN) if says("not permitted to log in") => Refusal::Account,
        Some(code::PROTOCOL_VIOLATION) if says("no such user") => Refusal::UnknownUser,
        Some(code::PROTOCOL_VIOLATION) if says("not allowed") => Refusal::Origin,
        Some(code::WRONG_PASSWORD | code::PROTOCOL_VIOLATION) => Refusal::Password,
        _ => Refusal::Other,
    }
}

/// Whether a transaction that failed so may well succeed if it is run again.
pub(super) fn is_retryable(error: &sqlx::Error) -> bool {
    code_of(error).is_some_and(|code| matches!(&*code, code::SERIALIZATION_FAILURE | code::DEADLOCK))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_of_sqlx_itself_are_told_apart() {
        let keep = Keep::default();
        for (error, class) in [
            (sqlx::Error::Io(std::io::ErrorKind::ConnectionReset.into()), ErrorClass::FatalThis),
            (sqlx::Error::Protocol("unexpected message".into()), ErrorClass::FatalThis),
            (sqlx::Error::RowNotFound, ErrorClass::Transient),
            (sqlx::Error::ColumnNotFound("name".into()), ErrorClass::Transient),
        ] {
            assert_eq!(classify(&error, &keep, false), class, "{error}");
        }
    }
}
