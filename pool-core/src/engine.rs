//! The heart of a pool: a lock around the state machine, and the shelf in front of it.
//!
//! Taking a free connection and giving it back goes over the [`Shelf`]: one atomic operation each, and a few plain
//! stores into the slot's record. Everything else goes through [`Engine::with`], which shuts the gate of the
//! shelf, brings the [`State`] up to date with what happened there, runs one operation, and opens the gate again if
//! nothing is out of the ordinary. So the state machine never sees the shelf move, and its rules hold as
//! if every connection had gone through the lock. Only what was granted may be taken out of its hatch at any time; an
//! operation begins by taking those back that are still there.

#[cfg(test)]
#[cfg(not(pool_loom))]
mod crowd;
#[cfg(test)]
#[expect(dead_code, reason = "each of its users needs but a part of it")]
mod harness;
#[cfg(test)]
#[cfg(pool_loom)]
mod models;
#[cfg(test)]
#[cfg(pool_shuttle)]
mod schedules;
#[cfg(test)]
#[cfg(not(any(pool_loom, pool_shuttle)))]
mod tests;

use std::panic::Location;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::task::Waker;
use std::time::Duration;

use tokio::time::Instant;

use crate::clock::{Clock, Reading};
use crate::connection::Owner;
use crate::shelf::{Housed, Layout, Record, Shelf, set};
use crate::state::{Effects, Lease, Left, Request, State, WaiterId};
use crate::sync::{AtomicU64, Defect, Lock, Locked, planted};

/// With a shorter timeout the few milliseconds that a [`Reading`] may be late would matter.
const PATIENT: Duration = Duration::from_secs(1);

/// Of how many who collect the same connection one looks at the exact clock. The others are taken to have come as quickly.
const EXACT_EVERY: u64 = 8;

/// See the module's first lines. `T` is the connection.
///
/// What everybody reads is kept apart from what the lock holder writes.
#[derive(Debug)]
#[repr(C)]
pub(crate) struct Engine<T> {
    shelf: Arc<Shelf<T>>,
    clock: Clock,
    /// How many ticks ago a connection may last have been good to be taken without the lock.
    fresh_for: AtomicU64,
    /// Lock: held for one operation of the state machine, never across user code or an await.
    desk: Lines<Lock<Desk<T>>>,
}

/// Has cache lines of its own.
#[derive(Debug)]
#[repr(align(128))]
struct Lines<T>(T);

/// What the lock protects.
#[derive(Debug)]
#[repr(C)]
struct Desk<T> {
    /// Whether the gate of the shelf is open.
    open: bool,
    /// Whether nothing can happen but that connections pass from caller to caller.
    steady: bool,
    reading: Reading,
    state: State<T>,
}

/// What was found on the shelf.
#[derive(Debug)]
pub(crate) enum Taken<T> {
    /// A connection, counted as handed out.
    Ready(Lease<T>),
    /// A connection that must go through the lock first. Not counted.
    Doubtful(Lease<T>),
    /// A connection that the caller did not want after all. Not counted.
    Refused(Lease<T>),
    /// Nothing, or the gate is shut.
    Nothing,
}

/// A connection that must be given back through the lock.
#[derive(Debug)]
pub(crate) struct Unshelved<T> {
    pub(crate) lease: Lease<T>,
    /// The end of its use was counted already.
    pub(crate) counted: bool,
}

impl<T> Engine<T> {
    /// `make` makes the state machine, for this shelf and clock.
    pub(crate) fn new(
        clock: Clock,
        layout: Layout,
        make: impl FnOnce(Arc<Shelf<T>>, &Clock) -> State<T>,
    ) -> Self {
        let shelf = Shelf::new(layout);
        let state = make(Arc::clone(&shelf), &clock);
        let reading = Reading::new(clock.epoch().instant(0));
        Engine {
            shelf,
            clock,
            fresh_for: AtomicU64::new(0),
            desk: Lines(Lock::new(Desk { state, open: false, steady: false, reading })),
        }
    }

    pub(crate) fn shelf(&self) -> &Shelf<T> {
        &self.shelf
    }

