//! What the files hold that a pool's configuration names: so that a password or a certificate that was replaced on disk
//! is noticed although the configuration is the same.

#[cfg(feature = "_net")]
use std::hash::{DefaultHasher, Hash as _, Hasher as _};

/// Of the contents of some files. Two that differ were taken of different contents.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Fingerprint {
    secrets: u64,
    certificates: u64,
    /// Whether other certificates are a reason to replace connections: `ssl.reload_on_change`.
    minds_certificates: bool,
}

impl Fingerprint {
    /// Adds the content of one more file with a secret, or of one that matters like a secret.
    #[cfg(feature = "_login")]
    pub(crate) fn add(&mut self, content: &[u8]) {
        add(&mut self.secrets, content);
    }

    /// Adds a certificate, or its key.
    #[cfg(feature = "_net")]
    pub(crate) fn add_certificate(&mut self, content: &[u8], minds: bool) {
        add(&mut self.certificates, content);
        self.minds_certificates = minds;
    }

    /// Whether connections that were opened with these files are to be replaced, now that they are as in `next`.
    pub(crate) fn is_outdated_by(&self, next: &Fingerprint) -> bool {
        self.secrets != next.secrets || (next.minds_certificates && self.certificates != next.certificates)
    }

    /// What is in force when connections stay although the files are as in `next`: they were opened with the certificates of
    /// before.
    pub(crate) fn kept(self, next: Fingerprint) -> Fingerprint {
        Fingerprint { certificates: self.certificates, ..next }
    }
}

#[cfg(feature = "_net")]
fn add(sum: &mut u64, content: &[u8]) {
    let mut hasher = DefaultHasher::new();
    sum.hash(&mut hasher);
    content.hash(&mut hasher);
    *sum = hasher.finish();
}
