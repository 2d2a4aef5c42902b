//! The monitor: checks all pools of a set, each at its own pace, and keeps what is known of them.
//!
//! One task for all pools plans the checks (`rounds`); each check is a task while it lasts. Between checks the monitor listens to
//! the pools' events (`ear`), by which it learns of an outage at once. What is known of one target is in `watched`, whose judgement is
//! made by pure functions.
//!
//! A check acquires a connection with high priority and validates it. So it may take from `reserve_connections`, and is
//! served before others in a pool that is full.

mod ear;
mod rounds;
#[cfg(test)]
mod tests;
mod untold;
mod watched;

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, TryLockError, Weak};
use std::time::Duration;

use pool_core::{Observer, PoolControl, PoolSet, SettingsError};
use tokio::sync::{Notify, Semaphore};
use tokio::time::Instant;

use crate::course::Change;
use crate::event::{Callback, HealthEvent, HealthObserver, tell};
use crate::report::{ConnectionHealth, HealthReport};
use crate::settings::HealthSettings;
use crate::status::HealthStatus;
use rounds::Rounds;
use untold::Untold;
use watched::{Facts, Watched};

/// No pool of this name is in the set, or it is closed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("check pool `{name}`: there is no open pool of this name")]
#[non_exhaustive]
pub struct UnknownPool {
    /// The name.
    pub name: String,
}

/// Watches the targets of all pools of a set. Clones share it.
///
/// When the last clone is dropped, it stops.
///
/// # Examples
///
/// ```
/// # use pool_core::{Pool, PoolSet, fake::FakeConnector};
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use pool_health::{HealthMonitor, HealthSettings, HealthStatus};
///
/// let pools = PoolSet::new();
/// let health = HealthMonitor::new(pools.clone(), HealthSettings::default())?;
/// health.on_lost(|pool, report| eprintln!("{pool} is lost: {report}"));
///
/// let orders = Pool::builder(FakeConnector::new())
///     .name("orders")
///     .observer(health.observer()) // outages are noticed at once, not at the next check
///     .build()?;
/// pools.insert(orders.clone())?;
/// health.start();
///
/// let report = health.check("orders").await?;
/// assert_eq!(report.status, HealthStatus::Healthy);
/// health.stop().await;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct HealthMonitor {
    shared: Arc<Shared>,
    /// Checks under way have a share in `shared`, and are no handles.
    _handle: Arc<Handle>,
}

/// Stops the monitor when the last clone is dropped.
struct Handle(Weak<Shared>);

impl Drop for Handle {
    fn drop(&mut self) {
        let rounds = self.0.upgrade().and_then(|shared| shared.state().rounds.take());
        // Told by that to stop, in its own time.
        drop(rounds);
    }
}

pub(crate) struct Shared {
    pools: PoolSet,
    // Lock: held for moments, and never while something of a user's runs.
    state: Mutex<State>,
    observers: Mutex<Vec<Arc<dyn HealthObserver>>>,
    /// Held by whoever tells observers what is in the queue.
    telling: Mutex<()>,
    /// Rung when a check may be due sooner than was planned, or the monitor has to stop.
    bell: Arc<Notify>,
}

struct State {
    settings: HealthSettings,
    /// Intervals of single pools, by name.
    intervals: HashMap<String, OwnInterval>,
    targets: BTreeMap<String, Watched>,
    /// When it was last looked which pools there are.
    synced: Option<Instant>,
    /// What observers are still to be told, in the order in which it happened.
    untold: Untold,
    rounds: Option<Rounds>,
    /// One for each check that may be under way, but for those that take long.
    permits: Arc<Semaphore>,
    random: fastrand::Rng,
}

/// For so long an interval is kept for a pool that is not there: a configuration may well name it before it is opened, and
/// pools that are made on demand come and go.
const KEPT: Duration = Duration::from_secs(3600);

/// A `check_interval` of one pool.
struct OwnInterval {
    interval: Duration,
    /// When the pool was last seen in the set, or the interval was set.
    seen: Instant,
}

