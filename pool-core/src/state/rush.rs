//! A saturated pool: every connection is out, callers wait, and each one that comes back goes to the next in line.
//!
//! Then an operation can change nothing but the queue and the connection it is about: there is no idle connection, no
//! room for another, nothing under way with the keeper, and the gate is shut and stays shut. [`State::is_steady`] says
//! when that is so, and these operations do the little that is left to do, where the general ones would look
//! at everything. Each of them declines, changing nothing, as soon as anything is not as usual.

use std::panic::Location;
use std::sync::atomic::Ordering::{Acquire, Relaxed};
use std::task::Waker;
use std::time::Duration;

use tokio::time::Instant;

use super::slots::SlotIndex;
use super::waiters::{End, Handed, Progress};
use super::{Lease, Phase, Request, State, WaiterId};
use crate::acquire::Priority;
use crate::clock::Clock;
use crate::connection::Owner;
use crate::options::Fairness;

/// What a caller leaves behind who gives up.
#[derive(Debug)]
pub(crate) struct Left {
    pub(crate) wake: Option<Waker>,
    pub(crate) forget: Option<Waker>,
}

/// What is to be done with grants that still lie in their hatches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Rest {
    Leave,
    /// Into the nodes with them, so that nobody takes one meanwhile.
    Recover,
}

impl<T> State<T> {
    /// Whether nothing can happen but that connections pass from caller to caller.
    pub(crate) fn is_steady(&self) -> bool {
        let (counts, options) = (self.slots.counts(), &self.options);
        let full = counts.active == self.limit() && counts.total() == counts.active;
        full && self.phase == Phase::Open
            && !self.observed
            && self.waiters.waiting_with(Priority::High) == 0
            && options.fairness != Fairness::Throughput
            && options.reserve_connections == 0
            && options.max_uses == 0
            && !options.validate_on_return
            && counts.leaked == 0
            && !self.connecting.awaits_proof()
            && self.backlog.is_empty()
    }

    /// A connection came back clean: to the next in line with it. `counted` as in [`release`](State::release), `ticks` as
    /// the coarse clock tells them.
    ///
    /// Only in a steady state. Declines for the last in line too: with him the gate may be opened.
    pub(crate) fn pass_on(
        &mut self,
        lease: Lease<T>,
        counted: bool,
        now: Instant,
        ticks: u64,
    ) -> Result<Option<Waker>, Lease<T>> {
        if self.waiters.waiting_with(Priority::Normal) < 2 {
            return Err(lease);
        }
        let held_normally =
            self.slots.slot(lease.index()).hold().is_some_and(|hold| hold.priority == Priority::Normal);
        if !held_normally {
            return Err(lease);
        }
        let Some(waiter) = self.successor(lease.index(), now, ticks) else { return Err(lease) };
        if !counted {
            // By the coarse clock, as the use began: what one rounds down the other does on average.
            self.slots.end_use(lease.index(), ticks);
        }
        Ok(self.hand(waiter, lease, now))
    }

    /// A caller asks while others wait: into line with him. Only in a steady state.
    pub(crate) fn queue(&mut self, request: &Request, waker: Waker, now: Instant) -> Result<WaiterId, Waker> {
        let length = self.waiters.waiting_with(Priority::Normal);
        let limit = self.options.max_waiting;
        let usual = length > 0
            && request.priority == Priority::Normal
            && !request.is_late(now)
            && (limit == 0 || length < limit)
            && request
                .deadline
                .is_some_and(|deadline| self.alarm_at.is_some_and(|at| now < at && at <= deadline))
            && self.waiters.keeps_order(request)
            && !self.may_take_over(now);
        if !usual {
            return Err(waker);
        }
        self.passed.requests += 1;
        Ok(self.waiters.join(*request, Some(waker), End::Tail).waiter)
    }

    /// A caller gives up: what he was granted goes to the next in line. Returns whom to wake, and the waker that is of no more
    /// use. Declines if nobody would be left in line: the gate may be opened then.
    ///
    /// Only in a steady state.
    pub(crate) fn give_up(&mut self, waiter: WaiterId, now: Instant, ticks: u64) -> Option<Left> {
        if self.waiters.waiting_with(Priority::Normal) < 2 {
            return None;
        }
        let left = match *self.waiters.progress(waiter) {
            Progress::Waiting(_) => match self.waiters.remove(waiter) {
                (_, Progress::Waiting(waker)) => Left { wake: None, forget: waker },
                _ => unreachable!("looked at above"),
            },
            Progress::Handed(Handed { slot, .. }) => {
                let next = self.successor(slot, now, ticks)?;
                let lease = self.waiters.take_back(waiter)?;
                // It was idle for no time, and nobody used it.
                self.counters.idle_spells += 1;
                Left { wake: self.hand(next, lease, now), forget: None }
            }
            _ => return None,
        };
        self.counters.cancelled += 1;
        Some(left)
    }

