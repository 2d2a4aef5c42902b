//! How long callers waited within a window, and how evenly they were served.

use std::time::Duration;

use hdrhistogram::Histogram;

use crate::board::Board;
use crate::clock;
use crate::fairness::jain;

/// A wait that ended, in nanoseconds of its board.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ended {
    pub(crate) since: u64,
    pub(crate) until: u64,
}

/// A window that was watched, with the waits that were still open at its end.
#[derive(Debug)]
pub(crate) struct Watched {
    began: u64,
    ended: u64,
    open: Vec<Option<u64>>,
}

/// What a window shows.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Waits {
    pub(crate) p50_us: f64,
    pub(crate) p99_us: f64,
    pub(crate) p999_us: f64,
    pub(crate) max_us: f64,
    /// Jain's index of operations per caller: 1 = all the same, 1/n = one caller had everything.
    pub(crate) jain: f64,
    pub(crate) fewest: u64,
    pub(crate) most: u64,
    /// Callers without a single operation.
    pub(crate) starved: usize,
}

impl Watched {
    /// Lets `warm_up` pass, watches for `window`.
    pub(crate) fn during(board: &Board, warm_up: Duration, window: Duration) -> Self {
        clock::pass(warm_up);
        let began = board.elapsed();
        clock::pass(window);
        let ended = board.elapsed();
        Watched { began, ended, open: board.open_waits() }
    }

    /// Judges the waits of all callers, one list each.
    ///
    /// A wait belongs to the window in which it ended, with its whole length; one that was open at the end counts
    /// with its length so far, or else the callers who never get anything would not be seen.
    pub(crate) fn evaluate(&self, callers: &[Vec<Ended>]) -> Waits {
        let mut lengths = Histogram::<u64>::new(3).expect("3 is from 0 to 5");
        let mut record = |length| lengths.record(length).expect("a histogram that grows takes every value");
        let mut operations = Vec::with_capacity(callers.len());
        for waits in callers {
            let within: Vec<_> =
                waits.iter().filter(|wait| (self.began..self.ended).contains(&wait.until)).collect();
            for wait in &within {
                record(wait.until - wait.since);
            }
            operations.push(within.len() as u64);
        }
        for since in self.open.iter().flatten() {
            record(self.ended.saturating_sub(*since));
        }
        let us = |ns: u64| ns as f64 / 1000.0;
        Waits {
            p50_us: us(lengths.value_at_quantile(0.5)),
            p99_us: us(lengths.value_at_quantile(0.99)),
            p999_us: us(lengths.value_at_quantile(0.999)),
            max_us: us(lengths.max()),
            jain: jain(&operations),
            fewest: operations.iter().copied().min().unwrap_or(0),
            most: operations.iter().copied().max().unwrap_or(0),
            starved: operations.iter().filter(|count| **count == 0).count(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn window(open: Vec<Option<u64>>) -> Watched {
        Watched { began: 1_000_000, ended: 2_000_000, open }
    }

    #[test]
    fn percentiles_are_those_of_the_waits_that_ended_in_the_window() {
        let waits = (1..=1000).map(|n| Ended { since: 1_500_000 - n * 1000, until: 1_500_000 });
        let before = Ended { since: 0, until: 999_999 };
        let after = Ended { since: 0, until: 2_000_000 };
        let list: Vec<_> = waits.chain([before, after]).collect();
        let found = window(vec![None]).evaluate(&[list]);
        let about = |found: f64, expected: f64| (found - expected).abs() <= expected * 0.002;
        assert!(about(found.p50_us, 500.0), "{found:?}");
        assert!(about(found.p99_us, 990.0), "{found:?}");
        assert!(about(found.p999_us, 999.0), "{found:?}");
        assert!(about(found.max_us, 1000.0), "{found:?}");
        assert_eq!((found.fewest, found.most, found.starved), (1000, 1000, 0));
    }

    #[test]
    fn a_caller_that_never_gets_anything_is_seen() {
        let served = vec![Ended { since: 1_100_000, until: 1_101_000 }; 9];
        let found = window(vec![None, Some(500_000)]).evaluate(&[served, Vec::new()]);
        assert_eq!((found.fewest, found.most, found.starved), (0, 9, 1));
        assert_eq!(found.jain, 0.5);
        assert!(found.max_us >= 1500.0, "its wait counts with its length so far: {found:?}");
    }
}
