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

use super::slots::{Hold, SlotIndex, Stage};
use super::waiters::{End, Progress};
use super::{Effects, Failing, Lease, Phase, Refusal, Request, State, WaiterId};
use crate::acquire::Priority;
use crate::connection::CloseReason;
use crate::event::PoolEvent;

/// How an acquire goes on.
#[derive(Debug)]
pub(crate) enum Admission<T> {
    /// It has this connection, which it must validate first if `check` is set.
    Granted { lease: Lease<T>, check: bool },
    /// It waits.
    Queued(WaiterId),
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
        let leaked = self.slots.holder(index, now).filter(|holder| holder.leaked);
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
    pub(crate) fn acquire(&mut self, request: Request, now: Instant, fx: &mut Effects<T>) -> Admission<T> {
        self.counters.requests += 1;
        self.last_use = Some(now);
        self.notice_starvation(now, fx);
        self.admit_and_settle(request, End::Tail, now, fx)
    }

    fn admit_and_settle(
        &mut self,
        request: Request,
        end: End,
        now: Instant,
        fx: &mut Effects<T>,
    ) -> Admission<T> {
        let admission = self.admit(request, end, now, fx);
        // Even a refusal may leave work: connections found too old on the way, or one that was given up.
        self.settle(now, fx);
        admission
    }

    fn admit(&mut self, request: Request, end: End, now: Instant, fx: &mut Effects<T>) -> Admission<T> {
        if self.is_shut() {
            return self.refuse(Refusal::Closed);
        }
        if request.is_late(now) {
            return self.refuse(self.lateness());
        }
        if self.phase == Phase::Open {
            if self.options.fail_fast && self.is_down(now) {
                return self.refuse(Refusal::Unavailable);
            }
            let first = end == End::Head || self.waiters.waiting_with(request.priority) == 0;
            if first
                && self.may_take(request.priority)
                && let Some(index) = self.usable_idle(now)
            {
                if request.deadline.is_none() && self.needs_check(index, &request, now) {
                    // It cannot wait for a validation; let the keeper do it for the next one.
                    self.check_idle(index, now, fx);
                } else {
                    self.grant(index, &request, now);
                    return self.hand_over(index, &request, now, fx);
                }
            }
        }
        if request.deadline.is_none() {
            let refusal = if self.phase == Phase::Paused { Refusal::Paused } else { Refusal::NoneFree };
            // Another connection would help if this caller may have one, and none is about to be free.
            let counts = self.slots.counts();
            self.spare_wanted |= refusal == Refusal::NoneFree
                && self.may_take(request.priority)
                && counts.idle + counts.checked_by_keeper == 0;
            return self.refuse(refusal);
        }
        let limit = self.options.max_waiting;
        let bounded = end == End::Tail && request.priority == Priority::Normal && limit > 0;
        if bounded && self.waiters.waiting_with(Priority::Normal) >= limit {
            return self.refuse(Refusal::QueueFull);
        }
        if end == End::Tail {
            self.notice_nesting(&request, now, fx);
        }
        Admission::Queued(self.waiters.join(request, end))
    }

    /// A waiter looks whether it was served, and leaves its waker if not.
    pub(crate) fn claim(
        &mut self,
        waiter: WaiterId,
        waker: Waker,
        now: Instant,
        fx: &mut Effects<T>,
    ) -> Claim<T> {
        if let Progress::Waiting(_) = self.waiters.progress(waiter) {
            fx.forget.extend(self.waiters.set_waker(waiter, waker));
            return Claim::Waiting;
        }
        fx.forget.push(waker);
        self.conclude(waiter, now, fx)
    }

