//! Why there are no credentials: which source was asked, and what is wrong with it, never what it holds.

use std::error::Error;
use std::io;
use std::path::PathBuf;
use std::process::ExitStatus;
use std::sync::Arc;
use std::time::Duration;

use pool_core::ErrorClass;

/// A provider cannot tell what to log in with.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum CredentialError {
    /// An environment variable is of no use.
    #[error("read credentials from the environment variable `{variable}`: {problem}")]
    Variable {
        /// Its name.
        variable: String,
        /// What is wrong with it.
        problem: VariableProblem,
    },
    /// A file cannot be read.
    #[error("read credentials from the file `{}`", path.display())]
    File {
        /// Its path.
        path: PathBuf,
        /// What the system says.
        source: Arc<io::Error>,
    },
    /// A command gave no credentials.
    #[error("get credentials from the command `{program}`{problem}")]
    Command {
        /// The program, without its arguments, which may hold secrets.
        program: String,
        /// What is wrong with it.
        problem: CommandProblem,
        /// What the system says, if it was the system that failed.
        source: Option<Arc<io::Error>>,
    },
    /// A token endpoint gave no token.
    #[cfg(feature = "oauth2")]
    #[error("get a token from `{url}`{problem}")]
    Endpoint {
        /// Its URL, without user, password and query.
        url: String,
        /// What is wrong.
        problem: super::EndpointProblem,
        /// What the system, TLS or HTTP says, if it was there that it failed.
        source: Option<Arc<dyn Error + Send + Sync>>,
    },
    /// A provider made elsewhere failed.
    #[error("get credentials: {message}")]
    Other {
        /// Whether asking again soon may help.
        class: ErrorClass,
        /// What happened. No secrets.
        message: String,
        /// Why, if that is known.
        source: Option<Arc<dyn Error + Send + Sync>>,
    },
}

impl CredentialError {
    /// The error of a provider that is not from here. `class` is [`ErrorClass::Auth`] when asking again soon
    /// cannot help, else [`ErrorClass::Transient`]. The message must hold no secret.
    pub fn other(class: ErrorClass, message: impl Into<String>) -> Self {
        CredentialError::Other { class, message: message.into(), source: None }
    }

    /// What the failure means for the pool: [`ErrorClass::Auth`] for what somebody must mend,
    /// [`ErrorClass::Transient`] for what may pass by itself.
    pub fn class(&self) -> ErrorClass {
        match self {
            CredentialError::Variable { .. } => ErrorClass::Auth,
            CredentialError::File { source, .. } => class_of(source),
            CredentialError::Command { problem, source, .. } => match (problem, source) {
                (CommandProblem::NotStarted, Some(error)) => class_of(error),
                (CommandProblem::NotText | CommandProblem::TooLong, _) => ErrorClass::Auth,
                // Most commands of this kind ask a server.
                _ => ErrorClass::Transient,
            },
            #[cfg(feature = "oauth2")]
            CredentialError::Endpoint { problem, .. } => problem.class(),
            CredentialError::Other { class, .. } => *class,
        }
    }
}

/// A file that is missing, forbidden or no text stays so until somebody comes; a disk may recover.
fn class_of(error: &io::Error) -> ErrorClass {
    match error.kind() {
        io::ErrorKind::NotFound
        | io::ErrorKind::PermissionDenied
        | io::ErrorKind::InvalidData
        | io::ErrorKind::InvalidInput
        | io::ErrorKind::IsADirectory
        | io::ErrorKind::NotADirectory => ErrorClass::Auth,
        _ => ErrorClass::Transient,
    }
}

/// What is wrong with an environment variable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum VariableProblem {
    /// There is none of this name.
    #[error("it is not set")]
    NotSet,
    /// Its value is no text.
    #[error("it is not valid Unicode")]
    NotUnicode,
}

/// Why a command gave no credentials. The text begins with a colon, or is empty.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CommandProblem {
    /// It could not be started.
    #[error("")]
    NotStarted,
    /// Its output could not be read, or its end not be waited for.
    #[error("")]
    Lost,
    /// It ran for longer than it may, and was killed.
    #[error(": it was not done within {0:?}")]
    TimedOut(Duration),
    /// It reported failure.
    #[error(": it ended with {status}{}{complaint}", if complaint.is_empty() { "" } else { ": " })]
    Failed {
        /// How it ended.
        status: ExitStatus,
        /// The first line it wrote to standard error, shortened.
        complaint: String,
    },
    /// Its output is no text.
    #[error(": its output is not valid UTF-8")]
    NotText,
    /// Its output is longer than any password.
    #[error(": its output is longer than 64 KiB")]
    TooLong,
}
