//! Connections come back, are found dead, or leave.
//!
//! A connection leaves in one of two ways. One that still works is *closed*: the keeper says goodbye to the
//! server. One that is dead, or may be in the middle of an exchange, is *aborted*: dropped without a word.
//! Either way it counts against `max_connections` until it is really gone.

use std::time::Duration;

use tokio::time::Instant;

use super::connecting::Failure;
use super::slots::{SlotIndex, Stage};
use super::{Effects, Lease, State, Work};
use crate::acquire::Priority;
use crate::connection::{CloseReason, ConnectionId};
use crate::connector::ErrorClass;
use crate::error::ConnectError;
use crate::event::{Occasion, PoolEvent};
use crate::shelf::Place;

/// A connection that fails its validation this soon after its birth never worked.
const FRESH: Duration = Duration::from_secs(1);

/// What is to become of a connection that comes back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It may be used again.
    Clean,
    /// It must be reset first.
    Dirty,
    /// It is of no more use.
    Dead(CloseReason),
}

/// How a hold ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    /// The connection came back; whether the end of its use was `counted` already.
    Returned { counted: bool },
    /// It never will.
    Gone,
}

/// A validation that failed.
#[derive(Debug)]
pub(crate) struct Failing {
    pub(crate) problem: String,
    pub(crate) class: ErrorClass,
    /// The caller's deadline ended it before `validation_timeout` did, so it proves little.
    pub(crate) clipped: bool,
}

impl<T> State<T> {
    /// A guard was dropped.
    ///
    /// `counted` tells that the end of its use was counted before it came here.
    pub(crate) fn release(
        &mut self,
        lease: Lease<T>,
        verdict: Verdict,
        counted: bool,
        now: Instant,
        fx: &mut Effects<T>,
    ) {
        let Some(index) = self.current(&lease) else {
            // Written off while it was on its way here, which counted it as well.
            if counted {
                lease.record().uncount_use();
            }
            self.orphan(lease, fx);
            return;
        };
        self.end_hold(index, End::Returned { counted }, now, fx);
        match (verdict, self.verdict_on(index, now)) {
            (Verdict::Dead(reason), _) => self.abort(lease, reason, fx),
            // Its holder reported a fatal error: there is nobody to say goodbye to.
            (_, Some(CloseReason::Discarded)) => self.abort(lease, CloseReason::Discarded, fx),
            // A dirty connection is not worth resetting only to be closed; the server copes with that.
            (_, Some(reason)) => self.dispose(lease, reason),
            (Verdict::Dirty, None) => {
                self.slots.enter(index, Stage::CheckedByKeeper);
                self.give_to_keeper(Work::Reset(lease), now);
            }
            (Verdict::Clean, None) => {
                self.proved(now, fx);
                self.slots.enter(index, Stage::CheckedByKeeper);
                if self.options.validate_on_return {
                    fx.events.push(PoolEvent::ValidationStarted { connection: lease.id() });
                    self.give_to_keeper(Work::Validate(lease, Occasion::Return), now);
                } else {
                    self.offer(lease);
                }
            }
        }
        self.settle(now, fx);
    }

    /// A guard gave its connection away for good.
    pub(crate) fn detach(&mut self, place: Place, id: ConnectionId, now: Instant, fx: &mut Effects<T>) {
        let slot = place.index();
        if self.slots.is_current(slot, id) {
            self.end_hold(slot, End::Gone, now, fx);
            self.free(slot, CloseReason::Detached, now, fx);
        }
        self.slots.reclaim(place);
        self.settle(now, fx);
    }

    /// Writes off a held connection. Returns whether someone held it.
    pub(crate) fn abandon(&mut self, id: ConnectionId, now: Instant, fx: &mut Effects<T>) -> bool {
        let is_held = |index: &SlotIndex| {
            matches!(self.slots.slot(*index).stage(), Stage::Active) && self.slots.is_in_use(*index)
        };
        let held = self.slots.find(id).filter(is_held);
        let Some(index) = held else { return false };
        // The guard has the place, so the slot is not used again before it is dropped.
        self.slots.mark(index, true);
        self.end_hold(index, End::Gone, now, fx);
        self.free(index, CloseReason::Abandoned, now, fx);
        self.settle(now, fx);
        true
    }

