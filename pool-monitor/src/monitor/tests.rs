mod known;
mod life;
mod scripted;
mod week;

use std::sync::atomic::{AtomicBool, AtomicI64, AtomicUsize, Ordering};
use std::time::UNIX_EPOCH;

use pool_core::fake::FakeConnector;
use pool_core::{Pool, PoolSet};

use super::*;
use crate::settings::TierSettings;
use crate::target::{BreakerState, TargetHealth};

const SECOND: Duration = Duration::from_secs(1);
const INTERVAL: Duration = Duration::from_secs(10);
/// A multiple of every step there is.
const NOON: Duration = Duration::from_secs(1_800_000_000);

fn pool(name: &str, size: usize) -> Pool<FakeConnector> {
    Pool::builder(FakeConnector::new()).name(name).max_connections(size).min_connections(0).build().unwrap()
}

fn set_of(pools: &[&Pool<FakeConnector>]) -> PoolSet {
    let set = PoolSet::new();
    for pool in pools {
        set.insert(Pool::clone(pool)).unwrap();
    }
    set
}

/// A clock that goes as the runtime's does, and by which it is noon now, and one that was set by so many seconds.
fn clock(set_by: &Arc<AtomicI64>) -> WallClock {
    let (begun, set_by) = (Instant::now(), Arc::clone(set_by));
    Box::new(move || {
        let seconds = set_by.load(Ordering::Relaxed);
        let time = UNIX_EPOCH + NOON + begun.elapsed();
        if seconds < 0 {
            time - SECOND * seconds.unsigned_abs() as u32
        } else {
            time + SECOND * seconds as u32
        }
    })
}

fn monitor_of(set: &PoolSet, settings: MonitorSettings) -> PoolMonitor {
    PoolMonitor::with_clock(set.clone(), settings, clock(&Arc::default())).unwrap()
}

fn at(seconds: u64) -> SystemTime {
    UNIX_EPOCH + NOON + SECOND * seconds as u32
}

/// Lets so many seconds pass, and what is due then be done.
async fn pass(seconds: u64) {
    tokio::time::sleep(SECOND * seconds as u32).await;
    for _ in 0..10 {
        tokio::task::yield_now().await;
    }
}

/// The values that are known of a metric, by seconds after noon.
fn known(history: &MetricsHistory, metric: Metric) -> Vec<(u64, f64)> {
    let values = history.values(metric).into_iter();
    let seconds = |time: SystemTime| time.duration_since(at(0)).unwrap().as_secs();
    values.filter_map(|(time, value)| Some((seconds(time), value?))).collect()
}

#[tokio::test(start_paused = true)]
async fn a_pool_is_measured_at_once_and_then_at_every_interval() {
    let orders = pool("orders", 4);
    let monitor = monitor_of(&set_of(&[&orders]), MonitorSettings::default());
    let told = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&told);
    monitor.on_metrics_updated(move |metrics| {
        assert_eq!(&*metrics.pool, "orders");
        count.fetch_add(1, Ordering::Relaxed);
    });
    monitor.start();
    monitor.start();
    let held = orders.acquire().await.unwrap();
    pass(11).await;
    assert_eq!(told.load(Ordering::Relaxed), 2);
    let metrics = monitor.metrics("orders").unwrap();
    assert_eq!((metrics.active_connections, metrics.utilization), (1, 0.25));
    assert_eq!((metrics.interval, metrics.uptime), (INTERVAL, INTERVAL));
    assert_eq!((metrics.connections_per_second, metrics.average_utilization), (0.1, 0.25));
    drop(held);

    monitor.stop().await;
    assert!(!monitor.is_running());
    pass(30).await;
    assert_eq!(told.load(Ordering::Relaxed), 2);
}

#[tokio::test(start_paused = true)]
async fn figures_are_of_now_of_the_interval_or_since_the_beginning() {
    let orders = pool("orders", 4);
    let monitor = monitor_of(&set_of(&[&orders]), MonitorSettings::default());
    monitor.collect();
    let (one, two) = (orders.acquire().await.unwrap(), orders.acquire().await.unwrap());
    pass(5).await;
    drop((one, two));
    pass(5).await;
    monitor.collect();
    let metrics = monitor.metrics("orders").unwrap();
    assert_eq!(
        (metrics.active_connections, metrics.idle_connections, metrics.current_connections),
        (0, 2, 2)
    );
    assert_eq!((metrics.average_utilization, metrics.peak_utilization), (0.25, 0.5));
    assert_eq!(
        (metrics.average_use_time, metrics.average_wait_time),
        (Some(5 * SECOND), Some(Duration::ZERO))
    );
    assert_eq!((metrics.connections_created, metrics.successful_requests), (2, 2));

    pass(10).await;
    monitor.collect();
    let metrics = monitor.metrics("orders").unwrap();
    assert_eq!((metrics.peak_active_connections, metrics.peak_connections), (0, 2));
    assert_eq!((metrics.average_use_time, metrics.connections_per_second), (None, 0.0));
    assert_eq!((metrics.successful_requests, metrics.last_released), (2, Some(15 * SECOND)));
}

