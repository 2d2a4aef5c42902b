//! Brown-out: leaves out what is optional while the database is slow, instead of being slow with everything.
//!
//! A dimmer between 0 and 1 tells which share of the requests may do optional work (recommendations beside a product, counts
//! beside a list). It is turned until waits are where they should be. The idea is that of C. Klein, M. Maggio,
//! K.-E. Årzén and F. Hernández-Rodriguez, *Brownout: building more robust cloud applications*, ICSE 2014. Their controller
//! learns how strongly the dimmer works; this one turns it by a fixed step at most, which needs no model of the
//! service and cannot be misled by one.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use pool_core::{PoolControl, PoolSnapshot, SettingChecks, SettingsError, Span};

/// How a [`Brownout`] turns its dimmer.
#[derive(Debug, Clone, PartialEq)]
pub struct BrownoutSettings {
    /// The wait for a connection that is sought. Longer than zero. Default 100 ms.
    pub set_point: Duration,
    /// By how much the dimmer is turned at most in one update. Over 0, at most 1. Default 0.1.
    ///
    /// A wait of nothing turns it up by so much, one of twice the set point or more turns it down by so much. Smaller is
    /// steadier, larger quicker.
    pub gain: f64,
    /// The share of requests that may do optional work in any case. From 0 to 1. Default 0.
    pub floor: f64,
}

impl Default for BrownoutSettings {
    fn default() -> Self {
        BrownoutSettings { set_point: Duration::from_millis(100), gain: 0.1, floor: 0.0 }
    }
}

impl BrownoutSettings {
    /// Checks all settings.
    ///
    /// # Errors
    ///
    /// Names every setting that is out of its range, not just the first.
    pub fn check(&self) -> Result<(), SettingsError> {
        let mut checks = SettingChecks::default();
        checks.require(
            !self.set_point.is_zero(),
            "set_point",
            &Span(self.set_point),
            "must be longer than zero",
        );
        let gain = self.gain > 0.0 && self.gain <= 1.0;
        checks.require(gain, "gain", &self.gain, "must be over 0 and at most 1");
        checks.require((0.0..=1.0).contains(&self.floor), "floor", &self.floor, "must be from 0 to 1");
        checks.finish("brown-out")
    }
}

/// Tells each request whether it may do optional work. Clones are handles of the same dimmer.
///
/// It has no clock of its own: somebody calls [`step`](Brownout::step) or [`update`](Brownout::update) about once a second.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use pool_health::{Brownout, BrownoutSettings};
///
/// # fn main() -> Result<(), pool_health::SettingsError> {
/// let brownout = Brownout::new(BrownoutSettings { gain: 0.5, ..BrownoutSettings::default() })?;
/// assert!(brownout.allows_optional());
/// brownout.update(Duration::from_secs(3)); // the pool's callers wait too long
/// assert_eq!(brownout.level(), 0.5); // every other request does without
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct Brownout(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    settings: BrownoutSettings,
    /// The dimmer, the bits of an `f64`.
    // Ordering: relaxed; it is one number, and nobody reads other memory because of it.
    level: AtomicU64,
    /// What `step` saw last: acquires, and the time they took.
    before: Mutex<Option<(u64, Duration)>>,
}

impl Brownout {
    /// Everything is allowed at first.
    ///
    /// # Errors
    ///
    /// Names every setting that is out of its range.
    pub fn new(settings: BrownoutSettings) -> Result<Self, SettingsError> {
        settings.check()?;
        let level = AtomicU64::new(1.0_f64.to_bits());
        Ok(Brownout(Arc::new(Shared { settings, level, before: Mutex::default() })))
    }

    /// Whether this request may do its optional work. Drawn anew each time, so ask once for each request.
    pub fn allows_optional(&self) -> bool {
        fastrand::f64() < self.level()
    }

    /// The share of requests that may do optional work, from 0 to 1.
    pub fn level(&self) -> f64 {
        f64::from_bits(self.0.level.load(Ordering::Relaxed))
    }

    /// Turns the dimmer by what requests had to wait since the last update. Returns the new level.
    pub fn update(&self, observed_wait: Duration) -> f64 {
        let BrownoutSettings { set_point, gain, floor } = self.0.settings;
        let error = 1.0 - observed_wait.as_secs_f64() / set_point.as_secs_f64();
        let turned = |bits| {
            let level = f64::from_bits(bits) + gain * error.max(-1.0);
            level.clamp(floor, 1.0).to_bits()
        };
        let update = |bits| Some(turned(bits));
        match self.0.level.fetch_update(Ordering::Relaxed, Ordering::Relaxed, update) {
            Ok(before) | Err(before) => f64::from_bits(turned(before)),
        }
    }

    /// Turns the dimmer by how long callers of `pool` have waited since the last step: those who got a connection on
    /// average, or the one who waits longest if that is more. Returns the new level.
    ///
    /// The first step only looks. One dimmer steps with one pool.
    pub fn step(&self, pool: &dyn PoolControl) -> f64 {
        let PoolSnapshot { stats, counters, .. } = pool.snapshot();
        let seen = (counters.acquired, counters.wait_time);
        let before = self.0.before.lock().unwrap_or_else(PoisonError::into_inner).replace(seen);
        let Some((acquired, waited)) = before else { return self.level() };
        // After counters were set to zero there is only the one who waits to go by.
        let acquired = counters.acquired.saturating_sub(acquired);
        let waited = counters.wait_time.saturating_sub(waited);
        let mean = if acquired == 0 { Duration::ZERO } else { waited.div_f64(acquired as f64) };
        self.update(mean.max(stats.oldest_wait))
    }
}

#[cfg(test)]
mod tests;
