//! When which target is checked, and the checks themselves.
//!
//! One task looks for what is due and begins it. A check holds one of `max_concurrent_checks` permits until it has ended,
//! or for [`PROMPT`]: those that hang are one for each target that hangs, and delay no other.

use std::pin::pin;
use std::sync::{Arc, Weak};
use std::time::Duration;

use pool_core::PoolControl;
use tokio::sync::Semaphore;
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::{Instant, sleep, sleep_until};

use super::Shared;
use super::watched::Facts;
use crate::event::HealthEvent;
use crate::status::HealthStatus;

/// A check that takes longer makes way for the next one.
const PROMPT: Duration = Duration::from_millis(50);
/// A pool that was added to the set is found after this time at the latest.
const SYNC: Duration = Duration::from_secs(1);

/// Begins to plan checks, until the task is aborted or the monitor is gone.
pub(super) fn begin(shared: &Arc<Shared>) -> JoinHandle<()> {
    let (bell, shared) = (Arc::clone(&shared.bell), Arc::downgrade(shared));
    tokio::spawn(async move {
        // Dropped with the task, which ends the checks that are under way.
        let mut checks = JoinSet::new();
        loop {
            let Some(next) = begin_due(&shared, &mut checks) else { return };
            tokio::select! {
                () = bell.notified() => {}
                () = sleep_until(next) => {}
                Some(_) = checks.join_next(), if !checks.is_empty() => {}
            }
        }
    })
}

/// Begins the checks that are due. Returns when to look again; `None` = the monitor is gone.
fn begin_due(shared: &Weak<Shared>, checks: &mut JoinSet<()>) -> Option<Instant> {
    let shared = shared.upgrade()?;
    let now = Instant::now();
    let synced = shared.state().synced;
    if synced.is_none_or(|synced| now >= synced + SYNC) {
        shared.sync();
    }
    shared.tell_untold();
    let mut state = shared.state();
    let mut next = state.synced.unwrap_or(now) + SYNC;
    let state = &mut *state;
    for (name, watched) in &mut state.targets {
        if watched.is_in_flight {
            continue;
        }
        if watched.due > now {
            next = next.min(watched.due);
            continue;
        }
        watched.is_in_flight = true;
        let flight = Flight { shared: Arc::clone(&shared), name: name.clone() };
        let permits = Arc::clone(&state.permits);
        checks.spawn(flight.check(permits));
    }
    Some(next)
}

/// A planned check. Dropped at any time, it leaves the target to be checked again.
struct Flight {
    shared: Arc<Shared>,
    name: String,
}

impl Flight {
    async fn check(self, permits: Arc<Semaphore>) {
        let Some(turn) = turn_of(&self.shared, &self.name) else { return };
        let permit = permits.acquire_owned().await;
        let _turn = turn.lock_owned().await;
        let Some(pool) = self.begin() else { return };
        let mut check = pin!(carry_out(&self.shared, &*pool));
        tokio::select! {
            () = &mut check => return,
            () = sleep(PROMPT) => drop(permit),
        }
        check.await;
    }

    /// Begins, unless the target had better be left alone.
    fn begin(&self) -> Option<Arc<dyn PoolControl>> {
        let pool = self.shared.pool(&self.name)?;
        let snapshot = pool.snapshot();
        let mut state = self.shared.state();
        let watched = state.targets.get_mut(&self.name)?;
        if watched.is_at_rest(&snapshot) {
            watched.begin(Instant::now());
            return None;
        }
        drop(state);
        Some(pool)
    }
}

impl Drop for Flight {
    fn drop(&mut self) {
        let mut state = self.shared.state();
        if let Some(watched) = state.targets.get_mut(&self.name) {
            watched.is_in_flight = false;
            state.plan(&self.name);
        }
        drop(state);
        self.shared.bell.notify_one();
    }
}

/// Checks a target because somebody asks for it. Whether there is one.
pub(super) async fn check(shared: &Arc<Shared>, name: &str) -> bool {
    let Some(turn) = turn_of(shared, name) else { return false };
    let _turn = turn.lock_owned().await;
    let Some(pool) = shared.pool(name) else { return false };
    carry_out(shared, &*pool).await;
    shared.state().plan(name);
    shared.bell.notify_one();
    shared.tell_untold();
    true
}

/// Checks all targets at the same time.
pub(super) async fn check_all(shared: &Arc<Shared>) {
    let mut checks = JoinSet::new();
    for name in shared.names() {
        let shared = Arc::clone(shared);
        checks.spawn(async move { check(&shared, &name).await });
    }
    checks.join_all().await;
}

fn turn_of(shared: &Shared, name: &str) -> Option<Arc<tokio::sync::Mutex<()>>> {
    shared.state().targets.get(name).map(|watched| Arc::clone(&watched.turn))
}

/// One check, from its beginning to what observers are told of it.
async fn carry_out(shared: &Arc<Shared>, pool: &dyn PoolControl) {
    let name = pool.name();
    let timeout = {
        let mut state = shared.state();
        let Some(watched) = state.targets.get_mut(name) else { return };
        watched.begin(Instant::now());
        state.untold.push_back((name.to_owned(), HealthEvent::CheckStarted));
        state.settings.timeout
    };
    shared.tell_untold();
    let result = pool.check_timeout(timeout).await;
    let facts = Facts::of(pool);
    let heals = {
        let mut state = shared.state();
        let state = &mut *state;
        let (now, settings) = (Instant::now(), &state.settings);
        let Some(watched) = state.targets.get_mut(name) else { return };
        let Some(changes) = watched.conclude(&result, &facts, settings, now) else { return };
        let report = Arc::new(watched.report(&facts, now));
        let heals = settings.automatic_recovery && report.status == HealthStatus::Unhealthy;
        state.untold.push_back((name.to_owned(), HealthEvent::CheckCompleted { report }));
        state.queue(name, &facts, changes);
        heals
    };
    if heals {
        // Idle connections that are dead would be found one by one otherwise, each by a caller who has to wait for it.
        pool.evict_invalid();
    }
    shared.tell_untold();
}
