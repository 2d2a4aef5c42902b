//! The sum of what all threads tell. Pure: batches go in, figures come out.
//!
//! A cycle counts when it began after the warm-up, whenever it ended. So every figure is about the same cycles,
//! and in each interval of the timeline, too, what began is what is counted. One that began in the warm-up counts
//! only if it was under way through all of the measured time: the caller who waits from beginning to end is the
//! one to tell of.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::durations::Durations;
use crate::failure::ErrorKind;
use crate::fairness::{Shares, Unfair};
use crate::record::{Batch, Cycle, Failures, Outcome, Unfinished};
use crate::reservoir::Reservoir;
use crate::result::{Attempts, Censored, Distribution, Errors, Fairness, KindOfError, TimesSample};
use crate::timeline::{Cycles, Track};

/// The most cycle times that a result lists: 1 MB of JSON.
const MOST_TIMES: usize = 100_000;

/// Everything that the threads have told so far.
#[derive(Debug)]
pub(crate) struct Tally {
    measured_from: u64,
    begun: u64,
    ok: u64,
    failed: u64,
    acquire_wait: Durations,
    r#use: Durations,
    release: Durations,
    response: Durations,
    times: Reservoir<u64>,
    track: Track<Cycles>,
    shares: Shares,
    errors: BTreeMap<ErrorKind, Failures>,
    /// Cycles that began in the warm-up and ended after it; at most one of each thread. Whether they count is known
    /// when the load ends.
    spanning: Vec<Cycle>,
    spanning_failures: Vec<Failures>,
    waiting: UnderWay,
    using: UnderWay,
    /// Cycles that count although they began in the warm-up.
    from_warm_up: u64,
}

/// Steps that had not ended when the run did.
#[derive(Debug, Clone, Copy, Default)]
struct UnderWay {
    count: u64,
    longest: u64,
}

impl UnderWay {
    fn add(&mut self, nanos: u64) {
        self.count += 1;
        self.longest = self.longest.max(nanos);
    }

    fn censored(self) -> Censored {
        let max_so_far = (self.count > 0).then_some(self.longest as f64 / 1e3);
        Censored { count: self.count, max_so_far }
    }
}

/// The figures of a run.
#[derive(Debug)]
pub(crate) struct Figures {
    pub(crate) attempts: Attempts,
    pub(crate) acquire_wait: Distribution,
    pub(crate) r#use: Distribution,
    pub(crate) release: Distribution,
    pub(crate) response: Distribution,
    pub(crate) times: Vec<f64>,
    pub(crate) times_sample: TimesSample,
    pub(crate) errors: Errors,
    pub(crate) fairness: Fairness,
    pub(crate) unfair: Option<Unfair>,
    pub(crate) track: Track<Cycles>,
}

impl Tally {
    pub(crate) fn new(threads: usize, seed: u64, measured_from: u64, ends: u64) -> Self {
        Tally {
            measured_from,
            begun: 0,
            ok: 0,
            failed: 0,
            acquire_wait: Durations::new(),
            r#use: Durations::new(),
            release: Durations::new(),
            response: Durations::new(),
            times: Reservoir::new(MOST_TIMES, seed),
            track: Track::new(),
            shares: Shares::new(threads, measured_from, ends),
            errors: BTreeMap::new(),
            spanning: Vec::new(),
            spanning_failures: Vec::new(),
            waiting: UnderWay::default(),
            using: UnderWay::default(),
            from_warm_up: 0,
        }
    }

    pub(crate) fn add(&mut self, batch: Batch) {
        self.shares.add(&batch);
        self.begun += batch.begun;
        for cycle in &batch.cycles {
            if cycle.begun >= self.measured_from {
                self.add_cycle(cycle);
            } else if cycle.ended() >= self.measured_from {
                self.spanning.push(*cycle);
            }
        }
        for failures in batch.failures {
            if failures.from_warm_up {
                self.spanning_failures.push(failures);
            } else {
                self.add_failures(failures);
            }
        }
        if let Some(unfinished) = batch.unfinished {
            self.add_unfinished(unfinished);
        }
    }

