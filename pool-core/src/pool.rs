//! The handle of a pool.

use std::fmt;
use std::panic::Location;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::time::Instant;

use crate::acquire::{Acquire, AcquireOptions, Priority, try_acquire};
use crate::builder::PoolBuilder;
use crate::connection::{ConnectionId, ConnectionInfo, Holder, Owner};
use crate::connector::Connector;
use crate::error::{AcquireError, ConnectFailure, Outage, WarmUpError};
use crate::histogram::PoolHistograms;
use crate::options::{OptionsError, PoolOptions};
use crate::pool_id::PoolId;
use crate::pooled::Pooled;
use crate::shared::{Resident, Shared};
use crate::sizing::SizingAdvice;
use crate::state::{Phase, Request, State};
use crate::stats::{PoolCounters, PoolSnapshot, PoolStats};
use crate::target::Target;
use crate::timer::{Ended, Timer};

/// A pool of connections. Clones are handles of the same pool.
///
/// When the last handle is dropped, the pool closes: idle connections at once, busy ones when they come back.
///
/// # Examples
///
/// ```
/// # use pool_core::fake::FakeConnector;
/// # use pool_core::Pool;
/// # use std::time::Duration;
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let pool = Pool::builder(FakeConnector::new())
///     .name("orders")
///     .max_connections(20)
///     .min_connections(5)
///     .acquire_timeout(Duration::from_secs(5))
///     .build()?;
///
/// let connection = pool.acquire().await?;
/// assert_eq!(pool.stats().active, 1);
/// drop(connection);
///
/// let report = pool.close(Duration::from_secs(10)).await;
/// assert!(report.still_held.is_empty());
/// # Ok(())
/// # }
/// ```
pub struct Pool<C: Connector> {
    shared: Arc<Shared<C>>,
}

/// Keeps a deadline within the reach of the clock.
const LONGEST_WAIT: Duration = Duration::from_secs(365 * 24 * 3600);

/// What [`Pool::close`] achieved.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct CloseReport {
    /// The pool's name.
    pub pool: Arc<str>,
    /// How long it took.
    pub took: Duration,
    /// Who still held connections when the deadline passed, oldest first. These are closed on their return.
    pub still_held: Vec<Holder>,
    /// Connections that were still being closed when the deadline passed.
    pub still_closing: usize,
}

impl CloseReport {
    /// Whether every connection is gone.
    pub fn is_complete(&self) -> bool {
        self.still_held.is_empty() && self.still_closing == 0
    }
}

impl fmt::Display for CloseReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "pool `{}` closed in {}", self.pool, crate::connection::Span(self.took))?;
        if self.still_closing > 0 {
            write!(f, "; {} connections are still being closed", self.still_closing)?;
        }
        for (index, holder) in self.still_held.iter().enumerate() {
            write!(f, "{}{holder}", if index == 0 { "; still held: " } else { ", " })?;
        }
        Ok(())
    }
}

/// What [`Pool::check`] found.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct CheckReport {
    /// The connection that was validated.
    pub connection: ConnectionId,
    /// How long acquiring and validating it took.
    pub took: Duration,
}

impl<C: Connector> Pool<C> {
    /// Begins to describe a pool of what `connector` opens.
    pub fn builder(connector: C) -> PoolBuilder<C> {
        PoolBuilder::new(connector)
    }

    pub(crate) fn from_shared(shared: Arc<Shared<C>>) -> Self {
        Pool { shared }
    }

