//! The knobs of a circuit breaker: what each bounds, in which unit, and the value that switches it off.

use std::fmt;
use std::time::Duration;

use pool_core::{SettingChecks, SettingsError, Span};

/// Which calls a closed breaker judges by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum BreakerWindow {
    /// The last so many calls. From 1 to 100,000.
    Count(u32),
    /// The calls that ended within this time, in steps of a thirtieth of it, so that the memory it takes does not depend on
    /// the number of calls. From 30 ms to one day.
    Time(Duration),
}

impl fmt::Display for BreakerWindow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            BreakerWindow::Count(calls) => write!(f, "{calls} calls"),
            BreakerWindow::Time(span) => write!(f, "{}", Span(*span)),
        }
    }
}

/// All settings of a [`CircuitBreaker`](crate::CircuitBreaker).
///
/// The defaults suit calls of any kind on a database; [`for_connects`](BreakerSettings::for_connects) those of a
/// [`Guarded`](crate::Guarded) connector.
///
/// # Examples
///
/// ```
/// use pool_health::BreakerSettings;
///
/// let settings = BreakerSettings { consecutive_failures: 3, ..BreakerSettings::default() };
/// assert!(settings.check().is_ok());
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct BreakerSettings {
    /// Which calls are judged while it is closed. Default the last 30 s.
    pub window: BreakerWindow,
    /// Opens when this share of the calls failed, or more. From 0 to 1. Default 0.5; 0 = off.
    pub failure_rate: f64,
    /// Opens when this share of the calls was slow, or more, whether they failed or not. From 0 to 1. Default 1; 0 = off.
    pub slow_call_rate: f64,
    /// A call is slow that took this long, or longer. Longer than zero. Default 60 s.
    pub slow_call_duration: Duration,
    /// No rate is judged by fewer calls. At least 1; more than a [`BreakerWindow::Count`] holds counts as that many. Default
    /// 10.
    pub minimum_calls: u32,
    /// Opens when so many calls failed in a row, however few they are. Default 5; 0 = off.
    pub consecutive_failures: u32,
    /// How many calls may probe the target while it is half open; as many results decide, or `minimum_calls` if that is
    /// fewer. At least 1. Default 1.
    pub half_open_permits: u32,
    /// How long probing may take from the first probe on before the breaker opens again; or closes, if no probe is under way
    /// then and those that ended did well, however few. Default 10 s; 0 = for ever.
    ///
    /// Probes that were given back without a verdict stop this clock.
    pub max_half_open: Duration,
    /// The shortest time that it stays open. At least 1 ms. Default 1 s.
    pub open_base: Duration,
    /// By which factor that time grows each time it opens without having been closed in between. From 1 (always the same)
    /// to 100. Default 2.
    pub open_growth: f64,
    /// The longest time that it stays open. At least `open_base`. Default 30 s.
    ///
    /// The time of the n-th opening is drawn from the upper half of the range from 0 to `open_base * open_growth^n`, but
    /// never under `open_base` nor over `open_max`.
    pub open_max: Duration,
}

impl Default for BreakerSettings {
    fn default() -> Self {
        BreakerSettings {
            window: BreakerWindow::Time(Duration::from_secs(30)),
            failure_rate: 0.5,
            slow_call_rate: 1.0,
            slow_call_duration: Duration::from_secs(60),
            minimum_calls: 10,
            consecutive_failures: 5,
            half_open_permits: 1,
            max_half_open: Duration::from_secs(10),
            open_base: Duration::from_secs(1),
            open_growth: 2.0,
            open_max: Duration::from_secs(30),
        }
    }
}

impl BreakerSettings {
    /// For the connects of pools: probes a quarter to half a second apart in the first seconds of an outage, and one to two
    /// seconds apart when it has lasted half a minute, as a pool without a breaker does.
    pub fn for_connects() -> Self {
        BreakerSettings {
            open_base: Duration::from_millis(250),
            // 500 ms are reached with the 14th probe, 2 s with the 43rd.
            open_growth: 1.05,
            open_max: Duration::from_secs(2),
            ..BreakerSettings::default()
        }
    }

    /// Checks all settings.
    ///
    /// # Errors
    ///
    /// Names every setting that is out of its range, not just the first.
    pub fn check(&self) -> Result<(), SettingsError> {
        let mut checks = SettingChecks::default();
        let (window, rule) = match self.window {
            BreakerWindow::Count(calls) => ((1..=100_000).contains(&calls), "must be from 1 to 100000 calls"),
            BreakerWindow::Time(span) => {
                ((Duration::from_millis(30)..=DAY).contains(&span), "must be from 30 ms to one day")
            }
        };
        checks.require(window, "window", &self.window, rule);
        for (setting, rate) in [("failure_rate", self.failure_rate), ("slow_call_rate", self.slow_call_rate)]
        {
            checks.require((0.0..=1.0).contains(&rate), setting, &rate, "must be from 0 (off) to 1");
        }
        checks.require(
            !self.slow_call_duration.is_zero(),
            "slow_call_duration",
            &Span(self.slow_call_duration),
            "must be longer than zero; slow_call_rate = 0 switches it off",
        );
        for (setting, count) in
            [("minimum_calls", self.minimum_calls), ("half_open_permits", self.half_open_permits)]
        {
            checks.require(count >= 1, setting, &count, "must be at least 1");
        }
        checks.require(
            self.half_open_permits <= 100_000,
            "half_open_permits",
            &self.half_open_permits,
            "must not exceed 100000",
        );
        checks.require(
            self.max_half_open <= DAY,
            "max_half_open",
            &Span(self.max_half_open),
            "must not exceed one day; 0 is for ever",
        );
        checks.require(
            self.open_base >= Duration::from_millis(1),
            "open_base",
            &Span(self.open_base),
            "must be at least 1 ms",
        );
        checks.require(
            (1.0..=100.0).contains(&self.open_growth),
            "open_growth",
            &self.open_growth,
            "must be from 1 to 100",
        );
        checks.require(
            self.open_max >= self.open_base,
            "open_max",
            &Span(self.open_max),
            "must not be shorter than open_base",
        );
        checks.require(self.open_max <= DAY, "open_max", &Span(self.open_max), "must not exceed one day");
        checks.finish("circuit breaker")
    }