impl HealthMonitor {
    /// Makes a monitor of the pools that are in the set, now or later. It does nothing until it is [started](Self::start).
    ///
    /// # Errors
    ///
    /// If any setting is out of its range, names all that are.
    pub fn new(pools: PoolSet, settings: HealthSettings) -> Result<Self, SettingsError> {
        settings.check()?;
        let state = State {
            permits: permits(&settings),
            settings,
            intervals: HashMap::new(),
            targets: BTreeMap::new(),
            synced: None,
            untold: Untold::default(),
            rounds: None,
            random: fastrand::Rng::new(),
        };
        let shared = Arc::new(Shared {
            pools,
            state: Mutex::new(state),
            observers: Mutex::default(),
            telling: Mutex::default(),
            bell: Arc::default(),
        });
        let handle = Arc::new(Handle(Arc::downgrade(&shared)));
        Ok(HealthMonitor { shared, _handle: handle })
    }

    /// Begins to check. Does nothing if it is running.
    ///
    /// # Panics
    ///
    /// Outside a tokio runtime, and in one without timers.
    pub fn start(&self) {
        let mut state = self.shared.state();
        if !state.is_running() {
            state.rounds = Some(rounds::begin(&self.shared));
        }
    }

    /// Ends checking, and waits until no check is under way. What is known stays. Does nothing if it is not running.
    ///
    /// # Cancel safety
    ///
    /// It stops in any case; dropping the future only ends the wait.
    pub async fn stop(&self) {
        let Some(rounds) = self.shared.state().rounds.take() else { return };
        rounds.end().await;
    }

    /// Whether it was started, and not stopped since.
    pub fn is_running(&self) -> bool {
        self.shared.state().is_running()
    }

    /// What is to be an observer of every pool: it tells the monitor of outages and of connections that broke. Without it the
    /// monitor knows only what its checks find.
    ///
    /// It may be that of many pools, and of some that are not in the set: it goes by the [id](pool_core::PoolId) of a pool, so a
    /// pool on its way out is not taken for the one that has its name now. Whoever passes events on to it does so by
    /// [`Observer::event_of`]; what comes without an id is not heard.
    pub fn observer(&self) -> Arc<dyn Observer> {
        Arc::new(ear::Ear(Arc::downgrade(&self.shared)))
    }

    /// Tells an observer of everything that happens from now on.
    ///
    /// It is kept for as long as there is a handle of the monitor. One that has a handle itself, such as a closure that
    /// captures a clone, thereby keeps it for ever, the task and all: it had better hold what it needs the monitor for.
    pub fn subscribe(&self, observer: Arc<dyn HealthObserver>) {
        self.shared.observers.lock().unwrap_or_else(PoisonError::into_inner).push(observer);
    }

    /// Calls `call` with the pool's name whenever a target's status is another one: what it was, and what is known now. It
    /// must not hold a handle of the monitor: see [`subscribe`](Self::subscribe).
    pub fn on_status_changed(
        &self,
        call: impl Fn(&str, HealthStatus, &HealthReport) + Send + Sync + 'static,
    ) {
        self.on(move |pool, event| {
            if let HealthEvent::StatusChanged { from, report, .. } = event {
                call(pool, *from, report);
            }
        });
    }

    /// Calls `call` with the pool's name whenever a target is lost. It must not hold a handle of the monitor: see
    /// [`subscribe`](Self::subscribe).
    pub fn on_lost(&self, call: impl Fn(&str, &HealthReport) + Send + Sync + 'static) {
        self.on(move |pool, event| {
            if let HealthEvent::Lost { report } = event {
                call(pool, report);
            }
        });
    }

    /// Calls `call` with the pool's name whenever a lost target has recovered, and how long it was lost. It must not hold a
    /// handle of the monitor: see [`subscribe`](Self::subscribe).
    pub fn on_recovered(&self, call: impl Fn(&str, Duration) + Send + Sync + 'static) {
        self.on(move |pool, event| {
            if let HealthEvent::Recovered { down_for } = event {
                call(pool, *down_for);
            }
        });
    }

    fn on(&self, call: impl Fn(&str, &HealthEvent) + Send + Sync + 'static) {
        self.subscribe(Arc::new(Callback(Box::new(call))));
    }

    /// The present settings.
    pub fn settings(&self) -> HealthSettings {
        self.shared.state().settings.clone()
    }