    /// A holder reports an error of its connection.
    pub(crate) fn report(
        &mut self,
        slot: SlotIndex,
        id: ConnectionId,
        class: ErrorClass,
        now: Instant,
        fx: &mut Effects<T>,
    ) {
        if !self.slots.is_current(slot, id) {
            return;
        }
        match class {
            ErrorClass::Transient | ErrorClass::Capacity => {}
            ErrorClass::FatalThis | ErrorClass::Auth => self.doom(slot, CloseReason::Discarded),
            ErrorClass::FatalAll => {
                self.doom(slot, CloseReason::Discarded);
                self.flush(slot, id, now, fx);
                self.settle(now, fx);
            }
        }
    }

    /// A connection is gone for good, and its slot is free.
    pub(crate) fn gone(&mut self, place: Place, id: ConnectionId, now: Instant, fx: &mut Effects<T>) {
        let slot = place.index();
        if self.slots.is_current(slot, id)
            && let Stage::Destroying(reason) = *self.slots.slot(slot).stage()
        {
            self.free(slot, reason, now, fx);
        }
        self.slots.reclaim(place);
        self.refuse_the_hopeless(now, fx);
        self.settle(now, fx);
    }

    /// Closes one connection: now if it is idle, on its return if it is busy. Returns whether it exists.
    pub(crate) fn evict(&mut self, id: ConnectionId, now: Instant, fx: &mut Effects<T>) -> bool {
        let Some(index) = self.slots.find(id) else { return false };
        match self.slots.slot(index).stage() {
            Stage::Idle(_) | Stage::Shelved => self.dispose_idle(index, CloseReason::Evicted, now),
            Stage::Destroying(_) => return false,
            _ => self.doom(index, CloseReason::Evicted),
        }
        self.settle(now, fx);
        true
    }

    /// Closes all idle connections that `chosen` picks. Returns how many.
    fn evict_where(
        &mut self,
        reason: CloseReason,
        now: Instant,
        fx: &mut Effects<T>,
        chosen: impl Fn(&Self, SlotIndex) -> bool,
    ) -> usize {
        let chosen: Vec<_> = self.slots.idle().filter(|index| chosen(self, *index)).collect();
        for index in &chosen {
            self.dispose_idle(*index, reason, now);
        }
        self.settle(now, fx);
        chosen.len()
    }

    /// Closes all idle connections. Returns how many.
    pub(crate) fn evict_idle(&mut self, now: Instant, fx: &mut Effects<T>) -> usize {
        self.evict_where(CloseReason::Evicted, now, fx, |_, _| true)
    }

    /// Closes all idle connections that are too old. Returns how many.
    pub(crate) fn evict_expired(&mut self, now: Instant, fx: &mut Effects<T>) -> usize {
        self.evict_where(CloseReason::MaxLifetime, now, fx, |state, index| state.is_expired(index, now))
    }

    /// Makes sure that no connection which exists now, or is being opened, is handed out again. Returns the first id
    /// of those to come.
    pub(crate) fn evict_all(&mut self, now: Instant, fx: &mut Effects<T>) -> ConnectionId {
        self.generation += 1;
        self.suspect_below = self.generation;
        self.flushed_below = self.generation;
        self.retired_below = self.generation;
        self.slots.mark_all();
        self.connecting.retry_now(now);
        let first_new = self.slots.next_id();
        self.evict_idle(now, fx);
        first_new
    }

    /// Gives all idle connections to the keeper for validation. Returns how many.
    pub(crate) fn evict_invalid(&mut self, now: Instant, fx: &mut Effects<T>) -> usize {
        let idle: Vec<_> = self.slots.idle().collect();
        for index in &idle {
            self.check_idle(*index, now, fx);
        }
        self.settle(now, fx);
        idle.len()
    }

