//! The keeper's work: what it is to do next, and what came of it.
//!
//! The keeper asks with [`State::keeper_turn`] whenever it is rung or its timer fires. Growth is decided
//! anew each time from the callers that wait *now*: a connect that nobody needs any more is not begun, so
//! fifty callers with two milliseconds of work do not make forty-five connections.

use std::time::Duration;

use tokio::time::Instant;

use super::connecting::Failure;
use super::lifetime::{self, Dates};
use super::slots::{Slot, SlotIndex, Stage};
use super::{Effects, Lease, Phase, State};
use crate::acquire::Priority;
use crate::connection::{CloseReason, ConnectionId};
use crate::error::ConnectFailure;
use crate::event::{Occasion, PoolEvent};
use crate::options::{PoolOptions, Reuse};
use crate::shelf::Housed;

/// Housekeeping later than this means that the process was stopped or its runtime starved.
const STARVED: Duration = Duration::from_secs(5);

/// A connect that the keeper is to make, or is making.
#[derive(Debug)]
pub(crate) struct Ticket {
    pub(crate) slot: SlotIndex,
    pub(crate) id: ConnectionId,
    pub(crate) begun: Instant,
    /// How long it may take.
    pub(crate) limit: Duration,
}

/// A connect under way.
#[derive(Debug, Clone, Copy)]
pub(super) struct UnderWay {
    begun: Instant,
    /// Whether it has all of `connect_timeout`.
    patient: bool,
}

/// Something for the keeper to do.
#[derive(Debug)]
pub(crate) enum Work<T> {
    Connect(Ticket),
    Close(Lease<T>),
    Reset(Lease<T>),
    Validate(Lease<T>, Occasion),
}

/// What the keeper does until it is called again.
#[derive(Debug)]
pub(crate) struct Turn<T> {
    pub(crate) work: Vec<Work<T>>,
    /// When to ask again; `None` = when rung.
    pub(crate) wake_at: Option<Instant>,
    /// Connects under way are not wanted any more.
    pub(crate) drop_connects: bool,
    /// There is nothing left to keep.
    pub(crate) stop: bool,
}

impl<T> State<T> {
    /// The keeper is about to be started. False if it runs already.
    pub(crate) fn start_keeper(&mut self) -> bool {
        !std::mem::replace(&mut self.keeper_runs, true)
    }

    /// The keeper asks for work; `busy` tells whether it still has some.
    pub(crate) fn keeper_turn(&mut self, busy: bool, now: Instant, fx: &mut Effects<T>) -> Turn<T> {
        self.housekeep(now, fx);
        if self.next_retirement.is_some_and(|date| date <= now) {
            self.retire_expired(now);
            self.settle(now, fx);
        }
        let mut work: Vec<_> = self.backlog.drain(..).collect();
        for _ in 0..self.connects_to_begin(now) {
            self.spare_wanted = false;
            let (slot, id) = self.slots.begin(now, self.generation);
            let limit = self.patience(now);
            self.connects.push(UnderWay { begun: now, patient: limit == self.options.connect_timeout });
            work.push(Work::Connect(Ticket { slot, id, begun: now, limit }));
        }
        let stop = !busy && work.is_empty() && !self.keeper_is_needed(now);
        if stop {
            self.keeper_runs = false;
            self.last_tick = None;
        }
        let wake_at = self.next_wake(now);
        self.keeper_wakes_at = wake_at;
        fx.ring = false;
        Turn { work, wake_at, drop_connects: self.is_shut(), stop }
    }

    /// When something will be due by the passing of time alone.
    pub(super) fn next_wake(&self, now: Instant) -> Option<Instant> {
        let tick = self.last_tick.map(|last| last + self.options.maintenance_interval);
        let connects = (self.connects_wanted(now) > 0).then(|| self.connecting.next_allowance()).flatten();
        let waiting = self.waiters.waiting() > 0 || self.connecting.is_failing();
        let overdue = waiting.then(|| {
            let connects = self.connects.iter().map(|connect| connect.begun);
            let begun = connects.chain(self.checks.iter().map(|(_, begun)| *begun));
            begun.map(|begun| begun + self.overdue_after()).filter(|at| *at > now).min()
        });
        let due = [connects, overdue.flatten()].into_iter().flatten().filter(|at| *at > now);
        let retirement = self.next_retirement.filter(|_| tick.is_some());
        tick.into_iter().chain(retirement).chain(due).min()
    }

