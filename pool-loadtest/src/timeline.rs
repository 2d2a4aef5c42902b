//! A run over time: points at equal intervals, of which there are never too many.
//!
//! The collector and the sampler each keep a [`Track`] of their own kind of point, so neither waits for the
//! other; [`series`] joins them when the run is over.

mod sketch;

use std::time::Duration;

use sketch::Sketch;

use crate::result::{Series, Timeline};
use crate::stats::{SeriesMean, series_mean};

/// The first interval. Seconds are what people count in.
const FIRST_INTERVAL: u64 = 1_000_000_000;

/// With more points than this, the interval doubles.
const MOST_POINTS: usize = 3_600;

/// What happened in one interval, or how things stood at its end.
pub(crate) trait Point: Default {
    /// Takes in the point that follows.
    fn absorb(&mut self, next: Self);
}

/// Points at equal intervals from the beginning of the measurement.
#[derive(Debug)]
pub(crate) struct Track<P> {
    interval: u64,
    points: Vec<P>,
    most: usize,
}

impl<P: Point> Track<P> {
    pub(crate) fn new() -> Self {
        Track::with_most_points(MOST_POINTS)
    }

    fn with_most_points(most: usize) -> Self {
        Track { interval: FIRST_INTERVAL, points: Vec::new(), most }
    }

    /// The point of the interval that holds this instant, in nanoseconds since the measurement began.
    pub(crate) fn at(&mut self, nanos: u64) -> &mut P {
        let index = |interval: u64| usize::try_from(nanos / interval).unwrap_or(usize::MAX);
        while index(self.interval) >= self.most {
            self.halve();
        }
        let index = index(self.interval);
        if index >= self.points.len() {
            self.points.resize_with(index + 1, P::default);
        }
        &mut self.points[index]
    }

    /// The last point that is complete at this instant, and the seconds that it covers.
    pub(crate) fn last_complete(&self, nanos: u64) -> Option<(&P, f64)> {
        let index = usize::try_from(nanos / self.interval).ok()?;
        Some((self.points.get(index.checked_sub(1)?)?, self.interval as f64 / 1e9))
    }

    fn halve(&mut self) {
        self.interval *= 2;
        let mut points = std::mem::take(&mut self.points).into_iter();
        while let Some(mut point) = points.next() {
            if let Some(next) = points.next() {
                point.absorb(next);
            }
            self.points.push(point);
        }
    }

    /// As many points as the measured time has intervals, whole or begun; those without news are empty.
    fn fill(&mut self, measured: Duration) {
        let nanos = crate::clock::nanos(measured);
        if nanos > 0 {
            self.at(nanos - 1);
        }
    }
}

/// What became of the cycles that began in one interval.
#[derive(Debug, Default)]
pub(crate) struct Cycles {
    pub(crate) ok: u64,
    pub(crate) failed: u64,
    acquire: Sketch,
    r#use: Sketch,
}

impl Cycles {
    pub(crate) fn waited(&mut self, nanos: u64) {
        self.acquire.record(nanos);
    }

    pub(crate) fn used(&mut self, nanos: u64) {
        self.r#use.record(nanos);
    }

    pub(crate) fn wait_p99_us(&self) -> Option<f64> {
        self.acquire.percentile(99.0).map(micros)
    }
}