    /// A waiter's deadline has come. If it was served in the same instant, it has its connection.
    pub(crate) fn expire(
        &mut self,
        waiter: WaiterId,
        now: Instant,
        fx: &mut Effects<T>,
    ) -> (Request, Admission<T>) {
        if let Progress::Waiting(_) = self.waiters.progress(waiter) {
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
            Progress::Granted(index) => match self.verdict_on(index, now) {
                None => self.hand_over(index, &request, now, fx),
                // Evicted, expired or shut down since it was promised: back to the head of the queue.
                Some(_) => {
                    self.take_back(index, now);
                    self.admit(request.clone(), End::Head, now, fx)
                }
            },
            Progress::Refused(refusal) => self.refuse(refusal),
            Progress::Waiting(_) => unreachable!("only waiters that were served are concluded"),
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
            Progress::Refused(_) => {}
            Progress::Granted(index) => self.take_back(index, now),
        }
        self.settle(now, fx);
    }

    /// Puts a connection that its waiter never took among the idle ones again, if it is still good.
    fn take_back(&mut self, index: SlotIndex, now: Instant) {
        self.slots.set_hold(index, None);
        self.counters.idle_spells += 1;
        let Stage::Granted(lease) = self.slots.enter(index, Stage::CheckedByKeeper) else {
            unreachable!("a granted connection stays in its slot until it is claimed")
        };
        self.offer_or_dispose(lease, now);
    }

    /// Takes back what was granted to callers whose deadline has passed and who have not run since: a future
    /// that nobody polls any more would keep its connection for ever.
    pub(super) fn revoke_late_grants(&mut self, now: Instant) {
        for waiter in self.waiters.late_grants(now) {
            if let Progress::Granted(index) = self.waiters.revoke(waiter, Refusal::Timeout) {
                self.take_back(index, now);
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
            return self.admit_and_settle(request, End::Head, now, fx);
        };
        self.trust(index, now);
        self.proved(now, fx);
        if let Some(reason) = self.verdict_on(index, now) {
            self.slots.set_hold(index, None);
            self.counters.idle_spells += 1;
            self.dispose(lease, reason);
            return self.admit_and_settle(request, End::Head, now, fx);
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
        self.admit_and_settle(request, End::Head, now, fx)
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
    pub(super) fn grant(&mut self, index: SlotIndex, request: &Request, now: Instant) {
        self.leave_idle(index, now);
        let lease = self.slots.take_idle(index, Stage::Active);
        let lease = lease.expect("only idle connections are granted, and the gate is shut");
        self.slots.enter(index, Stage::Granted(lease));
        self.slots.record(index).address(request.owner, request.site);
        self.slots.set_hold(index, Some(Hold::new(request.priority, Some(now))));
    }

    /// Gives a promised connection to its caller.
    fn hand_over(
        &mut self,
        index: SlotIndex,
        request: &Request,
        now: Instant,
        fx: &mut Effects<T>,
    ) -> Admission<T> {
        let check = self.needs_check(index, request, now);
        let stage = if check { Stage::CheckedByCaller } else { Stage::Active };
        let Stage::Granted(lease) = self.slots.enter(index, stage) else {
            unreachable!("a granted connection stays in its slot until it is claimed")
        };
        if check {
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
        self.slots.set_hold(index, Some(Hold::new(request.priority, None)));
        self.judge(index);
        let waited = now.saturating_duration_since(request.begun);
        self.counters.acquired += 1;
        self.counters.wait_time += waited;
        if self.observed {
            fx.events.push(PoolEvent::Acquired { connection: self.slots.slot(index).id, waited });
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

    fn refuse(&mut self, refusal: Refusal) -> Admission<T> {
        let count = match refusal {
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

    /// Counts a caller that waits while it holds a connection; tells of it once for each call site.
    fn notice_nesting(&mut self, request: &Request, now: Instant, fx: &mut Effects<T>) {
        if let Some(holds) = self.slots.held_by(request.owner, now) {
            self.counters.nested_acquires += 1;
            if self.nested_sites.insert(request.site) {
                fx.events.push(PoolEvent::NestedAcquire { site: request.site, owner: request.owner, holds });
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
