//! How much gets done in a second, and when that is as much as before.

use std::time::Duration;

/// The window in which throughput is measured.
pub(crate) const WINDOW: Duration = Duration::from_secs(1);
/// How closely moments are looked at.
const STEP: Duration = Duration::from_millis(10);
/// The part of the baseline that counts as back to normal.
const NORMAL: f64 = 0.95;

/// How many of some moments, in their order, are in `[from, from + WINDOW)`.
fn within(moments: &[Duration], from: Duration) -> usize {
    let before = |at: Duration| moments.partition_point(|moment| *moment < at);
    before(from + WINDOW) - before(from)
}

/// The most of some moments, in their order, that lie within so long a time.
pub(crate) fn densest(moments: &[Duration], window: Duration) -> usize {
    let mut first = 0;
    let mut most = 0;
    for (last, at) in moments.iter().enumerate() {
        while *at >= moments[first] + window {
            first += 1;
        }
        most = most.max(last + 1 - first);
    }
    most
}

/// How long after `heal` the first second begins in which at least 95 % of the baseline gets done. `None` if none has passed
/// until `end`.
///
/// `done` is when each success ended, in order.
pub(crate) fn back_to_normal(
    done: &[Duration],
    per_second: f64,
    heal: Duration,
    end: Duration,
) -> Option<Duration> {
    let enough = per_second * NORMAL * WINDOW.as_secs_f64();
    let mut from = heal;
    while from + WINDOW <= end {
        if within(done, from) as f64 >= enough {
            return Some(from - heal);
        }
        from += STEP;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    /// A hundred in a second, from `from` to `to`.
    fn steady(from: u64, to: u64) -> Vec<Duration> {
        (from..to).step_by(10).map(ms).collect()
    }

    #[test]
    fn who_goes_on_at_once_is_back_at_once() {
        assert_eq!(back_to_normal(&steady(1_000, 3_000), 100.0, ms(1_000), ms(3_000)), Some(ms(0)));
    }

    #[test]
    fn the_second_that_counts_begins_when_enough_get_done_again() {
        let done = steady(1_500, 4_000);
        // 95 of 100 are enough, so 50 ms of the second may still be empty.
        assert_eq!(back_to_normal(&done, 100.0, ms(1_000), ms(4_000)), Some(ms(450)));
    }

    #[test]
    fn a_second_that_was_not_seen_to_its_end_does_not_count() {
        let done = steady(1_000, 1_990);
        assert_eq!(back_to_normal(&done, 100.0, ms(1_000), ms(1_990)), None);
        assert_eq!(back_to_normal(&[], 100.0, ms(1_000), ms(9_000)), None);
    }

    #[test]
    fn half_the_throughput_is_not_normal() {
        let done: Vec<_> = (1_000..9_000).step_by(20).map(ms).collect();
        assert_eq!(back_to_normal(&done, 100.0, ms(1_000), ms(9_000)), None);
    }

    #[test]
    fn the_densest_window_is_found_wherever_it_begins() {
        let moments = [0, 90, 100, 150, 189, 190, 400].map(ms);
        // 90 to 189: the one at 190 is a hundred milliseconds after the first.
        assert_eq!(densest(&moments, ms(100)), 4);
        assert_eq!(densest(&[], ms(100)), 0);
        assert_eq!(densest(&moments, ms(1_000)), 7);
    }
}
