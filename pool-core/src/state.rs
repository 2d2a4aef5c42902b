//! The whole pool as one pure state machine.
//!
//! Every operation is a method on `&mut State` that is given the time, changes plain data, and notes in
//! [`Effects`] what is to be done after the lock is released. Nothing here reads a clock, waits, does I/O or
//! calls user code, so every sequence of operations can be tested step by step.
//!
//! The parts: [`slots`] holds the connections, [`waiters`] the queue, [`connecting`] the back-off and what is
//! known of the target, [`lifetime`] and [`shrink`] decide who retires. The verbs are in [`admission`]
//! (callers come), [`returns`] (connections come back or leave) and [`upkeep`] (the keeper's work).
//!
//! Invariants, checked after every step of the model tests:
//! - never more than `max_connections` slots are in use, but for those that were busy when the pool shrank;
//! - no idle connection is one that must not be used again, and none is idle while there are too many;
//! - the keeper wakes no later than something is due;
//! - nobody waits while a connection that it may have is idle and the pool is open;
//! - `requests = finished + pending`;
//! - a connection is in exactly one place: its slot, a guard, the backlog, or on its way to be dropped.

mod admission;
mod advice;
mod connecting;
mod effects;
mod lifetime;
mod returns;
mod rush;
mod shrink;
mod slots;
mod totals;
mod upkeep;
mod waiters;

#[cfg(test)]
mod tests;

use std::collections::{HashSet, VecDeque};
use std::panic::Location;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

pub(crate) use self::admission::{Admission, Claim};
use self::advice::SizingWindow;
use self::connecting::Connecting;
pub(crate) use self::connecting::Failure;
pub(crate) use self::effects::Effects;
pub(crate) use self::returns::{Failing, Verdict};
pub(crate) use self::rush::Left;
use self::rush::Rest;
use self::shrink::IdleSamples;
pub(crate) use self::slots::Lease;
use self::slots::{Absorbed, Slots, Stage, Stray};
use self::totals::Totals;
use self::upkeep::UnderWay;
pub(crate) use self::upkeep::{Ticket, Turn, Work};
use self::waiters::Waiters;
pub(crate) use self::waiters::{Progress, Request, WaiterId};
use crate::acquire::Priority;
use crate::clock::Clock;
use crate::connection::{CloseReason, ConnectionId, ConnectionInfo, Holder};
use crate::error::{ConnectFailure, Diagnosis, Outage};
use crate::event::PoolEvent;
use crate::histogram::{Histogram, PoolHistograms};
use crate::options::{CheckedOptions, Fairness, PoolOptions, Reuse};
use crate::shelf::Shelf;
use crate::sizing::SizingAdvice;
use crate::stats::{PoolCounters, PoolSnapshot, PoolStats};

/// With a shorter `validate_after_idle` every acquire goes through the lock: the coarse clock would have to tick more
/// often than is worth while.
const SHORTEST_IDLE: Duration = Duration::from_millis(20);

/// Keeps what comes before it and what comes after it on different cache lines; pairs of them, as processors fetch.
#[derive(Debug)]
struct Apart {
    _padding: [u64; 16],
}

/// What is counted for each hand-over in a saturated pool.
#[derive(Debug, Default)]
struct Passed {
    requests: u64,
    acquired: u64,
    /// How many callers had to wait for what they got.
    waits: u64,
    waited: Duration,
}

/// Whether the pool hands out connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Phase {
    /// It does.
    Open,
    /// Not now; callers wait.
    Paused,
    /// Never again; connections are being closed.
    Closing,
    /// Never again, and no connection is left.
    Closed,
}

/// Why an acquire is to fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refusal {
    Timeout,
    Unavailable,
    QueueFull,
    Paused,
    Closed,
    /// Nothing is free, and the caller would not wait.
    NoneFree,
}

/// Instants of the last of each, for [`PoolCounters`].
#[derive(Debug, Default)]
struct Latest {
    created: Option<Instant>,
    destroyed: Option<Instant>,
}

