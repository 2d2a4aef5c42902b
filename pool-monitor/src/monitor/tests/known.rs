//! What is known and what is not: of a pool that is idle, of a time without a monitor, and of a pool that cannot be measured.

use super::*;

/// The rules whose alerts fire.
fn firing(monitor: &PoolMonitor) -> Vec<String> {
    monitor.alerts().iter().map(|alert| alert.rule.to_string()).collect()
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
