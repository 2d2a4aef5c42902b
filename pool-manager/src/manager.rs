//! The manager: all pools of a service, by name and by target.

mod builder;
mod groups;
mod janitor;
pub(crate) mod shedding;
mod source;
mod targets;
mod watching;

use std::collections::BTreeMap;
use std::fmt;
use std::future::poll_fn;
use std::panic::Location;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::task::Poll;
use std::time::Duration;

use pool_config::{Config, Driver, PoolConfig, Watch};
use pool_core::{CloseReport, Observer, PoolSet, PoolSnapshot};
#[cfg(feature = "http")]
use pool_drivers::http::HttpPool;
#[cfg(feature = "mysql")]
use pool_drivers::mysql::MySqlPool;
#[cfg(feature = "postgres")]
use pool_drivers::postgres::PgPool;
#[cfg(feature = "redis")]
use pool_drivers::redis::RedisPool;
#[cfg(feature = "sqlite")]
use pool_drivers::sqlite::SqlitePool;
#[cfg(feature = "websocket")]
use pool_drivers::websocket::WebSocketPool;
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::any::{AnyConnection, AnyPool};
use crate::audit::Audit;
use crate::blueprint::{Blueprint, Kit};
use crate::duty::Duty;
use crate::error::{AccessError, CreateError, LookupError, StartError, WarmUpErrors};
use crate::event::{ManagerEvent, ManagerObserver, tell};
use crate::health::{Ejector, Health};
use crate::monitoring::Measuring;
use crate::readiness::{PoolReadiness, Readiness, look};
use crate::registry::{Entry, Origin, Registry};
use crate::reload::Reloads;
use crate::shutdown::ShutdownReport;
use crate::watch::ConfigWatcher;

pub use builder::PoolManagerBuilder;
pub(crate) use source::Source;
use source::files_named_by;
pub(crate) use targets::{config_of, described};

/// How long closing waits for the audit log at least, when connections were held to the end of the deadline. A disk that works
/// takes a few milliseconds for the longest queue.
const LAST_LINES: Duration = Duration::from_millis(250);

/// All pools of a service. Clones share them.
///
/// When the last clone is dropped, each pool closes as soon as nobody has a handle of it any more.
///
/// # Examples
///
/// ```
/// # #[cfg(feature = "sqlite")]
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use std::time::Duration;
///
/// use pool_manager::PoolManager;
///
/// # let folder = tempfile::tempdir()?;
/// # let file = folder.path().join("connection_pool.yaml");
/// # std::fs::write(&file, "connection_pool: {pools: [{name: orders, driver: sqlite, database: \":memory:\"}]}")?;
/// let manager = PoolManager::from_file(&file).await?;
/// manager.warm_up().await?;
///
/// let orders = manager.sqlite("orders")?; // a `SqlitePool`, as if it had been built by hand
/// orders.acquire().await?.run("CREATE TABLE item (name TEXT)").await?;
///
/// assert!(manager.readiness().await.is_ready());
/// let report = manager.close(Duration::from_secs(10)).await;
/// assert!(report.is_complete());
/// # Ok(())
/// # }
/// # #[cfg(not(feature = "sqlite"))]
/// # fn main() {}
/// ```
#[derive(Clone)]
pub struct PoolManager {
    pub(crate) shared: Arc<Shared>,
}

/// What the clones of a manager have in common.
pub(crate) struct Shared {
    // Lock: held for moments, and never while something of a user's runs.
    registry: RwLock<Registry>,
    /// The same pools once more, for those who watch pools and know no drivers. Changed together with the registry.
    pub(crate) set: PoolSet,
    pub(crate) kit: Kit,
    pub(crate) observers: Vec<Arc<dyn Observer>>,
    listeners: Vec<Arc<dyn ManagerObserver>>,
    pub(crate) source: Option<Source>,
    pub(crate) reloads: Reloads,
    pub(crate) audit: Option<Audit>,
    pub(crate) health: Health,
    pub(crate) measuring: Measuring,
    pub(crate) shedding: Duty,
    janitor: Duty,
    watching: watching::Watching,
    /// Whether observers were told that all is closed.
    has_told_closed: AtomicBool,
}

