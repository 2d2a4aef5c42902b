//! What a window says: how far demand reaches, and one measurement of the database once there is enough for it.

use super::Window;
use super::curve::Sample;

/// A limit is full when this share of it is in use. There, 30 to 70 % of the callers of a pool of 30 to 4
/// connections wait (Erlang C).
const FULL: f64 = 0.85;

/// Callers wait when at least this share of them did.
const WAITED: f64 = 0.1;

/// Windows are pooled until so many uses ended: the mean of fifty times that vary like an exponential
/// variable is known to 14 %.
const ENOUGH_USES: f64 = 50.0;

/// Pooling ends after so many windows, however few uses there were.
const MOST_POOLED: u32 = 30;

/// Measurements outside are a fault of clocks or counters: a use of less than a nanosecond or more than
/// thirty years.
const POSSIBLE: std::ops::Range<f64> = 1e-9..1e9;

/// What a window says about demand.
#[derive(Debug, Clone, Copy)]
pub(super) struct Load {
    pub(super) seconds: f64,
    pub(super) limit: f64,
    /// Mean number of connections in use.
    pub(super) mean: f64,
    /// Share of acquires that waited.
    pub(super) waited: f64,
    pub(super) waits: bool,
}

impl Load {
    pub(super) fn of(window: &Window) -> Self {
        let seconds = window.length.as_secs_f64();
        let limit = window.limit.max(1) as f64;
        let by_little = if seconds > 0.0 { window.use_time.as_secs_f64() / seconds } else { 0.0 };
        let known = window.busy.is_finite() && window.busy > 0.0;
        let mean = if known { window.busy } else { by_little };
        let waited =
            if window.acquired == 0 { 0.0 } else { (window.waited as f64 / window.acquired as f64).min(1.0) };
        Load { seconds, limit, mean, waited, waits: waited >= WAITED }
    }

    /// Almost all connections are in use.
    pub(super) fn fills_limit(&self) -> bool {
        self.mean >= FULL * self.limit
    }

    /// Callers wait because all connections are in use.
    pub(super) fn reaches_limit(&self) -> bool {
        self.waits && self.fills_limit()
    }
}

/// Windows put together until they are enough for one measurement.
#[derive(Debug, Default)]
pub(super) struct Pooled {
    windows: u32,
    released: f64,
    /// Connection-seconds, by the mean in use and by the uses that ended.
    busy: f64,
    used: f64,
    seconds: f64,
}

impl Pooled {
    pub(super) fn add(&mut self, window: &Window, load: &Load) {
        self.windows += 1;
        self.released += window.released as f64;
        self.busy += load.mean * load.seconds;
        self.used += window.use_time.as_secs_f64();
        self.seconds += load.seconds;
    }

    /// The measurement, when there is enough for one.
    pub(super) fn take(&mut self) -> Option<Sample> {
        if self.released < ENOUGH_USES && self.windows < MOST_POOLED {
            return None;
        }
        let pooled = std::mem::take(self);
        // Two measurements of the same time: connection-seconds spent by uses under way, and by those that
        // ended. Each errs where the other does not (uses that outlast a window, coarse clocks).
        let used = if pooled.used > 0.0 { pooled.used } else { pooled.busy };
        let sample = Sample {
            n: pooled.busy / pooled.seconds,
            time: (pooled.busy / pooled.released * (used / pooled.released)).sqrt(),
        };
        let possible = POSSIBLE.contains(&sample.time) && (1e-6..1e9).contains(&sample.n);
        possible.then_some(sample)
    }
}
