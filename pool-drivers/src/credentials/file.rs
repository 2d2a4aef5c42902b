//! Credentials from files, such as the secrets that Kubernetes and Docker mount.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::{BoxFuture, CredentialError, CredentialProvider, Credentials, Secret, without_line_break};

/// Reads files, at each call: a secret that was replaced is used from the next connection on.
///
/// One line break at the end of a file is dropped; everything else is part of the value.
///
/// # Examples
///
/// ```
/// use pool_drivers::credentials::FileCredentials;
///
/// let provider = FileCredentials::password("/run/secrets/redis/password").user_file("/run/secrets/redis/user");
/// ```
#[derive(Debug, Clone)]
pub struct FileCredentials {
    password: PathBuf,
    user_file: Option<PathBuf>,
    user: Option<String>,
}

impl FileCredentials {
    /// The file with the password. It must exist; it may be empty.
    pub fn password(path: impl Into<PathBuf>) -> Self {
        FileCredentials { password: path.into(), user_file: None, user: None }
    }

    /// The file with the user name. It must exist.
    #[must_use]
    pub fn user_file(mut self, path: impl Into<PathBuf>) -> Self {
        self.user_file = Some(path.into());
        self
    }

    /// The user name itself. A file for it goes before.
    #[must_use]
    pub fn user(mut self, user: impl Into<String>) -> Self {
        self.user = Some(user.into());
        self
    }

    async fn read(&self) -> Result<Credentials, CredentialError> {
        let user = match &self.user_file {
            Some(path) => Some(value(path).await?.expose().to_owned()),
            None => self.user.clone(),
        };
        Ok(Credentials { user, password: Some(value(&self.password).await?) })
    }
}

async fn value(path: &Path) -> Result<Secret, CredentialError> {
    match tokio::fs::read_to_string(path).await {
        // The text read is wiped as well.
        Ok(text) => Ok(Secret::new(without_line_break(Secret::new(text).expose()))),
        Err(error) => Err(CredentialError::File { path: path.to_owned(), source: Arc::new(error) }),
    }
}

impl CredentialProvider for FileCredentials {
    fn credentials(&self) -> BoxFuture<'_, Result<Credentials, CredentialError>> {
        Box::pin(self.read())
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use pool_core::ErrorClass;

    use super::*;

    async fn password(provider: &FileCredentials) -> String {
        provider.credentials().await.unwrap().password.unwrap().expose().to_owned()
    }

    #[tokio::test]
    async fn a_secret_that_was_rotated_is_read_at_the_next_call() {
        // As Kubernetes does it: a link to a directory that is swapped as a whole.
        let mount = tempfile::tempdir().unwrap();
        for (version, text) in [("1", "old\n"), ("2", "new")] {
            fs::create_dir(mount.path().join(version)).unwrap();
            fs::write(mount.path().join(version).join("password"), text).unwrap();
        }
        let link = mount.path().join("data");
        std::os::unix::fs::symlink("1", &link).unwrap();
        let provider = FileCredentials::password(link.join("password")).user("alice");
        assert_eq!(password(&provider).await, "old");

        std::os::unix::fs::symlink("2", mount.path().join("next")).unwrap();
        fs::rename(mount.path().join("next"), &link).unwrap();
        assert_eq!(password(&provider).await, "new");
    }

    #[tokio::test]
    async fn the_user_may_be_in_a_file_too() {
        let mount = tempfile::tempdir().unwrap();
        fs::write(mount.path().join("user"), "alice\r\n").unwrap();
        fs::write(mount.path().join("password"), " hunter2 \n\n").unwrap();
        let provider =
            FileCredentials::password(mount.path().join("password")).user_file(mount.path().join("user"));
        let got = provider.credentials().await.unwrap();
        assert_eq!(got.user.as_deref(), Some("alice"));
        assert_eq!(got.password.unwrap().expose(), " hunter2 \n");
    }

    #[tokio::test]
    async fn a_file_that_cannot_be_read_is_named() {
        let error = FileCredentials::password("/no/such/file").credentials().await.unwrap_err();
        assert_eq!(error.to_string(), "read credentials from the file `/no/such/file`");
        assert_eq!(error.class(), ErrorClass::Auth);
        assert!(std::error::Error::source(&error).unwrap().to_string().contains("No such file"));
    }

    #[tokio::test]
    async fn a_file_that_is_no_text_is_not_shown() {
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(file.path(), b"hunter2\xff").unwrap();
        let error = FileCredentials::password(file.path()).credentials().await.unwrap_err();
        assert!(!format!("{error:?}").contains("hunter2"), "{error:?}");
        assert_eq!(error.class(), ErrorClass::Auth);
    }
}
