//! The code that a server gives an error.

/// The SQLSTATE or vendor code, if the error came from the server.
pub(crate) fn code_of(error: &sqlx::Error) -> Option<std::borrow::Cow<'_, str>> {
    error.as_database_error()?.code()
}
