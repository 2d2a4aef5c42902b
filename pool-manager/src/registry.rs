//! Which pools there are, and by which configuration.
//!
//! One lock guards it all, so that whoever looks sees the system before a reload or after it, never in between. Nothing
//! of a user's runs under it: observers are asked and told outside.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use pool_config::{Config, Driver, PoolConfig, SecretSource};
use pool_core::Target;
use tokio::time::Instant;

use crate::any::AnyPool;
use crate::blueprint::Fingerprint;
use crate::error::{LookupError, nearest};
use crate::groups::Groups;

/// See the [module](self).
pub(crate) struct Registry {
    /// The configuration in force. What the program itself has made or removed is not in it.
    pub(crate) config: Arc<Config>,
    /// By name.
    pub(crate) named: BTreeMap<String, Entry>,
    /// By what their connectors call their target.
    pub(crate) on_demand: HashMap<Target, OnDemand>,
    /// From a target as somebody has written it to the key above.
    pub(crate) spellings: HashMap<Target, Target>,
    /// What the pools with a name are to each other.
    pub(crate) groups: Groups,
    /// Whether everything was closed. Then no pool is made any more.
    pub(crate) is_closed: bool,
}

/// A pool that has a name.
#[derive(Clone)]
pub(crate) struct Entry {
    pub(crate) pool: AnyPool,
    pub(crate) config: Arc<PoolConfig>,
    /// What the files held that the configuration names.
    pub(crate) fingerprint: Fingerprint,
    pub(crate) origin: Origin,
}

/// Who wants a pool to be there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Origin {
    /// The configuration. A reload may change or remove it.
    Configuration,
    /// The program. It stays until the program removes it.
    Program,
}

/// A pool that was made because somebody asked for its target.
pub(crate) struct OnDemand {
    pub(crate) entry: Entry,
    /// As it was first written, and with what to log in.
    pub(crate) asked: Target,
    pub(crate) password: Option<SecretSource>,
    /// How often somebody has asked for it since. Counted under the lock, to read.
    pub(crate) asked_for: AtomicU64,
    /// Since when nothing has happened, and how many had asked for a connection by then.
    pub(crate) quiet: Option<(Instant, u64)>,
}

impl OnDemand {
    pub(crate) fn new(entry: Entry, asked: Target, password: Option<SecretSource>) -> Self {
        OnDemand { entry, asked, password, asked_for: AtomicU64::new(1), quiet: None }
    }
}

impl Registry {
    pub(crate) fn new(config: Config) -> Self {
        Registry {
            config: Arc::new(config),
            named: BTreeMap::new(),
            on_demand: HashMap::new(),
            spellings: HashMap::new(),
            groups: Groups::default(),
            is_closed: false,
        }
    }

    /// Has the groups follow a change of the pools or of their configurations. Returns what they were, to be dropped without
    /// the lock: it may hold the last handle of a pool.
    #[must_use]
    pub(crate) fn regroup(&mut self) -> Groups {
        let groups = self.groups.arrange(self.named.values(), &self.config.routing);
        std::mem::replace(&mut self.groups, groups)
    }

    /// A handle of the pool of this name.
    pub(crate) fn pool(&self, name: &str) -> Result<AnyPool, LookupError> {
        self.entry(name).map(|entry| entry.pool.clone())
    }

    pub(crate) fn entry(&self, name: &str) -> Result<&Entry, LookupError> {
        self.named.get(name).ok_or_else(|| {
            let name = name.to_owned();
            let is_configured =
                self.config.pool(&name).is_some_and(|pool| !pool.enabled || !self.config.enabled);
            if is_configured {
                return LookupError::Disabled { name };
            }
            let nearest = nearest(&name, self.named.keys().map(String::as_str));
            LookupError::Unknown { name, nearest }
        })
    }

    /// A handle of the pool of this name, if it is of this type.
    pub(crate) fn typed<P: Clone + 'static>(&self, name: &str, asked: Driver) -> Result<P, LookupError> {
        let pool = &self.entry(name)?.pool;
        pool.typed().cloned().ok_or_else(|| LookupError::Driver {
            name: name.to_owned(),
            asked,
            found: pool.driver(),
        })
    }

    /// A handle of the pool that was made for this target, as it is written here.
    pub(crate) fn pool_for(&self, target: &Target) -> Option<AnyPool> {
        let on_demand = self.on_demand.get(self.spellings.get(target)?)?;
        // Ordering: seen by whoever takes the lock to write after it was released to read.
        on_demand.asked_for.fetch_add(1, Ordering::Relaxed);
        Some(on_demand.entry.pool.clone())
    }

    /// All pools there are.
    pub(crate) fn pools(&self) -> Vec<AnyPool> {
        let on_demand = self.on_demand.values().map(|pool| &pool.entry);
        self.named.values().chain(on_demand).map(|entry| entry.pool.clone()).collect()
    }
}
