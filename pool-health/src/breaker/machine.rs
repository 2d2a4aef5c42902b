//! The states of a breaker and what leads from one to the next, without a clock, a lock, or anyone to tell.
//!
//! Every operation is `&mut self` and the time. What time alone brings (an open breaker becomes half open, probing takes too
//! long) is noticed by whichever operation comes next, and dated when it was due: who looks, and how often, changes nothing.
//!
//! Every transition begins a new *era*, and a permit belongs to the era it was given in. A verdict of another era is of no
//! interest: it tells of a time before the transition. But a probe that is out counts as out in whatever era it ends, so
//! that the target never sees more than `half_open_permits` of them at once.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::settings::BreakerSettings;
use super::window::{CallWindow, Tally, Verdict};
use super::{BreakerOpen, BreakerSnapshot, BreakerState, Cause, StateChange};

/// What the machine remembers of a permit that is out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Pass {
    era: u64,
    probe: bool,
}

/// How a call ended.
#[derive(Debug, Clone)]
pub(super) enum Ended {
    Succeeded(Duration),
    Failed(Duration, Option<Cause>),
    /// Without a verdict.
    Ignored,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Closed,
    Open {
        until: Instant,
    },
    HalfOpen {
        /// Since when there has always been a probe out or a verdict in.
        probing_since: Option<Instant>,
        /// Probes that are out.
        out: u32,
    },
    Disabled,
    ForcedOpen,
    MetricsOnly,
}

impl Phase {
    const HALF_OPEN: Phase = Phase::HalfOpen { probing_since: None, out: 0 };

    fn state(self) -> BreakerState {
        match self {
            Phase::Closed => BreakerState::Closed,
            Phase::Open { .. } => BreakerState::Open,
            Phase::HalfOpen { .. } => BreakerState::HalfOpen,
            Phase::Disabled => BreakerState::Disabled,
            Phase::ForcedOpen => BreakerState::ForcedOpen,
            Phase::MetricsOnly => BreakerState::MetricsOnly,
        }
    }
}

/// What the calls in a window say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Judgement {
    /// Too few calls.
    Unknown,
    Good,
    Bad,
}

/// See the module's first lines.
#[derive(Debug)]
pub(super) struct Machine {
    name: Arc<str>,
    settings: BreakerSettings,
    rng: fastrand::Rng,
    phase: Phase,
    /// When the present phase was entered.
    entered: Instant,
    era: u64,
    /// Calls of this era.
    window: CallWindow,
    /// The last so many of them failed.
    consecutive: u32,
    /// How often it opened since it was last closed.
    attempt: u32,
    /// Since when it has not been closed.
    down_since: Option<Instant>,
    /// Probes that are out since an earlier time when it was half open.
    strays: u32,
    not_permitted: u64,
    opened: u64,
    /// The last failure of which the cause was told.
    last: Option<(Cause, Instant)>,
    /// What has happened and was not told yet.
    changes: Vec<StateChange>,
}

impl Machine {
    pub(super) fn new(name: Arc<str>, settings: BreakerSettings, seed: u64, now: Instant) -> Self {
        Machine {
            name,
            window: CallWindow::new(settings.window, now),
            settings,
            rng: fastrand::Rng::with_seed(seed),
            phase: Phase::Closed,
            entered: now,
            era: 0,
            consecutive: 0,
            attempt: 0,
            down_since: None,
            strays: 0,
            not_permitted: 0,
            opened: 0,
            last: None,
            changes: Vec::new(),
        }
    }

    pub(super) fn settings(&self) -> &BreakerSettings {
        &self.settings
    }

    /// Replaces the settings. The window begins anew.
    pub(super) fn set_settings(&mut self, settings: BreakerSettings, now: Instant) {
        self.advance(now);
        self.settings = settings;
        self.window = self.empty_window(self.phase, now);
        self.consecutive = 0;
        self.stop_clock(now);
    }

    /// What is to be told to whoever watches.
    pub(super) fn take_changes(&mut self) -> Vec<StateChange> {
        std::mem::take(&mut self.changes)
    }

    pub(super) fn state(&mut self, now: Instant) -> BreakerState {
        self.advance(now);
        self.phase.state()
    }

    /// Lets a call begin, or says why not.
    pub(super) fn acquire(&mut self, now: Instant) -> Result<Pass, BreakerOpen> {
        self.advance(now);
        let has_room = self.has_room(now);
        let probe = match &mut self.phase {
            Phase::Closed | Phase::Disabled | Phase::MetricsOnly => false,
            Phase::HalfOpen { probing_since, out } if has_room => {
                probing_since.get_or_insert(now);
                *out += 1;
                true
            }
            Phase::HalfOpen { .. } | Phase::Open { .. } | Phase::ForcedOpen => {
                self.not_permitted += 1;
                return Err(self.refusal(now));
            }
        };
        Ok(Pass { era: self.era, probe })
    }

