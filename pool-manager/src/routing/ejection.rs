//! Whether one member is left out for a while, because it failed.
//!
//! A pure state machine: time is an argument. The idea and the growing time are those of Envoy's outlier detection
//! (<https://www.envoyproxy.io/docs/envoy/latest/intro/arch_overview/upstream/outlier>): a host is ejected for
//! `base_ejection_time` times the number of its ejections, at most `max_ejection_time`. Unlike there, one success
//! after an ejection makes the count begin anew: what fails is a whole server, not one request of many.

use std::time::Duration;

use pool_config::Routing;
use tokio::time::Instant;

/// How many doubts in a row are as good as a certainty. Envoy waits for five failures; a broken connection is rarer than
/// a failed request, and costs its holder more.
const DOUBTS: u32 = 3;

/// The part of an ejection that chance may take off, so that members which failed together do not return together.
const JITTER: f64 = 0.2;

/// What a failure says about the member.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Evidence {
    /// It is down: connects fail, or it ended all its connections.
    Down,
    /// It may be: one connection broke, or none came in time though there was room for it.
    Doubt,
    /// Nothing: its pool is full, paused or closed.
    None,
}

/// See the module's first lines.
#[derive(Debug, Clone, Default)]
pub(super) struct Ejection {
    /// When it ends. Stays after that, until a success or the next ejection.
    until: Option<Instant>,
    /// Ejections since the last success.
    count: u32,
    /// Doubts since the last success or ejection.
    doubts: u32,
}

impl Ejection {
    /// How long it is still left out; `None` = it is not.
    pub(super) fn remaining(&self, now: Instant) -> Option<Duration> {
        let left = self.until?.saturating_duration_since(now);
        (!left.is_zero()).then_some(left)
    }

    /// Whether it is left out.
    pub(super) fn is_ejected(&self, now: Instant) -> bool {
        self.remaining(now).is_some()
    }

    /// It did what it is for. What was begun before an ejection and ends during it proves nothing.
    pub(super) fn succeeded(&mut self, now: Instant) {
        if !self.is_ejected(now) {
            *self = Ejection::default();
        }
    }

    /// Notes a failure. Returns whether the member should be ejected for it; nobody is ejected twice at a time.
    pub(super) fn failed(&mut self, evidence: Evidence, now: Instant) -> bool {
        if self.is_ejected(now) {
            return false;
        }
        match evidence {
            Evidence::Down => true,
            Evidence::Doubt => {
                self.doubts = self.doubts.saturating_add(1);
                self.doubts >= DOUBTS
            }
            Evidence::None => false,
        }
    }

    /// Leaves the member out from now on. Returns for how long.
    pub(super) fn eject(&mut self, rules: &Routing, now: Instant, random: &mut fastrand::Rng) -> Duration {
        self.count = self.count.saturating_add(1);
        self.doubts = 0;
        let full = rules.ejection_time.saturating_mul(self.count).min(rules.max_ejection_time);
        let time = full.mul_f64(1.0 - JITTER * random.f64());
        self.until = now.checked_add(time);
        time
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    fn rules() -> Routing {
        Routing { ejection_time: seconds(1), max_ejection_time: seconds(5), ..Routing::default() }
    }

    #[test]
    fn each_ejection_in_a_row_lasts_longer_up_to_the_longest() {
        let (mut random, mut ejection) = (fastrand::Rng::with_seed(7), Ejection::default());
        let mut now = Instant::now();
        for full in [1, 2, 3, 4, 5, 5, 5] {
            assert!(ejection.failed(Evidence::Down, now));
            let time = ejection.eject(&rules(), now, &mut random);
            assert!(time <= seconds(full) && time >= seconds(full).mul_f64(1.0 - JITTER), "{time:?}");
            assert_eq!(ejection.remaining(now), Some(time));
            assert!(!ejection.failed(Evidence::Down, now), "nobody is ejected twice at a time");
            now += time;
            assert!(!ejection.is_ejected(now));
        }
    }

    #[test]
    fn a_success_after_the_time_makes_the_count_begin_anew() {
        let (mut random, mut ejection) = (fastrand::Rng::with_seed(7), Ejection::default());
        let mut now = Instant::now();
        for _ in 0..3 {
            now += ejection.eject(&rules(), now, &mut random);
        }
        ejection.succeeded(now);
        assert!(ejection.eject(&rules(), now, &mut random) <= seconds(1));
    }

    #[test]
    fn a_success_during_an_ejection_changes_nothing() {
        let (mut random, mut ejection) = (fastrand::Rng::with_seed(7), Ejection::default());
        let now = Instant::now();
        let time = ejection.eject(&rules(), now, &mut random);
        ejection.succeeded(now + time / 2);
        assert!(ejection.is_ejected(now + time / 2));
        assert!(ejection.eject(&rules(), now + time, &mut random) > seconds(1), "it counts as the second");
    }

    #[test]
    fn three_doubts_in_a_row_are_a_certainty_and_a_success_settles_them() {
        let mut ejection = Ejection::default();
        let now = Instant::now();
        let doubt = |ejection: &mut Ejection| ejection.failed(Evidence::Doubt, now);
        assert!(!doubt(&mut ejection) && !doubt(&mut ejection));
        ejection.succeeded(now);
        assert!(!doubt(&mut ejection) && !doubt(&mut ejection) && doubt(&mut ejection));
        assert!(!Ejection::default().failed(Evidence::None, now));
    }

    #[test]
    fn an_ejection_of_no_length_leaves_nobody_out() {
        let rules = Routing { ejection_time: Duration::ZERO, ..rules() };
        let mut ejection = Ejection::default();
        let now = Instant::now();
        ejection.eject(&rules, now, &mut fastrand::Rng::with_seed(7));
        assert!(!ejection.is_ejected(now));
    }
}
