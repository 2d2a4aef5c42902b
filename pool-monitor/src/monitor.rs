//! The monitor: measures all pools of a set at equal intervals, and keeps what it found.
//!
//! One task for all pools plans the collections (`rounds`). A collection (`collection`) measures one pool after the other and
//! enters what it found, each pool under the lock for a moment; whoever asks sees a pool as it was at one instant. No
//! lock is held while anything of a user's runs. Rules are judged by what `readings` shows of that; `alerting` keeps the alerts and tells of them.

mod alerting;
mod collection;
mod readings;
mod rounds;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, SystemTime};

use pool_core::{PoolSet, SettingsError};
use tokio::sync::Notify;
use tokio::time::Instant;

use crate::history::{History, Interval, MetricsHistory, MetricsWindow, Trend};
use crate::metric::Metric;
use crate::performance::PerformanceMetrics;
use crate::sample::{Sample, Unmeasured};
use crate::settings::MonitorSettings;
use crate::target::TargetSource;
use crate::timeline::Timeline;
use alerting::Alerting;
use collection::Workshop;
use rounds::Rounds;

/// Measures all pools of a set. Clones share it.
///
/// When the last clone is dropped, it stops. It keeps no pool open, and forgets one that has left the set or is closed,
/// with its history. A pool that takes the name of another one goes on with its history.
///
/// # Examples
///
/// ```
/// # use pool_core::{Pool, PoolSet, fake::FakeConnector};
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use std::time::{Duration, SystemTime};
/// use pool_monitor::{Metric, MonitorSettings, PoolMonitor};
///
/// let pools = PoolSet::new();
/// pools.insert(Pool::builder(FakeConnector::new()).name("orders").build()?)?;
/// let monitor = PoolMonitor::new(pools, MonitorSettings::default())?;
/// monitor.on_metrics_updated(|metrics| println!("{}: {}", metrics.pool, metrics.utilization));
/// monitor.start(); // one task for all pools
///
/// monitor.collect(); // or wait for the next interval
/// let metrics = monitor.metrics("orders").expect("it was measured");
/// assert_eq!(metrics.error_rate, 0.0);
/// let hour = Duration::from_secs(3600);
/// let history = monitor.history("orders", SystemTime::now() - hour, SystemTime::now() + hour).expect("it is there");
/// assert!(history.values(Metric::Utilization).iter().any(|(_, value)| value.is_some()));
/// monitor.stop().await;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct PoolMonitor {
    shared: Arc<Shared>,
    handle: Arc<Handle>,
}

/// A monitor that may be gone: for callbacks and sinks of the monitor itself, which a clone of it would keep alive and
/// collecting for ever. Made by [`PoolMonitor::downgrade`].
#[derive(Clone)]
pub struct WeakPoolMonitor {
    shared: Weak<Shared>,
    handle: Weak<Handle>,
}

impl WeakPoolMonitor {
    /// The monitor; `None` once its last clone was dropped.
    pub fn upgrade(&self) -> Option<PoolMonitor> {
        Some(PoolMonitor { handle: self.handle.upgrade()?, shared: self.shared.upgrade()? })
    }
}

impl std::fmt::Debug for WeakPoolMonitor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("WeakPoolMonitor").finish_non_exhaustive()
    }
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

type OnUpdated = Box<dyn Fn(&PerformanceMetrics) + Send + Sync>;
type WallClock = Box<dyn Fn() -> SystemTime + Send + Sync>;

pub(crate) struct Shared {
    pools: PoolSet,
    // Lock: held for moments, and never while something of a user's runs.
    state: Mutex<State>,
    /// What a collection works with. Not there while one is under way.
    workshop: Mutex<Option<Box<Workshop>>>,
    on_updated: Mutex<Arc<Vec<Arc<OnUpdated>>>>,
    targets: Mutex<Option<Arc<dyn TargetSource>>>,
    alerting: Alerting,
    /// Rung when the next collection may be due sooner than was planned.
    bell: Arc<Notify>,
    /// The time of day.
    wall: WallClock,
}

