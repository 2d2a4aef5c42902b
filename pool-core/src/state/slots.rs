//! The table of connections: one slot for each, from the moment its connect begins until it is gone.
//!
//! A slot's [`Stage`] can be changed only by [`Slots::enter`] and its kin, which keep the counts and the
//! idle order in step: a fact is stored once and the gauges are derived from it in one place.
//!
//! Invariant: `idle` holds exactly the slots in [`Stage::Idle`], by `idle_since`, longest idle first.

use std::collections::VecDeque;
use std::panic::Location;
use std::time::Duration;

use tokio::time::Instant;

use crate::acquire::Priority;
use crate::connection::{CloseReason, ConnectionId, ConnectionInfo, ConnectionState, Holder, Owner};
use crate::options::Reuse;

/// Where a slot is in the table.
pub(crate) type SlotIndex = u32;

/// A connection outside the table: in a guard, or in the keeper's hands.
#[derive(Debug)]
pub(crate) struct Lease<T> {
    pub(crate) slot: SlotIndex,
    pub(crate) id: ConnectionId,
    pub(crate) connection: T,
}

/// What a slot's connection is doing, and where it is.
#[derive(Debug)]
pub(crate) enum Stage<T> {
    /// Nothing: the slot may be used again.
    Free,
    /// Being opened by the keeper.
    Creating,
    /// Here, and free.
    Idle(T),
    /// Here, and promised to a waiter that has not run yet.
    Granted(T),
    /// With its holder.
    Active,
    /// With the caller that validates it before use.
    CheckedByCaller,
    /// With the keeper, which validates or resets it.
    CheckedByKeeper,
    /// On its way out.
    Destroying(CloseReason),
}

/// Who holds a slot's connection.
#[derive(Debug, Clone)]
pub(crate) struct Hold {
    pub(crate) owner: Owner,
    pub(crate) site: &'static Location<'static>,
    pub(crate) priority: Priority,
    pub(crate) since: Instant,
    /// When to report it; `None` = never.
    pub(crate) leak_at: Option<Instant>,
    pub(crate) leaked: bool,
}

/// The pool's record of one connection.
#[derive(Debug)]
pub(crate) struct Slot<T> {
    pub(crate) id: ConnectionId,
    stage: Stage<T>,
    /// When its connect began; from its success on, when that was.
    pub(crate) born: Instant,
    pub(crate) idle_since: Instant,
    /// When it last proved to work: opened, validated, or returned unbroken.
    pub(crate) last_good: Instant,
    /// Flushes and evictions seen at its birth or last validation.
    pub(crate) generation: u64,
    /// When it is to be replaced; `None` = never.
    pub(crate) retire_at: Option<Instant>,
    /// Its share of the lifetime jitter, from 0 to 1, drawn once.
    pub(crate) luck: f64,
    pub(crate) uses: u64,
    pub(crate) used: Duration,
    /// Set when it must not be used again once it is back.
    pub(crate) doomed: Option<CloseReason>,
    hold: Option<Hold>,
    successor_wanted: bool,
}

impl<T> Slot<T> {
    pub(crate) fn stage(&self) -> &Stage<T> {
        &self.stage
    }

    pub(crate) fn hold(&self) -> Option<&Hold> {
        self.hold.as_ref()
    }

    pub(crate) fn successor_wanted(&self) -> bool {
        self.successor_wanted
    }

    /// Whether the slot holds a connection that a caller has or may get.
    pub(crate) fn is_live(&self) -> bool {
        !matches!(self.stage, Stage::Free | Stage::Creating | Stage::Destroying(_))
    }

    fn state(&self) -> Option<ConnectionState> {
        Some(match self.stage {
            Stage::Free => return None,
            Stage::Creating => ConnectionState::Creating,
            Stage::Idle(_) => ConnectionState::Idle,
            Stage::Active if self.doomed == Some(CloseReason::Discarded) => ConnectionState::Error,
            Stage::Granted(_) | Stage::Active => ConnectionState::Active,
            Stage::CheckedByCaller | Stage::CheckedByKeeper => ConnectionState::Validating,
            Stage::Destroying(_) => ConnectionState::Destroying,
        })
    }

