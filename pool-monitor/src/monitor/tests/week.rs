//! A week in a moment: what is kept of it is exact; and laws that hold between what is measured.

use super::*;

const HOUR: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(86_400);

/// An hour of one minute, a day of five, a week of a quarter of an hour.
fn tiers() -> MonitorSettings {
    let tiers = vec![
        TierSettings { step: 300 * SECOND, retention: DAY },
        TierSettings { step: HOUR / 4, retention: 7 * DAY },
    ];
    MonitorSettings { collection_interval: 60 * SECOND, tiers, ..MonitorSettings::default() }
}

#[tokio::test(start_paused = true)]
async fn a_week_adds_up() {
    let orders = pool("orders", 8);
    let begun = Instant::now();
    let monitor = monitor_of(&set_of(&[&orders]), tiers());
    monitor.start();
    let mut random = fastrand::Rng::with_seed(7);
    let (mut uses, mut last_uses) = (Vec::new(), Vec::new());
    // Off the collections by half a second, so that it is certain in which one each use ends.
    tokio::time::sleep(SECOND / 2).await;
    while begun.elapsed() < 7 * DAY - 120 * SECOND {
        // From a tenth of a second to a minute, all orders of magnitude alike.
        let used = Duration::from_millis((1e2 * 600_f64.powf(random.f64())) as u64);
        let guard = orders.acquire().await.unwrap();
        tokio::time::sleep(used).await;
        drop(guard);
        uses.push(used);
        if begun.elapsed() > 7 * DAY - HOUR {
            last_uses.push(used);
        }
        pass(30).await;
    }
    tokio::time::sleep_until(begun + 7 * DAY + SECOND).await;

    let counters = orders.counters();
    assert_eq!(counters.released, uses.len() as u64);
    let week = monitor.window("orders", 7 * DAY).unwrap();
    assert_eq!((week.step, week.covered), (HOUR / 4, 1.0));
    assert_eq!(week.value(Metric::Acquired), Some(counters.acquired as f64), "not one is lost");
    assert_eq!(week.value(Metric::Created), Some(counters.created as f64));
    assert_eq!(week.value(Metric::Closed), Some(counters.closed.total() as f64));
    let totals = monitor.samples()[0].counters.clone();
    assert_eq!((totals.acquired, totals.use_time), (counters.acquired, counters.use_time));
    let active = monitor.history("orders", at(0), at(7 * 86_400)).unwrap().values(Metric::Active);
    assert!(active.len() == 7 * 96 && active.iter().all(|(_, value)| value.is_some()), "no gap");

    check_quantiles(&week, &mut uses);
    let hour = monitor.window("orders", HOUR).unwrap();
    assert_eq!(hour.step, 60 * SECOND);
    check_quantiles(&hour, &mut last_uses);
    let day = monitor.window("orders", DAY).unwrap();
    assert_eq!((day.step, day.covered, day.max(Metric::PeakActive)), (300 * SECOND, 1.0, Some(1.0)));

    // The mean in use is the time in hands, whichever way it is put together.
    let in_use = counters.held_time.as_secs_f64() / (7 * DAY).as_secs_f64() / 8.0;
    let told = week.value(Metric::AverageUtilization).unwrap();
    assert!((told / in_use - 1.0).abs() < 1e-3, "{told} for {in_use}");
}

fn check_quantiles(window: &MetricsWindow, exact: &mut [Duration]) {
    exact.sort_unstable();
    assert_eq!(window.histograms.usage.count(), exact.len() as u64);
    for share in [0.5, 0.9, 0.99, 1.0] {
        let rank = (exact.len() as f64 * share).ceil() as usize - 1;
        let told = window.histograms.usage.quantile(share);
        let ratio = told.as_secs_f64() / exact[rank].as_secs_f64();
        assert!((1.0..=1.0 + 1.0 / 16.0).contains(&ratio), "p{share} is {ratio} times the exact one");
    }
}

// Little's law: the mean number in use is the throughput times the mean time of use. Both are measured apart: one by the time
// in hands up to now, the other by uses that ended.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_in_use_is_throughput_times_time_of_use() {
    let orders = Pool::builder(FakeConnector::new()).name("orders").max_connections(8).build().unwrap();
    let monitor = PoolMonitor::new(set_of(&[&orders]), MonitorSettings::default()).unwrap();
    monitor.collect();
    let mut tasks = Vec::new();
    for task in 0..12 {
        let orders = orders.clone();
        tasks.push(tokio::spawn(async move {
            let mut random = fastrand::Rng::with_seed(task);
            for _ in 0..100 {
                let guard = orders.acquire().await.unwrap();
                tokio::time::sleep(Duration::from_millis(random.u64(1..12))).await;
                drop(guard);
            }
        }));
    }
    for task in tasks {
        task.await.unwrap();
    }
    monitor.collect();
    let metrics = monitor.metrics("orders").unwrap();
    let in_use = metrics.average_utilization * metrics.max_connections as f64;
    let by_law = metrics.connections_per_second * metrics.average_use_time.unwrap().as_secs_f64();
    assert!((in_use / by_law - 1.0).abs() < 0.05, "{in_use} in use, {by_law} by the law");
    assert_eq!((metrics.successful_requests, metrics.peak_active_connections), (1_200, 8));
    assert_eq!(monitor.samples()[0].violation, None);
}