impl Point for Cycles {
    fn absorb(&mut self, next: Self) {
        let Cycles { ok, failed, acquire, r#use } = next;
        self.ok += ok;
        self.failed += failed;
        self.acquire.merge(&acquire);
        self.r#use.merge(&r#use);
    }
}

/// How the pool and the process stood at the end of one interval, and what the pool did in it.
#[derive(Debug, Default)]
pub(crate) struct Gauges {
    pub(crate) in_use: Option<u64>,
    pub(crate) idle: Option<u64>,
    pub(crate) total: Option<u64>,
    pub(crate) pending: Option<u64>,
    pub(crate) rss_bytes: Option<u64>,
    /// Totals at the end of the interval; their differences are what the interval saw.
    pub(crate) created_so_far: Option<u64>,
    pub(crate) closed_so_far: Option<u64>,
}

impl Point for Gauges {
    fn absorb(&mut self, next: Self) {
        let Gauges { in_use, idle, total, pending, rss_bytes, created_so_far, closed_so_far } = next;
        // How things stood at the end: of two ends, the later.
        for (mine, later) in [
            (&mut self.in_use, in_use),
            (&mut self.idle, idle),
            (&mut self.total, total),
            (&mut self.pending, pending),
            (&mut self.rss_bytes, rss_bytes),
            (&mut self.created_so_far, created_so_far),
            (&mut self.closed_so_far, closed_so_far),
        ] {
            *mine = later.or(*mine);
        }
    }
}

/// What connections had been opened and closed when the measurement began.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct TotalsBefore {
    pub(crate) created: u64,
    pub(crate) closed: u64,
}

/// How many cycles succeeded per second, from interval to interval.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Rates {
    /// The best of the full intervals; `None` when not even one was full.
    pub(crate) peak: Option<f64>,
    /// The mean of the full intervals and its error; `None` for fewer than three.
    pub(crate) mean: Option<SeriesMean>,
}

