//! Whether an alert comes and goes so often that telling of each time helps nobody.
//!
//! The method and its numbers are those of Icinga and Nagios: of the last 20 states, how many differ from the one before, the newest
//! counting for most; above 30 % it flaps, below 25 % it does so no longer.

use serde::{Deserialize, Serialize};

/// How many changes are remembered.
const STATES: u32 = 20;
/// What the oldest and the newest change count for; in between it grows evenly.
const OLDEST: f64 = 0.8;
const NEWEST: f64 = 1.15;
/// From here on it flaps.
const HIGH: f64 = 0.30;
/// From here on it does not.
const LOW: f64 = 0.25;

/// The last states of one alert.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Flapping {
    /// A bit for each evaluation, the newest lowest: whether the state was another one than before.
    changes: u32,
    was_active: bool,
    is_flapping: bool,
}

impl Flapping {
    /// Takes in whether the alert is active after an evaluation. Says whether it has begun (`true`) or ceased (`false`) to flap.
    pub(crate) fn note(&mut self, is_active: bool) -> Option<bool> {
        let changed = u32::from(std::mem::replace(&mut self.was_active, is_active) != is_active);
        self.changes = (self.changes << 1 | changed) & ((1 << STATES) - 1);
        let share = self.share();
        let is_flapping = if self.is_flapping { share >= LOW } else { share > HIGH };
        let was = std::mem::replace(&mut self.is_flapping, is_flapping);
        (was != is_flapping).then_some(is_flapping)
    }

    /// Whether it flaps.
    pub(crate) fn is_flapping(self) -> bool {
        self.is_flapping
    }

    /// The weighted part of the states that were changes.
    fn share(self) -> f64 {
        let step = (NEWEST - OLDEST) / f64::from(STATES - 1);
        let weights = (0..STATES)
            .filter(|age| self.changes & (1 << age) != 0)
            .map(|age| NEWEST - step * f64::from(age));
        weights.sum::<f64>() / f64::from(STATES)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_alert_that_comes_and_stays_does_not_flap() {
        let mut flapping = Flapping::default();
        for active in std::iter::repeat_n(true, 50).chain(std::iter::repeat_n(false, 50)) {
            assert_eq!(flapping.note(active), None);
        }
        assert!(!flapping.is_flapping());
    }

    #[test]
    fn six_changes_in_a_row_are_too_many() {
        // 6 changes with weights 1.15, 1.13, … are 0.33 of 20 states; 5 are 0.28.
        let mut flapping = Flapping::default();
        let noted: Vec<_> = (0..6).map(|at| flapping.note(at % 2 == 0)).collect();
        assert_eq!(noted, [None, None, None, None, None, Some(true)]);
    }

    #[test]
    fn it_ends_when_the_changes_are_old_and_not_between_the_thresholds() {
        let mut flapping = Flapping::default();
        for at in 0..6 {
            flapping.note(at % 2 == 0);
        }
        let ended = (1..).find(|_| flapping.note(false) == Some(false));
        // After 15 quiet states one of the six changes is gone, and the others weigh 0.8 to 0.89: 0.21.
        assert_eq!(ended, Some(15));
        assert!(!flapping.is_flapping());
    }
}