/// On the real clock, which a pool reads as coarsely as it can.
#[tokio::test]
async fn no_interval_is_so_short_that_more_is_in_use_on_average_than_at_most() {
    let orders = pool("orders", 4);
    let monitor = PoolMonitor::new(set_of(&[&orders]), MonitorSettings::default()).unwrap();
    let held = orders.acquire().await.unwrap();
    for _ in 0..5_000 {
        monitor.collect();
        let metrics = monitor.metrics("orders").unwrap();
        assert!(metrics.average_utilization <= 0.25, "{}", metrics.average_utilization);
    }
    drop(held);
}

#[tokio::test(start_paused = true)]
async fn errors_count_by_what_ended() {
    let orders = pool("orders", 1);
    let monitor = monitor_of(&set_of(&[&orders]), MonitorSettings::default());
    monitor.collect();
    assert_eq!(monitor.read("orders", Metric::ErrorRate, None), None, "nothing ended");
    let held = orders.acquire().await.unwrap();
    for _ in 0..3 {
        orders.acquire_timeout(SECOND).await.unwrap_err();
    }
    pass(7).await;
    monitor.collect();
    assert_eq!(monitor.metrics("orders").unwrap().error_rate, 0.75);
    assert_eq!(monitor.read("orders", Metric::TimedOut, None), Some(3.0));
    assert_eq!(monitor.read("orders", Metric::ErrorRate, Some(20 * SECOND)), Some(0.75));
    drop(held);
}

#[tokio::test(start_paused = true)]
async fn a_history_is_asked_from_one_time_to_before_another() {
    let orders = pool("orders", 4);
    let monitor = monitor_of(&set_of(&[&orders]), MonitorSettings::default());
    monitor.start();
    let mut held = Vec::new();
    for _ in 0..4 {
        pass(5).await;
        held.push(orders.acquire().await.unwrap());
        pass(5).await;
    }
    let active = |from, to| known(&monitor.history("orders", at(from), at(to)).unwrap(), Metric::Active);
    assert_eq!(active(0, 100), [(0, 0.0), (10, 1.0), (20, 2.0), (30, 3.0), (40, 4.0)]);
    assert_eq!(active(10, 30), [(10, 1.0), (20, 2.0)], "half open");
    assert_eq!(active(11, 31), [(20, 2.0), (30, 3.0)], "a step belongs where it begins");
    assert_eq!(active(30, 30), []);
    assert_eq!(active(30, 10), []);
    let history = monitor.history("orders", at(0), at(40)).unwrap();
    assert_eq!((history.step, history.steps().len()), (INTERVAL, 4));
    assert!(monitor.history("nobody", at(0), at(40)).is_none());
}

#[tokio::test(start_paused = true)]
async fn windows_begin_and_end_exactly() {
    let orders = pool("orders", 4);
    let monitor = monitor_of(&set_of(&[&orders]), MonitorSettings::default());
    monitor.start();
    pass(5).await;
    // One acquire in each interval from the first on.
    for _ in 0..12 {
        drop(orders.acquire().await.unwrap());
        pass(10).await;
    }
    let acquired = |seconds: u32| monitor.read("orders", Metric::Acquired, Some(SECOND * seconds));
    assert_eq!((acquired(10), acquired(60), acquired(110)), (Some(1.0), Some(6.0), Some(11.0)));
    assert_eq!(acquired(15), Some(2.0), "a part of an interval is a whole one");
    assert_eq!(acquired(280), Some(12.0), "before it was measured it has counted nothing that is missing");
    let window = monitor.window("orders", SECOND * 60).unwrap();
    assert_eq!((window.samples(), window.elapsed(), window.covered), (6, 60 * SECOND, 1.0));
    assert_eq!((window.rate(Metric::Acquired), window.histograms.wait.count()), (Some(0.1), 6));
    assert_eq!(monitor.window("orders", SECOND * 260).unwrap().covered, 0.5);
}

