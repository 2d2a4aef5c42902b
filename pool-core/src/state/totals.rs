//! What the uses of a connection add to its slot's [`Record`], and the sums over all slots.
//!
//! A record has one writer at a time, with the lock or without; whoever sums them up may see a use half noted, but never one
//! that ended before it began.

use std::panic::Location;
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};

use crate::connection::Owner;
use crate::shelf::{Record, add, set};

/// Sums of what records count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Totals {
    pub(crate) acquired: u64,
    pub(crate) released: u64,
    /// In ticks, as all sums of time.
    pub(crate) used: u64,
    pub(crate) idled: u64,
    /// When the last of each was.
    pub(crate) last_acquired: u64,
    pub(crate) last_released: u64,
}

impl Totals {
    pub(super) fn of(record: &Record) -> Self {
        // Ordering: who sees a use counted as over sees it counted as begun.
        let released = record.released.load(Acquire);
        Totals {
            released,
            acquired: record.acquired.load(Acquire),
            used: record.used.load(Relaxed),
            idled: record.idled.load(Relaxed),
            last_acquired: record.held_since.load(Relaxed),
            last_released: record.released_at.load(Relaxed),
        }
    }

    pub(super) fn add(&mut self, other: Totals) {
        self.acquired += other.acquired;
        self.released += other.released;
        self.used += other.used;
        self.idled += other.idled;
        self.last_acquired = self.last_acquired.max(other.last_acquired);
        self.last_released = self.last_released.max(other.last_released);
    }

    /// What was counted since `earlier`.
    pub(crate) fn since(self, earlier: Totals) -> Totals {
        Totals {
            acquired: self.acquired - earlier.acquired,
            // A use that was written off is counted as over twice for a moment.
            released: self.released.saturating_sub(earlier.released),
            used: self.used - earlier.used,
            idled: self.idled - earlier.idled,
            ..self
        }
    }
}

impl Record {
    /// Notes to whom the connection goes.
    #[inline]
    pub(crate) fn address(&self, owner: Owner, site: &'static Location<'static>) {
        set(&self.owner, owner.as_number());
        self.set_site(site);
    }

    /// Counts a use that begins.
    #[inline]
    pub(crate) fn begin_use(&self, now: u64) {
        set(&self.held_since, now);
        // Ordering: Release, so that who sees it counted sees whose it is.
        self.acquired.store(self.acquired.load(Relaxed).wrapping_add(1), Release);
    }

    /// Counts a use that ends. Returns how long it was.
    #[inline]
    pub(crate) fn end_use(&self, now: u64) -> u64 {
        let used = now.saturating_sub(self.held_since.load(Relaxed));
        if used != 0 {
            add(&self.used, used);
        }
        set(&self.released_at, now);
        self.released.store(self.released.load(Relaxed).wrapping_add(1), Release);
        used
    }

    /// The time in holders' hands up to now: of uses that ended, and of the one that is under way.
    ///
    /// A use that ends or begins meanwhile would be counted twice or not at all, so it is looked again.
    pub(crate) fn held(&self, now: u64) -> u64 {
        const LOOKS: usize = 8;
        let mut held = 0;
        for _ in 0..LOOKS {
            // Ordering: Acquire, so that none of these is read later than the next.
            let (released, acquired) = (self.released.load(Acquire), self.acquired.load(Acquire));
            let (since, used) = (self.held_since.load(Acquire), self.used.load(Acquire));
            let under_way = if acquired > released { now.saturating_sub(since) } else { 0 };
            held = used + under_way;
            if self.released.load(Relaxed) == released && self.acquired.load(Relaxed) == acquired {
                break;
            }
        }
        held
    }

    /// Takes back a use that was counted as over twice: by its guard, and by whoever wrote the guard off.
    pub(crate) fn uncount_use(&self) {
        let twice = self.released_at.load(Relaxed).saturating_sub(self.held_since.load(Relaxed));
        self.used.store(self.used.load(Relaxed).saturating_sub(twice), Relaxed);
        self.released.store(self.released.load(Relaxed).wrapping_sub(1), Release);
    }

    /// When the connection last proved to work.
    #[inline]
    pub(crate) fn last_good(&self) -> u64 {
        self.good_at.load(Relaxed).max(self.released_at.load(Relaxed))
    }

    /// Since when the connection is idle, if it is.
    #[inline]
    pub(crate) fn idle_since(&self) -> u64 {
        self.idle_since.load(Relaxed).max(self.released_at.load(Relaxed))
    }

    /// Adds up an idle spell that ends.
    #[inline]
    pub(crate) fn end_idle(&self, now: u64) {
        let idled = now.saturating_sub(self.idle_since());
        if idled != 0 {
            add(&self.idled, idled);
        }
    }
}
