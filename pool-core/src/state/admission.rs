//! Callers come: an acquire from its first look to the connection in its hands.
//!
//! ```text
//! acquire ──► Granted ─────────────────► (validate) ──► delivered
//!    │  └───► Queued ──► claim / expire ──┘    │  └───► retry at the head of the queue
//!    └──────► Refused          └► cancel       └► cancelled: the connection is dropped
//! ```

use std::task::Waker;
use std::time::Duration;

use tokio::time::Instant;

use super::slots::{SlotIndex, Stage};
use super::waiters::{End, Joined, Progress};
use super::{Effects, Failing, Lease, Phase, Refusal, Request, State, WaiterId};
use crate::acquire::Priority;
use crate::connection::CloseReason;
use crate::event::PoolEvent;
use crate::options::Fairness;

/// How long a waiter has to come for what he was granted before another may take it, once. Longer than it takes a task
/// to be run after it was woken (2 to 20 us), much shorter than a query.
const GRACE: Duration = Duration::from_micros(100);

/// Time between two searches for such a waiter, for each that there is: ten times what looking at one takes.
const SEARCH_COST: Duration = Duration::from_nanos(300);

/// With [`Fairness::Throughput`]: for how long others may go before a waiter. As Go's mutex does.
const LONGEST_OVERTAKING: Duration = Duration::from_millis(1);

/// How an acquire goes on.
#[derive(Debug)]
pub(crate) enum Admission<T> {
    /// It has this connection, which it must validate first if `check` is set.
    Granted { lease: Lease<T>, check: bool },
    /// It waits; with a timer of its own unless the alarm looks after its deadline.
    Queued(Joined),
    /// It fails.
    Refused(Refusal),
}

/// What became of a waiter.
#[derive(Debug)]
pub(crate) enum Claim<T> {
    /// It still waits, and will be woken.
    Waiting,
    /// Its wait is over.
    Over(Request, Admission<T>),
}

impl<T> State<T> {
    /// A caller found a connection on the shelf that it must not simply take: back with it.
    pub(crate) fn put_aside(&mut self, lease: Lease<T>, now: Instant, fx: &mut Effects<T>) {
        let Some(index) = self.current(&lease) else { return self.orphan(lease, fx) };
        // Its last holder may have been reported, or the connection doomed, while he was putting it there.
        let leaked = self.slots.last_holder(index, now).filter(|holder| holder.leaked);
        fx.events.extend(leaked.map(|holder| PoolEvent::Unleaked { holder }));
        self.slots.set_hold(index, None);
        self.slots.enter(index, Stage::Idle(lease));
        let doomed = self.slots.slot(index).doomed.is_some();
        match self.verdict_on(index, now) {
            None => {}
            // Its date may have come while the process was stopped, which is forgiven; else who looks for an idle
            // connection sees it.
            Some(CloseReason::MaxLifetime) if !doomed => {}
            Some(reason) => self.dispose_idle(index, reason, now),
        }
    }

    /// As [`put_aside`](State::put_aside), and the caller asks for nothing else.
    pub(crate) fn put_back(&mut self, lease: Lease<T>, now: Instant, fx: &mut Effects<T>) {
        self.put_aside(lease, now, fx);
        self.settle(now, fx);
    }

    /// A caller asks for a connection.
    ///
    /// If it has to wait, `waker` is woken when that is over.
    pub(crate) fn acquire(
        &mut self,
        request: Request,
        waker: Option<Waker>,
        now: Instant,
        fx: &mut Effects<T>,
    ) -> Admission<T> {
        self.counters.requests += 1;
        self.notice_starvation(now, fx);
        self.admit_and_settle(request, waker, End::Tail, now, fx)
    }

    fn admit_and_settle(
        &mut self,
        request: Request,
        waker: Option<Waker>,
        end: End,
        now: Instant,
        fx: &mut Effects<T>,
    ) -> Admission<T> {
        let admission = self.admit(request, waker, end, now, fx);
        // Even a refusal may leave work: connections found too old on the way, or one that was given up.
        self.settle(now, fx);
        admission
    }

    fn admit(
        &mut self,
        request: Request,
        waker: Option<Waker>,
        end: End,
        now: Instant,
        fx: &mut Effects<T>,
    ) -> Admission<T> {
        match self.admit_at_once(&request, end, now, fx) {
            Some(admission) => {
                fx.forget.extend(waker);
                admission
            }
            None => Admission::Queued(self.join(request, waker, end, fx)),
        }
    }

