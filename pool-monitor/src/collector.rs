//! Measures one pool: a sample of how it is, and what has happened since the sample before.
//!
//! A pool counts from when it was built or reset. Here counts go on over resets and from one pool to the next of its name:
//! what was counted before is carried, and differences are taken from zero again. A pool is the same as before if it has
//! the same id and the time that its counters count in has not gone back.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use pool_core::{PoolControl, PoolCounters, PoolHistograms, PoolId, PoolSnapshot, PoolStats, Target};
use tokio::time::Instant;

use crate::columns::{COUNTS, Count, Timed, counts_of};
use crate::history::{Interval, encode};
use crate::sample::{Sample, Violation};
use crate::target::{BreakerState, TargetHealth};
use crate::timeline::nanos;

/// What is known of one pool besides its history: the last counts of the pool and two samples, and a little for names and maps.
pub(crate) const MEMORY: usize = {
    // Those of the pool, those carried over from an earlier one, and two samples.
    let histograms = 4 * 3 * size_of::<u64>() * pool_core::Histogram::BUCKETS;
    histograms + size_of::<Source>() + 2 * size_of::<Sample>() + 2 * size_of::<Interval>() + 1024
};

/// A pool that is older than so many intervals when it is first seen has counted things that did not happen lately: they
/// are in its totals and in no interval.
const YOUNG: u32 = 2;

/// What somebody else knows of a pool's target.
#[derive(Debug, Clone, Default)]
pub(crate) struct Facts {
    pub(crate) health: TargetHealth,
    pub(crate) breaker: Option<BreakerState>,
    pub(crate) flapping: bool,
    pub(crate) last_error: Option<String>,
}

/// Histograms to calculate with, for all pools together.
#[derive(Debug, Default)]
pub(crate) struct Scratch {
    /// Nobody else's.
    now: Arc<PoolHistograms>,
    pub(crate) delta: PoolHistograms,
}

/// One pool as it was at the last collection.
#[derive(Debug)]
pub(crate) struct Source {
    name: Arc<str>,
    target: Option<Target>,
    last: Option<Last>,
    /// What was counted before the pool's counters began.
    carried: Option<Box<(PoolCounters, PoolHistograms)>>,
    /// When it was built, as far as can be told.
    built_at: Instant,
    /// The sample before the last one, to be used again if nobody has it any more.
    spare: Option<Arc<Sample>>,
}

/// What the pool itself had counted.
#[derive(Debug)]
struct Last {
    /// Whose these are. Not a handle: the monitor must not keep a pool open.
    pool: PoolId,
    /// Before and after it was measured.
    at: (Instant, Instant),
    stats: PoolStats,
    counters: PoolCounters,
    counts: [u64; COUNTS],
    /// Shared with the sample, unless that has more: they are most of what a collection reads and writes.
    histograms: Arc<PoolHistograms>,
}

/// What came of a measurement.
#[derive(Debug)]
pub(crate) struct Measured {
    pub(crate) sample: Arc<Sample>,
    /// How long the pool has been there.
    pub(crate) uptime: Duration,
}

impl Source {
    /// A pool that was not seen before.
    pub(crate) fn new(name: &str) -> Self {
        Source {
            name: Arc::from(name),
            target: None,
            last: None,
            carried: None,
            built_at: Instant::now(),
            spare: None,
        }
    }

    pub(crate) fn name(&self) -> &Arc<str> {
        &self.name
    }

    /// Takes back a sample that was replaced.
    pub(crate) fn recycle(&mut self, sample: Option<Arc<Sample>>) {
        self.spare = sample;
    }

