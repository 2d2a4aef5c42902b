//! Where a connection lies for the one caller to whom it was granted, who takes it without the lock.
//!
//! Under the lock a caller queues, and under the lock a connection is passed on to him. If he had to come for it under
//! the lock as well, a saturated pool would be locked three times for each use; that third time cost an eighth of all
//! (2026-11-21). Each node of the waiters' arena has a hatch: the lock holder lays a lease in, and whoever
//! takes it out owns it, be it the waiter, or the lock holder who takes it back. So it is had once.

use std::fmt;
use std::marker::PhantomData;
use std::ptr::{NonNull, null_mut};
use std::sync::OnceLock;
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};

use super::{Cell, Lease};
use crate::sync::{AtomicPtr, AtomicU64, Defect, planted};

/// Hatches of the first level. Few under the model checkers, where each costs.
const FIRST: usize = if cfg!(any(pool_loom, pool_shuttle)) { 4 } else { 64 };

/// Doublings: room for two hundred million callers. More of them at a time do not fit into memory.
const LEVELS: usize = 22;

/// A place for one lease.
struct Hatch<T> {
    cell: AtomicPtr<Cell<T>>,
    /// When the waiter came for it, if he looked at the exact clock; else zero.
    came_at: AtomicU64,
    /// It owns a cell, as far as threads are concerned.
    owns: PhantomData<Cell<T>>,
}

impl<T> Hatch<T> {
    fn new() -> Self {
        Hatch { cell: AtomicPtr::new(null_mut()), came_at: AtomicU64::new(0), owns: PhantomData }
    }

    fn lay_in(&self, lease: Lease<T>) {
        self.came_at.store(0, Relaxed);
        // Ordering: Release, for whoever takes it out. What is done with the connection before this happens before what
        // he does; what the caller of this does after it, may not.
        self.cell.store(lease.cell.as_ptr(), Release);
        std::mem::forget(lease);
    }

    #[inline]
    fn take(&self) -> Option<Lease<T>> {
        let seen = self.cell.load(Relaxed);
        if seen.is_null() {
            return None;
        }
        // Ordering: Acquire, to see what was done with the connection before.
        let acquire = if planted(Defect::RelaxedHatch) { Relaxed } else { Acquire };
        let taken = self.cell.swap(null_mut(), acquire);
        NonNull::new(if planted(Defect::TornHatch) { seen } else { taken }).map(|cell| Lease { cell })
    }
}

impl<T> Drop for Hatch<T> {
    fn drop(&mut self) {
        drop(self.take());
    }
}

/// A hatch for each node of an arena that only grows.
pub(crate) struct Hatches<T> {
    /// Each level has twice as many as the one before.
    levels: [OnceLock<Box<[Hatch<T>]>>; LEVELS],
}

impl<T> Hatches<T> {
    pub(super) fn new() -> Self {
        Hatches { levels: std::array::from_fn(|_| OnceLock::new()) }
    }

    /// Has hatches for all nodes up to this one.
    pub(crate) fn grow(&self, node: u32) {
        let (level, _) = split(node);
        self.levels[level].get_or_init(|| (0..FIRST << level).map(|_| Hatch::new()).collect());
    }

    /// Lays a connection in for the waiter of a node. There is none yet.
    pub(crate) fn lay_in(&self, node: u32, lease: Lease<T>) {
        self.hatch(node).lay_in(lease);
    }

    /// Takes a connection out, if there is one.
    #[inline]
    pub(crate) fn take(&self, node: u32) -> Option<Lease<T>> {
        self.hatch(node).take()
    }

    /// Notes when a waiter came. To be read by who has seen that he took what lay there.
    pub(crate) fn set_came_at(&self, node: u32, ticks: u64) {
        self.hatch(node).came_at.store(ticks, Relaxed);
    }

    /// When a waiter came, if that is known.
    pub(crate) fn came_at(&self, node: u32) -> Option<u64> {
        Some(self.hatch(node).came_at.load(Relaxed)).filter(|ticks| *ticks != 0)
    }

    #[inline]
    fn hatch(&self, node: u32) -> &Hatch<T> {
        let (level, at) = split(node);
        let hatches = self.levels[level].get().expect("a node is made together with its hatch");
        &hatches[at]
    }
}

/// Level, and place there.
#[inline]
fn split(node: u32) -> (usize, usize) {
    let level = (node as usize / FIRST + 1).ilog2() as usize;
    (level, node as usize + FIRST - (FIRST << level))
}

impl<T> fmt::Debug for Hatches<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let made = self.levels.iter().filter_map(|level| level.get()).map(|hatches| hatches.len());
        f.debug_tuple("Hatches").field(&made.sum::<usize>()).finish()
    }
}

#[cfg(test)]
#[cfg(not(any(pool_loom, pool_shuttle)))]
mod tests {
    use super::*;

    #[test]
    fn every_node_has_a_hatch_of_its_own() {
        let (mut level, mut at) = (0, 0);
        for node in 0..10_000 {
            if at == FIRST << level {
                (level, at) = (level + 1, 0);
            }
            assert_eq!(split(node), (level, at), "node {node}");
            at += 1;
        }
    }
}
