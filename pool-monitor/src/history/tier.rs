//! One ring of slots. Each slot stands for one step of time and knows for which: an old one is told from a new one without
//! being cleared, and a step in which nothing was collected is missing.
//!
//! A slot holds what was counted in all steps before it, and the time that those tell of, so that a window of any length is one
//! subtraction: rules read windows of hours, of all pools, at each collection.

use std::time::Duration;

use pool_core::PoolHistograms;

use super::sketch::{self, ROOM};
use super::summary::{Cell, Summary};
use crate::columns::{COUNTS, GAUGE_METRICS, GAUGES, weight};
use crate::metric::MetricKind;
use crate::settings::TierSettings;
use crate::timeline::nanos;

/// Which step a slot stands for, and of how much it was made.
#[derive(Debug, Clone, Copy)]
struct Head {
    /// The number of the step, counted from the epoch.
    number: u64,
    /// How many collections; 0 = the slot was never used.
    samples: u64,
    /// The time that they tell of, in nanoseconds.
    elapsed: u64,
    /// The time that all before it tell of.
    before: u64,
}

/// The time that some steps tell of, in nanoseconds.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Elapsed {
    /// The first step in which anything was collected.
    pub(crate) first: u64,
    /// What that one tells of. It may have begun long before.
    pub(crate) oldest: u64,
    /// What all others tell of.
    pub(crate) others: u64,
}

/// How many values of a gauge a slot has that is made of several collections: least, most, sum and last.
const PARTS: usize = 4;

/// See the module's first lines. All of its memory is there from the beginning.
#[derive(Debug)]
pub(crate) struct Tier {
    step: u64,
    retention: Duration,
    /// How many values of each gauge there are in a slot: one or [`PARTS`].
    parts: usize,
    heads: Box<[Head]>,
    gauges: Box<[f64]>,
    /// What was counted in all steps before that of the slot.
    counts: Box<[u64]>,
    sketches: Box<[u8]>,
    /// What was counted in all steps.
    total: [u64; COUNTS],
    /// The last step in which anything was collected.
    newest: Option<u64>,
}

/// How many slots a tier needs: a whole retention, and the one that is being filled.
fn slots(settings: &TierSettings) -> usize {
    let slots = settings.retention.as_nanos().div_ceil(settings.step.as_nanos().max(1)) + 1;
    usize::try_from(slots).unwrap_or(usize::MAX)
}

fn parts(finest: bool) -> usize {
    if finest { 1 } else { PARTS }
}

impl Tier {
    /// How many bytes a tier of these settings takes.
    pub(crate) fn memory(settings: &TierSettings, finest: bool) -> usize {
        let gauges = size_of::<f64>() * GAUGES * parts(finest);
        let slot = size_of::<Head>() + gauges + size_of::<u64>() * COUNTS + ROOM;
        slots(settings).saturating_mul(slot).saturating_add(size_of::<Tier>())
    }

    /// A slot of the finest tier is made of one collection as a rule, so it keeps but one value of each gauge.
    pub(crate) fn new(settings: &TierSettings, finest: bool) -> Self {
        let (slots, parts) = (slots(settings), parts(finest));
        Tier {
            step: nanos(settings.step),
            retention: settings.retention,
            parts,
            heads: vec![Head { number: 0, samples: 0, elapsed: 0, before: 0 }; slots].into_boxed_slice(),
            gauges: vec![0.0; slots * GAUGES * parts].into_boxed_slice(),
            counts: vec![0; slots * COUNTS].into_boxed_slice(),
            sketches: vec![0; slots * ROOM].into_boxed_slice(),
            total: [0; COUNTS],
            newest: None,
        }
    }

    pub(crate) fn step(&self) -> Duration {
        Duration::from_nanos(self.step)
    }

    pub(crate) fn retention(&self) -> Duration {
        self.retention
    }

    /// The number of the step in which a position is.
    pub(crate) fn number(&self, position: u64) -> u64 {
        position / self.step
    }

    /// Where a step begins.
    pub(crate) fn position(&self, number: u64) -> u64 {
        number.saturating_mul(self.step)
    }

    /// The oldest step that there may be, if the newest is this one.
    pub(crate) fn oldest(&self, newest: u64) -> u64 {
        newest.saturating_sub(self.heads.len() as u64 - 1)
    }

    fn index(&self, number: u64) -> usize {
        (number % self.heads.len() as u64) as usize
    }

    /// Where a step is, if anything was collected in it.
    fn find(&self, number: u64) -> Option<usize> {
        let index = self.index(number);
        let head = &self.heads[index];
        (head.samples > 0 && head.number == number).then_some(index)
    }

    /// What was collected in a step; `None` = nothing.
    pub(crate) fn summary(&self, number: u64) -> Option<Summary> {
        let index = self.find(number)?;
        let Head { samples, elapsed, .. } = self.heads[index];
        let mut summary = Summary { samples, elapsed, ..Summary::default() };
        let (before, after) = self.counts((number, number));
        summary.counts = std::array::from_fn(|column| after[column] - before[column]);
        for (column, cell) in summary.cells.iter_mut().enumerate() {
            *cell = self.cell_at(index, column);
        }
        Some(summary)
    }

