//! The time between attempts: longer and longer, and not the same for any two who fail at once.

use std::time::Duration;

use super::RetrySettings;

/// Less than this counts as this when the next delay is drawn: three times nothing would be nothing for ever.
const LEAST: Duration = Duration::from_millis(1);

/// "Decorrelated jitter" (M. Brooker, *Exponential Backoff and Jitter*, 2015): each delay is drawn between the base and
/// three times the one before, at most the cap.
#[derive(Debug, Clone)]
pub struct Backoff {
    base: Duration,
    cap: Duration,
    previous: Duration,
}

impl Backoff {
    /// Delays from `base` to `cap`; a cap under the base counts as the base. They grow with a base of nothing, too.
    pub fn new(base: Duration, cap: Duration) -> Self {
        Backoff { base, cap: cap.max(base), previous: base }
    }

    pub(super) fn of(settings: &RetrySettings) -> Self {
        Backoff::new(settings.base, settings.cap)
    }

    /// The next delay; never under the base nor over the cap.
    pub fn next_delay(&mut self, rng: &mut fastrand::Rng) -> Duration {
        let (base, most) = (self.base.as_secs_f64(), self.previous.max(LEAST).as_secs_f64() * 3.0);
        let drawn = base + (most - base) * rng.f64();
        let drawn = Duration::try_from_secs_f64(drawn).unwrap_or(Duration::MAX);
        self.previous = drawn.clamp(self.base, self.cap);
        self.previous
    }

    /// Begins anew, after a success.
    pub fn reset(&mut self) {
        self.previous = self.base;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_delay_is_never_outside_its_bounds(base: Duration, cap: Duration, seed: u64) {
            let (base, cap) = (base.min(cap), base.max(cap));
            let mut backoff = Backoff::new(base, cap);
            let mut rng = fastrand::Rng::with_seed(seed);
            for _ in 0..100 {
                let delay = backoff.next_delay(&mut rng);
                prop_assert!((base..=cap).contains(&delay), "{delay:?}");
            }
        }

        #[test]
        fn a_delay_is_at_most_three_times_the_one_before(seed: u64) {
            let mut backoff = Backoff::new(Duration::from_millis(10), Duration::from_secs(60));
            let mut rng = fastrand::Rng::with_seed(seed);
            let mut previous = Duration::from_millis(10);
            for _ in 0..50 {
                let delay = backoff.next_delay(&mut rng);
                prop_assert!(delay <= previous * 3 + Duration::from_nanos(1));
                previous = delay;
            }
        }
    }

    #[test]
    fn delays_grow_from_nothing() {
        let mut backoff = Backoff::new(Duration::ZERO, Duration::from_secs(2));
        let mut rng = fastrand::Rng::with_seed(7);
        let total: Duration = (0..200).map(|_| backoff.next_delay(&mut rng)).sum();
        assert!(total > Duration::from_millis(100), "{total:?}");
    }

    #[test]
    fn delays_grow_to_the_cap_and_begin_anew_after_a_success() {
        let (base, cap) = (Duration::from_millis(50), Duration::from_secs(2));
        let mut total = [Duration::ZERO; 12];
        for seed in 0..1_000 {
            let mut backoff = Backoff::new(base, cap);
            let mut rng = fastrand::Rng::with_seed(seed);
            total.iter_mut().for_each(|sum| *sum += backoff.next_delay(&mut rng));
            backoff.reset();
            assert!(backoff.next_delay(&mut rng) <= base * 3);
        }
        let mean = total.map(|sum| sum / 1_000);
        assert!(mean[0] < mean[2] && mean[2] < mean[5] && mean[5] > cap / 3, "{mean:?}");
    }
}