    /// When the next connection can be there at the earliest, if callers had better know that: none lives, and the target, which
    /// is full, said when to ask again.
    fn no_connection_before(&self, now: Instant) -> Option<Instant> {
        let counts = self.slots.counts();
        let until = self.connecting.told_to_wait_until().filter(|until| *until > now)?;
        (self.options.fail_fast && counts.live() + counts.creating == 0).then_some(until)
    }

    /// Fails those who would wait in vain.
    pub(super) fn refuse_the_hopeless(&mut self, now: Instant, fx: &mut Effects<T>) {
        if self.phase == Phase::Open
            && let Some(until) = self.no_connection_before(now)
        {
            fx.alarm |= self.alarm_at.is_some();
            self.waiters.refuse_until(Refusal::Unavailable, until, &mut fx.wake);
        }
    }

    /// Puts a caller in line.
    fn join(&mut self, request: Request, waker: Option<Waker>, end: End, fx: &mut Effects<T>) -> Joined {
        let deadline = request.deadline;
        let joined = self.waiters.join(request, waker, end);
        if joined.timed {
            self.set_alarm(deadline, fx);
        }
        joined
    }

    /// What becomes of a caller who need not wait; `None` = he must.
    fn admit_at_once(
        &mut self,
        request: &Request,
        end: End,
        now: Instant,
        fx: &mut Effects<T>,
    ) -> Option<Admission<T>> {
        if self.is_shut() {
            return Some(self.refuse(request, Refusal::Closed));
        }
        if request.is_late(now) {
            return Some(self.refuse(request, self.lateness()));
        }
        if self.phase == Phase::Open {
            if self.options.fail_fast && self.is_down(now) {
                return Some(self.refuse(request, Refusal::Unavailable));
            }
            if let Some(admission) = self.find(request, end, now, fx) {
                return Some(admission);
            }
            if let Some(until) = self.no_connection_before(now)
                && request.deadline.is_some_and(|deadline| deadline <= until)
            {
                return Some(self.refuse(request, Refusal::Unavailable));
            }
        }
        if request.deadline.is_none() {
            let refusal = if self.phase == Phase::Paused { Refusal::Paused } else { Refusal::NoneFree };
            // Another connection would help if this caller may have one, and none is about to be free.
            let counts = self.slots.counts();
            self.spare_wanted |= refusal == Refusal::NoneFree
                && self.may_take(request.priority)
                && counts.idle + counts.checked_by_keeper == 0;
            return Some(self.refuse(request, refusal));
        }
        let limit = self.options.max_waiting;
        let bounded = end == End::Tail && request.priority == Priority::Normal && limit > 0;
        (bounded && self.waiters.waiting_with(Priority::Normal) >= limit)
            .then(|| self.refuse(request, Refusal::QueueFull))
    }

    /// Gives a caller a connection, if there is one for him.
    fn find(
        &mut self,
        request: &Request,
        end: End,
        now: Instant,
        fx: &mut Effects<T>,
    ) -> Option<Admission<T>> {
        let first = end == End::Head || self.waiters.waiting_with(request.priority) == 0;
        if self.may_take(request.priority)
            && (first || self.may_overtake(now))
            && let Some(index) = self.usable_idle(now)
        {
            if request.deadline.is_none() && self.needs_check(index, request, now) {
                // It cannot wait for a validation; let the keeper do it for the next one.
                self.check_idle(index, now, fx);
                return None;
            }
            let lease = self.promise(index, request, now);
            return Some(self.hand_over(lease, request, now, fx));
        }
        if end == End::Tail && request.deadline.is_some() {
            let lease = self.take_over(request, now, fx)?;
            return Some(self.hand_over(lease, request, now, fx));
        }
        None
    }

    /// Whether it is time to look for a waiter who does not come for what he was granted.
    pub(super) fn may_take_over(&self, now: Instant) -> bool {
        self.options.fairness == Fairness::Adaptive && self.next_search.is_none_or(|at| now >= at)
    }

