//! A pool that says what it is told to, to see what is made of books that do not balance.

use mockall::mock;
use pool_core::{
    AcquireError, CheckReport, CloseReport, ConnectionId, ConnectionInfo, ControlFuture, Holder,
    OptionsError, Outage, PoolControl, PoolHistograms, PoolId, PoolOptions, PoolSnapshot, SizingAdvice,
    Target, WarmUpError,
};

use super::*;

mock! {
    Control {}

    impl PoolControl for Control {
        fn name(&self) -> &str;
        fn id(&self) -> PoolId;
        fn target(&self) -> Option<Target>;
        fn snapshot(&self) -> PoolSnapshot;
        fn sizing_advice(&self) -> Option<SizingAdvice>;
        fn histograms(&self) -> PoolHistograms;
        fn reset_stats(&self);
        fn connections(&self) -> Vec<ConnectionInfo>;
        fn holders(&self) -> Vec<Holder>;
        fn outage(&self) -> Option<Outage>;
        fn is_closed(&self) -> bool;
        fn is_paused(&self) -> bool;
        fn options(&self) -> PoolOptions;
        fn set_options(&self, options: PoolOptions) -> Result<(), OptionsError>;
        fn resize(&self, max_connections: usize) -> Result<(), OptionsError>;
        fn pause(&self);
        fn resume(&self);
        fn evict(&self, connection: ConnectionId) -> bool;
        fn evict_idle(&self) -> usize;
        fn evict_expired(&self) -> usize;
        fn evict_all(&self) -> ConnectionId;
        fn wait_gone(&self, first_new: ConnectionId, deadline: Duration) -> ControlFuture<'static, Vec<ConnectionInfo>>;
        fn evict_invalid(&self) -> usize;
        fn abandon(&self, connection: ConnectionId) -> bool;
        fn warm_up(&self) -> ControlFuture<'static, Result<(), WarmUpError>>;
        fn check(&self) -> ControlFuture<'static, Result<CheckReport, AcquireError>>;
        fn check_timeout(&self, timeout: Duration) -> ControlFuture<'static, Result<CheckReport, AcquireError>>;
        fn close(&self, deadline: Duration) -> ControlFuture<'static, CloseReport>;
    }
}

/// A monitor of a pool that shows what is put here.
async fn scripted() -> (Arc<Mutex<PoolSnapshot>>, PoolMonitor) {
    let real = pool("real", 4);
    let (one, two) = (real.acquire().await.unwrap(), real.acquire().await.unwrap());
    drop((one, two));
    let shown = Arc::new(Mutex::new(real.snapshot()));
    let mut pool = MockControl::new();
    pool.expect_name().return_const("orders".to_owned());
    pool.expect_id().return_const(PoolId::unique());
    pool.expect_target().return_const(None);
    pool.expect_options().return_const(PoolOptions::default());
    pool.expect_histograms().returning(PoolHistograms::default);
    pool.expect_outage().return_const(None);
    pool.expect_is_closed().return_const(false);
    pool.expect_is_paused().return_const(false);
    let source = Arc::clone(&shown);
    pool.expect_snapshot().returning(move || source.lock().unwrap().clone());
    let set = PoolSet::new();
    set.insert(pool).unwrap();
    (shown, monitor_of(&set, MonitorSettings::default()))
}

/// A pool `only` that cannot be measured while that is set.
pub(super) fn failing() -> (Arc<AtomicBool>, PoolSet) {
    let snapshot = pool("real", 4).snapshot();
    let (is_bad, mut only) = (Arc::new(AtomicBool::new(false)), MockControl::new());
    only.expect_name().return_const("only".to_owned());
    only.expect_id().return_const(PoolId::unique());
    only.expect_target().return_const(None);
    only.expect_options().return_const(PoolOptions::default());
    only.expect_histograms().returning(PoolHistograms::default);
    only.expect_outage().return_const(None);
    only.expect_is_closed().return_const(false);
    only.expect_is_paused().return_const(false);
    let turns_bad = Arc::clone(&is_bad);
    only.expect_snapshot().returning(move || {
        assert!(!turns_bad.load(Ordering::Relaxed), "a bad pool");
        snapshot.clone()
    });
    let set = PoolSet::new();
    set.insert(only).unwrap();
    (is_bad, set)
}

