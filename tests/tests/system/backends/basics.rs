//! Using a pool, to its limit and to its end.

use std::collections::HashSet;
use std::time::Duration;

use pool_core::Connector as _;
use pool_drivers::Replaceable as _;
use tokio::task::JoinSet;

use super::backend::Backend;
use super::{PATIENCE, ask, open, pool_of, settles, until};

pub(super) async fn a_question_is_answered_and_the_connection_is_used_again<B: Backend>() {
    let backend = B::start().await;
    let pool = pool_of(&backend, 4).build().unwrap();
    let mut seen = HashSet::new();
    for number in 0..50 {
        let mut connection = pool.acquire().await.unwrap();
        seen.insert(connection.id());
        ask::<B>(&mut connection, &format!("question {number}")).await;
    }
    let counters = pool.counters();
    assert_eq!((seen.len(), counters.created, counters.resets), (1, 1, 0), "{counters:?}");
    assert_eq!(backend.sessions().await, 1);
    settles(&backend, &pool).await;
}

pub(super) async fn at_the_limit_a_caller_is_told_who_holds_the_connections<B: Backend>() {
    let backend = B::start().await;
    let pool = pool_of(&backend, 2).build().unwrap();
    let held = [pool.acquire().await.unwrap(), pool.acquire().await.unwrap()];
    let error = pool.acquire_timeout(Duration::from_millis(100)).await.unwrap_err();
    let told = error.to_string();
    assert!(error.is_timeout(), "{told}");
    for part in ["`orders`", "none within 100ms", "total 2 of 2, active 2, idle 0", "basics.rs"] {
        assert!(told.contains(part), "no `{part}` in: {told}");
    }
    drop(held);
    open::<B>(&pool, 2).await;
    assert_eq!((pool.counters().created, backend.sessions().await), (2, 2));
    settles(&backend, &pool).await;
}

pub(super) async fn two_hundred_tasks_on_eight_connections_all_get_their_answers<B: Backend>() {
    const EACH: u64 = 10;
    let backend = B::start().await;
    let pool = pool_of(&backend, 8).build().unwrap();
    let mut tasks = JoinSet::new();
    for task in 0..200 {
        let pool = pool.clone();
        tasks.spawn(async move {
            for number in 0..EACH {
                let mut connection = pool.acquire().await.unwrap();
                ask::<B>(&mut connection, &format!("question {number} of task {task}")).await;
            }
        });
    }
    let mut most = 0;
    while !tasks.is_empty() {
        most = most.max(backend.sessions().await);
        while let Some(done) = tasks.try_join_next() {
            done.unwrap();
        }
    }
    let counters = pool.counters();
    assert!((2..=8).contains(&most), "{most} sessions at once");
    assert_eq!((counters.acquired, counters.failed()), (200 * EACH, 0), "{counters:?}");
    assert!(counters.created <= 8, "{counters:?}");
    settles(&backend, &pool).await;
}

pub(super) async fn a_close_waits_for_its_holder_and_leaves_no_session<B: Backend>() {
    let backend = B::start().await;
    let pool = pool_of(&backend, 4).build().unwrap();
    open::<B>(&pool, 3).await;
    let mut held = pool.acquire().await.unwrap();
    let closing = tokio::spawn({
        let pool = pool.clone();
        async move { pool.close(PATIENCE).await }
    });
    until("the pool is closing", async || pool.is_closed()).await;
    assert!(pool.acquire().await.unwrap_err().is_closed());
    ask::<B>(&mut held, "may I finish?").await;
    until("the idle ones are gone", async || backend.sessions().await == 1).await;
    assert!(!closing.is_finished(), "somebody still holds a connection");
    drop(held);
    let report = closing.await.unwrap();
    assert!(report.is_complete(), "{report}");
    until("the server has no session", async || backend.sessions().await == 0).await;
    settles(&backend, &pool).await;
}

pub(super) async fn a_pool_moves_to_another_server_under_its_holders<B: Backend>() {
    let (old, new) = (B::start().await, B::start().await);
    let pool = pool_of(&old, 4).build().unwrap();
    open::<B>(&pool, 3).await;
    let mut held = pool.acquire().await.unwrap();
    let before = pool.counters();

    pool.connector().replace_with(new.connector());
    let first_new = pool.evict_all();
    assert_eq!(pool.target(), new.connector().target());
    ask::<B>(&mut held, "may I finish?").await;
    let mut moved = pool.acquire().await.unwrap();
    ask::<B>(&mut moved, "where am I?").await;
    assert!(moved.id() >= first_new);
    until("each server has one session", async || old.sessions().await == 1 && new.sessions().await == 1)
        .await;

    drop(held);
    assert!(pool.wait_gone(first_new, PATIENCE).await.is_empty());
    until("the old server has no session", async || old.sessions().await == 0).await;
    drop(moved);
    let counters = pool.counters();
    // How many connects that took depends on the machine: one that is slow is not waited for if another serves.
    assert!(counters.created > before.created, "the books go on: {before:?} {counters:?}");
    assert_eq!(counters.acquired, before.acquired + 1, "the books go on");
    settles(&new, &pool).await;
}
