//! How many connections the callers need while the database could serve more of them: Little's law and
//! head-room.
//!
//! Throughput times mean use time is the mean number of connections in use (Little's law). When requests are
//! independent, that number varies like a Poisson variable: with the root of its mean. So a mean and three
//! roots are enough for all but about one moment in a thousand; the rule is the square-root staffing of
//! Erlang, and Halfin and Whitt.

/// Head-room in standard deviations of a Poisson variable.
const HEADROOM: f64 = 3.0;

/// Share of a rise and of a fall that one window is believed. A need that returns must be met soon; a quiet
/// window proves little, and some thirty of them in a row a lot.
const RISE: f64 = 0.25;
const FALL: f64 = 1.0 / 32.0;

/// The mean number of connections in use, remembered: fast up, slow down.
#[derive(Debug, Clone, Copy)]
pub(super) struct Demand(f64);

impl Demand {
    pub(super) fn new(level: f64) -> Self {
        Demand(level)
    }

    /// Notes the mean of one window. When callers had to wait, that was not all they wanted: it is believed
    /// at once.
    pub(super) fn note(&mut self, mean: f64, waited: bool) {
        let share = match mean > self.0 {
            true if waited => 1.0,
            true => RISE,
            false => FALL,
        };
        self.0 += share * (mean - self.0);
    }

    /// So many connections serve it without much waiting.
    pub(super) fn need(&self) -> f64 {
        (self.0 + HEADROOM * self.0.sqrt()).ceil().max(self.0.ceil() + 1.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn head_room_is_three_standard_deviations_and_at_least_one() {
        let need = |mean| Demand::new(mean).need();
        assert_eq!(need(0.0), 1.0);
        assert_eq!(need(0.01), 2.0);
        assert_eq!(need(1.0), 4.0);
        assert_eq!(need(16.0), 28.0);
        assert_eq!(need(100.0), 130.0);
    }

    #[test]
    fn a_quiet_window_changes_little_and_a_long_quiet_much() {
        let mut demand = Demand::new(20.0);
        let busy = demand.need();
        demand.note(0.1, false);
        assert!(demand.need() >= busy - 1.0);
        (0..200).for_each(|_| demand.note(0.1, false));
        assert!(demand.need() <= 2.0);
        demand.note(16.0, true);
        assert_eq!(demand.need(), 28.0, "callers waited, so they are believed at once");
    }
}