/// See the module's first lines. `T` is the connection.
///
/// What each hand-over in a saturated pool touches comes first, so that few cache lines wander between processors.
#[derive(Debug)]
#[repr(C)]
pub(crate) struct State<T> {
    waiters: Waiters<T>,
    passed: Passed,
    /// How long after its grant the last caller came who looked at the exact clock, in ticks.
    way: u64,
    _apart: Apart,
    options: CheckedOptions,
    phase: Phase,
    slots: Slots<T>,
    /// When the timekeeper looks after the deadlines of those who wait; `None` = it does not run.
    alarm_at: Option<Instant>,
    timekeeper_runs: bool,
    /// When to look next for a waiter who does not come for what he was granted.
    next_search: Option<Instant>,
    connecting: Connecting,
    samples: IdleSamples,
    /// Grows with every flush and every `evict_all`.
    generation: u64,
    /// Connections of older generations must pass validation before anyone gets them.
    suspect_below: u64,
    /// One of these older generations was found dead, and the idle ones were flushed.
    flushed_below: u64,
    /// Connections of older generations are not used again.
    retired_below: u64,
    /// Work that waits for the keeper.
    backlog: VecDeque<Work<T>>,
    keeper_runs: bool,
    connects: Vec<UnderWay>,
    /// When the keeper began to validate or reset which connections.
    checks: Vec<(ConnectionId, Instant)>,
    /// When the keeper will look for work by itself.
    keeper_wakes_at: Option<Instant>,
    last_tick: Option<Instant>,
    /// Those who go without the lock may read a coarse clock.
    coarse: bool,
    /// The first date on which an idle connection retires, or earlier.
    next_retirement: Option<Instant>,
    /// `try_acquire` found nothing: one more connection would have served it.
    spare_wanted: bool,
    /// What went through the lock, but for [`Passed`]. The rest is in the records of the slots.
    counters: PoolCounters,
    /// Waits that went through the lock.
    waits: Histogram,
    connect_times: Histogram,
    sizing: SizingWindow,
    /// What the histogram of uses had counted when the counters were last reset.
    uses_before: Histogram,
    /// What the records had counted when the counters were last reset.
    before: Totals,
    /// And the time in holders' hands, in ticks.
    held_before: u64,
    /// When the counters began: the pool was built, or they were reset.
    counted_since: Instant,
    /// The most connections that were active at once since that was last asked.
    peak: usize,
    latest: Latest,
    /// Whether anyone wants to be told of every acquire and release.
    observed: bool,
    /// Call sites already warned of for nested acquires.
    nested_sites: HashSet<&'static Location<'static>>,
    rng: fastrand::Rng,
}

impl<T> State<T> {
    pub(crate) fn new(
        options: CheckedOptions,
        observed: bool,
        seed: u64,
        shelf: Arc<Shelf<T>>,
        clock: &Clock,
    ) -> Self {
        let sizing = SizingWindow::new(&options);
        State {
            sizing,
            passed: Passed::default(),
            way: 0,
            _apart: Apart { _padding: [0; 16] },
            options,
            phase: Phase::Open,
            waiters: Waiters::new(Arc::clone(shelf.hatches())),
            slots: Slots::new(shelf, clock.epoch()),
            alarm_at: None,
            timekeeper_runs: false,
            next_search: None,
            connecting: Connecting::default(),
            samples: IdleSamples::default(),
            generation: 0,
            suspect_below: 0,
            flushed_below: 0,
            retired_below: 0,
            backlog: VecDeque::new(),
            keeper_runs: false,
            connects: Vec::new(),
            checks: Vec::new(),
            keeper_wakes_at: None,
            last_tick: None,
            coarse: !clock.is_paused(),
            next_retirement: None,
            spare_wanted: false,
            counters: PoolCounters::default(),
            waits: Histogram::new(),
            connect_times: Histogram::new(),
            uses_before: Histogram::new(),
            before: Totals::default(),
            held_before: 0,
            counted_since: clock.epoch().instant(0),
            peak: 0,
            latest: Latest::default(),
            observed,
            nested_sites: HashSet::new(),
            rng: fastrand::Rng::with_seed(seed),
        }
    }

