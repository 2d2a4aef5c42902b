//! What a run comes to. Pure arithmetic over what was seen.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Serialize;

use super::contender::Failure;
use super::experiment::Trace;
use super::record::{Outcome, Request};
use super::throughput::{WINDOW, back_to_normal, densest};

/// A connection that was idle for less may be handed out unchecked: the default of our pool. Pools of equal settings check
/// every hand-out; figures tell both apart all the same.
pub(crate) const BYPASS: Duration = Duration::from_millis(500);
/// A hand-out so soon after the fault may have been checked before it.
const ONSET: Duration = Duration::from_millis(20);
/// The window of the storm.
const STORM: Duration = Duration::from_millis(100);
/// How long the pool must have been back before a run is over.
const CALM: Duration = Duration::from_secs(1);

/// The figures of one run. Times in milliseconds.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Figures {
    /// From the fault to the first error that a request met before the heal. None: nobody met one.
    pub(crate) t_detect_ms: Option<f64>,
    /// The most by which an acquire outlasted its limit. None: there is no limit.
    pub(crate) overrun_ms: Option<f64>,
    /// Connections handed out while the database was gone, after 500 ms idle or more, over which the query failed.
    pub(crate) dead_handouts: usize,
    /// The same after less.
    pub(crate) dead_handouts_in_window: usize,
    /// The time that callers spent in acquire between fault and heal, all together.
    pub(crate) blocked_caller_seconds: f64,
    /// Connects begun between fault and heal.
    pub(crate) connect_attempts: usize,
    /// The most connects of these in any one second.
    pub(crate) peak_connects_per_second: usize,
    /// Acquires that began after the first one had failed, and failed before the heal.
    pub(crate) errors_while_down: usize,
    /// Of these, how long the median took.
    pub(crate) error_p50_ms: Option<f64>,
    /// And the 99th of a hundred.
    pub(crate) error_p99_ms: Option<f64>,
    /// Of these, the share that was told the cause, in percent.
    pub(crate) explained_pct: Option<f64>,
    /// From the heal to the first success. None: there was none.
    pub(crate) t_first_ms: Option<f64>,
    /// From the heal to the beginning of the first second in which 95 % of the baseline got done.
    pub(crate) t95_ms: Option<f64>,
    /// From the heal to the last error; 0: there was none.
    pub(crate) last_error_ms: f64,
    /// The most connects in any 100 ms after the heal.
    pub(crate) storm_per100_ms: usize,
    /// Of 10 connections, how many cannot be had any more.
    pub(crate) leaked_slots: usize,
    /// Tasks that outlive the pool by a second.
    pub(crate) leaked_tasks: usize,
    /// What the process has grown by since before the fault.
    pub(crate) memory_delta_bytes: f64,
    /// From the fault to the heal.
    pub(crate) outage_ms: f64,
    /// What got done in a second before the fault.
    pub(crate) baseline_per_second: f64,
    /// Requests that found too many under way.
    pub(crate) turned_away: usize,
    /// How much later than scheduled 99 of a hundred requests began at most: more than a few milliseconds, and the machine was
    /// too busy to be measured on.
    pub(crate) arrival_lag_p99_ms: f64,
    /// What requests were told, and how often.
    pub(crate) errors: BTreeMap<String, usize>,
}

impl Figures {
    /// Of one run.
    pub(crate) fn of(trace: &Trace) -> Self {
        let Trace { fault, heal, requests, .. } = trace;
        let down = *fault..*heal;
        let errors = || requests.iter().filter_map(|request| Some((request, failure(request)?)));
        let first_error = errors().map(|(request, _)| request.ended).filter(|at| down.contains(at)).min();
        let refused = while_down(trace);
        let mut waits: Vec<_> = refused.iter().map(|(request, _)| request.acquired - request.began).collect();
        waits.sort_unstable();
        let explained = refused.iter().filter(|(_, failure)| failure.explained).count();
        let per_second = Self::baseline_of(requests, trace.baseline, *fault);
        let done = done(requests);
        let attempts: Vec<_> = trace.connects.iter().copied().filter(|at| down.contains(at)).collect();
        let after: Vec<_> =
            trace.connects.iter().copied().filter(|at| (*heal..trace.end).contains(at)).collect();
        let (dead_handouts, dead_handouts_in_window) = dead_handouts(trace);
        Figures {
            t_detect_ms: first_error.map(|at| ms(at - *fault)),
            overrun_ms: trace.limit.map(|limit| ms(overrun(requests, limit))),
            dead_handouts,
            dead_handouts_in_window,
            blocked_caller_seconds: blocked(requests, *fault, *heal).as_secs_f64(),
            connect_attempts: attempts.len(),
            peak_connects_per_second: densest(&attempts, WINDOW),
            errors_while_down: refused.len(),
            error_p50_ms: percentile(&waits, 50).map(ms),
            error_p99_ms: percentile(&waits, 99).map(ms),
            explained_pct: (!refused.is_empty()).then(|| 100.0 * explained as f64 / refused.len() as f64),
            t_first_ms: done.iter().find(|at| *at >= heal).map(|at| ms(*at - *heal)),
            t95_ms: back_to_normal(&done, per_second, *heal, trace.end).map(ms),
            last_error_ms: errors()
                .map(|(request, _)| ms(request.ended.saturating_sub(*heal)))
                .fold(0.0, f64::max),
            storm_per100_ms: densest(&after, STORM),
            leaked_slots: trace.residue.slots,
            leaked_tasks: trace.residue.tasks,
            memory_delta_bytes: trace.residue.bytes,
            outage_ms: ms(*heal - *fault),
            baseline_per_second: per_second,
            turned_away: trace.turned_away.len(),
            arrival_lag_p99_ms: percentile(&lags(requests), 99).map_or(0.0, ms),
            errors: tally(errors().map(|(_, failure)| failure)),
        }
    }

