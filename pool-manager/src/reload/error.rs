//! Why a new configuration was refused.

use std::fmt;

use pool_config::{ConfigError, KeyChange};
use pool_core::BuildError;
use pool_health::SettingsError;

use crate::blueprint::BuildErrors;
use crate::monitoring::MonitoringErrors;

/// Why a new configuration was refused. Nothing was changed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReloadError {
    /// It cannot be loaded.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// What it describes cannot be had.
    #[error(transparent)]
    Build(#[from] BuildErrors),
    /// A configuration made in code has what the monitor of health cannot do.
    #[error(transparent)]
    Health(#[from] SettingsError),
    /// What its section `monitoring` describes cannot be had.
    #[error(transparent)]
    Monitoring(#[from] MonitoringErrors),
    /// It changes what cannot be changed in a running system.
    #[error("change what takes a restart:{}", Listing(keys))]
    Restart {
        /// Each key, with the name of its pool if it is one of a pool; never empty.
        keys: Vec<(Option<String>, KeyChange)>,
    },
    /// The program has made a pool of this name, which stays.
    #[error(
        "make pool `{name}`: the program has made one of this name itself; remove that, or choose another name"
    )]
    Taken {
        /// The name.
        name: String,
    },
    /// No pool can be built here.
    #[error(transparent)]
    Pool(#[from] BuildError),
    /// The manager was made of a configuration without a file.
    #[error("reload the file: the manager was not made from one; give the new configuration to `reload`")]
    NoFile,
    /// The manager is closed, or its runtime is going down.
    #[error("reload the configuration: the manager is closed")]
    Closed,
}

/// Why there is nothing to wait for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("wait for configuration {generation}: the manager is closed, and it was not in force by then")]
#[non_exhaustive]
pub struct NeverApplied {
    /// The generation that was waited for.
    pub generation: u64,
}

struct Listing<'a>(&'a [(Option<String>, KeyChange)]);

impl fmt::Display for Listing<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|(pool, change)| match pool {
            Some(pool) => write!(f, "\n  pool `{pool}`: {change}"),
            None => write!(f, "\n  {change}"),
        })
    }
}