    /// Lets the pool begin: the keeper is called if connections are to be opened at once.
    pub(crate) fn open(&mut self, now: Instant, fx: &mut Effects<T>) {
        self.settle(now, fx);
    }

    pub(crate) fn options(&self) -> &CheckedOptions {
        &self.options
    }

    pub(crate) fn phase(&self) -> Phase {
        self.phase
    }

    /// Connections that a caller has or may get.
    pub(crate) fn live(&self) -> usize {
        self.slots.counts().live()
    }

    pub(crate) fn outage(&self, now: Instant) -> Option<Outage> {
        let mut outage = self.connecting.outage(now)?;
        if self.slots.counts().creating > 0 {
            // The next probe is the one that is under way.
            outage.next_probe = Duration::ZERO;
        }
        Some(outage)
    }

    pub(crate) fn last_connect_failure(&self, now: Instant) -> Option<ConnectFailure> {
        self.connecting.last_failure(now)
    }

    pub(crate) fn is_shut(&self) -> bool {
        matches!(self.phase, Phase::Closing | Phase::Closed)
    }

    /// Brings the state up to date with what was taken and put without the lock.
    pub(crate) fn absorb(&mut self, now: Instant, fx: &mut Effects<T>) {
        self.note_collected(Rest::Recover);
        let Absorbed { strays, came_back } = self.slots.absorb(false, now);
        self.spare_wanted &= !came_back;
        for stray in strays {
            match stray {
                Stray::Marked { lease, leaked } => {
                    fx.events.extend(leaked.map(|holder| PoolEvent::Unleaked { holder }));
                    self.offer_or_dispose(lease, now);
                }
                Stray::Orphan(connection) => fx.orphans.push(connection),
            }
        }
    }

    /// As [`absorb`](State::absorb), for someone who only looks.
    pub(crate) fn glance(&mut self, now: Instant) {
        self.note_collected(Rest::Leave);
        self.spare_wanted &= !self.slots.absorb(true, now).came_back;
    }

    /// Lays out idle connections for callers to take without the lock, if that may be. Returns whether it may.
    pub(crate) fn shelve(&mut self) -> bool {
        let PoolOptions { min_idle, reserve_connections, reuse, .. } = *self.options;
        let usual = self.phase == Phase::Open
            && self.waiters.waiting() == 0
            && !self.observed
            // Each of these needs a look at every connection that is taken or comes back.
            && reuse == Reuse::Lifo
            && !self.options.validate_on_return
            && self.options.max_uses == 0
            && self.options.validate_after_idle >= SHORTEST_IDLE
            && !self.connecting.awaits_proof();
        if usual {
            let counts = self.slots.counts();
            let allowed = (self.limit() - reserve_connections).saturating_sub(counts.held_normally);
            // Who takes one of the last few has others opened in its place, which is the lock's business.
            let spare = counts.idle.saturating_sub(min_idle);
            self.slots.shelve(allowed.min(spare));
        }
        usual
    }

    /// How long ago a connection may have been good, by the coarse clock, to be handed out without a second look.
    pub(crate) fn fresh_for(&self) -> Duration {
        let lag = if !self.coarse || self.options.times_exactly() { Duration::ZERO } else { Clock::LAG };
        self.options.validate_after_idle.saturating_sub(lag)
    }

    /// Replaces all options at once.
    pub(crate) fn reconfigure(&mut self, options: CheckedOptions, now: Instant, fx: &mut Effects<T>) {
        let lifetimes_change = (options.max_lifetime, options.max_connections)
            != (self.options.max_lifetime, self.options.max_connections)
            || options.lifetime_jitter != self.options.lifetime_jitter;
        let interval_changes = options.maintenance_interval != self.options.maintenance_interval;
        if options.leak_detection_threshold != self.options.leak_detection_threshold {
            self.slots.keep_threshold(self.options.leak_detection_threshold);
        }
        self.options = options;
        if lifetimes_change {
            self.appoint_anew(now);
        }
        if interval_changes {
            // Whoever was late for the old interval is not late for the new one.
            self.last_tick = self.last_tick.map(|_| now);
        }
        self.samples.restart();
        fx.changed = true;
        fx.events.push(PoolEvent::Reconfigured);
        self.sizing.reconfigure(&self.options);
        self.close_surplus(now);
        self.settle(now, fx);
    }

