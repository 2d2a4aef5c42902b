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
///
/// `Debug` shows neither the secret nor the arguments of a command.
#[derive(Clone, PartialEq, Eq)]
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

impl fmt::Debug for SecretSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => f.debug_tuple("Text").field(text).finish(),
            Self::Environment(variable) => f.debug_tuple("Environment").field(variable).finish(),
            Self::File(path) => f.debug_tuple("File").field(path).finish(),
            Self::Command(words) => {
                let program = words.first().map_or("", String::as_str);
                f.debug_tuple("Command").field(&program).field(&format_args!("{MASK}")).finish()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_not_shown() {
        let source = SecretSource::Text(Secret::new("canary"));
        assert_eq!(format!("{source:?}"), "Text(***)");
        assert_eq!(format!("{source:#?}").matches("canary").count(), 0);
        let source = SecretSource::Command(vec!["vault".to_owned(), "canary".to_owned()]);
        assert_eq!(format!("{source:?}"), r#"Command("vault", ***)"#);
    }
}
