//! The calls that a breaker judges by, in memory that does not grow with their number.
//!
//! A window of calls keeps two bits for each. A window of time keeps sums for thirty slices of it; a slice that has grown
//! too old is forgotten as a whole, so the window covers between 29 and 30 thirtieths of its time.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::time::Instant;

use super::settings::BreakerWindow;

/// Slices of a window of time. A window of 30 s then moves by a second, as resilience4j's do.
const SLICES: u32 = 30;

/// What came of one call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Verdict {
    pub(super) failed: bool,
    pub(super) slow: bool,
}

/// How many calls of which kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Tally {
    pub(super) calls: u64,
    pub(super) failed: u64,
    pub(super) slow: u64,
    pub(super) slow_failed: u64,
}

impl Tally {
    fn add(&mut self, verdict: Verdict) {
        self.calls += 1;
        self.failed += u64::from(verdict.failed);
        self.slow += u64::from(verdict.slow);
        self.slow_failed += u64::from(verdict.failed && verdict.slow);
    }

    fn remove(&mut self, verdict: Verdict) {
        self.calls -= 1;
        self.failed -= u64::from(verdict.failed);
        self.slow -= u64::from(verdict.slow);
        self.slow_failed -= u64::from(verdict.failed && verdict.slow);
    }

    fn plus(self, other: Tally) -> Tally {
        Tally {
            calls: self.calls + other.calls,
            failed: self.failed + other.failed,
            slow: self.slow + other.slow,
            slow_failed: self.slow_failed + other.slow_failed,
        }
    }
}

/// See the module's first lines.
#[derive(Debug)]
pub(super) enum CallWindow {
    Count {
        size: usize,
        verdicts: VecDeque<Verdict>,
        /// Invariant: the tally of `verdicts`; summing up 100,000 for each call would take too long.
        tally: Tally,
    },
    Time {
        start: Instant,
        slice: Duration,
        /// Slices with calls in them, by their number since `start`, oldest first; thirty at most.
        slices: VecDeque<(u128, Tally)>,
    },
}

impl CallWindow {
    pub(super) fn new(window: BreakerWindow, now: Instant) -> Self {
        match window {
            BreakerWindow::Count(size) => CallWindow::of_calls(size),
            BreakerWindow::Time(span) => {
                CallWindow::Time { start: now, slice: span / SLICES, slices: VecDeque::new() }
            }
        }
    }

    pub(super) fn of_calls(size: u32) -> Self {
        let size = usize::try_from(size).unwrap_or(usize::MAX);
        CallWindow::Count { size, verdicts: VecDeque::new(), tally: Tally::default() }
    }

    pub(super) fn record(&mut self, verdict: Verdict, now: Instant) {
        match self {
            CallWindow::Count { size, verdicts, tally } => {
                if verdicts.len() == *size
                    && let Some(oldest) = verdicts.pop_front()
                {
                    tally.remove(oldest);
                }
                verdicts.push_back(verdict);
                tally.add(verdict);
            }
            CallWindow::Time { start, slice, slices } => {
                let number = number(*start, *slice, now);
                slices.retain(|(old, _)| is_recent(*old, number));
                match slices.back_mut() {
                    Some((last, tally)) if *last == number => tally.add(verdict),
                    _ => {
                        let mut tally = Tally::default();
                        tally.add(verdict);
                        slices.push_back((number, tally));
                    }
                }
            }
        }
    }

    pub(super) fn tally(&self, now: Instant) -> Tally {
        match self {
            CallWindow::Count { tally, .. } => *tally,
            CallWindow::Time { start, slice, slices } => {
                let number = number(*start, *slice, now);
                let recent = slices.iter().filter(|(old, _)| is_recent(*old, number));
                recent.fold(Tally::default(), |sum, (_, tally)| sum.plus(*tally))
            }
        }
    }
}

fn number(start: Instant, slice: Duration, now: Instant) -> u128 {
    now.saturating_duration_since(start).as_nanos() / slice.as_nanos().max(1)
}

fn is_recent(old: u128, number: u128) -> bool {
    old + u128::from(SLICES) > number
}

#[cfg(test)]
mod tests {
    use super::*;

    const BAD: Verdict = Verdict { failed: true, slow: false };
    const SLOW: Verdict = Verdict { failed: false, slow: true };

    #[test]
    fn a_window_of_calls_forgets_the_oldest() {
        let now = Instant::now();
        let mut window = CallWindow::of_calls(2);
        for verdict in [BAD, Verdict { failed: true, slow: true }, SLOW, SLOW] {
            window.record(verdict, now);
        }
        assert_eq!(window.tally(now), Tally { calls: 2, failed: 0, slow: 2, slow_failed: 0 });
    }

    #[test]
    fn a_window_of_time_forgets_by_slices_and_holds_thirty_at_most() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut window = CallWindow::new(BreakerWindow::Time(Duration::from_secs(30)), start);
        window.record(BAD, at(0));
        window.record(SLOW, at(1));
        assert_eq!(window.tally(at(29)).calls, 2);
        assert_eq!(window.tally(at(30)), Tally { calls: 1, failed: 0, slow: 1, slow_failed: 0 });
        assert_eq!(window.tally(at(31)).calls, 0);
        for second in 0..10_000 {
            (0..3).for_each(|_| window.record(BAD, at(second)));
        }
        let CallWindow::Time { slices, .. } = &window else { unreachable!("made as one of time") };
        assert_eq!((slices.len(), window.tally(at(9_999)).calls), (30, 90));
    }
}
