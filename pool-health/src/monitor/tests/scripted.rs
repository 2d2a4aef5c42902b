//! Pools that do nothing but answer checks as they are told.

use std::collections::VecDeque;

use mockall::mock;
use pool_core::{
    AcquireError, CheckReport, CloseReport, ConnectionId, ConnectionInfo, ControlFuture, Holder,
    OptionsError, Outage, PoolHistograms, PoolId, PoolOptions, PoolSnapshot, SizingAdvice, Target,
    WarmUpError,
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

/// Real results of real checks: a good one and a bad one.
pub(super) async fn results() -> (CheckReport, AcquireError, PoolSnapshot) {
    let connector = FakeConnector::new();
    let pool = Pool::builder(connector.clone()).build().unwrap();
    let (report, snapshot) = (pool.check().await.unwrap(), pool.snapshot());
    connector.go_down();
    (report, pool.check().await.unwrap_err(), snapshot)
}

/// A pool that says nothing of interest, and is checked like this.
pub(super) async fn quiet_control(
    check: impl FnMut(Duration) -> ControlFuture<'static, Result<CheckReport, AcquireError>> + Send + 'static,
) -> impl PoolControl {
    let (_, _, snapshot) = results().await;
    let mut pool = MockControl::new();
    pool.expect_name().return_const("orders".to_owned());
    pool.expect_id().return_const(PoolId::unique());
    pool.expect_options().returning(PoolOptions::default);
    pool.expect_target().return_const(None);
    pool.expect_snapshot().return_const(snapshot);
    pool.expect_outage().return_const(None);
    pool.expect_is_closed().return_const(false);
    // What automatic recovery does, once for each check that fails while it is down.
    pool.expect_evict_invalid().return_const(0usize);
    pool.expect_check_timeout().returning(check);
    pool
}

/// When checks of a target were begun, if they come out like this: `+` passed, `-` failed.
async fn begun_with(script: &str, settings: HealthSettings) -> Vec<f64> {
    let (report, error, _) = results().await;
    let script: Mutex<VecDeque<char>> = Mutex::new(script.chars().collect());
    let begun = Arc::new(Mutex::new(Vec::new()));
    let (noted, start) = (Arc::clone(&begun), Arc::new(std::sync::OnceLock::new()));
    let started = Arc::clone(&start);
    let pool = quiet_control(move |timeout| {
        assert_eq!(timeout, Duration::from_secs(5));
        let Some(next) = script.lock().unwrap().pop_front() else { return Box::pin(std::future::pending()) };
        noted.lock().unwrap().push(start.get_or_init(Instant::now).elapsed().as_secs_f64());
        let result = if next == '+' { Ok(report.clone()) } else { Err(error.clone()) };
        Box::pin(std::future::ready(result))
    })
    .await;
    let pools = PoolSet::new();
    pools.insert(pool).unwrap();
    let health = HealthMonitor::new(pools, settings).unwrap();
    started.get_or_init(Instant::now);
    health.start();
    seconds(3600).await;
    let begun = begun.lock().unwrap();
    begun.iter().map(|at| (at * 1e3).round() / 1e3).collect()
}

/// As HAProxy's `inter 60s fastinter 1s downinter 5s fall 3 rise 2`.
#[tokio::test(start_paused = true)]
async fn checks_come_at_the_times_at_which_haproxy_makes_them() {
    let times = begun_with("+++-+---+-++++", exact()).await;
    //            +    +     +      -      +      -      -      -      +      -      +      +      +      +
    let expected = [0., 60., 120., 180., 181., 241., 242., 243., 248., 249., 254., 255., 315., 375.];
    assert_eq!(times, expected);
}

#[tokio::test(start_paused = true)]
async fn a_tenth_of_jitter_moves_each_check_by_no_more() {
    let times = begun_with(&"+".repeat(50), HealthSettings::default()).await;
    let apart: Vec<_> = times.windows(2).map(|pair| pair[1] - pair[0]).collect();
    assert!(apart.iter().all(|apart| (53.9..=66.1).contains(apart)), "{apart:?}");
    let spread = apart.iter().copied().fold(0.0, f64::max) - apart.iter().copied().fold(f64::MAX, f64::min);
    assert!(spread > 5.0, "{apart:?}");
}