    /// Takes a free connection without the lock, if the caller still wants it when told how often its slot was used.
    #[inline]
    pub(crate) fn take(
        &self,
        owner: Owner,
        site: &'static Location<'static>,
        wanted: impl FnOnce(u64) -> bool,
    ) -> Taken<T> {
        if self.shelf.seems_shut() {
            return Taken::Nothing;
        }
        // Read before the connection is taken: after the one atomic operation all else would have to wait for it.
        let now = self.clock.ticks();
        let Some(lease) = self.shelf.take() else { return Taken::Nothing };
        let record = lease.record();
        if self.is_doubtful(record, now) {
            return Taken::Doubtful(lease);
        }
        if !wanted(record.acquired.load(Relaxed)) {
            return Taken::Refused(lease);
        }
        record.end_idle(now);
        record.address(owner, site);
        record.begin_use(now);
        Taken::Ready(lease)
    }

    /// Whether a connection must go through the lock before anyone gets it.
    #[inline]
    fn is_doubtful(&self, record: &Record, now: u64) -> bool {
        let stale = now.saturating_sub(record.last_good()) >= self.fresh_for.load(Relaxed);
        stale || record.is_due(now)
    }

    /// Passes a connection that comes back to the next in line, if the pool is saturated and nothing else is to be done.
    /// Returns whom to wake.
    ///
    /// Touches nothing of the engine after it has unlocked: see [`Lease::pass_on`].
    pub(crate) fn pass_on(&self, lease: Lease<T>, counted: bool) -> Result<Option<Waker>, Lease<T>> {
        let mut desk = self.lock();
        if !desk.steady {
            return Err(lease);
        }
        let ticks = self.clock.ticks();
        let now = self.recent(&mut desk, ticks, false);
        desk.state.pass_on(lease, counted, now, ticks)
    }

    /// Puts a caller in line, if the pool is saturated and nothing else is to be done.
    pub(crate) fn queue(
        &self,
        timeout: Option<Duration>,
        make: impl FnOnce(&State<T>, Instant) -> Request,
        waker: Waker,
    ) -> Result<WaiterId, Waker> {
        let mut desk = self.lock();
        if !desk.steady {
            return Err(waker);
        }
        let patience = timeout.unwrap_or(desk.state.options().acquire_timeout);
        let now = self.recent(&mut desk, self.clock.ticks(), patience < PATIENT);
        let request = make(&desk.state, now);
        desk.state.queue(&request, waker, now)
    }

    /// A waiter gives up, if the pool is saturated and nothing else is to be done.
    pub(crate) fn give_up(&self, waiter: WaiterId) -> Option<Left> {
        let mut desk = self.lock();
        if !desk.steady {
            return None;
        }
        let ticks = self.clock.ticks();
        let now = self.recent(&mut desk, ticks, false);
        desk.state.give_up(waiter, now, ticks)
    }

    /// The time for an operation in a saturated pool.
    fn recent(&self, desk: &mut Desk<T>, ticks: u64, exact: bool) -> Instant {
        let Desk { state, reading, .. } = desk;
        self.clock.recent(reading, ticks, exact || state.options().times_exactly())
    }

    /// Collects what a caller was granted, if nothing else is to be done.
    pub(crate) fn collect(
        &self,
        waiter: WaiterId,
        owner: Owner,
        site: &'static Location<'static>,
    ) -> Option<Lease<T>> {
        self.collect_by(self.clock.ticks(), waiter, owner, site)
    }

    fn collect_by(
        &self,
        now: u64,
        waiter: WaiterId,
        owner: Owner,
        site: &'static Location<'static>,
    ) -> Option<Lease<T>> {
        let Some(lease) = self.shelf.hatches().take(waiter.node()) else {
            let exactly = self.clock.exact(now, true).unwrap_or(now);
            return self.lock().state.collect(waiter, owner, site, now, exactly);
        };
        let record = lease.record();
        if self.is_doubtful(record, now) {
            self.lock().state.uncollect(waiter, lease);
            return None;
        }
        record.address(owner, site);
        if let Some(exactly) =
            self.clock.exact(now, record.acquired.load(Relaxed).is_multiple_of(EXACT_EVERY))
        {
            self.shelf.hatches().set_came_at(waiter.node(), exactly);
        }
        record.begin_use(now);
        Some(lease)
    }

    /// Runs one operation under the lock. What follows from it is for the caller to carry out.
    pub(crate) fn with<R>(
        &self,
        operate: impl FnOnce(&mut State<T>, Instant, &mut Effects<T>) -> R,
    ) -> (R, Effects<T>) {
        self.with_clock(Instant::now, operate)
    }