    /// Waits for a connection, for at most `acquire_timeout`.
    ///
    /// Leak reports and errors name the line that calls this. A helper of yours keeps its caller's line if it is
    /// a plain function with `#[track_caller]` that returns this future.
    ///
    /// # Errors
    ///
    /// [`AcquireError`] tells what happened and what the pool looked like.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future at any point loses nothing.
    #[inline]
    #[track_caller]
    pub fn acquire(&self) -> Acquire<'_, C> {
        Acquire::new(&self.shared, None, Location::caller())
    }

    /// Waits for a connection, for at most `timeout`.
    ///
    /// # Errors
    ///
    /// As [`acquire`](Pool::acquire). A timeout of zero fails at once, even if a connection is free; to take
    /// what is free, use [`try_acquire`](Pool::try_acquire).
    ///
    /// # Cancel safety
    ///
    /// Dropping the future at any point loses nothing.
    #[track_caller]
    pub fn acquire_timeout(&self, timeout: Duration) -> Acquire<'_, C> {
        Acquire::new(&self.shared, Some(AcquireOptions::new().timeout(timeout)), Location::caller())
    }

    /// Waits for a connection, with a priority or timeout of its own.
    ///
    /// # Errors
    ///
    /// As [`acquire`](Pool::acquire).
    ///
    /// # Cancel safety
    ///
    /// Dropping the future at any point loses nothing.
    #[track_caller]
    pub fn acquire_with(&self, options: AcquireOptions) -> Acquire<'_, C> {
        Acquire::new(&self.shared, Some(options), Location::caller())
    }

    /// Takes a connection if one is free and needs no validation, which those need that were idle for
    /// `validate_after_idle` (500 ms); never waits.
    ///
    /// Finding none makes the pool open one more, or validate an idle one, if it may. With
    /// `validate_after_idle` zero every connection needs validation, so this never gets one.
    ///
    /// # Errors
    ///
    /// Fails when the pool is closed or paused, or its target is down; `Ok(None)` means that nothing is free
    /// right now.
    #[track_caller]
    pub fn try_acquire(&self) -> Result<Option<Pooled<C>>, AcquireError> {
        try_acquire(&self.shared, Location::caller())
    }

    /// Blocks the thread until it has a connection, for at most `acquire_timeout`.
    ///
    /// For threads that run no async code: plain ones, and those of `spawn_blocking`. The pool's own runtime must
    /// be running elsewhere.
    ///
    /// # Errors
    ///
    /// As [`acquire`](Pool::acquire).
    ///
    /// # Panics
    ///
    /// When called inside a runtime: use [`acquire`](Pool::acquire) there.
    #[track_caller]
    pub fn acquire_blocking(&self) -> Result<Pooled<C>, AcquireError> {
        let acquire = self.acquire();
        self.shared.runtime.block_on(acquire)
    }

    /// The pool's name.
    pub fn name(&self) -> &str {
        &self.shared.name
    }

    /// Which pool it is; handles of one pool have the same.
    pub fn id(&self) -> PoolId {
        self.shared.id
    }

    /// What the pool's connections lead to, if the connector tells.
    pub fn target(&self) -> Option<Target> {
        self.shared.guard("target", || self.shared.connector.target()).flatten()
    }

    /// How many handles of the pool there are, this one included. Connections in use are none, nor are futures.
    ///
    /// Of use to whoever keeps a pool only for others: if it has the last handle, nobody can ask for a connection
    /// meanwhile, and nobody will unless it gives out another one.
    pub fn handles(&self) -> usize {
        // Ordering: what others did with a handle that is gone happens before the pool is given up for it.
        self.shared.handles.load(Ordering::Acquire)
    }

    /// Whether this connection is one of this pool.
    pub fn owns(&self, connection: &Pooled<C>) -> bool {
        Arc::ptr_eq(&self.shared, connection.shared())
    }

    /// The connector.
    pub fn connector(&self) -> &C {
        &self.shared.connector
    }

    /// Gauges and counters of one instant.
    pub fn snapshot(&self) -> PoolSnapshot {
        self.shared.read(|state, now| state.snapshot(now))
    }

    /// How the pool is now.
    pub fn stats(&self) -> PoolStats {
        self.shared.read(|state, now| state.stats(now))
    }

    /// What has happened since the pool was built, or since [`reset_stats`](Pool::reset_stats).
    pub fn counters(&self) -> PoolCounters {
        self.snapshot().counters
    }

    /// The limit that the pool recommends or has chosen, and why; `None` with [`Sizing::Off`](crate::Sizing) and before the
    /// first round of housekeeping.
    pub fn sizing_advice(&self) -> Option<SizingAdvice> {
        self.shared.read(|state, _| state.sizing_advice())
    }

    /// How long acquires waited, connections were held, and connects took.
    pub fn histograms(&self) -> PoolHistograms {
        let mut histograms = PoolHistograms::default();
        self.read_histograms(&mut histograms);
        histograms
    }

    /// As [`histograms`](Pool::histograms) and [`snapshot`](Pool::snapshot), of one instant. Allocates nothing.
    pub fn read_histograms(&self, into: &mut PoolHistograms) -> PoolSnapshot {
        self.shared.read(|state, now| {
            state.histograms(into);
            state.snapshot(now)
        })
    }

    /// The most connections that were [active](PoolStats::active) at once since this was last asked, or since the pool was
    /// built. For one who asks, such as a monitor: each asks for what the other misses.
    ///
    /// Never too low. It is too high where the pool cannot tell whether two connections were in use at once or one after
    /// the other: taken without the lock, by threads that begin at different words of free connections, or at the
    /// same word in a gap that another one had left. Whatever goes through the lock begins the comparison anew.
    pub fn take_peak(&self) -> usize {
        self.shared.with(|state, _, _| state.take_peak())
    }

    /// Sets all counters to zero, at once and without losing a count. Callers inside an acquire count as
    /// requests of the new period.
    pub fn reset_stats(&self) {
        self.shared.with(|state, now, _| state.reset_counters(now));
    }

    /// Every connection, by id.
    pub fn connections(&self) -> Vec<ConnectionInfo> {
        self.shared.read(|state, now| state.connections(now))
    }

    /// Who holds connections, oldest first.
    pub fn holders(&self) -> Vec<Holder> {
        self.shared.read(|state, now| state.holders(now))
    }

    /// The failing run of connects under way, if there is one.
    pub fn outage(&self) -> Option<Outage> {
        self.shared.read(|state, now| state.outage(now))
    }

    /// The last connect that failed, however long ago; `None` if none has.
    pub fn last_connect_failure(&self) -> Option<ConnectFailure> {
        self.shared.read(|state, now| state.last_connect_failure(now))
    }

    /// Whether the pool is closed or closing.
    pub fn is_closed(&self) -> bool {
        self.shared.read(|state, _| state.is_shut())
    }

    /// Whether the pool is paused.
    pub fn is_paused(&self) -> bool {
        self.shared.read(|state, _| state.phase() == Phase::Paused)
    }

    /// The present options.
    pub fn options(&self) -> PoolOptions {
        self.shared.read(|state, _| PoolOptions::clone(state.options()))
    }

    /// Replaces all options at once. What waits keeps its deadline; what is born keeps its birthday.
    ///
    /// A smaller `max_connections` closes idle connections now and busy ones on their return. A change of
    /// `max_lifetime` applies to the connections there are.
    ///
    /// # Errors
    ///
    /// If any option is out of its range, names all that are and changes nothing.
    pub fn set_options(&self, options: PoolOptions) -> Result<(), OptionsError> {
        let options = options.checked()?;
        self.shared.with(|state, now, fx| state.reconfigure(options, now, fx));
        Ok(())
    }

    /// Changes some options, all at once.
    ///
    /// `change` works on a copy, and runs again if somebody else replaced the options meanwhile, so that
    /// neither change is lost.
    ///
    /// # Errors
    ///
    /// If any option ends up out of its range, names all that are and changes nothing.
    ///
    /// # Examples
    ///
    /// ```
    /// # use pool_core::{Pool, fake::FakeConnector};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let pool = Pool::builder(FakeConnector::new()).build()?;
    /// pool.reconfigure(|options| options.max_connections = 4)?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn reconfigure(&self, change: impl Fn(&mut PoolOptions)) -> Result<(), OptionsError> {
        loop {
            let before = self.options();
            let mut wanted = before.clone();
            change(&mut wanted);
            let wanted = wanted.checked()?;
            let applied = self.shared.with(|state, now, fx| {
                let unchanged = **state.options() == before;
                if unchanged {
                    state.reconfigure(wanted, now, fx);
                }
                unchanged
            });
            if applied {
                return Ok(());
            }
        }
    }

    /// Changes `max_connections`.
    ///
    /// # Errors
    ///
    /// If it is zero, or less than `min_connections`; nothing is changed then.
    pub fn resize(&self, max_connections: usize) -> Result<(), OptionsError> {
        self.reconfigure(|options| options.max_connections = max_connections)
    }

    /// Stops handing out connections. Callers wait, and their deadlines keep running.
    pub fn pause(&self) {
        self.shared.with(|state, _, fx| state.pause(fx));
    }

    /// Hands out connections again.
    pub fn resume(&self) {
        self.shared.with(|state, now, fx| state.resume(now, fx));
    }

    /// Closes one connection: now if it is idle, on its return if it is busy. Returns whether it exists.
    pub fn evict(&self, connection: ConnectionId) -> bool {
        self.shared.with(|state, now, fx| state.evict(connection, now, fx))
    }

    /// Closes all idle connections. Returns how many.
    pub fn evict_idle(&self) -> usize {
        self.shared.with(|state, now, fx| state.evict_idle(now, fx))
    }

    /// Closes all idle connections that are older than `max_lifetime` allows. Returns how many. The keeper
    /// does this by itself every `maintenance_interval`.
    pub fn evict_expired(&self) -> usize {
        self.shared.with(|state, now, fx| state.evict_expired(now, fx))
    }

    /// Makes sure that no connection which exists now, or is being opened, is handed out again: idle ones
    /// are closed now, busy ones on their return. The next connect begins without back-off.
    ///
    /// For changed credentials, or a server that moved. Returns the first id that a connection can have which is
    /// opened after this; [`wait_gone`](Pool::wait_gone) waits until there is none of a lower id.
    pub fn evict_all(&self) -> ConnectionId {
        self.shared.with(|state, now, fx| state.evict_all(now, fx))
    }

    /// Waits until every connection is gone whose id is lower than `first_new`, for at most `deadline`. Returns
    /// those that are still there, by id.
    ///
    /// One that was [abandoned](Pool::abandon) or [detached](Pooled::detach) is gone.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future changes nothing.
    pub async fn wait_gone(&self, first_new: ConnectionId, deadline: Duration) -> Vec<ConnectionInfo> {
        let deadline = Instant::now() + deadline.min(LONGEST_WAIT);
        self.until(deadline, |state, now| {
            let mut left = state.connections(now);
            left.retain(|connection| connection.id < first_new);
            (left.is_empty() || now >= deadline).then_some(left)
        })
        .await
    }

    /// Has all idle connections validated in the background, and the bad ones closed. Returns how many are
    /// being validated.
    pub fn evict_invalid(&self) -> usize {
        self.shared.with(|state, now, fx| state.evict_invalid(now, fx))
    }

    /// Writes off a connection whose holder will never give it back, so that the pool may open another.
    /// Returns whether somebody held it. Should the guard be dropped after all, its connection is closed.
    ///
    /// Until then the number of open connections may exceed `max_connections`.
    pub fn abandon(&self, connection: ConnectionId) -> bool {
        self.shared.with(|state, now, fx| state.abandon(connection, now, fx))
    }

    /// Waits until `min_connections` are open, for at most `acquire_timeout`.
    ///
    /// # Errors
    ///
    /// Fails as soon as the target is known to be down, with the cause; a connect that fails for half a second is
    /// enough, or a login that is refused. Without `fail_fast` it goes on trying to the end of `acquire_timeout`.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future changes nothing: the pool goes on opening connections.
    #[track_caller]
    pub fn warm_up(&self) -> impl Future<Output = Result<(), WarmUpError>> + Send + '_ {
        let (site, owner, begun) = (Location::caller(), Owner::current(), Instant::now());
        async move {
            let timeout = self.shared.read(|state, _| state.options().acquire_timeout);
            let deadline = begun + timeout;
            let request = Request {
                owner,
                site,
                priority: Priority::Normal,
                begun,
                deadline: Some(deadline),
                validate: false,
                is_check: false,
            };
            self.until(deadline, |state, now| {
                let fail =
                    |error: fn(_) -> _| Some(Err(error(state.diagnose(&self.shared.name, &request, now))));
                if state.is_shut() {
                    fail(WarmUpError::Closed)
                } else if state.live() >= state.options().min_connections {
                    Some(Ok(()))
                } else if state.options().fail_fast && state.is_down(now) {
                    fail(WarmUpError::Unavailable)
                } else if now >= deadline {
                    fail(WarmUpError::Timeout)
                } else {
                    None
                }
            })
            .await
        }
    }

    /// Finds out whether the pool can deliver: acquires a connection at high priority, validates it, and
    /// gives it back. One that gets none counts as [`checks_failed`](PoolCounters::checks_failed) and as nothing else.
    ///
    /// # Errors
    ///
    /// As [`acquire`](Pool::acquire).
    ///
    /// # Cancel safety
    ///
    /// Dropping the future at any point loses nothing.
    #[track_caller]
    pub fn check(&self) -> impl Future<Output = Result<CheckReport, AcquireError>> + Send + '_ {
        self.check_with(AcquireOptions::new())
    }

    /// [`check`](Pool::check), for at most `timeout`.
    ///
    /// # Errors
    ///
    /// As [`acquire`](Pool::acquire).
    ///
    /// # Cancel safety
    ///
    /// Dropping the future at any point loses nothing.
    #[track_caller]
    pub fn check_timeout(
        &self,
        timeout: Duration,
    ) -> impl Future<Output = Result<CheckReport, AcquireError>> + Send + '_ {
        self.check_with(AcquireOptions::new().timeout(timeout))
    }

    #[track_caller]
    fn check_with(
        &self,
        options: AcquireOptions,
    ) -> impl Future<Output = Result<CheckReport, AcquireError>> + Send + '_ {
        let acquire = self.acquire_with(options.priority(Priority::High).validated()).for_check();
        async move {
            let begun = Instant::now();
            let connection = acquire.await?;
            Ok(CheckReport { connection: connection.id(), took: begun.elapsed() })
        }
    }

    /// Closes the pool: callers that wait fail at once, idle connections are closed, busy ones may finish
    /// until `deadline` has passed.
    ///
    /// Returns when the last connection is gone, or at the deadline with a report of who still holds one.
    /// May be called again, and by several tasks at once; each call waits for itself.
    ///
    /// # Cancel safety
    ///
    /// The pool is closing from the first poll on; dropping the future only ends the wait.
    pub async fn close(&self, deadline: Duration) -> CloseReport {
        let begun = Instant::now();
        self.shared.with(|state, now, fx| state.close(now, fx));
        let deadline = begun + deadline.min(LONGEST_WAIT);
        self.until(deadline, |state, now| {
            (state.phase() == Phase::Closed || now >= deadline).then(|| {
                let stats = state.stats(now);
                CloseReport {
                    pool: Arc::clone(&self.shared.name),
                    took: now - begun,
                    still_held: state.holders(now),
                    still_closing: stats.destroying + stats.creating + stats.validating,
                }
            })
        })
        .await
    }

    /// Waits until `look` has an answer; asks it after every change and at the deadline.
    async fn until<R>(
        &self,
        deadline: Instant,
        look: impl Fn(&State<Resident<C>>, Instant) -> Option<R>,
    ) -> R {
        let mut timer = pin!(Timer::new(&self.shared.runtime, deadline));
        loop {
            let mut changed = pin!(self.shared.changed.notified());
            // Registered before looking, so that no change is missed in between.
            changed.as_mut().enable();
            if let Some(answer) = self.shared.read(&look) {
                return answer;
            }
            tokio::select! {
                () = changed => {}
                alarm = timer.as_mut() => {
                    if alarm == Ended::RuntimeGone {
                        // Nothing more will happen: this is as good as the deadline.
                        self.shared.with(State::lose_runtime);
                        return self
                            .shared
                            .read(|state, now| look(state, now.max(deadline)))
                            .expect("at the deadline there is an answer");
                    }
                }
            }
        }
    }
}

impl<C: Connector> Clone for Pool<C> {
    fn clone(&self) -> Self {
        // Ordering: like any reference count; only the drop to zero synchronises.
        self.shared.handles.fetch_add(1, Ordering::Relaxed);
        Pool { shared: Arc::clone(&self.shared) }
    }
}

impl<C: Connector> Drop for Pool<C> {
    fn drop(&mut self) {
        // Ordering: what other handles did before they were dropped happens before the close.
        if self.shared.handles.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.shared.with(|state, now, fx| state.close(now, fx));
        }
    }
}

/// Shows name and gauges, never the connector: that may hold secrets.
impl<C: Connector> fmt::Debug for Pool<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pool")
            .field("name", &self.shared.name)
            .field("stats", &self.stats())
            .finish_non_exhaustive()
    }
}
