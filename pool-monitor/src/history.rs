//! What was collected of one pool, for as long as the settings say: rings of slots, from fine to coarse.
//!
//! A slot stands for the collections made in its step; each tells of the time since the one before. Slots hold least, most,
//! sum and last of gauges, what was counted, and histograms of what was timed. So any window is their sum, and nothing is
//! averaged twice. A step in which nothing was collected is missing, and never zero. All memory is allocated at the beginning.
//!
//! Counts are differences, so that a pool which is reset or replaced leaves no dent. The finest ring keeps one value of
//! each gauge: should two collections fall into one of its steps, the last counts, of peaks the highest, of means over time that of both.

mod answer;
mod sketch;
mod summary;
#[cfg(test)]
mod tests;
mod tier;

use std::time::Duration;

use pool_core::{Histogram, PoolHistograms};

pub use answer::{HistoryPoint, MetricsHistory, MetricsWindow, Trend};
pub(crate) use sketch::{ROOM, encode};
pub(crate) use summary::{Cell, Summary};
use tier::Tier;

use crate::columns::{COUNTS, Count, GAUGE_METRICS, GAUGES, Source, Timed, source, weight};
use crate::metric::{Metric, MetricKind};
use crate::settings::{MonitorSettings, TierSettings};
use crate::timeline::{Timeline, nanos};

/// How many bytes the history of one pool takes, for one tier.
pub(crate) fn memory(settings: &TierSettings, finest: bool) -> usize {
    Tier::memory(settings, finest)
}

/// What one collection found of a pool, in the form in which it is kept.
#[derive(Debug, Clone)]
pub(crate) struct Interval {
    /// The time since the collection before, in nanoseconds; zero if there is none to compare with.
    pub(crate) elapsed: u64,
    pub(crate) gauges: [f64; GAUGES],
    /// What was counted in that time.
    pub(crate) counts: [u64; COUNTS],
    /// What was timed in that time.
    pub(crate) sketch: [u8; ROOM],
}

impl Default for Interval {
    fn default() -> Self {
        Interval { elapsed: 0, gauges: [0.0; GAUGES], counts: [0; COUNTS], sketch: [0; ROOM] }
    }
}

impl Interval {
    pub(crate) fn summary(&self) -> Summary {
        let cell = |column| Cell::once(self.gauges[column], weight(column, 1, self.elapsed));
        let cells = std::array::from_fn(cell);
        Summary { samples: 1, elapsed: self.elapsed, cells, counts: self.counts }
    }

    /// What a metric reads in this collection alone; see [`Readings`](crate::Readings).
    pub(crate) fn read(&self, metric: Metric) -> Option<f64> {
        let value = self.summary().read(metric, |timed, share| sketch::quantile(&self.sketch, timed, share));
        value.or_else(|| nothing_in(self.elapsed))
    }
}

/// What a share or quantile reads in a time in which nothing happened that it could be of. Of no time at all nothing is known.
fn nothing_in(elapsed: u64) -> Option<f64> {
    (elapsed > 0).then_some(f64::NAN)
}

/// See the module's first lines.
#[derive(Debug)]
pub(crate) struct History {
    /// From fine to coarse; never empty.
    tiers: Box<[Tier]>,
    /// Where the pool was measured first.
    begin: Option<u64>,
}

/// Some steps of a tier that follow each other.
struct Steps<'a> {
    tier: &'a Tier,
    first: u64,
    last: u64,
    /// The first step in which this pool was measured at all.
    begin: u64,
    /// The first and the last of them in which anything was collected; `None` = in none was.
    trimmed: Option<(u64, u64)>,
    /// The length of the window that they stand for, in steps: more than there are, if the history does not reach so far back.
    asked: f64,
}