    /// Whether anything needs a keeper: a connection to look after, or one to open or close.
    pub(super) fn keeper_is_needed(&self, now: Instant) -> bool {
        let counts = self.slots.counts();
        match self.phase {
            Phase::Open | Phase::Paused => {
                counts.total() > 0 || !self.backlog.is_empty() || self.connects_wanted(now) > 0
            }
            // Guards that are still out bring their own work when they come back.
            Phase::Closing | Phase::Closed => counts.creating > 0 || !self.backlog.is_empty(),
        }
    }

    /// How many connects should be begun, if time and target allow.
    fn connects_wanted(&self, now: Instant) -> usize {
        if self.phase != Phase::Open {
            return 0;
        }
        let counts = self.slots.counts();
        let open_to_all = self.limit() - self.options.reserve_connections;
        let normal =
            self.waiters.waiting_with(Priority::Normal).min(open_to_all.saturating_sub(counts.held_normally));
        let overdue_after = self.overdue_after();
        let prompt = |begun: &&Instant| now < **begun + overdue_after;
        // Whoever waits counts on what the keeper is about to give back, unless that takes unusually long.
        let coming = self.checks.iter().map(|(_, begun)| begun).filter(prompt).count();
        let asking = normal + self.waiters.waiting_with(Priority::High);
        let waiting = asking.saturating_sub(coming);
        let floor = self.options.min_connections.saturating_sub(counts.live());
        let spare = (self.options.min_idle + asking).saturating_sub(counts.idle + coming);
        // While connects fail, one is always wanted: a caller that fails fast leaves no demand behind, and where connections
        // live, nobody would learn for long that others can be opened again. Another one is no proof where those opened are of no use.
        let is_unproven = self.connecting.awaits_proof() && counts.live() > 0;
        let probe = usize::from(self.spare_wanted || (self.connecting.is_failing() && !is_unproven));
        let wanted = waiting.max(floor).max(spare).max(probe) + counts.successors_wanted;
        let room = self.limit().saturating_sub(counts.total());
        // Callers, and a probe, do not count on a connect that is overdue; all else can wait for it.
        let prompt = self.prompt_connects(now);
        let urgent = waiting.max(probe).saturating_sub(prompt);
        wanted.saturating_sub(counts.creating).max(urgent).min(room)
    }

    /// Connects under way that are not overdue.
    fn prompt_connects(&self, now: Instant) -> usize {
        let overdue_after = self.overdue_after();
        self.connects.iter().filter(|connect| now < connect.begun + overdue_after).count()
    }

    /// How long a connect that begins now may take.
    fn patience(&self, now: Instant) -> Duration {
        let another_is_patient = self.connects.iter().any(|connect| connect.patient);
        self.connecting.patience(another_is_patient, self.options.connect_timeout, now)
    }

    fn overdue_after(&self) -> Duration {
        self.connecting.overdue_after(self.options.connect_timeout)
    }

    /// A connect is no longer under way.
    fn connect_ended(&mut self, ticket: &Ticket) {
        if let Some(position) = self.connects.iter().position(|connect| connect.begun == ticket.begun) {
            self.connects.remove(position);
        }
    }

    /// A connect came to nothing.
    fn unbegin(&mut self, ticket: &Ticket) {
        self.connect_ended(ticket);
        if let Stage::Creating(place) = self.slots.enter(ticket.slot, Stage::Free) {
            self.slots.reclaim(place);
        }
    }

