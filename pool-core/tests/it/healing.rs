//! Group H, the way back: how soon the first caller is served after an outage, and how soon all are.
//!
//! Callers come every five milliseconds, whether the ones before were served or not, and hold a connection for two.
//! `cargo xtask outage` measures the same over a real server; the ten minutes pass only here.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use pool_core::fake::{Act, FakeConnector};
use pool_core::{Pool, PoolBuilder};
use tokio::time::{Instant, sleep};

use crate::support::{FakePool, check_at_rest, ms, pass, secs};

/// How a target is gone.
#[derive(Debug, Clone, Copy)]
enum Gone {
    /// Connects are refused.
    Refusing,
    /// Connects hang, and those that do are never answered, not even when the target is back.
    Silent,
}

/// What a way back looked like. Times since the target was back.
#[derive(Debug)]
struct Back {
    first: Duration,
    /// When the first second began in which 95 of a hundred callers were served.
    normal: Duration,
    /// Connects in the outage.
    attempts: u64,
}

const EVERY: Duration = Duration::from_millis(5);

/// Callers that come for so long; returns when those were served that were.
async fn callers(pool: &FakePool, time: Duration) -> Arc<Mutex<Vec<Instant>>> {
    let served = Arc::new(Mutex::new(Vec::new()));
    let until = Instant::now() + time;
    while Instant::now() < until {
        let (pool, served) = (pool.clone(), Arc::clone(&served));
        tokio::spawn(async move {
            let Ok(guard) = pool.acquire().await else { return };
            served.lock().unwrap().push(Instant::now());
            sleep(ms(2)).await;
            drop(guard);
        });
        sleep(EVERY).await;
    }
    served
}

fn builder(connector: &FakeConnector) -> PoolBuilder<FakeConnector> {
    Pool::builder(connector.clone())
        .name("test")
        .max_connections(10)
        .min_connections(10)
        .acquire_timeout(secs(2))
        .connect_timeout(secs(1))
        .validate_after_idle(Duration::ZERO)
}

/// Takes the target away for so long, under a steady load.
async fn outage(
    builder: PoolBuilder<FakeConnector>,
    connector: FakeConnector,
    gone: Gone,
    lasts: Duration,
) -> Back {
    connector.connects().always(Act::Slow(ms(5)));
    let pool = builder.build().unwrap();
    pool.warm_up().await.unwrap();
    callers(&pool, secs(1)).await;

    let before = connector.connects().calls();
    match gone {
        Gone::Refusing => connector.connects().always(Act::Fail("connection refused")),
        Gone::Silent => connector.connects().always(Act::Hang),
    };
    connector.kill_all();
    // The last five seconds are enough: nobody who comes then is left over from before.
    pass(lasts.saturating_sub(secs(5))).await;
    callers(&pool, lasts.min(secs(5))).await;
    let attempts = connector.connects().calls() - before;
    connector.connects().always(Act::Slow(ms(5)));
    let back = Instant::now();
    let served = callers(&pool, secs(6)).await;
    pass(secs(2)).await;
    check_at_rest(&pool, &connector);
    assert_eq!(pool.stats().open(), 10, "it is whole again");

    let served: Vec<_> = served.lock().unwrap().iter().map(|at| *at - back).collect();
    let enough = 95 * secs(1).as_millis() / EVERY.as_millis() / 100;
    let within = |from: Duration| served.iter().filter(|at| (from..from + secs(1)).contains(at)).count();
    let normal = (0..500).map(|n| ms(10 * n)).find(|from| within(*from) as u128 >= enough);
    Back { first: served[0], normal: normal.expect("it comes back"), attempts }
}

// H6: five seconds, ended in every phase of the back-off.
#[tokio::test(start_paused = true)]
async fn after_a_short_outage_callers_are_served_within_half_a_second() {
    for gone in [Gone::Refusing, Gone::Silent] {
        for phase in 0..40 {
            let connector = FakeConnector::new();
            let lasts = secs(5) + ms(25 * phase);
            let back = outage(builder(&connector), connector, gone, lasts).await;
            assert!(back.first <= ms(600), "{gone:?} for {lasts:?}: {back:?}");
            assert!(back.normal <= secs(1), "{gone:?} for {lasts:?}: {back:?}");
            assert!(back.attempts <= 30, "{gone:?} for {lasts:?}: {back:?}");
        }
    }
}

// H6: the same with the default limits, of which a connect that hangs uses up all five seconds.
#[tokio::test(start_paused = true)]
async fn a_connect_that_hangs_for_long_keeps_nobody_from_coming_back() {
    for phase in 0..20 {
        let connector = FakeConnector::new();
        let builder = builder(&connector).connect_timeout(secs(5));
        let lasts = secs(10) + ms(25 * phase);
        let back = outage(builder, connector, Gone::Silent, lasts).await;
        assert!(back.first <= ms(600) && back.normal <= secs(1), "for {lasts:?}: {back:?}");
    }
}

// H6: after ten minutes it is tried every two seconds.
#[tokio::test(start_paused = true)]
async fn after_ten_minutes_callers_are_served_within_two_seconds() {
    for gone in [Gone::Refusing, Gone::Silent] {
        for phase in 0..20 {
            let connector = FakeConnector::new();
            let lasts = secs(600) + ms(100 * phase);
            let back = outage(builder(&connector), connector, gone, lasts).await;
            assert!(back.first <= ms(2_200), "{gone:?} for {lasts:?}: {back:?}");
            assert!(back.normal <= secs(3), "{gone:?} for {lasts:?}: {back:?}");
        }
    }
}

// A target that needs longer for a connect than those get that only look whether it is back: one always has the
// time.
#[tokio::test(start_paused = true)]
async fn a_target_that_is_slow_to_accept_is_not_given_up_on() {
    let connector = FakeConnector::new();
    let pool = builder(&connector)
        .min_connections(1)
        .connect_timeout(secs(5))
        .acquire_timeout(secs(60))
        .build()
        .unwrap();
    connector.connects().next(Act::Fail("connection refused")).always(Act::Slow(secs(3)));
    let begun = Instant::now();
    assert!(pool.acquire().await.is_ok());
    assert!(begun.elapsed() <= secs(4), "{:?}", begun.elapsed());
}

// A target that was stopped for a while and goes on answers those who had patience. The next that hangs is counted on no
// longer than before.
#[tokio::test(start_paused = true)]
async fn connects_that_took_long_in_an_outage_are_not_typical() {
    let connector = FakeConnector::new();
    connector.connects().always(Act::Slow(ms(5)));
    let pool = builder(&connector).connect_timeout(secs(5)).acquire_timeout(secs(10)).build().unwrap();
    pool.warm_up().await.unwrap();
    connector.connects().always(Act::Slow(secs(4)));
    pool.evict_all();
    drop(pool.acquire().await.unwrap());
    connector.connects().next(Act::Hang).always(Act::Slow(ms(5)));
    pool.evict_all();
    pass(secs(10)).await;
    connector.connects().next(Act::Hang);
    pool.evict_all();
    let begun = Instant::now();
    drop(pool.acquire().await.unwrap());
    assert!(begun.elapsed() <= ms(500), "{:?}", begun.elapsed());
}
