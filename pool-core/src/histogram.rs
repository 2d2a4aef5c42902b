//! How long things took: counts in buckets whose width grows with the duration.
//!
//! Sixteen buckets for each doubling, from a microsecond to an hour: a quantile is off by at most a sixteenth. The layout is
//! fixed, so two histograms can be added and subtracted whatever they counted; that of HdrHistogram with four
//! significant bits. Why not that library: its counts cannot be incremented by several threads at once, and a pool has
//! several thousand buckets less.

use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use crate::sync::AtomicU64;

/// Everything shorter than 2^10 ns is in the first bucket.
const FIRST_EXPONENT: u32 = 10;
/// Everything longer than 2^42 ns (73 minutes) is in the last.
const LAST_EXPONENT: u32 = 42;
/// 2^4 buckets for each doubling.
const BITS: u32 = 4;
const BUCKETS: usize = (((LAST_EXPONENT - FIRST_EXPONENT) << BITS) + 2) as usize;

/// The bucket of a duration.
fn bucket(nanos: u64) -> usize {
    if nanos < 1 << FIRST_EXPONENT {
        return 0;
    }
    let exponent = nanos.ilog2();
    if exponent >= LAST_EXPONENT {
        return BUCKETS - 1;
    }
    let part = (nanos >> (exponent - BITS)) as usize & ((1 << BITS) - 1);
    1 + (((exponent - FIRST_EXPONENT) as usize) << BITS) + part
}

/// The end of a bucket; nothing in it is longer. The last bucket has none.
fn end(bucket: usize) -> Option<Duration> {
    if bucket + 1 == BUCKETS {
        return None;
    }
    // The first bucket ends where the first doubling begins, and so on.
    let (exponent, part) = (bucket >> BITS, bucket & ((1 << BITS) - 1));
    let start_of_doubling = 1_u64 << (exponent as u32 + FIRST_EXPONENT);
    Some(Duration::from_nanos(start_of_doubling + ((part as u64 * start_of_doubling) >> BITS)))
}

/// Counts of durations. See the module's first lines.
#[derive(Debug, PartialEq, Eq)]
pub struct Histogram {
    counts: Box<[u64; BUCKETS]>,
}

impl Clone for Histogram {
    fn clone(&self) -> Self {
        Histogram { counts: self.counts.clone() }
    }

    /// Allocates nothing.
    fn clone_from(&mut self, source: &Self) {
        *self.counts = *source.counts;
    }
}

impl Default for Histogram {
    fn default() -> Self {
        Histogram { counts: Box::new([0; BUCKETS]) }
    }
}

impl Histogram {
    /// How many buckets there are.
    pub const BUCKETS: usize = BUCKETS;

    /// An empty one.
    pub fn new() -> Self {
        Histogram::default()
    }

    /// Counts a duration.
    pub fn record(&mut self, duration: Duration) {
        self.record_nanos(u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX), 1);
    }

    pub(crate) fn record_nanos(&mut self, nanos: u64, times: u64) {
        self.counts[bucket(nanos)] += times;
    }

    /// How many durations were counted.
    pub fn count(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// A duration that a share of all of those counted did not exceed: `quantile(0.99)` is the p99. At most a sixteenth
    /// above the exact value; nothing below a microsecond is told apart. Zero when nothing was counted.
    pub fn quantile(&self, share: f64) -> Duration {
        Histogram::quantile_of(&self.counts, share).unwrap_or(Duration::ZERO)
    }

    /// As [`quantile`](Histogram::quantile), of counts that are in no histogram; `None` if nothing was counted.
    pub fn quantile_of(counts: &[u64; BUCKETS], share: f64) -> Option<Duration> {
        let count: u64 = counts.iter().sum();
        if count == 0 {
            return None;
        }
        let rank = ((count as f64 * share.clamp(0.0, 1.0)).ceil() as u64).clamp(1, count);
        let mut seen = 0;
        let found = counts.iter().position(|times| {
            seen += times;
            seen >= rank
        });
        found.map(|bucket| end(bucket).unwrap_or(Duration::from_nanos(1 << LAST_EXPONENT)))
    }

    /// The buckets that are not empty: the end of each, `None` for the one that has no end, and its count. In order.
    pub fn buckets(&self) -> impl Iterator<Item = (Option<Duration>, u64)> + '_ {
        let counted = self.counts.iter().copied().enumerate().filter(|(_, times)| *times > 0);
        counted.map(|(bucket, times)| (end(bucket), times))
    }

    /// The counts of all buckets, in order: for whoever stores histograms in a form of his own.
    pub fn counts(&self) -> &[u64; BUCKETS] {
        &self.counts
    }

    /// The counts of all buckets, to be filled with what was stored.
    pub fn counts_mut(&mut self) -> &mut [u64; BUCKETS] {
        &mut self.counts
    }

    /// Adds what another one counted.
    pub fn add(&mut self, other: &Histogram) {
        for (count, more) in self.counts.iter_mut().zip(other.counts.iter()) {
            *count += more;
        }
    }

    /// What was counted since `earlier`, a copy of this one.
    #[must_use]
    pub fn since(&self, earlier: &Histogram) -> Histogram {
        let mut since = self.clone();
        for (count, before) in since.counts.iter_mut().zip(earlier.counts.iter()) {
            *count = count.saturating_sub(*before);
        }
        since
    }
}