impl Steps<'_> {
    fn numbers(&self) -> impl Iterator<Item = u64> {
        self.first..=self.last
    }

    /// Where they are kept, if anything was collected in them.
    fn slots(&self) -> impl Iterator<Item = usize> {
        self.tier.slots(self.first, self.last)
    }

    /// The time that what was collected in them tells of.
    fn elapsed(&self) -> u64 {
        let elapsed = self.trimmed.map(|ends| self.tier.elapsed(ends));
        elapsed.map_or(0, |elapsed| elapsed.oldest + elapsed.others)
    }

    /// As how many of them what was collected counts: a collection tells of all the time since the one before, as far as that is in
    /// them. One that was late tells of several, and the first one of its own at least.
    ///
    /// `is_sampled`: of something that is only looked at. Then the first one tells of its own step alone.
    fn told(&self, is_sampled: bool) -> f64 {
        let Some(elapsed) = self.trimmed.map(|ends| self.tier.elapsed(ends)) else { return 0.0 };
        let step = nanos(self.tier.step());
        let theirs = if is_sampled { 1 } else { elapsed.first - self.first + 1 };
        let oldest = elapsed.oldest.clamp(step, step.saturating_mul(theirs));
        (oldest + elapsed.others) as f64 / step as f64
    }

    /// The part of the window that something is known of.
    fn covered(&self) -> f64 {
        (self.told(false) / self.asked).min(1.0)
    }

    /// Whether what was collected in them tells enough of what this is read from.
    ///
    /// Before a pool was measured first, it has counted nothing that is missing here: of what is counted, only what came later
    /// may be a gap. But an average of a minute needs most of a minute.
    fn tell(&self, source: &Source) -> bool {
        let (is_sampled, from) = match source {
            Source::Mean(column) => (GAUGE_METRICS[*column].kind() == MetricKind::Gauge, self.first),
            _ => (false, self.first.max(self.begin + 1)),
        };
        let told = self.told(is_sampled);
        told > 0.0 && told >= ENOUGH * (self.last + 1).saturating_sub(from) as f64
    }

    fn sketches(&self) -> impl Iterator<Item = &[u8]> {
        self.slots().map(|slot| self.tier.sketch_at(slot))
    }

    /// A quantile of what was timed in all of them; `None` = nothing was.
    fn quantile(&self, timed: Timed, share: f64) -> Option<Duration> {
        let mut counts = [0; Histogram::BUCKETS];
        self.sketches().for_each(|sketch| sketch::decode_one(sketch, timed, &mut counts));
        Histogram::quantile_of(&counts, share)
    }

    /// One gauge; `None` = nothing was collected.
    fn cell(&self, column: usize) -> Option<Cell> {
        self.slots().map(|slot| self.tier.cell_at(slot, column)).reduce(Cell::and)
    }

    /// The sum of these columns, in all of them.
    fn sum(&self, columns: &[Count]) -> u64 {
        let Some(ends) = self.trimmed else { return 0 };
        let (before, after) = self.tier.counts(ends);
        columns.iter().map(|column| after[*column as usize] - before[*column as usize]).sum()
    }

    fn summary(&self) -> Summary {
        let mut all = Summary::default();
        for summary in self.numbers().filter_map(|number| self.tier.summary(number)) {
            all.add(&summary);
        }
        all
    }
}

/// Where the first bucket of histograms ends, whatever is stored of them.
const FIRST_BUCKET: Duration = Duration::from_micros(100);

/// Less than this part of what could be known of a window is as good as nothing.
const ENOUGH: f64 = 0.5;

impl History {
    pub(crate) fn new(settings: &MonitorSettings) -> Self {
        let tiers = settings.all_tiers().enumerate();
        History {
            tiers: tiers.map(|(position, tier)| Tier::new(&tier, position == 0)).collect(),
            begin: None,
        }
    }

    /// One of other settings, with what this one holds as of `position`: from the coarsest ring that is fine enough.
    pub(crate) fn rebuilt(
        &self,
        settings: &MonitorSettings,
        position: u64,
        scratch: &mut PoolHistograms,
    ) -> History {
        let mut history = History { begin: self.begin, ..History::new(settings) };
        for tier in &mut history.tiers {
            let fine_enough = self.tiers.iter().rev().find(|from| from.step() <= tier.step());
            let from = fine_enough.unwrap_or(&self.tiers[0]);
            tier.take_over(from, position, scratch);
        }
        history
    }

    /// Adds what was collected at a position.
    pub(crate) fn push(&mut self, position: u64, interval: &Interval, scratch: &mut PoolHistograms) {
        self.begin.get_or_insert(position);
        let summary = interval.summary();
        for tier in &mut self.tiers {
            tier.put(tier.number(position), &summary, &interval.sketch, scratch);
        }
    }

