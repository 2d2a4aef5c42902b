//! Credentials from environment variables.

use std::env;
use std::future::ready;

use super::{BoxFuture, CredentialError, CredentialProvider, Credentials, Secret, VariableProblem};

/// Reads environment variables, at each call.
///
/// # Examples
///
/// ```
/// use pool_drivers::credentials::EnvironmentCredentials;
///
/// let provider = EnvironmentCredentials::password("REDIS_PASSWORD").user_variable("REDIS_USER");
/// ```
#[derive(Debug, Clone)]
pub struct EnvironmentCredentials {
    password: String,
    user_variable: Option<String>,
    user: Option<String>,
}

impl EnvironmentCredentials {
    /// The variable with the password. It must be set; it may be empty.
    pub fn password(variable: impl Into<String>) -> Self {
        EnvironmentCredentials { password: variable.into(), user_variable: None, user: None }
    }

    /// The variable with the user name. It must be set.
    #[must_use]
    pub fn user_variable(mut self, variable: impl Into<String>) -> Self {
        self.user_variable = Some(variable.into());
        self
    }

    /// The user name itself. A variable for it goes before.
    #[must_use]
    pub fn user(mut self, user: impl Into<String>) -> Self {
        self.user = Some(user.into());
        self
    }

    fn read(&self) -> Result<Credentials, CredentialError> {
        let user = match &self.user_variable {
            Some(variable) => Some(value(variable)?),
            None => self.user.clone(),
        };
        Ok(Credentials { user, password: Some(Secret::new(value(&self.password)?)) })
    }
}

fn value(variable: &str) -> Result<String, CredentialError> {
    env::var(variable).map_err(|error| CredentialError::Variable {
        variable: variable.to_owned(),
        // The error of `std` shows the value.
        problem: match error {
            env::VarError::NotPresent => VariableProblem::NotSet,
            env::VarError::NotUnicode(_) => VariableProblem::NotUnicode,
        },
    })
}

impl CredentialProvider for EnvironmentCredentials {
    fn credentials(&self) -> BoxFuture<'_, Result<Credentials, CredentialError>> {
        Box::pin(ready(self.read()))
    }
}

#[cfg(test)]
mod tests {
    use pool_core::ErrorClass;

    use super::*;

    // Cargo sets these two for whatever it runs.
    #[tokio::test]
    async fn user_and_password_are_read() {
        let provider = EnvironmentCredentials::password("CARGO_PKG_VERSION").user_variable("CARGO_PKG_NAME");
        let got = provider.credentials().await.unwrap();
        assert_eq!(got.user.as_deref(), Some("pool-drivers"));
        assert_eq!(got.password.unwrap().expose(), env!("CARGO_PKG_VERSION"));
    }

    #[tokio::test]
    async fn a_variable_that_is_missing_is_named() {
        let error = EnvironmentCredentials::password("NO_SUCH_VARIABLE").credentials().await.unwrap_err();
        assert_eq!(
            error.to_string(),
            "read credentials from the environment variable `NO_SUCH_VARIABLE`: it is not set"
        );
        assert_eq!(error.class(), ErrorClass::Auth);
    }
}