impl Shared {
    pub(crate) fn read(&self) -> RwLockReadGuard<'_, Registry> {
        self.registry.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn write(&self) -> RwLockWriteGuard<'_, Registry> {
        self.registry.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// Opens a pool and puts it into the set of all. Called with the lock, to write.
    pub(crate) fn open(&self, blueprint: Blueprint) -> Result<AnyPool, CreateError> {
        let name = blueprint.name.clone();
        // Looked up before: a pool that is dropped here would tell its observers that it closes, under the lock.
        if self.set.get(&name).is_some_and(|pool| !pool.is_closed()) {
            return Err(CreateError::Taken { name });
        }
        let pool = blueprint.open(&self.observers)?;
        if pool.insert_into(&self.set).is_err() {
            tracing::warn!(pool = %name, "the set of all pools has one of this name that is not ours");
        }
        Ok(pool)
    }

    /// Lets go of the pools that were removed and have ended by now.
    pub(crate) fn forget_ended(&self) {
        let ended = self.write().take_ended();
        // Without the lock: the last handle of a pool may run user code.
        drop(ended);
    }

    pub(crate) fn tell(&self, event: &ManagerEvent) {
        match (&self.audit, event) {
            (Some(audit), ManagerEvent::ReloadApplied { report }) => audit.reload(true, report.to_string()),
            (Some(audit), ManagerEvent::ReloadRefused { reason }) => audit.reload(false, reason.as_str()),
            _ => {}
        }
        tell(&self.listeners, event);
    }
}

impl PoolManager {
    /// Makes the pools that the file at `path` describes.
    ///
    /// # Errors
    ///
    /// As [`PoolManagerBuilder::from_file`].
    ///
    /// # Cancel safety
    ///
    /// Dropping the future closes what was made.
    pub async fn from_file(path: impl AsRef<Path>) -> Result<Self, StartError> {
        PoolManager::builder().from_file(path).await
    }

    /// Makes the pools that a configuration describes.
    ///
    /// # Errors
    ///
    /// As [`PoolManagerBuilder::from_config`].
    ///
    /// # Cancel safety
    ///
    /// Dropping the future closes what was made.
    pub async fn from_config(config: Config) -> Result<Self, StartError> {
        PoolManager::builder().from_config(config).await
    }

    /// Begins to describe a manager that has observers.
    pub fn builder() -> PoolManagerBuilder {
        PoolManagerBuilder::default()
    }

    fn start(
        builder: PoolManagerBuilder,
        config: Config,
        source: Option<Source>,
    ) -> Result<Self, StartError> {
        let PoolManagerBuilder { mut observers, listeners, health_observers, reload_on_hangup, .. } = builder;
        let kit = Kit::default();
        let blueprints = Blueprint::draw_all(described(&config), &kit)?;
        let audit = Audit::open(&config.monitoring.audit_log)?;
        observers.extend(audit.clone().map(|audit| builder::asked(Arc::new(audit))));
        let mut watcher = ConfigWatcher::new(&config.reload);
        if reload_on_hangup {
            watcher.listen_to_hangups().map_err(StartError::Hangups)?;
        }
        let watches = source.is_some() && (reload_on_hangup || config.reload.watch == Watch::Poll);
        let reloads = Reloads::new(&config);
        let set = PoolSet::new();
        let health = Health::new(set.clone(), &config.health_monitoring)?;
        observers.push(builder::asked(health.monitor.observer()));
        let measuring = Measuring::new(set.clone(), &config.monitoring)?;
        let mut registry = Registry::new(config);
        for blueprint in blueprints {
            let (name, fingerprint) = (blueprint.name.clone(), blueprint.fingerprint);
            let gate = Arc::clone(&blueprint.gate);
            let config = registry.config.pool(&name).cloned().map(Arc::new);
            let config = config.expect("each blueprint was drawn of a pool of the configuration");
            health.set_interval(&name, config.settings.health_check_interval);
            let pool = blueprint.open(&observers)?;
            if pool.insert_into(&set).is_ok() {
                let entry = Entry::new(pool, config, gate, fingerprint, Origin::Configuration);
                registry.named.insert(name, entry);
            }
        }
        drop(registry.regroup());
        let manager = PoolManager {
            shared: Arc::new(Shared {
                registry: RwLock::new(registry),
                set,
                kit,
                observers,
                listeners,
                source,
                reloads,
                audit,
                health,
                measuring,
                shedding: Duty::default(),
                janitor: Duty::default(),
                watching: watching::Watching::default(),
                has_told_closed: AtomicBool::new(false),
            }),
        };
        if watches {
            watching::begin(&manager.shared, watcher);
        }
        let monitor = manager.health();
        monitor.subscribe(Arc::new(Ejector(Arc::downgrade(&manager.shared))));
        health_observers.into_iter().for_each(|observer| monitor.subscribe(observer));
        manager.shared.health.follow(&manager.config().health_monitoring);
        shedding::call(&manager.shared);
        manager.shared.measuring.begin(&Arc::downgrade(&manager.shared));
        for pool in manager.names() {
            manager.shared.tell(&ManagerEvent::PoolAdded { pool });
        }
        Ok(manager)
    }

