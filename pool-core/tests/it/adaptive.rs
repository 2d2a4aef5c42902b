//! Promise 14: the pool finds its own size, or recommends one.

use std::time::Duration;

use pool_core::{PoolEvent, Sizing, SizingReason};
use tokio::time::Instant;

use crate::support::{Recorder, check_at_rest, lazy, ms, pass, secs};

/// Callers without end: each holds a connection for a time that grows with the number of those who hold one, as
/// the Universal Scalability Law has it. Returns when `lasting` is over.
async fn saturate(
    pool: &crate::support::FakePool,
    callers: usize,
    lasting: Duration,
    contention: f64,
    crosstalk: f64,
) {
    let until = Instant::now() + lasting;
    let tasks: Vec<_> = (0..callers)
        .map(|_| {
            let pool = pool.clone();
            tokio::spawn(async move {
                while Instant::now() < until {
                    let guard = pool.acquire().await.unwrap();
                    let n = pool.stats().active as f64;
                    let use_time = 0.01 * (1.0 + contention * (n - 1.0) + crosstalk * n * (n - 1.0));
                    tokio::time::sleep(Duration::from_secs_f64(use_time)).await;
                    drop(guard);
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
}

// Promise 14: a database that serves most with eight at once gets about eight, though forty would be allowed.
#[tokio::test(start_paused = true)]
async fn a_pool_that_sizes_itself_finds_the_peak_of_its_database() {
    let (builder, connector) = lazy(40);
    let pool = builder.sizing(Sizing::On).connect_concurrency(40).build().unwrap();
    // The peak is at sqrt((1 - 0.04) / 0.015) = 8.
    saturate(&pool, 60, secs(120), 0.04, 0.015).await;
    let advice = pool.sizing_advice().unwrap();
    assert!((6..=10).contains(&advice.limit), "{advice}");
    assert!(connector.open_now() <= advice.limit, "{} open: {advice}", connector.open_now());
    check_at_rest(&pool, &connector);
}

// Promise 14: observing changes nothing and says what it would do.
#[tokio::test(start_paused = true)]
async fn a_pool_that_observes_recommends_and_keeps_its_limit() {
    let recorder = Recorder::default();
    let (builder, _connector) = lazy(20);
    let pool = builder.sizing(Sizing::Observe).observer(recorder.clone()).build().unwrap();
    assert_eq!(pool.sizing_advice(), None);
    for _ in 0..3_000 {
        let guards = crate::support::hold(&pool, 2).await;
        pass(ms(50)).await;
        drop(guards);
    }
    let advice = pool.sizing_advice().unwrap();
    assert_eq!(advice.reason, SizingReason::Demand);
    assert!((3..=8).contains(&advice.limit), "two at once, and head-room: {advice}");
    assert!(recorder.count(|event| matches!(event, PoolEvent::SizingAdvised { .. })) > 0);
    assert_eq!(crate::support::hold(&pool, 20).await.len(), 20, "the limit is what it was");
}

// Promise 14: switched off at run time, the limit is that of the options again.
#[tokio::test(start_paused = true)]
async fn sizing_can_be_switched_at_run_time() {
    let (builder, _connector) = lazy(20);
    let pool = builder.sizing(Sizing::On).build().unwrap();
    for _ in 0..6_000 {
        let guard = pool.acquire().await.unwrap();
        pass(ms(50)).await;
        drop(guard);
    }
    let advice = pool.sizing_advice().unwrap();
    assert!(advice.limit < 10, "{advice}");
    pool.reconfigure(|options| options.sizing = Sizing::Off).unwrap();
    assert_eq!(pool.sizing_advice(), None);
    assert_eq!(crate::support::hold(&pool, 20).await.len(), 20);
}
