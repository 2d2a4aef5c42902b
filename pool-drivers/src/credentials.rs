//! Who a connection logs in as, asked anew for each connection, so that a changed password needs no restart.
//!
//! A connector holds a [`Provider`] and asks it inside `connect`. Whatever a provider takes to answer is part
//! of the pool's `connect_timeout`.
//!
//! | the password comes from | provider |
//! |---|---|
//! | the program | [`Credentials`] itself |
//! | environment variables | [`EnvironmentCredentials`] |
//! | files, such as mounted secrets | [`FileCredentials`] |
//! | the output of a command | [`CommandCredentials`] |
#![cfg_attr(
    feature = "oauth2",
    doc = "| an OAuth2 token endpoint (client credentials) | [`OAuth2Credentials`] |"
)]
//! | elsewhere | your own [`CredentialProvider`] |
//!
//! # Examples
//!
//! ```
//! use pool_drivers::credentials::{Credentials, FileCredentials, Provider};
//!
//! let fixed: Provider = Credentials::new("orders", "hunter2").into();
//! let mounted: Provider = FileCredentials::password("/run/secrets/redis").user("orders").into();
//! assert!(!format!("{fixed:?} {mounted:?}").contains("hunter2"));
//! ```

use std::fmt;
use std::future::{Future, ready};
use std::pin::Pin;
use std::sync::Arc;

mod command;
mod environment;
mod error;
mod file;
#[cfg(feature = "oauth2")]
mod oauth2;
mod secret;

pub use command::CommandCredentials;
pub use environment::EnvironmentCredentials;
pub use error::{CommandProblem, CredentialError, VariableProblem};
pub use file::FileCredentials;
#[cfg(feature = "oauth2")]
pub use oauth2::{EndpointProblem, OAuth2Config, OAuth2Credentials};
pub use secret::Secret;

/// A future behind a pointer, so that a trait with it can be a trait object.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// A user name and a password, either of which may be absent.
///
/// It is also the [`CredentialProvider`] that always answers the same.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct Credentials {
    /// Who to log in as; `None` leaves that to the connector or the server.
    pub user: Option<String>,
    /// What proves it; `None` for servers that ask for nothing.
    pub password: Option<Secret>,
}

impl Credentials {
    /// A user and the password.
    pub fn new(user: impl Into<String>, password: impl Into<Secret>) -> Self {
        Credentials { user: Some(user.into()), password: Some(password.into()) }
    }

    /// A password alone; the user is left to the connector or the server.
    pub fn password(password: impl Into<Secret>) -> Self {
        Credentials { user: None, password: Some(password.into()) }
    }

    /// Neither.
    pub fn none() -> Self {
        Credentials::default()
    }

    /// Sets the user.
    #[must_use]
    pub fn as_user(mut self, user: impl Into<String>) -> Self {
        self.user = Some(user.into());
        self
    }
}

/// Tells what to log in with.
pub trait CredentialProvider: Send + Sync + 'static {
    /// The credentials that are good now.
    ///
    /// Called by a connector for each connection it opens, possibly several times at once, under the pool's
    /// `connect_timeout`. A failure fails that connect, with the class of the error; a panic as well.
    ///
    /// # Cancel safety
    ///
    /// The future may be dropped at any await. The next call must work as if it had not been made.
    fn credentials(&self) -> BoxFuture<'_, Result<Credentials, CredentialError>>;
}

impl CredentialProvider for Credentials {
    fn credentials(&self) -> BoxFuture<'_, Result<Credentials, CredentialError>> {
        Box::pin(ready(Ok(self.clone())))
    }
}

/// A [`CredentialProvider`] of any kind. Clones share it, and what it has cached.
#[derive(Clone)]
pub struct Provider(Arc<dyn CredentialProvider>);

impl Provider {
    /// Asks the provider.
    ///
    /// # Errors
    ///
    /// Fails if the provider cannot tell; the error names the source it asked.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future leaves the provider as it was.
    pub async fn credentials(&self) -> Result<Credentials, CredentialError> {
        self.0.credentials().await
    }
}

impl<P: CredentialProvider> From<P> for Provider {
    fn from(provider: P) -> Self {
        Provider(Arc::new(provider))
    }
}

impl From<Arc<dyn CredentialProvider>> for Provider {
    fn from(provider: Arc<dyn CredentialProvider>) -> Self {
        Provider(provider)
    }
}

/// Shows nothing: nobody knows what a provider holds.
impl fmt::Debug for Provider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Provider").finish_non_exhaustive()
    }
}

/// Without one line break at the end, as editors and `echo` leave it.
fn without_line_break(text: &str) -> &str {
    text.strip_suffix('\n').map_or(text, |line| line.strip_suffix('\r').unwrap_or(line))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_never_shown() {
        let credentials = Credentials::new("alice", "hunter2");
        let provider = Provider::from(credentials.clone());
        let shown = format!("{credentials:?} {provider:?} {:?}", credentials.password);
        assert!(shown.contains("alice"), "{shown}");
        assert!(!shown.contains("hunter2"), "{shown}");
    }

    #[tokio::test]
    async fn fixed_credentials_are_always_the_same() {
        let provider = Provider::from(Credentials::password("hunter2").as_user("alice"));
        for _ in 0..2 {
            let got = provider.credentials().await.unwrap();
            assert_eq!(got.user.as_deref(), Some("alice"));
            assert_eq!(got.password.unwrap().expose(), "hunter2");
        }
    }

    #[test]
    fn one_line_break_at_the_end_is_dropped() {
        for (text, line) in
            [("a", "a"), ("a\n", "a"), ("a\r\n", "a"), ("a\n\n", "a\n"), ("a\r", "a\r"), ("\n", "")]
        {
            assert_eq!(without_line_break(text), line, "{text:?}");
        }
    }
}