    /// Takes a connection from a waiter who does not come for it.
    fn take_over(&mut self, request: &Request, now: Instant, fx: &mut Effects<T>) -> Option<Lease<T>> {
        if !self.may_take_over(now) {
            return None;
        }
        // The search may look at every grant, so it is made less often when there are many.
        self.next_search = Some(now + GRACE + SEARCH_COST * self.waiters.granted() as u32);
        // Not before one who was overtaken already, or who has a higher priority.
        let owed = self.waiters.next(|_| true).is_some_and(|first| {
            self.waiters.overtaken(first).is_some() || self.waiters.request(first).priority > request.priority
        });
        if owed {
            return None;
        }
        let (victim, lease) = self.waiters.revoke_idle(request.priority, GRACE, now)?;
        self.set_alarm(self.waiters.request(victim).deadline, fx);
        let Some(index) = self.current(&lease) else {
            self.orphan(lease, fx);
            return None;
        };
        if let Some(reason) = self.verdict_on(index, now) {
            self.slots.set_hold(index, None);
            self.dispose(lease, reason);
            return None;
        }
        self.slots.record(index).address(request.owner, request.site);
        self.slots.promise(index, request.priority, now);
        Some(lease)
    }

    /// Whether a caller who comes now may go before those who wait.
    fn may_overtake(&self, now: Instant) -> bool {
        self.options.fairness == Fairness::Throughput
            && self.waiters.next(|_| true).is_none_or(|first| !self.is_starving(first, now))
    }

    /// Whether others have gone before this waiter for so long that the next connection is his.
    pub(super) fn is_starving(&self, waiter: WaiterId, now: Instant) -> bool {
        self.waiters.overtaken(waiter).is_some_and(|since| now >= since + LONGEST_OVERTAKING)
    }

    /// Has the alarm go off at this deadline, or earlier.
    fn set_alarm(&mut self, deadline: Option<Instant>, fx: &mut Effects<T>) {
        if let Some(deadline) = deadline
            && self.alarm_at.is_none_or(|at| deadline < at)
        {
            self.alarm_at = Some(deadline);
            fx.alarm = true;
        }
    }

    /// The alarm went off, or was rung. Returns when it is to go off next; `None` = nobody waits for it.
    pub(crate) fn alarm(&mut self, now: Instant, fx: &mut Effects<T>) -> Option<Instant> {
        self.notice_nesting(now, fx);
        let next = self.waiters.expire(self.lateness(), now, &mut fx.wake);
        self.alarm_at = next;
        self.settle(now, fx);
        fx.alarm = false;
        self.timekeeper_runs = self.alarm_at.is_some();
        self.alarm_at
    }

    /// The timekeeper is about to be started. False if it runs already.
    pub(crate) fn start_timekeeper(&mut self) -> bool {
        !std::mem::replace(&mut self.timekeeper_runs, true)
    }

    /// A waiter looks whether it was served, and leaves its waker if not.
    pub(crate) fn claim(
        &mut self,
        waiter: WaiterId,
        waker: Waker,
        now: Instant,
        fx: &mut Effects<T>,
    ) -> Claim<T> {
        match self.waiters.progress(waiter) {
            Progress::Waiting(_) => {}
            Progress::Nudged => {
                let request = *self.waiters.request(waiter);
                if self.options.fairness == Fairness::Throughput
                    && self.phase == Phase::Open
                    && let Some(admission) = self.find(&request, End::Head, now, fx)
                {
                    self.waiters.remove(waiter);
                    fx.forget.push(waker);
                    self.settle(now, fx);
                    return Claim::Over(request, admission);
                }
                self.waiters.mark_overtaken(waiter, now);
                fx.forget.extend(self.waiters.set_waker(waiter, waker));
                self.settle(now, fx);
                return Claim::Waiting;
            }
            _ => {
                fx.forget.push(waker);
                return self.conclude(waiter, now, fx);
            }
        }
        fx.forget.extend(self.waiters.set_waker(waiter, waker));
        Claim::Waiting
    }

    /// A waiter's deadline has come. If it was served in the same instant, it has its connection.
    pub(crate) fn expire(
        &mut self,
        waiter: WaiterId,
        now: Instant,
        fx: &mut Effects<T>,
    ) -> (Request, Admission<T>) {
        if let Progress::Waiting(_) | Progress::Nudged = self.waiters.progress(waiter) {
            let lateness = self.lateness();
            fx.forget.extend(self.waiters.settle(waiter, Progress::Refused(lateness)));
        }
        match self.conclude(waiter, now, fx) {
            Claim::Over(request, admission) => (request, admission),
            Claim::Waiting => unreachable!("the waiter was refused just now"),
        }
    }