struct State {
    settings: MonitorSettings,
    timeline: Timeline,
    /// When the last collection began.
    collected_at: Instant,
    /// When the last one began that is finished.
    finished: Instant,
    watched: BTreeMap<Arc<str>, Watched>,
    /// The pools that are there and were never measured, because that panics.
    unmeasured: Vec<Arc<str>>,
    /// How many of them have a history.
    histories: usize,
    /// Whether it was told that there is no room for the history of a pool.
    warned: bool,
    rounds: Option<Rounds>,
}

/// What is known of one pool.
struct Watched {
    sample: Arc<Sample>,
    /// When the last collection that measured it began.
    measured_at: Instant,
    metrics: PerformanceMetrics,
    /// What the last collection found.
    interval: Interval,
    /// The most connections in use at once in any collection.
    peak: usize,
    history: Option<History>,
}

impl PoolMonitor {
    /// Makes a monitor of the pools that are in the set, now or later. It does nothing until it is [started](Self::start) or
    /// [asked](Self::collect).
    ///
    /// One monitor for a pool: each would miss the peaks that another one has asked for.
    ///
    /// # Errors
    ///
    /// If any setting is out of its range, names all that are.
    pub fn new(pools: PoolSet, settings: MonitorSettings) -> Result<Self, SettingsError> {
        Self::with_clock(pools, settings, Box::new(SystemTime::now))
    }

    fn with_clock(pools: PoolSet, settings: MonitorSettings, wall: WallClock) -> Result<Self, SettingsError> {
        settings.check()?;
        let now = Instant::now();
        let state = State {
            settings,
            timeline: Timeline::new(now, wall()),
            collected_at: now,
            finished: now,
            watched: BTreeMap::new(),
            unmeasured: Vec::new(),
            histories: 0,
            warned: false,
            rounds: None,
        };
        let shared = Arc::new(Shared {
            pools,
            state: Mutex::new(state),
            workshop: Mutex::new(Some(Box::default())),
            on_updated: Mutex::default(),
            targets: Mutex::default(),
            alerting: Alerting::default(),
            bell: Arc::default(),
            wall,
        });
        let handle = Arc::new(Handle(Arc::downgrade(&shared)));
        Ok(PoolMonitor { shared, handle })
    }

    /// Begins to collect: at once, and then at every multiple of the interval. Does nothing if it is running.
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

    /// Ends collecting, and waits until no collection is under way. What is known stays. Does nothing if it is not running.
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

    /// Measures all pools now, whether the monitor is running or not. Does nothing if a collection is under way.
    ///
    /// Two collections in one interval are one point of the history.
    pub fn collect(&self) {
        self.shared.collect();
    }

    /// A handle that does not keep the monitor alive.
    ///
    /// # Examples
    ///
    /// ```
    /// # fn main() -> Result<(), pool_monitor::SettingsError> {
    /// use pool_monitor::{MonitorSettings, PoolMonitor};
    ///
    /// let monitor = PoolMonitor::new(pool_core::PoolSet::new(), MonitorSettings::default())?;
    /// let weak = monitor.downgrade();
    /// monitor.on_alert_triggered(move |_| {
    ///     let Some(monitor) = weak.upgrade() else { return };
    ///     println!("{} alerts", monitor.alerts().len());
    /// });
    /// # Ok(())
    /// # }
    /// ```
    pub fn downgrade(&self) -> WeakPoolMonitor {
        WeakPoolMonitor { shared: Arc::downgrade(&self.shared), handle: Arc::downgrade(&self.handle) }
    }

    /// Calls `call` with the metrics of each pool after each collection. It may call back into the monitor, by a
    /// [weak handle](Self::downgrade): a clone of the monitor in it would keep the monitor alive, and collecting, for ever. One that
    /// blocks delays the next collection; a panic is caught and logged.
    pub fn on_metrics_updated(&self, call: impl Fn(&PerformanceMetrics) + Send + Sync + 'static) {
        let mut calls = self.shared.on_updated.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::make_mut(&mut calls).push(Arc::new(Box::new(call)));
    }

