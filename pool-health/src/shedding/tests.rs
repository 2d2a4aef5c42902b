//! Load shedding on saturated pools, on a paused clock.

use std::sync::{Arc, Mutex};

use pool_core::fake::{Act, FakeConnector};
use pool_core::{AcquireError, ErrorClass, Pool};
use tokio::time::{interval, sleep, sleep_until};

use super::*;

type FakePool = Pool<FakeConnector>;

fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

async fn pool(max: usize, acquire_timeout: Duration) -> FakePool {
    let builder = Pool::builder(FakeConnector::new()).max_connections(max).min_connections(max);
    let pool = builder.acquire_timeout(acquire_timeout).build().unwrap();
    pool.warm_up().await.unwrap();
    pool
}

fn shedder() -> LoadShedder {
    LoadShedder::new(SheddingSettings::default()).unwrap()
}

/// What came of the callers of one phase.
#[derive(Debug, Default, Clone)]
struct Outcome {
    served: u32,
    /// Those of them who got a connection while others still came.
    meanwhile: u32,
    timed_out: u32,
    refused: u32,
    longest_wait: Duration,
    longest_refusal: Duration,
}

/// Callers that come every `apart` for `lasting`, whatever becomes of them, and hold a connection for about `held`.
async fn load(pool: &FakePool, lasting: Duration, apart: Duration, held: Duration, seed: u64) -> Outcome {
    let outcome = Arc::new(Mutex::new(Outcome::default()));
    let rng = Arc::new(Mutex::new(fastrand::Rng::with_seed(seed)));
    let mut callers = tokio::task::JoinSet::new();
    let (mut next, end) = (Instant::now(), Instant::now() + lasting);
    while next < end {
        let (pool, outcome, rng) = (pool.clone(), Arc::clone(&outcome), Arc::clone(&rng));
        callers.spawn(async move {
            let begun = Instant::now();
            let acquired = pool.acquire().await;
            let waited = begun.elapsed();
            {
                let mut outcome = outcome.lock().unwrap();
                match &acquired {
                    Ok(_) => {
                        outcome.served += 1;
                        outcome.meanwhile += u32::from(Instant::now() < end);
                        outcome.longest_wait = outcome.longest_wait.max(waited);
                    }
                    Err(AcquireError::Timeout(_)) => outcome.timed_out += 1,
                    Err(AcquireError::QueueFull(_)) => {
                        outcome.refused += 1;
                        outcome.longest_refusal = outcome.longest_refusal.max(waited);
                    }
                    Err(error) => panic!("{error}"),
                }
            }
            if acquired.is_ok() {
                // Exponential, so that uses end independently of each other; drawn now, so that it is the n-th who is served
                // and not the n-th who comes that holds it for so long.
                let luck = rng.lock().unwrap().f64();
                sleep(held.mul_f64(-(1.0 - luck).ln())).await;
            }
        });
        next += apart;
        sleep_until(next).await;
    }
    callers.join_all().await;
    let outcome = outcome.lock().unwrap();
    outcome.clone()
}

/// Steps once a second until it is dropped; tells each new limit.
fn shed(pool: &FakePool) -> (tokio::task::JoinHandle<()>, Arc<Mutex<Vec<usize>>>) {
    let limits = Arc::new(Mutex::new(Vec::new()));
    let task = tokio::spawn({
        let (pool, limits) = (pool.clone(), Arc::clone(&limits));
        async move {
            let (mut shedder, mut second) = (shedder(), interval(secs(1)));
            loop {
                second.tick().await;
                limits.lock().unwrap().extend(shedder.step(&pool).unwrap());
            }
        }
    });
    (task, limits)
}

#[tokio::test(start_paused = true)]
async fn with_shedding_who_is_let_in_is_served_in_time_and_no_less_is_done() {
    for seed in 0..10 {
        // 4 connections, 100 ms a use: 40 callers a second are served, 80 come, and have 2 s each.
        let (plain, shedding) = (pool(4, secs(2)).await, pool(4, secs(2)).await);
        // A light load first, of which the shedder learns how long a use takes.
        let (task, _) = shed(&shedding);
        for pool in [&plain, &shedding] {
            let light = load(pool, secs(5), ms(50), ms(100), seed).await;
            assert_eq!(light.served, 100);
        }
        let without = load(&plain, secs(60), ms(25) / 2, ms(100), seed).await;
        let with = load(&shedding, secs(60), ms(25) / 2, ms(100), seed).await;
        assert!(without.timed_out > 1_500, "{without:?}");
        assert_eq!(with.timed_out, 0, "seed {seed}: {with:?}");
        assert!(with.refused > 1_500 && with.longest_refusal < ms(5), "{with:?}");
        assert!(with.meanwhile + 5 >= without.meanwhile, "{with:?} against {without:?}");
        task.abort();
    }
}

#[tokio::test(start_paused = true)]
async fn a_slow_database_makes_the_queue_shorter_and_a_quick_one_longer() {
    let pool = pool(4, secs(2)).await;
    let (task, limits) = shed(&pool);
    load(&pool, secs(20), ms(20), ms(100), 1).await;
    let usual = pool.options().max_waiting;
    assert!((30..=56).contains(&usual), "80 less the doubts, about 42: {usual}");
    load(&pool, secs(30), ms(50), ms(400), 2).await;
    let slow = pool.options().max_waiting;
    assert!((4..=12).contains(&slow), "20 less the doubts, about 7: {slow}");
    load(&pool, secs(30), ms(20), ms(100), 3).await;
    let again = pool.options().max_waiting;
    assert!((30..=56).contains(&again), "{again}");
    task.abort();
    let limits = limits.lock().unwrap();
    assert!(limits.len() <= 40, "changes in 80 s: {limits:?}");
}