    fn conclude(&mut self, waiter: WaiterId, now: Instant, fx: &mut Effects<T>) -> Claim<T> {
        let (request, progress) = self.waiters.remove(waiter);
        let admission = match progress {
            Progress::Granted(lease, _) => {
                let good = self.current(&lease).is_some_and(|index| self.verdict_on(index, now).is_none());
                if good {
                    self.passed.waits += 1;
                    self.hand_over(lease, &request, now, fx)
                } else {
                    // Evicted, expired or shut down since it was promised: back to the head of the queue.
                    self.take_back(lease, now, fx);
                    self.admit(request, None, End::Head, now, fx)
                }
            }
            Progress::Refused(refusal) => self.refuse(&request, refusal),
            Progress::Waiting(_) | Progress::Nudged | Progress::Handed(_) | Progress::Over => {
                unreachable!("only waiters that were served are concluded")
            }
        };
        // Whoever left may have been the reason why a connect is under way or wanted.
        self.settle(now, fx);
        Claim::Over(request, admission)
    }

    /// A waiter gives up: its future was dropped.
    pub(crate) fn cancel(&mut self, waiter: WaiterId, now: Instant, fx: &mut Effects<T>) {
        self.counters.cancelled += 1;
        let (_, progress) = self.waiters.remove(waiter);
        match progress {
            Progress::Waiting(waker) => fx.forget.extend(waker),
            Progress::Refused(_) | Progress::Nudged | Progress::Handed(_) | Progress::Over => {}
            Progress::Granted(lease, _) => self.take_back(lease, now, fx),
        }
        self.settle(now, fx);
    }

    /// Puts a connection that its waiter never took among the idle ones again, if it is still good.
    fn take_back(&mut self, lease: Lease<T>, now: Instant, fx: &mut Effects<T>) {
        let Some(index) = self.current(&lease) else { return self.orphan(lease, fx) };
        self.slots.enter(index, Stage::CheckedByKeeper);
        self.slots.set_hold(index, None);
        self.counters.idle_spells += 1;
        self.offer_or_dispose(lease, now);
    }

    /// Takes back what was granted to callers whose deadline has passed and who have not run since: a future
    /// that nobody polls any more would keep its connection for ever.
    pub(super) fn revoke_late_grants(&mut self, now: Instant, fx: &mut Effects<T>) {
        for waiter in self.waiters.late_grants(now) {
            if let Progress::Granted(lease, _) = self.waiters.revoke(waiter, Refusal::Timeout) {
                self.take_back(lease, now, fx);
            }
        }
    }

    /// A caller's validation succeeded.
    pub(crate) fn validated(
        &mut self,
        lease: Lease<T>,
        request: Request,
        now: Instant,
        fx: &mut Effects<T>,
    ) -> Admission<T> {
        self.counters.validations += 1;
        let Some(index) = self.current(&lease) else {
            self.orphan(lease, fx);
            return self.admit_and_settle(request, None, End::Head, now, fx);
        };
        self.trust(index, now);
        self.proved(now, fx);
        if let Some(reason) = self.verdict_on(index, now) {
            self.slots.set_hold(index, None);
            self.counters.idle_spells += 1;
            self.dispose(lease, reason);
            return self.admit_and_settle(request, None, End::Head, now, fx);
        }
        self.slots.enter(index, Stage::Active);
        self.deliver(index, &request, now, fx);
        Admission::Granted { lease, check: false }
    }

    /// A caller's validation failed. The caller goes on at the head of the queue.
    pub(crate) fn validation_failed(
        &mut self,
        lease: Lease<T>,
        request: Request,
        failing: Failing,
        now: Instant,
        fx: &mut Effects<T>,
    ) -> Admission<T> {
        self.found_dead(lease, failing, now, fx);
        self.admit_and_settle(request, None, End::Head, now, fx)
    }

