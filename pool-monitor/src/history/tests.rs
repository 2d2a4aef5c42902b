use super::*;

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
