//! Positions in time that only go forward, and the times of day that they are shown with.
//!
//! A position is the time of day at the start and what a monotonic clock counted since, so that positions are aligned to
//! multiples of a step and never go back. When somebody sets the system's clock, all positions stay, and the labels of
//! all points move.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::time::Instant;

/// The system's clock runs a little faster or slower than the monotonic one. Less than this is not a step of it.
const STEP: u64 = 1_000_000_000;

/// See the module's first lines. A position is in nanoseconds.
#[derive(Debug)]
pub(crate) struct Timeline {
    origin: Instant,
    /// The position of `origin`.
    begin: u64,
    /// By how much labels are ahead of positions.
    ahead: i64,
    regressions: u64,
}

impl Timeline {
    pub(crate) fn new(now: Instant, time: SystemTime) -> Self {
        Timeline { origin: now, begin: nanos_of(time), ahead: 0, regressions: 0 }
    }

    pub(crate) fn position(&self, now: Instant) -> u64 {
        self.begin + nanos(now.saturating_duration_since(self.origin))
    }

    /// The instant of a position to come.
    pub(crate) fn instant(&self, position: u64) -> Instant {
        self.origin + Duration::from_nanos(position.saturating_sub(self.begin))
    }

    /// The time of day that a position is shown with.
    pub(crate) fn label(&self, position: u64) -> SystemTime {
        UNIX_EPOCH + Duration::from_nanos(position.saturating_add_signed(self.ahead))
    }

    /// The position that is shown with this time of day.
    pub(crate) fn find(&self, time: SystemTime) -> u64 {
        nanos_of(time).saturating_add_signed(-self.ahead)
    }

    /// Compares with the system's clock.
    pub(crate) fn compare(&mut self, now: Instant, time: SystemTime) {
        let (shown, told) = (nanos_of(self.label(self.position(now))), nanos_of(time));
        if shown.abs_diff(told) < STEP {
            return;
        }
        if told < shown {
            self.regressions += 1;
        }
        let ahead = i128::from(told) - i128::from(self.position(now));
        self.ahead = i64::try_from(ahead).unwrap_or(0);
    }

    /// How often the system's clock was set back.
    pub(crate) fn regressions(&self) -> u64 {
        self.regressions
    }
}

pub(crate) fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

fn nanos_of(time: SystemTime) -> u64 {
    nanos(time.duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn a_step_of_the_clock_moves_labels_and_nothing_else() {
        let (start, noon) = (Instant::now(), UNIX_EPOCH + Duration::from_secs(1_000_000));
        let mut timeline = Timeline::new(start, noon);
        let later = timeline.position(start + 10 * SECOND);
        assert_eq!(timeline.label(later), noon + 10 * SECOND);

        timeline.compare(start + 20 * SECOND, noon - 3_580 * SECOND);
        assert_eq!(timeline.position(start + 10 * SECOND), later, "a position is for good");
        assert_eq!(timeline.label(later), noon - 3_590 * SECOND);
        assert_eq!((timeline.find(noon - 3_590 * SECOND), timeline.regressions()), (later, 1));

        timeline.compare(start + 20 * SECOND, noon + 20 * SECOND);
        assert_eq!((timeline.label(later), timeline.regressions()), (noon + 10 * SECOND, 1), "and back");
    }

    #[test]
    fn a_clock_that_is_slewed_moves_no_label() {
        let (start, noon) = (Instant::now(), UNIX_EPOCH + Duration::from_secs(1_000_000));
        let mut timeline = Timeline::new(start, noon);
        timeline.compare(start + 10 * SECOND, noon + Duration::from_millis(9_100));
        assert_eq!(timeline.label(timeline.position(start)), noon);
        assert_eq!(timeline.regressions(), 0);
    }
}
