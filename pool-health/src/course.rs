//! The course of one target's health, from check to check.
//!
//! A pure state machine: time is an argument, and what was found comes as an [`Outcome`].
//!
//! ```text
//!             passed                  fall failures, or its pool has lost all of it
//!   Unknown ─────────▶ Healthy ──────────────────────────────▶ Unhealthy ◀─┐ failed
//!                      │    ▲                                   │ passed   │
//!              issues  ▼    │ none                              ▼          │
//!                      Degraded ◀───────────────────────────── Recovering ─┘
//!                                rise passes, and calm for as long as it must
//! ```
//!
//! A target that is lost again and again must stay well for longer each time to count as recovered, so that whoever is told
//! of losses and recoveries is not told of each of them: 10 s after the second loss, twice that after each further one, up to
//! a minute, until it was not lost for five minutes. The growing penalty and its decay are those of BGP's route flap damping (RFC 2439).

use std::time::Duration;

use tokio::time::Instant;

use crate::settings::HealthSettings;
use crate::status::{HealthStatus, Issue};

/// For how long a target must stay well after its second loss.
const CALM: Duration = Duration::from_secs(10);
/// That grows up to this.
const LONGEST_CALM: Duration = Duration::from_secs(60);
/// A loss is forgotten after this time without another one.
const MEMORY: Duration = Duration::from_secs(5 * 60);

/// What a look at a target has found.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Outcome {
    /// It works, but for these issues.
    Passed(Vec<Issue>),
    /// It does not.
    Failed(Issue),
    /// The check could not find out, for this reason.
    Unclear(Issue),
    /// Its pool knows that it is down: no check is needed to believe that.
    Lost(Issue),
}

/// What changed with an outcome.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Change {
    Status { from: HealthStatus, to: HealthStatus },
    Lost,
    Recovered { down_for: Duration },
    Exhausted { attempts: u32, lasted: Duration },
}

/// See the module's first lines.
#[derive(Debug)]
pub(crate) struct Course {
    status: HealthStatus,
    since: Instant,
    issues: Vec<Issue>,
    passed: u32,
    failed: u32,
    /// Since when it is lost; until it counts as recovered.
    lost: Option<Loss>,
    /// Losses that are remembered, and when the last one was.
    losses: u32,
    last_loss: Option<Instant>,
}

#[derive(Debug)]
struct Loss {
    since: Instant,
    /// Checks that failed since.
    attempts: u32,
    has_told: bool,
    /// Since when it is well again.
    well_since: Option<Instant>,
}

impl Course {
    pub(crate) fn new(now: Instant) -> Self {
        Course {
            status: HealthStatus::Unknown,
            since: now,
            issues: Vec::new(),
            passed: 0,
            failed: 0,
            lost: None,
            losses: 0,
            last_loss: None,
        }
    }

    pub(crate) fn status(&self) -> HealthStatus {
        self.status
    }

    pub(crate) fn since(&self) -> Instant {
        self.since
    }

    pub(crate) fn issues(&self) -> &[Issue] {
        &self.issues
    }

    /// Failures in a row.
    pub(crate) fn failed(&self) -> u32 {
        self.failed
    }

    /// The time from the beginning of the last check to that of the next.
    pub(crate) fn interval(&self, settings: &HealthSettings, usual: Duration) -> Duration {
        match self.status {
            // Never less often than usual.
            HealthStatus::Recovering => settings.fast_interval.min(usual),
            HealthStatus::Unhealthy => settings.down_interval.min(usual),
            _ if self.failed > 0 => settings.fast_interval.min(usual),
            HealthStatus::Degraded => settings.down_interval.min(usual),
            HealthStatus::Unknown | HealthStatus::Healthy => usual,
        }
    }

