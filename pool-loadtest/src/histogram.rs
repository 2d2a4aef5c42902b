//! A histogram that takes every value.
//!
//! hdrhistogram has two ways of its own: one refuses what does not fit, one cuts it off *even where the histogram
//! could have grown*. Both have spoilt load tests.

use hdrhistogram::Histogram;

/// Figures to which a value is kept: 3 means to 0.1 %.
pub(crate) const SIGNIFICANT_FIGURES: u8 = 3;

/// An empty histogram that grows with its values.
pub(crate) fn growing() -> Histogram<u64> {
    Histogram::new(SIGNIFICANT_FIGURES).expect("3 is from 0 to 5")
}

/// Records a value in a histogram that grows.
pub(crate) fn record(histogram: &mut Histogram<u64>, value: u64) {
    histogram.record(value).expect("a histogram that grows has room for every u64 on 64-bit machines");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_value_is_cut_off() {
        let mut histogram = growing();
        for value in [0, 1, 3_600_000_000_000, u64::MAX] {
            record(&mut histogram, value);
            assert!(histogram.equivalent(histogram.max(), value));
        }
        assert_eq!(histogram.len(), 4);
    }
}
