//! Whether a target answers more slowly than it should.
//!
//! What is usual is learnt from the round trips of checks, as a moving average in which one that is slow counts little:
//! a target that becomes slow is told from one that is, and a target that stays slow is usual in the end.

use std::time::Duration;

use crate::settings::HealthSettings;

/// A round trip that takes so many times as long as usual is slow.
const TIMES: u32 = 10;
/// One that takes less than this never is: on a busy machine a task may wait that long for its turn.
const FLOOR: Duration = Duration::from_millis(5);
/// So many round trips tell what is usual.
const ENOUGH: u32 = 3;

/// See the module's first lines.
#[derive(Debug, Default)]
pub(crate) struct Slowness {
    usual: Option<Duration>,
    known: u32,
    slow: u32,
    quick: u32,
    is_slow: bool,
}

impl Slowness {
    /// Takes in a round trip. Whether the target is slow now: `fall` slow ones in a row make it so, `rise` others end it.
    pub(crate) fn note(&mut self, took: Duration, settings: &HealthSettings) -> bool {
        let limit = settings.slow_after.or_else(|| self.limit());
        let was_slow = limit.is_some_and(|limit| took >= limit);
        if was_slow {
            (self.slow, self.quick) = (self.slow.saturating_add(1), 0);
        } else {
            (self.slow, self.quick) = (0, self.quick.saturating_add(1));
        }
        if self.slow >= settings.fall {
            self.is_slow = true;
        } else if self.quick >= settings.rise {
            self.is_slow = false;
        }
        let weight = if was_slow { 4096 } else { 8 };
        self.usual = Some(self.usual.map_or(took, |usual| (usual * (weight - 1) + took) / weight));
        self.known = self.known.saturating_add(1);
        self.is_slow
    }

    /// Whether the last round trip was slow, which is not enough to call the target so.
    pub(crate) fn is_in_doubt(&self) -> bool {
        self.slow > 0 && !self.is_slow
    }

    /// How long a round trip takes as a rule, once that is known.
    pub(crate) fn usual(&self) -> Option<Duration> {
        self.usual.filter(|_| self.known >= ENOUGH)
    }

    fn limit(&self) -> Option<Duration> {
        self.usual().map(|usual| (usual * TIMES).max(FLOOR))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn millis(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    #[test]
    fn ten_times_the_usual_three_times_in_a_row_is_slow() {
        let (settings, mut slowness) = (HealthSettings::default(), Slowness::default());
        for _ in 0..5 {
            assert!(!slowness.note(millis(1), &settings));
        }
        assert!(!slowness.note(millis(20), &settings) && slowness.is_in_doubt());
        assert!(!slowness.note(millis(20), &settings));
        assert!(slowness.note(millis(20), &settings));
        assert!(slowness.note(millis(1), &settings), "one quick one does not end it");
        assert!(!slowness.note(millis(1), &settings));
    }

    #[test]
    fn hiccups_of_a_quick_target_are_not_slow() {
        let (settings, mut slowness) = (HealthSettings::default(), Slowness::default());
        for _ in 0..1000 {
            assert!(!slowness.note(Duration::from_micros(100), &settings));
            assert!(!slowness.note(millis(4), &settings));
        }
    }

    #[test]
    fn what_stays_slow_is_usual_in_the_end() {
        let (settings, mut slowness) = (HealthSettings::default(), Slowness::default());
        for _ in 0..5 {
            slowness.note(millis(1), &settings);
        }
        assert!((0..10).any(|_| slowness.note(millis(30), &settings)));
        assert!((0..4000).any(|_| !slowness.note(millis(30), &settings)));
    }

    #[test]
    fn a_limit_that_is_set_holds_from_the_first_check_on() {
        let settings = HealthSettings { slow_after: Some(millis(100)), fall: 1, ..HealthSettings::default() };
        let mut slowness = Slowness::default();
        assert!(!slowness.note(millis(99), &settings));
        assert!(slowness.note(millis(100), &settings));
    }
}
