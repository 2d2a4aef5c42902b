//! The search for the peak: which size to measure next, until enough is known.

use super::curve::{Curve, Sample, Samples};

/// A search measures a new size this often before it goes on to the next, and comes back to a size for the
/// second number at a time, so that it does not open and close connections for every window.
const STAY_EXPLORING: u32 = 2;
const STAY_REFINING: u32 = 4;

/// A search ends after so many measurements, whatever it knows. A change is to be noticed and searched within
/// 60 windows.
const LONGEST_SEARCH: u32 = 44;

/// A search stops going in one direction when a size there gave less than this share of the best throughput:
/// three standard deviations of the difference of two means of two measurements with 5 % noise.
const WORSE: f64 = 0.85;

/// The farthest sizes measured on purpose, relative to where the peak seems to be. At 2.5 times the peak, and
/// at 1/2.5 of it, a database without contention (σ = 0) gives 69 % of its best throughput, others more.
const REACH: f64 = 2.5;

/// The peak is known well enough when its interval of ± 2 standard deviations is no wider than this factor.
const WELL_KNOWN: f64 = 1.16;
const DEVIATIONS: f64 = 2.0;

/// So many measurements of a size that demand did not fill show that it cannot.
const STREAK_LOOSE: u32 = 3;

/// A peak from this share of the most that demand fills may as well lie beyond it.
const NEAR_CEILING: f64 = 0.85;

/// Where there is no peak within the limits, the smallest size that gives this share of the most will do.
const AS_GOOD: f64 = 0.99;

/// Measurements of a load as it comes must cover this factor of sizes before a curve is believed.
const WIDE: f64 = 4.0;

/// A database that serves no more than this many times what it serves one at a time is best left at one; the
/// curve is too flat to have a peak that could be measured.
const ALONE: f64 = 1.1;

/// A search for the peak.
#[derive(Debug)]
pub(super) struct Search {
    /// The first direction.
    up: bool,
    min: usize,
    max: usize,
    /// The smallest, the largest and the present size tried.
    low: usize,
    high: usize,
    size: usize,
    /// No size above this is of use: demand does not fill it.
    ceiling: usize,
    /// Measurements in all.
    made: u32,
    /// Measurements at the present size, how many it shall get, and how many of them did not fill it.
    stayed: u32,
    stay: u32,
    loose: u32,
}

impl Search {
    /// A search from `size`, first in one direction. `size` lies from `min` to `max`.
    pub(super) fn new(min: usize, max: usize, size: usize, up: bool) -> Self {
        Search {
            up,
            min,
            max,
            low: size,
            high: size,
            size,
            ceiling: max,
            made: 0,
            stayed: 0,
            stay: STAY_EXPLORING,
            loose: 0,
        }
    }

    /// Notes a measurement of the present size, and whether demand filled it. Says whether to go on.
    pub(super) fn note(&mut self, sample: Sample, full: bool) -> bool {
        self.made += 1;
        self.stayed += 1;
        self.loose += u32::from(!full);
        if self.loose >= STREAK_LOOSE {
            self.ceiling = (sample.n.ceil() as usize).clamp(self.min, self.size);
            return true;
        }
        // While no measurement filled it, its connections may still be opening.
        self.stayed >= self.stay && self.loose < self.stayed
    }

    /// The size to measure next; `None` = enough is known, or too much time spent.
    pub(super) fn next(&mut self, samples: &Samples, curve: &Curve) -> Option<usize> {
        if self.made >= LONGEST_SEARCH {
            return None;
        }
        let (size, stay) = match self.explore(samples, curve) {
            Some(size) => (size, STAY_EXPLORING),
            None => (self.refine(curve)?, STAY_REFINING),
        };
        let size = size.clamp(self.min, self.max);
        (self.size, self.stay, self.stayed, self.loose) = (size, stay, 0, 0);
        (self.low, self.high) = (self.low.min(size), self.high.max(size));
        Some(size)
    }