#[tokio::test(start_paused = true)]
async fn a_database_that_stands_still_makes_the_queue_shorter_though_nothing_is_measured() {
    let pool = pool(4, secs(2)).await;
    let (task, _) = shed(&pool);
    load(&pool, secs(10), ms(50), ms(100), 1).await;
    assert!(pool.options().max_waiting > 30);
    let mut held = Vec::new();
    for _ in 0..4 {
        held.push(pool.acquire().await.unwrap());
    }
    let mut callers = tokio::task::JoinSet::new();
    for _ in 0..100 {
        let pool = pool.clone();
        callers.spawn(async move { drop(pool.acquire().await) });
        sleep(ms(100)).await;
    }
    assert_eq!(pool.options().max_waiting, 4, "never under the size of the pool");
    task.abort();
}

#[tokio::test(start_paused = true)]
async fn what_others_configure_is_never_exceeded_and_comes_back_at_the_end() {
    let pool = pool(4, secs(2)).await;
    let mut shedder = shedder();
    let step = async |pool: &FakePool, shedder: &mut LoadShedder| {
        load(pool, secs(2), ms(50), ms(100), 1).await;
        shedder.step(pool).unwrap();
        pool.options().max_waiting
    };
    assert_eq!(step(&pool, &mut shedder).await, 0, "the first step only looks");
    let limit = step(&pool, &mut shedder).await;
    assert!(limit > 15 && shedder.limit() == Some(limit));

    // A reload of the configuration, say.
    pool.reconfigure(|options| options.max_waiting = 7).unwrap();
    assert_eq!(step(&pool, &mut shedder).await, 7);
    pool.reconfigure(|options| options.max_waiting = 1_000).unwrap();
    let limit = step(&pool, &mut shedder).await;
    assert!((15..1_000).contains(&limit), "{limit}");
    shedder.restore(&pool).unwrap();
    assert_eq!((pool.options().max_waiting, shedder.limit()), (1_000, None));
    shedder.restore(&pool).unwrap();
    assert_eq!(pool.options().max_waiting, 1_000, "twice is as once");

    assert_eq!(step(&pool, &mut shedder).await, 1_000);
    let limit = step(&pool, &mut shedder).await;
    pool.reconfigure(|options| options.max_waiting = limit + 1).unwrap();
    shedder.restore(&pool).unwrap();
    assert_eq!(pool.options().max_waiting, limit + 1, "what somebody else has set meanwhile stays");
}

#[tokio::test(start_paused = true)]
async fn a_pool_at_rest_and_counters_set_to_zero_change_nothing() {
    let pool = pool(4, secs(2)).await;
    let mut shedder = shedder();
    for _ in 0..10 {
        sleep(secs(1)).await;
        assert_eq!(shedder.step(&pool), Ok(None));
    }
    load(&pool, secs(2), ms(50), ms(100), 1).await;
    assert!(shedder.step(&pool).unwrap().is_some());
    pool.reset_stats();
    for _ in 0..10 {
        sleep(secs(1)).await;
        assert_eq!(shedder.step(&pool), Ok(None));
    }
}

#[tokio::test(start_paused = true)]
async fn only_connections_that_callers_can_have_count() {
    // All four of them, or two that are not reserved.
    for (reserve, expected) in [(0, 30..=56), (2, 10..=26)] {
        let pool = pool(4, secs(2)).await;
        pool.reconfigure(|options| options.reserve_connections = reserve).unwrap();
        let (task, _) = shed(&pool);
        load(&pool, secs(20), ms(40), ms(60), 1).await;
        load(&pool, secs(20), ms(20), ms(100), 1).await;
        let limit = pool.options().max_waiting;
        assert!(expected.contains(&limit), "{reserve} reserved: {limit}");
        task.abort();
    }

    // The server has room for two of eight.
    let connector = FakeConnector::new();
    connector.connects().next(Act::Succeed).next(Act::Succeed);
    connector.connects().always(Act::FailAs(ErrorClass::Capacity, "too many clients"));
    let builder = Pool::builder(connector).max_connections(8).min_connections(2).acquire_timeout(secs(2));
    let pool = builder.build().unwrap();
    pool.warm_up().await.unwrap();
    let (task, _) = shed(&pool);
    load(&pool, secs(20), ms(20), ms(100), 1).await;
    assert!((10..=26).contains(&pool.options().max_waiting), "{}", pool.options().max_waiting);
    task.abort();
}

#[test]
fn a_place_leaves_four_deviations() {
    for in_time in [0.0, 0.5, 4.0, 10.0, 80.0, 1e3, 1e5] {
        let (place, needs) = (place_for(in_time), |place: usize| place as f64 + 4.0 * (place as f64).sqrt());
        assert!(needs(place) <= in_time + 1e-6 && needs(place + 1) > in_time, "{in_time}: {place}");
    }
    assert_eq!((place_for(f64::INFINITY), place_for(f64::NAN)), (1_000_000, 1_000_000));
}

#[test]
fn every_bad_setting_is_named_at_once() {
    assert_eq!(SheddingSettings::default().check(), Ok(()));
    let settings = SheddingSettings { smoothing: secs(172_800), hysteresis: 1.5 };
    insta::assert_snapshot!(
        settings.check().unwrap_err(),
        @"accept the load shedding settings: smoothing = 172800s must not exceed one day; hysteresis = 1.5 must be from 0 to 1"
    );
}