    /// The keeper reset a connection, or failed to.
    pub(crate) fn reset_done(
        &mut self,
        lease: Lease<T>,
        result: Result<(), String>,
        now: Instant,
        fx: &mut Effects<T>,
    ) {
        self.counters.resets += 1;
        self.back_from_keeper(lease.id());
        match result {
            Ok(()) => {
                self.slots.set_good(lease.index(), now);
                self.slots.set_idle_since(lease.index(), now);
                self.offer_or_dispose(lease, now);
            }
            Err(problem) => {
                self.counters.resets_failed += 1;
                fx.events.push(PoolEvent::ResetFailed { connection: lease.id(), problem });
                self.abort(lease, CloseReason::ResetFailed, fx);
            }
        }
        self.settle(now, fx);
    }

    /// The keeper validated a connection.
    pub(crate) fn check_done(
        &mut self,
        lease: Lease<T>,
        result: Result<(), Failing>,
        now: Instant,
        fx: &mut Effects<T>,
    ) {
        self.back_from_keeper(lease.id());
        match result {
            Ok(()) => {
                self.counters.validations += 1;
                self.trust(lease.index(), now);
                self.proved(now, fx);
                self.offer_or_dispose(lease, now);
            }
            Err(failing) => self.found_dead(lease, failing, now, fx),
        }
        // Others may be due for their ping as well, and waited for this one to end.
        self.keep_alive(now, fx);
        self.settle(now, fx);
    }

    /// The keeper was interrupted while it validated or reset a connection.
    pub(crate) fn upkeep_cancelled(&mut self, lease: Lease<T>, now: Instant, fx: &mut Effects<T>) {
        self.back_from_keeper(lease.id());
        self.abort(lease, CloseReason::Cancelled, fx);
        self.settle(now, fx);
    }

    /// Has the keeper validate or reset a connection.
    fn give_to_keeper(&mut self, work: Work<T>, now: Instant) {
        if let Work::Validate(lease, _) | Work::Reset(lease) = &work {
            self.checks.push((lease.id(), now));
        }
        self.backlog.push_back(work);
    }

    /// The keeper has done with a connection.
    fn back_from_keeper(&mut self, id: ConnectionId) {
        if let Some(position) = self.checks.iter().position(|(other, _)| *other == id) {
            self.checks.swap_remove(position);
        }
    }

    /// A validation failed: drops the connection, and the idle ones of its generation if they share its fate.
    pub(super) fn found_dead(
        &mut self,
        lease: Lease<T>,
        failing: Failing,
        now: Instant,
        fx: &mut Effects<T>,
    ) {
        self.counters.validations += 1;
        self.counters.validations_failed += 1;
        let (index, id) = (lease.index(), lease.id());
        if self.current(&lease).is_none() {
            self.orphan(lease, fx);
            return;
        }
        let slot = self.slots.slot(index);
        let born = slot.born;
        let promised = self.slots.promised(index);
        self.counters.idle_spells += u64::from(promised.is_some());
        let fresh = self.slots.uses(index) == 0
            && promised.is_some_and(|at| at.saturating_duration_since(born) < FRESH);
        self.slots.set_hold(index, None);
        if matches!(failing.class, ErrorClass::Transient | ErrorClass::FatalAll) && !failing.clipped {
            self.flush(index, id, now, fx);
        }
        self.abort(lease, CloseReason::ValidationFailed, fx);
        if fresh && !failing.clipped {
            // A connect that yields nothing usable is a failed connect; without back-off it would be
            // repeated as fast as the server answers.
            let failure = Failure::new(ConnectError::Unusable(failing.problem), failing.class);
            self.record_failure(failure, born, now, fx);
        }
    }

    /// Closes the idle connections of the generation of this dead one, and of older ones. Connections of the
    /// same age that were busy meanwhile and are dead as well make no second flush; they only take with them
    /// whatever has come back since and was not validated.
    fn flush(&mut self, slot: SlotIndex, dead: ConnectionId, now: Instant, fx: &mut Effects<T>) {
        let generation = self.slots.slot(slot).generation;
        let first = generation >= self.flushed_below;
        let idle: Vec<_> =
            self.slots.idle().filter(|index| self.slots.slot(*index).generation <= generation).collect();
        if first {
            self.generation += 1;
            self.suspect_below = self.generation;
            self.flushed_below = self.generation;
            self.slots.mark_all();
            self.counters.flushes += 1;
        }
        if first || !idle.is_empty() {
            fx.events.push(PoolEvent::Flushed { dead, closed: idle.len() });
        }
        for index in idle {
            // Not closed with a goodbye: a dead server would let every one of them time out.
            let lease = self.take_idle(index, now);
            self.abort(lease, CloseReason::Flushed, fx);
        }
    }

