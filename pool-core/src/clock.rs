//! The pool's clocks: an exact one for whoever holds the lock anyway, and a coarse one for those who go without.
//!
//! Taking a free connection must not read the exact clock: that alone costs as much as all the rest of it (22 ns of 20,
//! 2026-11-21). The kernel's coarse clock costs 3 ns and is late by one of its steps at most, 4 ms as a rule; it goes on
//! while the pool's runtime does not, so a connection that idled through a stop of the process is not taken for fresh.
//! Why not a tick that the keeper tells: it costs nothing, and stands still when the runtime does.
//!
//! A saturated pool does millions of operations a second under the lock, each too short to be worth a look at the clock.
//! There a [`Reading`] is used up to four times, while the coarse clock stands. A wait begins with such
//! a reading. It ends when the caller comes, without the lock: one in eight looks at the exact clock then, and the others are
//! taken to have come as soon after their grant as the last of those.
//!
//! With `precise_timing`, where the kernel has no such clock, and on a paused tokio clock each look reads the exact clock:
//! on a paused clock nothing but the test itself makes time pass, and it expects to see that.

use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use tokio::time::Instant;

use crate::sync::AtomicU64;

/// Clocks further apart than this (in nanoseconds) are not the same.
const APART: u64 = 1_000_000_000;

/// In place of a tick that a test tells: read the exact clock.
const EXACT: u64 = u64::MAX;
/// And: read the kernel's coarse clock.
const COARSE: u64 = u64::MAX - 1;

/// See the module's first lines. A tick is a nanosecond since the clock was made.
#[derive(Debug)]
pub(crate) struct Clock {
    epoch: Epoch,
    /// The kernel's coarse clock at tick zero, less what it was late.
    coarse_epoch: u64,
    source: AtomicU64,
    paused: bool,
}

/// Tick zero.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Epoch(Instant);

impl Epoch {
    pub(crate) fn ticks(self, at: Instant) -> u64 {
        u64::try_from(at.saturating_duration_since(self.0).as_nanos()).unwrap_or(COARSE - 1)
    }

    pub(crate) fn instant(self, ticks: u64) -> Instant {
        self.0 + Duration::from_nanos(ticks)
    }
}

impl Clock {
    /// How late the coarse clock may be. Its steps are 1 to 10 ms, as the kernel was built.
    pub(crate) const LAG: Duration = Duration::from_millis(10);

    pub(crate) fn new(now: Instant, paused: bool) -> Self {
        let source = if paused || monotonic().is_none() { EXACT } else { COARSE };
        Clock {
            epoch: Epoch(now),
            coarse_epoch: monotonic().unwrap_or(0),
            source: AtomicU64::new(source),
            paused,
        }
    }

    pub(crate) fn epoch(&self) -> Epoch {
        self.epoch
    }

    /// Whether tokio's clock stood still when this one was made.
    pub(crate) fn is_paused(&self) -> bool {
        self.paused
    }

    /// Now, by the coarse clock.
    #[inline]
    pub(crate) fn ticks(&self) -> u64 {
        match self.source.load(Relaxed) {
            COARSE => coarse().saturating_sub(self.coarse_epoch),
            EXACT => self.epoch.ticks(Instant::now()),
            told => told,
        }
    }

    /// Notices when tokio's clock goes otherwise than the kernel's: it was paused after this one was made.
    pub(crate) fn compare(&self, now: Instant) {
        let apart = || coarse().saturating_sub(self.coarse_epoch).abs_diff(self.epoch.ticks(now));
        if self.source.load(Relaxed) == COARSE && apart() > APART {
            self.source.store(EXACT, Relaxed);
        }
    }

    /// Has every look be exact, or not.
    pub(crate) fn set_exact(&self, exact: bool) {
        let source = self.source.load(Relaxed);
        let wanted = if exact || self.paused || monotonic().is_none() { EXACT } else { COARSE };
        // A clock that was found to be paused is exact for good.
        if source == COARSE && wanted == EXACT || source == EXACT && wanted == COARSE && self.coarse_agrees()
        {
            self.source.store(wanted, Relaxed);
        }
    }

    /// Whether the kernel's clock and tokio's are the same one, as far as can be seen.
    fn coarse_agrees(&self) -> bool {
        let coarse = coarse().saturating_sub(self.coarse_epoch);
        coarse.abs_diff(self.epoch.ticks(Instant::now())) <= APART
    }

    /// Tells the time instead of any clock, from now on.
    #[cfg(test)]
    pub(crate) fn tell(&self, now: Instant) {
        self.source.store(self.epoch.ticks(now), Relaxed);
    }

    /// The exact time in ticks: what the coarse clock showed, if that is exact now, or by a look at it if that is `wanted`.
    pub(crate) fn exact(&self, shown: u64, wanted: bool) -> Option<u64> {
        match self.source.load(Relaxed) {
            COARSE => wanted.then(|| self.epoch.ticks(Instant::now())),
            _ => Some(shown),
        }
    }

    /// The time, or a moment ago if that is good enough for these options. `ticks` is what the coarse clock shows.
    pub(crate) fn recent(&self, reading: &mut Reading, ticks: u64, exact: bool) -> Instant {
        if exact || self.paused {
            return Instant::now();
        }
        reading.recent(ticks)
    }
}

/// A look at the exact clock, to be used again for a while.
#[derive(Debug)]
pub(crate) struct Reading {
    at: Instant,
    left: u8,
    ticks: u64,
}

/// How many operations share one look at the clock.
const USES_OF_A_READING: u8 = 4;

impl Reading {
    pub(crate) fn new(at: Instant) -> Self {
        Reading { at, left: 0, ticks: 0 }
    }

    /// Replaces it by one of now.
    pub(crate) fn renew(&mut self, at: Instant) {
        *self = Reading::new(at);
    }

    /// The time, or a moment ago.
    fn recent(&mut self, ticks: u64) -> Instant {
        if self.left == 0 || ticks != self.ticks {
            *self = Reading { at: Instant::now(), left: USES_OF_A_READING, ticks };
        }
        self.left -= 1;
        self.at
    }
}

#[cfg(target_os = "linux")]
mod kernel {
    use rustix::time::{ClockId, Timespec, clock_gettime};

    fn nanos(time: Timespec) -> u64 {
        time.tv_sec.cast_unsigned() * 1_000_000_000 + time.tv_nsec.cast_unsigned()
    }

    /// The coarse clock.
    #[inline]
    pub(super) fn coarse() -> u64 {
        nanos(clock_gettime(ClockId::MonotonicCoarse))
    }

    /// The clock that the coarse one is late for.
    pub(super) fn monotonic() -> Option<u64> {
        Some(nanos(clock_gettime(ClockId::Monotonic)))
    }
}

/// Others have no coarse clock that is worth while.
#[cfg(not(target_os = "linux"))]
mod kernel {
    pub(super) fn coarse() -> u64 {
        0
    }

    pub(super) fn monotonic() -> Option<u64> {
        None
    }
}

use kernel::{coarse, monotonic};

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