#[tokio::test(start_paused = true)]
async fn books_that_do_not_balance_are_a_reading() {
    let (shown, monitor) = scripted().await;
    let violated = || {
        monitor.collect();
        let reading = monitor.read("orders", Metric::AccountingViolated, None);
        let violation = monitor.samples()[0].violation;
        assert_eq!(reading, Some(if violation.is_some() { 1.0 } else { 0.0 }));
        violation.map(|violation| violation.to_string())
    };
    assert_eq!(violated(), None);
    shown.lock().unwrap().counters.requests += 1;
    insta::assert_snapshot!(violated().unwrap(), @"3 acquires were begun, 2 have ended and 0 are under way");
    shown.lock().unwrap().counters.timed_out += 1;
    assert_eq!(violated(), None, "they balance again");
    shown.lock().unwrap().stats.idle -= 1;
    insta::assert_snapshot!(violated().unwrap(), @"there are 2 connections, and 1 in all states together");
    shown.lock().unwrap().stats.total -= 1;
    insta::assert_snapshot!(violated().unwrap(), @"0 connections were opened, 0 closed, and -1 more are open");
    assert_eq!(violated(), None, "nothing has changed since");
}

#[tokio::test(start_paused = true)]
async fn counters_that_go_back_without_a_reset_are_a_new_beginning() {
    let (shown, monitor) = scripted().await;
    monitor.collect();
    pass(10).await;
    let before = shown.lock().unwrap().clone();
    shown.lock().unwrap().counters.acquired -= 1;
    monitor.collect();
    assert_eq!(monitor.read("orders", Metric::Acquired, None), Some(1.0));
    assert_eq!(monitor.metrics("orders").unwrap().successful_requests, before.counters.acquired + 1);
}

#[tokio::test(start_paused = true)]
async fn a_pool_that_panics_is_left_out_and_the_others_are_measured() {
    let orders = pool("orders", 4);
    let mut bad = MockControl::new();
    bad.expect_name().return_const("bad".to_owned());
    bad.expect_is_closed().return_const(false);
    bad.expect_snapshot().returning(|| panic!("a bad pool"));
    let set = set_of(&[&orders]);
    set.insert(bad).unwrap();
    let monitor = monitor_of(&set, MonitorSettings::default());
    monitor.collect();
    monitor.collect();
    let measured: Vec<_> = monitor.samples().iter().map(|sample| sample.pool.to_string()).collect();
    assert_eq!(measured, ["orders"]);
}

#[tokio::test(start_paused = true)]
async fn a_pool_that_panics_when_it_is_asked_whether_it_is_closed_stops_nobody_else() {
    let orders = pool("orders", 4);
    let mut bad = MockControl::new();
    bad.expect_name().return_const("bad".to_owned());
    bad.expect_is_closed().returning(|| panic!("a bad pool"));
    bad.expect_snapshot().returning(|| panic!("a bad pool"));
    let set = set_of(&[&orders]);
    set.insert(bad).unwrap();
    let monitor = monitor_of(&set, MonitorSettings::default());
    monitor.start();
    pass(45).await;
    assert!(monitor.is_running() && monitor.metrics("orders").is_some());
    let firing: Vec<_> = monitor.alerts().iter().map(|alert| Arc::clone(&alert.rule)).collect();
    assert_eq!(firing.len(), 1);
    assert_eq!(&*firing[0], "PoolMetricsStale");
    monitor.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_pool_that_could_never_be_measured_is_missed_until_it_is_gone() {
    let orders = pool("orders", 4);
    let mut bad = MockControl::new();
    bad.expect_name().return_const("bad".to_owned());
    bad.expect_is_closed().return_const(false);
    bad.expect_snapshot().returning(|| panic!("a bad pool"));
    let set = set_of(&[&orders]);
    set.insert(bad).unwrap();
    let monitor = monitor_of(&set, MonitorSettings::default());
    monitor.start();
    pass(25).await;
    assert_eq!(monitor.alerts(), []);
    pass(10).await;
    let firing: Vec<_> = monitor.alerts().iter().map(|alert| alert.labels.to_string()).collect();
    assert_eq!(firing, [r#"{alertname="PoolMetricsStale", family="monitor", pool="bad", severity="error"}"#]);
    set.remove("bad").unwrap();
    pass(10).await;
    assert_eq!(monitor.alerts(), []);
    monitor.stop().await;
}

#[tokio::test(start_paused = true)]
async fn the_only_pool_is_missed_as_well_when_it_cannot_be_measured_any_more() {
    let (is_bad, set) = failing();
    let monitor = monitor_of(&set, MonitorSettings::default());
    monitor.start();
    pass(15).await;
    assert_eq!(monitor.alerts(), []);
    is_bad.store(true, Ordering::Relaxed);
    pass(60).await;
    let firing: Vec<_> = monitor.alerts().iter().map(|alert| alert.rule.to_string()).collect();
    assert_eq!(firing, ["PoolMetricsStale"]);
    monitor.stop().await;
}