    pub(crate) fn pause(&mut self, fx: &mut Effects<T>) {
        if self.phase == Phase::Open {
            self.phase = Phase::Paused;
            fx.events.push(PoolEvent::Paused);
        }
    }

    pub(crate) fn resume(&mut self, now: Instant, fx: &mut Effects<T>) {
        if self.phase == Phase::Paused {
            self.phase = Phase::Open;
            // Nothing was tried meanwhile, and a pause is often there to mend the target.
            self.connecting.retry_now(now);
            fx.events.push(PoolEvent::Resumed);
            self.settle(now, fx);
        }
    }

    /// Begins to close: waiters fail at once, idle connections are closed, busy ones when they come back.
    pub(crate) fn close(&mut self, now: Instant, fx: &mut Effects<T>) {
        if self.is_shut() {
            return;
        }
        self.phase = Phase::Closing;
        self.slots.mark_all();
        fx.events.push(PoolEvent::Closing);
        fx.changed = true;
        self.refuse_all(Refusal::Closed, fx);
        for index in self.slots.idle().collect::<Vec<_>>() {
            self.dispose_idle(index, CloseReason::PoolClosed, now);
        }
        // The keeper gives up the connects that are under way.
        fx.ring |= self.keeper_runs;
        self.settle(now, fx);
    }

    /// Puts the pool beyond use because its runtime is gone: nothing can be awaited any more.
    pub(crate) fn lose_runtime(&mut self, now: Instant, fx: &mut Effects<T>) {
        self.close(now, fx);
        self.keeper_runs = false;
        self.timekeeper_runs = false;
        self.alarm_at = None;
        self.checks.clear();
        for work in std::mem::take(&mut self.backlog) {
            match work {
                Work::Close(lease) => fx.abort.push(lease),
                Work::Reset(lease) | Work::Validate(lease, _) => {
                    self.abort(lease, CloseReason::PoolClosed, fx);
                }
                Work::Connect(ticket) => self.connect_abandoned(&ticket, now, fx),
            }
        }
        fx.ring = false;
        fx.alarm = false;
    }

    /// Forgets all counts. Callers inside an acquire count as requests of the new period.
    pub(crate) fn reset_counters(&mut self, now: Instant) {
        let pending = (self.waiters.pending() + self.slots.counts().checked_by_caller) as u64;
        self.counters = PoolCounters { requests: pending, ..PoolCounters::default() };
        self.passed = Passed::default();
        self.sizing.disturb();
        self.waits = Histogram::new();
        self.connect_times = Histogram::new();
        self.uses_before = self.slots.uses_so_far();
        self.before = self.totals();
        self.held_before = self.slots.held(now);
        self.counted_since = now;
        self.latest = Latest::default();
    }

    /// Notes how many connections are active now, and so many more that were not free at some time since this was last
    /// noted.
    pub(crate) fn note_peak(&mut self, more: usize) {
        self.peak = self.peak.max(self.slots.counts().active + more);
    }

    /// The most connections that were active at once since this was last asked.
    pub(crate) fn take_peak(&mut self) -> usize {
        std::mem::replace(&mut self.peak, self.slots.counts().active)
    }

    pub(crate) fn count_panic(&mut self) {
        self.counters.panics += 1;
    }

