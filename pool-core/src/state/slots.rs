//! The table of connections: one slot for each, from the moment its connect begins until it is gone.
//!
//! A slot's [`Stage`] can be changed only by [`Slots::enter`] and its kin, which keep the counts and the
//! idle sets in step: a fact is stored once and the gauges are derived from it in one place. What is also written
//! without the lock, such as who holds a connection since when, stands in the slot's [`Record`].
//!
//! An idle connection is either kept here or lies on the [`Shelf`], where it may be taken, and others put, without the
//! lock. [`Slots::absorb`] brings the table up to date with that.
//!
//! Invariants: `kept` holds exactly the slots in [`Stage::Idle`], `shelved` those in [`Stage::Shelved`]; after
//! `absorb`, and until the gate is opened again, those are the ones on the shelf.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use tokio::time::Instant;

use super::WaiterId;
use crate::acquire::Priority;
use crate::clock::Epoch;
use crate::connection::{CloseReason, ConnectionId, ConnectionInfo, ConnectionState, Holder, Owner};
use crate::histogram::Histogram;
use crate::options::Reuse;
pub(crate) use crate::shelf::Lease;
pub(crate) use crate::shelf::SlotIndex;
use crate::shelf::{Housed, Place, Record, Shelf, SlotSet};
use crate::state::totals::Totals;

/// What a slot's connection is doing, and where it is.
#[derive(Debug)]
pub(crate) enum Stage<T> {
    /// Nothing: the slot may be used again.
    Free,
    /// Being opened by the keeper.
    Creating(Place),
    /// Here, and free.
    Idle(Lease<T>),
    /// On the shelf, and free.
    Shelved,
    /// With its holder, or promised to a waiter that has not come for it.
    Active,
    /// With the caller that validates it before use.
    CheckedByCaller,
    /// With the keeper, which validates or resets it.
    CheckedByKeeper,
    /// On its way out.
    Destroying(CloseReason),
}

/// That a caller has a slot's connection, beyond what its record tells.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Hold {
    pub(crate) priority: Priority,
    /// When it was promised to the caller, and how often the slot had been used by then: once it was used more often,
    /// the promise was kept.
    promised: Option<(Instant, u64)>,
    pub(crate) leaked: bool,
    /// The leak threshold when it began, if another one is set now.
    threshold: Option<Duration>,
    /// Time that the process did not live through, and that is not to be called a leak.
    pub(crate) forgiven: Duration,
}

impl Hold {
    fn new(priority: Priority) -> Self {
        Hold { priority, promised: None, leaked: false, threshold: None, forgiven: Duration::ZERO }
    }
}

/// The pool's record of one connection.
#[derive(Debug)]
pub(crate) struct Slot<T> {
    pub(crate) id: ConnectionId,
    stage: Stage<T>,
    /// When its connect began; from its success on, when that was.
    pub(crate) born: Instant,
    /// Flushes and evictions seen at its birth or last validation.
    pub(crate) generation: u64,
    /// When it is to be replaced; `None` = never.
    retire_at: Option<Instant>,
    /// Its share of the lifetime jitter, from 0 to 1, drawn once.
    pub(crate) luck: f64,
    /// Set when it must not be used again once it is back.
    pub(crate) doomed: Option<CloseReason>,
    /// In which order idle connections came here.
    turn: u64,
    /// What its slot had counted before.
    before: Totals,
    hold: Option<Hold>,
    /// The waiter that it was handed to last, who may be long gone: a hint where to look.
    handed_to: Option<WaiterId>,
    successor_wanted: bool,
}

impl<T> Slot<T> {
    pub(crate) fn stage(&self) -> &Stage<T> {
        &self.stage
    }

    pub(crate) fn hold(&self) -> Option<&Hold> {
        self.hold.as_ref()
    }

    /// The waiter that it was handed to last.
    pub(crate) fn handed_to(&self) -> Option<WaiterId> {
        self.handed_to
    }

    pub(crate) fn retire_at(&self) -> Option<Instant> {
        self.retire_at
    }

    pub(crate) fn successor_wanted(&self) -> bool {
        self.successor_wanted
    }

