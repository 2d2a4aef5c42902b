//! The controller: one window in, one advice out. It has no clock; a window is its unit of time.

use std::time::Duration;

use super::curve::{Curve, Sample, Samples};
use super::demand::Demand;
use super::load::{Load, Pooled};
use super::search::{Search, seen_peak};
use super::watch::Watch;
use super::{Sizing, SizingAdvice, SizingReason, Window};

/// So many windows in a row decide that demand now reaches the limit, or no longer does.
const STREAK_FULL: u32 = 2;
const STREAK_LOOSE: u32 = 3;

/// After a search that found the same peak again, the next is not begun for so many windows; the number
/// doubles from time to time. From half a minute to half an hour, with windows of a second.
const LEAST_BACKOFF: u32 = 30;
const MOST_BACKOFF: u32 = 1_920;

/// Finds the limit between two bounds.
#[derive(Debug)]
pub(crate) struct Controller {
    mode: Sizing,
    min: usize,
    max: usize,
    /// What is recommended, and with [`Sizing::On`] in force.
    limit: usize,
    phase: Phase,
    samples: Samples,
    demand: Demand,
    peak: Option<Peak>,
    pooled: Pooled,
    /// Windows in a row in which demand reached the limit, or did not, against the present phase.
    streak: u32,
    /// The last window was part of an outage; the uses that end in the next one were held up by it.
    recovering: bool,
    /// Windows for which changes of the curve are not looked for, and the number for the next time.
    quiet: u32,
    backoff: u32,
}

#[derive(Debug)]
enum Phase {
    /// Demand is below the limit, which follows it.
    Follow,
    /// Demand is at the limit, and sizes are tried.
    Search(Search),
    /// Demand is at the limit, and the limit is at the peak.
    Hold(Watch),
}

/// What a search found.
#[derive(Debug, Clone, Copy)]
struct Peak {
    limit: usize,
    curve: Curve,
}

impl Controller {
    /// A controller between these bounds that starts at `start`.
    pub(crate) fn new(mode: Sizing, min: usize, max: usize, start: usize) -> Self {
        let min = min.max(1);
        let max = max.max(min);
        let limit = start.clamp(min, max);
        Controller {
            mode,
            min,
            max,
            limit,
            phase: Phase::Follow,
            samples: Samples::default(),
            demand: Demand::new(limit as f64),
            peak: None,
            pooled: Pooled::default(),
            streak: 0,
            recovering: false,
            quiet: 0,
            backoff: 0,
        }
    }

    /// The recommended limit.
    pub(crate) fn limit(&self) -> usize {
        self.limit
    }

    /// Changes the mode and the bounds. What was learnt about the database is kept unless it lies outside.
    pub(crate) fn reconfigure(&mut self, mode: Sizing, min: usize, max: usize) {
        let min = min.max(1);
        let max = max.max(min);
        if (mode, min, max) == (self.mode, self.min, self.max) {
            return;
        }
        let limit = self.limit.clamp(min, max);
        // A peak at the old bound may have been the bound's, and one outside is of no use.
        let inside = |peak: &Peak| peak.limit > min.max(self.min) && peak.limit < max.min(self.max);
        let peak = self.peak.filter(|peak| mode == self.mode && inside(peak));
        *self = Controller { peak, ..Controller::new(mode, min, max, limit) };
    }

    /// Takes the next window and says what the limit should be.
    pub(crate) fn observe(&mut self, window: &Window) -> SizingAdvice {
        let reason = self.step(window);
        self.advice(window, reason)
    }

    fn step(&mut self, window: &Window) -> SizingReason {
        if self.mode == Sizing::Off {
            return SizingReason::Idle;
        }
        if window.disturbed {
            self.recovering = true;
            self.pooled = Pooled::default();
            return SizingReason::Disturbed;
        }
        if window.released == 0 || window.length.is_zero() {
            // Callers wait and nobody gives anything back: an outage, or one long use. Neither is a knee.
            self.recovering |= window.waiting > 0;
            return if window.waiting > 0 { SizingReason::Disturbed } else { SizingReason::Idle };
        }
        if std::mem::take(&mut self.recovering) {
            self.pooled = Pooled::default();
            return SizingReason::Disturbed;
        }
        let load = Load::of(window);
        self.pooled.add(window, &load);
        let sample = self.pooled.take();
        if self.mode == Sizing::Observe {
            return self.recommend(&load, sample);
        }
        match self.phase {
            Phase::Follow => self.follow(&load, sample),
            Phase::Search(_) => {
                sample.map_or(SizingReason::Searching, |s| self.search(s, load.fills_limit()))
            }
            Phase::Hold(_) => self.hold(&load, sample),
        }
    }

    /// Demand was below the limit, which follows it.
    fn follow(&mut self, load: &Load, sample: Option<Sample>) -> SizingReason {
        self.demand.note(load.mean.min(self.max as f64), load.waits);
        if self.streak(load.reaches_limit()) >= STREAK_FULL {
            if let Some(peak) = self.peak {
                self.streak = 0;
                self.phase = Phase::Hold(Watch::default());
                self.set_limit(peak.limit);
                return SizingReason::Peak;
            }
            return self.start_search(sample, None);
        }
        self.limit_to_need();
        SizingReason::Demand
    }

    /// Goes to what the callers need, unless that is only a little less than there is.
    fn limit_to_need(&mut self) {
        let most = self.peak.map_or(self.max, |peak| peak.limit);
        let need = (self.demand.need() as usize).clamp(self.min, most.max(self.min));
        // A tenth: what noise of 5 % does to the need must not move the limit to and fro.
        if need > self.limit || need < self.limit - (self.limit / 10).max(1) || self.limit > most {
            self.set_limit(need);
        }
    }