    fn add_cycle(&mut self, cycle: &Cycle) {
        let &Cycle { begun, wait, r#use, release, overtaken: _, outcome } = cycle;
        let point = self.track.at(begun.saturating_sub(self.measured_from));
        if outcome == Outcome::Ok {
            self.ok += 1;
            point.ok += 1;
            let whole = wait + r#use + release;
            self.response.record(whole);
            self.times.offer(whole);
        } else {
            self.failed += 1;
            point.failed += 1;
        }
        if outcome != Outcome::Refused {
            self.acquire_wait.record(wait);
            point.waited(wait);
        }
        if outcome.was_granted() {
            self.r#use.record(r#use);
            self.release.record(release);
            point.used(r#use);
        }
    }

    fn add_failures(&mut self, failures: Failures) {
        let known = self.errors.entry(failures.kind);
        known
            .and_modify(|known| {
                known.count += failures.count;
                known.last = known.last.max(failures.last);
                if failures.first < known.first {
                    known.first = failures.first;
                    known.sample.clone_from(&failures.sample);
                }
            })
            .or_insert(failures);
    }

    fn add_unfinished(&mut self, unfinished: Unfinished) {
        self.from_warm_up += u64::from(unfinished.begun < self.measured_from);
        match unfinished.granted {
            None => self.waiting.add(unfinished.ended.saturating_sub(unfinished.begun)),
            Some(granted) => self.using.add(unfinished.ended.saturating_sub(granted)),
        }
    }

    /// Counts what began in the warm-up and ended after the load.
    fn add_spanning(&mut self, ended: u64) {
        // A load that ended in its warm-up measured nothing.
        let measured = ended > self.measured_from;
        for cycle in std::mem::take(&mut self.spanning) {
            if measured && cycle.ended() >= ended {
                self.from_warm_up += 1;
                self.add_cycle(&cycle);
            }
        }
        for failures in std::mem::take(&mut self.spanning_failures) {
            if measured && failures.last >= ended {
                self.add_failures(failures);
            }
        }
    }

    pub(crate) fn ok(&self) -> u64 {
        self.ok
    }

    pub(crate) fn failed(&self) -> u64 {
        self.failed
    }

    /// What became of the cycles that began in the last whole second before this instant, and its length in
    /// seconds.
    pub(crate) fn last_interval(&self, now: u64) -> Option<(&Cycles, f64)> {
        self.track.last_complete(now.checked_sub(self.measured_from)?)
    }

    /// The figures of a run whose load ended at this instant.
    pub(crate) fn finish(mut self, ended: u64, acquire_timeout: Duration) -> Figures {
        self.add_spanning(ended);
        let attempts = Attempts {
            offered: self.begun + self.from_warm_up,
            started: self.begun + self.from_warm_up,
            ok: self.ok,
            failed: self.failed,
            late: 0,
            skipped: 0,
            retried: 0,
            still_waiting: self.waiting.count,
            still_in_use: self.using.count,
        };
        let acquire_wait = self.acquire_wait.distribution(self.waiting.censored());
        let tail_ratio = match (acquire_wait.p50, acquire_wait.p99) {
            (Some(p50), Some(p99)) if p50 > 0.0 => Some(p99 / p50),
            _ => None,
        };
        let (fairness, unfair) = self.shares.finish(ended, acquire_timeout, tail_ratio);
        let under_way = UnderWay {
            count: self.waiting.count + self.using.count,
            longest: self.waiting.longest.max(self.using.longest),
        };
        let (of, kept) = (self.times.offered(), self.times.kept().len() as u64);
        Figures {
            attempts,
            acquire_wait,
            r#use: self.r#use.distribution(self.using.censored()),
            release: self.release.distribution(Censored::default()),
            response: self.response.distribution(under_way.censored()),
            times: self.times.kept().iter().map(|nanos| *nanos as f64 / 1e6).collect(),
            times_sample: TimesSample {
                sampled: kept < of,
                of,
                kept,
                method: String::from(if kept < of { "algorithm R, seeded" } else { "all" }),
            },
            errors: errors(self.failed, self.errors),
            fairness,
            unfair,
            track: self.track,
        }
    }
}

fn errors(total: u64, kinds: BTreeMap<ErrorKind, Failures>) -> Errors {
    let told = |failures: Failures| KindOfError {
        count: failures.count,
        phase: failures.phase,
        first_at_ms: failures.first as f64 / 1e6,
        last_at_ms: failures.last as f64 / 1e6,
        sample: failures.sample,
    };
    Errors { total, by_kind: kinds.into_iter().map(|(kind, failures)| (kind, told(failures))).collect() }
}

impl Attempts {
    /// Whether every attempt has exactly one end.
    pub(crate) fn add_up(&self) -> bool {
        self.offered == self.ok + self.failed + self.skipped + self.still_waiting + self.still_in_use
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::failure::Phase;

    const MS: u64 = 1_000_000;

    fn tally() -> Tally {
        Tally::new(2, 42, 1_000 * MS, 3_000 * MS)
    }

    fn batch(begun: u64, cycles: Vec<Cycle>) -> Batch {
        Batch { thread: 0, begun, cycles, failures: Vec::new(), unfinished: None }
    }

    fn cycle(begun: u64, wait: u64, outcome: Outcome) -> Cycle {
        Cycle { begun: begun * MS, wait: wait * MS, r#use: 2 * MS, release: MS, overtaken: 0, outcome }
    }

    fn finish(tally: Tally) -> Figures {
        tally.finish(3_000 * MS, Duration::from_secs(1))
    }

    #[test]
    fn only_cycles_that_began_after_the_warm_up_count() {
        let mut tally = tally();
        // The first began in the warm-up and ended after it; the last began in time and ended after the load.
        let cycles =
            [(900, 200), (1_200, 1), (2_999, 700)].map(|(begun, wait)| cycle(begun, wait, Outcome::Ok));
        tally.add(batch(2, cycles.to_vec()));
        let figures = finish(tally);
        assert_eq!((figures.attempts.ok, figures.attempts.offered), (2, 2));
        assert!(figures.attempts.add_up());
        assert_eq!(figures.acquire_wait.count, 2);
        assert_eq!(figures.acquire_wait.max, Some(700_000.0));
        assert_eq!(figures.response.max, Some(703_000.0));
        assert_eq!(figures.times, [4.0, 703.0]);
    }

    #[test]
    fn a_cycle_under_way_from_the_warm_up_to_the_end_counts() {
        let mut tally = tally();
        let mut spanning = batch(0, vec![cycle(900, 2_200, Outcome::TimedOut)]);
        spanning.failures.push(Failures {
            from_warm_up: true,
            kind: ErrorKind::AcquireTimeout,
            phase: Phase::Acquire,
            count: 1,
            first: 3_100 * MS,
            last: 3_100 * MS,
            sample: String::from("none within 2.2s"),
        });
        tally.add(spanning);
        let figures = finish(tally);
        assert_eq!((figures.attempts.failed, figures.attempts.offered), (1, 1));
        assert_eq!(figures.acquire_wait.max, Some(2_200_000.0));
        assert_eq!(figures.errors.by_kind[&ErrorKind::AcquireTimeout].count, 1);
    }

    #[test]
    fn a_timeout_is_a_wait_and_a_refusal_is_none() {
        let mut tally = tally();
        let outcomes = [Outcome::Ok, Outcome::TimedOut, Outcome::Refused, Outcome::QueryFailed];
        tally.add(batch(4, outcomes.map(|outcome| cycle(1_500, 10, outcome)).to_vec()));
        let figures = finish(tally);
        assert_eq!((figures.attempts.ok, figures.attempts.failed), (1, 3));
        assert_eq!(figures.errors.total, 3);
        assert_eq!(figures.acquire_wait.count, 3);
        assert_eq!((figures.r#use.count, figures.release.count), (2, 2));
        assert_eq!((figures.response.count, figures.times_sample.of), (1, 1));
    }

    #[test]
    fn the_first_message_of_all_threads_is_the_one_that_is_kept() {
        let mut tally = tally();
        for (first, sample) in [(1_700, "second"), (1_200, "first"), (2_000, "third")] {
            let mut batch = batch(0, Vec::new());
            batch.failures.push(Failures {
                from_warm_up: false,
                kind: ErrorKind::Busy,
                phase: Phase::Use,
                count: 2,
                first: first * MS,
                last: (first + 50) * MS,
                sample: sample.to_owned(),
            });
            tally.add(batch);
        }
        let errors = finish(tally).errors;
        let busy = &errors.by_kind[&ErrorKind::Busy];
        assert_eq!((busy.count, busy.first_at_ms, busy.last_at_ms), (6, 1_200.0, 2_050.0));
        assert_eq!(busy.sample, "first");
    }

    #[test]
    fn what_never_ended_is_censored_and_the_attempts_still_add_up() {
        let mut tally = tally();
        let mut waiting = batch(0, Vec::new());
        waiting.unfinished =
            Some(Unfinished { begun: 900 * MS, granted: None, overtaken: 0, ended: 3_100 * MS });
        tally.add(waiting);
        let mut using = batch(1, Vec::new());
        using.unfinished = Some(Unfinished {
            begun: 2_000 * MS,
            granted: Some(2_500 * MS),
            overtaken: 0,
            ended: 3_100 * MS,
        });
        tally.add(using);
        let figures = finish(tally);
        assert_eq!(figures.acquire_wait.count, 0);
        assert_eq!(figures.acquire_wait.censored, Censored { count: 1, max_so_far: Some(2_200_000.0) });
        assert_eq!(figures.r#use.censored, Censored { count: 1, max_so_far: Some(600_000.0) });
        assert_eq!(figures.response.censored.count, 2);
        assert_eq!((figures.attempts.still_waiting, figures.attempts.still_in_use), (1, 1));
        assert_eq!(figures.attempts.offered, 2);
        assert!(figures.attempts.add_up());
    }
}
