//! What nobody may see, and where it comes from.

use std::fmt;
use std::path::PathBuf;

use zeroize::Zeroizing;

use crate::shown::MASK;

/// A password or another text that is not to be seen: `Debug` shows `***`, and its memory is wiped when it is dropped.
///
/// Comparing two takes a time that depends on where they differ; it is for telling whether a configuration changed.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Zeroizing<String>);

impl Secret {
    /// Keeps `text`.
    pub fn new(text: impl Into<String>) -> Self {
        Secret(Zeroizing::new(text.into()))
    }

    /// The text itself. Whoever asks must not log it.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(MASK)
    }
}

/// Where a secret comes from. It is looked up when a connection is opened, not when the file is loaded.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum SecretSource {
    /// It stands in the file itself.
    Text(Secret),
    /// In an environment variable of this name.
    Environment(String),
    /// In a file.
    File(PathBuf),
    /// A program prints it: its path and its arguments.
    Command(Vec<String>),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_not_shown() {
        let source = SecretSource::Text(Secret::new("canary"));
        assert_eq!(format!("{source:?}"), "Text(***)");
        assert_eq!(format!("{source:#?}").matches("canary").count(), 0);
    }
}
