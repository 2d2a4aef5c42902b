//! How the program ends.

/// All is well.
pub(crate) const WELL: u8 = 0;
/// The configuration is invalid, or what it describes does not work.
pub(crate) const INVALID: u8 = 1;
/// The command line is wrong, or a file cannot be read or written. The same as clap's.
pub(crate) const USAGE: u8 = 2;
/// There are warnings, and somebody asked to be told.
pub(crate) const WARNINGS: u8 = 3;

/// Why the program ends without a result.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) exit_code: u8,
    pub(crate) error: anyhow::Error,
}

impl Failure {
    /// For `map_err`.
    pub(crate) fn with<E: Into<anyhow::Error>>(exit_code: u8) -> impl Fn(E) -> Failure {
        move |error| Failure { exit_code, error: error.into() }
    }
}
