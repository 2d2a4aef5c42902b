//! When which target is checked, and the checks themselves.
//!
//! One task looks for what is due and begins it. A check holds one of `max_concurrent_checks` permits until it has ended,
//! or for [`PROMPT`]: those that hang are one for each target that hangs, and delay no other.

use std::pin::pin;
use std::sync::{Arc, Weak};
use std::time::Duration;

use pool_core::PoolControl;
use tokio::sync::{Mutex, Semaphore, oneshot};
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::{Instant, sleep, sleep_until};

use super::Shared;
use super::watched::Facts;
use crate::event::HealthEvent;
use crate::judge::said;
use crate::status::HealthStatus;

/// A check that takes longer makes way for the next one.
const PROMPT: Duration = Duration::from_millis(50);
/// A pool that was added to the set is found after this time at the latest.
const SYNC: Duration = Duration::from_secs(1);

/// The task that plans checks. Dropped, it tells the task to stop.
pub(super) struct Rounds {
    task: JoinHandle<()>,
    /// Dropped when it is to stop.
    stop: oneshot::Sender<()>,
}

impl Rounds {
    pub(super) fn is_over(&self) -> bool {
        self.task.is_finished()
    }

    /// Stops it, and waits until no check is under way.
    pub(super) async fn end(self) {
        drop(self.stop);
        // An error says that it panicked, or that its runtime is gone: over all the same.
        drop(self.task.await);
    }
}

/// Begins to plan checks, until that is dropped or the monitor is gone.
pub(super) fn begin(shared: &Arc<Shared>) -> Rounds {
    let (bell, shared) = (Arc::clone(&shared.bell), Arc::downgrade(shared));
    let (stop, mut stopped) = oneshot::channel();
    // Here, where it is the caller who panics if the runtime has no timers.
    drop(sleep_until(Instant::now()));
    let task = tokio::spawn(async move {
        // Dropped with the task, which ends the checks that are under way.
        let mut checks = JoinSet::new();
        while let Some(next) = begin_due(&shared, &mut checks) {
            tokio::select! {
                biased;
                _ = &mut stopped => break,
                () = bell.notified() => {}
                () = sleep_until(next) => {}
                Some(_) = checks.join_next(), if !checks.is_empty() => {}
            }
        }
        checks.shutdown().await;
    });
    Rounds { task, stop }
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
    let mut flights = Vec::new();
    let mut guard = shared.state();
    let state = &mut *guard;
    let mut next = state.synced.unwrap_or(now) + SYNC;
    for (name, watched) in &mut state.targets {
        if watched.is_in_flight {
            continue;
        }
        if watched.due > now {
            next = next.min(watched.due);
            continue;
        }
        watched.is_in_flight = true;
        let turn = Arc::clone(&watched.turn);
        flights.push(Flight { shared: Arc::clone(&shared), name: name.clone(), turn });
    }
    let permits = Arc::clone(&state.permits);
    drop(guard);
    for flight in flights {
        // Without the lock: on a runtime that is being shut down the check is dropped here and now.
        checks.spawn(flight.check(Arc::clone(&permits)));
    }
    Some(next)
}

/// A planned check. Dropped at any time, it leaves the target to be checked again.
struct Flight {
    shared: Arc<Shared>,
    name: String,
    /// That of the target: another pool may have its name by the time the check is over.
    turn: Arc<Mutex<()>>,
}

impl Flight {
    async fn check(self, permits: Arc<Semaphore>) {
        // Before the permit: who waits here for a check that hangs must delay no other.
        let _turn = Arc::clone(&self.turn).lock_owned().await;
        among_others(permits, async {
            if let Some(pool) = self.begin() {
                carry_out(&self.shared, &pool).await;
            }
        })
        .await;
    }