    /// A call has ended.
    pub(super) fn end(&mut self, pass: Pass, ended: Ended, now: Instant) {
        self.advance(now);
        match &mut self.phase {
            Phase::HalfOpen { out, .. } if pass.era == self.era => *out -= 1,
            _ => self.strays -= u32::from(pass.probe),
        }
        if pass.era != self.era || self.phase == Phase::Disabled {
            return;
        }
        let verdict = match ended {
            Ended::Succeeded(took) => Verdict { failed: false, slow: self.is_slow(took) },
            Ended::Failed(took, cause) => {
                self.last = cause.map(|cause| (cause, now)).or_else(|| self.last.take());
                Verdict { failed: true, slow: self.is_slow(took) }
            }
            Ended::Ignored => return self.stop_clock(now),
        };
        self.window.record(verdict, now);
        self.consecutive = if verdict.failed { self.consecutive.saturating_add(1) } else { 0 };
        match (self.phase, self.judgement(now)) {
            (Phase::Closed | Phase::HalfOpen { .. }, Judgement::Bad) => self.open(now),
            (Phase::HalfOpen { .. }, Judgement::Good) => self.enter(Phase::Closed, now),
            _ => {}
        }
    }

    /// Puts it into a state by hand.
    pub(super) fn force(&mut self, state: BreakerState, now: Instant) {
        self.advance(now);
        match state {
            BreakerState::Closed => self.enter(Phase::Closed, now),
            BreakerState::Open => self.open(now),
            BreakerState::HalfOpen => self.enter(Phase::HALF_OPEN, now),
            BreakerState::Disabled => self.enter(Phase::Disabled, now),
            BreakerState::ForcedOpen => self.enter(Phase::ForcedOpen, now),
            BreakerState::MetricsOnly => self.enter(Phase::MetricsOnly, now),
        }
    }

    /// Makes a probe due, if one is waited for.
    pub(super) fn probe_now(&mut self, now: Instant) {
        self.advance(now);
        if matches!(self.phase, Phase::Open { .. }) {
            self.enter(Phase::HALF_OPEN, now);
        }
    }

    /// Closes it and forgets everything but the probes that are out.
    pub(super) fn reset(&mut self, now: Instant) {
        self.force(BreakerState::Closed, now);
        self.not_permitted = 0;
        self.opened = 0;
        self.last = None;
    }

    pub(super) fn snapshot(&mut self, now: Instant) -> BreakerSnapshot {
        self.advance(now);
        let Tally { calls, failed, slow, slow_failed } = self.window.tally(now);
        let enough = calls >= self.minimum();
        BreakerSnapshot {
            state: self.phase.state(),
            lasted: now.saturating_duration_since(self.entered),
            failure_rate: enough.then(|| share(failed, calls)),
            slow_call_rate: enough.then(|| share(slow, calls)),
            calls,
            failed,
            slow,
            slow_failed,
            consecutive_failures: self.consecutive,
            probes_out: self.probes_out(),
            not_permitted: self.not_permitted,
            opened: self.opened,
            attempt: self.attempt,
            next_probe: self.next_probe(now),
            cause: self.last.as_ref().map(|(cause, _)| cause.clone()),
            cause_age: self.last.as_ref().map(|(_, at)| now.saturating_duration_since(*at)),
        }
    }

    /// When a call is next let in, as far as that is known. Zero: now.
    pub(super) fn next_probe(&self, now: Instant) -> Option<Duration> {
        match self.phase {
            Phase::Open { until } => Some(until.saturating_duration_since(now)),
            Phase::Closed | Phase::Disabled | Phase::MetricsOnly => Some(Duration::ZERO),
            Phase::HalfOpen { .. } if self.has_room(now) => Some(Duration::ZERO),
            Phase::HalfOpen { .. } | Phase::ForcedOpen => None,
        }
    }

    pub(super) fn probes_out(&self) -> u32 {
        match self.phase {
            Phase::HalfOpen { out, .. } => out + self.strays,
            _ => self.strays,
        }
    }

    /// Whether one more probe may be let in, if it is half open.
    fn has_room(&self, now: Instant) -> bool {
        let spoken_for = u64::from(self.probes_out()) + self.window.tally(now).calls;
        spoken_for < u64::from(self.settings.half_open_permits)
    }