    /// The configuration in force. Pools that the program itself has made are not in it.
    pub fn config(&self) -> Arc<Config> {
        Arc::clone(&self.shared.read().config)
    }

    /// The files whose content matters: that of the configuration and its overlay, and those that it names with secrets
    /// and certificates. For whoever watches them, to [reload](Self::reload_from_file) when one is different.
    pub fn files(&self) -> Vec<PathBuf> {
        let mut files = self.shared.source.as_ref().map(Source::files).unwrap_or_default();
        let named = files_named_by(&self.config());
        files.extend(named.into_iter().filter(|file| !files.contains(file)).collect::<Vec<_>>());
        files
    }

    /// A handle of the pool of this name, whatever its driver.
    ///
    /// # Errors
    ///
    /// If there is none, or it is disabled.
    pub fn pool(&self, name: &str) -> Result<AnyPool, LookupError> {
        self.shared.read().pool(name)
    }

    /// The pool of PostgreSQL of this name.
    ///
    /// # Errors
    ///
    /// If there is none, it is disabled, or one of another driver.
    #[cfg(feature = "postgres")]
    pub fn postgres(&self, name: &str) -> Result<PgPool, LookupError> {
        self.shared.read().typed(name, Driver::Postgres)
    }

    /// The pool of MySQL or MariaDB of this name.
    ///
    /// # Errors
    ///
    /// If there is none, it is disabled, or one of another driver.
    #[cfg(feature = "mysql")]
    pub fn mysql(&self, name: &str) -> Result<MySqlPool, LookupError> {
        self.shared.read().typed(name, Driver::Mysql)
    }

    /// The pool of SQLite of this name.
    ///
    /// # Errors
    ///
    /// If there is none, it is disabled, or one of another driver.
    #[cfg(feature = "sqlite")]
    pub fn sqlite(&self, name: &str) -> Result<SqlitePool, LookupError> {
        self.shared.read().typed(name, Driver::Sqlite)
    }

    /// The pool of Redis of this name.
    ///
    /// # Errors
    ///
    /// If there is none, it is disabled, or one of another driver.
    #[cfg(feature = "redis")]
    pub fn redis(&self, name: &str) -> Result<RedisPool, LookupError> {
        self.shared.read().typed(name, Driver::Redis)
    }

    /// The pool of HTTP connections of this name.
    ///
    /// # Errors
    ///
    /// If there is none, it is disabled, or one of another driver.
    #[cfg(feature = "http")]
    pub fn http(&self, name: &str) -> Result<HttpPool, LookupError> {
        self.shared.read().typed(name, Driver::Http)
    }