    fn start_search(&mut self, sample: Option<Sample>, up: Option<bool>) -> SizingReason {
        self.streak = 0;
        self.samples.clear();
        // Towards the farther bound, where more sizes are unknown.
        let up = up.unwrap_or(self.limit.saturating_mul(self.limit) < self.min.saturating_mul(self.max));
        self.phase = Phase::Search(Search::new(self.min, self.max, self.limit, up));
        sample.map_or(SizingReason::Searching, |sample| self.search(sample, true))
    }

    /// Sizes are being tried.
    fn search(&mut self, sample: Sample, full: bool) -> SizingReason {
        self.samples.push(sample);
        let Phase::Search(search) = &mut self.phase else { return SizingReason::Searching };
        if !search.note(sample, full) {
            return SizingReason::Searching;
        }
        let Some(curve) = self.samples.fit() else { return SizingReason::Searching };
        if let Some(size) = search.next(&self.samples, &curve) {
            self.set_limit(size);
            return SizingReason::Searching;
        }
        let (best, ceiling, before) = (search.outcome(&curve), search.ceiling(), self.peak.take());
        let Some(limit) = best else {
            self.demand = Demand::new(ceiling as f64);
            self.phase = Phase::Follow;
            self.limit_to_need();
            return SizingReason::Demand;
        };
        // A curve that changes again and again and keeps its peak is searched ever less often. A fifth is what
        // two searches of the same curve may differ by.
        let same = before.is_some_and(|before| before.limit.abs_diff(limit) <= before.limit / 5);
        self.backoff = if same { (2 * self.backoff).clamp(LEAST_BACKOFF, MOST_BACKOFF) } else { 0 };
        self.quiet = self.backoff;
        self.phase = Phase::Hold(Watch::default());
        self.peak = Some(Peak { limit, curve });
        self.set_limit(limit);
        self.hold_reason()
    }

    /// The limit is at the peak; is it still the peak?
    fn hold(&mut self, load: &Load, sample: Option<Sample>) -> SizingReason {
        self.quiet = self.quiet.saturating_sub(1);
        if self.streak(!load.reaches_limit()) >= STREAK_LOOSE {
            self.streak = 0;
            self.demand = Demand::new(self.limit as f64);
            self.phase = Phase::Follow;
            return SizingReason::Demand;
        }
        let (Some(peak), Phase::Hold(watch)) = (self.peak, &mut self.phase) else {
            return self.start_search(sample, None);
        };
        let Some(sample) = sample.filter(|_| load.reaches_limit()) else { return self.hold_reason() };
        match watch.note(sample, &peak.curve) {
            // Slower uses may be too many, faster ones too few.
            Some(slower) if self.quiet == 0 => self.start_search(Some(sample), Some(!slower)),
            Some(_) => {
                *watch = Watch::default();
                self.hold_reason()
            }
            None => self.hold_reason(),
        }
    }

    fn hold_reason(&self) -> SizingReason {
        let grows = self.peak.is_none_or(|peak| peak.curve.peak() >= self.max as f64);
        if grows { SizingReason::Ceiling } else { SizingReason::Peak }
    }

    /// Only recommends: the sizes to learn from are those that the load visits.
    fn recommend(&mut self, load: &Load, sample: Option<Sample>) -> SizingReason {
        self.demand.note(load.mean.min(self.max as f64), load.waits);
        if let Some(sample) = sample {
            self.samples.push(sample);
            self.peak = seen_peak(&self.samples).map(|(limit, curve)| Peak { limit, curve });
        }
        if !load.reaches_limit() {
            self.limit_to_need();
            return SizingReason::Demand;
        }
        match self.peak {
            Some(peak) => {
                self.set_limit(peak.limit);
                self.hold_reason()
            }
            None => {
                self.set_limit(self.max);
                SizingReason::Ceiling
            }
        }
    }

    /// Counts how often in a row this held.
    fn streak(&mut self, holds: bool) -> u32 {
        self.streak = if holds { self.streak.saturating_add(1) } else { 0 };
        self.streak
    }

    fn set_limit(&mut self, limit: usize) {
        let limit = limit.clamp(self.min, self.max);
        if limit != self.limit {
            self.limit = limit;
            if self.mode == Sizing::On {
                self.pooled = Pooled::default();
            }
        }
    }

    fn advice(&self, window: &Window, reason: SizingReason) -> SizingAdvice {
        let load = Load::of(window);
        let per_second = |count: f64| if load.seconds > 0.0 { count / load.seconds } else { 0.0 };
        let mean = |sum: Duration, count: u64| {
            let seconds = if count == 0 { 0.0 } else { sum.as_secs_f64() / count as f64 };
            Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX)
        };
        let learning = self.mode == Sizing::Observe || matches!(self.phase, Phase::Search(_));
        let tried = || self.samples.fit().filter(|_| learning && self.samples.sizes() >= 3);
        let peak = self.peak.filter(|_| !matches!(self.phase, Phase::Search(_)));
        let curve = peak.map(|peak| peak.curve).or_else(tried);
        SizingAdvice {
            limit: self.limit,
            current: window.limit,
            reason,
            offered: load.mean,
            utilization: if window.limit == 0 { 0.0 } else { load.mean / load.limit },
            waited: load.waited,
            mean_wait: mean(window.wait_time, window.acquired),
            throughput: per_second(window.released as f64),
            mean_use: mean(window.use_time, window.released),
            gradient: curve
                .map(|curve| curve.gradient(load.mean.max(1.0)))
                .filter(|gradient| gradient.is_finite()),
            peak: peak.map(|peak| peak.limit),
        }
    }
}