    /// How many connects are to be begun now.
    pub(super) fn connects_to_begin(&self, now: Instant) -> usize {
        let wanted = self.connects_wanted(now);
        if wanted == 0 {
            return 0;
        }
        let (under_way, prompt) = (self.slots.counts().creating, self.prompt_connects(now));
        wanted.min(self.connecting.allowance(under_way, prompt, self.options.connect_concurrency, now))
    }

    /// A connect succeeded. `proven` tells that the connection was found to work.
    pub(crate) fn connected(
        &mut self,
        ticket: &Ticket,
        connection: T,
        proven: bool,
        now: Instant,
        fx: &mut Effects<T>,
    ) where
        T: Housed,
    {
        if !self.slots.is_current(ticket.slot, ticket.id) {
            fx.orphans.push(connection);
            return;
        }
        self.connect_ended(ticket);
        let took = now.saturating_duration_since(ticket.begun);
        self.counters.created += 1;
        self.counters.connect_time += took;
        self.connect_times.record(took);
        self.latest.created = Some(now);
        fx.events.push(PoolEvent::Created { connection: ticket.id, took });
        let limit = self.options.connect_concurrency;
        if let Some(lasted) = self.connecting.succeeded(took, limit, now, &mut self.rng) {
            fx.events.push(PoolEvent::OutageEnded { lasted });
        }
        if proven {
            self.proved(now, fx);
        }
        let others = self.slots.iter().filter_map(|(_, slot)| slot.retire_at());
        let luck = self.rng.f64();
        let retire_at = lifetime::appoint(now, luck, &self.options, others);
        self.slots.update(ticket.slot, |slot| {
            slot.born = now;
            slot.luck = luck;
        });
        self.slots.set_retirement(ticket.slot, retire_at);
        self.slots.set_idle_since(ticket.slot, now);
        let Stage::Creating(place) = self.slots.enter(ticket.slot, Stage::CheckedByKeeper) else {
            unreachable!("a slot is in creation as long as its ticket is out")
        };
        self.trust(ticket.slot, now);
        self.retire_predecessor(now);
        self.offer_or_dispose(self.slots.seat(place, connection), now);
        fx.changed = true;
        self.settle(now, fx);
    }

    /// A connect failed.
    pub(crate) fn connect_failed(
        &mut self,
        ticket: &Ticket,
        failure: Failure,
        now: Instant,
        fx: &mut Effects<T>,
    ) {
        if !self.slots.is_current(ticket.slot, ticket.id) {
            return;
        }
        let outdated = self.slots.slot(ticket.slot).generation < self.retired_below;
        self.unbegin(ticket);
        self.counters.connect_failed += 1;
        if outdated {
            // Begun before `evict_all`, for instance with the old password: says nothing of how it is now.
            let Failure { cause, class, .. } = failure;
            let failure = ConnectFailure { cause, class, age: Duration::ZERO };
            let failures = self.connecting.outage(now).map_or(0, |outage| outage.failures);
            fx.events.push(PoolEvent::ConnectFailed { failure, failures, retry_in: Duration::ZERO });
        } else {
            self.record_failure(failure, ticket.begun, now, fx);
        }
        self.refuse_the_hopeless(now, fx);
        fx.changed = true;
        self.settle(now, fx);
    }

    /// A connect was given up before it came to anything.
    pub(crate) fn connect_abandoned(&mut self, ticket: &Ticket, now: Instant, fx: &mut Effects<T>) {
        if self.slots.is_current(ticket.slot, ticket.id) {
            self.unbegin(ticket);
            fx.changed = true;
            self.settle(now, fx);
        }
    }

    pub(super) fn record_failure(
        &mut self,
        failure: Failure,
        begun: Instant,
        now: Instant,
        fx: &mut Effects<T>,
    ) {
        let connect_timeout = self.options.connect_timeout;
        let failed = self.connecting.failed(failure, begun, now, connect_timeout, &mut self.rng);
        fx.causes.extend(failed.forgotten);
        fx.events.extend(failed.ended.map(|lasted| PoolEvent::OutageEnded { lasted }));
        let Some(failure) = self.connecting.last_failure(now) else { return };
        let round = self.options.retry_delay * self.options.max_retries;
        if let Some(lasted) = self.connecting.exhaust(round, now) {
            self.counters.recovery_exhausted += 1;
            fx.events.push(PoolEvent::RecoveryExhausted { lasted, cause: failure.clone() });
        }
        fx.events.push(PoolEvent::ConnectFailed {
            failure,
            failures: failed.failures,
            retry_in: failed.retry_in,
        });
    }