    /// The pool of WebSocket connections of this name.
    ///
    /// # Errors
    ///
    /// If there is none, it is disabled, or one of another driver.
    #[cfg(feature = "websocket")]
    pub fn websocket(&self, name: &str) -> Result<WebSocketPool, LookupError> {
        self.shared.read().typed(name, Driver::Websocket)
    }

    /// Waits for a connection of the pool of this name, for at most its `acquire_timeout`.
    ///
    /// # Errors
    ///
    /// If there is no such pool, or it has no connection to give.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future at any point loses nothing.
    #[track_caller]
    pub fn acquire(
        &self,
        name: &str,
    ) -> impl Future<Output = Result<AnyConnection, AccessError>> + Send + use<> {
        let (pool, site) = (self.pool(name), Location::caller());
        async move { Ok(pool?.acquire_at(site).await?) }
    }

    /// [`acquire`](Self::acquire), and if that fails, what `fallback` makes of the error: a connection of a cache
    /// instead of the database, for instance. [`acquire_or_degrade`](crate::acquire_or_degrade) is for something else than
    /// a connection, and for any acquire.
    ///
    /// # Errors
    ///
    /// As the fallback fails.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses nothing of ours.
    ///
    /// # Examples
    ///
    /// ```
    /// # #[cfg(feature = "sqlite")]
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let text = "connection_pool: {pools: [
    /// #     {name: orders, driver: sqlite, database: /nowhere/orders.db, connection_timeout_ms: 100},
    /// #     {name: copy, driver: sqlite, database: \":memory:\"}]}";
    /// # let config = pool_config::Config::from_yaml(text, "connection_pool.yaml")?;
    /// # let manager = pool_manager::PoolManager::from_config(config).await?;
    /// let connection = manager.acquire_or_else("orders", |_outage| manager.acquire("copy")).await?;
    /// assert_eq!(connection.pool_name(), "copy");
    /// # Ok(())
    /// # }
    /// # #[cfg(not(feature = "sqlite"))]
    /// # fn main() {}
    /// ```
    #[track_caller]
    pub fn acquire_or_else<E, F>(
        &self,
        name: &str,
        fallback: impl FnOnce(AccessError) -> F + Send,
    ) -> impl Future<Output = Result<AnyConnection, E>> + Send
    where
        F: Future<Output = Result<AnyConnection, E>> + Send,
    {
        let acquire = self.acquire(name);
        async move {
            match acquire.await {
                Ok(connection) => Ok(connection),
                Err(error) => fallback(error).await,
            }
        }
    }

    /// Makes a pool that the configuration does not name. It stays until the program removes it; reloads leave it
    /// alone.
    ///
    /// # Errors
    ///
    /// If there is one of this name, its group has pools of another driver, or what is described cannot be had.
    pub fn create(&self, config: PoolConfig) -> Result<AnyPool, CreateError> {
        let mut drawn = Blueprint::draw_all([&config], &self.shared.kit)?;
        let blueprint = drawn.pop().expect("one for each configuration, or an error");
        let (name, fingerprint) = (blueprint.name.clone(), blueprint.fingerprint);
        let gate = Arc::clone(&blueprint.gate);
        let interval = config.settings.health_check_interval;
        let left;
        let pool = {
            let mut registry = self.shared.write();
            if registry.is_closed {
                return Err(CreateError::Closed);
            }
            if let Some(group) = &config.group
                && let Some((member, found)) = registry.stranger_in(group, config.driver)
            {
                let (group, member) = (group.clone(), member.to_owned());
                return Err(CreateError::GroupDriver { name, driver: config.driver, group, member, found });
            }
            let pool = self.shared.open(blueprint)?;
            let (pool_of_entry, config) = (pool.clone(), Arc::new(config));
            let entry = Entry::new(pool_of_entry, config, gate, fingerprint, Origin::Program);
            registry.put(name.clone(), entry);
            // To be dropped without the lock.
            left = (registry.regroup(), registry.take_ended());
            pool
        };
        drop(left);
        self.shared.health.set_interval(&name, interval);
        self.shared.judge_members();
        shedding::call(&self.shared);
        self.shared.tell(&ManagerEvent::PoolAdded { pool: name });
        Ok(pool)
    }

