//! Whether uses at the held size take another time than they did, which means that the curve has changed: a
//! two-sided CUSUM (Page 1954), which adds up what is off until it can no longer be noise.

use super::curve::{Curve, Sample};

/// Changes of less than twice this many standard deviations are not looked for, ...
const SLACK: f64 = 1.0;
/// ... and the sum of what exceeds it is a change at this. By Siegmund's formula, normal noise around the right
/// mean gets there once in about e^(2 * 1 * 11) windows; around a mean that is off by half a standard
/// deviation, once in e^(2 * 0.5 * 11), 60,000.
const ALARM: f64 = 10.0;
/// No window counts for more, so one of them is never a change.
const OUTLIER: f64 = 5.0;
/// How far a window may be off, in standard deviations, to count in full as noise.
const UNSUSPICIOUS: f64 = 2.5;
/// What the fit expects counts for at least so many measurements: with fewer, a change right after the search
/// would pass for an error of the fit.
const TRUST_IN_FIT: f64 = 12.0;
/// All that is remembered counts for so many measurements.
const MEMORY: f64 = 64.0;
/// A database that is steadier than this is not held to it: a use time that moves by a few percent does not
/// move the peak by a fifth.
const LEAST_NOISE: f64 = 0.03;

/// The sums, and what is expected.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Watch {
    /// Mean of the logarithm of measured by expected time, and how many measurements it stands for.
    mean: f64,
    count: f64,
    /// Variance of the same.
    variance: f64,
    slower: f64,
    faster: f64,
}

impl Watch {
    /// Takes a measurement at the held size. When that changed, says whether uses are slower now.
    pub(super) fn note(&mut self, sample: Sample, curve: &Curve) -> Option<bool> {
        let ratio = (sample.time / curve.time(sample.n)).ln();
        let least = curve.noise().max(LEAST_NOISE).powi(2);
        if self.count == 0.0 {
            (self.count, self.variance) = (curve.measurements(sample.n).clamp(TRUST_IN_FIT, MEMORY), least);
        }
        let noise = self.variance.max(least).sqrt();
        let off = ((ratio - self.mean) / noise).clamp(-OUTLIER, OUTLIER);
        self.slower = (self.slower + off - SLACK).max(0.0);
        self.faster = (self.faster - off - SLACK).max(0.0);
        self.count = (self.count + 1.0).min(MEMORY);
        self.mean += off * noise / self.count;
        // What is suspected to be a change must not pass for noise.
        let off = off.clamp(-UNSUSPICIOUS, UNSUSPICIOUS) * noise;
        self.variance += (off * off - self.variance) / self.count;
        (self.slower >= ALARM).then_some(true).or((self.faster >= ALARM).then_some(false))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sizing::curve::Samples;

    fn curve() -> Curve {
        let mut samples = Samples::default();
        for n in [1.0, 5.0, 10.0, 20.0, 40.0] {
            (0..4).for_each(|_| samples.push(Sample { n, time: 1.0 + 0.01 * n * n }));
        }
        samples.fit().unwrap()
    }

    /// Measurements until the alarm, when each takes so many times what is expected.
    fn alarm(factor: f64) -> Option<(usize, bool)> {
        let (curve, mut watch) = (curve(), Watch::default());
        let sample = Sample { n: 10.0, time: factor * curve.time(10.0) };
        (1..=1_000).find_map(|count| Some((count, watch.note(sample, &curve)?)))
    }

    #[test]
    fn a_lasting_change_is_noticed_with_its_direction() {
        let (count, slower) = alarm(1.3).unwrap();
        assert!(slower && (3..=4).contains(&count), "after {count}");
        let (count, slower) = alarm(0.75).unwrap();
        assert!(!slower && (3..=4).contains(&count), "after {count}");
        assert!(alarm(1.15).is_some_and(|(count, _)| count <= 8), "{:?}", alarm(1.15));
    }

    #[test]
    fn a_small_change_and_a_single_outlier_are_not() {
        assert_eq!(alarm(1.0), None);
        assert_eq!(alarm(1.03), None);
        assert_eq!(alarm(0.97), None);
        let (curve, mut watch) = (curve(), Watch::default());
        let at = |factor: f64| Sample { n: 10.0, time: factor * curve.time(10.0) };
        for count in 0..1_000 {
            let factor = if count % 50 == 0 { 1_000.0 } else { 1.0 };
            assert_eq!(watch.note(at(factor), &curve), None);
        }
    }
}
