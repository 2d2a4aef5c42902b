//! What one slot of a history holds, or several of them together, and how metrics are read from that.

use std::time::Duration;

#[cfg(doc)]
use crate::columns::weight;
use crate::columns::{COUNTS, Count, GAUGES, Source, Timed, source};
use crate::metric::Metric;

/// Values of a gauge.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Cell {
    pub(crate) min: f64,
    pub(crate) max: f64,
    /// Of each value times its weight.
    pub(crate) sum: f64,
    /// Of all together: see [`weight`].
    pub(crate) weight: u64,
    pub(crate) last: f64,
}

impl Cell {
    const NONE: Cell = Cell { min: f64::INFINITY, max: f64::NEG_INFINITY, sum: 0.0, weight: 0, last: 0.0 };

    pub(crate) fn once(value: f64, weight: u64) -> Self {
        Cell { min: value, max: value, sum: value * weight as f64, weight, last: value }
    }

    /// Of all values, each by its weight.
    pub(crate) fn mean(self) -> f64 {
        self.sum / self.weight as f64
    }

    /// With those that came later.
    pub(crate) fn and(self, later: Cell) -> Self {
        Cell {
            min: self.min.min(later.min),
            max: self.max.max(later.max),
            sum: self.sum + later.sum,
            weight: self.weight + later.weight,
            last: if later.weight > 0 { later.last } else { self.last },
        }
    }
}

/// The sum of some columns.
pub(super) fn sum(counts: &[u64; COUNTS], columns: &[Count]) -> u64 {
    columns.iter().map(|column| counts[*column as usize]).sum()
}

/// The sum of some columns, divided by that of others; `None` if nothing was counted there.
pub(super) fn quotient(counts: &[u64; COUNTS], some: &[Count], all: &[Count]) -> Option<f64> {
    let all = sum(counts, all);
    (all > 0).then(|| sum(counts, some) as f64 / all as f64)
}

/// See the module's first line. The histograms are elsewhere.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Summary {
    /// How many collections there were.
    pub(crate) samples: u64,
    /// The time that the counts were counted in, in nanoseconds.
    pub(crate) elapsed: u64,
    pub(crate) cells: [Cell; GAUGES],
    pub(crate) counts: [u64; COUNTS],
}

impl Default for Summary {
    fn default() -> Self {
        Summary { samples: 0, elapsed: 0, cells: [Cell::NONE; GAUGES], counts: [0; COUNTS] }
    }
}

impl Summary {
    /// Adds what came later.
    pub(crate) fn add(&mut self, later: &Summary) {
        self.samples += later.samples;
        self.elapsed += later.elapsed;
        for (cell, later) in self.cells.iter_mut().zip(later.cells) {
            *cell = cell.and(later);
        }
        for (count, more) in self.counts.iter_mut().zip(later.counts) {
            *count += more;
        }
    }

    /// See [`quotient`].
    pub(crate) fn quotient(&self, some: &[Count], all: &[Count]) -> Option<f64> {
        quotient(&self.counts, some, all)
    }

    /// What a metric reads; `quantile` finds one, if anything was timed.
    pub(crate) fn read(
        &self,
        metric: Metric,
        quantile: impl FnOnce(Timed, f64) -> Option<Duration>,
    ) -> Option<f64> {
        if self.samples == 0 {
            return None;
        }
        match source(metric) {
            Source::Mean(column) => Some(self.cells[column].mean()),
            Source::Most(column) => Some(self.cells[column].max),
            Source::Sum(columns) => Some(sum(&self.counts, columns) as f64),
            Source::Quotient(some, all) => self.quotient(some, all),
            Source::Quantile(timed, share) => Some(quantile(timed, share)?.as_secs_f64()),
        }
    }

    /// The values of a gauge or peak; `None` for other metrics.
    pub(crate) fn cell(&self, metric: Metric) -> Option<Cell> {
        match source(metric) {
            Source::Mean(column) | Source::Most(column) if self.samples > 0 => Some(self.cells[column]),
            _ => None,
        }
    }

    /// How often in a second what a metric counts has happened.
    pub(crate) fn rate(&self, metric: Metric) -> Option<f64> {
        let Source::Sum(columns) = source(metric) else { return None };
        self.per_second(columns)
    }

    /// The sum of these columns in a second.
    pub(crate) fn per_second(&self, columns: &[Count]) -> Option<f64> {
        let seconds = Duration::from_nanos(self.elapsed).as_secs_f64();
        (self.elapsed > 0).then(|| sum(&self.counts, columns) as f64 / seconds)
    }

    /// The mean time of one of those that a column counts, of which another one holds the sum.
    pub(crate) fn mean(&self, time: Count, of: Count) -> Option<Duration> {
        let count = self.counts[of as usize];
        self.counts[time as usize].checked_div(count).map(Duration::from_nanos)
    }
}