    /// A caller was dropped while it validated. The connection may be in the middle of an exchange.
    pub(crate) fn validation_cancelled(&mut self, lease: Lease<T>, now: Instant, fx: &mut Effects<T>) {
        self.counters.cancelled += 1;
        if let Some(index) = self.current(&lease) {
            self.slots.set_hold(index, None);
            self.counters.idle_spells += 1;
        }
        self.abort(lease, CloseReason::Cancelled, fx);
        self.settle(now, fx);
    }

    /// Promises an idle connection to a caller.
    pub(super) fn promise(&mut self, index: SlotIndex, request: &Request, now: Instant) -> Lease<T> {
        self.leave_idle(index, now);
        let lease = self.slots.take_idle(index, Stage::Active);
        self.slots.record(index).address(request.owner, request.site);
        self.slots.promise(index, request.priority, now);
        lease.expect("only idle connections are promised, and the gate is shut")
    }

    /// Gives a promised connection to its caller.
    fn hand_over(
        &mut self,
        lease: Lease<T>,
        request: &Request,
        now: Instant,
        fx: &mut Effects<T>,
    ) -> Admission<T> {
        let index = lease.index();
        let check = self.needs_check(index, request, now);
        if check {
            self.slots.promise(index, request.priority, now);
            self.slots.enter(index, Stage::CheckedByCaller);
            fx.events.push(PoolEvent::ValidationStarted { connection: self.slots.slot(index).id });
        } else {
            self.deliver(index, request, now, fx);
        }
        Admission::Granted { lease, check }
    }

    /// Counts a connection that is now in its caller's hands.
    fn deliver(&mut self, index: SlotIndex, request: &Request, now: Instant, fx: &mut Effects<T>) {
        let record = self.slots.record(index);
        record.address(request.owner, request.site);
        record.begin_use(self.slots.epoch().ticks(now));
        self.slots.hold(index, request.priority);
        self.judge(index);
        let waited = now.saturating_duration_since(request.begun);
        self.counters.acquired += 1;
        self.counters.wait_time += waited;
        self.waits.record(waited);
        if self.observed {
            let (connection, site) = (self.slots.slot(index).id, request.site);
            fx.events.push(PoolEvent::Acquired { connection, waited, site });
        }
    }

    /// Whether a connection must be validated before this caller gets it.
    fn needs_check(&self, index: SlotIndex, request: &Request, now: Instant) -> bool {
        let slot = self.slots.slot(index);
        request.validate
            || slot.generation < self.suspect_below
            || now.saturating_duration_since(self.slots.last_good(index)) >= self.options.validate_after_idle
    }

    fn lateness(&self) -> Refusal {
        if self.phase == Phase::Paused { Refusal::Paused } else { Refusal::Timeout }
    }

    fn refuse(&mut self, request: &Request, refusal: Refusal) -> Admission<T> {
        let count = match refusal {
            _ if request.is_check => &mut self.counters.checks_failed,
            Refusal::Timeout => &mut self.counters.timed_out,
            Refusal::Unavailable => &mut self.counters.unavailable,
            Refusal::QueueFull => &mut self.counters.queue_full,
            Refusal::Paused => &mut self.counters.paused,
            Refusal::Closed => &mut self.counters.closed_pool,
            Refusal::NoneFree => &mut self.counters.none_free,
        };
        *count += 1;
        Admission::Refused(refusal)
    }

    /// Counts callers that wait while they hold a connection; tells of them once for each call site.
    ///
    /// Not when they come: that would look at every holder for each caller that waits, and who waits for a moment only
    /// does no harm.
    pub(super) fn notice_nesting(&mut self, now: Instant, fx: &mut Effects<T>) {
        if self.waiters.waiting() == 0 {
            return;
        }
        let owners = self.slots.owners();
        for (owner, site) in self.waiters.nested(&owners) {
            self.counters.nested_acquires += 1;
            if self.nested_sites.insert(site)
                && let Some(holds) = self.slots.held_by(owner, now)
            {
                fx.events.push(PoolEvent::NestedAcquire { site, owner, holds });
            }
        }
    }

    /// How long a validation may take: its own timeout, and never past the caller's deadline.
    pub(crate) fn validation_budget(&self, request: &Request, now: Instant) -> Duration {
        let left =
            request.deadline.map_or(Duration::ZERO, |deadline| deadline.saturating_duration_since(now));
        self.options.validation_timeout.min(left)
    }
}