    /// Has `source` asked at each collection how the targets of the pools are. Replaces the one before.
    pub fn set_target_source(&self, source: Arc<dyn TargetSource>) {
        let mut targets = self.shared.targets.lock().unwrap_or_else(PoisonError::into_inner);
        let before = targets.replace(source);
        drop(targets);
        // Without the lock: its drop is the user's.
        drop(before);
    }

    /// The present settings.
    pub fn settings(&self) -> MonitorSettings {
        self.shared.state().settings.clone()
    }

    /// Replaces all settings. Histories keep what they hold, as far as it fits: if a step is another one now, several points
    /// become one, or points are farther apart than the step.
    ///
    /// # Errors
    ///
    /// If any setting is out of its range, names all that are and changes nothing.
    pub fn set_settings(&self, settings: MonitorSettings) -> Result<(), SettingsError> {
        settings.check()?;
        self.shared.state().replace_settings(settings);
        self.shared.bell.notify_one();
        Ok(())
    }

    /// How a pool performs, as of the last collection; `None` = there is no such pool in the set, or it was not measured yet.
    pub fn metrics(&self, pool: &str) -> Option<PerformanceMetrics> {
        self.shared.ask(pool, |watched, _| watched.metrics.clone())
    }

    /// How all pools perform, by name.
    pub fn all_metrics(&self) -> Vec<PerformanceMetrics> {
        self.shared.ask_all(|watched, _| watched.metrics.clone())
    }

    /// The samples of the last collection, by name of the pool.
    ///
    /// What that collection could not measure is not among them, nor anything once no collection has been finished for four
    /// intervals, though at least 4 min: exporters would take it for what is now. See [`unmeasured`](Self::unmeasured).
    pub fn samples(&self) -> Vec<Arc<Sample>> {
        let fresh = self.shared.ask_all(|watched, is_fresh| is_fresh.then(|| Arc::clone(&watched.sample)));
        fresh.into_iter().flatten().collect()
    }

    /// The pools that are there and have none of the [`samples`](Self::samples), by name.
    pub fn unmeasured(&self) -> Vec<Unmeasured> {
        let known = self.shared.ask_all(|watched, is_fresh| {
            let Sample { pool, measured_at, .. } = &*watched.sample;
            (!is_fresh).then(|| Unmeasured { pool: Arc::clone(pool), measured_at: Some(*measured_at) })
        });
        let never = self.shared.state().unmeasured.clone();
        let never = never.into_iter().filter(|pool| self.shared.is_open(pool));
        let never = never.map(|pool| Unmeasured { pool, measured_at: None });
        let mut unmeasured: Vec<_> = known.into_iter().flatten().chain(never).collect();
        unmeasured.sort_by(|a, b| a.pool.cmp(&b.pool));
        unmeasured
    }

    /// What is known of a pool from one time to another: every step that begins in `[from, to)`; `None` = there is no such
    /// pool, it was not measured yet, or there was no memory for its history.
    pub fn history(&self, pool: &str, from: SystemTime, to: SystemTime) -> Option<MetricsHistory> {
        let ask = |watched: &Watched, timeline: &Timeline| {
            let now = timeline.position(Instant::now());
            let history = watched.history.as_ref()?;
            Some(history.range(timeline.find(from), timeline.find(to), now, timeline))
        };
        self.shared.ask(pool, ask)?
    }

    /// All that is known of a pool in a window of this length up to now; `None` as for [`history`](Self::history).
    pub fn window(&self, pool: &str, length: Duration) -> Option<MetricsWindow> {
        let ask = |watched: &Watched, timeline: &Timeline| {
            Some(watched.history.as_ref()?.window(length, timeline.position(Instant::now())))
        };
        self.shared.ask(pool, ask)?
    }

