//! Looks at the pool's gauges a hundred times a second.

use std::sync::Arc;
use std::time::Duration;

use pool_core::{PoolSnapshot, PoolStats};
use tokio::sync::oneshot;
use tokio::time::{MissedTickBehavior, interval_at};

use crate::clock::{Schedule, millis};
use crate::environment::Process;
use crate::histogram;
use crate::result::{PoolGauges, Queue};
use crate::subject::Subject;
use crate::timeline::{Gauges, Track};

/// Time from one look to the next.
const EVERY: Duration = Duration::from_millis(10);

/// Memory is looked at this many times less often: asking the kernel costs more than asking the pool.
const MEMORY_EVERY: u64 = 50;

/// What was seen.
#[derive(Debug)]
pub(crate) struct Samples {
    pub(crate) track: Track<Gauges>,
    pub(crate) peak: PoolGauges,
    depth: hdrhistogram::Histogram<u64>,
    depth_sum: u64,
    in_use_sum: u64,
}

impl Samples {
    fn new() -> Self {
        Samples {
            track: Track::new(),
            peak: PoolGauges::default(),
            depth: histogram::growing(),
            depth_sum: 0,
            in_use_sum: 0,
        }
    }

    /// Takes a look in at this instant; `measured` is the same since measuring began, if it has.
    fn add(&mut self, snapshot: &PoolSnapshot, rss_bytes: Option<u64>, measured: Option<u64>) {
        let now = gauges(&snapshot.stats);
        let peak = &mut self.peak;
        peak.total = peak.total.max(now.total);
        peak.idle = peak.idle.max(now.idle);
        peak.in_use = peak.in_use.max(now.in_use);
        peak.pending = peak.pending.max(now.pending);
        peak.max = peak.max.max(now.max);

        let Some(measured) = measured else { return };
        histogram::record(&mut self.depth, now.pending);
        self.depth_sum += now.pending;
        self.in_use_sum += now.in_use;
        let point = self.track.at(measured);
        point.in_use = Some(now.in_use);
        point.idle = Some(now.idle);
        point.total = Some(now.total);
        point.pending = Some(now.pending);
        point.created_so_far = Some(snapshot.counters.created);
        point.closed_so_far = Some(snapshot.counters.closed.total());
        point.rss_bytes = rss_bytes.or(point.rss_bytes);
    }

    pub(crate) fn queue(&self) -> Queue {
        let samples = self.depth.len();
        Queue {
            depth_mean: if samples == 0 { 0.0 } else { self.depth_sum as f64 / samples as f64 },
            depth_p99: self.depth.value_at_quantile(0.99) as f64,
            depth_max: self.depth.max(),
            sample_every_ms: millis(EVERY),
        }
    }

    /// How many connections were in use, on average; `None` when nobody looked.
    pub(crate) fn in_use_mean(&self) -> Option<f64> {
        let samples = self.depth.len();
        (samples > 0).then(|| self.in_use_sum as f64 / samples as f64)
    }
}

/// The gauges that a result tells.
pub(crate) fn gauges(stats: &PoolStats) -> PoolGauges {
    PoolGauges {
        total: stats.total as u64,
        idle: stats.idle as u64,
        in_use: stats.active as u64,
        pending: stats.pending as u64,
        max: stats.max as u64,
    }
}

/// Samples until told to stop, or until nobody could tell any more.
pub(crate) async fn sample<S: Subject>(
    subject: Arc<S>,
    schedule: Schedule,
    mut stop: oneshot::Receiver<()>,
) -> Samples {
    let mut samples = Samples::new();
    let mut ticks = interval_at(tokio::time::Instant::now(), EVERY);
    // A late look is as good as one in time; two at once tell no more than one.
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut looks: u64 = 0;
    loop {
        tokio::select! {
            biased;
            _ = &mut stop => return samples,
            _ = ticks.tick() => {}
        }
        let snapshot = subject.control().snapshot();
        let now = schedule.now();
        let measured = now.checked_sub(schedule.measured_from()).filter(|_| now < schedule.ends());
        let memory = measured.is_some() && looks.is_multiple_of(MEMORY_EVERY);
        let rss_bytes = if memory { Process::rss_bytes().ok() } else { None };
        looks += u64::from(measured.is_some());
        samples.add(&snapshot, rss_bytes, measured);
    }
}

#[cfg(test)]
mod tests {
    use pool_core::Pool;
    use pool_core::fake::FakeConnector;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn depths_and_peaks_are_those_of_the_samples() {
        let pool = Pool::builder(FakeConnector::new()).max_connections(2).build().unwrap();
        pool.warm_up().await.unwrap();
        let mut samples = Samples::new();
        samples.add(&pool.snapshot(), None, None);
        assert_eq!(samples.in_use_mean(), None, "the warm-up is not measured");
        assert_eq!(samples.peak.idle, 2, "but its peaks count");

        samples.add(&pool.snapshot(), Some(7), Some(0));
        let held = (pool.acquire().await.unwrap(), pool.acquire().await.unwrap());
        let third = tokio::spawn({
            let pool = pool.clone();
            async move { drop(pool.acquire().await) }
        });
        tokio::task::yield_now().await;
        samples.add(&pool.snapshot(), None, Some(1_000_000));
        assert_eq!(samples.in_use_mean(), Some(1.0));
        let queue = samples.queue();
        assert_eq!((queue.depth_mean, queue.depth_p99, queue.depth_max), (0.5, 1.0, 1));
        assert_eq!(samples.peak, PoolGauges { total: 2, idle: 2, in_use: 2, pending: 1, max: 2 });
        drop(held);
        third.await.unwrap();
    }
}
