//! What an error of MySQL, MariaDB or sqlx means for the pool. The table is in the [parent module](super).

use pool_core::ErrorClass;
use sqlx::mysql::MySqlDatabaseError;

use super::connector::Extras;
use crate::server::{Keep, Refusal, Role};

/// The number that the server gives an error.
pub(super) fn number_of(error: &sqlx::Error) -> Option<u16> {
    error.as_database_error()?.try_downcast_ref::<MySqlDatabaseError>().map(MySqlDatabaseError::number)
}

/// Error numbers, as far as they matter here
/// (<https://dev.mysql.com/doc/mysql-errors/8.4/en/server-error-reference.html>,
/// <https://mariadb.com/docs/server/reference/error-codes>).
pub(super) mod number {
    pub(in super::super) const TOO_MANY_CONNECTIONS: u16 = 1040;
    pub(in super::super) const NO_ACCESS_TO_DATABASE: u16 = 1044;
    pub(in super::super) const ACCESS_DENIED: u16 = 1045;
    pub(in super::super) const NO_SUCH_DATABASE: u16 = 1049;
    pub(in super::super) const SHUTDOWN: u16 = 1053;
    pub(in super::super) const HOST_BLOCKED: u16 = 1129;
    pub(in super::super) const HOST_NOT_ALLOWED: u16 = 1130;
    pub(in super::super) const TOO_MANY_OF_USER: u16 = 1203;
    pub(in super::super) const LOCK_TIMEOUT: u16 = 1205;
    pub(in super::super) const DEADLOCK: u16 = 1213;
    pub(in super::super) const USER_LIMIT: u16 = 1226;
    pub(in super::super) const UNKNOWN_STATEMENT: u16 = 1243;
    pub(in super::super) const READ_ONLY_OPTION: u16 = 1290;
    pub(in super::super) const NO_PASSWORD: u16 = 1698;
    pub(in super::super) const READ_ONLY_MODE: u16 = 1836;
    pub(in super::super) const KILLED: u16 = 1927;
    pub(in super::super) const PASSWORD_EXPIRED: u16 = 1862;
    pub(in super::super) const ACCOUNT_LOCKED: u16 = 3118;
    pub(in super::super) const ACCOUNT_BLOCKED: u16 = 3955;
    pub(in super::super) const IDLE: u16 = 4031;
    /// Of MariaDB.
    pub(in super::super) const USER_BLOCKED: u16 = 4150;
    /// Of MariaDB.
    pub(in super::super) const USER_LOCKED: u16 = 4151;
}

/// What an error means on a connection.
pub(super) fn classify(error: &sqlx::Error, keep: &Keep<Extras>) -> ErrorClass {
    let Some(number) = number_of(error) else {
        return match error {
            sqlx::Error::Io(_) | sqlx::Error::Protocol(_) | sqlx::Error::Tls(_) => ErrorClass::FatalThis,
            _ => ErrorClass::Transient,
        };
    };
    // There are other options that forbid things.
    let is_read_only =
        || error.as_database_error().is_some_and(|error| error.message().contains("read-only"));
    match number {
        number::READ_ONLY_OPTION if !is_read_only() => ErrorClass::Transient,
        number::READ_ONLY_OPTION | number::READ_ONLY_MODE if keep.role == Role::Replica => {
            ErrorClass::Transient
        }
        number::SHUTDOWN | number::READ_ONLY_OPTION | number::READ_ONLY_MODE => ErrorClass::FatalAll,
        number::TOO_MANY_CONNECTIONS | number::TOO_MANY_OF_USER | number::USER_LIMIT => ErrorClass::Capacity,
        number::ACCESS_DENIED
        | number::NO_ACCESS_TO_DATABASE
        | number::HOST_BLOCKED
        | number::HOST_NOT_ALLOWED
        | number::NO_PASSWORD
        | number::PASSWORD_EXPIRED
        | number::ACCOUNT_LOCKED
        | number::ACCOUNT_BLOCKED
        | number::USER_BLOCKED
        | number::USER_LOCKED => ErrorClass::Auth,
        number::KILLED | number::IDLE | number::UNKNOWN_STATEMENT => ErrorClass::FatalThis,
        _ => ErrorClass::Transient,
    }
}

/// What a login was refused for.
pub(super) fn refusal(error: &sqlx::Error) -> Refusal {
    match number_of(error) {
        Some(number::ACCESS_DENIED | number::NO_PASSWORD) => Refusal::Password,
        Some(number::NO_ACCESS_TO_DATABASE) => Refusal::Database,
        Some(number::HOST_BLOCKED | number::HOST_NOT_ALLOWED) => Refusal::Origin,
        Some(
            number::PASSWORD_EXPIRED
            | number::ACCOUNT_LOCKED
            | number::ACCOUNT_BLOCKED
            | number::USER_BLOCKED
            | number::USER_LOCKED,
        ) => Refusal::Account,
        _ => Refusal::Other,
    }
}

/// Whether the transaction was chosen to be rolled back. After a lock timeout it is still there.
pub(super) fn is_deadlock(error: &sqlx::Error) -> bool {
    number_of(error) == Some(number::DEADLOCK)
}

/// Whether a transaction that failed so may well succeed if it is run again.
pub(super) fn is_retryable(error: &sqlx::Error) -> bool {
    matches!(number_of(error), Some(number::LOCK_TIMEOUT | number::DEADLOCK))
}