    /// Closes a pool and forgets it: callers that wait fail at once, and busy connections may finish until `deadline`
    /// has passed. One that the configuration names comes back with the next reload.
    ///
    /// # Errors
    ///
    /// If there is none of this name.
    ///
    /// # Cancel safety
    ///
    /// From the first poll on the pool is closing; dropping the future only ends the wait.
    pub async fn remove(&self, name: &str, deadline: Duration) -> Result<CloseReport, LookupError> {
        let (removed, groups) = {
            let mut registry = self.shared.write();
            let pool = registry.pool(name)?;
            self.shared.set.remove(name);
            self.shared.health.forget(name);
            registry.named.remove(name);
            registry.ending.push(pool.clone());
            (pool, registry.regroup())
        };
        drop(groups);
        let close = removed.control().close(deadline);
        self.shared.tell(&ManagerEvent::PoolRemoved { pool: name.to_owned() });
        let report = close.await;
        self.shared.forget_ended();
        Ok(report)
    }

    /// Closes all pools and forgets them, those made on demand included. The manager can be used further, and a reload
    /// makes the pools of the configuration again.
    ///
    /// # Cancel safety
    ///
    /// From the first poll on all pools are closing; dropping the future only ends the wait.
    pub async fn clear(&self, deadline: Duration) -> ShutdownReport {
        let (removed, groups) = {
            let mut registry = self.shared.write();
            let pools = registry.take_all();
            for pool in &pools {
                self.shared.set.remove(pool.control().name());
                self.shared.health.forget(pool.control().name());
            }
            (pools, registry.regroup())
        };
        drop(groups);
        for pool in &removed {
            self.shared.tell(&ManagerEvent::PoolRemoved { pool: pool.control().name().to_owned() });
        }
        let report = close_all(removed, deadline).await;
        self.shared.forget_ended();
        report
    }

    /// The names of all pools, in alphabetical order. Those made on demand have none.
    pub fn names(&self) -> Vec<String> {
        self.shared.read().named.keys().cloned().collect()
    }

    /// Gauges and counters of every pool, by name; of those made on demand, by the key of their target.
    pub fn snapshots(&self) -> BTreeMap<String, PoolSnapshot> {
        self.shared.set.snapshots()
    }

    /// All pools, for those who watch pools and know no drivers: monitors, health checks, servers. The set changes with
    /// the manager; it is not for adding pools to, which [`create`](Self::create) is for.
    pub fn pools(&self) -> PoolSet {
        self.shared.set.clone()
    }

    /// Waits until each pool has its `min_connections` open.
    ///
    /// # Errors
    ///
    /// Names each pool that could not open them, with the cause.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future changes nothing: the pools go on opening connections.
    pub async fn warm_up(&self) -> Result<(), WarmUpErrors> {
        let mut waiting = JoinSet::new();
        let pools = self.shared.read().pools();
        for pool in pools {
            let stats = pool.control().stats();
            if stats.open() < stats.min {
                waiting
                    .spawn(async move { (pool.control().name().to_owned(), pool.control().warm_up().await) });
            }
        }
        let outcomes = waiting.join_all().await;
        let mut pools: Vec<_> =
            outcomes.into_iter().filter_map(|(name, outcome)| Some((name, outcome.err()?))).collect();
        pools.sort_by(|(a, _), (b, _)| a.cmp(b));
        if pools.is_empty() { Ok(()) } else { Err(WarmUpErrors { pools }) }
    }