    /// Does what is due every `maintenance_interval`.
    fn housekeep(&mut self, now: Instant, fx: &mut Effects<T>) {
        self.notice_starvation(now, fx);
        let interval = self.options.maintenance_interval;
        let last = *self.last_tick.get_or_insert(now);
        if now < last + interval {
            return;
        }
        self.last_tick = Some(now);
        self.report_leaks(now, fx);
        self.notice_nesting(now, fx);
        self.revoke_late_grants(now, fx);
        self.retire_expired(now);
        self.ask_for_successors(now);
        self.shrink(now);
        self.advise(now, fx);
        self.keep_alive(now, fx);
        fx.events.push(PoolEvent::StatsUpdated { stats: self.stats(now) });
        self.settle(now, fx);
    }

    /// Notices that time passed which the process did not live through, and lets nobody suffer for it.
    pub(super) fn notice_starvation(&mut self, now: Instant, fx: &mut Effects<T>) {
        let Some(last) = self.last_tick.filter(|_| self.keeper_runs) else { return };
        let late = now.saturating_duration_since(last + self.options.maintenance_interval);
        if late <= STARVED {
            return;
        }
        self.last_tick = Some(now);
        self.slots.forgive(late, now);
        self.generation += 1;
        self.suspect_below = self.generation;
        self.slots.mark_all();
        self.samples.restart();
        self.sizing.disturb();
        // Overdue dates begin one gap from now: nobody is to be closed for time that was lost.
        self.appoint(|slot, options| {
            slot.retire_at().filter(|date| *date <= now).map(|_| now + lifetime::gap(options))
        });
        fx.events.push(PoolEvent::Starved { late });
    }

    /// Gives every connection the date that the present options would have given it.
    pub(super) fn appoint_anew(&mut self, now: Instant) {
        if self.options.max_lifetime.is_zero() {
            for index in self.slots.iter().map(|(index, _)| index).collect::<Vec<_>>() {
                self.slots.set_retirement(index, None);
            }
        } else {
            self.appoint(|slot, options| {
                lifetime::own_date(slot.born, slot.luck, options).map(|date| date.max(now))
            });
        }
    }

    /// Moves dates: `wish` tells, for a connection, from when on a new one is sought, or to leave it.
    fn appoint(&mut self, wish: impl Fn(&Slot<T>, &PoolOptions) -> Option<Instant>) {
        let (mut moved, mut kept) = (Vec::new(), Vec::new());
        for (index, slot) in self.slots.iter().filter(|(_, slot)| slot.is_live()) {
            match wish(slot, &self.options) {
                Some(date) => moved.push((date, index)),
                None => kept.extend(slot.retire_at()),
            }
        }
        moved.sort_unstable();
        kept.sort_unstable();
        let mut dates = Dates::new(lifetime::gap(&self.options), kept);
        for (wish, index) in moved {
            let date = dates.first_free(wish);
            self.slots.set_retirement(index, Some(date));
        }
    }

    fn report_leaks(&mut self, now: Instant, fx: &mut Effects<T>) {
        let threshold = self.options.leak_detection_threshold;
        let overdue = |index: &SlotIndex| self.slots.is_overdue(*index, threshold, now);
        let due: Vec<_> = self.slots.iter().map(|(index, _)| index).filter(overdue).collect();
        for index in due {
            self.slots.mark_leaked(index);
            self.counters.leaks += 1;
            fx.events.extend(self.slots.holder(index, now).map(|holder| PoolEvent::Leaked { holder }));
        }
    }

