//! Runs a transaction again when the database says that this may help.

use std::time::Duration;

use tokio::time::{Instant, sleep};

/// How often, and for how long, a transaction is run again that failed for a reason which may have gone: a
/// serialization failure, a deadlock, a lock that did not come in time.
///
/// Between two attempts it waits a random time from `first_pause` to three times the last pause, at most
/// `longest_pause` ("decorrelated jitter", Marc Brooker, "Exponential Backoff and Jitter", 2015), and holds no
/// connection.
///
/// # Examples
///
/// ```
/// # use std::time::Duration;
/// # #[cfg(feature = "sqlite")]
/// use pool_drivers::sqlite::Retry;
/// # #[cfg(feature = "sqlite")]
/// let patient = Retry { attempts: 20, budget: Duration::from_secs(60), ..Retry::default() };
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retry {
    /// The most attempts, the first one included. Default 5; 0 and 1 = never again.
    pub attempts: u32,
    /// No attempt begins when this much time has passed since the first. Default 10 s.
    pub budget: Duration,
    /// The shortest pause. Default 5 ms.
    pub first_pause: Duration,
    /// The longest pause. Default 500 ms.
    pub longest_pause: Duration,
}

impl Default for Retry {
    fn default() -> Self {
        Retry {
            attempts: 5,
            budget: Duration::from_secs(10),
            first_pause: Duration::from_millis(5),
            longest_pause: Duration::from_millis(500),
        }
    }
}

/// The attempts of one transaction.
#[derive(Debug)]
pub(super) struct Attempts {
    retry: Retry,
    begun: Instant,
    made: u32,
    pause: Duration,
}

impl Attempts {
    pub(super) fn new(retry: Retry) -> Self {
        Attempts { retry, begun: Instant::now(), made: 1, pause: retry.first_pause }
    }

    /// The pause before the next attempt, or `None` if there is to be none.
    fn next_pause(&mut self) -> Option<Duration> {
        let Retry { attempts, budget, first_pause, longest_pause } = self.retry;
        let shortest = first_pause.min(longest_pause);
        let longest = self.pause.saturating_mul(3).clamp(shortest, longest_pause);
        let pause = shortest + (longest - shortest).mul_f64(fastrand::f64());
        if self.made >= attempts || self.begun.elapsed() + pause > budget {
            return None;
        }
        self.made += 1;
        self.pause = pause;
        Some(pause)
    }

    /// Waits until the next attempt. Returns whether there is to be one.
    pub(super) async fn again(&mut self) -> bool {
        let Some(pause) = self.next_pause() else { return false };
        tracing::debug!(
            attempt = self.made,
            pause_us = pause.as_micros() as u64,
            "running a transaction again"
        );
        sleep(pause).await;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_stay_within_their_bounds_and_end() {
        for _ in 0..200 {
            let retry = Retry { attempts: 8, ..Retry::default() };
            let mut attempts = Attempts::new(retry);
            let mut last = retry.first_pause;
            let mut pauses = 0;
            while let Some(pause) = attempts.next_pause() {
                assert!(pause >= retry.first_pause && pause <= retry.longest_pause, "{pause:?}");
                assert!(pause <= last * 3, "{pause:?} after {last:?}");
                (last, pauses) = (pause, pauses + 1);
            }
            assert_eq!(pauses, 7);
        }
    }

    #[test]
    fn one_attempt_is_never_repeated_whatever_the_bounds_are() {
        for attempts in [0, 1] {
            assert_eq!(Attempts::new(Retry { attempts, ..Retry::default() }).next_pause(), None);
        }
        let inverted =
            Retry { first_pause: Duration::from_secs(9), longest_pause: Duration::ZERO, ..Retry::default() };
        assert_eq!(Attempts::new(inverted).next_pause(), Some(Duration::ZERO));
    }

    #[tokio::test(start_paused = true)]
    async fn no_attempt_begins_after_the_budget() {
        let retry = Retry { attempts: u32::MAX, budget: Duration::from_secs(3), ..Retry::default() };
        let mut attempts = Attempts::new(retry);
        let begun = Instant::now();
        while attempts.again().await {}
        assert!(begun.elapsed() <= retry.budget, "{:?}", begun.elapsed());
        assert!(begun.elapsed() > retry.budget - retry.longest_pause * 2, "{:?}", begun.elapsed());
    }
}