    /// Replaces all settings. The next check of each target is planned anew.
    ///
    /// # Errors
    ///
    /// If any setting is out of its range, names all that are and changes nothing.
    pub fn set_settings(&self, settings: HealthSettings) -> Result<(), SettingsError> {
        settings.check()?;
        let mut state = self.shared.state();
        if settings.max_concurrent_checks != state.settings.max_concurrent_checks {
            // Checks under way keep a permit of the old ones.
            state.permits = permits(&settings);
        }
        state.settings = settings;
        state.plan_all();
        drop(state);
        self.shared.bell.notify_one();
        Ok(())
    }

    /// Gives one pool a `check_interval` of its own, or takes it away. The pool need not be there yet; of one that is not in the
    /// set for an hour it is forgotten.
    ///
    /// # Errors
    ///
    /// If it is out of its range; nothing is changed then.
    pub fn set_interval(&self, pool: &str, interval: Option<Duration>) -> Result<(), SettingsError> {
        let mut state = self.shared.state();
        match interval {
            Some(interval) => {
                HealthSettings { check_interval: interval, ..HealthSettings::default() }.check()?;
                state.intervals.insert(pool.to_owned(), OwnInterval { interval, seen: Instant::now() });
            }
            None => drop(state.intervals.remove(pool)),
        }
        state.plan(pool);
        drop(state);
        self.shared.bell.notify_one();
        Ok(())
    }

    /// Looks at once which pools are in the set, instead of within a second.
    pub fn refresh(&self) {
        self.shared.sync();
        self.shared.bell.notify_one();
    }

    /// What is known of the target of this pool; `None` = there is no such pool in the set.
    pub fn report(&self, pool: &str) -> Option<HealthReport> {
        self.shared.sync_if_missing(pool);
        self.report_of(pool)
    }

    fn report_of(&self, pool: &str) -> Option<HealthReport> {
        let facts = Facts::of(&*self.shared.pool(pool)?);
        Some(self.shared.state().targets.get(pool)?.report(&facts, Instant::now()))
    }

    /// What is known of the targets of all pools, by name.
    pub fn reports(&self) -> Vec<HealthReport> {
        self.shared.sync();
        self.shared.names().iter().filter_map(|pool| self.report_of(pool)).collect()
    }

    /// How the target of this pool is; [`Unknown`](HealthStatus::Unknown) if there is no such pool.
    pub fn status(&self, pool: &str) -> HealthStatus {
        self.shared.state().targets.get(pool).map_or(HealthStatus::Unknown, Watched::status)
    }

    /// Every connection of this pool, by id; none if there is no such pool.
    pub fn connections(&self, pool: &str) -> Vec<ConnectionHealth> {
        self.shared.sync_if_missing(pool);
        let Some(control) = self.shared.pool(pool) else { return Vec::new() };
        let connections = control.connections();
        let state = self.shared.state();
        let ledger = state.targets.get(pool).map(Watched::ledger);
        let idle_timeout = state.settings.idle_timeout;
        ledger.map_or(Vec::new(), |ledger| ledger.live(pool, connections, idle_timeout, Instant::now()))
    }

    /// The connections of all pools that are unhealthy, and of each pool the last 32 that ended so.
    pub fn unhealthy_connections(&self) -> Vec<ConnectionHealth> {
        self.shared.sync();
        let mut unhealthy = Vec::new();
        for pool in self.shared.names() {
            let live = self.connections(&pool).into_iter().filter(|health| !health.is_healthy);
            if let Some(watched) = self.shared.state().targets.get(&pool) {
                unhealthy.extend(watched.ledger().gone(&pool, Instant::now()));
            }
            unhealthy.extend(live);
        }
        unhealthy
    }

    /// Checks the target of this pool now, whether the monitor is running or not. If it is being checked, once more after
    /// that.
    ///
    /// # Errors
    ///
    /// If there is no such pool, or it is closed. A check that fails is no error: the report says so.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses the result of the check and nothing else.
    pub async fn check(&self, pool: &str) -> Result<HealthReport, UnknownPool> {
        self.shared.sync_if_missing(pool);
        let is_checked = rounds::check(&self.shared, pool).await;
        let report = if is_checked { self.report(pool) } else { None };
        report.ok_or_else(|| UnknownPool { name: pool.to_owned() })
    }