    /// Who is to have a connection that is free now, if it needs no second look.
    fn successor(&self, slot: SlotIndex, now: Instant, ticks: u64) -> Option<WaiterId> {
        if self.slots.record(slot).is_due(ticks) {
            return None;
        }
        let waiter = self.waiters.first_normal()?;
        let usual = !self.waiters.wants_validation(waiter) && !self.waiters.request(waiter).is_late(now);
        usual.then_some(waiter)
    }

    fn hand(&mut self, waiter: WaiterId, lease: Lease<T>, now: Instant) -> Option<Waker> {
        if let Some(holder) = self.slots.hand_to(lease.index(), waiter) {
            self.note_if_collected(holder);
        }
        self.waiters.hand(waiter, lease, now)
    }

    /// A caller comes under the lock for what he was granted. In any state; declines when it needs a second look. `ticks` is
    /// what the coarse clock tells, `now` the exact one.
    pub(crate) fn collect(
        &mut self,
        waiter: WaiterId,
        owner: Owner,
        site: &'static Location<'static>,
        ticks: u64,
        now: u64,
    ) -> Option<Lease<T>> {
        if self.observed {
            return None;
        }
        if self.waiters.request(waiter).priority == Priority::High {
            return None;
        }
        self.waiters.recover(waiter);
        let (lease, begun) = self.waiters.grant(waiter)?;
        let epoch = self.slots.epoch();
        let record = lease.record();
        let fresh_for = self.fresh_for().as_nanos() as u64;
        if record.is_due(now)
            || self.waiters.wants_validation(waiter)
            || now.saturating_sub(record.last_good()) >= fresh_for
        {
            return None;
        }
        let waited = now.saturating_sub(epoch.ticks(begun));
        record.address(owner, site);
        record.begin_use(ticks);
        let lease = self.waiters.take_grant(waiter);
        self.count_collected(waited);
        Some(lease)
    }

    /// A caller took from his hatch what needs a second look. It is his still.
    pub(crate) fn uncollect(&mut self, waiter: WaiterId, lease: Lease<T>) {
        self.waiters.give_back(waiter, lease);
    }

    /// Notes what callers took from their hatches.
    pub(super) fn note_collected(&mut self, rest: Rest) {
        let mut next = self.waiters.first_granted();
        while let Some(waiter) = next {
            next = self.waiters.granted_after(waiter);
            if !self.note_if_collected(waiter) && rest == Rest::Recover {
                // If it is not there, its caller has it in his hands this very moment, and it is noted the next time.
                self.waiters.recover(waiter);
            }
        }
    }

    /// Notes that a caller took what he was handed, if he did.
    fn note_if_collected(&mut self, waiter: WaiterId) -> bool {
        let Progress::Handed(Handed { since, slot, uses }) = *self.waiters.progress(waiter) else {
            return false;
        };
        let record = self.slots.record(slot);
        // Ordering: Acquire, to see since when he has it.
        if record.acquired.load(Acquire) == uses {
            return false;
        }
        let epoch = self.slots.epoch();
        let granted = epoch.ticks(since);
        let until = match self.waiters.came_at(waiter) {
            Some(came_at) => {
                self.way = came_at.saturating_sub(granted);
                came_at.max(granted)
            }
            // The tick lags behind, by one of its steps at most.
            None => {
                let tick = record.held_since.load(Relaxed);
                (granted + self.way).min(tick.max(granted) + Clock::LAG.as_nanos() as u64).max(tick)
            }
        };
        let begun = self.waiters.dismiss(waiter);
        self.count_collected(until.saturating_sub(epoch.ticks(begun)));
        true
    }

    fn count_collected(&mut self, waited: u64) {
        self.passed.acquired += 1;
        self.passed.waits += 1;
        self.passed.waited += Duration::from_nanos(waited);
        self.waits.record_nanos(waited, 1);
    }
}