    pub(crate) fn stats(&self, now: Instant) -> PoolStats {
        let counts = self.slots.counts();
        let waiting = self.waiters.waiting();
        PoolStats {
            total: counts.total(),
            idle: counts.idle,
            active: counts.active,
            validating: counts.checked_by_caller + counts.checked_by_keeper,
            creating: counts.creating,
            destroying: counts.destroying,
            waiting,
            pending: self.waiters.pending() + counts.checked_by_caller,
            oldest_wait: self
                .waiters
                .oldest()
                .map_or(Duration::ZERO, |begun| now.saturating_duration_since(begun)),
            leaked: counts.leaked,
            unhealthy: self
                .slots
                .iter()
                .filter(|(index, slot)| match slot.stage() {
                    Stage::Idle(_) | Stage::Shelved => slot.generation < self.suspect_below,
                    Stage::Active if !self.slots.is_in_use(*index) => slot.generation < self.suspect_below,
                    Stage::Active => slot.doomed == Some(CloseReason::Discarded),
                    _ => false,
                })
                .count(),
            max: self.options.max_connections,
            min: self.options.min_connections,
        }
    }

    pub(crate) fn snapshot(&self, now: Instant) -> PoolSnapshot {
        let ago = |instant: Option<Instant>| instant.map(|at| now.saturating_duration_since(at));
        let totals = self.totals().since(self.before);
        let last = |count: u64, ticks| ago((count > 0).then(|| self.slots.epoch().instant(ticks)));
        let counters = PoolCounters {
            // Those that went over the shelf were counted nowhere else.
            requests: self.counters.requests + self.passed.requests + totals.acquired
                - self.counters.acquired
                - self.passed.acquired,
            wait_time: self.counters.wait_time + self.passed.waited,
            acquired: totals.acquired,
            released: totals.released,
            use_time: Duration::from_nanos(totals.used),
            held_time: Duration::from_nanos(self.slots.held(now).saturating_sub(self.held_before)),
            elapsed: now.saturating_duration_since(self.counted_since),
            idle_time: Duration::from_nanos(totals.idled),
            // Each use ended one, but for what is counted here: spells that no use followed.
            idle_spells: totals.acquired + self.counters.idle_spells,
            last_created: ago(self.latest.created),
            last_destroyed: ago(self.latest.destroyed),
            last_acquired: last(totals.acquired, totals.last_acquired),
            last_released: last(totals.released, totals.last_released),
            ..self.counters.clone()
        };
        PoolSnapshot { stats: self.stats(now), counters }
    }

    /// What all records count, together.
    ///
    /// A use that began after the books were brought up to date is left out until the next time: else it would count as one
    /// that went over the shelf, and the number of requests would step back once it is known to have waited.
    fn totals(&self) -> Totals {
        self.slots.totals(|index| {
            let waiter = self.slots.slot(index).handed_to()?;
            match self.waiters.progress(waiter) {
                Progress::Handed(handed) if handed.slot == index => Some(handed.uses),
                _ => None,
            }
        })
    }

    /// What the pool would have its limit be.
    pub(crate) fn sizing_advice(&self) -> Option<SizingAdvice> {
        self.sizing.advice()
    }

    pub(crate) fn histograms(&self, into: &mut PoolHistograms) {
        let totals = self.totals().since(self.before);
        let PoolHistograms { wait, usage, connect } = into;
        wait.clone_from(&self.waits);
        // Those that went over the shelf waited for nothing.
        wait.record_nanos(0, totals.acquired.saturating_sub(wait.count()));
        self.slots.uses_since(&self.uses_before, usage);
        usage.record_nanos(0, totals.released.saturating_sub(usage.count()));
        connect.clone_from(&self.connect_times);
    }

    pub(crate) fn connections(&self, now: Instant) -> Vec<ConnectionInfo> {
        self.slots.infos(now)
    }

    pub(crate) fn holders(&self, now: Instant) -> Vec<Holder> {
        self.slots.holders(now, usize::MAX)
    }