    /// Measures the pool that has the name now. `interval` becomes what has happened since the last time; `usual` is how
    /// long ago that should be, and `measured_at` what is shown as the time.
    pub(crate) fn measure(
        &mut self,
        pool: &Arc<dyn PoolControl>,
        facts: Facts,
        (measured_at, usual): (SystemTime, Duration),
        scratch: &mut Scratch,
        interval: &mut Interval,
    ) -> Measured {
        let begun = Instant::now();
        // First, so that whatever comes between this and the snapshot is in one of them.
        let peak = pool.take_peak();
        let PoolSnapshot { stats, counters, .. } = pool.read_histograms(own(&mut scratch.now));
        let at = (begun, Instant::now());
        let mut counts = counts_of(&counters);
        let before = self.last.take();
        let same = before.as_ref().filter(|last| last.is_before(pool, begun, &counters, &counts));
        match same {
            Some(last) => {
                // It may step back by as much as the coarse clock is late.
                let held = Count::HeldTime as usize;
                counts[held] = counts[held].max(last.counts[held]);
                interval.elapsed = nanos(begun.saturating_duration_since(last.at.0));
                interval.counts = std::array::from_fn(|column| counts[column] - last.counts[column]);
                subtract(&scratch.now, Some(&last.histograms), &mut scratch.delta);
            }
            None => {
                self.begin(pool, before.as_ref(), begun, &counters);
                let is_old = before.is_none() && counters.elapsed > usual * YOUNG;
                if is_old {
                    (interval.elapsed, interval.counts) = (0, [0; COUNTS]);
                    scratch.delta.clear();
                } else {
                    let since_last = before.as_ref().map(|last| begun.saturating_duration_since(last.at.0));
                    let elapsed = Some(counters.elapsed).filter(|elapsed| !elapsed.is_zero()).or(since_last);
                    (interval.elapsed, interval.counts) = (nanos(elapsed.unwrap_or_default()), counts);
                    subtract(&scratch.now, None, &mut scratch.delta);
                }
            }
        }
        encode(&scratch.delta, &mut interval.sketch);
        let average_active = match interval.elapsed {
            0 => stats.active as f64,
            elapsed => interval.counts[Count::HeldTime as usize] as f64 / elapsed as f64,
        };
        let between = same.and_then(|last| {
            let opened = interval.counts[Count::Created as usize];
            Violation::between(&last.stats, &stats, opened, interval.counts[Count::Closed as usize])
        });
        let gone = stats.creating + stats.destroying == stats.total;

        let mut sample = self.spare.take().unwrap_or_else(|| Arc::new(Sample::empty(&self.name)));
        if Arc::get_mut(&mut sample).is_none() {
            // Somebody still reads it.
            sample = Arc::new(Sample::empty(&self.name));
        }
        let fields = Arc::get_mut(&mut sample).expect("this is the only one");
        fields.measured_at = measured_at;
        if fields.target != self.target {
            fields.target.clone_from(&self.target);
        }
        fields.stats = stats;
        fields.peak_active = peak.max(stats.active);
        // Uses are timed by the coarse clock: the milliseconds by which it is late are many times an interval of microseconds.
        let average_active = average_active.min(fields.peak_active as f64);
        fields.average_utilization = if stats.max == 0 { 0.0 } else { average_active / stats.max as f64 };
        fields.violation = Violation::within(&stats, &counters).or(between);
        fields.acquire_timeout = pool.options().acquire_timeout;
        fields.paused = pool.is_paused();
        fields.outage = gone && pool.outage().is_some();
        (fields.health, fields.breaker, fields.flapping) = (facts.health, facts.breaker, facts.flapping);
        let told_by_the_pool = || pool.last_connect_failure().map(|failure| failure.cause.to_string());
        fields.last_error = facts.last_error.or_else(|| fields.outage.then(told_by_the_pool).flatten());
        fields.counters = counters.clone();
        let histograms = if let Some(carried) = &self.carried {
            fields.counters.add_earlier(&carried.0);
            let all = own(&mut fields.histograms);
            all.clone_from(&scratch.now);
            all.add(&carried.1);
            let free = before.map(|before| before.histograms).unwrap_or_default();
            std::mem::replace(&mut scratch.now, free)
        } else {
            std::mem::swap(&mut fields.histograms, &mut scratch.now);
            Arc::clone(&fields.histograms)
        };
        fields.took = begun.elapsed();
        interval.gauges = fields.gauges();

        self.last = Some(Last { pool: pool.id(), at, stats, counters, counts, histograms });
        Measured { sample, uptime: begun.saturating_duration_since(self.built_at) }
    }

    /// Begins with a pool that is new, or whose counters are.
    fn begin(
        &mut self,
        pool: &Arc<dyn PoolControl>,
        before: Option<&Last>,
        now: Instant,
        counters: &PoolCounters,
    ) {
        let is_new = before.is_none_or(|last| last.pool != pool.id());
        if is_new {
            self.target = pool.target();
            self.built_at = now.checked_sub(counters.elapsed).unwrap_or(now);
        }
        if let Some(last) = before {
            let carried = self.carried.get_or_insert_default();
            carried.0.add_earlier(&last.counters);
            carried.1.add(&last.histograms);
        }
    }
}

impl Last {
    /// Whether these were counted by the same pool, which was not reset in between.
    fn is_before(
        &self,
        pool: &Arc<dyn PoolControl>,
        now: Instant,
        counters: &PoolCounters,
        counts: &[u64; COUNTS],
    ) -> bool {
        // Its counters have counted at least since then. One that does not tell for how long they have, says zero.
        let goes_on =
            counters.elapsed.is_zero() || counters.elapsed >= now.saturating_duration_since(self.at.1);
        let mut columns = (0..COUNTS).filter(|column| *column != Count::HeldTime as usize);
        goes_on && self.pool == pool.id() && columns.all(|column| counts[column] >= self.counts[column])
    }
}

/// Makes them nobody else's, whatever they hold then.
fn own(histograms: &mut Arc<PoolHistograms>) -> &mut PoolHistograms {
    if Arc::get_mut(histograms).is_none() {
        *histograms = Arc::default();
    }
    Arc::get_mut(histograms).expect("they are new")
}

/// What was timed since `earlier`.
fn subtract(now: &PoolHistograms, earlier: Option<&PoolHistograms>, delta: &mut PoolHistograms) {
    for timed in Timed::ALL {
        let delta = timed.of_mut(delta);
        let Some(earlier) = earlier else {
            delta.clone_from(timed.of(now));
            continue;
        };
        let counts = timed.of(now).counts().iter().zip(timed.of(earlier).counts());
        for (delta, (now, earlier)) in delta.counts_mut().iter_mut().zip(counts) {
            // Counted by several threads at once, so a bucket may be ahead of the snapshot; it never steps back for long.
            *delta = now.saturating_sub(*earlier);
        }
    }
}
