//! What the files hold that a pool's configuration names: so that a password or a certificate that was replaced on disk
//! is noticed although the configuration is the same.

#[cfg(feature = "_net")]
use std::hash::{DefaultHasher, Hash as _, Hasher as _};

/// Of the contents of some files. Two that differ were taken of different contents.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Fingerprint(u64);

impl Fingerprint {
    /// Adds the content of one more file.
    #[cfg(feature = "_net")]
    pub(crate) fn add(&mut self, content: &[u8]) {
        let mut hasher = DefaultHasher::new();
        self.0.hash(&mut hasher);
        content.hash(&mut hasher);
        self.0 = hasher.finish();
    }
}
