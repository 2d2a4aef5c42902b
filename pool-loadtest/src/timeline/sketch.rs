//! A small histogram: one for each interval of a long run must fit into memory, and two must add up.

/// Each power of two is divided into this many buckets, so a value is known to 1/64 = 1.6 %.
const STEPS: u64 = 64;
const STEP_BITS: u32 = STEPS.trailing_zeros();

/// Counts of values in buckets that widen with the value. Only the range of buckets in use takes memory:
/// about a kilobyte for the waits of one second, where an HdrHistogram takes a hundred.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Sketch {
    /// The bucket that `counts` begins with.
    first: usize,
    counts: Vec<u32>,
    total: u64,
    max: u64,
}

impl Sketch {
    pub(super) fn record(&mut self, value: u64) {
        self.add(bucket(value), 1);
        self.total += 1;
        self.max = self.max.max(value);
    }

    pub(super) fn merge(&mut self, other: &Sketch) {
        for (index, count) in other.counts.iter().enumerate().filter(|(_, count)| **count > 0) {
            self.add(other.first + index, *count);
        }
        self.total += other.total;
        self.max = self.max.max(other.max);
    }

    fn add(&mut self, bucket: usize, count: u32) {
        if self.counts.is_empty() {
            self.first = bucket;
        }
        if bucket < self.first {
            let missing = self.first - bucket;
            self.counts.splice(0..0, std::iter::repeat_n(0, missing));
            self.first = bucket;
        }
        let index = bucket - self.first;
        if index >= self.counts.len() {
            self.counts.resize(index + 1, 0);
        }
        self.counts[index] = self.counts[index].saturating_add(count);
    }

    /// The greatest value, exactly.
    pub(super) fn max(&self) -> Option<u64> {
        (self.total > 0).then_some(self.max)
    }

    /// A value that `percent` of the values do not exceed.
    pub(super) fn percentile(&self, percent: f64) -> Option<u64> {
        let rank = ((percent / 100.0 * self.total as f64).ceil() as u64).max(1);
        let mut seen = 0;
        for (index, count) in self.counts.iter().enumerate() {
            seen += u64::from(*count);
            if seen >= rank {
                return Some(highest(self.first + index).min(self.max));
            }
        }
        self.max()
    }
}

/// Values below 64 have a bucket each; from there on the six bits after the leading one tell.
fn bucket(value: u64) -> usize {
    if value < STEPS {
        return value as usize;
    }
    let shift = value.ilog2() - STEP_BITS;
    ((u64::from(shift) + 1) * STEPS + (value >> shift) - STEPS) as usize
}

/// The greatest value of a bucket.
fn highest(bucket: usize) -> u64 {
    let bucket = bucket as u64;
    if bucket < STEPS {
        return bucket;
    }
    let (shift, step) = (bucket / STEPS - 1, bucket % STEPS + STEPS);
    (step << shift) + ((1 << shift) - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_ends_where_the_next_begins() {
        for value in (0..5_000).chain([u64::MAX / 3, u64::MAX - 1, u64::MAX]) {
            let end = highest(bucket(value));
            assert!(end >= value && end - value <= value / STEPS, "{value} in a bucket up to {end}");
            if end < u64::MAX {
                assert_eq!(bucket(end + 1), bucket(value) + 1, "after {end}");
            }
        }
    }

    #[test]
    fn percentiles_are_known_to_two_percent() {
        let mut sketch = Sketch::default();
        (1..=10_000).rev().for_each(|value| sketch.record(value));
        for (percent, expected) in [(50.0, 5_000.0), (99.0, 9_900.0), (0.0, 1.0)] {
            let found = sketch.percentile(percent).unwrap() as f64;
            assert!((found / expected - 1.0).abs() < 0.016, "p{percent} is {found}");
        }
        assert_eq!(sketch.percentile(100.0), Some(10_000));
        assert_eq!(sketch.max(), Some(10_000));
    }

    #[test]
    fn merging_is_recording_both() {
        let (mut left, mut right, mut both) = (Sketch::default(), Sketch::default(), Sketch::default());
        for value in 1..1_000_u64 {
            let value = value * value * 31;
            if value % 3 == 0 {
                left.record(value);
            } else {
                right.record(value);
            }
            both.record(value);
        }
        left.merge(&right);
        assert_eq!(left, both);
    }

    #[test]
    fn nothing_has_no_percentile() {
        assert_eq!(Sketch::default().percentile(50.0), None);
        assert_eq!(Sketch::default().max(), None);
    }
}
