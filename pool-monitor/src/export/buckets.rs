//! Buckets with fixed ends, made of those of a pool, which grow with the duration.
//!
//! A bucket of ours that a fixed end falls into is counted as longer than that end. So no duration is ever told to be shorter than it
//! was, and a count for `le = b` is exactly that of the durations up to some `c ≤ b`, where `c` is below `b` by no more than the width of
//! one bucket of ours (a part of `b` that [`Histogram`] states).

use std::time::Duration;

use pool_core::Histogram;

/// How many durations were at most as long as each of `bounds` (in seconds, ascending), and last how many there were.
pub(super) fn cumulative(histogram: &Histogram, bounds: &[f64]) -> Vec<u64> {
    let mut counts = vec![0; bounds.len() + 1];
    let mut bucket = 0;
    for (end, count) in histogram.buckets() {
        // Buckets come in order, so those before are passed for good.
        while bounds.get(bucket).is_some_and(|bound| end.is_none_or(|end| is_longer(end, *bound))) {
            bucket += 1;
        }
        counts[bucket] += count;
    }
    let mut so_far = 0;
    for count in &mut counts {
        so_far += *count;
        *count = so_far;
    }
    counts
}

fn is_longer(end: Duration, bound: f64) -> bool {
    end.as_secs_f64() > bound
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOUNDS: &[f64] = &[0.001, 0.01, 0.1];

    fn histogram(millis: impl IntoIterator<Item = u64>) -> Histogram {
        let mut histogram = Histogram::new();
        millis.into_iter().for_each(|millis| histogram.record(Duration::from_millis(millis)));
        histogram
    }

    #[test]
    fn nothing_is_in_no_bucket() {
        assert_eq!(cumulative(&Histogram::new(), BOUNDS), [0, 0, 0, 0]);
    }

    #[test]
    fn the_last_count_is_that_of_all() {
        let histogram = histogram([5, 50, 500, 5_000_000]);
        assert_eq!(cumulative(&histogram, BOUNDS), [0, 1, 2, 4]);
        assert_eq!(cumulative(&histogram, &[]), [4]);
    }

    #[test]
    fn no_duration_is_told_to_be_shorter_and_hardly_one_to_be_longer() {
        let bound = 0.01;
        for micros in 1..40_000 {
            let mut histogram = Histogram::new();
            histogram.record(Duration::from_micros(micros));
            let is_within = cumulative(&histogram, &[bound])[0] == 1;
            let seconds = micros as f64 / 1e6;
            assert!(!is_within || seconds <= bound, "{micros} µs told as up to {bound} s");
            assert!(is_within || seconds > bound * (1.0 - 1.0 / 16.0), "{micros} µs told as over {bound} s");
        }
    }
}
