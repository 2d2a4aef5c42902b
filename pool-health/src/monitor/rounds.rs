//! When which target is checked, and the checks themselves.
//!
//! One task looks for what is due and begins it. A check holds one of `max_concurrent_checks` permits until it has ended,
//! or for [`PROMPT`]: those that hang are one for each target that hangs, and delay no other.

use std::pin::pin;
use std::sync::{Arc, Weak};
use std::time::Duration;

use pool_core::PoolControl;
use tokio::sync::Notify;
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

/// The task that begins checks.
#[derive(Debug)]
pub(super) struct Rounds {
    task: JoinHandle<()>,
    end: Arc<Notify>,
}

impl Rounds {
    /// Begins to plan checks, until they are ended or the monitor is gone.
    pub(super) fn begin(shared: &Arc<Shared>) -> Self {
        let (bell, end, shared) =
            (Arc::clone(&shared.bell), Arc::<Notify>::default(), Arc::downgrade(shared));
        let ended = Arc::clone(&end);
        let task = tokio::spawn(async move {
            let mut checks = JoinSet::new();
            while let Some((due, next)) = look(&shared) {
                due.into_iter().for_each(|flight| drop(checks.spawn(flight.check())));
                tokio::select! {
                    () = ended.notified() => break,
                    () = bell.notified() => {}
                    () = sleep_until(next) => {}
                    Some(_) = checks.join_next(), if !checks.is_empty() => {}
                }
            }
            checks.shutdown().await;
        });
        Rounds { task, end }
    }

    pub(super) fn is_over(&self) -> bool {
        self.task.is_finished()
    }

    /// Ends all checks, and waits until none is under way.
    ///
    /// Cancel: they end in any case.
    pub(super) async fn end(self) {
        self.end.notify_one();
        if let Err(error) = self.task.await
            && error.is_panic()
        {
            tracing::error!("the health checks had ended with a panic: {error}");
        }
    }
}

/// The checks that are due, and when to look again; `None` = the monitor is gone.
///
/// They are begun by the caller: one that cannot be, as its runtime is about to end, is dropped at once, which takes the lock.
fn look(shared: &Weak<Shared>) -> Option<(Vec<Flight>, Instant)> {
    let shared = shared.upgrade()?;
    let now = Instant::now();
    let synced = shared.state().synced;
    if synced.is_none_or(|synced| now >= synced + SYNC) {
        shared.sync();
    }
    shared.tell_untold();
    let mut state = shared.state();
    let state = &mut *state;
    let mut next = state.synced.unwrap_or(now) + SYNC;
    let mut due = Vec::new();
    for (name, watched) in state.targets.iter_mut().filter(|(_, watched)| !watched.is_in_flight) {
        if watched.due > now {
            next = next.min(watched.due);
        } else {
            watched.is_in_flight = true;
            due.push(Flight { shared: Arc::clone(&shared), name: name.clone() });
        }
    }
    Some((due, next))
}

/// A planned check. Dropped at any time, it leaves the target to be checked again.
struct Flight {
    shared: Arc<Shared>,
    name: String,
}

impl Flight {
    async fn check(self) {
        let Some(turn) = turn_of(&self.shared, &self.name) else { return };
        let _turn = turn.lock_owned().await;
        let Some(pool) = self.begin() else { return };
        among_others(&self.shared, carry_out(&self.shared, &*pool)).await;
    }

    /// The pool, unless it had better be left alone.
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

/// Runs a check while it has a permit, or has had one for long enough.
async fn among_others<T>(shared: &Shared, check: impl Future<Output = T>) -> T {
    let permits = Arc::clone(&shared.state().permits);
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
    carry_out(shared, &*pool).await;
    shared.state().plan(name);
    shared.bell.notify_one();
    true
}

/// Checks all targets, as many at a time as may be.
pub(super) async fn check_all(shared: &Arc<Shared>) {
    let mut checks = JoinSet::new();
    for name in shared.names() {
        let shared = Arc::clone(shared);
        checks.spawn(async move { among_others(&shared, check(&shared, &name)).await });
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