    /// How long it stays open the `attempt`-th time in a row, counted from 1.
    ///
    /// "Equal jitter" (M. Brooker, *Exponential Backoff and Jitter*, 2015) one step ahead: already the first time is
    /// spread, so that the clients of a server that dies do not all come back at once.
    pub(super) fn open_for(&self, attempt: u32, rng: &mut fastrand::Rng) -> Duration {
        let (base, max) = (self.open_base.as_secs_f64(), self.open_max.as_secs_f64());
        let exponent = i32::try_from(attempt).unwrap_or(i32::MAX);
        // With a growth of 1 there would be nothing to spread over.
        let most = (base * self.open_growth.powi(exponent)).max(1.25 * base).min(max);
        let least = (most / 2.0).max(base);
        let drawn = least + (most - least) * rng.f64();
        // Floats are not exact at the ends, and what is promised of them is.
        Duration::from_secs_f64(drawn).clamp(self.open_base, self.open_max)
    }
}

/// Longer times are mistakes, and keep every sum of an instant and a time far from the end of the clock.
const DAY: Duration = Duration::from_secs(24 * 3_600);

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_defaults_are_valid() {
        assert_eq!(BreakerSettings::default().check(), Ok(()));
        assert_eq!(BreakerSettings::for_connects().check(), Ok(()));
    }

    #[test]
    fn every_bad_setting_is_named_at_once() {
        let settings = BreakerSettings {
            window: BreakerWindow::Count(0),
            failure_rate: f64::NAN,
            slow_call_rate: 1.5,
            slow_call_duration: Duration::ZERO,
            minimum_calls: 0,
            half_open_permits: 0,
            open_base: Duration::ZERO,
            open_growth: 0.5,
            open_max: Duration::from_secs(100_000),
            ..BreakerSettings::default()
        };
        insta::assert_snapshot!(
            settings.check().unwrap_err(),
            @"accept the circuit breaker settings: window = 0 calls must be from 1 to 100000 calls; failure_rate = NaN must be from 0 (off) to 1; slow_call_rate = 1.5 must be from 0 (off) to 1; slow_call_duration = 0s must be longer than zero; slow_call_rate = 0 switches it off; minimum_calls = 0 must be at least 1; half_open_permits = 0 must be at least 1; open_base = 0s must be at least 1 ms; open_growth = 0.5 must be from 1 to 100; open_max = 100000s must not exceed one day"
        );
        let window = BreakerWindow::Time(Duration::ZERO);
        let settings = BreakerSettings {
            window,
            open_max: Duration::from_millis(1),
            max_half_open: Duration::from_secs(864_000),
            half_open_permits: 1_000_000,
            ..BreakerSettings::default()
        };
        insta::assert_snapshot!(
            settings.check().unwrap_err(),
            @"accept the circuit breaker settings: window = 0s must be from 30 ms to one day; half_open_permits = 1000000 must not exceed 100000; max_half_open = 864000s must not exceed one day; 0 is for ever; open_max = 1ms must not be shorter than open_base"
        );
    }

    proptest! {
        #[test]
        fn the_time_it_stays_open_is_never_outside_its_bounds(
            base in 1_u64..10_000,
            over in 0_u64..100_000,
            growth in 1.0..20.0_f64,
            attempt in 1..=u32::MAX,
            seed: u64,
        ) {
            let settings = BreakerSettings {
                open_base: Duration::from_millis(base),
                open_max: Duration::from_millis(base + over),
                open_growth: growth,
                ..BreakerSettings::default()
            };
            prop_assert_eq!(settings.check(), Ok(()));
            let mut rng = fastrand::Rng::with_seed(seed);
            for attempt in [1, 2, 3, attempt] {
                let drawn = settings.open_for(attempt, &mut rng);
                prop_assert!((settings.open_base..=settings.open_max).contains(&drawn), "{attempt}: {drawn:?}");
            }
        }
    }

    #[test]
    fn it_stays_open_longer_each_time_and_never_for_the_same_time() {
        let settings = BreakerSettings::default();
        let drawn = |attempt| {
            let times = (0..500).map(|seed| settings.open_for(attempt, &mut fastrand::Rng::with_seed(seed)));
            let mut times: Vec<_> = times.collect();
            times.sort_unstable();
            times
        };
        for (attempt, from, to) in [(1, 1, 2), (2, 2, 4), (3, 4, 8), (4, 8, 16), (5, 15, 30), (60, 15, 30)] {
            let times = drawn(attempt);
            assert!(times[0] >= Duration::from_secs(from) && times[499] <= Duration::from_secs(to));
            let spread = Duration::from_secs(to - from);
            assert!(times[499] - times[0] > spread.mul_f64(0.9), "attempt {attempt} uses all of its range");
        }
    }
}