    pub(crate) fn holder(&self, now: Instant) -> Option<Holder> {
        self.hold.as_ref().map(|hold| Holder {
            connection: self.id,
            owner: hold.owner,
            site: hold.site,
            held: now.saturating_duration_since(hold.since),
            leaked: hold.leaked,
        })
    }

    fn info(&self, now: Instant) -> Option<ConnectionInfo> {
        let idle = match self.stage {
            Stage::Idle(_) => now.saturating_duration_since(self.idle_since),
            _ => Duration::ZERO,
        };
        Some(ConnectionInfo {
            id: self.id,
            state: self.state()?,
            age: now.saturating_duration_since(self.born),
            idle,
            uses: self.uses,
            used: self.used,
            holder: self.holder(now),
        })
    }
}

/// How many slots are in which stage.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Counts {
    pub(crate) creating: usize,
    pub(crate) idle: usize,
    pub(crate) granted: usize,
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
        self.idle + self.granted + self.active + self.checked_by_caller + self.checked_by_keeper
    }

    fn add<T>(&mut self, slot: &Slot<T>, sign: Sign) {
        let step = |count: &mut usize| match sign {
            Sign::Plus => *count += 1,
            Sign::Minus => *count -= 1,
        };
        match slot.stage {
            Stage::Free => {}
            Stage::Creating => step(&mut self.creating),
            Stage::Idle(_) => step(&mut self.idle),
            Stage::Granted(_) => step(&mut self.granted),
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

/// The table itself.
#[derive(Debug)]
pub(crate) struct Slots<T> {
    slots: Vec<Slot<T>>,
    free: Vec<SlotIndex>,
    idle: VecDeque<SlotIndex>,
    counts: Counts,
    last_id: u64,
}

impl<T> Slots<T> {
    pub(crate) fn new() -> Self {
        Slots {
            slots: Vec::new(),
            free: Vec::new(),
            idle: VecDeque::new(),
            counts: Counts::default(),
            last_id: 0,
        }
    }

    pub(crate) fn counts(&self) -> &Counts {
        &self.counts
    }

    pub(crate) fn slot(&self, index: SlotIndex) -> &Slot<T> {
        &self.slots[index as usize]
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

    /// Idle slots, longest idle first.
    pub(crate) fn idle(&self) -> impl DoubleEndedIterator<Item = SlotIndex> + '_ {
        self.idle.iter().copied()
    }

    /// The idle slot to use next.
    pub(crate) fn next_idle(&self, reuse: Reuse) -> Option<SlotIndex> {
        match reuse {
            Reuse::Lifo => self.idle.back().copied(),
            Reuse::Fifo => self.idle.front().copied(),
        }
    }

    /// Takes a free slot into [`Stage::Creating`].
    pub(crate) fn begin(&mut self, now: Instant, generation: u64) -> (SlotIndex, ConnectionId) {
        self.last_id += 1;
        let id = ConnectionId(self.last_id);
        let slot = Slot {
            id,
            stage: Stage::Creating,
            born: now,
            idle_since: now,
            last_good: now,
            generation,
            retire_at: None,
            luck: 0.0,
            uses: 0,
            used: Duration::ZERO,
            doomed: None,
            hold: None,
            successor_wanted: false,
        };
        self.counts.add(&slot, Sign::Plus);
        let index = match self.free.pop() {
            Some(index) => {
                self.slots[index as usize] = slot;
                index
            }
            None => {
                let index = SlotIndex::try_from(self.slots.len())
                    .expect("options limit a pool to a million connections");
                self.slots.push(slot);
                index
            }
        };
        (index, id)
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
        let (was_idle, is_idle) =
            (matches!(self.slot(index).stage, Stage::Idle(_)), matches!(stage, Stage::Idle(_)));
        let freed = matches!(stage, Stage::Free);
        let mut left = Stage::Free;
        self.update(index, |slot| left = std::mem::replace(&mut slot.stage, stage));
        if was_idle && !is_idle {
            self.unlink_idle(index);
        }
        if is_idle && !was_idle {
            self.link_idle(index);
        }
        if freed {
            self.free.push(index);
        }
        left
    }

    /// Records who has the connection now.
    pub(crate) fn set_hold(&mut self, index: SlotIndex, hold: Option<Hold>) -> Option<Hold> {
        let mut left = None;
        self.update(index, |slot| left = std::mem::replace(&mut slot.hold, hold));
        left
    }

    pub(crate) fn mark_leaked(&mut self, index: SlotIndex) {
        self.update(index, |slot| {
            if let Some(hold) = &mut slot.hold {
                hold.leaked = true;
                hold.leak_at = None;
            }
        });
    }

    pub(crate) fn want_successor(&mut self, index: SlotIndex, wanted: bool) {
        self.update(index, |slot| slot.successor_wanted = wanted);
    }

    /// Moves the clocks of all slots forward by time that the process did not live through.
    pub(crate) fn forgive(&mut self, lost: Duration, now: Instant) {
        for slot in &mut self.slots {
            slot.idle_since = (slot.idle_since + lost).min(now);
            if let Some(hold) = &mut slot.hold {
                hold.leak_at = hold.leak_at.map(|at| at + lost);
            }
        }
    }

    pub(crate) fn infos(&self, now: Instant) -> Vec<ConnectionInfo> {
        let mut infos: Vec<_> = self.slots.iter().filter_map(|slot| slot.info(now)).collect();
        infos.sort_unstable_by_key(|info| info.id);
        infos
    }

    /// Who holds connections, oldest first, at most `limit`.
    pub(crate) fn holders(&self, now: Instant, limit: usize) -> Vec<Holder> {
        let mut holders: Vec<_> = self.slots.iter().filter_map(|slot| slot.holder(now)).collect();
        holders.sort_unstable_by_key(|holder| (std::cmp::Reverse(holder.held), holder.connection));
        holders.truncate(limit);
        holders
    }

    /// What `owner` holds, if anything.
    pub(crate) fn held_by(&self, owner: Owner, now: Instant) -> Option<Holder> {
        self.slots
            .iter()
            .filter(|slot| slot.hold.as_ref().is_some_and(|hold| hold.owner == owner))
            .find_map(|slot| slot.holder(now))
    }

    fn link_idle(&mut self, index: SlotIndex) {
        let since = self.slot(index).idle_since;
        // A returned connection belongs at the end; one back from its keepalive keeps its age and place.
        let later = self.idle.iter().rev().take_while(|other| self.slot(**other).idle_since > since).count();
        self.idle.insert(self.idle.len() - later, index);
    }

    fn unlink_idle(&mut self, index: SlotIndex) {
        let position = match (self.idle.back(), self.idle.front()) {
            (Some(back), _) if *back == index => self.idle.len() - 1,
            (_, Some(front)) if *front == index => 0,
            _ => self
                .idle
                .iter()
                .position(|other| *other == index)
                .expect("idle slots are listed: see the module's invariant"),
        };
        self.idle.remove(position);
    }

    #[cfg(test)]
    pub(crate) fn check_invariants(&self) {
        let mut recount = Counts::default();
        for slot in &self.slots {
            recount.add(slot, Sign::Plus);
        }
        assert_eq!(recount, self.counts, "the counts follow the stages");
        let mut listed: Vec<_> = self.idle.iter().copied().collect();
        assert!(
            self.idle
                .iter()
                .zip(self.idle.iter().skip(1))
                .all(|(a, b)| self.slot(*a).idle_since <= self.slot(*b).idle_since),
            "idle slots are listed by age"
        );
        listed.sort_unstable();
        let idle: Vec<_> = self
            .iter()
            .filter(|(_, slot)| matches!(slot.stage, Stage::Idle(_)))
            .map(|(index, _)| index)
            .collect();
        assert_eq!(listed, idle, "the idle list holds exactly the idle slots");
        assert_eq!(self.free.len() + self.iter().count(), self.slots.len(), "every slot is free or in use");
        for (_, slot) in self.iter() {
            let held = matches!(slot.stage, Stage::Granted(_) | Stage::Active | Stage::CheckedByCaller);
            assert_eq!(slot.hold.is_some(), held, "{:?} has a holder exactly while a caller has it", slot.id);
        }
    }
}