#[tokio::test(start_paused = true)]
async fn a_late_collector_leaves_gaps_and_true_rates() {
    let orders = pool("orders", 4);
    let monitor = monitor_of(&set_of(&[&orders]), MonitorSettings::default());
    monitor.collect();
    for _ in 0..3 {
        pass(10).await;
        drop(orders.acquire().await.unwrap());
        monitor.collect();
    }
    // Nothing is collected for a minute, in which ten times as much happens.
    for _ in 0..30 {
        drop(orders.acquire().await.unwrap());
        pass(2).await;
    }
    monitor.collect();
    let history = monitor.history("orders", at(0), at(100)).unwrap();
    assert_eq!(
        known(&history, Metric::Acquired),
        [(0, 0.0), (10, 1.0), (20, 1.0), (30, 1.0), (90, 30.0)],
        "gaps are missing, not zero"
    );
    let rates: Vec<_> = history.points().map(|(_, point)| point.rate(Metric::Acquired)).collect();
    assert_eq!(rates[1..], [Some(0.1), Some(0.1), Some(0.1), Some(0.5)], "of the time that passed");
    assert_eq!(history.values(Metric::Active)[5].1, None);
    let of_a_minute = |metric| monitor.read("orders", metric, Some(SECOND * 60));
    assert_eq!(of_a_minute(Metric::Acquired), Some(30.0), "the last one tells of all of it");
    assert_eq!(of_a_minute(Metric::Active), None, "but has looked only once");
}

#[tokio::test(start_paused = true)]
async fn a_reset_or_a_successor_leaves_no_negative_rate() {
    let orders = pool("orders", 4);
    let set = set_of(&[&orders]);
    let monitor = monitor_of(&set, MonitorSettings::default());
    monitor.collect();
    let mut expected = 0;
    for round in 0..20 {
        pass(4).await;
        if round % 3 == 1 {
            set.get("orders").unwrap().reset_stats();
        }
        if round == 10 {
            set.remove("orders");
            set.insert(pool("orders", 4)).unwrap();
        }
        pass(6).await;
        let now = set.get_as::<Pool<FakeConnector>>("orders").unwrap();
        for _ in 0..=round {
            drop(now.acquire().await.unwrap());
        }
        expected += round + 1;
        monitor.collect();
        let metrics = monitor.metrics("orders").unwrap();
        assert_eq!(monitor.read("orders", Metric::Acquired, None), Some((round + 1) as f64), "{round}");
        assert_eq!(metrics.successful_requests, expected, "totals go on");
        assert_eq!(monitor.samples()[0].histograms.wait.count(), expected);
        assert_eq!(monitor.samples()[0].violation, None);
    }
    let acquired = monitor.window("orders", SECOND * 300).unwrap().value(Metric::Acquired);
    assert_eq!(acquired, Some(f64::from(expected as u32)));
    assert_eq!(monitor.metrics("orders").unwrap().uptime, 96 * SECOND, "of the one that has the name now");
}

#[tokio::test(start_paused = true)]
async fn a_pool_that_was_taken_out_and_put_back_is_counted_once() {
    let orders = pool("orders", 4);
    let set = set_of(&[&orders]);
    let monitor = monitor_of(&set, MonitorSettings::default());
    for round in 1..=3 {
        drop(orders.acquire().await.unwrap());
        set.remove("orders");
        set.insert(orders.clone()).unwrap();
        pass(10).await;
        monitor.collect();
        assert_eq!(monitor.metrics("orders").unwrap().successful_requests, round);
    }
}

#[tokio::test(start_paused = true)]
async fn what_an_old_pool_has_counted_did_not_happen_in_the_first_interval() {
    let orders = pool("orders", 4);
    for _ in 0..10 {
        drop(orders.acquire().await.unwrap());
    }
    pass(3600).await;
    let monitor = monitor_of(&set_of(&[&orders]), MonitorSettings::default());
    monitor.collect();
    assert_eq!(monitor.read("orders", Metric::Acquired, None), Some(0.0));
    let metrics = monitor.metrics("orders").unwrap();
    assert_eq!((metrics.successful_requests, metrics.interval), (10, Duration::ZERO));
    assert_eq!(metrics.uptime, 3600 * SECOND);
}

