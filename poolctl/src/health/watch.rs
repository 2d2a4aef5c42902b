//! The watch itself: pools are opened, checked for a while, and closed.

use std::collections::BTreeSet;
use std::future::pending;
use std::io::{self, IsTerminal, Write as _};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use pool_config::{Config, Monitoring};
use pool_health::{HealthEvent, HealthMonitor, HealthObserver, HealthReport, HealthStatus, Issue};
use pool_manager::PoolManager;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

use crate::exit::{Failure, INVALID};

/// How long connections that are still being opened or checked may take to end.
const GOODBYE: Duration = Duration::from_secs(1);

/// What was seen.
pub(super) struct Seen {
    /// How the pools were in the end, by name.
    pub(super) reports: Vec<HealthReport>,
    /// What became of them meanwhile, in that order. That one was found healthy at first is none.
    pub(super) changes: Vec<Change>,
    /// How long it was looked.
    pub(super) lasted: Duration,
}

/// Another status of a pool.
#[derive(Debug, Clone)]
pub(super) struct Change {
    /// After what part of the watch.
    pub(super) after: Duration,
    pub(super) pool: String,
    pub(super) from: HealthStatus,
    pub(super) to: HealthStatus,
    /// What was wrong with it then.
    pub(super) issues: Vec<Issue>,
}

impl Seen {
    /// The pools that were unhealthy at any time during the watch, by name.
    pub(super) fn lost(&self) -> impl Iterator<Item = &str> {
        let is_unhealthy = |change: &&Change| [change.from, change.to].contains(&HealthStatus::Unhealthy);
        let lost = self.changes.iter().filter(is_unhealthy).map(|change| change.pool.as_str());
        lost.collect::<BTreeSet<_>>().into_iter()
    }
}

/// Opens the pools, and checks each of them until it is known how it is. Then watches them for as long as is asked for, or until
/// somebody interrupts.
pub(super) async fn watch(mut config: Config, duration: Option<Duration>) -> Result<Seen, Failure> {
    // Nothing but the pools: nobody reads the log of a command, and its file may not be for whoever runs it.
    // Nor is anybody told of alerts: whoever is named as a receiver hears of them from the service.
    config.monitoring = Monitoring { enabled: false, ..Monitoring::default() };
    config.health_monitoring.enabled = duration.is_some();
    for pool in &mut config.pools {
        // A look is no reason to open more than the one connection that is checked.
        (pool.settings.min_connections, pool.settings.min_idle) = (0, 0);
    }
    let pace = config.health_monitoring.fast_interval;
    let record = Record { begun: Instant::now(), changes: Arc::default() };
    let mut builder = PoolManager::builder();
    if duration.is_some() {
        builder = builder.health_observer(record.clone());
    }
    if io::stderr().is_terminal() {
        builder = builder.health_observer(Progress);
    }
    let manager = builder.from_config(config).await.map_err(Failure::with(INVALID))?;
    let monitor = manager.health();
    // A target that was not reached within a round of checks is as bad as one that is down.
    rounds(monitor, monitor.settings().fall).await;
    // Nobody waits for nothing.
    if let Some(duration) = duration.filter(|_| !manager.names().is_empty()) {
        let is_over = tokio::select! {
            () = check_on_and_on(&manager, pace) => false,
            () = sleep(duration) => true,
            () = interrupt() => false,
        };
        if is_over {
            monitor.check_all().await;
        }
    }
    let reports = monitor.reports();
    let (changes, lasted) = (record.lock().clone(), record.begun.elapsed());
    wipe_progress();
    manager.close(GOODBYE).await;
    Ok(Seen { reports, changes, lasted })
}

/// Checks all pools until each has passed or failed often enough to be called one or the other.
async fn rounds(monitor: &HealthMonitor, fall: u32) {
    for _ in 0..fall {
        let reports = monitor.check_all().await;
        if reports.iter().all(|report| report.consecutive_failures == 0) {
            return;
        }
    }
}

/// Checks each pool at this pace, whether it is in use or not; one that hangs holds up no other. Never ends.
async fn check_on_and_on(manager: &PoolManager, pace: Duration) {
    let mut checks = JoinSet::<()>::new();
    for pool in manager.names() {
        let monitor = manager.health().clone();
        checks.spawn(async move {
            loop {
                sleep(pace).await;
                // What it says is told to the observers.
                drop(monitor.check(&pool).await);
            }
        });
    }
    while checks.join_next().await.is_some() {}
    pending::<()>().await;
}

/// Ends when somebody presses Ctrl-C.
async fn interrupt() {
    if tokio::signal::ctrl_c().await.is_err() {
        // Then it ends the program, as it does everywhere.
        pending::<()>().await;
    }
}

/// Notes what becomes of each pool.
#[derive(Clone)]
struct Record {
    begun: Instant,
    changes: Arc<Mutex<Vec<Change>>>,
}

impl Record {
    fn lock(&self) -> MutexGuard<'_, Vec<Change>> {
        self.changes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl HealthObserver for Record {
    fn status_changed(&self, pool: &str, from: HealthStatus, to: HealthStatus, report: &HealthReport) {
        if (from, to) == (HealthStatus::Unknown, HealthStatus::Healthy) {
            return;
        }
        let (after, pool, issues) = (self.begun.elapsed(), pool.to_owned(), report.issues.clone());
        self.lock().push(Change { after, pool, from, to, issues });
    }
}

/// What is told while it lasts: what becomes of each pool.
struct Progress;

impl HealthObserver for Progress {
    fn event(&self, pool: &str, event: &HealthEvent) {
        if let HealthEvent::StatusChanged { to, .. } = event {
            // Who closes standard error does not want to see it.
            let mut out = io::stderr().lock();
            drop(write!(out, "\r\u{1b}[K{pool} is {to}").and_then(|()| out.flush()));
        }
    }
}

fn wipe_progress() {
    if io::stderr().is_terminal() {
        drop(write!(io::stderr().lock(), "\r\u{1b}[K"));
    }
}
