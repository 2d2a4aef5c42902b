//! The dimmer on services of several kinds.

use pool_core::Pool;
use pool_core::fake::FakeConnector;

use super::*;

fn brownout() -> Brownout {
    Brownout::new(BrownoutSettings::default()).unwrap()
}

const SET_POINT: Duration = Duration::from_millis(100);

/// A service whose wait depends on the share of optional work: `base` without any, `base + full` with all of it, growing
/// with the power `bend`.
fn wait(base: f64, full: f64, bend: i32, level: f64) -> Duration {
    Duration::from_secs_f64((base + full * level.powi(bend)) / 1_000.0)
}

#[test]
fn it_finds_the_level_at_which_waits_are_as_wished() {
    for (base, full, bend) in
        [(10.0, 200.0, 1), (50.0, 100.0, 2), (0.0, 400.0, 3), (90.0, 30.0, 1), (10.0, 900.0, 1)]
    {
        let brownout = brownout();
        for _ in 0..200 {
            brownout.update(wait(base, full, bend, brownout.level()));
        }
        let settled = wait(base, full, bend, brownout.level());
        let off = settled.abs_diff(SET_POINT);
        assert!(off <= SET_POINT / 20, "{base} + {full} * level^{bend}: {settled:?} at {}", brownout.level());
    }
}

#[test]
fn it_goes_out_under_a_load_that_nothing_helps_and_comes_back_after_it() {
    let brownout = brownout();
    let mut levels: Vec<_> = (0..10).map(|_| brownout.update(Duration::from_secs(30))).collect();
    assert!(levels.is_sorted_by(|a, b| a >= b) && brownout.level() < 1e-9, "{levels:?}");
    assert!((0..1_000).all(|_| !brownout.allows_optional()));
    levels = (0..20).map(|_| brownout.update(Duration::from_millis(10))).collect();
    assert!(levels.is_sorted() && brownout.level() == 1.0, "{levels:?}");
    assert!((0..1_000).all(|_| brownout.allows_optional()));
}

#[test]
fn a_floor_is_kept() {
    let brownout = Brownout::new(BrownoutSettings { floor: 0.25, ..BrownoutSettings::default() }).unwrap();
    (0..100).for_each(|_| assert!(brownout.update(Duration::MAX) >= 0.25));
    assert_eq!(brownout.level(), 0.25);
}

#[test]
fn the_share_that_is_allowed_is_the_level() {
    fastrand::seed(7);
    let brownout = Brownout::new(BrownoutSettings { gain: 0.7, ..BrownoutSettings::default() }).unwrap();
    assert!((brownout.update(Duration::from_secs(1)) - 0.3).abs() < 1e-9);
    let allowed = (0..100_000).filter(|_| brownout.allows_optional()).count();
    assert!((29_000..=31_000).contains(&allowed), "{allowed}");
}

/// 30 requests a second on 4 connections; a request holds one for 55 ms, and one that does its optional work for 55 ms more.
/// The database then is twice as slow for a minute: too slow for all of that, and not for what is needed.
#[tokio::test(start_paused = true)]
async fn a_pool_that_is_too_slow_for_everything_does_what_is_needed() {
    fastrand::seed(7);
    let pool = Pool::builder(FakeConnector::new()).max_connections(4).min_connections(4).build().unwrap();
    pool.warm_up().await.unwrap();
    let brownout = brownout();
    let (mut levels, mut waits) = (Vec::new(), Vec::new());
    for second in 0..180_u32 {
        let slow = if (60..120).contains(&second) { 2 } else { 1 };
        for _ in 0..30 {
            let (pool, work) = (pool.clone(), 1 + u32::from(brownout.allows_optional()));
            tokio::spawn(async move {
                let connection = pool.acquire().await.unwrap();
                tokio::time::sleep(Duration::from_millis(55) * work * slow).await;
                drop(connection);
            });
            tokio::time::sleep(Duration::from_millis(33)).await;
        }
        levels.push(brownout.step(&pool));
        waits.push(pool.stats().oldest_wait);
    }
    assert!(
        levels[30..60].iter().all(|level| *level == 1.0),
        "all of it as long as there is room: {levels:?}"
    );
    let dimmed = levels[90..120].iter().sum::<f64>() / 30.0;
    assert!(dimmed < 0.5, "{levels:?}");
    assert!(waits[90..120].iter().all(|wait| *wait < Duration::from_secs(1)), "{waits:?}");
    assert_eq!(levels[179], 1.0, "it is back: {levels:?}");
}

#[test]
fn every_bad_setting_is_named_at_once() {
    assert_eq!(BrownoutSettings::default().check(), Ok(()));
    let settings = BrownoutSettings { set_point: Duration::ZERO, gain: 0.0, floor: f64::NAN };
    insta::assert_snapshot!(
        settings.check().unwrap_err(),
        @"accept the brown-out settings: set_point = 0s must be longer than zero; gain = 0 must be over 0 and at most 1; floor = NaN must be from 0 to 1"
    );
}

#[tokio::test(start_paused = true)]
async fn who_waits_without_end_counts_though_nobody_is_served() {
    let pool = Pool::builder(FakeConnector::new()).max_connections(1).min_connections(1).build().unwrap();
    let brownout = brownout();
    let held = pool.acquire().await.unwrap();
    assert_eq!(brownout.step(&pool), 1.0, "the first step only looks");
    let waiter = tokio::spawn({
        let pool = pool.clone();
        async move { pool.acquire().await.map(drop) }
    });
    for _ in 0..5 {
        tokio::time::sleep(Duration::from_secs(1)).await;
        brownout.step(&pool);
    }
    assert!((brownout.level() - 0.5).abs() < 1e-9, "{}", brownout.level());
    drop(held);
    waiter.await.unwrap().unwrap();
}
