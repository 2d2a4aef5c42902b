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

/// Adds what was collected so often, each time so long after the time before; one timeout for each ten seconds.
fn collect(history: &mut History, position: &mut u64, every: Duration, times: u64) {
    for _ in 0..times {
        *position += nanos(every);
        let mut interval = Interval { elapsed: nanos(every), ..Interval::default() };
        interval.counts[Count::TimedOut as usize] = every.as_secs() / 10;
        history.push(*position, &interval, &mut PoolHistograms::default());
    }
}

#[test]
fn a_window_is_known_though_every_collection_is_late() {
    let (mut history, mut position) = (History::new(&MonitorSettings::default()), NOON);
    collect(&mut history, &mut position, 30 * SECOND, 200);
    assert_eq!(history.read(Metric::TimedOut, 5 * MINUTE, position), Some(30.0));
    assert_eq!(history.read(Metric::AverageUtilization, 5 * MINUTE, position), Some(0.0));
    assert_eq!(history.read(Metric::Utilization, 5 * MINUTE, position), Some(0.0));
    assert_eq!(history.window(5 * MINUTE, position).covered, 1.0);
}

#[test]
fn a_window_is_known_at_every_moment_after_collections_have_become_more_frequent() {
    let minute = MonitorSettings { collection_interval: MINUTE, ..MonitorSettings::default() };
    let (mut history, mut position) = (History::new(&minute), NOON);
    collect(&mut history, &mut position, MINUTE, 60);
    let mut history = history.rebuilt(&MonitorSettings::default(), position, &mut PoolHistograms::default());
    for at in 0..=360 {
        let counted = history.read(Metric::TimedOut, HOUR, position);
        assert!(counted.is_some_and(|counted| (354.0..=366.0).contains(&counted)), "{at}: {counted:?}");
        assert_eq!(history.read(Metric::Utilization, HOUR, position), Some(0.0), "{at}");
        collect(&mut history, &mut position, 10 * SECOND, 1);
    }
}

#[test]
fn what_happens_in_a_long_time_between_two_collections_is_known_and_how_it_was_then_is_not() {
    let (mut history, mut position) = (History::new(&MonitorSettings::default()), NOON);
    collect(&mut history, &mut position, 10 * SECOND, 60);
    collect(&mut history, &mut position, HOUR, 1);
    assert_eq!(history.read(Metric::TimedOut, 5 * MINUTE, position), Some(360.0));
    assert_eq!(history.read(Metric::AverageUtilization, MINUTE, position), Some(0.0));
    assert_eq!(history.read(Metric::Utilization, MINUTE, position), None, "one look in a minute");
    collect(&mut history, &mut position, 10 * SECOND, 2);
    assert_eq!(history.read(Metric::Utilization, MINUTE, position), Some(0.0));
}

/// Puts in what was collected at these seconds after noon: how long since the collection before, and the average and the present
/// utilization.
fn averages(settings: &MonitorSettings, collected: &[(u64, u64, f64, f64)]) -> History {
    let column = |metric| GAUGE_METRICS.iter().position(|it| *it == metric).unwrap();
    let mut history = History::new(settings);
    for (at, elapsed, average, now) in collected {
        let mut interval = Interval { elapsed: nanos(SECOND) * elapsed, ..Interval::default() };
        interval.gauges[column(Metric::AverageUtilization)] = *average;
        interval.gauges[column(Metric::PeakUtilization)] = *average;
        interval.gauges[column(Metric::Utilization)] = *now;
        history.push(NOON + nanos(SECOND) * at, &interval, &mut PoolHistograms::default());
    }
    history
}

fn reads(history: &History, length: Duration, at: u64) -> [Option<f64>; 3] {
    [Metric::AverageUtilization, Metric::PeakUtilization, Metric::Utilization]
        .map(|metric| history.read(metric, length, NOON + nanos(SECOND) * at))
}

#[test]
fn two_collections_in_one_step_have_the_mean_of_the_time_of_both() {
    let history = averages(&MonitorSettings::default(), &[(0, 8, 1.0, 0.5), (9, 2, 0.0, 0.25)]);
    assert_eq!(reads(&history, 10 * SECOND, 9), [Some(0.8), Some(1.0), Some(0.25)]);
}

#[test]
fn an_average_counts_for_its_time_in_every_tier_and_window() {
    let tiers = vec![TierSettings { step: MINUTE, retention: 2 * HOUR }];
    let settings = MonitorSettings { tiers, ..MonitorSettings::default() };
    // The second one was late.
    let collected = [(0, 10, 1.0, 1.0), (30, 30, 0.0, 0.0), (40, 10, 0.0, 0.0), (50, 10, 1.0, 1.0)];
    let history = averages(&settings, &collected);
    let mean_of = |length| history.read(Metric::AverageUtilization, length, NOON + nanos(50 * SECOND));
    assert_eq!((mean_of(MINUTE), mean_of(2 * HOUR)), (Some(1.0 / 3.0), None));
    let window = history.window(2 * HOUR, NOON + nanos(50 * SECOND));
    assert_eq!(
        (window.value(Metric::AverageUtilization), window.value(Metric::Utilization)),
        (Some(1.0 / 3.0), Some(0.5))
    );
    let coarser = MonitorSettings { collection_interval: 20 * SECOND, tiers: Vec::new(), ..settings };
    let rebuilt = history.rebuilt(&coarser, NOON + nanos(50 * SECOND), &mut PoolHistograms::default());
    assert_eq!(reads(&rebuilt, MINUTE, 50)[0], Some(1.0 / 3.0));
}

#[test]
fn a_first_measurement_has_no_time_and_is_all_that_is_known() {
    let first = averages(&MonitorSettings::default(), &[(0, 0, 0.5, 0.5)]);
    assert_eq!(reads(&first, 10 * SECOND, 0)[0], Some(0.5));
    let twice = averages(&MonitorSettings::default(), &[(0, 0, 0.5, 0.5), (0, 0, 1.0, 1.0)]);
    assert_eq!(reads(&twice, 10 * SECOND, 0)[0], Some(0.75));
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
            prop_assert_eq!(steps.sum(&[Count::Acquired]), sum);
            let mut numbers: Vec<_> = expected.iter().map(|(second, _)| second / (steps.tier.step().as_secs())).collect();
            numbers.dedup();
            prop_assert_eq!(steps.slots().count(), numbers.len());
            prop_assert_eq!(steps.summary().counts[Count::Acquired as usize], sum);
        }
    }

    /// In the wider sense: a quantile is the end of a bucket.
    #[test]
    fn no_quantile_is_above_its_bound(waits in prop::collection::vec((0_u64..40, 0_u64..1_000_000), 1..60)) {
        let (mut history, mut histograms) = (History::new(&MonitorSettings::default()), PoolHistograms::default());
        let mut interval = Interval { elapsed: nanos(10 * SECOND), ..Interval::default() };
        for (exponent, rest) in &waits {
            let wait = Duration::from_nanos((1 << exponent) + (rest << exponent) / 1_000_000);
            histograms.wait.record(wait);
            interval.counts[Count::Acquired as usize] += 1;
            interval.counts[Count::WaitTime as usize] += nanos(wait);
        }
        encode(&histograms, &mut interval.sketch);
        history.push(NOON, &interval, &mut PoolHistograms::default());
        for metric in [Metric::WaitP50, Metric::WaitP95, Metric::WaitP99] {
            let read = history.read(metric, MINUTE, NOON).unwrap();
            let bound = history.bound(metric, MINUTE, NOON).unwrap();
            prop_assert!(read <= bound, "{read} and {bound}");
        }
    }
}
