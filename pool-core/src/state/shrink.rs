//! How many idle connections a first-in-first-out pool can do without.
//!
//! When every connection is used in turn, none is ever idle for long, however few would do. So the idle
//! count is sampled, and after `idle_timeout` the median of the samples tells how many connections were
//! spare for at least half of that time; a burst of a few samples does not change it. Connections that
//! retired meanwhile have already been taken off. The method is Npgsql's.

use std::time::Duration;

use tokio::time::Instant;

/// More samples than this are not worth their memory; the spacing grows instead.
const MOST_SAMPLES: u32 = 60;

/// The samples of the present window.
#[derive(Debug, Default)]
pub(crate) struct IdleSamples {
    samples: Vec<usize>,
    last: Option<Instant>,
    retired: usize,
}

impl IdleSamples {
    /// Starts a new window.
    pub(crate) fn restart(&mut self) {
        self.samples.clear();
        self.last = None;
        self.retired = 0;
    }

    /// Notes that a connection left for another reason; it will not be taken off twice.
    pub(crate) fn one_retired(&mut self) {
        self.retired += 1;
    }

    /// Takes a sample when one is due. At the end of a window, returns how many connections are spare.
    pub(crate) fn sample(
        &mut self,
        idle: usize,
        idle_timeout: Duration,
        interval: Duration,
        now: Instant,
    ) -> Option<usize> {
        let spacing = interval.max(idle_timeout / MOST_SAMPLES);
        if self.last.is_some_and(|last| now < last + spacing) {
            return None;
        }
        self.last = Some(now);
        self.samples.push(idle);
        // One more than there are intervals: the window is to last for the whole time.
        let enough = idle_timeout.div_duration_f64(spacing).ceil().max(1.0) as usize + 1;
        if self.samples.len() < enough {
            return None;
        }
        self.samples.sort_unstable();
        let median = self.samples[(self.samples.len() - 1) / 2];
        let spare = median.saturating_sub(self.retired);
        self.restart();
        self.last = Some(now);
        Some(spare)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn spare(idle: &[usize], retired: usize) -> Option<usize> {
        let (start, mut samples) = (Instant::now(), IdleSamples::default());
        (0..retired).for_each(|_| samples.one_retired());
        let window = SECOND * u32::try_from(idle.len() - 1).unwrap();
        (1..)
            .zip(idle)
            .map(|(tick, idle)| samples.sample(*idle, window, SECOND, start + tick * SECOND))
            .last()
            .flatten()
    }

    #[test]
    fn a_burst_does_not_hide_what_is_spare() {
        assert_eq!(spare(&[15, 15, 15, 0, 0, 15, 15], 0), Some(15));
        assert_eq!(spare(&[0, 0, 0, 0, 15, 15, 15], 0), Some(0));
    }

    #[test]
    fn what_retired_meanwhile_is_not_taken_off_again() {
        assert_eq!(spare(&[4, 4, 4, 4], 3), Some(1));
        assert_eq!(spare(&[2, 2, 2, 2], 3), Some(0));
    }

    #[test]
    fn nothing_is_spare_before_the_window_ends() {
        let (start, mut samples) = (Instant::now(), IdleSamples::default());
        for tick in 1..10 {
            assert_eq!(samples.sample(9, 9 * SECOND, SECOND, start + tick * SECOND), None);
        }
        assert_eq!(samples.sample(9, 9 * SECOND, SECOND, start + 10 * SECOND), Some(9));
    }

    #[test]
    fn an_interval_shorter_than_the_spacing_takes_no_more_samples() {
        let (start, mut samples) = (Instant::now(), IdleSamples::default());
        let window = 600 * SECOND;
        let ends = (1..=1_200)
            .filter(|tick| samples.sample(1, window, SECOND, start + *tick * SECOND).is_some())
            .count();
        assert_eq!(ends, 1);
        assert!(samples.samples.capacity() <= 2 * MOST_SAMPLES as usize);
    }
}