    /// What got done in a second between two moments.
    pub(crate) fn baseline_of(requests: &[Request], from: Duration, to: Duration) -> f64 {
        let within = done(requests).into_iter().filter(|at| (from..to).contains(at)).count();
        within as f64 / (to - from).as_secs_f64()
    }
}

/// Whether the pool has been back for a while and nobody meets an error any more.
pub(crate) fn is_settled(requests: &[Request], per_second: f64, heal: Duration, now: Duration) -> bool {
    let back = back_to_normal(&done(requests), per_second, heal, now);
    let last_error =
        requests.iter().filter(|request| failure(request).is_some()).map(|error| error.ended).max();
    back.is_some_and(|back| now >= heal + back + WINDOW + CALM)
        && last_error.is_none_or(|at| now >= at + CALM)
}

/// When requests were answered, in order.
fn done(requests: &[Request]) -> Vec<Duration> {
    let mut done: Vec<_> =
        requests.iter().filter(|one| one.outcome == Outcome::Done).map(|one| one.ended).collect();
    done.sort_unstable();
    done
}

fn failure(request: &Request) -> Option<&Failure> {
    match &request.outcome {
        Outcome::NotAcquired(failure) | Outcome::NotAnswered(failure) => Some(failure),
        Outcome::Done | Outcome::CutOff => None,
    }
}

/// The acquires that failed when it was known that they would: those that began after the first had failed.
fn while_down(trace: &Trace) -> Vec<(&Request, &Failure)> {
    let refused = trace.requests.iter().filter_map(|request| match &request.outcome {
        Outcome::NotAcquired(failure) if (trace.fault..trace.heal).contains(&request.acquired) => {
            Some((request, failure))
        }
        _ => None,
    });
    let refused: Vec<_> = refused.collect();
    let Some(first) = refused.iter().map(|(request, _)| request.acquired).min() else { return refused };
    refused.into_iter().filter(|(request, _)| request.began >= first).collect()
}

/// How late requests began, in order.
fn lags(requests: &[Request]) -> Vec<Duration> {
    let mut lags: Vec<_> =
        requests.iter().map(|request| request.began.saturating_sub(request.scheduled)).collect();
    lags.sort_unstable();
    lags
}

fn overrun(requests: &[Request], limit: Duration) -> Duration {
    let longest = requests.iter().map(|request| request.acquired - request.began).max().unwrap_or_default();
    longest.saturating_sub(limit)
}

/// Dead connections that were handed out after [`BYPASS`] idle, and after less.
///
/// A hand-out is dead when the database was gone, and had been for [`ONSET`], and the query over it failed. What was
/// handed out before, and died in use, is not the pool's fault; nor is what would have been answered after the heal.
fn dead_handouts(trace: &Trace) -> (usize, usize) {
    let dead = trace.requests.iter().filter(|request| {
        matches!(request.outcome, Outcome::NotAnswered(_))
            && (trace.in_force + ONSET..trace.heal).contains(&request.acquired)
    });
    let (due, in_window): (Vec<_>, Vec<_>) =
        dead.partition(|request| request.idle.is_some_and(|idle| idle >= BYPASS));
    (due.len(), in_window.len())
}

/// What of the time between two moments callers spent in acquire.
fn blocked(requests: &[Request], from: Duration, to: Duration) -> Duration {
    requests.iter().map(|request| request.acquired.min(to).saturating_sub(request.began.max(from))).sum()
}

/// The figure that so many of a hundred do not exceed; of sorted ones.
fn percentile(sorted: &[Duration], percent: usize) -> Option<Duration> {
    let rank = (sorted.len() * percent).div_ceil(100);
    sorted.get(rank.checked_sub(1)?).copied()
}

fn tally<'a>(failures: impl Iterator<Item = &'a Failure>) -> BTreeMap<String, usize> {
    let mut tally = BTreeMap::new();
    for failure in failures {
        *tally.entry(failure.kind.clone()).or_default() += 1;
    }
    tally
}

fn ms(duration: Duration) -> f64 {
    // To a tenth of a millisecond: more digits would tell of the scheduler.
    (duration.as_secs_f64() * 10_000.0).round() / 10.0
}

#[cfg(test)]
mod tests;