    /// Where a metric is heading, by a window of this length up to now; `None` as for [`history`](Self::history), and if
    /// nothing is known of half of the window.
    pub fn trend(&self, pool: &str, metric: Metric, length: Duration) -> Option<Trend> {
        let ask = |watched: &Watched, timeline: &Timeline| {
            watched.history.as_ref()?.trend(metric, length, timeline.position(Instant::now()))
        };
        self.shared.ask(pool, ask)?
    }

    /// What a metric reads over a window up to now, or of the last collection: what rules are judged by. See
    /// [`Readings`](crate::Readings).
    pub fn read(&self, pool: &str, metric: Metric, window: Option<Duration>) -> Option<f64> {
        let ask = |watched: &Watched, timeline: &Timeline| {
            watched.read(metric, window, timeline.position(Instant::now()))
        };
        self.shared.ask(pool, ask)?
    }

    /// How often the system's clock was set back while the monitor collected. That moves the times which points are shown
    /// with, and nothing else.
    pub fn clock_regressions(&self) -> u64 {
        self.shared.state().timeline.regressions()
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_open(&self, pool: &str) -> bool {
        self.pools.get(pool).is_some_and(|pool| !pool.is_closed())
    }

    /// Asks something of one pool, if it is there.
    fn ask<R>(&self, pool: &str, ask: impl FnOnce(&Watched, &Timeline) -> R) -> Option<R> {
        if !self.is_open(pool) {
            return None;
        }
        let state = self.state();
        state.watched.get(pool).map(|watched| ask(watched, &state.timeline))
    }

    /// Asks something of all pools that are there, telling whether what is known of it is of the last collection, and that not
    /// too old.
    fn ask_all<R>(&self, ask: impl Fn(&Watched, bool) -> R) -> Vec<R> {
        let state = self.state();
        let names: Vec<_> = state.watched.keys().cloned().collect();
        // A collection that is under way has measured some pools anew, and the others are as they were.
        let since = if Instant::now() < state.valid_until() { Some(state.finished) } else { None };
        drop(state);
        let ask = |watched: &Watched, _: &Timeline| {
            ask(watched, since.is_some_and(|since| watched.measured_at >= since))
        };
        names.iter().filter_map(|pool| self.ask(pool, ask)).collect()
    }
}

impl State {
    fn is_running(&self) -> bool {
        self.rounds.as_ref().is_some_and(|rounds| !rounds.is_over())
    }

    /// Until when what the last collection found is told as how it is now. A Prometheus gives its alerts as long.
    fn valid_until(&self) -> Instant {
        self.collected_at + 4 * self.settings.collection_interval.max(Duration::from_secs(60))
    }

    /// Forgets all pools but these.
    fn retain(&mut self, is_there: impl Fn(&str) -> bool) {
        self.watched.retain(|pool, _| is_there(pool));
        self.count_histories();
    }

    fn count_histories(&mut self) {
        self.histories = self.watched.values().filter(|watched| watched.history.is_some()).count();
    }

    fn replace_settings(&mut self, settings: MonitorSettings) {
        let same_tiers = settings.all_tiers().eq(self.settings.all_tiers());
        self.settings = settings;
        self.warned = false;
        let (position, mut room) =
            (self.timeline.position(Instant::now()), self.settings.pools_with_history());
        let mut scratch = pool_core::PoolHistograms::default();
        for history in self.watched.values_mut().map(|watched| &mut watched.history) {
            match history {
                Some(_) if room == 0 => *history = None,
                Some(kept) => {
                    room -= 1;
                    if !same_tiers {
                        *kept = kept.rebuilt(&self.settings, position, &mut scratch);
                    }
                }
                None => {}
            }
        }
        self.count_histories();
    }
}

/// Shows how much each pool is used.
impl std::fmt::Debug for PoolMonitor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let state = self.shared.state();
        let watched = state.watched.iter();
        f.debug_map().entries(watched.map(|(pool, watched)| (pool, watched.metrics.utilization))).finish()
    }
}
