//! The file that a configuration comes from.

use std::path::{Path, PathBuf};

use pool_config::{Config, ConfigError};
use tokio::task::spawn_blocking;

/// A file, and how it is read.
#[derive(Debug, Clone)]
pub(crate) struct Source {
    path: PathBuf,
}

impl Source {
    pub(crate) fn new(path: &Path) -> Self {
        Source { path: path.to_owned() }
    }

    /// Reads the file, beside the runtime: a disk may be slow, and a large file takes its time.
    pub(crate) async fn load(&self) -> Result<Config, ConfigError> {
        let path = self.path.clone();
        match spawn_blocking(move || Config::from_file(path)).await {
            Ok(loaded) => loaded,
            Err(panicked) => std::panic::resume_unwind(panicked.into_panic()),
        }
    }
}
