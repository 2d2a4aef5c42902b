//! Sessions that are killed, servers that restart, and those that say nothing any more.

use std::time::Duration;

use pool_core::CloseReason;
use tokio::time::{Instant, sleep, timeout};

use super::backend::{Backend, Hindrance, PoolOf};
use super::{PATIENCE, SLACK, ask, open, pool_of, settles, until_it_answers};

/// The server ends all sessions while they are idle for longer than they are trusted.
pub(super) async fn sessions_killed_while_idle_are_replaced_before_a_caller_sees_them<B: Backend>() {
    let backend = B::start().await;
    let trusted = Duration::from_millis(50);
    let pool = pool_of(&backend, 4).validate_after_idle(trusted).build().unwrap();
    let old = open::<B>(&pool, 4).await;
    backend.kill_sessions().await;
    sleep(trusted).await;
    let new = open::<B>(&pool, 4).await;
    assert!(!new.iter().any(|id| old.contains(id)), "{old:?}, then {new:?}");
    assert_eq!((pool.counters().failed(), pool.counters().created), (0, 8), "{:?}", pool.counters());
    settles(&backend, &pool).await;
}

/// E7. How often the pool is flushed depends on what the server says with its last word.
pub(super) async fn fifteen_busy_sessions_killed_at_once_are_flushed_once<B: Backend>() {
    let backend = B::start().await;
    let pool = pool_of(&backend, 15).build().unwrap();
    let mut held = Vec::new();
    while held.len() < 15 {
        let mut connection = pool.acquire().await.unwrap();
        ask::<B>(&mut connection, "before").await;
        held.push(connection);
    }
    backend.kill_sessions().await;
    for connection in &mut held {
        B::ask(connection, "after").await.expect_err("it was killed");
    }
    drop(held);
    open::<B>(&pool, 15).await;
    let counters = pool.counters();
    assert_eq!(counters.flushes, B::FLUSHES_OF_A_KILL, "{counters:?}");
    assert_eq!((counters.closed[CloseReason::Broken], counters.created), (15, 30), "{counters:?}");
    settles(&backend, &pool).await;
}

pub(super) async fn after_a_restart_callers_are_served_by_new_connections<B: Backend>() {
    let backend = B::start().await;
    let pool = pool_of(&backend, 4).validate_after_idle(Duration::ZERO).build().unwrap();
    let old = open::<B>(&pool, 4).await;
    let mut held = pool.acquire().await.unwrap();
    backend.stop().await;
    backend.start_again().await;
    B::ask(&mut held, "still there?").await.expect_err("its session is gone");
    drop(held);
    let new = open::<B>(&pool, 4).await;
    assert!(!new.iter().any(|id| old.contains(id)), "{old:?}, then {new:?}");
    assert_eq!(pool.counters().failed(), 0, "{:?}", pool.counters());
    settles(&backend, &pool).await;
}

pub(super) async fn a_frozen_server_holds_no_caller_past_the_deadline<B: Backend>() {
    let backend = B::start().await;
    let pool = impatient(&backend);
    open::<B>(&pool, 3).await;
    backend.freeze().await;
    nobody_waits_too_long::<B>(&pool).await;
    backend.thaw().await;
    until_it_answers::<B>(&pool).await;
    settles(&backend, &pool).await;
}

pub(super) async fn a_black_hole_holds_no_caller_past_the_deadline<B: Backend>() {
    let backend = B::start().await;
    let pool = impatient(&backend);
    open::<B>(&pool, 3).await;
    backend.hinder(Hindrance::Blackhole).await;
    nobody_waits_too_long::<B>(&pool).await;
    backend.mend().await;
    until_it_answers::<B>(&pool).await;
    settles(&backend, &pool).await;
}

const ACQUIRE: Duration = Duration::from_millis(800);

/// A pool that always validates, and waits for nothing longer than 800 ms.
fn impatient<B: Backend>(backend: &B) -> PoolOf<B> {
    pool_of(backend, 4)
        .validate_after_idle(Duration::ZERO)
        .validation_timeout(Duration::from_millis(300))
        .acquire_timeout(ACQUIRE)
        .connect_timeout(Duration::from_millis(500))
        .build()
        .unwrap()
}

/// While the server says nothing, callers are refused in time; if not, what they got fails in time.
async fn nobody_waits_too_long<B: Backend>(pool: &PoolOf<B>) {
    for _ in 0..3 {
        let begun = Instant::now();
        let acquired = pool.acquire().await;
        assert!(begun.elapsed() < ACQUIRE + SLACK, "the caller waited {:?}", begun.elapsed());
        match acquired {
            Err(error) => assert!(error.is_timeout() || error.is_unavailable(), "{error}"),
            Ok(mut connection) => {
                assert!(!B::VALIDATION_SEES_SILENCE, "a connection to nobody passed validation");
                timeout(PATIENCE, B::ask(&mut connection, "anybody?")).await.unwrap().unwrap_err();
            }
        }
    }
    assert!(B::VALIDATION_SEES_SILENCE == (pool.counters().validations_failed > 0), "{:?}", pool.counters());
}