    /// Why a connection must not be used again, if so.
    pub(super) fn verdict_on(&self, index: SlotIndex, now: Instant) -> Option<CloseReason> {
        let slot = self.slots.slot(index);
        let max_uses = self.options.max_uses;
        if self.is_shut() {
            Some(CloseReason::PoolClosed)
        } else if slot.doomed.is_some() {
            slot.doomed
        } else if slot.generation < self.retired_below {
            Some(CloseReason::Evicted)
        } else if self.slots.counts().staying() > self.limit() {
            Some(CloseReason::Surplus)
        } else if self.is_expired(index, now) {
            Some(CloseReason::MaxLifetime)
        } else if max_uses > 0 && self.slots.uses(index) >= max_uses {
            Some(CloseReason::MaxUses)
        } else {
            None
        }
    }

    pub(super) fn is_expired(&self, index: SlotIndex, now: Instant) -> bool {
        self.slots.slot(index).retire_at().is_some_and(|date| date <= now)
    }

    /// An idle connection that may be handed out. Those found expired on the way are closed.
    pub(super) fn usable_idle(&mut self, now: Instant) -> Option<SlotIndex> {
        loop {
            let index = self.slots.next_idle(self.options.reuse)?;
            if !self.is_expired(index, now) {
                return Some(index);
            }
            self.dispose_idle(index, CloseReason::MaxLifetime, now);
        }
    }

    pub(super) fn offer_or_dispose(&mut self, lease: Lease<T>, now: Instant) {
        match self.verdict_on(lease.index(), now) {
            Some(reason) => self.dispose(lease, reason),
            None => self.offer(lease),
        }
    }

    /// Puts a good connection among the idle ones, where the next waiter finds it.
    pub(super) fn offer(&mut self, lease: Lease<T>) {
        if self.is_shut() {
            self.dispose(lease, CloseReason::PoolClosed);
        } else {
            self.spare_wanted = false;
            let index = lease.index();
            let retirement = self.slots.slot(index).retire_at();
            self.next_retirement = self.next_retirement.into_iter().chain(retirement).min();
            self.judge(index);
            self.slots.enter(index, Stage::Idle(lease));
        }
    }

    /// Gives an idle connection to the keeper for validation.
    pub(super) fn check_idle(&mut self, index: SlotIndex, now: Instant, fx: &mut Effects<T>) {
        // Its idle spell goes on: the keeper's ping is no use.
        let lease = self.slots.take_idle(index, Stage::CheckedByKeeper);
        let lease = lease.expect("only idle connections are checked like this, and the gate is shut");
        fx.events.push(PoolEvent::ValidationStarted { connection: lease.id() });
        self.give_to_keeper(Work::Validate(lease, Occasion::Idle), now);
    }

    pub(super) fn dispose_idle(&mut self, index: SlotIndex, reason: CloseReason, now: Instant) {
        let lease = self.take_idle(index, now);
        self.dispose(lease, reason);
    }

    fn take_idle(&mut self, index: SlotIndex, now: Instant) -> Lease<T> {
        self.leave_idle(index, now);
        self.counters.idle_spells += 1;
        let lease = self.slots.take_idle(index, Stage::CheckedByKeeper);
        lease.expect("the idle sets hold exactly the idle slots, and the gate is shut")
    }

    /// Adds up the idle spell that ends now. That it ended is counted with the use that follows, or by the caller.
    pub(super) fn leave_idle(&mut self, index: SlotIndex, now: Instant) {
        self.slots.record(index).end_idle(self.slots.epoch().ticks(now));
    }