    pub(crate) fn is_idle(&self) -> bool {
        matches!(self.stage, Stage::Idle(_) | Stage::Shelved)
    }

    /// Whether the slot holds a connection that a caller has or may get.
    pub(crate) fn is_live(&self) -> bool {
        !matches!(self.stage, Stage::Free | Stage::Creating(_) | Stage::Destroying(_))
    }

    fn state(&self) -> Option<ConnectionState> {
        Some(match self.stage {
            Stage::Free => return None,
            Stage::Creating(_) => ConnectionState::Creating,
            Stage::Idle(_) | Stage::Shelved => ConnectionState::Idle,
            Stage::Active if self.doomed == Some(CloseReason::Discarded) => ConnectionState::Error,
            Stage::Active => ConnectionState::Active,
            Stage::CheckedByCaller | Stage::CheckedByKeeper => ConnectionState::Validating,
            Stage::Destroying(_) => ConnectionState::Destroying,
        })
    }
}

/// How many slots are in which stage.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Counts {
    pub(crate) creating: usize,
    pub(crate) idle: usize,
    pub(crate) active: usize,
    pub(crate) checked_by_caller: usize,
    pub(crate) checked_by_keeper: usize,
    pub(crate) destroying: usize,
    /// Held by callers of normal priority.
    pub(crate) held_normally: usize,
    /// Held and reported.
    pub(crate) leaked: usize,
    /// About to retire, with a successor asked for.
    pub(crate) successors_wanted: usize,
}

impl Counts {
    pub(crate) fn total(&self) -> usize {
        self.staying() + self.destroying
    }

    /// Connections that are there to stay, and those that will be.
    pub(crate) fn staying(&self) -> usize {
        self.creating + self.live()
    }

    /// Connections that a caller has or may get.
    pub(crate) fn live(&self) -> usize {
        self.idle + self.active + self.checked_by_caller + self.checked_by_keeper
    }

    fn add<T>(&mut self, slot: &Slot<T>, sign: Sign) {
        let step = |count: &mut usize| match sign {
            Sign::Plus => *count += 1,
            Sign::Minus => *count -= 1,
        };
        match slot.stage {
            Stage::Free => {}
            Stage::Creating(_) => step(&mut self.creating),
            Stage::Idle(_) | Stage::Shelved => step(&mut self.idle),
            Stage::Active => step(&mut self.active),
            Stage::CheckedByCaller => step(&mut self.checked_by_caller),
            Stage::CheckedByKeeper => step(&mut self.checked_by_keeper),
            Stage::Destroying(_) => step(&mut self.destroying),
        }
        if let Some(hold) = &slot.hold {
            if hold.priority == Priority::Normal {
                step(&mut self.held_normally);
            }
            if hold.leaked {
                step(&mut self.leaked);
            }
        }
        if slot.successor_wanted {
            step(&mut self.successors_wanted);
        }
    }
}

#[derive(Clone, Copy)]
enum Sign {
    Plus,
    Minus,
}

/// What came back to the shelf although it should have gone through the lock: it was marked in that very moment.
#[derive(Debug)]
pub(crate) enum Stray<T> {
    /// Still a connection of the pool.
    Marked {
        lease: Lease<T>,
        /// Its holder, if he was reported.
        leaked: Option<Holder>,
    },
    /// Written off meanwhile.
    Orphan(T),
}

/// What happened without the lock.
#[derive(Debug)]
pub(crate) struct Absorbed<T> {
    pub(crate) strays: Vec<Stray<T>>,
    /// Whether a connection was put back.
    pub(crate) came_back: bool,
}

/// The table itself.
#[derive(Debug)]
pub(crate) struct Slots<T> {
    shelf: Arc<Shelf<T>>,
    epoch: Epoch,
    slots: Vec<Slot<T>>,
    free: Vec<Place>,
    kept: SlotSet,
    shelved: SlotSet,
    counts: Counts,
    last_id: u64,
    last_turn: u64,
}

impl<T> Slots<T> {
    pub(crate) fn new(shelf: Arc<Shelf<T>>, epoch: Epoch) -> Self {
        Slots {
            epoch,
            slots: Vec::new(),
            free: Vec::new(),
            kept: SlotSet::new(shelf.layout()),
            shelved: SlotSet::new(shelf.layout()),
            counts: Counts::default(),
            last_id: 0,
            last_turn: 0,
            shelf,
        }
    }