    /// Until the sizes tried reach well beyond the peak on both sides: half the smallest, or double the largest.
    fn explore(&self, samples: &Samples, curve: &Curve) -> Option<usize> {
        let (smallest, largest) = samples.range()?;
        let best = samples.best_throughput();
        let gave = |n: f64| samples.throughput(n).unwrap_or(best);
        let (peak, fitted) = (curve.peak(), samples.sizes() >= 3);
        let beyond_above = gave(largest) < WORSE * best || fitted && largest >= 2.0 * peak;
        // Where the smallest gives almost as much as the best, going on costs little and tells much.
        let flat = ALONE * gave(smallest) >= best;
        let beyond_below = gave(smallest) < WORSE * best || fitted && smallest <= peak / 2.0 && !flat;
        let up = self.high < self.ceiling && !beyond_above;
        let down = self.low > self.min && !beyond_below;
        match (up, down) {
            (true, false) => Some(true),
            (false, true) => Some(false),
            (true, true) => Some(self.up),
            (false, false) => None,
        }
        .map(|up| if up { self.high.saturating_mul(2).min(self.ceiling) } else { self.low / 2 })
    }

    /// Until the peak is known well enough: the size that tells most about it.
    fn refine(&self, curve: &Curve) -> Option<usize> {
        let (low, high) = self.tried();
        let (least, most) = curve.peak_between(DEVIATIONS);
        if most.clamp(low, high) <= WELL_KNOWN * least.clamp(low, high) {
            return None;
        }
        let around = curve.peak().clamp(low, high);
        let from = (around / REACH).max(self.min as f64);
        let to = (around * REACH).min(self.ceiling as f64);
        // Nine sizes: steps of about a quarter of the size, finer than the answer needs.
        let sizes = (0..9).map(|step| (from * (to / from).powf(f64::from(step) / 8.0)).round() as usize);
        curve.most_telling(sizes, f64::from(STAY_REFINING))
    }

    /// The best size found; `None` = demand ends before the peak comes, so it is neither known nor needed.
    pub(super) fn outcome(&self, curve: &Curve) -> Option<usize> {
        let (low, high) = self.tried();
        let best = best_size(curve, low, high);
        let demand_ends = self.ceiling < self.max && best.round() >= NEAR_CEILING * self.ceiling as f64;
        (!demand_ends).then(|| (best.round() as usize).clamp(self.min, self.max))
    }

    /// As many as demand fills.
    pub(super) fn ceiling(&self) -> usize {
        self.ceiling
    }

    fn tried(&self) -> (f64, f64) {
        let high = self.high.min(self.ceiling);
        (self.low.min(high) as f64, high as f64)
    }
}

/// The size between `low` and `high` with the highest throughput, or, when that only grows, the smallest that
/// is [`AS_GOOD`].
fn best_size(curve: &Curve, low: f64, high: f64) -> f64 {
    let peak = curve.peak();
    if low <= 1.0 && ALONE * curve.throughput(low) >= curve.throughput(peak.clamp(low, high)) {
        return low;
    }
    if peak < high {
        return peak.max(low);
    }
    let enough = AS_GOOD * curve.throughput(high);
    let (mut least, mut most) = (low, high);
    // Forty halvings: exact to less than one, whatever the range.
    for _ in 0..40 {
        let middle = (least + most) / 2.0;
        if curve.throughput(middle) >= enough { most = middle } else { least = middle }
    }
    most
}

/// The best size and the curve, when a load that came as it did visited enough sizes on both sides of the peak.
/// Nobody acts on it unasked, so it may be known half as well.
pub(super) fn seen_peak(samples: &Samples) -> Option<(usize, Curve)> {
    let (low, high) = samples.range().filter(|(low, high)| *high >= WIDE * low)?;
    let curve = samples.fit().filter(|_| samples.sizes() >= 3)?;
    let (least, most) = curve.peak_between(DEVIATIONS);
    let known = low < least && most < high && most <= WELL_KNOWN * WELL_KNOWN * least;
    known.then(|| (best_size(&curve, low, high).round() as usize, curve))
}
