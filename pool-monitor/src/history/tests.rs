use proptest::prelude::*;

use super::*;
use crate::columns::Count;

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3_600);
/// A multiple of every step there is.
const NOON: u64 = 1_800_000_000 * 1_000_000_000;

/// A pool that is measured every ten seconds: each time ten more acquires have ended, one of them in a timeout.
struct Failing {
    history: History,
    position: u64,
}

impl Failing {
    fn kept_for(retention_period: Duration) -> Self {
        let settings = MonitorSettings { retention_period, ..MonitorSettings::default() };
        Failing { history: History::new(&settings), position: NOON }
    }

    fn measured(mut self, times: usize) -> Self {
        let mut interval = Interval { elapsed: nanos(10 * SECOND), ..Interval::default() };
        interval.counts[Count::Acquired as usize] = 9;
        interval.counts[Count::TimedOut as usize] = 1;
        for _ in 0..times {
            self.history.push(self.position, &interval, &mut PoolHistograms::default());
            self.position += nanos(10 * SECOND);
        }
        self
    }

    /// With a time in which it was not measured.
    fn unmeasured_for(mut self, time: Duration) -> Self {
        self.position += nanos(time);
        self
    }

    fn read(&self, metric: Metric, length: Duration) -> Option<f64> {
        self.history.read(metric, length, self.position - nanos(10 * SECOND))
    }

    fn covered(&self, length: Duration) -> f64 {
        self.history.window(length, self.position - nanos(10 * SECOND)).covered
    }
}

#[test]
fn what_is_counted_is_known_from_the_first_measurement_on() {
    let young = Failing::kept_for(HOUR).measured(2);
    assert_eq!(young.read(Metric::TimedOut, 5 * MINUTE), Some(2.0));
    assert_eq!(young.read(Metric::ErrorRate, HOUR), Some(0.1));
    assert_eq!(young.covered(5 * MINUTE), 2.0 / 30.0);
}

#[test]
fn an_average_needs_most_of_its_window() {
    let pool = Failing::kept_for(HOUR).measured(2);
    assert_eq!(pool.read(Metric::AverageUtilization, MINUTE), None);
    assert_eq!(pool.measured(1).read(Metric::AverageUtilization, MINUTE), Some(0.0));
}

#[test]
fn a_gap_after_the_first_measurement_is_unknown() {
    let pool = Failing::kept_for(HOUR).measured(10).unmeasured_for(5 * MINUTE).measured(1);
    assert_eq!(pool.read(Metric::TimedOut, 5 * MINUTE), None, "29 of 30 collections are missing");
    assert_eq!(pool.measured(14).read(Metric::TimedOut, 5 * MINUTE), Some(15.0));
}

#[test]
fn a_window_longer_than_the_history_is_read_from_what_is_kept_and_says_so() {
    let pool = Failing::kept_for(HOUR).measured(2 * 360);
    // The hour, and the step that is being filled.
    assert_eq!(pool.read(Metric::TimedOut, 6 * HOUR), Some(361.0));
    assert_eq!(pool.read(Metric::ErrorRate, 6 * HOUR), Some(0.1));
    assert_eq!(pool.covered(6 * HOUR), 361.0 / 2_160.0);
    assert_eq!(pool.covered(HOUR), 1.0);
}

#[test]
fn the_first_measurement_survives_a_change_of_settings() {
    let pool = Failing::kept_for(HOUR).measured(10).unmeasured_for(5 * MINUTE).measured(1);
    let settings = MonitorSettings { retention_period: 2 * HOUR, ..MonitorSettings::default() };
    let history = pool.history.rebuilt(&settings, pool.position, &mut PoolHistograms::default());
    assert_eq!(Failing { history, ..pool }.read(Metric::TimedOut, 5 * MINUTE), None);
}

#[test]
fn of_two_collections_in_one_step_an_average_is_that_of_both_times() {
    let column = |metric: Metric| match source(metric) {
        Source::Mean(column) | Source::Most(column) => column,
        _ => panic!("{metric:?} is no gauge"),
    };
    let mut history = History::new(&MonitorSettings::default());
    for (position, elapsed, average, active) in [(0, 8, 1.0, 4.0), (8, 2, 0.0, 1.0)] {
        let mut interval = Interval { elapsed: nanos(elapsed * SECOND), ..Interval::default() };
        interval.gauges[column(Metric::AverageUtilization)] = average;
        interval.gauges[column(Metric::Active)] = active;
        interval.gauges[column(Metric::PeakActive)] = active;
        history.push(NOON + nanos(position * SECOND), &interval, &mut PoolHistograms::default());
    }
    let read = |metric| history.read(metric, 10 * SECOND, NOON + nanos(8 * SECOND));
    assert_eq!(read(Metric::AverageUtilization), Some(0.8));
    assert_eq!(read(Metric::PeakActive), Some(4.0), "the highest");
    assert_eq!(read(Metric::Active), Some(1.0), "the last");
}

proptest! {
    /// Against a list of all that was collected.
    #[test]
    fn any_window_is_the_sum_of_what_was_collected_in_it(
        gaps in prop::collection::vec(1_u64..40, 1..200),
        windows in prop::collection::vec((1_u32..90, 0_u64..60), 1..20),
    ) {
        // Twenty slots of ten seconds, and four of a minute.
        let settings = MonitorSettings {
            retention_period: 200 * SECOND,
            tiers: vec![TierSettings { step: MINUTE, retention: 4 * MINUTE }],
            ..MonitorSettings::default()
        };
        let (mut history, mut collected, mut second) = (History::new(&settings), Vec::new(), 0);
        for (count, gap) in (1_u64..).zip(&gaps) {
            second += gap;
            let mut interval = Interval { elapsed: nanos(SECOND), ..Interval::default() };
            interval.counts[Count::Acquired as usize] = count;
            history.push(NOON + nanos(SECOND * second as u32), &interval, &mut PoolHistograms::default());
            collected.push((second, count));
        }
        for (tens, later) in windows {
            let (now, length) = (second + later, 10 * tens * SECOND);
            let position = NOON + nanos(SECOND * now as u32);
            let steps = history.steps(length, position);
            let within = |second: u64| {
                (steps.first..=steps.last).contains(&steps.tier.number(NOON + nanos(SECOND * second as u32)))
            };
            let expected: Vec<_> = collected.iter().filter(|(second, _)| within(*second)).collect();
            let sum: u64 = expected.iter().map(|(_, count)| count).sum();
            prop_assert_eq!(steps.counts()[Count::Acquired as usize], sum);
            let mut numbers: Vec<_> = expected.iter().map(|(second, _)| second / (steps.tier.step().as_secs())).collect();
            numbers.dedup();
            prop_assert_eq!(steps.tier.filled(steps.first, steps.last), numbers.len() as u64);
            prop_assert_eq!(steps.slots().count(), numbers.len());
            prop_assert_eq!(steps.summary().counts[Count::Acquired as usize], sum);
        }
    }
}