    pub(crate) fn counts(&self) -> &Counts {
        &self.counts
    }

    pub(crate) fn epoch(&self) -> Epoch {
        self.epoch
    }

    pub(crate) fn slot(&self, index: SlotIndex) -> &Slot<T> {
        &self.slots[index as usize]
    }

    /// What is known of a slot without the lock, too.
    pub(crate) fn record(&self, index: SlotIndex) -> &Record {
        self.shelf.record(index)
    }

    /// Every slot in use, with its index.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (SlotIndex, &Slot<T>)> {
        (0..).zip(&self.slots).filter(|(_, slot)| !matches!(slot.stage, Stage::Free))
    }

    /// The slot of a connection, unless the connection is gone.
    pub(crate) fn find(&self, id: ConnectionId) -> Option<SlotIndex> {
        self.iter().find(|(_, slot)| slot.id == id).map(|(index, _)| index)
    }

    /// Whether the slot still stands for this connection.
    pub(crate) fn is_current(&self, index: SlotIndex, id: ConnectionId) -> bool {
        self.slots.get(index as usize).is_some_and(|slot| slot.id == id && !matches!(slot.stage, Stage::Free))
    }

    /// Idle slots, word by word, the lowest first.
    pub(crate) fn idle(&self) -> impl Iterator<Item = SlotIndex> + '_ {
        let (layout, words) = (self.shelf.layout(), self.kept.words().max(self.shelved.words()));
        (0..words).flat_map(move |word| layout.slots(word, self.kept.word(word) | self.shelved.word(word)))
    }

    /// Idle slots, longest idle first.
    pub(crate) fn idle_by_age(&self, reuse: Reuse) -> Vec<SlotIndex> {
        let mut idle: Vec<_> = self.idle().collect();
        match reuse {
            // Of those that are equally old the highest, as the lowest is used next.
            Reuse::Lifo => idle.sort_by_key(|index| (self.idle_since(*index), std::cmp::Reverse(*index))),
            Reuse::Fifo => idle.sort_by_key(|index| (self.idle_since(*index), self.slot(*index).turn)),
        }
        idle
    }

    /// The idle slot to use next.
    pub(crate) fn next_idle(&self, reuse: Reuse) -> Option<SlotIndex> {
        match reuse {
            Reuse::Lifo => self.idle().next(),
            Reuse::Fifo => self.idle().min_by_key(|index| (self.idle_since(*index), self.slot(*index).turn)),
        }
    }

    /// Since when a connection is idle, if it is.
    pub(crate) fn idle_since(&self, index: SlotIndex) -> Instant {
        self.epoch.instant(self.record(index).idle_since())
    }

    /// When a connection last proved to work: opened, validated, or returned unbroken.
    pub(crate) fn last_good(&self, index: SlotIndex) -> Instant {
        self.epoch.instant(self.record(index).last_good())
    }

    /// How often a connection was handed out.
    pub(crate) fn uses(&self, index: SlotIndex) -> u64 {
        Totals::of(self.record(index)).acquired - self.slot(index).before.acquired
    }

    /// What all records count, together; of a slot for which there is a limit, as if it had been used no more often.
    pub(crate) fn totals(&self, limit: impl Fn(SlotIndex) -> Option<u64>) -> Totals {
        let mut totals = Totals::default();
        for index in 0..self.slots.len() as SlotIndex {
            let mut of_slot = Totals::of(self.record(index));
            if let Some(limit) = limit(index) {
                of_slot.acquired = of_slot.acquired.min(limit);
                of_slot.released = of_slot.released.min(limit);
            }
            totals.add(of_slot);
        }
        totals
    }

    /// Time in holders' hands, of all slots together and up to now, in ticks.
    pub(crate) fn held(&self, now: Instant) -> u64 {
        let now = self.epoch.ticks(now);
        (0..self.slots.len() as SlotIndex).map(|index| self.record(index).held(now)).sum()
    }

    /// Counts a use that ends. Returns how long it was.
    pub(crate) fn end_use(&self, index: SlotIndex, ticks: u64) -> u64 {
        let used = self.record(index).end_use(ticks);
        if used != 0 {
            self.shelf.uses.record(used);
        }
        used
    }

    /// How long connections were held, but for those held for no time that could be told.
    pub(crate) fn uses_so_far(&self) -> Histogram {
        self.shelf.uses.copy()
    }

    /// Those of them that ended since `earlier`, a copy.
    pub(crate) fn uses_since(&self, earlier: &Histogram, copy: &mut Histogram) {
        self.shelf.uses.copy_since(Some(earlier), copy);
    }

    /// The id of the connection that is begun next.
    pub(crate) fn next_id(&self) -> ConnectionId {
        ConnectionId(self.last_id + 1)
    }

    /// Takes a free slot into [`Stage::Creating`].
    pub(crate) fn begin(&mut self, now: Instant, generation: u64) -> (SlotIndex, ConnectionId) {
        self.last_id += 1;
        let id = ConnectionId(self.last_id);
        let place = self.free.pop().unwrap_or_else(|| self.shelf.grow());
        let index = place.index();
        let record = self.shelf.record(index);
        record.id.store(id.0, Relaxed);
        record.due_at.store(Record::NEVER, Relaxed);
        record.good_at.store(self.epoch.ticks(now), Relaxed);
        record.idle_since.store(self.epoch.ticks(now), Relaxed);
        let slot = Slot {
            id,
            stage: Stage::Creating(place),
            born: now,
            generation,
            retire_at: None,
            luck: 0.0,
            doomed: None,
            turn: 0,
            before: Totals::of(record),
            hold: None,
            handed_to: None,
            successor_wanted: false,
        };
        self.counts.add(&slot, Sign::Plus);
        match self.slots.get_mut(index as usize) {
            Some(free) => *free = slot,
            None => self.slots.push(slot),
        }
        (index, id)
    }

    /// Puts a connection into the place it was opened for.
    pub(crate) fn seat(&self, place: Place, connection: T) -> Lease<T>
    where
        T: Housed,
    {
        self.shelf.seat(place, connection)
    }

    /// Takes back the place of a connection that is gone.
    pub(crate) fn reclaim(&mut self, place: Place) {
        self.free.push(place);
    }

    /// Brings the table up to date with what was taken and put back without the lock.
    ///
    /// Those that should not stay there while others may look for them: with `quietly` they are left for the next time.
    pub(crate) fn absorb(&mut self, quietly: bool, now: Instant) -> Absorbed<T> {
        let mut absorbed = Absorbed { strays: Vec::new(), came_back: false };
        let layout = self.shelf.layout();
        for word in 0..self.shelf.chunks() {
            let there = self.shelf.free(word);
            let known = self.shelved.word(word);
            for index in layout.slots(word, known & !there) {
                self.enter(index, Stage::Active);
                self.hold(index, Priority::Normal);
            }
            for index in layout.slots(word, there & !known) {
                if !self.is_marked(index) {
                    absorbed.came_back = true;
                    self.set_hold(index, None);
                    self.enter(index, Stage::Shelved);
                } else if !quietly {
                    absorbed.strays.extend(self.catch(index, now));
                }
            }
        }
        absorbed
    }

    /// Takes a marked connection off the shelf.
    fn catch(&mut self, index: SlotIndex, now: Instant) -> Option<Stray<T>> {
        let lease = self.shelf.withdraw(index)?;
        if !matches!(self.slot(index).stage, Stage::Active) {
            lease.record().uncount_use();
            let (place, connection) = lease.vacate();
            self.reclaim(place);
            return Some(Stray::Orphan(connection));
        }
        let leaked = self.last_holder(index, now).filter(|holder| holder.leaked);
        self.enter(index, Stage::CheckedByKeeper);
        self.set_hold(index, None);
        Some(Stray::Marked { lease, leaked })
    }

    /// Has the first `limit` idle connections lie on the shelf, and the others here.
    pub(crate) fn shelve(&mut self, limit: usize) {
        if limit >= self.counts.idle {
            while let Some(index) = self.kept.first() {
                self.lay_out(index);
            }
            return;
        }
        for (position, index) in self.idle().collect::<Vec<_>>().into_iter().enumerate() {
            match (&self.slot(index).stage, position < limit) {
                (Stage::Idle(_), true) => self.lay_out(index),
                (Stage::Shelved, false) => self.take_in(index),
                _ => {}
            }
        }
    }

    fn lay_out(&mut self, index: SlotIndex) {
        if let Stage::Idle(lease) = self.enter(index, Stage::Shelved) {
            self.shelf.deposit(lease);
        }
    }

    fn take_in(&mut self, index: SlotIndex) {
        if let Some(lease) = self.shelf.withdraw(index) {
            self.enter(index, Stage::Idle(lease));
        }
    }

    /// Takes an idle connection, from wherever it is, and enters another stage. `None` if it was not there after
    /// all, which the gate rules out while it is shut.
    pub(crate) fn take_idle(&mut self, index: SlotIndex, stage: Stage<T>) -> Option<Lease<T>> {
        match self.enter(index, stage) {
            Stage::Idle(lease) => Some(lease),
            _ => self.shelf.withdraw(index),
        }
    }

    /// Changes a slot, keeping the counts in step. The stage has its own verb, [`enter`](Slots::enter).
    pub(crate) fn update(&mut self, index: SlotIndex, change: impl FnOnce(&mut Slot<T>)) {
        let slot = &mut self.slots[index as usize];
        self.counts.add(slot, Sign::Minus);
        change(slot);
        self.counts.add(slot, Sign::Plus);
    }

    /// Moves a slot to another stage and returns the one it left, with the connection if it was here.
    pub(crate) fn enter(&mut self, index: SlotIndex, stage: Stage<T>) -> Stage<T> {
        if let Stage::Idle(_) = stage {
            self.last_turn += 1;
            self.slots[index as usize].turn = self.last_turn;
        }
        let (kept, shelved) = (matches!(stage, Stage::Idle(_)), matches!(stage, Stage::Shelved));
        let mut left = Stage::Free;
        self.update(index, |slot| left = std::mem::replace(&mut slot.stage, stage));
        if kept || matches!(left, Stage::Idle(_)) {
            self.kept.change(index, kept);
        }
        if shelved || matches!(left, Stage::Shelved) {
            self.shelved.change(index, shelved);
        }
        left
    }

    /// Says when a connection is to be replaced.
    pub(crate) fn set_retirement(&mut self, index: SlotIndex, at: Option<Instant>) {
        self.slots[index as usize].retire_at = at;
        let marked = self.is_marked(index);
        self.mark(index, marked);
    }

    fn is_marked(&self, index: SlotIndex) -> bool {
        self.record(index).due_at.load(Relaxed) == Record::MARKED
    }

    /// Marks a connection, or takes the mark away: while marked it goes through the lock.
    pub(crate) fn mark(&self, index: SlotIndex, marked: bool) {
        let date = self.slot(index).retire_at.map_or(Record::NEVER, |at| self.epoch.ticks(at));
        self.record(index).due_at.store(if marked { Record::MARKED } else { date }, Relaxed);
    }

    /// Marks all connections.
    pub(crate) fn mark_all(&self) {
        for (index, _) in self.iter() {
            self.mark(index, true);
        }
    }

    /// Notes that a connection was found to work, and when.
    pub(crate) fn set_good(&self, index: SlotIndex, at: Instant) {
        self.record(index).good_at.store(self.epoch.ticks(at), Relaxed);
    }

    /// Notes since when a connection is idle, if that is not when it came back.
    pub(crate) fn set_idle_since(&self, index: SlotIndex, at: Instant) {
        self.record(index).idle_since.store(self.epoch.ticks(at), Relaxed);
    }

    /// Records whether a caller has the connection now.
    pub(crate) fn set_hold(&mut self, index: SlotIndex, hold: Option<Hold>) -> Option<Hold> {
        let mut left = None;
        self.update(index, |slot| left = std::mem::replace(&mut slot.hold, hold));
        left
    }

    /// Notes that a caller has the connection.
    pub(crate) fn hold(&mut self, index: SlotIndex, priority: Priority) {
        self.set_hold(index, Some(Hold::new(priority)));
    }

    /// Notes that a caller was promised the connection.
    pub(crate) fn promise(&mut self, index: SlotIndex, priority: Priority, now: Instant) {
        let uses = self.record(index).acquired.load(Relaxed);
        self.set_hold(index, Some(Hold { promised: Some((now, uses)), ..Hold::new(priority) }));
    }

    /// When the connection was promised to a caller who has not come for it. Those of a saturated pool are not noted.
    pub(crate) fn promised(&self, index: SlotIndex) -> Option<Instant> {
        let (at, uses) = self.slot(index).hold.as_ref()?.promised?;
        (self.record(index).acquired.load(Relaxed) == uses).then_some(at)
    }

    /// Notes that a holder was reported.
    pub(crate) fn mark_leaked(&mut self, index: SlotIndex) {
        self.mark(index, true);
        self.update(index, |slot| {
            if let Some(hold) = &mut slot.hold {
                hold.leaked = true;
            }
        });
    }

    /// Whether a caller really has the connection: he has come for what he was promised, and it was written down.
    pub(crate) fn is_in_use(&self, index: SlotIndex) -> bool {
        let totals = Totals::of(self.record(index));
        totals.acquired > totals.released
    }

    /// Whether somebody has held the connection for longer than `threshold`, and was not reported.
    pub(crate) fn is_overdue(&self, index: SlotIndex, threshold: Duration, now: Instant) -> bool {
        let (slot, record) = (self.slot(index), self.record(index));
        let Some(hold) = slot.hold.filter(|hold| !hold.leaked) else { return false };
        let since = self.epoch.instant(record.held_since.load(Relaxed));
        let threshold = hold.threshold.unwrap_or(threshold);
        matches!(slot.stage, Stage::Active)
            && self.is_in_use(index)
            && !threshold.is_zero()
            && now.saturating_duration_since(since) >= threshold + hold.forgiven
    }

    /// Has those who hold connections now judged by this leak threshold, whatever is set later.
    pub(crate) fn keep_threshold(&mut self, threshold: Duration) {
        for hold in self.slots.iter_mut().filter_map(|slot| slot.hold.as_mut()) {
            hold.threshold.get_or_insert(threshold);
        }
    }

    /// Notes to which waiter a connection is handed. Returns to whom it was the last time.
    pub(crate) fn hand_to(&mut self, index: SlotIndex, waiter: WaiterId) -> Option<WaiterId> {
        self.slots[index as usize].handed_to.replace(waiter)
    }

    pub(crate) fn want_successor(&mut self, index: SlotIndex, wanted: bool) {
        self.update(index, |slot| slot.successor_wanted = wanted);
    }

    /// Moves the clocks of all slots forward by time that the process did not live through.
    pub(crate) fn forgive(&mut self, lost: Duration, now: Instant) {
        for index in self.idle().collect::<Vec<_>>() {
            self.set_idle_since(index, (self.idle_since(index) + lost).min(now));
        }
        for hold in self.slots.iter_mut().filter_map(|slot| slot.hold.as_mut()) {
            hold.forgiven += lost;
        }
    }

    pub(crate) fn infos(&self, now: Instant) -> Vec<ConnectionInfo> {
        let mut infos: Vec<_> = self.iter().filter_map(|(index, _)| self.info(index, now)).collect();
        infos.sort_unstable_by_key(|info| info.id);
        infos
    }

    fn info(&self, index: SlotIndex, now: Instant) -> Option<ConnectionInfo> {
        let slot = self.slot(index);
        let totals = Totals::of(self.record(index)).since(slot.before);
        let idle_for = || now.saturating_duration_since(self.idle_since(index));
        Some(ConnectionInfo {
            id: slot.id,
            state: slot.state()?,
            age: now.saturating_duration_since(slot.born),
            idle: if slot.is_idle() { idle_for() } else { Duration::ZERO },
            uses: totals.acquired,
            used: Duration::from_nanos(totals.used),
            holder: self.holder(index, now),
        })
    }

    /// Who holds a connection.
    pub(crate) fn holder(&self, index: SlotIndex, now: Instant) -> Option<Holder> {
        self.held_since(index)?;
        self.last_holder(index, now)
    }

    /// Since when somebody has a connection, or the promise of it.
    fn held_since(&self, index: SlotIndex) -> Option<Instant> {
        let record = self.record(index);
        let in_use = || self.is_in_use(index).then(|| self.epoch.instant(record.held_since.load(Relaxed)));
        // Promised in a saturated pool, and not yet come for: nobody's.
        self.slot(index).hold?;
        self.promised(index).or_else(in_use)
    }

    /// Who holds a connection, or has just given it back.
    pub(crate) fn last_holder(&self, index: SlotIndex, now: Instant) -> Option<Holder> {
        let (slot, record) = (self.slot(index), self.record(index));
        let hold = slot.hold?;
        let since =
            self.promised(index).unwrap_or_else(|| self.epoch.instant(record.held_since.load(Relaxed)));
        Some(Holder {
            connection: slot.id,
            owner: Owner::from_number(record.owner.load(Relaxed)),
            site: record.site(),
            held: now.saturating_duration_since(since),
            leaked: hold.leaked,
        })
    }

    /// Who holds connections, oldest first, at most `limit`.
    pub(crate) fn holders(&self, now: Instant, limit: usize) -> Vec<Holder> {
        // Only those that are told of are looked at closely: whoever is refused by a large pool asks for a few.
        let since = |(index, slot): (SlotIndex, &Slot<T>)| Some((self.held_since(index)?, slot.id, index));
        let mut held: Vec<_> = self.iter().filter_map(since).collect();
        if limit < held.len() {
            held.select_nth_unstable(limit);
            held.truncate(limit);
        }
        held.sort_unstable();
        held.into_iter().filter_map(|(.., index)| self.last_holder(index, now)).collect()
    }

    /// All who hold connections.
    pub(crate) fn owners(&self) -> HashSet<Owner> {
        let held = self.iter().filter(|(index, slot)| slot.hold.is_some() && self.is_in_use(*index));
        held.map(|(index, _)| Owner::from_number(self.record(index).owner.load(Relaxed))).collect()
    }

    /// What `owner` holds, if anything. What it was only promised it does not hold.
    pub(crate) fn held_by(&self, owner: Owner, now: Instant) -> Option<Holder> {
        self.iter()
            .filter(|(index, slot)| {
                slot.hold.is_some()
                    && self.is_in_use(*index)
                    && self.record(*index).owner.load(Relaxed) == owner.as_number()
            })
            .find_map(|(index, _)| self.holder(index, now))
    }

    #[cfg(test)]
    pub(crate) fn check_invariants(&self) {
        let mut recount = Counts::default();
        for slot in &self.slots {
            recount.add(slot, Sign::Plus);
        }
        assert_eq!(recount, self.counts, "the counts follow the stages");
        let staged = |wanted: fn(&Stage<T>) -> bool| -> Vec<_> {
            self.iter().filter(|(_, slot)| wanted(&slot.stage)).map(|(index, _)| index).collect()
        };
        let sorted = |set: &SlotSet| {
            let mut slots: Vec<_> = set.iter().collect();
            slots.sort_unstable();
            slots
        };
        let kept = sorted(&self.kept);
        assert_eq!(kept, staged(|stage| matches!(stage, Stage::Idle(_))), "kept are the idle ones here");
        let shelved = sorted(&self.shelved);
        assert_eq!(
            shelved,
            staged(|stage| matches!(stage, Stage::Shelved)),
            "shelved are those on the shelf"
        );
        for word in 0..self.shelf.chunks() {
            assert_eq!(self.shelf.free(word), self.shelved.word(word), "the table agrees with the shelf");
        }
        for place in &self.free {
            let stage = &self.slot(place.index()).stage;
            assert!(matches!(stage, Stage::Free), "a place in stock stands for no connection: {place:?}");
        }
        for (_, slot) in self.iter() {
            let held = matches!(slot.stage, Stage::Active | Stage::CheckedByCaller);
            assert_eq!(slot.hold.is_some(), held, "{:?} has a holder exactly while a caller has it", slot.id);
        }
    }
}