/// How long things took in a pool, since it was built or [reset](crate::Pool::reset_stats).
#[derive(Debug, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct PoolHistograms {
    /// From the call to the connection, for all acquires that got one. Those that found one free are in the first
    /// bucket.
    pub wait: Histogram,
    /// In the hands of callers. Exact with [`precise_timing`](crate::PoolOptions::precise_timing); without, uses shorter
    /// than the step of the coarse clock are found in the first bucket or at that step, in proportion.
    pub usage: Histogram,
    /// Connects that succeeded.
    pub connect: Histogram,
}

impl Clone for PoolHistograms {
    fn clone(&self) -> Self {
        PoolHistograms { wait: self.wait.clone(), usage: self.usage.clone(), connect: self.connect.clone() }
    }

    /// Allocates nothing.
    fn clone_from(&mut self, source: &Self) {
        self.wait.clone_from(&source.wait);
        self.usage.clone_from(&source.usage);
        self.connect.clone_from(&source.connect);
    }
}

impl PoolHistograms {
    /// Sets all counts to zero.
    pub fn clear(&mut self) {
        for histogram in [&mut self.wait, &mut self.usage, &mut self.connect] {
            histogram.counts.fill(0);
        }
    }

    /// Adds what others counted.
    pub fn add(&mut self, other: &PoolHistograms) {
        self.wait.add(&other.wait);
        self.usage.add(&other.usage);
        self.connect.add(&other.connect);
    }
}

/// A histogram that several threads may count in at once.
#[derive(Debug)]
pub(crate) struct SharedHistogram {
    counts: Box<[AtomicU64]>,
}

impl SharedHistogram {
    pub(crate) fn new() -> Self {
        SharedHistogram { counts: (0..BUCKETS).map(|_| AtomicU64::new(0)).collect() }
    }

    pub(crate) fn record(&self, nanos: u64) {
        self.counts[bucket(nanos)].fetch_add(1, Relaxed);
    }

    /// What was counted so far.
    pub(crate) fn copy(&self) -> Histogram {
        let mut copy = Histogram::new();
        self.copy_since(None, &mut copy);
        copy
    }

    /// What was counted since `earlier`, a copy of this one.
    pub(crate) fn copy_since(&self, earlier: Option<&Histogram>, copy: &mut Histogram) {
        for (bucket, (count, shared)) in copy.counts.iter_mut().zip(&self.counts).enumerate() {
            let before = earlier.map_or(0, |earlier| earlier.counts[bucket]);
            *count = shared.load(Relaxed).saturating_sub(before);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_duration_is_in_the_bucket_that_ends_at_most_a_sixteenth_later() {
        let mut nanos = 1_u64;
        while nanos < 1 << LAST_EXPONENT {
            let end = end(bucket(nanos)).unwrap().as_nanos() as u64;
            assert!(end >= nanos, "{nanos} in a bucket that ends at {end}");
            assert!(
                end <= nanos + nanos / 16 + (1 << FIRST_EXPONENT),
                "{nanos} in a bucket that ends at {end}"
            );
            nanos += nanos / 13 + 1;
        }
        assert_eq!(end(bucket(u64::MAX)), None);
        assert_eq!(end(bucket(0)), Some(Duration::from_nanos(1 << FIRST_EXPONENT)));
    }

    #[test]
    fn bucket_ends_grow() {
        let ends: Vec<_> = (0..BUCKETS - 1).map(|bucket| end(bucket).unwrap()).collect();
        assert!(ends.windows(2).all(|pair| pair[0] < pair[1]), "{ends:?}");
    }

    #[test]
    fn quantiles_are_those_of_an_exact_sort() {
        let mut rng = fastrand::Rng::with_seed(7);
        let mut exact: Vec<u64> = (0..10_000).map(|_| 1_000 + (1e9 * rng.f64().powi(6)) as u64).collect();
        let mut histogram = Histogram::new();
        exact.iter().for_each(|nanos| histogram.record(Duration::from_nanos(*nanos)));
        exact.sort_unstable();
        for share in [0.01, 0.5, 0.9, 0.99, 0.999, 1.0] {
            let rank = (exact.len() as f64 * share).ceil() as usize - 1;
            let (told, true_value) = (histogram.quantile(share).as_nanos() as f64, exact[rank] as f64);
            assert!(
                (1.0..=1.0625 + 1e-3).contains(&(told / true_value)),
                "p{share}: {told} for {true_value}"
            );
        }
        assert_eq!(histogram.count(), 10_000);
        assert_eq!(Histogram::new().quantile(0.5), Duration::ZERO);
    }

    #[test]
    fn what_was_counted_since_is_the_difference() {
        let mut now = Histogram::new();
        now.record(Duration::from_millis(5));
        let earlier = now.clone();
        now.record(Duration::from_millis(7));
        let mut both = earlier.clone();
        both.add(&now.since(&earlier));
        assert_eq!((now.since(&earlier).count(), both), (1, now));
    }
}
