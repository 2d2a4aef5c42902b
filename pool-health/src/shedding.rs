//! Load shedding: no caller waits who would wait in vain.
//!
//! A pool of `c` connections that are held for `S` on average serves `c / S` callers a second, so the one at place `k` of
//! its queue waits `k * S / c` (Little's law: J. Little, *A Proof for the Queuing Formula L = λW*, 1961). Whoever stands
//! behind place `c * T / S`, `T` being the acquire timeout, waits that long for an error. Under a load that is more than the
//! pool can serve, a queue without a limit holds such callers only: everybody waits for `T`, and many for nothing. So
//! the limit of the queue follows from what is measured: when the database becomes slow, `S` grows and the queue shrinks, and
//! the callers it has no room for are told at once.
//!
//! Waits scatter. If uses end independently of each other, the wait at place `k` has a standard deviation of `S / c * √k`;
//! the limit leaves four of them, so that one in thirty thousand who are let in times out. And `S` is not known but estimated, from
//! `n` uses to about `S / √n`; the limit is that of an `S` which is two of these longer.

use std::time::Duration;

use pool_core::{OptionsError, PoolControl, PoolOptions, PoolSnapshot, SettingChecks, SettingsError, Span};
use tokio::time::Instant;

/// How many standard deviations of the wait are left between the last place of the queue and the timeout.
const DEVIATIONS: f64 = 4.0;

/// How many standard deviations of the mean time of use it is taken to be longer than measured.
const DOUBTS: f64 = 2.0;

/// A limit beyond this is none that anybody meets.
const LARGEST: f64 = 1e6;

/// How a [`LoadShedder`] follows what it measures.
#[derive(Debug, Clone, PartialEq)]
pub struct SheddingSettings {
    /// Over which time uses are forgotten. Default 3 s; 0 = the last step alone counts.
    ///
    /// Longer is steadier and lets the queue be longer, shorter notices sooner that the database has become slow.
    pub smoothing: Duration,
    /// By which part the limit must exceed the one in force before it is raised. From 0 to 1. Default 0.2; 0 = any change.
    ///
    /// It is lowered by as little as a quarter of that: a limit that is too high lets callers in who time out, one that is
    /// too low only makes the queue shorter, and the connections are busy all the same.
    pub hysteresis: f64,
}

impl Default for SheddingSettings {
    fn default() -> Self {
        SheddingSettings { smoothing: Duration::from_secs(3), hysteresis: 0.2 }
    }
}

impl SheddingSettings {
    /// Checks all settings.
    ///
    /// # Errors
    ///
    /// Names every setting that is out of its range, not just the first.
    pub fn check(&self) -> Result<(), SettingsError> {
        let mut checks = SettingChecks::default();
        let day = Duration::from_secs(24 * 3_600);
        checks.require(self.smoothing <= day, "smoothing", &Span(self.smoothing), "must not exceed one day");
        checks.require(
            (0.0..=1.0).contains(&self.hysteresis),
            "hysteresis",
            &self.hysteresis,
            "must be from 0 to 1",
        );
        checks.finish("load shedding")
    }
}

/// Keeps `max_waiting` of one pool where those who wait are still served in time.
///
/// It has no clock of its own: somebody calls [`step`](LoadShedder::step) about once a second.
///
/// # Examples
///
/// ```
/// # use pool_core::{Pool, PoolControl, fake::FakeConnector};
/// use pool_health::{LoadShedder, SheddingSettings};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let pool = Pool::builder(FakeConnector::new()).build()?;
/// let mut shedder = LoadShedder::new(SheddingSettings::default())?;
/// shedder.step(&pool)?; // every second
/// shedder.restore(&pool)?; // at the end
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct LoadShedder {
    settings: SheddingSettings,
    measured: Measured,
    /// The limit it has set, and the one it found.
    applied: Option<Applied>,
}

#[derive(Debug, Clone, Copy)]
struct Applied {
    limit: usize,
    configured: usize,
}

/// What it knows of the uses of a pool.
#[derive(Debug, Default)]
struct Measured {
    before: Option<(Instant, u64, Duration)>,
    /// How many connections there were when callers last waited for them.
    serving: Option<usize>,
    /// Uses that ended, the older the less.
    uses: f64,
    /// How long they took, in seconds, faded in the same way.
    use_time: f64,
}

impl LoadShedder {
    /// Changes nothing yet.
    ///
    /// # Errors
    ///
    /// Names every setting that is out of its range.
    pub fn new(settings: SheddingSettings) -> Result<Self, SettingsError> {
        settings.check()?;
        Ok(LoadShedder { settings, measured: Measured::default(), applied: None })
    }

    /// The limit that it has set, if it has set one.
    pub fn limit(&self) -> Option<usize> {
        self.applied.map(|applied| applied.limit)
    }

