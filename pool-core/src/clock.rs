//! The pool's clocks: an exact one for whoever holds the lock anyway, and a coarse one that costs one load.
//!
//! Taking a connection that is free must not read a clock: on the machines measured so far that alone costs as much
//! as all the rest of it (22 ns of 20, 2026-11-21). So the [`Clock`] keeps a *tick*, the time at which it was last
//! told, and the lock holder tells it: at every operation under the lock, and through the keeper at least every
//! [`Clock::STEP`] while connections are in use. The tick is never ahead of the time.
//!
//! A saturated pool does millions of operations a second under the lock, each too short to be worth a look at the clock.
//! There a [`Reading`] is used up to four times, if the kernel's own coarse clock says that less than 4 ms have passed.
//! A wait begins and ends with such a reading, each late by the same on average, so the mean of many waits is right.
//!
//! With `precise_timing`, and on a paused tokio clock, each look reads the exact clock instead: on a paused clock
//! nothing but the test itself makes time pass, and it expects to see that.

use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use tokio::time::Instant;

use crate::sync::AtomicU64;

/// In place of a tick: read the exact clock.
const EXACT: u64 = u64::MAX;

/// See the module's first lines. A tick is a nanosecond since the clock was made.
#[derive(Debug)]
pub(crate) struct Clock {
    epoch: Epoch,
    tick: AtomicU64,
    paused: bool,
}

/// A look at the exact clock, to be used again for a while.
#[derive(Debug)]
pub(crate) struct Reading {
    at: Instant,
    left: u8,
    jiffy: Option<(i64, i64)>,
}

/// How many operations share one look at the clock.
const USES_OF_A_READING: u8 = 4;

impl Reading {
    pub(crate) fn new(at: Instant) -> Self {
        Reading { at, left: 0, jiffy: None }
    }

    /// Replaces it by one of now.
    pub(crate) fn renew(&mut self, at: Instant) {
        *self = Reading::new(at);
    }

    /// The time, or a moment ago.
    fn recent(&mut self) -> Instant {
        let jiffy = jiffy();
        if self.left == 0 || jiffy.is_none() || jiffy != self.jiffy {
            *self = Reading { at: Instant::now(), left: USES_OF_A_READING, jiffy };
        }
        self.left -= 1;
        self.at
    }
}

/// The kernel's coarse clock: 3 ns instead of 22, and steps of 4 ms or so.
#[cfg(target_os = "linux")]
fn jiffy() -> Option<(i64, i64)> {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::MonotonicCoarse);
    Some((time.tv_sec, time.tv_nsec))
}

/// Only Linux tells it that cheaply.
#[cfg(not(target_os = "linux"))]
fn jiffy() -> Option<(i64, i64)> {
    None
}

/// Tick zero.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Epoch(Instant);

impl Epoch {
    pub(crate) fn ticks(self, at: Instant) -> u64 {
        u64::try_from(at.saturating_duration_since(self.0).as_nanos()).unwrap_or(EXACT - 1)
    }

    pub(crate) fn instant(self, ticks: u64) -> Instant {
        self.0 + Duration::from_nanos(ticks)
    }
}

impl Clock {
    /// How far the tick may lag behind the time while connections are in use.
    pub(crate) const STEP: Duration = Duration::from_millis(250);

    pub(crate) fn new(now: Instant, paused: bool) -> Self {
        Clock { epoch: Epoch(now), tick: AtomicU64::new(EXACT), paused }
    }

    pub(crate) fn epoch(&self) -> Epoch {
        self.epoch
    }

    pub(crate) fn is_paused(&self) -> bool {
        self.paused
    }

    /// Now, more or less.
    #[inline]
    pub(crate) fn ticks(&self) -> u64 {
        match self.tick.load(Relaxed) {
            EXACT => self.epoch.ticks(Instant::now()),
            tick => tick,
        }
    }

    /// The time, or a moment ago if that is good enough for these options.
    pub(crate) fn recent(&self, reading: &mut Reading, exact: bool) -> Instant {
        if exact || self.paused {
            return Instant::now();
        }
        reading.recent()
    }

    /// Tells the time to those who do not read the clock. Only the lock holder does, so it never goes backwards.
    pub(crate) fn tell(&self, now: Instant, exact: bool) {
        if exact || self.paused {
            self.tick.store(EXACT, Relaxed);
            return;
        }
        let (before, now) = (self.tick.load(Relaxed), self.epoch.ticks(now));
        // Not at every operation: the line that holds the tick is read by all threads.
        if before == EXACT || now.saturating_sub(before) >= 1_000_000 {
            self.tick.store(now, Relaxed);
        }
    }
}

/// Whether tokio's clock stands still, as tests make it do.
pub(crate) fn is_paused() -> bool {
    let (tokio, real) = (Instant::now(), std_now());
    while real.elapsed() < Duration::from_micros(2) {}
    Instant::now() == tokio
}

#[expect(clippy::disallowed_methods, reason = "to find out whether tokio's clock is this one")]
fn std_now() -> std::time::Instant {
    std::time::Instant::now()
}