    /// Checks all targets now, as many at a time as `max_concurrent_checks` lets begin. Their reports, by name.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future ends the checks that are under way.
    pub async fn check_all(&self) -> Vec<HealthReport> {
        self.shared.sync();
        rounds::check_all(&self.shared).await;
        self.reports()
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn names(&self) -> Vec<String> {
        self.state().targets.keys().cloned().collect()
    }

    /// The pool of this name, if it is watched and still there. What is returned is dropped without the lock: it may be the last
    /// handle.
    fn pool(&self, name: &str) -> Option<Arc<dyn PoolControl>> {
        let state = self.state();
        state.targets.get(name).and_then(Watched::pool)
    }

    fn sync_if_missing(&self, pool: &str) {
        if self.pool(pool).is_none_or(|pool| pool.is_closed()) {
            self.sync();
        }
    }

    /// Begins to watch the pools that are new in the set, and forgets those that are gone or closed.
    fn sync(&self) {
        let pools = self.pools.pools();
        let now = Instant::now();
        let mut state = self.state();
        state.synced = Some(now);
        let mut gone = std::mem::take(&mut state.targets);
        for pool in pools.iter().filter(|pool| !pool.is_closed()) {
            let known = gone.remove(pool.name()).filter(|watched| watched.is(pool));
            let watched = known.unwrap_or_else(|| Watched::new(pool, now));
            state.targets.insert(pool.name().to_owned(), watched);
        }
        let State { targets, intervals, .. } = &mut *state;
        intervals.retain(|pool, own| {
            if targets.contains_key(pool) {
                own.seen = now;
            }
            now.saturating_duration_since(own.seen) < KEPT
        });
    }

    /// Tells observers what is in the queue, in order. If somebody else is telling, that is left to him.
    fn tell_untold(&self) {
        while !self.state().untold.is_empty() {
            let telling = match self.telling.try_lock() {
                Ok(telling) => telling,
                Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
                Err(TryLockError::WouldBlock) => return,
            };
            loop {
                let Some((pool, event)) = self.state().untold.pop() else { break };
                // Anew for each: whoever subscribes meanwhile is told of what happens from then on.
                let observers = self.observers.lock().unwrap_or_else(PoisonError::into_inner).clone();
                tell(&observers, &pool, &event);
            }
            drop(telling);
        }
    }
}

impl State {
    fn is_running(&self) -> bool {
        self.rounds.as_ref().is_some_and(|rounds| !rounds.is_over())
    }

    /// The interval between two checks of a target that is well.
    fn usual(&self, pool: &str) -> Duration {
        self.intervals.get(pool).map_or(self.settings.check_interval, |own| own.interval)
    }

    /// Remembers what observers are to be told of.
    fn queue(&mut self, pool: &str, facts: &Facts, changes: Vec<Change>) {
        if changes.is_empty() {
            return;
        }
        let Some(watched) = self.targets.get(pool) else { return };
        let report = Arc::new(watched.report(facts, Instant::now()));
        for change in changes {
            let report = Arc::clone(&report);
            let event = match change {
                Change::Status { from, to } => HealthEvent::StatusChanged { from, to, report },
                Change::Lost => HealthEvent::Lost { report },
                Change::Recovered { down_for } => HealthEvent::Recovered { down_for },
                Change::Exhausted { attempts, lasted } => HealthEvent::RecoveryExhausted { attempts, lasted },
            };
            self.untold.push(pool, event);
        }
    }

    /// Plans the next check of one target.
    fn plan(&mut self, pool: &str) {
        let (usual, chance) = (self.usual(pool), self.random.f64());
        if let Some(watched) = self.targets.get_mut(pool) {
            watched.plan(&self.settings, usual, chance, Instant::now());
        }
    }

    fn plan_all(&mut self) {
        let names: Vec<_> = self.targets.keys().cloned().collect();
        names.iter().for_each(|pool| self.plan(pool));
    }
}

/// As many as checks may be begun at the same time.
fn permits(settings: &HealthSettings) -> Arc<Semaphore> {
    Arc::new(Semaphore::new(settings.max_concurrent_checks.min(Semaphore::MAX_PERMITS)))
}

impl Drop for Shared {
    fn drop(&mut self) {
        self.bell.notify_one();
    }
}

/// Shows how each target is.
impl std::fmt::Debug for HealthMonitor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let state = self.shared.state();
        f.debug_map().entries(state.targets.iter().map(|(pool, watched)| (pool, watched.status()))).finish()
    }
}
