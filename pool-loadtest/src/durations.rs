//! How long something took, many times: recorded in nanoseconds, told in microseconds.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hdrhistogram::serialization::{Serializer, V2DeflateSerializer};

use crate::histogram::{self, SIGNIFICANT_FIGURES};
use crate::result::{Censored, Distribution, Histogram};

/// A percentile is reliable with this many values beyond it.
const VALUES_BEYOND: u64 = 10;

/// The percentiles of a [`Distribution`], in thousandths of a percent: floats cannot say 99.9.
const PERCENTILES: [u64; 7] = [50_000, 75_000, 90_000, 95_000, 99_000, 99_900, 99_990];
const WHOLE: u64 = 100_000;

/// A histogram of durations, with exact least, mean and greatest.
#[derive(Debug)]
pub(crate) struct Durations {
    histogram: hdrhistogram::Histogram<u64>,
    min: u64,
    max: u64,
    sum: u128,
}

impl Durations {
    pub(crate) fn new() -> Self {
        Durations { histogram: histogram::growing(), min: u64::MAX, max: 0, sum: 0 }
    }

    pub(crate) fn record(&mut self, nanos: u64) {
        histogram::record(&mut self.histogram, nanos);
        self.min = self.min.min(nanos);
        self.max = self.max.max(nanos);
        self.sum += u128::from(nanos);
    }

    pub(crate) fn count(&self) -> u64 {
        self.histogram.len()
    }

    pub(crate) fn distribution(&self, censored: Censored) -> Distribution {
        let count = self.count();
        let measured = |nanos: f64| (count > 0).then_some(nanos / 1e3);
        let [p50, p75, p90, p95, p99, p99_9, p99_99] = PERCENTILES.map(|percentile| {
            // Not even one value beyond: it would be another name for the greatest.
            let shown = beyond(count, percentile) >= WHOLE;
            shown.then(|| self.percentile(percentile) as f64 / 1e3)
        });
        Distribution {
            unit: "us",
            count,
            min: measured(self.min as f64),
            mean: measured(self.sum as f64 / count as f64),
            stddev: measured(self.histogram.stdev()),
            max: measured(self.max as f64),
            p50,
            p75,
            p90,
            p95,
            p99,
            p99_9,
            p99_99,
            reliable_up_to: reliable_up_to(count),
            censored,
            histogram: (count > 0).then(|| self.payload()),
        }
    }

    /// The greatest value that falls into the percentile's bucket, as far as there are such values.
    fn percentile(&self, percentile: u64) -> u64 {
        self.histogram.value_at_quantile(percentile as f64 / WHOLE as f64).clamp(self.min, self.max)
    }

    fn payload(&self) -> Histogram {
        let mut bytes = Vec::new();
        V2DeflateSerializer::new()
            .serialize(&self.histogram, &mut bytes)
            .expect("writing to memory does not fail, and no histogram in memory is too large to describe");
        Histogram {
            encoding: "hdr-v2-deflate-base64",
            unit: "ns",
            significant_figures: SIGNIFICANT_FIGURES,
            data: STANDARD.encode(bytes),
        }
    }
}

/// How many of `count` values lie beyond a percentile, in parts of [`WHOLE`].
fn beyond(count: u64, percentile: u64) -> u64 {
    count.saturating_mul(WHOLE - percentile)
}

/// The highest percentile with ten values beyond it.
fn reliable_up_to(count: u64) -> Option<f64> {
    let reliable = |percentile: &&u64| beyond(count, **percentile) >= VALUES_BEYOND * WHOLE;
    PERCENTILES.iter().rev().find(reliable).map(|percentile| *percentile as f64 / 1e3)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(values: impl IntoIterator<Item = u64>) -> Distribution {
        let mut durations = Durations::new();
        values.into_iter().for_each(|value| durations.record(value));
        durations.distribution(Censored::default())
    }

    fn close(actual: Option<f64>, expected: f64) {
        let actual = actual.expect("it is measured");
        assert!((actual / expected - 1.0).abs() < 0.001, "{actual} is not {expected}");
    }

    #[test]
    fn nothing_measured_is_null_and_not_zero() {
        let nothing = of([]);
        assert_eq!(nothing.count, 0);
        for figure in [nothing.min, nothing.mean, nothing.stddev, nothing.max, nothing.p50, nothing.p99_99] {
            assert_eq!(figure, None);
        }
        assert_eq!(nothing.reliable_up_to, None);
        assert_eq!(nothing.histogram, None);
    }

    #[test]
    fn figures_of_known_values() {
        let thousand = of((1..=1_000).map(|value| value * 1_000));
        assert_eq!(thousand.count, 1_000);
        assert_eq!((thousand.min, thousand.mean, thousand.max), (Some(1.0), Some(500.5), Some(1_000.0)));
        close(thousand.stddev, 288.675);
        close(thousand.p50, 500.0);
        close(thousand.p90, 900.0);
        close(thousand.p99, 990.0);
        close(thousand.p99_9, 999.0);
        assert_eq!(thousand.p99_99, None, "a tenth of a value lies beyond");
    }

    #[test]
    fn a_percentile_is_reliable_with_ten_values_beyond_it() {
        for (count, expected) in [
            (0, None),
            (19, None),
            (20, Some(50.0)),
            (100, Some(90.0)),
            (999, Some(95.0)),
            (1_000, Some(99.0)),
            (9_999, Some(99.0)),
            (10_000, Some(99.9)),
            (99_999, Some(99.9)),
            (100_000, Some(99.99)),
        ] {
            assert_eq!(reliable_up_to(count), expected, "{count} values");
        }
    }

    #[test]
    fn a_percentile_with_less_than_one_value_beyond_is_null() {
        let twelve = of(1..=12);
        assert!(twelve.p90.is_some(), "1.2 values lie beyond");
        assert_eq!(twelve.p95, None, "0.6 values lie beyond");
    }

    #[test]
    fn a_percentile_never_exceeds_the_greatest_value() {
        let equal = of([1_000_003; 1_000]);
        assert_eq!(equal.p50, Some(1_000.003));
        assert_eq!(equal.max, Some(1_000.003));
    }

    #[test]
    fn an_hour_fits_beside_a_nanosecond() {
        let both = of([1, 3_600_000_000_000]);
        assert_eq!((both.min, both.max), (Some(0.001), Some(3_600_000_000.0)));
    }

    #[test]
    fn the_payload_holds_every_value() {
        let values = of((1..=500).map(|value| value * 977));
        let payload = values.histogram.unwrap();
        assert!(payload.data.starts_with("HISTFAAA"), "{}", payload.data);
        let bytes = STANDARD.decode(payload.data).unwrap();
        let read: hdrhistogram::Histogram<u64> =
            hdrhistogram::serialization::Deserializer::new().deserialize(&mut bytes.as_slice()).unwrap();
        assert_eq!(read.len(), 500);
        assert!(read.equivalent(read.max(), 500 * 977));
    }
}
