//! Why a server could not be made to do what a test wanted.

use std::error::Error as _;
use std::fmt;
use std::io;
use std::process::ExitStatus;

/// An error of the harness. `Debug`, which a failing test shows, is the message with its sources and the server's log
/// as it stands.
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum ServerError {
    /// The server is not installed.
    #[error("find the program `{program}` in PATH or {folders}: `scripts/test.sh --install` installs it")]
    Missing {
        /// The name of the program.
        program: &'static str,
        /// Where else it was looked for.
        folders: String,
    },
    /// The server refuses to run as root, and the user it should run as is missing.
    #[error(
        "find the user `{user}` to run `{program}` as, which refuses root: `scripts/test.sh --install` adds it"
    )]
    NoUser {
        /// The name of the user.
        user: &'static str,
        /// The name of the program.
        program: &'static str,
    },
    /// A file, a folder, a port or a process could not be had.
    #[error("{what}")]
    System {
        /// What was tried.
        what: String,
        /// What the system said.
        source: io::Error,
    },
    /// A program that prepares a server failed.
    #[error("run `{program}`: it ended with {status} and wrote:\n{output}")]
    Command {
        /// The name of the program.
        program: &'static str,
        /// How it ended.
        status: ExitStatus,
        /// The end of what it wrote.
        output: String,
    },
    /// The server did not start.
    #[error("start `{program}` on port {port}: {problem}; the end of its log:\n{log}")]
    Start {
        /// The name of the program.
        program: &'static str,
        /// The port it was to listen on.
        port: u16,
        /// What became of it.
        problem: String,
        /// The end of its log.
        log: String,
    },
    /// The server did not end when it was told to.
    #[error("stop `{program}` within 30 s; the end of its log:\n{log}")]
    Stop {
        /// The name of the program.
        program: &'static str,
        /// The end of its log.
        log: String,
    },
    /// A killed process is still there.
    #[error("kill `{program}` and its children within 30 s")]
    Kill {
        /// The name of the program.
        program: &'static str,
    },
    /// The server does not run, or a process of it does not stop.
    #[error("freeze `{program}` and its children: it does not run, or does not stop within 30 s")]
    Freeze {
        /// The name of the program.
        program: &'static str,
    },
    /// A database server refused what was to set it up.
    #[error("set up the server: {what}")]
    Sql {
        /// What was to be done. Never the statement, which may hold a password.
        what: String,
        /// What the server said.
        source: sqlx::Error,
    },
    /// Redis refused what was to set it up.
    #[error("set up the server: {what}")]
    Redis {
        /// What was to be done.
        what: String,
        /// What the server said.
        source: redis::RedisError,
    },
    /// A standby did not catch up with its primary.
    #[error("see the standby catch up with its primary within 30 s")]
    Behind,
}

impl ServerError {
    pub(crate) fn system(what: impl Into<String>) -> impl FnOnce(io::Error) -> ServerError {
        let what = what.into();
        move |source| ServerError::System { what, source }
    }

    pub(crate) fn sql(what: impl Into<String>) -> impl FnOnce(sqlx::Error) -> ServerError {
        let what = what.into();
        move |source| ServerError::Sql { what, source }
    }

    /// Whether somebody else has the port. All servers end then, and write the system's own words; those in Go begin them with a small
    /// letter.
    pub(super) fn is_port_taken(&self) -> bool {
        matches!(self, ServerError::Start { log, .. } if log.contains("ddress already in use"))
    }
}

impl fmt::Debug for ServerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "failed to {self}")?;
        let mut source = self.source();
        while let Some(error) = source {
            write!(f, "\ncaused by: {error}")?;
            source = error.source();
        }
        Ok(())
    }
}