    /// What `request` is told when it fails.
    pub(crate) fn diagnose(&self, pool: &Arc<str>, request: &Request, now: Instant) -> Box<Diagnosis> {
        Box::new(Diagnosis {
            pool: Arc::clone(pool),
            waited: now.saturating_duration_since(request.begun),
            timeout: request
                .deadline
                .map_or(Duration::ZERO, |deadline| deadline.saturating_duration_since(request.begun)),
            stats: self.stats(now),
            max_waiting: self.options.max_waiting,
            holders: self.slots.holders(now, Diagnosis::HOLDERS),
            nested: self.slots.held_by(request.owner, now),
            last_connect_failure: self.connecting.last_failure(now),
            outage: self.outage(now),
        })
    }

    /// How far a waiter has come.
    #[cfg(test)]
    pub(crate) fn progress(&self, waiter: WaiterId) -> &Progress<T> {
        self.waiters.progress(waiter)
    }

    /// Whether the target is known to be down and no connection lives.
    pub(crate) fn is_down(&self, now: Instant) -> bool {
        self.connecting.is_known_down(now, self.options.connect_timeout) && self.slots.counts().live() == 0
    }

    /// Ends every operation: serves who can be served, and calls the keeper if there is work for it.
    fn settle(&mut self, now: Instant, fx: &mut Effects<T>) {
        if self.connecting.is_failing() && self.slots.counts().live() >= self.limit() {
            let lasted = self.connecting.let_go(now);
            fx.events.extend(lasted.map(|lasted| PoolEvent::OutageEnded { lasted }));
        }
        if self.phase == Phase::Open {
            self.serve(now, fx);
            if self.waiters.waiting() > 0 && self.options.fail_fast && self.is_down(now) {
                self.refuse_all(Refusal::Unavailable, fx);
            }
        }
        if self.is_down(now) && self.connecting.announce(now, self.options.connect_timeout) {
            fx.events
                .extend(self.connecting.last_failure(now).map(|cause| PoolEvent::OutageStarted { cause }));
            fx.changed = true;
        }
        if self.phase == Phase::Closing && self.slots.counts().total() == 0 {
            self.phase = Phase::Closed;
            fx.events.push(PoolEvent::PoolClosed);
            fx.changed = true;
        }
        let idle_keeper = !self.keeper_runs && self.keeper_is_needed(now);
        let sooner = self.next_wake(now).is_some_and(|at| self.keeper_wakes_at.is_none_or(|set| at < set));
        fx.ring |= idle_keeper
            || !self.backlog.is_empty()
            || self.connects_to_begin(now) > 0
            || (self.keeper_runs && sooner);
    }

    /// Gives idle connections to waiters, oldest first.
    fn serve(&mut self, now: Instant, fx: &mut Effects<T>) {
        while let Some(waiter) = self.waiters.next(|priority| self.may_take(priority)) {
            if self.waiters.request(waiter).is_late(now) {
                // Never granted: it could only be served at the cost of one that still waits in time.
                fx.wake.extend(self.waiters.settle(waiter, Progress::Refused(Refusal::Timeout)));
                continue;
            }
            if self.options.fairness == Fairness::Throughput && !self.is_starving(waiter, now) {
                // Free for whoever comes first, as long as enough are on their way to look.
                self.waiters.nudge(self.slots.counts().idle, &mut fx.wake);
                return;
            }
            let Some(index) = self.usable_idle(now) else { return };
            let request = *self.waiters.request(waiter);
            let lease = self.promise(index, &request, now);
            fx.wake.extend(self.waiters.settle(waiter, Progress::Granted(lease, now)));
        }
    }

    fn refuse_all(&mut self, refusal: Refusal, fx: &mut Effects<T>) {
        fx.alarm |= self.alarm_at.is_some();
        while let Some(waiter) = self.waiters.next(|_| true) {
            fx.wake.extend(self.waiters.settle(waiter, Progress::Refused(refusal)));
        }
    }

    /// Whether one more connection may go to a caller of this priority, if one is idle.
    fn may_take(&self, priority: Priority) -> bool {
        let open_to_all = self.limit() - self.options.reserve_connections;
        priority == Priority::High || self.slots.counts().held_normally < open_to_all
    }
}