/// Joins both tracks of a run that began to be measured at `begun_ms` and was measured for so long.
pub(crate) fn series(
    mut cycles: Track<Cycles>,
    mut gauges: Track<Gauges>,
    before: TotalsBefore,
    begun_ms: f64,
    measured: Duration,
) -> (Timeline, Rates) {
    cycles.fill(measured);
    gauges.fill(measured);
    while gauges.interval < cycles.interval {
        gauges.halve();
    }
    while cycles.interval < gauges.interval {
        cycles.halve();
    }
    let interval_ms = cycles.interval as f64 / 1e6;
    let rates = rates(&cycles, measured);

    let mut series = Series::default();
    let (mut created, mut closed) = (Some(before.created), Some(before.closed));
    for (index, (cycles, gauges)) in cycles.points.iter().zip(&gauges.points).enumerate() {
        series.t_ms.push(begun_ms + index as f64 * interval_ms);
        series.ok.push(cycles.ok);
        series.failed.push(cycles.failed);
        series.late.push(0);
        series.acquire_p50_us.push(cycles.acquire.percentile(50.0).map(micros));
        series.acquire_p99_us.push(cycles.acquire.percentile(99.0).map(micros));
        series.acquire_max_us.push(cycles.acquire.max().map(micros));
        series.use_p50_us.push(cycles.r#use.percentile(50.0).map(micros));
        series.use_p99_us.push(cycles.r#use.percentile(99.0).map(micros));
        series.in_use.push(gauges.in_use);
        series.idle.push(gauges.idle);
        series.total.push(gauges.total);
        series.pending.push(gauges.pending);
        series.created.push(step(&mut created, gauges.created_so_far));
        series.closed.push(step(&mut closed, gauges.closed_so_far));
        series.rss_bytes.push(gauges.rss_bytes);
    }
    (Timeline { interval_ms, series }, rates)
}

fn rates(cycles: &Track<Cycles>, measured: Duration) -> Rates {
    let seconds = cycles.interval as f64 / 1e9;
    let full = usize::try_from(crate::clock::nanos(measured) / cycles.interval).unwrap_or(usize::MAX);
    let rates: Vec<f64> = cycles.points.iter().take(full).map(|point| point.ok as f64 / seconds).collect();
    Rates { peak: rates.iter().copied().reduce(f64::max), mean: series_mean(&rates) }
}

/// The growth of a total; an interval without a sample counts into the next one that has one.
fn step(last: &mut Option<u64>, now: Option<u64>) -> Option<u64> {
    let grown = now?.saturating_sub((*last)?);
    *last = now;
    Some(grown)
}

fn micros(nanos: u64) -> f64 {
    nanos as f64 / 1e3
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000_000;

    fn counts(track: &Track<Cycles>) -> Vec<u64> {
        track.points.iter().map(|point| point.ok).collect()
    }

    #[test]
    fn an_instant_belongs_to_the_interval_that_it_begins() {
        let mut track = Track::<Cycles>::new();
        track.at(0).ok += 1;
        track.at(SECOND - 1).ok += 1;
        track.at(SECOND).ok += 1;
        assert_eq!(counts(&track), [2, 1]);
    }

    #[test]
    fn the_interval_doubles_rather_than_the_points_grow_too_many() {
        let mut track = Track::<Cycles>::with_most_points(4);
        for second in 0..4 {
            track.at(second * SECOND).ok += 1 << second;
        }
        assert_eq!((track.interval, counts(&track)), (SECOND, vec![1, 2, 4, 8]));
        track.at(4 * SECOND).ok += 16;
        assert_eq!((track.interval, counts(&track)), (2 * SECOND, vec![3, 12, 16]));
        track.at(30 * SECOND).ok += 32;
        assert_eq!((track.interval, counts(&track)), (8 * SECOND, vec![31, 0, 0, 32]));
    }

    #[test]
    fn a_day_has_no_more_than_3600_points() {
        let mut track = Track::<Cycles>::new();
        for second in 0..24 * 3_600 {
            track.at(second * SECOND).ok += 1;
        }
        assert_eq!((track.interval, track.points.len()), (32 * SECOND, 2_700));
        assert!(track.points.iter().all(|point| point.ok == 32));
    }

    #[test]
    fn doubling_adds_counts_and_keeps_the_later_gauge() {
        let mut first = Gauges { in_use: Some(3), idle: Some(1), ..Gauges::default() };
        first.absorb(Gauges { in_use: Some(5), ..Gauges::default() });
        assert_eq!((first.in_use, first.idle), (Some(5), Some(1)));

        let (mut slow, mut quick) = (Cycles::default(), Cycles::default());
        quick.waited(10);
        slow.waited(1_000_000);
        quick.absorb(slow);
        assert_eq!(quick.acquire.percentile(50.0), Some(10));
        assert_eq!(quick.acquire.max(), Some(1_000_000));
    }

    #[test]
    fn both_tracks_become_lists_of_one_length() {
        let mut cycles = Track::<Cycles>::new();
        cycles.at(0).ok = 10;
        cycles.at(0).waited(2_000);
        let mut gauges = Track::<Gauges>::new();
        gauges.at(SECOND).in_use = Some(4);
        gauges.at(SECOND).created_so_far = Some(9);
        let before = TotalsBefore { created: 7, closed: 0 };
        let (timeline, rates) = series(cycles, gauges, before, 1_000.0, Duration::from_millis(2_500));
        let series = timeline.series;
        assert_eq!(timeline.interval_ms, 1_000.0);
        assert_eq!(series.t_ms, [1_000.0, 2_000.0, 3_000.0]);
        assert_eq!(series.ok, [10, 0, 0]);
        assert_eq!(series.acquire_p50_us, [Some(2.0), None, None]);
        assert_eq!(series.in_use, [None, Some(4), None], "what was not sampled is not zero");
        assert_eq!(series.created, [None, Some(2), None]);
        assert_eq!(series.rss_bytes, [None; 3]);
        assert_eq!(rates, Rates { peak: Some(10.0), mean: None }, "only two of the seconds are full");
    }

    #[test]
    fn tracks_that_doubled_differently_are_brought_together() {
        let mut cycles = Track::<Cycles>::with_most_points(8);
        let mut gauges = Track::<Gauges>::with_most_points(4);
        cycles.at(7 * SECOND).ok = 1;
        gauges.at(7 * SECOND).idle = Some(1);
        let (timeline, _) = series(cycles, gauges, TotalsBefore::default(), 0.0, Duration::from_secs(8));
        assert_eq!(timeline.interval_ms, 2_000.0);
        assert_eq!(timeline.series.ok, [0, 0, 0, 1]);
        assert_eq!(timeline.series.idle, [None, None, None, Some(1)]);
    }
}