    /// Takes in what was found.
    pub(crate) fn note(&mut self, outcome: Outcome, settings: &HealthSettings, now: Instant) -> Vec<Change> {
        match outcome {
            Outcome::Passed(issues) => self.passed(issues, settings, now),
            Outcome::Failed(issue) => self.failed_with(issue, settings, now),
            Outcome::Unclear(issue) => self.unclear(issue, now),
            Outcome::Lost(issue) => {
                self.issues = vec![issue];
                (self.passed, self.failed) = (0, self.failed.max(settings.fall));
                self.lose(now)
            }
        }
    }

    fn passed(&mut self, issues: Vec<Issue>, settings: &HealthSettings, now: Instant) -> Vec<Change> {
        self.passed = self.passed.saturating_add(1);
        self.failed = 0;
        self.issues = issues;
        let up = if self.issues.is_empty() { HealthStatus::Healthy } else { HealthStatus::Degraded };
        let calm = self.calm(now);
        let Some(loss) = &mut self.lost else { return self.enter(up, now) };
        let well_since = *loss.well_since.get_or_insert(now);
        if self.passed < settings.rise || now.saturating_duration_since(well_since) < calm {
            if !calm.is_zero() {
                self.issues.push(Issue::Flapping { losses: self.losses, calm });
            }
            return self.enter(HealthStatus::Recovering, now);
        }
        let down_for = now.saturating_duration_since(loss.since);
        self.lost = None;
        let mut changes = self.enter(up, now);
        changes.push(Change::Recovered { down_for });
        changes
    }

    fn failed_with(&mut self, issue: Issue, settings: &HealthSettings, now: Instant) -> Vec<Change> {
        self.passed = 0;
        self.failed = self.failed.saturating_add(1);
        self.issues = vec![issue];
        if self.lost.is_none() && self.failed < settings.fall {
            return Vec::new();
        }
        let mut changes = self.lose(now);
        let Some(loss) = &mut self.lost else { return changes };
        // The failures that made it count as lost are no attempts to recover it.
        if changes.contains(&Change::Lost) {
            return changes;
        }
        loss.attempts = loss.attempts.saturating_add(1);
        let limit = settings.max_recovery_attempts;
        if limit > 0 && loss.attempts >= limit && !std::mem::replace(&mut loss.has_told, true) {
            let lasted = now.saturating_duration_since(loss.since);
            changes.push(Change::Exhausted { attempts: loss.attempts, lasted });
        }
        changes
    }

    /// Proves nothing, neither way; but what works cannot be called healthy without being asked.
    fn unclear(&mut self, issue: Issue, now: Instant) -> Vec<Change> {
        self.issues = vec![issue];
        match self.status {
            HealthStatus::Healthy => self.enter(HealthStatus::Degraded, now),
            _ => Vec::new(),
        }
    }

    fn lose(&mut self, now: Instant) -> Vec<Change> {
        let mut changes = self.enter(HealthStatus::Unhealthy, now);
        match &mut self.lost {
            Some(loss) => {
                // Lost again before it counted as recovered: nobody is told, but it is no calmer than one that was.
                if loss.well_since.take().is_some() {
                    self.last_loss = Some(now);
                }
            }
            None => {
                self.losses = self.remembered(now).saturating_add(1);
                self.last_loss = Some(now);
                self.lost = Some(Loss { since: now, attempts: 0, has_told: false, well_since: None });
                changes.push(Change::Lost);
            }
        }
        changes
    }

    fn remembered(&self, now: Instant) -> u32 {
        match self.last_loss {
            Some(at) if now.saturating_duration_since(at) < MEMORY => self.losses,
            _ => 0,
        }
    }

    /// For how long it must stay well to count as recovered.
    fn calm(&self, now: Instant) -> Duration {
        match self.remembered(now) {
            0 | 1 => Duration::ZERO,
            losses => CALM.saturating_mul(1 << (losses - 2).min(8)).min(LONGEST_CALM),
        }
    }

    fn enter(&mut self, to: HealthStatus, now: Instant) -> Vec<Change> {
        let from = std::mem::replace(&mut self.status, to);
        if from == to {
            return Vec::new();
        }
        self.since = now;
        vec![Change::Status { from, to }]
    }
}

#[cfg(test)]
mod tests;
