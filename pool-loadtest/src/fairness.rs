//! Whether all threads were served alike. Pure: what each thread got goes in, figures and a judgement come out.

use std::time::Duration;

use crate::clock::nanos;
use crate::histogram;
use crate::record::{Batch, Cycle};
use crate::result::{Fairness, Overtakes, ThreadAcquires, ThreadGaps};
use crate::stats::{jain, nearest_rank};

/// A thread is starved when it went without a connection for this many times the mean gap.
const LONG_GAP: u64 = 10;

/// Being overtaken by this many times the number of threads is no accident of scheduling: in order of arrival it
/// is a few, whatever the load.
const MANY_OVERTAKES: u64 = 10;

/// What one thread got in the measured time.
#[derive(Debug, Clone, Copy, Default)]
struct Share {
    grants: u64,
    /// When it last got a connection.
    last: u64,
    longest_gap: u64,
    most_overtaken: u64,
}

/// What all threads got.
#[derive(Debug)]
pub(crate) struct Shares {
    measured_from: u64,
    /// Beyond this no gap counts: nobody asks for connections any more.
    ends: u64,
    threads: Vec<Share>,
    overtakes: hdrhistogram::Histogram<u64>,
    overtaken: u64,
    most: u64,
}

impl Shares {
    pub(crate) fn new(threads: usize, measured_from: u64, ends: u64) -> Self {
        Shares {
            measured_from,
            ends,
            threads: vec![Share { last: measured_from, ..Share::default() }; threads],
            overtakes: histogram::growing(),
            overtaken: 0,
            most: 0,
        }
    }

    /// Takes in what a thread tells. Batches of one thread come in order.
    pub(crate) fn add(&mut self, batch: &Batch) {
        for cycle in &batch.cycles {
            self.add_cycle(batch.thread, cycle);
        }
        if let Some(unfinished) = &batch.unfinished {
            self.overtaken_by(batch.thread, unfinished.overtaken);
        }
    }

    fn add_cycle(&mut self, thread: usize, cycle: &Cycle) {
        let measured = cycle.begun >= self.measured_from;
        let share = &mut self.threads[thread];
        if cycle.outcome.was_granted() {
            let granted = (cycle.begun + cycle.wait).clamp(self.measured_from, self.ends);
            // Also of a cycle that began in the warm-up: the gap ends with it all the same.
            share.longest_gap = share.longest_gap.max(granted - share.last);
            share.last = granted;
            share.grants += u64::from(measured);
        }
        if measured {
            histogram::record(&mut self.overtakes, cycle.overtaken);
            self.overtaken += u64::from(cycle.overtaken > 0);
        }
        // Also of a cycle that began in the warm-up: whoever was passed over was passed over in the measured time.
        if cycle.ended() >= self.measured_from {
            self.overtaken_by(thread, cycle.overtaken);
        }
    }

    fn overtaken_by(&mut self, thread: usize, others: u64) {
        let share = &mut self.threads[thread];
        share.most_overtaken = share.most_overtaken.max(others);
        self.most = self.most.max(others);
    }

    /// The figures of a run whose load ended at this instant.
    pub(crate) fn finish(
        mut self,
        ended: u64,
        acquire_timeout: Duration,
        wait_tail_ratio: Option<f64>,
    ) -> (Fairness, Option<Unfair>) {
        let ended = ended.max(self.measured_from);
        for share in &mut self.threads {
            share.longest_gap = share.longest_gap.max(ended.saturating_sub(share.last));
        }
        let grants: u64 = self.threads.iter().map(|share| share.grants).sum();
        let threads = self.threads.len() as u64;
        let window = ended - self.measured_from;
        let mean_gap = (u128::from(window) * u128::from(threads)).checked_div(u128::from(grants));
        let mean_gap = mean_gap.and_then(|gap| u64::try_from(gap).ok()).unwrap_or(u64::MAX);
        let limit = mean_gap.saturating_mul(LONG_GAP).max(nanos(acquire_timeout));
        let starved = |share: &&Share| window > 0 && (share.grants == 0 || share.longest_gap > limit);
        let starved: Vec<&Share> = self.threads.iter().filter(starved).collect();

        let passed_over = |share: &&&Share| share.most_overtaken > MANY_OVERTAKES * threads;
        let passed_over = starved.iter().filter(passed_over).max_by_key(|share| share.most_overtaken);
        let unfair = passed_over.map(|share| Unfair {
            starved: starved.len() as u64,
            threads,
            overtaken: share.most_overtaken,
        });

        let mut acquires: Vec<u64> = self.threads.iter().map(|share| share.grants).collect();
        let jain = jain(&acquires);
        acquires.sort_unstable();
        let mut gaps: Vec<f64> = self.threads.iter().map(|share| share.longest_gap as f64 / 1e6).collect();
        gaps.sort_unstable_by(f64::total_cmp);
        let acquires_at = |percent| nearest_rank(&acquires, percent).unwrap_or(0);
        let gap_at = |percent| nearest_rank(&gaps, percent).unwrap_or(0.0);
        let fairness = Fairness {
            jain,
            wait_tail_ratio,
            thread_acquires: ThreadAcquires {
                min: acquires_at(0.0),
                p50: acquires_at(50.0),
                max: acquires_at(100.0),
            },
            thread_max_gap_ms: ThreadGaps { p50: gap_at(50.0), p99: gap_at(99.0), max: gap_at(100.0) },
            starved_threads: starved.len() as u64,
            overtakes: Overtakes {
                count: self.overtaken,
                p99: self.overtakes.value_at_quantile(0.99),
                max: self.most,
            },
        };
        (fairness, unfair)
    }
}