    fn with_clock<R>(
        &self,
        clock: impl FnOnce() -> Instant,
        operate: impl FnOnce(&mut State<T>, Instant, &mut Effects<T>) -> R,
    ) -> (R, Effects<T>) {
        let mut effects = Effects::new();
        let mut desk = self.lock();
        let Desk { state, open, steady, reading } = &mut *desk;
        *steady = false;
        let shut = std::mem::take(open);
        let mut returned = 0;
        if shut && !planted(Defect::LookThenShut) {
            returned = self.shelf.shut();
        }
        // Read under the lock, so that time never runs backwards from one operation to the next.
        let now = clock();
        reading.renew(now);
        self.clock.compare(now);
        state.absorb(now, &mut effects);
        // Those that came back were all out at once, as far as can be told.
        state.note_peak(returned);
        if shut && planted(Defect::LookThenShut) {
            self.shelf.shut();
        }
        if planted(Defect::OpenTooEarly) {
            self.shelf.open();
        }
        let result = operate(state, now, &mut effects);
        state.note_peak(0);
        self.clock.set_exact(state.options().times_exactly());
        set(&self.fresh_for, u64::try_from(state.fresh_for().as_nanos()).unwrap_or(u64::MAX));
        if state.shelve() {
            self.shelf.open();
            *open = true;
        }
        *steady = !*open && state.is_steady();
        (result, effects)
    }

    /// Counts a panic of user code.
    pub(crate) fn count_panic(&self) {
        self.lock().state.count_panic();
    }

    /// Looks at the state without changing it.
    pub(crate) fn read<R>(&self, look: impl FnOnce(&State<T>, Instant) -> R) -> R {
        // What was taken and put meanwhile is noted without shutting the gate: each word tells one instant, and a
        // connection is either there or not.
        let mut desk = self.lock();
        let now = Instant::now();
        desk.state.glance(now);
        look(&desk.state, now)
    }

    fn lock(&self) -> Locked<'_, Desk<T>> {
        self.desk.0.lock()
    }
}

/// Gives a connection back without the lock, if that may be.
#[inline]
pub(crate) fn put<T: Housed>(lease: Lease<T>) -> Result<(), Unshelved<T>> {
    if lease.gate_is_shut() {
        return Err(Unshelved { lease, counted: false });
    }
    let engine = lease.connection().engine();
    let now = engine.clock.ticks();
    if lease.record().is_due(now) {
        return Err(Unshelved { lease, counted: false });
    }
    let used = lease.record().end_use(now);
    if used != 0 {
        engine.shelf.uses.record(used);
    }
    lease.put().map_err(|lease| Unshelved { lease, counted: true })
}

/// For tests, whose time is their own.
#[cfg(test)]
impl<T> Engine<T> {
    /// As [`with`](Engine::with).
    pub(crate) fn with_at<R>(
        &self,
        now: Instant,
        operate: impl FnOnce(&mut State<T>, Instant, &mut Effects<T>) -> R,
    ) -> (R, Effects<T>) {
        self.with_clock(|| now, operate)
    }

    /// Runs an operation of a saturated pool; `None` if it is not one.
    pub(crate) fn if_steady<R>(&self, operate: impl FnOnce(&mut State<T>) -> R) -> Option<R> {
        let mut desk = self.lock();
        desk.steady.then(|| operate(&mut desk.state))
    }

    /// An instant as the coarse clock would show it.
    pub(crate) fn ticks(&self, at: Instant) -> u64 {
        self.clock.epoch().ticks(at)
    }

    /// As [`collect`](Engine::collect).
    pub(crate) fn collect_at(
        &self,
        waiter: WaiterId,
        owner: Owner,
        site: &'static Location<'static>,
        now: Instant,
    ) -> Option<Lease<T>> {
        self.collect_by(self.ticks(now), waiter, owner, site)
    }

    /// Looks at the state as the last operation left it.
    pub(crate) fn peek<R>(&self, look: impl FnOnce(&State<T>) -> R) -> R {
        look(&self.lock().state)
    }

    /// As [`read`](Engine::read).
    pub(crate) fn read_at<R>(&self, now: Instant, look: impl FnOnce(&State<T>, Instant) -> R) -> R {
        let mut desk = self.lock();
        desk.state.glance(now);
        look(&desk.state, now)
    }

    /// Lets time pass for those who go without the lock.
    pub(crate) fn tell(&self, now: Instant) {
        self.clock.tell(now);
    }
}