    /// The ends of these steps, without those in which nothing was collected. `None` = in none of them.
    pub(crate) fn trimmed(&self, first: u64, last: u64) -> Option<(u64, u64)> {
        let newest = self.newest?;
        let (first, last) = (first.max(self.oldest(newest)), last.min(newest));
        let first = (first..=last).find(|number| self.find(*number).is_some())?;
        let last = (first..=last).rev().find(|number| self.find(*number).is_some())?;
        Some((first, last))
    }

    /// The time that what was collected from one step to another tells of. In both something was.
    pub(crate) fn elapsed(&self, (first, last): (u64, u64)) -> Elapsed {
        let (oldest, newest) = (self.heads[self.index(first)], self.heads[self.index(last)]);
        let others = newest.before + newest.elapsed - oldest.before - oldest.elapsed;
        Elapsed { first, oldest: oldest.elapsed, others }
    }

    /// What was counted before the first of two steps, and up to the end of the last, by column. In both something was collected.
    pub(crate) fn counts(&self, (first, last): (u64, u64)) -> (&[u64; COUNTS], &[u64; COUNTS]) {
        let next = self.newest.filter(|newest| *newest > last);
        let next = next.and_then(|newest| (last + 1..=newest).find(|number| self.find(*number).is_some()));
        (self.counts_before(first), next.map_or(&self.total, |next| self.counts_before(next)))
    }

    fn counts_before(&self, number: u64) -> &[u64; COUNTS] {
        let (rows, _) = self.counts.as_chunks();
        &rows[self.index(number)]
    }

    /// Where those of these steps are in which anything was collected. From slot to slot: a division for each would be most of
    /// what reading a window costs.
    pub(crate) fn slots(&self, first: u64, last: u64) -> impl Iterator<Item = usize> + '_ {
        let mut next = self.index(first);
        (first..=last).filter_map(move |number| {
            let index = next;
            next = if index + 1 == self.heads.len() { 0 } else { index + 1 };
            let head = &self.heads[index];
            (head.samples > 0 && head.number == number).then_some(index)
        })
    }

    /// One gauge in a slot.
    pub(crate) fn cell_at(&self, index: usize, column: usize) -> Cell {
        let Head { samples, elapsed, .. } = self.heads[index];
        // One value stands for one collection, but a mean for all the time that it is the mean of.
        let weight = weight(column, if self.parts == 1 { 1 } else { samples }, elapsed);
        match &self.gauges[(index * GAUGES + column) * self.parts..][..self.parts] {
            [min, max, sum, last] => Cell { min: *min, max: *max, sum: *sum, weight, last: *last },
            values => Cell::once(values[0], weight),
        }
    }

    /// The histograms of a step.
    pub(crate) fn sketch(&self, number: u64) -> Option<&[u8]> {
        Some(self.sketch_at(self.find(number)?))
    }

    /// The histograms in a slot.
    pub(crate) fn sketch_at(&self, index: usize) -> &[u8] {
        &self.sketches[index * ROOM..][..ROOM]
    }

    /// Adds what was collected to a step, unless there is a later one.
    pub(crate) fn put(&mut self, number: u64, new: &Summary, sketch: &[u8], scratch: &mut PoolHistograms) {
        if self.newest.is_some_and(|newest| newest > number) {
            return;
        }
        let index = self.index(number);
        let before = self.summary(number);
        let stored = &mut self.sketches[index * ROOM..][..ROOM];
        let mut all = before.clone().unwrap_or_default();
        all.add(new);
        let elapsed_before = if before.is_none() {
            stored.copy_from_slice(sketch);
            self.counts[index * COUNTS..][..COUNTS].copy_from_slice(&self.total);
            self.newest.map_or(0, |newest| {
                let Head { before, elapsed, .. } = self.heads[self.index(newest)];
                before + elapsed
            })
        } else {
            if !sketch::is_empty(sketch) {
                scratch.clear();
                sketch::decode(stored, scratch);
                sketch::decode(sketch, scratch);
                sketch::encode(scratch, stored);
            }
            self.heads[index].before
        };
        self.newest = Some(number);
        for (total, more) in self.total.iter_mut().zip(new.counts) {
            *total += more;
        }
        self.heads[index] =
            Head { number, samples: all.samples, elapsed: all.elapsed, before: elapsed_before };
        let gauges = &mut self.gauges[index * GAUGES * self.parts..][..GAUGES * self.parts];
        for (column, values) in gauges.chunks_mut(self.parts).enumerate() {
            let cell = all.cells[column];
            let Cell { min, max, sum, last, .. } = cell;
            match values {
                [of_min, of_max, of_sum, of_last] => {
                    (*of_min, *of_max, *of_sum, *of_last) = (min, max, sum, last);
                }
                values => {
                    values[0] = match GAUGE_METRICS[column].kind() {
                        // Neither a peak nor a busy time must be lost to a second collection.
                        MetricKind::Peak => max,
                        MetricKind::Average => cell.mean(),
                        _ => last,
                    };
                }
            }
        }
    }

    /// Takes over what another one holds, as far back as there is room.
    pub(crate) fn take_over(&mut self, other: &Tier, newest: u64, scratch: &mut PoolHistograms) {
        let newest = other.number(newest);
        for number in other.oldest(newest)..=newest {
            if let (Some(summary), Some(sketch)) = (other.summary(number), other.sketch(number)) {
                self.put(self.number(other.position(number)), &summary, sketch, scratch);
            }
        }
    }
}
