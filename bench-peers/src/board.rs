//! What callers under a steady load share with the thread that watches them: a line of counters each, and the order
//! to stop.
//!
//! The watcher reads the counters at both ends of a window. So nobody reads a clock inside the loop, the cost of
//! spawning lies before the window and that of stopping after it.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::clock;

/// What one caller tells; on cache lines of its own (two, since they are fetched in pairs), so that counting does
/// not become the contention that is measured.
#[derive(Debug, Default)]
#[repr(align(128))]
pub(crate) struct Line {
    operations: AtomicU64,
    waiting_since: AtomicU64,
}

/// All callers' lines.
#[derive(Debug)]
pub(crate) struct Board {
    epoch: Instant,
    stop: AtomicBool,
    lines: Box<[Line]>,
}

/// Nobody's start of a wait: this caller does not wait.
const NOT_WAITING: u64 = u64::MAX;

impl Board {
    /// A board for so many callers.
    pub(crate) fn new(callers: usize) -> Self {
        let line = || Line { operations: AtomicU64::new(0), waiting_since: AtomicU64::new(NOT_WAITING) };
        Board {
            epoch: clock::now(),
            stop: AtomicBool::new(false),
            lines: (0..callers).map(|_| line()).collect(),
        }
    }

    // Ordering: all of these are `Relaxed`. Each is a number of its own; the joins at the end synchronise the rest.

    /// Whether callers may go on.
    pub(crate) fn is_open(&self) -> bool {
        !self.stop.load(Ordering::Relaxed)
    }

    /// Tells all callers to end.
    pub(crate) fn stop(&self) {
        self.stop.store(true, Ordering::Relaxed);
    }

    /// Notes how many operations a caller has done.
    pub(crate) fn done(&self, caller: usize, operations: u64) {
        self.lines[caller].operations.store(operations, Ordering::Relaxed);
    }

    /// Notes that a caller begins to wait; returns when, in nanoseconds.
    pub(crate) fn waits(&self, caller: usize) -> u64 {
        let since = self.elapsed();
        self.lines[caller].waiting_since.store(since, Ordering::Relaxed);
        since
    }

    /// Notes that a caller has what it waited for; returns when, in nanoseconds.
    pub(crate) fn got(&self, caller: usize) -> u64 {
        self.lines[caller].waiting_since.store(NOT_WAITING, Ordering::Relaxed);
        self.elapsed()
    }

    /// Nanoseconds since the board was set up.
    pub(crate) fn elapsed(&self) -> u64 {
        u64::try_from(self.epoch.elapsed().as_nanos()).expect("500 years have not passed")
    }

    /// Lets `warm_up` pass, then `window`; returns nanoseconds per operation within the window.
    pub(crate) fn watch(&self, warm_up: Duration, window: Duration) -> f64 {
        clock::pass(warm_up);
        let (began, before) = (self.elapsed(), self.operations());
        clock::pass(window);
        let (ended, after) = (self.elapsed(), self.operations());
        // A pool that did nothing at all is as slow as the window is long.
        (ended - began) as f64 / (after - before).max(1) as f64
    }

    fn operations(&self) -> u64 {
        self.lines.iter().map(|line| line.operations.load(Ordering::Relaxed)).sum()
    }

    /// How many operations each caller has done.
    #[cfg(feature = "sql")]
    pub(crate) fn operations_of_each(&self) -> Vec<u64> {
        self.lines.iter().map(|line| line.operations.load(Ordering::Relaxed)).collect()
    }

    /// The starts of the waits that go on now.
    pub(crate) fn open_waits(&self) -> Vec<Option<u64>> {
        let starts = self.lines.iter().map(|line| line.waiting_since.load(Ordering::Relaxed));
        starts.map(|since| (since != NOT_WAITING).then_some(since)).collect()
    }
}
