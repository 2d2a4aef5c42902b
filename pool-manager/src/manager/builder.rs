//! What a manager is told before there is one.

use std::path::Path;
use std::sync::Arc;

use pool_config::{Config, Loader};
use pool_core::{Observer, PoolEvent, PoolId};
use pool_health::HealthObserver;

use super::{PoolManager, Source};
use crate::error::StartError;
use crate::event::ManagerObserver;

/// Describes a manager; made by [`PoolManager::builder`].
#[must_use = "a builder does nothing until a configuration is given to it"]
#[derive(Default)]
pub struct PoolManagerBuilder {
    pub(super) observers: Vec<Arc<dyn Observer>>,
    pub(super) listeners: Vec<Arc<dyn ManagerObserver>>,
    pub(super) health_observers: Vec<Arc<dyn HealthObserver>>,
    pub(super) reload_on_hangup: bool,
    loader: Option<Loader>,
}

impl PoolManagerBuilder {
    /// Adds an observer to every pool, those made later included.
    pub fn observer(self, observer: impl Observer) -> Self {
        self.shared_observer(Arc::new(observer))
    }

    /// Adds an observer that is shared with others to every pool.
    pub fn shared_observer(mut self, observer: Arc<dyn Observer>) -> Self {
        self.observers.push(asked(observer));
        self
    }

    /// Adds an observer of the manager itself.
    pub fn manager_observer(mut self, observer: impl ManagerObserver) -> Self {
        self.listeners.push(Arc::new(observer));
        self
    }

    /// Adds an observer of the health of all pools, from the first check on. [`PoolManager::health`] takes further ones.
    pub fn health_observer(mut self, observer: impl HealthObserver) -> Self {
        self.health_observers.push(Arc::new(observer));
        self
    }

    /// Has a SIGHUP reload the file, and the audit log open its file again, as daemons do; a process that does not listen to that
    /// signal is ended by it. Without effect where there is no such signal. Default off.
    ///
    /// For managers that are made of a file. One that is made of a configuration has none to read, and does not listen.
    pub fn reload_on_hangup(mut self, on: bool) -> Self {
        self.reload_on_hangup = on;
        self
    }

    /// Uses the overlay of this environment, such as `connection_pool.production.yaml`, whatever `POOL_ENV` says.
    pub fn environment(mut self, name: impl Into<String>) -> Self {
        self.loader = Some(self.loader.unwrap_or_default().environment(name));
        self
    }

    /// Says how a file is loaded: with which overlay, and with which variables. Default [`Loader::new`]. Reloads do it
    /// in the same way, and with the same variables.
    pub fn loader(mut self, loader: Loader) -> Self {
        self.loader = Some(loader);
        self
    }

    /// Makes the pools that a configuration describes. They connect in their own time: those with
    /// `min_connections` at once, in the background, the others when they are asked.
    ///
    /// # Errors
    ///
    /// Names everything that cannot be had; nothing was opened then.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future closes what was made.
    pub async fn from_config(mut self, config: Config) -> Result<PoolManager, StartError> {
        // The process would no longer end at the signal, and nobody would do anything about it.
        self.reload_on_hangup = false;
        PoolManager::start(self, config, None)
    }

    /// [`from_config`](Self::from_config) of a file, which [`reload_from_file`](PoolManager::reload_from_file) reads
    /// again.
    ///
    /// # Errors
    ///
    /// Fails if the file cannot be read or says what is not allowed, with everything that is wrong; and as
    /// [`from_config`](Self::from_config).
    ///
    /// # Cancel safety
    ///
    /// Dropping the future closes what was made.
    pub async fn from_file(mut self, path: impl AsRef<Path>) -> Result<PoolManager, StartError> {
        let source = Source::new(path.as_ref(), self.loader.take().unwrap_or_default());
        let config = source.load().await?;
        PoolManager::start(self, config, Some(source))
    }
}

/// Asks an observer whether it wants to be told of uses.
pub(super) fn asked(observer: Arc<dyn Observer>) -> Arc<dyn Observer> {
    let wants_uses = observer.wants_uses();
    Arc::new(Asked { observer, wants_uses })
}

/// An observer that was asked once, and not by each pool, whether it wants to be told of uses: pools are built under a
/// lock, where nothing of a user's may run.
struct Asked {
    observer: Arc<dyn Observer>,
    wants_uses: bool,
}

impl Observer for Asked {
    fn event_of(&self, id: PoolId, pool: &str, event: &PoolEvent) {
        self.observer.event_of(id, pool, event);
    }

    fn event(&self, pool: &str, event: &PoolEvent) {
        self.observer.event(pool, event);
    }

    fn wants_uses(&self) -> bool {
        self.wants_uses
    }
}
