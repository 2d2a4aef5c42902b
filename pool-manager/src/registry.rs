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
use crate::blueprint::{Fingerprint, Gate};
use crate::error::{LookupError, nearest};
use crate::groups::Groups;
use crate::manager::shedding::QueueLimit;

/// See the [module](self).
pub(crate) struct Registry {
    /// The configuration in force. What the program itself has made or removed is not in it.
    pub(crate) config: Arc<Config>,
    /// By name.
    pub(crate) named: BTreeMap<String, Entry>,
    /// By what their connectors call their target.
    pub(crate) on_demand: HashMap<Target, OnDemand>,
    /// From a target as somebody has written it to the key above.
    spellings: HashMap<Target, Target>,
    /// Those that are no longer there for anybody who asks, and may still have connections in use.
    pub(crate) ending: Vec<AnyPool>,
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
    /// What decides whether the pool connects.
    pub(crate) gate: Arc<Gate>,
    /// Who says how long its queue may be.
    pub(crate) limit: Arc<QueueLimit>,
    /// What the files held that the configuration names.
    pub(crate) fingerprint: Fingerprint,
    pub(crate) origin: Origin,
}

impl Entry {
    /// A pool that was opened just now.
    pub(crate) fn new(
        pool: AnyPool,
        config: Arc<PoolConfig>,
        gate: Arc<Gate>,
        fingerprint: Fingerprint,
        origin: Origin,
    ) -> Self {
        let limit = Arc::new(QueueLimit::of(config.settings.max_waiting));
        Entry { pool, config, gate, limit, fingerprint, origin }
    }

    /// Whether the pool was closed, as anybody who has a handle can. It is as good as not there then.
    pub(crate) fn is_closed(&self) -> bool {
        self.pool.control().is_closed()
    }
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
    /// All that lead to it.
    spellings: Vec<Target>,
    pub(crate) password: Option<SecretSource>,
    /// How often somebody has asked for it since. Counted under the lock, to read.
    pub(crate) asked_for: AtomicU64,
    /// Since when nothing has happened, and how many had asked for a connection by then.
    pub(crate) quiet: Option<(Instant, u64)>,
}

impl OnDemand {
    pub(crate) fn new(entry: Entry, asked: Target, password: Option<SecretSource>) -> Self {
        let spellings = vec![asked.clone()];
        OnDemand { entry, asked, spellings, password, asked_for: AtomicU64::new(1), quiet: None }
    }

    /// A handle of the pool, unless somebody has closed it.
    fn handle(&self) -> Option<AnyPool> {
        if self.entry.is_closed() {
            return None;
        }
        // Ordering: seen by whoever takes the lock to write after it was released to read.
        self.asked_for.fetch_add(1, Ordering::Relaxed);
        Some(self.entry.pool.clone())
    }
}

impl Registry {
    pub(crate) fn new(config: Config) -> Self {
        Registry {
            config: Arc::new(config),
            named: BTreeMap::new(),
            on_demand: HashMap::new(),
            spellings: HashMap::new(),
            ending: Vec::new(),
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

    /// A handle of the pool that was made for this target, as it is written here. One that somebody has closed is none.
    pub(crate) fn pool_for(&self, target: &Target) -> Option<AnyPool> {
        self.on_demand.get(self.spellings.get(target)?)?.handle()
    }

    /// A handle of the pool of this key, which is found by this spelling from now on.
    pub(crate) fn pool_spelled(&mut self, target: &Target, key: &Target) -> Option<AnyPool> {
        let on_demand = self.on_demand.get_mut(key)?;
        let handle = on_demand.handle()?;
        if self.spellings.insert(target.clone(), key.clone()).is_none() {
            on_demand.spellings.push(target.clone());
        }
        Some(handle)
    }

    /// Puts in a pool on demand. Returns whether there was one of this key, which ends: somebody has closed it.
    pub(crate) fn put_on_demand(&mut self, key: Target, on_demand: OnDemand) -> bool {
        let before = self.take_on_demand(&key);
        let replaces = before.is_some();
        self.ending.extend(before.map(|before| before.entry.pool));
        self.spellings.insert(on_demand.asked.clone(), key.clone());
        self.on_demand.insert(key, on_demand);
        replaces
    }

    /// Takes out a pool on demand and all that led to it.
    pub(crate) fn take_on_demand(&mut self, key: &Target) -> Option<OnDemand> {
        let taken = self.on_demand.remove(key)?;
        for spelling in &taken.spellings {
            self.spellings.remove(spelling);
        }
        Some(taken)
    }

    /// Puts in a pool with a name. One that had the name before ends: somebody has closed it.
    pub(crate) fn put(&mut self, name: String, entry: Entry) {
        let before = self.named.insert(name, entry);
        self.ending.extend(before.map(|before| before.pool));
    }

    /// Takes out all pools. They end.
    pub(crate) fn take_all(&mut self) -> Vec<AnyPool> {
        let pools = self.pools();
        self.named.clear();
        self.on_demand.clear();
        self.spellings.clear();
        self.ending.extend(pools.iter().cloned());
        pools
    }

    /// Takes out those of the ending pools that have ended, to be dropped without the lock.
    #[must_use]
    pub(crate) fn take_ended(&mut self) -> Vec<AnyPool> {
        let has_ended = |pool: &mut AnyPool| pool.control().is_closed() && pool.control().stats().total == 0;
        self.ending.extract_if(.., has_ended).collect()
    }

    /// A pool of the group with another driver than this one, if there is one.
    pub(crate) fn stranger_in(&self, group: &str, driver: Driver) -> Option<(&str, Driver)> {
        let mut members = self.named.iter().filter(|(_, entry)| entry.config.group.as_deref() == Some(group));
        let stranger = members.find(|(_, entry)| entry.pool.driver() != driver && !entry.is_closed());
        stranger.map(|(name, entry)| (name.as_str(), entry.pool.driver()))
    }

    /// All pools there are.
    pub(crate) fn pools(&self) -> Vec<AnyPool> {
        let on_demand = self.on_demand.values().map(|pool| &pool.entry);
        self.named.values().chain(on_demand).map(|entry| entry.pool.clone()).collect()
    }
}

#[cfg(all(test, feature = "redis"))]
mod tests {
    use std::time::Duration;

    use pool_core::Target;
    use tokio::time::{sleep, timeout};

    use crate::PoolManager;

    #[tokio::test]
    async fn no_spelling_of_a_target_is_left_when_its_pool_is_gone() {
        let mut config = pool_config::Config::default();
        config.default_pool.idle_timeout = Duration::from_millis(20);
        let manager = PoolManager::from_config(config).await.expect("it describes nothing");
        for port in [None, Some(6379)] {
            let target = Target::new("redis", "0").at("db.example", port);
            drop(manager.pool_for(&target, None).expect("it can be had"));
        }
        assert_eq!(manager.shared.read().spellings.len(), 2);
        let is_gone = async {
            while !manager.targets().is_empty() {
                sleep(Duration::from_millis(2)).await;
            }
        };
        timeout(Duration::from_secs(20), is_gone).await.expect("the janitor comes");
        assert!(manager.shared.read().spellings.is_empty());
    }
}