/// Threads went without a connection while others were served past them: a defect of the pool.
///
/// Starvation alone is none. In an outage everyone starves, and a pool far too small for its callers cannot serve
/// all of them in time, in whatever order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Unfair {
    /// Threads that were starved.
    pub(crate) starved: u64,
    /// All threads.
    pub(crate) threads: u64,
    /// Later callers that were served before one of the starved.
    pub(crate) overtaken: u64,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::{Outcome, Unfinished};

    const MS: u64 = 1_000_000;
    const TIMEOUT: Duration = Duration::from_millis(100);

    fn granted_at(millis: u64, overtaken: u64) -> Cycle {
        Cycle { begun: millis * MS, wait: 0, r#use: 0, release: 0, overtaken, outcome: Outcome::Ok }
    }

    fn batch(thread: usize, cycles: Vec<Cycle>) -> Batch {
        Batch { thread, begun: 0, cycles, failures: Vec::new(), unfinished: None }
    }

    /// Two threads, measured from 1 s to 2 s.
    fn shares() -> Shares {
        Shares::new(2, 1_000 * MS, 2_000 * MS)
    }

    #[test]
    fn equal_shares_are_fair() {
        let mut shares = shares();
        for thread in 0..2 {
            shares.add(&batch(thread, (0..100).map(|n| granted_at(1_000 + n * 10, 0)).collect()));
        }
        let (fairness, unfair) = shares.finish(2_000 * MS, TIMEOUT, Some(1.5));
        assert_eq!(fairness.jain, Some(1.0));
        assert_eq!(fairness.thread_acquires, ThreadAcquires { min: 100, p50: 100, max: 100 });
        assert_eq!(fairness.thread_max_gap_ms, ThreadGaps { p50: 10.0, p99: 10.0, max: 10.0 });
        assert_eq!((fairness.starved_threads, unfair), (0, None));
        assert_eq!(fairness.overtakes, Overtakes { count: 0, p99: 0, max: 0 });
    }

    #[test]
    fn a_thread_that_waits_while_all_others_pass_is_starved_by_the_pool() {
        let mut shares = shares();
        shares.add(&batch(0, (0..1_000).map(|n| granted_at(1_000 + n, 0)).collect()));
        let mut waiting = batch(1, Vec::new());
        // It began in the warm-up and never ended: no percentile knows of it.
        waiting.unfinished =
            Some(Unfinished { begun: 900 * MS, granted: None, overtaken: 950, ended: 2_000 * MS });
        shares.add(&waiting);
        let (fairness, unfair) = shares.finish(2_000 * MS, TIMEOUT, None);
        assert_eq!(fairness.starved_threads, 1);
        assert_eq!(fairness.jain, Some(0.5));
        assert_eq!(fairness.thread_max_gap_ms.max, 1_000.0);
        assert_eq!(fairness.overtakes.max, 950);
        assert_eq!(unfair, Some(Unfair { starved: 1, threads: 2, overtaken: 950 }));
    }

    #[test]
    fn an_outage_starves_everyone_and_is_nobodys_unfairness() {
        let mut shares = shares();
        for thread in 0..2 {
            shares.add(&batch(thread, (0..100).map(|n| granted_at(1_000 + n, 0)).collect()));
            shares.add(&batch(thread, (0..100).map(|n| granted_at(1_800 + n, 1)).collect()));
        }
        let (fairness, unfair) = shares.finish(2_000 * MS, TIMEOUT, None);
        assert_eq!(fairness.starved_threads, 2);
        assert_eq!(unfair, None);
    }

    #[test]
    fn a_gap_counts_from_the_warm_ups_end_to_the_loads_end() {
        let mut shares = shares();
        shares.add(&batch(0, vec![granted_at(10, 0), granted_at(1_300, 0), granted_at(2_400, 0)]));
        shares.add(&batch(1, vec![granted_at(1_500, 0)]));
        let (fairness, _) = shares.finish(2_000 * MS, Duration::from_secs(9), None);
        assert_eq!(fairness.thread_max_gap_ms, ThreadGaps { p50: 500.0, p99: 700.0, max: 700.0 });
        assert_eq!(fairness.thread_acquires.max, 2);
    }

    #[test]
    fn a_run_that_was_not_measured_starves_nobody() {
        let (fairness, unfair) = shares().finish(500 * MS, TIMEOUT, None);
        assert_eq!((fairness.starved_threads, fairness.jain, unfair), (0, None, None));
        assert_eq!(fairness.thread_max_gap_ms.max, 0.0);
    }

    #[test]
    fn refused_cycles_are_no_grants() {
        let mut shares = shares();
        let refused = Cycle { outcome: Outcome::Refused, ..granted_at(1_100, 3) };
        shares.add(&batch(0, vec![refused]));
        let (fairness, _) = shares.finish(2_000 * MS, TIMEOUT, None);
        assert_eq!(fairness.thread_acquires.max, 0);
        assert_eq!(fairness.overtakes, Overtakes { count: 1, p99: 3, max: 3 });
    }
}