#[tokio::test(start_paused = true)]
async fn a_clock_that_is_set_moves_labels_alone() {
    let orders = pool("orders", 4);
    let set_by = Arc::new(AtomicI64::new(0));
    let set = set_of(&[&orders]);
    let monitor = PoolMonitor::with_clock(set, MonitorSettings::default(), clock(&set_by)).unwrap();
    monitor.start();
    let mut seen = Vec::new();
    for (round, step) in [0, 0, -3600, 0, 7200, 0].into_iter().enumerate() {
        pass(5).await;
        set_by.fetch_add(step, Ordering::Relaxed);
        for _ in 0..round {
            drop(orders.acquire().await.unwrap());
        }
        pass(5).await;
        seen.push(monitor.read("orders", Metric::Acquired, None).unwrap());
    }
    assert_eq!(seen, [0.0, 1.0, 2.0, 3.0, 4.0, 5.0]);
    assert_eq!(monitor.read("orders", Metric::Acquired, Some(60 * SECOND)), Some(15.0));
    assert_eq!(monitor.clock_regressions(), 1);
    let history = monitor.history("orders", at(3600), at(3700)).unwrap();
    let labelled =
        [(3600, 0.0), (3610, 0.0), (3620, 1.0), (3630, 2.0), (3640, 3.0), (3650, 4.0), (3660, 5.0)];
    assert_eq!(known(&history, Metric::Acquired), labelled, "all by the clock as it is now");
}

#[tokio::test(start_paused = true)]
async fn a_trend_says_when_it_is_full() {
    let orders = pool("orders", 100);
    let monitor = monitor_of(&set_of(&[&orders]), MonitorSettings::default());
    monitor.start();
    let mut held = Vec::new();
    pass(5).await;
    for _ in 0..30 {
        held.push(orders.acquire().await.unwrap());
        pass(10).await;
    }
    let trend = monitor.trend("orders", Metric::Active, 300 * SECOND).unwrap();
    assert!((trend.per_second - 0.1).abs() < 1e-9 && (trend.now - 30.0).abs() < 1e-9, "{trend:?}");
    assert_eq!(trend.time_to(100.0).unwrap().as_secs_f64().round(), 700.0);
    assert_eq!(monitor.trend("orders", Metric::Active, 3600 * SECOND), None, "too little is known");
}

#[tokio::test(start_paused = true)]
async fn other_settings_keep_what_was_collected() {
    let orders = pool("orders", 4);
    let monitor = monitor_of(&set_of(&[&orders]), MonitorSettings::default());
    monitor.start();
    pass(5).await;
    for _ in 0..60 {
        drop(orders.acquire().await.unwrap());
        pass(10).await;
    }
    let acquired = |seconds| monitor.window("orders", SECOND * seconds).unwrap().value(Metric::Acquired);
    assert_eq!(acquired(600), Some(60.0));

    // Less is kept, and a coarser history is new.
    let tier = TierSettings { step: 60 * SECOND, retention: 86_400 * SECOND };
    let shorter =
        MonitorSettings { retention_period: 60 * SECOND, tiers: vec![tier], ..MonitorSettings::default() };
    monitor.set_settings(shorter).unwrap();
    assert_eq!(acquired(60), Some(6.0), "of the fine one");
    assert_eq!(acquired(3600), Some(60.0), "of the coarse one");
    pass(60).await;
    assert_eq!(acquired(60), Some(0.0));

    // A coarser interval: six points become one.
    let minute = MonitorSettings { collection_interval: 60 * SECOND, ..MonitorSettings::default() };
    monitor.set_settings(minute.clone()).unwrap();
    assert_eq!(acquired(3600), Some(60.0), "taken from the coarse one, which held more");
    assert_eq!(monitor.settings(), minute);

    let bad = MonitorSettings { collection_interval: Duration::ZERO, ..minute.clone() };
    monitor.set_settings(bad).unwrap_err();
    assert_eq!(monitor.settings(), minute, "nothing is changed by what is refused");
}

#[tokio::test(start_paused = true)]
async fn a_new_interval_holds_from_then_on() {
    let orders = pool("orders", 4);
    let monitor = monitor_of(&set_of(&[&orders]), MonitorSettings::default());
    let told = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&told);
    monitor.on_metrics_updated(move |_| {
        count.fetch_add(1, Ordering::Relaxed);
    });
    monitor.start();
    pass(1).await;
    monitor
        .set_settings(MonitorSettings { collection_interval: SECOND, ..MonitorSettings::default() })
        .unwrap();
    tokio::time::sleep(Duration::from_millis(4_500)).await;
    assert_eq!(told.load(Ordering::Relaxed), 5, "at 0, 2, 3, 4 and 5 seconds");
}
