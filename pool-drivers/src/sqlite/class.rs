//! What an error of SQLite or sqlx means for the pool. The table is in the [parent module](super).

use pool_core::ErrorClass;

/// SQLite's primary result codes, as far as they matter here (<https://www.sqlite.org/rescode.html>).
pub(super) mod code {
    pub(in super::super) const INTERNAL: i32 = 2;
    pub(in super::super) const BUSY: i32 = 5;
    pub(in super::super) const LOCKED: i32 = 6;
    pub(in super::super) const NOMEM: i32 = 7;
    pub(in super::super) const READONLY: i32 = 8;
    pub(in super::super) const IOERR: i32 = 10;
    pub(in super::super) const CORRUPT: i32 = 11;
    pub(in super::super) const CANTOPEN: i32 = 14;
    pub(in super::super) const PROTOCOL: i32 = 15;
    pub(in super::super) const MISUSE: i32 = 21;
    pub(in super::super) const NOTADB: i32 = 26;
    /// An extended code: the file was moved or deleted while open.
    pub(in super::super) const READONLY_DBMOVED: i32 = READONLY | (4 << 8);
}

/// The extended result code, if the error came from SQLite.
pub(super) fn extended_code(error: &sqlx::Error) -> Option<i32> {
    error.as_database_error()?.code()?.parse().ok()
}

/// The primary result code, if the error came from SQLite.
pub(super) fn primary_code(error: &sqlx::Error) -> Option<i32> {
    extended_code(error).map(|code| code & 0xff)
}

/// Whether another connection has the database, or what is wanted of it.
pub(super) fn is_locked(error: &sqlx::Error) -> bool {
    matches!(primary_code(error), Some(code::BUSY | code::LOCKED))
}

/// What an error means, on a connection that may write or not.
pub(super) fn classify(error: &sqlx::Error, read_only: bool) -> ErrorClass {
    let Some(extended) = extended_code(error) else {
        return match error {
            sqlx::Error::WorkerCrashed | sqlx::Error::Io(_) | sqlx::Error::Protocol(_) => {
                ErrorClass::FatalThis
            }
            _ => ErrorClass::Transient,
        };
    };
    if extended == code::READONLY_DBMOVED {
        return ErrorClass::FatalAll;
    }
    match extended & 0xff {
        code::BUSY | code::LOCKED => ErrorClass::Capacity,
        code::CORRUPT | code::NOTADB => ErrorClass::FatalAll,
        code::READONLY if read_only => ErrorClass::Transient,
        code::READONLY
        | code::IOERR
        | code::CANTOPEN
        | code::PROTOCOL
        | code::NOMEM
        | code::INTERNAL
        | code::MISUSE => ErrorClass::FatalThis,
        _ => ErrorClass::Transient,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_of_sqlx_itself_are_told_apart() {
        let io = std::io::Error::other("no more threads");
        for (error, class) in [
            (sqlx::Error::WorkerCrashed, ErrorClass::FatalThis),
            (sqlx::Error::Io(io), ErrorClass::FatalThis),
            (sqlx::Error::Protocol("nul byte".into()), ErrorClass::FatalThis),
            (sqlx::Error::RowNotFound, ErrorClass::Transient),
            (sqlx::Error::ColumnNotFound("name".into()), ErrorClass::Transient),
        ] {
            assert_eq!(classify(&error, false), class, "{error}");
        }
    }
}