    /// Finds out whether each pool that is `required` can deliver. One that is closed or paused cannot, nor one of the
    /// configuration that the program has removed, nor one that the [monitor](Self::health) has found unhealthy. Any other
    /// that has a connection open is not asked further; one that has none tries to open one, for at most its
    /// `acquire_timeout`.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future changes nothing.
    pub async fn readiness(&self) -> Readiness {
        let (is_closed, entries, missing) = {
            let registry = self.shared.read();
            let missing = described(&registry.config).filter(|pool| !registry.named.contains_key(&pool.name));
            let missing: Vec<_> = missing.map(PoolReadiness::missing).collect();
            (registry.is_closed, registry.named.clone(), missing)
        };
        let mut looking = JoinSet::new();
        for (name, Entry { pool, config, .. }) in entries {
            let required = config.required;
            let against = self.shared.health.against(&name);
            looking.spawn(async move {
                let state = look(&pool, required, against.as_ref()).await;
                PoolReadiness { pool: name, required, state }
            });
        }
        let mut pools = looking.join_all().await;
        pools.extend(missing);
        pools.sort_by(|a, b| a.pool.cmp(&b.pool));
        Readiness { is_closed, pools }
    }

    /// Closes all pools at the same time: callers that wait fail at once, and busy connections may finish until
    /// `deadline` has passed. Those that were removed before and still have connections in use are waited for as well. No
    /// pool is made any more; those that were are still there to be asked for statistics.
    ///
    /// The health of the pools is watched no more, nor are they measured, from the beginning on.
    ///
    /// Who is still to be told of an alert is told, and the audit log is written to its end, within what is left of `deadline`, but
    /// for at least a quarter of a second each. A receiver that does not answer and a disk that stands still keep nobody
    /// longer; that something was not told or written is logged.
    ///
    /// May be called again, and by several tasks at once; each call waits for itself. Observers are told
    /// [`Closed`](ManagerEvent::Closed) once, when the first of the calls has its report.
    ///
    /// # Cancel safety
    ///
    /// From the first poll on all pools are closing; dropping the future only ends the wait.
    pub async fn close(&self, deadline: Duration) -> ShutdownReport {
        let pools = {
            let mut registry = self.shared.write();
            registry.is_closed = true;
            let ended = registry.take_ended();
            let mut pools = registry.pools();
            pools.extend(registry.ending.iter().cloned());
            drop(registry);
            drop(ended);
            pools
        };
        self.shared.watching.end();
        self.shared.health.stop();
        // Before the pools close, which is nothing to raise an alert for.
        self.shared.measuring.stop();
        let begun = Instant::now();
        self.shared.reloads.end();
        let report = close_all(pools, deadline).await;
        // Ordering: it guards nothing but itself.
        if !self.shared.has_told_closed.swap(true, Ordering::Relaxed) {
            self.shared.tell(&ManagerEvent::Closed { report: Arc::new(report.clone()) });
        }
        let left = || deadline.saturating_sub(begun.elapsed()).max(LAST_LINES);
        self.shared.measuring.close(left()).await;
        if let Some(audit) = &self.shared.audit {
            audit.close_within(left()).await;
        }
        report
    }

    /// Whether [`close`](Self::close) was called.
    pub fn is_closed(&self) -> bool {
        self.shared.read().is_closed
    }
}

/// Closes pools at the same time. Two may have the same name: that of today, and one that was removed.
///
/// Cancel: all are closing from the first poll on, which is why this is no set of tasks.
async fn close_all(mut pools: Vec<AnyPool>, deadline: Duration) -> ShutdownReport {
    let begun = Instant::now();
    pools.sort_by(|a, b| a.control().name().cmp(b.control().name()));
    let mut closing: Vec<_> = pools.iter().map(|pool| (pool.control().close(deadline), None)).collect();
    poll_fn(|context| {
        for (close, report) in closing.iter_mut().filter(|(_, report)| report.is_none()) {
            if let Poll::Ready(done) = close.as_mut().poll(context) {
                *report = Some(done);
            }
        }
        let is_done = closing.iter().all(|(_, report)| report.is_some());
        if is_done { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
    let pools = closing.into_iter().filter_map(|(_, report)| report).collect();
    ShutdownReport { took: begun.elapsed(), pools }
}

/// Shows the pools, never their configuration: that may hold secrets.
impl fmt::Debug for PoolManager {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PoolManager").field("pools", &self.shared.set).finish_non_exhaustive()
    }
}