    /// Does what time has brought, at the time when it did.
    fn advance(&mut self, now: Instant) {
        loop {
            match self.phase {
                Phase::Open { until } if until <= now => {
                    self.enter(Phase::HALF_OPEN, until);
                }
                Phase::HalfOpen { probing_since: Some(since), out }
                    if !self.settings.max_half_open.is_zero()
                        && since + self.settings.max_half_open <= now =>
                {
                    let at = since + self.settings.max_half_open;
                    // A target that has done well with all that was asked of it is not to blame that nobody asked more.
                    match out == 0 && !self.is_too_much(self.window.tally(at)) {
                        true => self.enter(Phase::Closed, at),
                        false => self.open(at),
                    }
                }
                _ => return,
            }
        }
    }

    fn open(&mut self, at: Instant) {
        self.attempt = self.attempt.saturating_add(1);
        self.opened += 1;
        let until = at + self.settings.open_for(self.attempt, &mut self.rng);
        self.enter(Phase::Open { until }, at);
    }

    fn enter(&mut self, phase: Phase, at: Instant) {
        let (from, to) = (self.phase.state(), phase.state());
        self.strays = self.probes_out();
        match phase {
            Phase::Open { .. } | Phase::HalfOpen { .. } | Phase::ForcedOpen => {
                self.down_since.get_or_insert(at);
            }
            Phase::Closed | Phase::Disabled | Phase::MetricsOnly => {
                self.attempt = 0;
                self.down_since = None;
            }
        }
        self.window = self.empty_window(phase, at);
        self.phase = phase;
        self.entered = at;
        self.era += 1;
        self.consecutive = 0;
        if from != to {
            let cause = self.last.as_ref().map(|(cause, _)| cause.clone());
            let next_probe = self.next_probe(at);
            self.changes.push(StateChange { breaker: Arc::clone(&self.name), from, to, cause, next_probe });
        }
    }

    fn empty_window(&self, phase: Phase, at: Instant) -> CallWindow {
        match phase {
            Phase::HalfOpen { .. } => CallWindow::of_calls(self.settings.half_open_permits),
            _ => CallWindow::new(self.settings.window, at),
        }
    }

    /// Nobody probes any more, and nothing is known yet: the time that probing may take has not begun.
    fn stop_clock(&mut self, now: Instant) {
        if let Phase::HalfOpen { probing_since, out: 0 } = &mut self.phase
            && self.window.tally(now).calls == 0
        {
            *probing_since = None;
        }
    }

    fn judgement(&self, now: Instant) -> Judgement {
        let BreakerSettings { failure_rate, consecutive_failures, .. } = self.settings;
        let half_open = matches!(self.phase, Phase::HalfOpen { .. });
        // Without a failure rate one failure is enough there: else a target could fail all probes and be called good.
        let in_a_row = if half_open && failure_rate == 0.0 { 1 } else { consecutive_failures };
        if consecutive_failures > 0 && self.consecutive >= in_a_row {
            return Judgement::Bad;
        }
        let tally = self.window.tally(now);
        if tally.calls < self.minimum() {
            Judgement::Unknown
        } else if self.is_too_much(tally) {
            Judgement::Bad
        } else {
            Judgement::Good
        }
    }

    /// Whether a larger share of these calls failed or was slow than may be.
    fn is_too_much(&self, Tally { calls, failed, slow, .. }: Tally) -> bool {
        let exceeds = |count, limit: f64| limit > 0.0 && share(count, calls) >= limit;
        exceeds(failed, self.settings.failure_rate) || exceeds(slow, self.settings.slow_call_rate)
    }

    /// How many calls a rate needs; never more than the window can hold.
    fn minimum(&self) -> u64 {
        let minimum = u64::from(self.settings.minimum_calls);
        match &self.window {
            CallWindow::Count { size, .. } => minimum.min(*size as u64),
            CallWindow::Time { .. } => minimum,
        }
    }

    fn is_slow(&self, took: Duration) -> bool {
        took >= self.settings.slow_call_duration
    }

    fn refusal(&self, now: Instant) -> BreakerOpen {
        BreakerOpen {
            breaker: Arc::clone(&self.name),
            state: self.phase.state(),
            since: now.saturating_duration_since(self.down_since.unwrap_or(self.entered)),
            next_probe: self.next_probe(now),
            cause: self.last.as_ref().map(|(cause, _)| cause.clone()),
        }
    }
}

fn share(part: u64, whole: u64) -> f64 {
    part as f64 / whole as f64
}
