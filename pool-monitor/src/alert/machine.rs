//! The course of one alert: Prometheus' state machine, and nothing else.
//!
//! What it does at each evaluation is written down in `rules/alerting.go` of Prometheus:
//!
//! - A rule that is met makes its alert pending, and firing once it has been met for `hold`; with none, at once.
//! - A pending alert whose rule is not met vanishes. It was never told, so it is never resolved either.
//! - A firing alert whose rule is not met goes on for `keep_firing` since the first such evaluation, and is then resolved. If the
//!   rule is met meanwhile, that time is forgotten.
//!
//! Two things are more. A firing alert also goes on while it meets its recovery threshold ([`Verdict::Held`]). In Prometheus the
//! same is said by an expression that looks at `ALERTS`; see `promql.rs`. And the verdict may be [`Verdict::Unknown`]. Prometheus
//! takes the last sample for five minutes then, by which a pending alert may come to fire; here it does so only when it is met.

use std::time::Duration;

use tokio::time::Instant;

use super::AlertState;

/// What a rule says of a pool.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It is met.
    Met,
    /// It is not, but a firing alert has not recovered.
    Held,
    /// Neither.
    Clear,
    /// Nobody knows, and what it said last goes on. Nothing begins to fire by that: a pending alert stays pending.
    Unknown,
}

/// How patient a rule is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Patience {
    /// For how long it must be met before its alert fires.
    pub(crate) hold: Duration,
    /// For how long its alert goes on firing when it is not.
    pub(crate) keep_firing: Duration,
}

/// Where an alert is that has begun and is not over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Course {
    /// Pending, firing or recovering; never resolved: then there is no course.
    pub(crate) state: AlertState,
    /// When the rule was met first.
    pub(crate) active_at: Instant,
    /// Since when only `keep_firing` keeps it firing.
    pub(crate) keep_firing_since: Option<Instant>,
    /// What the rule said last; never that it is unknown.
    pub(crate) verdict: Verdict,
}

/// Where an alert is after an evaluation at `now`; `None` = it has not begun, has vanished or is over.
pub(crate) fn advance(
    course: Option<Course>,
    verdict: Verdict,
    patience: Patience,
    now: Instant,
) -> Option<Course> {
    let Some(course) = course else {
        let begun = Course { state: AlertState::Pending, active_at: now, keep_firing_since: None, verdict };
        return (verdict == Verdict::Met).then(|| ripen(begun, patience, now));
    };
    let verdict = match verdict {
        Verdict::Unknown if course.state == AlertState::Pending && course.verdict == Verdict::Met => {
            return Some(course);
        }
        Verdict::Unknown => course.verdict,
        known => known,
    };
    let course = Course { verdict, ..course };
    match (course.state, verdict) {
        (AlertState::Pending, Verdict::Met) => Some(ripen(course, patience, now)),
        (AlertState::Pending, _) | (AlertState::Resolved, _) => None,
        (_, Verdict::Met) => Some(Course { state: AlertState::Firing, keep_firing_since: None, ..course }),
        (_, Verdict::Held) => {
            Some(Course { state: AlertState::Recovering, keep_firing_since: None, ..course })
        }
        // Unknown is what it was before.
        (_, Verdict::Clear | Verdict::Unknown) => {
            let since = course.keep_firing_since.unwrap_or(now);
            let goes_on = now.saturating_duration_since(since) < patience.keep_firing;
            goes_on.then_some(Course {
                state: AlertState::Recovering,
                keep_firing_since: Some(since),
                ..course
            })
        }
    }
}

/// Fires what has been pending for long enough.
fn ripen(course: Course, patience: Patience, now: Instant) -> Course {
    let is_ripe = now.saturating_duration_since(course.active_at) >= patience.hold;
    Course { state: if is_ripe { AlertState::Firing } else { AlertState::Pending }, ..course }
}

#[cfg(test)]
mod tests;
