//! What a history answers: points between two times, a window up to now, and where a metric is heading.

use std::time::{Duration, SystemTime};

use pool_core::PoolHistograms;

use super::sketch::{self, ROOM};
use super::summary::{Cell, Summary};
use crate::columns::Timed;
use crate::metric::Metric;

/// The history of one pool between two times.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct MetricsHistory {
    /// How long a time each point stands for: the step of the finest tier that reaches back to the beginning.
    pub step: Duration,
    steps: Vec<(SystemTime, Option<HistoryPoint>)>,
}

impl MetricsHistory {
    pub(super) fn new(step: Duration, steps: Vec<(SystemTime, Option<HistoryPoint>)>) -> Self {
        MetricsHistory { step, steps }
    }

    /// Every step with the time at which it begins, oldest first; `None` = nothing was collected in it.
    pub fn steps(&self) -> impl ExactSizeIterator<Item = (SystemTime, Option<&HistoryPoint>)> {
        self.steps.iter().map(|(at, point)| (*at, point.as_ref()))
    }

    /// The steps in which something was collected, oldest first.
    pub fn points(&self) -> impl Iterator<Item = (SystemTime, &HistoryPoint)> {
        self.steps().filter_map(|(at, point)| Some((at, point?)))
    }

    /// What a metric reads in every step, oldest first; `None` where nothing is known, never zero.
    pub fn values(&self, metric: Metric) -> Vec<(SystemTime, Option<f64>)> {
        self.steps().map(|(at, point)| (at, point.and_then(|point| point.value(metric)))).collect()
    }

    /// Whether nothing is known of that time.
    pub fn is_empty(&self) -> bool {
        self.points().next().is_none()
    }
}

/// What was collected in one step of a history.
#[derive(Debug, Clone)]
pub struct HistoryPoint {
    summary: Box<Summary>,
    sketch: Box<[u8; ROOM]>,
}

impl HistoryPoint {
    pub(super) fn new(summary: Summary, sketch: &[u8]) -> Self {
        let mut copy = Box::new([0; ROOM]);
        copy.copy_from_slice(sketch);
        HistoryPoint { summary: Box::new(summary), sketch: copy }
    }

    fn quantile(&self, timed: Timed, share: f64) -> Option<Duration> {
        sketch::quantile(&self.sketch[..], timed, share)
    }
}

/// All that is known of one pool in a window of time up to now.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct MetricsWindow {
    /// How long the window is.
    pub length: Duration,
    /// The step of the tier that it was read from.
    pub step: Duration,
    /// The part of it that collections tell of, from 0 to 1. Each tells of the time since the one before.
    pub covered: f64,
    /// How long things took in it. A slot of history that was full of different durations holds them less exactly: to an
    /// eighth, and so on.
    pub histograms: PoolHistograms,
    summary: Box<Summary>,
}

impl MetricsWindow {
    pub(super) fn new(
        (length, step): (Duration, Duration),
        covered: f64,
        summary: Summary,
        histograms: PoolHistograms,
    ) -> Self {
        MetricsWindow { length, step, covered, histograms, summary: Box::new(summary) }
    }

    fn quantile(&self, timed: Timed, share: f64) -> Option<Duration> {
        let histogram = timed.of(&self.histograms);
        (histogram.count() > 0).then(|| histogram.quantile(share))
    }
}

/// What a point and a window can be asked.
macro_rules! questions {
    ($of:ty) => {
        impl $of {
            /// How many collections it is made of.
            pub fn samples(&self) -> u64 {
                self.summary.samples
            }

            /// The time that things were counted in; longer than the steps if a collection was late.
            pub fn elapsed(&self) -> Duration {
                Duration::from_nanos(self.summary.elapsed)
            }

            /// What a metric reads, as its [`MetricKind`](crate::MetricKind) says; `None` = nothing is known, or nothing has happened
            /// that it could be of.
            pub fn value(&self, metric: Metric) -> Option<f64> {
                self.summary.read(metric, |timed, share| self.quantile(timed, share))
            }

            /// The least that a gauge or peak read; `None` for other metrics.
            pub fn min(&self, metric: Metric) -> Option<f64> {
                self.summary.cell(metric).map(|Cell { min, .. }| min)
            }

            /// The most that a gauge or peak read; `None` for other metrics.
            pub fn max(&self, metric: Metric) -> Option<f64> {
                self.summary.cell(metric).map(|Cell { max, .. }| max)
            }

            /// What a gauge or peak read last; `None` for other metrics.
            pub fn last(&self, metric: Metric) -> Option<f64> {
                self.summary.cell(metric).map(|Cell { last, .. }| last)
            }

            /// How often in a second a counter went up, in the time that really passed; `None` for other metrics.
            pub fn rate(&self, metric: Metric) -> Option<f64> {
                self.summary.rate(metric)
            }
        }
    };
}

questions!(HistoryPoint);
questions!(MetricsWindow);

/// Where a metric is heading: the line that is closest to what it read (least squares).
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub struct Trend {
    /// By how much it grows in a second.
    pub per_second: f64,
    /// Where the line is now.
    pub now: f64,
}

impl Trend {
    /// The line through points of seconds and values; `None` unless there are two seconds with a value.
    pub(super) fn through(points: impl Iterator<Item = (f64, f64)>) -> Option<Trend> {
        // Running means, as sums of squares of large numbers lose what they differ in.
        let (mut count, mut mean_x, mut mean_y) = (0.0, 0.0, 0.0);
        let (mut spread, mut product) = (0.0, 0.0);
        for (x, y) in points {
            count += 1.0;
            let from_x = x - mean_x;
            mean_x += from_x / count;
            mean_y += (y - mean_y) / count;
            spread += from_x * (x - mean_x);
            product += from_x * (y - mean_y);
        }
        let per_second = product / spread;
        (spread > 0.0).then_some(Trend { per_second, now: mean_y - per_second * mean_x })
    }

    /// How long it takes until the line is at `value`; `None` if it is heading elsewhere, or is there already.
    pub fn time_to(&self, value: f64) -> Option<Duration> {
        let seconds = (value - self.now) / self.per_second;
        if seconds > 0.0 { Duration::try_from_secs_f64(seconds).ok() } else { None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_found_exactly() {
        let trend =
            Trend::through((-5..=0).map(|n| (f64::from(n) * 10.0, 4.0 + f64::from(n) * 0.5))).unwrap();
        assert!((trend.per_second - 0.05).abs() < 1e-12 && (trend.now - 4.0).abs() < 1e-12, "{trend:?}");
        assert_eq!(trend.time_to(10.0).map(|time| time.as_secs_f64().round()), Some(120.0));
        assert_eq!(trend.time_to(3.0), None);
    }

    #[test]
    fn one_point_has_no_direction() {
        assert_eq!(Trend::through([(0.0, 1.0)].into_iter()), None);
        assert_eq!(Trend::through(std::iter::empty()), None);
    }
}