    fn retire_expired(&mut self, now: Instant) {
        for index in self.slots.idle().filter(|index| self.is_expired(*index, now)).collect::<Vec<_>>() {
            self.dispose_idle(index, CloseReason::MaxLifetime, now);
        }
        // Those of busy ones as well: they may be back by then, and lie on the shelf.
        let live = self.slots.iter().filter(|(_, slot)| slot.is_live());
        self.next_retirement = live.filter_map(|(_, slot)| slot.retire_at()).filter(|date| *date > now).min();
    }

    /// Asks for the successors of connections that retire soon and would be missed.
    fn ask_for_successors(&mut self, now: Instant) {
        let lead = lifetime::lead(&self.options);
        let counts = *self.slots.counts();
        let due: Vec<_> = self
            .slots
            .iter()
            .filter(|(_, slot)| slot.is_live() && slot.doomed.is_none() && !slot.successor_wanted())
            .filter(|(_, slot)| slot.retire_at().is_some_and(|date| date <= now + lead))
            .filter(|(index, slot)| {
                let others_idle = counts.idle - usize::from(slot.is_idle());
                let PoolOptions { min_connections, min_idle, .. } = *self.options;
                // One that was never used itself needs no successor: else a pool that nobody uses would
                // renew its last connection for ever.
                counts.live() <= min_connections
                    || others_idle < min_idle
                    || (others_idle == 0 && self.slots.uses(*index) > 0)
            })
            .map(|(index, _)| index)
            .collect();
        for index in due {
            self.slots.want_successor(index, true);
        }
    }

    /// A connection was opened: the one it was to succeed may go, if it is not merely filling a gap.
    fn retire_predecessor(&mut self, now: Instant) {
        if self.slots.counts().live() <= self.options.min_connections {
            return;
        }
        let predecessor = self
            .slots
            .iter()
            .filter(|(_, slot)| slot.successor_wanted())
            .min_by_key(|(_, slot)| slot.retire_at())
            .map(|(index, _)| index);
        let Some(index) = predecessor else { return };
        self.slots.want_successor(index, false);
        if self.slots.slot(index).is_idle() {
            self.dispose_idle(index, CloseReason::MaxLifetime, now);
        } else {
            self.doom(index, CloseReason::MaxLifetime);
        }
    }

    /// Closes idle connections that are not needed.
    fn shrink(&mut self, now: Instant) {
        let timeout = self.options.idle_timeout;
        if timeout.is_zero() {
            return;
        }
        let counts = *self.slots.counts();
        let above_floor = counts
            .live()
            .saturating_sub(self.options.min_connections)
            .min(counts.idle.saturating_sub(self.options.min_idle));
        if above_floor == 0 {
            self.samples.restart();
            return;
        }
        let spare = match self.options.reuse {
            Reuse::Lifo => {
                let idle_for = |index| now.saturating_duration_since(self.slots.idle_since(index));
                self.slots.idle().filter(|index| idle_for(*index) >= timeout).count()
            }
            Reuse::Fifo => {
                self.samples.sample(counts.idle, timeout, self.options.maintenance_interval, now).unwrap_or(0)
            }
        };
        for index in self.slots.idle_by_age(self.options.reuse).into_iter().take(spare.min(above_floor)) {
            self.dispose_idle(index, CloseReason::IdleTimeout, now);
        }
    }

    /// Validates idle connections before the server or a firewall forgets them.
    pub(super) fn keep_alive(&mut self, now: Instant, fx: &mut Effects<T>) {
        let interval = self.options.keepalive_interval;
        if interval.is_zero() {
            return;
        }
        let counts = self.slots.counts();
        // Most connections stay available while some are pinged.
        let at_once = counts.live().div_ceil(8).saturating_sub(counts.checked_by_keeper);
        let mut due: Vec<_> = self
            .slots
            .idle()
            .map(|index| (self.slots.last_good(index), index))
            .filter(|(last_good, _)| now.saturating_duration_since(*last_good) >= interval)
            .collect();
        due.sort_unstable();
        for (_, index) in due.into_iter().take(at_once) {
            self.check_idle(index, now, fx);
        }
    }
}
