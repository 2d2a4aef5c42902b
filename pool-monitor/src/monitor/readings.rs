//! What rules can read of the pools, as of the last collection.

use std::time::{Duration, SystemTime};

use tokio::time::Instant;

use super::{Shared, Watched};
use crate::condition::Readings;
use crate::metric::Metric;

/// One pool at one position in time.
pub(super) struct PoolReadings<'a> {
    /// `None` = it was never measured.
    watched: Option<&'a Watched>,
    position: u64,
    /// Whether the last collection has measured it.
    is_fresh: bool,
}

impl Readings for PoolReadings<'_> {
    fn read(&self, metric: Metric, window: Option<Duration>) -> Option<f64> {
        if window.is_none() && !self.is_fresh {
            return None;
        }
        self.watched?.read(metric, window, self.position)
    }

    fn bound(&self, metric: Metric, window: Option<Duration>) -> Option<f64> {
        self.watched?.history.as_ref()?.bound(metric, window?, self.position)
    }

    fn trouble(&self) -> Option<String> {
        self.watched?.sample.trouble()
    }
}

impl Watched {
    pub(super) fn read(&self, metric: Metric, window: Option<Duration>, position: u64) -> Option<f64> {
        match window {
            None => self.interval.read(metric),
            Some(length) => self.history.as_ref()?.read(metric, length, position),
        }
    }
}

impl Shared {
    /// Has `judge` look at what is known of all pools, by name, and at the time. Under the lock: nothing of a user's may run
    /// in it.
    pub(super) fn with_readings<R>(
        &self,
        judge: impl for<'a> FnOnce(
            Instant,
            SystemTime,
            &mut dyn Iterator<Item = (&'a str, PoolReadings<'a>)>,
        ) -> R,
    ) -> R {
        let state = self.state();
        let now = Instant::now();
        let position = state.timeline.position(now);
        let measured = state.watched.iter().map(|(pool, watched)| {
            let is_fresh = watched.measured_at == state.collected_at;
            (&**pool, PoolReadings { watched: Some(watched), position, is_fresh })
        });
        let unmeasured = state.unmeasured.iter();
        let unmeasured =
            unmeasured.map(|pool| (&**pool, PoolReadings { watched: None, position, is_fresh: false }));
        let mut pools = measured.chain(unmeasured);
        judge(now, state.timeline.label(position), &mut pools)
    }
}
