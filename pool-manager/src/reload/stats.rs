//! What became of all reloads.

use std::hash::{BuildHasher as _, RandomState};
use std::sync::LazyLock;

use pool_config::{Config, Secret};

/// What became of all reloads since the manager was made.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ReloadStats {
    /// Reloads that were tried; the sum of the next three.
    pub attempts: u64,
    /// Of these, those that brought a new configuration into force.
    pub applied: u64,
    /// Those that found the configuration in force.
    pub unchanged: u64,
    /// Those that were refused.
    pub refused: u64,
    /// The generation in force: 0 until the first reload that changed something.
    pub generation: u64,
    /// Why the last one was refused, if the last one was.
    pub last_error: Option<String>,
    /// A number that stands for the configuration in force, secrets that stand in it included, those in files not. Managers of
    /// one process show the same if they run with the same. Another process has other numbers: a key that is drawn anew
    /// for each keeps anybody from trying passwords out on them.
    pub config_hash: u64,
}

impl ReloadStats {
    pub(super) fn new(config_hash: u64) -> Self {
        ReloadStats {
            attempts: 0,
            applied: 0,
            unchanged: 0,
            refused: 0,
            generation: 0,
            last_error: None,
            config_hash,
        }
    }

    pub(super) fn refused(&mut self, reason: &str) {
        self.attempts += 1;
        self.refused += 1;
        self.last_error = Some(reason.to_owned());
    }

    pub(super) fn unchanged(&mut self, config_hash: u64) {
        self.attempts += 1;
        self.unchanged += 1;
        self.last_error = None;
        self.config_hash = config_hash;
    }

    pub(super) fn applied(&mut self, generation: u64, config_hash: u64) {
        self.attempts += 1;
        self.applied += 1;
        self.generation = generation;
        self.last_error = None;
        self.config_hash = config_hash;
    }
}

/// The key of all hashes in this process.
static KEY: LazyLock<RandomState> = LazyLock::new(RandomState::new);

/// Of everything in a configuration.
pub(crate) fn hash_of(config: &Config) -> u64 {
    // Debug shows every key, without secrets; the text of the file shows those. Wiped when it is dropped.
    let with_secrets = Secret::new(config.to_yaml());
    KEY.hash_one((format!("{config:?}"), with_secrets.expose()))
}