    /// Looks at the pool, and changes its `max_waiting` if that is worth while. Returns the new limit then.
    ///
    /// A `max_waiting` that somebody else has set is taken as configured: never exceeded unless it is 0. The limit is never
    /// under `max_connections` otherwise.
    ///
    /// # Errors
    ///
    /// If the pool refuses its own options with the new limit; nothing is changed then.
    pub fn step(&mut self, pool: &dyn PoolControl) -> Result<Option<usize>, OptionsError> {
        let (options, snapshot) = (pool.options(), pool.snapshot());
        let configured = self.configured(&options);
        let Some(wanted) = self.measured.limit(&self.settings, &snapshot, &options, Instant::now()) else {
            return Ok(None);
        };
        let wanted = if configured == 0 { wanted } else { wanted.min(configured) };
        let current = options.max_waiting;
        let hysteresis = self.settings.hysteresis * if wanted > current { 1.0 } else { 0.25 };
        let apart = wanted.abs_diff(current) as f64;
        // No limit is further from any than the hysteresis; back to what is configured it goes all the way.
        let worth_while = current == 0 || wanted == configured || apart > hysteresis * current as f64;
        if wanted == current || !worth_while {
            return Ok(None);
        }
        pool.set_max_waiting(wanted)?;
        self.applied = Some(Applied { limit: wanted, configured });
        Ok(Some(wanted))
    }

    /// Gives the pool the limit back that it had, and forgets what was measured. A limit that somebody else has set
    /// meanwhile stays.
    ///
    /// # Errors
    ///
    /// If the pool refuses its own options with the old limit; nothing is changed then.
    pub fn restore(&mut self, pool: &dyn PoolControl) -> Result<(), OptionsError> {
        let options = pool.options();
        let configured = self.configured(&options);
        if options.max_waiting != configured {
            pool.set_max_waiting(configured)?;
        }
        self.measured = Measured::default();
        self.applied = None;
        Ok(())
    }

    /// What `max_waiting` is by the word of others.
    fn configured(&mut self, options: &PoolOptions) -> usize {
        self.applied = self.applied.filter(|applied| applied.limit == options.max_waiting);
        self.applied.map_or(options.max_waiting, |applied| applied.configured)
    }
}

impl Measured {
    /// The longest queue of which everybody is served in time; `None` as long as that is not known.
    fn limit(
        &mut self,
        settings: &SheddingSettings,
        snapshot: &PoolSnapshot,
        options: &PoolOptions,
        now: Instant,
    ) -> Option<usize> {
        let PoolSnapshot { stats, counters, .. } = snapshot;
        // A pool that cannot open all it may serves with what it has, which shows when callers wait and none is being opened.
        if stats.waiting > 0 && stats.creating == 0 {
            self.serving = Some(stats.total);
        }
        let serving = self.serving.unwrap_or(stats.max).min(stats.max);
        // What callers of normal priority can have of that.
        let serving = serving.saturating_sub(options.reserve_connections).max(1) as f64;
        let seen = (now, counters.released, counters.use_time);
        let (at, released, use_time) = self.before.replace(seen)?;
        let passed = now.saturating_duration_since(at);
        // Counters that were set to zero tell nothing about the time before.
        let released = counters.released.checked_sub(released)?;
        let use_time = counters.use_time.checked_sub(use_time)?;
        let fade = if settings.smoothing.is_zero() {
            0.0
        } else {
            (-passed.as_secs_f64() / settings.smoothing.as_secs_f64()).exp()
        };
        if released > 0 {
            self.uses = self.uses * fade + released as f64;
            self.use_time = self.use_time * fade + use_time.as_secs_f64();
        } else if stats.active > 0 && stats.waiting > 0 {
            // Nothing came back in all this time, which is known of uses that have not ended.
            self.use_time += serving * passed.as_secs_f64();
        }
        if self.uses == 0.0 {
            return None;
        }
        let mean = self.use_time / self.uses;
        let at_most = mean * (1.0 + DOUBTS / self.uses.sqrt());
        let in_time = options.acquire_timeout.as_secs_f64() * serving / at_most;
        Some(place_for(in_time).max(stats.max))
    }
}

/// The last place of a queue that is reached in time, if `in_time` callers are served on average before the timeout:
/// the largest `k` with `k + DEVIATIONS * √k <= in_time`.
fn place_for(in_time: f64) -> usize {
    let root = ((DEVIATIONS * DEVIATIONS + 4.0 * in_time).sqrt() - DEVIATIONS) / 2.0;
    // Saturates, and takes what is not a number (no time of use at all) as the largest.
    (root * root).min(LARGEST) as usize
}

#[cfg(test)]
mod tests;
