//! The files that a configuration comes from, and those that it names.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use pool_config::{AuthenticationMethod, Config, ConfigError, Loaded, Loader, PoolConfig, SecretSource};
use tokio::task::spawn_blocking;

use super::described;
use crate::monitoring::Prepared;

/// A file, and how it is read.
pub(crate) struct Source {
    path: PathBuf,
    loader: Loader,
    state: Mutex<State>,
}

struct State {
    /// The file and its overlay, as they were read last.
    files: Vec<PathBuf>,
    /// What was loaded from them last.
    loaded: Option<Arc<Config>>,
    /// Whether that was refused, and nothing else came into force since.
    refused: bool,
    /// The warnings that loading it told.
    warned: Vec<String>,
}

impl Source {
    pub(crate) fn new(path: &Path, loader: Loader) -> Self {
        let files = vec![path.to_owned()];
        let state = State { files, loaded: None, refused: false, warned: Vec::new() };
        Source { path: path.to_owned(), loader, state: Mutex::new(state) }
    }

    /// Reads the file, and tells what its author should know of and was not told the last time.
    pub(crate) async fn load(&self) -> Result<Config, ConfigError> {
        let Loaded { config, warnings, files, .. } = self.read().await?;
        let warnings: Vec<_> = warnings.iter().map(ToString::to_string).collect();
        let mut state = self.state();
        for warning in warnings.iter().filter(|warning| !state.warned.contains(warning)) {
            tracing::warn!("{warning}");
        }
        state.warned = warnings;
        (state.files, state.loaded) = (files, Some(Arc::new(config.clone())));
        Ok(config)
    }

    /// Reads the file, beside the runtime: a disk may be slow, and a large file takes its time.
    pub(crate) async fn read(&self) -> Result<Loaded, ConfigError> {
        let (path, loader) = (self.path.clone(), self.loader.clone());
        match spawn_blocking(move || loader.load(path)).await {
            Ok(loaded) => loaded,
            Err(panicked) => std::panic::resume_unwind(panicked.into_panic()),
        }
    }

    /// The file and its overlay. If what they said was refused, the files that it names as well: when one of them is there, or
    /// other than before, it may be right.
    pub(crate) fn files(&self) -> Vec<PathBuf> {
        let mut files = self.own_files();
        files.extend(self.refused().iter().flat_map(|config| files_named_by(config)));
        files
    }

    /// The file and its overlay.
    pub(crate) fn own_files(&self) -> Vec<PathBuf> {
        self.state().files.clone()
    }

    /// What was loaded from the files last, in force or not.
    pub(crate) fn loaded(&self) -> Option<Arc<Config>> {
        self.state().loaded.clone()
    }

    /// What was loaded from the files last, if it was refused and nothing else came into force since.
    pub(crate) fn refused(&self) -> Option<Arc<Config>> {
        let state = self.state();
        state.loaded.clone().filter(|_| state.refused)
    }

    pub(crate) fn set_refused(&self, refused: bool) {
        self.state().refused = refused;
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The files that a configuration names and whose content matters: secrets and certificates of pools, URLs of those who are told
/// of alerts.
pub(crate) fn files_named_by(config: &Config) -> Vec<PathBuf> {
    let receivers = Prepared::files(&config.monitoring);
    let mut files: Vec<_> = described(config).flat_map(files_of).chain(receivers).cloned().collect();
    files.sort();
    files.dedup();
    files
}

fn files_of(pool: &PoolConfig) -> impl Iterator<Item = &PathBuf> {
    let is_oauth2 = pool.authentication.method == AuthenticationMethod::Oauth2;
    let oauth2 = pool.authentication.oauth2.as_ref().filter(|_| is_oauth2);
    let secrets = [pool.password.as_ref(), oauth2.and_then(|oauth2| oauth2.client_secret.as_ref())];
    let secrets = secrets.into_iter().flatten().filter_map(|source| match source {
        SecretSource::File(path) => Some(path),
        _ => None,
    });
    let ssl = &pool.ssl;
    let certificates = [&ssl.ca_certificate, &ssl.client_certificate, &ssl.client_key];
    let matters = ssl.enabled && ssl.reload_on_change;
    let certificates = certificates.into_iter().flatten().filter(move |_| matters);
    secrets.chain(certificates).chain(oauth2.and_then(|oauth2| oauth2.ca_certificate.as_ref()))
}