    /// Closes a connection that still works, by way of the keeper.
    pub(super) fn dispose(&mut self, lease: Lease<T>, reason: CloseReason) {
        if reason == CloseReason::MaxLifetime {
            self.samples.one_retired();
        }
        self.leave(lease.index(), reason);
        self.backlog.push_back(Work::Close(lease));
    }

    /// Drops a connection that is dead or may be in the middle of an exchange.
    pub(super) fn abort(&mut self, lease: Lease<T>, reason: CloseReason, fx: &mut Effects<T>) {
        if self.current(&lease).is_some() {
            self.leave(lease.index(), reason);
            fx.abort.push(lease);
        } else {
            self.orphan(lease, fx);
        }
    }

    /// Drops a connection whose slot was given up while it was out.
    pub(super) fn orphan(&mut self, lease: Lease<T>, fx: &mut Effects<T>) {
        let (place, connection) = lease.vacate();
        self.slots.reclaim(place);
        fx.orphans.push(connection);
    }

    fn leave(&mut self, index: SlotIndex, reason: CloseReason) {
        self.slots.want_successor(index, false);
        self.slots.enter(index, Stage::Destroying(reason));
    }

    pub(super) fn doom(&mut self, index: SlotIndex, reason: CloseReason) {
        self.slots.update(index, |slot| {
            slot.doomed.get_or_insert(reason);
        });
        self.slots.mark(index, true);
    }

    /// Marks a connection that must go through the lock, and no other.
    pub(super) fn judge(&self, index: SlotIndex) {
        let slot = self.slots.slot(index);
        let old = slot.generation < self.suspect_below.max(self.retired_below);
        let surplus = self.slots.counts().staying() > self.limit();
        // Who has one of the reserve gives it back through the lock, or anybody might take it from the shelf.
        let reserved = self.options.reserve_connections > 0
            && slot.hold().is_some_and(|hold| hold.priority == Priority::High);
        self.slots.mark(index, slot.doomed.is_some() || old || surplus || reserved);
    }

    /// A connection served its purpose, so connecting is worth while again.
    pub(super) fn proved(&mut self, now: Instant, fx: &mut Effects<T>) {
        if let Some(lasted) = self.connecting.proved(now) {
            fx.events.push(PoolEvent::OutageEnded { lasted });
        }
    }

    /// Notes that a connection was found to work.
    pub(super) fn trust(&mut self, index: SlotIndex, now: Instant) {
        let generation = self.generation;
        let retired_below = self.retired_below;
        self.slots.set_good(index, now);
        self.slots.update(index, |slot| {
            if slot.generation >= retired_below {
                slot.generation = generation;
            }
        });
    }

    fn end_hold(&mut self, index: SlotIndex, end: End, now: Instant, fx: &mut Effects<T>) {
        let Some(hold) = self.slots.slot(index).hold().copied() else { return };
        let counted = matches!(end, End::Returned { counted: true });
        if !counted {
            let used = self.slots.end_use(index, self.slots.epoch().ticks(now));
            if self.observed {
                let (connection, used) = (self.slots.slot(index).id, Duration::from_nanos(used));
                fx.events.push(PoolEvent::Released { connection, used });
            }
        }
        if hold.leaked && end != End::Gone {
            let holder = self.slots.last_holder(index, now);
            fx.events.extend(holder.map(|holder| PoolEvent::Unleaked { holder }));
        }
        self.slots.set_hold(index, None);
    }

    fn free(&mut self, index: SlotIndex, reason: CloseReason, now: Instant, fx: &mut Effects<T>) {
        let slot = self.slots.slot(index);
        let (connection, age) = (slot.id, now.saturating_duration_since(slot.born));
        self.slots.want_successor(index, false);
        self.slots.enter(index, Stage::Free);
        self.counters.closed.count(reason);
        self.counters.lifetime += age;
        self.latest.destroyed = Some(now);
        fx.events.push(PoolEvent::Closed { connection, reason, age });
        fx.changed = true;
    }

    /// The slot of a lease, unless the slot was given up while the lease was out.
    pub(super) fn current(&self, lease: &Lease<T>) -> Option<SlotIndex> {
        let slot = lease.index();
        self.slots.is_current(slot, lease.id()).then_some(slot)
    }
}