    /// The steps up to a position that make so long a window: of the finest tier that reaches so far back, else of the one
    /// that reaches farthest. Of a coarser tier it is one more, as the one that is being filled is short.
    fn steps(&self, length: Duration, position: u64) -> Steps<'_> {
        let reaching = self.tiers.iter().position(|tier| tier.retention() >= length);
        let farthest = || (0..self.tiers.len()).max_by_key(|at| self.tiers[*at].retention()).unwrap_or(0);
        let at = reaching.unwrap_or_else(farthest);
        let tier = &self.tiers[at];
        let last = tier.number(position);
        let asked = (length.as_secs_f64() / tier.step().as_secs_f64()).max(1.0);
        let count = nanos(length).div_ceil(nanos(tier.step())).max(1) + u64::from(at > 0);
        let first = (last + 1).saturating_sub(count).max(tier.oldest(last));
        let begin = self.begin.map_or(last, |begin| tier.number(begin));
        Steps { tier, first, last, begin, trimmed: tier.trimmed(first, last), asked }
    }

    /// What a metric reads in a window up to a position; `None` if too little is known of it, NaN if nothing has happened that it
    /// could be of. Of a window that is longer than what is kept: what it reads in what is kept.
    pub(crate) fn read(&self, metric: Metric, length: Duration, position: u64) -> Option<f64> {
        let (steps, source) = (self.steps(length, position), source(metric));
        if !steps.tell(&source) {
            return None;
        }
        // Only the columns that are asked for: rules read windows of all pools at each collection.
        let happened = match source {
            Source::Mean(column) => return steps.cell(column).map(Cell::mean),
            Source::Most(column) => return steps.cell(column).map(|cell| cell.max),
            Source::Sum(columns) => return Some(steps.sum(columns) as f64),
            Source::Quotient(some, all) => {
                let all = steps.sum(all);
                (all > 0).then(|| steps.sum(some) as f64 / all as f64)
            }
            Source::Quantile(timed, share) => {
                steps.quantile(timed, share).map(|duration| duration.as_secs_f64())
            }
        };
        happened.or_else(|| nothing_in(steps.elapsed()))
    }

    /// What a metric is surely not above in such a window, if that is to be had without reading histograms.
    ///
    /// By Markov's inequality: if one in a hundred waited for longer than a second, all of them together waited for at least a
    /// hundredth of their number in seconds.
    pub(crate) fn bound(&self, metric: Metric, length: Duration, position: u64) -> Option<f64> {
        let Source::Quantile(timed, share) = source(metric) else { return None };
        let (time, number) = timed.counted()?;
        let steps = self.steps(length, position);
        let number = steps.sum(&[number]).max(1) as f64;
        let mean = Duration::from_nanos(steps.sum(&[time])).as_secs_f64() / number;
        // What is read is the end of a bucket: of the first one, or at most twice what was timed. Where a slot was so full that its
        // buckets are coarser, this is nearer to the truth.
        Some(FIRST_BUCKET.as_secs_f64().max(2.0 * mean / (1.0 - share)))
    }

    /// All that is known of a window up to a position.
    pub(crate) fn window(&self, length: Duration, position: u64) -> MetricsWindow {
        let steps = self.steps(length, position);
        let mut histograms = PoolHistograms::default();
        steps.sketches().for_each(|sketch| sketch::decode(sketch, &mut histograms));
        MetricsWindow::new((length, steps.tier.step()), steps.covered(), steps.summary(), histograms)
    }

    /// The line through a metric in a window up to a position; `None` if too little is known of it.
    pub(crate) fn trend(&self, metric: Metric, length: Duration, position: u64) -> Option<Trend> {
        let steps = self.steps(length, position);
        if !steps.tell(&source(metric)) {
            return None;
        }
        let tier = steps.tier;
        let point = |number: u64| {
            let sketch = tier.sketch(number)?;
            let value =
                tier.summary(number)?.read(metric, |timed, share| sketch::quantile(sketch, timed, share))?;
            let before = Duration::from_nanos(tier.position(steps.last - number));
            Some((-before.as_secs_f64(), value))
        };
        Trend::through(steps.numbers().filter_map(point))
    }

    /// What is known from one position to another, of the finest tier that reaches so far back as of `now`.
    pub(crate) fn range(&self, from: u64, to: u64, now: u64, timeline: &Timeline) -> MetricsHistory {
        let begin = |tier: &Tier| tier.position(tier.oldest(tier.number(now)));
        let reaching = self.tiers.iter().find(|tier| begin(tier) <= from);
        let farthest = || self.tiers.iter().min_by_key(|tier| begin(tier));
        let tier = reaching.or_else(farthest).unwrap_or(&self.tiers[0]);
        // Half-open: a step is in it if it begins in it.
        let first = from.div_ceil(nanos(tier.step())).max(tier.oldest(tier.number(now)));
        let end = to.div_ceil(nanos(tier.step())).min(tier.number(now) + 1);
        let point = |number: u64| Some(HistoryPoint::new(tier.summary(number)?, tier.sketch(number)?));
        let steps =
            (first..end.max(first)).map(|number| (timeline.label(tier.position(number)), point(number)));
        MetricsHistory::new(tier.step(), steps.collect())
    }
}