    /// Begins, unless the target had better be left alone.
    fn begin(&self) -> Option<Arc<dyn PoolControl>> {
        let pool = self.shared.pool(&self.name)?;
        let snapshot = pool.snapshot();
        let mut state = self.shared.state();
        let watched = state.targets.get_mut(&self.name).filter(|watched| watched.is(&pool))?;
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
        if let Some(watched) = state.targets.get_mut(&self.name)
            && Arc::ptr_eq(&watched.turn, &self.turn)
        {
            watched.is_in_flight = false;
            state.plan(&self.name);
        }
        drop(state);
        self.shared.bell.notify_one();
    }
}

/// Runs a check while it has a permit, or has had one for long enough.
async fn among_others<T>(permits: Arc<Semaphore>, check: impl Future<Output = T>) -> T {
    let permit = permits.acquire_owned().await;
    let mut check = pin!(check);
    tokio::select! {
        done = &mut check => return done,
        () = sleep(PROMPT) => drop(permit),
    }
    check.await
}

/// Checks a target because somebody asks for it. Whether there is one.
pub(super) async fn check(shared: &Arc<Shared>, name: &str) -> bool {
    let Some(turn) = turn_of(shared, name) else { return false };
    let _turn = turn.lock_owned().await;
    let Some(pool) = shared.pool(name) else { return false };
    carry_out(shared, &pool).await;
    shared.state().plan(name);
    shared.bell.notify_one();
    shared.tell_untold();
    true
}

/// Checks all targets, as many at a time as may be.
pub(super) async fn check_all(shared: &Arc<Shared>) {
    let mut checks = JoinSet::new();
    for name in shared.names() {
        let (shared, permits) = (Arc::clone(shared), Arc::clone(&shared.state().permits));
        checks.spawn(async move { among_others(permits, check(&shared, &name)).await });
    }
    checks.join_all().await;
}

fn turn_of(shared: &Shared, name: &str) -> Option<Arc<Mutex<()>>> {
    shared.state().targets.get(name).map(|watched| Arc::clone(&watched.turn))
}

/// A check under way, of which observers are told the end, whatever that is.
struct Begun<'a> {
    shared: &'a Shared,
    name: &'a str,
    has_ended: bool,
}

impl Drop for Begun<'_> {
    fn drop(&mut self) {
        if !self.has_ended {
            self.shared.state().untold.push(self.name, HealthEvent::CheckAbandoned);
            // Who dropped it need not come by again.
            self.shared.tell_untold();
        }
    }
}

/// One check, from its beginning to what observers are told of it.
async fn carry_out(shared: &Arc<Shared>, pool: &Arc<dyn PoolControl>) {
    let name = pool.name();
    let timeout = {
        let mut state = shared.state();
        let Some(watched) = state.targets.get_mut(name).filter(|watched| watched.is(pool)) else { return };
        watched.begin(Instant::now());
        state.untold.push(name, HealthEvent::CheckStarted);
        state.settings.timeout
    };
    let mut begun = Begun { shared, name, has_ended: false };
    shared.tell_untold();
    let result = pool.check_timeout(timeout).await;
    let (facts, said) = (Facts::of(&**pool), said(&result));
    let heals = {
        let mut state = shared.state();
        let state = &mut *state;
        let (now, settings) = (Instant::now(), &state.settings);
        // Another pool may have the name by now, of which this says nothing.
        let Some(watched) = state.targets.get_mut(name).filter(|watched| watched.is(pool)) else { return };
        let Some(changes) = watched.conclude(&result, said, &facts, settings, now) else { return };
        let report = Arc::new(watched.report(&facts, now));
        let heals = settings.automatic_recovery && report.status == HealthStatus::Unhealthy;
        state.untold.push(name, HealthEvent::CheckCompleted { report });
        begun.has_ended = true;
        state.queue(name, &facts, changes);
        heals
    };
    if heals {
        // Idle connections that are dead would be found one by one otherwise, each by a caller who has to wait for it.
        pool.evict_invalid();
    }
    shared.tell_untold();
}
