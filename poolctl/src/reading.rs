//! How files are read.

use std::path::Path;

use pool_config::{ConfigError, Loaded, Loader};

use crate::cli::Reading;
use crate::exit::{Failure, INVALID, USAGE};

impl Reading {
    /// Loads the file at `path`.
    pub(crate) fn load(&self, path: &Path) -> Result<Loaded, ConfigError> {
        let loader = Loader::new();
        match &self.env {
            Some(environment) => loader.environment(environment).load(path),
            None => loader.load(path),
        }
    }

    /// The same, for a command that can do nothing with an invalid file.
    pub(crate) fn load_valid(&self, path: &Path) -> Result<Loaded, Failure> {
        self.load(path).map_err(|error| {
            let exit_code = if matches!(error, ConfigError::Invalid { .. }) { INVALID } else { USAGE };
            Failure { exit_code, error: error.into() }
        })
    }
}
