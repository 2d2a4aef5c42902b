//! What a check and the pool's own numbers say about its target.
//!
//! A pure function of what was seen. Exhaustion is no fault of the target, nor are callers who gave up: a pool that is
//! full works, and is called degraded.

use pool_core::{AcquireError, CheckReport, PoolCounters, PoolSnapshot, PoolStats};

use crate::course::Outcome;
use crate::status::Issue;

/// More than this part of the connects has to fail to be worth a word.
const FEW: f64 = 0.1;

/// What was seen in one check.
#[derive(Debug)]
pub(crate) struct Seen<'a> {
    /// The pool's numbers at the end of the last check.
    pub(crate) before: Option<&'a PoolSnapshot>,
    /// The pool's numbers now.
    pub(crate) now: &'a PoolSnapshot,
    /// What came of the check.
    pub(crate) result: &'a Result<CheckReport, AcquireError>,
    /// What its error says: its cause, if the target is known to be down.
    pub(crate) said: Option<String>,
    /// The last connect that failed, if none has succeeded since.
    pub(crate) connects_fail: Option<String>,
    /// The last validation that failed since a check passed.
    pub(crate) last_problem: Option<String>,
    /// Whether the round trip is slow, and how long it took.
    pub(crate) slow: Option<Issue>,
    /// Callers that are known to have been refused since the last check while the pool was full.
    pub(crate) refused: u64,
    /// Whether the pool is full, and callers wait.
    pub(crate) is_full: bool,
    /// Whether that was so when the check before this one ended.
    pub(crate) was_full: bool,
}

/// Whether every connection is in use that ordinary callers may have: all but the `reserve`.
pub(crate) fn is_full(stats: &PoolStats, reserve: usize) -> bool {
    stats.max > 0 && stats.active >= stats.max.saturating_sub(reserve)
}

/// What was found; `None` = the pool is closed, and there is nothing to find any more.
pub(crate) fn judge(seen: &Seen<'_>) -> Option<Outcome> {
    match seen.result {
        Ok(_) => {
            let mut issues = ailments(seen);
            issues.extend(seen.slow.clone());
            Some(Outcome::Passed(issues))
        }
        Err(AcquireError::Closed(_)) => None,
        Err(AcquireError::Paused(_)) => Some(Outcome::Unclear(Issue::Paused)),
        Err(AcquireError::Unavailable(diagnosis)) => {
            let cause = seen.said.clone().filter(|_| diagnosis.last_connect_failure.is_some());
            Some(Outcome::Failed(Issue::Down { cause: cause.unwrap_or_else(|| error_of(seen)) }))
        }
        Err(error) => {
            let stats = &error.diagnosis().stats;
            if stats.max > 0 && stats.active >= stats.max {
                // All are in use: if some come back, the target answers; if none do, nobody can tell.
                return Some(match delta(seen).is_some_and(|delta| delta.released > 0) {
                    true => Outcome::Passed(vec![exhausted(seen)]),
                    false => Outcome::Unclear(exhausted(seen)),
                });
            }
            Some(Outcome::Failed(Issue::CheckFailed { cause: error_of(seen) }))
        }
    }
}

/// Why a check failed that ended in time, in as few words as there are for it.
fn error_of(seen: &Seen<'_>) -> String {
    let problem = seen.last_problem.clone().or_else(|| seen.connects_fail.clone());
    problem.or_else(|| seen.said.clone()).unwrap_or_default()
}

/// What the error of a check says. Not for under a lock: its text is the connector's.
pub(crate) fn said(result: &Result<CheckReport, AcquireError>) -> Option<String> {
    let error = result.as_ref().err()?;
    let failure = match error {
        AcquireError::Unavailable(diagnosis) => diagnosis.last_connect_failure.as_ref(),
        _ => None,
    };
    Some(failure.map_or_else(|| error.to_string(), |failure| failure.cause.to_string()))
}

/// What is wrong with a pool whose target works.
fn ailments(seen: &Seen<'_>) -> Vec<Issue> {
    let (stats, mut issues) = (&seen.now.stats, Vec::new());
    let delta = delta(seen);
    let (failed, created) = delta.as_ref().map_or((0, 0), |delta| (delta.connect_failed, delta.created));
    match &seen.connects_fail {
        Some(cause) => issues.push(Issue::NewConnectionsFail { cause: cause.clone() }),
        None if failed as f64 > FEW * (failed + created) as f64 => {
            issues.push(Issue::ConnectsFail { failed, attempts: failed + created });
        }
        None => {}
    }
    // A caller whose own timeout is too short for a connect says nothing of the pool.
    if seen.refused > 0 || (seen.was_full && seen.is_full) {
        issues.push(exhausted(seen));
    }
    if stats.min > 0 && stats.healthy() == 0 {
        issues.push(Issue::NoConnections);
    }
    if stats.leaked > 0 {
        issues.push(Issue::Leaks { connections: stats.leaked });
    }
    issues
}

fn exhausted(seen: &Seen<'_>) -> Issue {
    let stats = &seen.now.stats;
    // Where the pool has no observer, it is not known who was refused when: then all of them, if it is full at both ends.
    let in_all = delta(seen).map_or(0, |delta| delta.timed_out + delta.queue_full);
    let at_most = if seen.was_full && seen.is_full { in_all } else { 0 };
    Issue::Exhausted { active: stats.active, waiting: stats.waiting, refused: seen.refused.max(at_most) }
}

/// What happened between two snapshots, as far as it matters here.
struct Delta {
    released: u64,
    created: u64,
    connect_failed: u64,
    timed_out: u64,
    queue_full: u64,
}

/// Counters that were set to zero meanwhile count from there.
fn delta(seen: &Seen<'_>) -> Option<Delta> {
    let before = &seen.before?.counters;
    let now = &seen.now.counters;
    let since = |count: fn(&PoolCounters) -> u64| match count(now).checked_sub(count(before)) {
        Some(difference) => difference,
        None => count(now),
    };
    Some(Delta {
        released: since(|counters| counters.released),
        created: since(|counters| counters.created),
        connect_failed: since(|counters| counters.connect_failed),
        timed_out: since(|counters| counters.timed_out),
        queue_full: since(|counters| counters.queue_full),
    })
}
