//! What is known and what is not: of a pool that is idle, of a time without a monitor, and of a pool that cannot be measured.

use super::scripted::failing;
use super::*;

/// The rules whose alerts fire.
fn firing(monitor: &PoolMonitor) -> Vec<String> {
    monitor.alerts().iter().map(|alert| alert.rule.to_string()).collect()
}

/// What a scrape finds.
fn text_of(monitor: &PoolMonitor) -> String {
    let (samples, unmeasured) = (monitor.samples(), monitor.unmeasured());
    crate::Exposition::of(&samples).unmeasured(&unmeasured).prometheus_text()
}

/// One connection, and little patience.
fn small(name: &str) -> Pool<FakeConnector> {
    let builder = Pool::builder(FakeConnector::new()).name(name).max_connections(1).min_connections(0);
    builder.acquire_timeout(Duration::from_millis(100)).build().unwrap()
}

/// Has acquires time out, one a second, until `is_enough`. Returns how many.
async fn time_out(pool: &Pool<FakeConnector>, most: u32, is_enough: impl Fn() -> bool) -> u32 {
    let held = pool.acquire().await.unwrap();
    let mut count = 0;
    while count < most && !is_enough() {
        assert!(pool.acquire().await.is_err());
        tokio::time::sleep(Duration::from_millis(900)).await;
        count += 1;
    }
    drop(held);
    count
}

#[tokio::test(start_paused = true)]
async fn nobody_waits_long_in_a_pool_that_nobody_uses_any_more() {
    let orders = pool("orders", 1);
    let monitor = monitor_of(&set_of(&[&orders]), MonitorSettings::default());
    monitor.start();
    for _ in 0..60 {
        let held = orders.acquire().await.unwrap();
        let other = orders.clone();
        let waits = tokio::spawn(async move { drop(other.acquire().await.unwrap()) });
        pass(2).await;
        drop(held);
        waits.await.unwrap();
    }
    pass(60).await;
    assert!(firing(&monitor).contains(&"PoolWaitP99High".to_owned()), "{:?}", firing(&monitor));
    pass(300).await;
    assert_eq!(firing(&monitor), [""; 0]);
    let over = monitor.all_alerts().into_iter().find(|alert| &*alert.rule == "PoolWaitP99High").unwrap();
    assert!(over.value >= 2.0, "the last wait that was read: {}", over.message);
    monitor.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_budget_that_nobody_uses_does_not_burn() {
    let orders = small("orders");
    let monitor = monitor_of(&set_of(&[&orders]), MonitorSettings::default());
    monitor.start();
    time_out(&orders, 600, || false).await;
    assert!(firing(&monitor).contains(&"PoolErrorBudgetFastBurn".to_owned()), "{:?}", firing(&monitor));
    pass(310).await;
    assert_eq!(firing(&monitor), ["PoolErrorBudgetSlowBurn"], "which looks back for half an hour");
    pass(1_500).await;
    assert_eq!(firing(&monitor), [""; 0]);
    monitor.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_share_of_nothing_is_a_reading_and_a_share_of_no_time_is_none() {
    let orders = pool("orders", 1);
    pass(60).await;
    let monitor = monitor_of(&set_of(&[&orders]), MonitorSettings::default());
    let read = |window| monitor.read("orders", Metric::ErrorRate, window);
    monitor.collect();
    assert_eq!(
        (read(None), read(Some(60 * SECOND))),
        (None, None),
        "the first collection has no time before it"
    );
    pass(10).await;
    monitor.collect();
    assert!(read(None).unwrap().is_nan() && read(Some(60 * SECOND)).unwrap().is_nan());
    let window = monitor.window("orders", 60 * SECOND).unwrap();
    assert_eq!(window.value(Metric::ErrorRate), None, "people are shown that there is none");
}

#[tokio::test(start_paused = true)]
async fn a_service_that_fails_after_a_time_without_the_monitor_raises_an_alert_soon() {
    let orders = small("orders");
    let monitor = monitor_of(&set_of(&[&orders]), MonitorSettings::default());
    monitor.start();
    pass(600).await;
    monitor.stop().await;
    pass(3600).await;
    monitor.start();
    let burns = || firing(&monitor).contains(&"PoolErrorBudgetFastBurn".to_owned());
    let count = time_out(&orders, 3600, burns).await;
    assert!(count <= 30, "after {count} timeouts, and 20 are enough");
    monitor.stop().await;
}
#[tokio::test(start_paused = true)]
async fn a_pool_that_is_not_measured_any_more_is_not_exported() {
    let (is_bad, set) = failing();
    let orders = pool("orders", 4);
    set.insert(orders).unwrap();
    let monitor = monitor_of(&set, MonitorSettings::default());
    monitor.start();
    let text = || text_of(&monitor);
    let uptime = |pool: &str| text().contains(&format!("pool_uptime_seconds{{pool=\"{pool}\"}}"));
    pass(15).await;
    assert!(uptime("only") && uptime("orders"), "{}", text());
    is_bad.store(true, Ordering::Relaxed);
    pass(10).await;
    assert!(!uptime("only") && uptime("orders"), "{}", text());
    assert!(
        text().contains("pool_last_collection_timestamp_seconds{pool=\"only\"} 1800000010\n"),
        "{}",
        text()
    );
    monitor.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_pool_that_was_never_measured_has_no_time_and_one_that_left_is_not_told_of() {
    let (is_bad, set) = failing();
    is_bad.store(true, Ordering::Relaxed);
    let monitor = monitor_of(&set, MonitorSettings::default());
    monitor.collect();
    assert!(text_of(&monitor).contains("pool_last_collection_timestamp_seconds{pool=\"only\"} 0\n"));
    set.remove("only").unwrap();
    assert!(!text_of(&monitor).contains("only"));
}

/// It asks for the samples while pools are measured.
#[tokio::test(start_paused = true)]
async fn who_scrapes_during_a_collection_misses_no_pool() {
    let (orders, users) = (pool("orders", 4), pool("users", 4));
    let monitor = monitor_of(&set_of(&[&orders, &users]), MonitorSettings::default());
    monitor.collect();
    pass(10).await;
    struct Asks(WeakPoolMonitor, Mutex<Vec<usize>>);
    impl TargetSource for Asks {
        fn health(&self, _: &str) -> TargetHealth {
            self.1.lock().unwrap().push(self.0.upgrade().unwrap().samples().len());
            TargetHealth::Healthy
        }
    }
    let asks = Arc::new(Asks(monitor.downgrade(), Mutex::default()));
    monitor.set_target_source(Arc::clone(&asks) as Arc<dyn TargetSource>);
    monitor.collect();
    assert_eq!(*asks.1.lock().unwrap(), [2, 2], "before each of the two was measured anew");
}

#[tokio::test(start_paused = true)]
async fn what_a_monitor_knew_that_stands_still_is_exported_with_its_time_and_not_for_long() {
    let orders = pool("orders", 4);
    let monitor = monitor_of(&set_of(&[&orders]), MonitorSettings::default());
    monitor.start();
    pass(15).await;
    monitor.stop().await;
    let text = || text_of(&monitor);
    let at = "pool_last_collection_timestamp_seconds{pool=\"orders\"} 1800000010\n";
    pass(220).await;
    assert!(text().contains(at), "{}", text());
    pass(20).await;
    let about: Vec<_> = text().lines().filter(|line| line.contains("orders")).map(str::to_owned).collect();
    assert_eq!(about, [at.trim_end()], "nothing but when it was measured");
    assert!(monitor.metrics("orders").is_some(), "what is known stays");
}
