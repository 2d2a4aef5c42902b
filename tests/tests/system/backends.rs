//! One suite over all backends: the same code on each, against real servers.
//!
//! What differs is a [`Backend`](backend::Backend); those over a network are all [`Wired`](wired::Wired) with a proxy that can be broken.
//! Each file of a backend ends with the list of cases, so a test is called `backends::redis::…`.

/// Makes a test of each case for one backend.
macro_rules! cases {
    ($backend:ty: $($group:ident::$case:ident,)*) => {
        $(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $case() {
                super::$group::$case::<$backend>().await;
            }
        )*
    };
}

/// What holds for each backend.
macro_rules! every_case {
    ($backend:ty) => {
        super::cases! { $backend:
            basics::a_question_is_answered_and_the_connection_is_used_again,
            basics::at_the_limit_a_caller_is_told_who_holds_the_connections,
            basics::two_hundred_tasks_on_eight_connections_all_get_their_answers,
            basics::a_close_waits_for_its_holder_and_leaves_no_session,
            basics::a_pool_moves_to_another_server_under_its_holders,
            leftovers::what_a_holder_leaves_is_gone_for_the_next,
            leftovers::a_question_given_up_at_any_point_leaves_no_answer_to_the_next,
            faults::sessions_killed_while_idle_are_replaced_before_a_caller_sees_them,
            faults::fifteen_busy_sessions_killed_at_once_are_flushed_once,
            faults::after_a_restart_callers_are_served_by_new_connections,
            faults::a_frozen_server_holds_no_caller_past_the_deadline,
            faults::a_black_hole_holds_no_caller_past_the_deadline,
            outages::a_stopped_server_is_noticed_within_the_acquire_timeout,
            outages::callers_who_wait_through_an_outage_are_served_and_the_throughput_is_back,
            outages::a_flapping_server_causes_no_storm_of_connects,
            outages::a_slow_server_is_not_taken_for_a_dead_one,
            health::a_stopped_server_is_lost_and_recovers_without_a_caller,
            health::a_flapping_server_is_told_of_no_more_than_twice,
            health::a_full_pool_is_degraded_and_its_target_is_not_blamed,
        }
    };
}

/// What holds for those whose sessions are at the other end of a wire.
macro_rules! every_case_over_a_wire {
    ($service:ty) => {
        super::cases! { $service:
            keepalive::keepalive_prevents_a_cut_and_without_it_no_caller_sees_the_cut,
            keepalive::the_kernel_is_told_to_ask_after_a_silent_peer,
            keepalive::a_half_open_connection_is_found_without_a_caller,
            outages::a_black_hole_is_noticed_within_the_validation_timeout,
            health::a_black_hole_is_called_unhealthy,
            health::a_slow_server_is_called_degraded_and_no_worse,
        }
    };
}

use {cases, every_case, every_case_over_a_wire};

mod backend;
mod basics;
mod faults;
mod health;
mod http;
mod keepalive;
mod leftovers;
mod mariadb;
mod outages;
mod postgres;
mod redis;
mod soak;
mod sqlite;
mod websocket;
mod wired;

use std::time::Duration;

use pool_core::{Pool, PoolBuilder};
use tokio::time::{Instant, sleep};

use self::backend::{Backend, ConnectionOf, PoolOf};

/// What must happen is waited for this long; on an idle machine it takes much less.
const PATIENCE: Duration = Duration::from_secs(30);

/// What a busy machine may add to a time that is bounded otherwise.
const SLACK: Duration = Duration::from_secs(4);

/// A pool that opens connections only when asked.
fn pool_of<B: Backend>(backend: &B, max_connections: usize) -> PoolBuilder<B::Connector> {
    Pool::builder(backend.connector())
        .name("orders")
        .max_connections(max_connections)
        .min_connections(0)
        .acquire_timeout(PATIENCE)
        .connect_timeout(Duration::from_secs(5))
}

/// Asks something, which must be answered.
async fn ask<B: Backend>(connection: &mut ConnectionOf<B>, question: &str) {
    assert_eq!(B::ask(connection, question).await.unwrap(), question);
}

/// Opens so many connections and gives them back. Returns their ids.
async fn open<B: Backend>(pool: &PoolOf<B>, connections: usize) -> Vec<pool_core::ConnectionId> {
    let mut held = Vec::new();
    for number in 0..connections {
        let mut connection = pool.acquire().await.unwrap();
        ask::<B>(&mut connection, &format!("opening {number}")).await;
        held.push(connection);
    }
    held.iter().map(|connection| connection.id()).collect()
}

async fn until(what: &str, reached: impl AsyncFn() -> bool) {
    let begun = Instant::now();
    while !reached().await {
        assert!(begun.elapsed() < PATIENCE, "waited too long until {what}");
        sleep(Duration::from_millis(5)).await;
    }
}

/// Waits until the pool answers again.
async fn until_it_answers<B: Backend>(pool: &PoolOf<B>) {
    until("it answers", async || match pool.acquire().await {
        Ok(mut connection) => B::ask(&mut connection, "again?").await.is_ok_and(|answer| answer == "again?"),
        Err(_) => false,
    })
    .await;
}

/// Waits until nothing is under way, and checks that the books are right and that the server has no session which
/// the pool does not know.
async fn settles<B: Backend>(backend: &B, pool: &PoolOf<B>) {
    until("nothing is under way", async || {
        let stats = pool.stats();
        stats.active + stats.validating + stats.creating + stats.destroying + stats.pending == 0
    })
    .await;
    until("the server has no other sessions than the pool", async || {
        backend.sessions().await <= pool.stats().open()
    })
    .await;
    let snapshot = pool.snapshot();
    let (stats, counters) = (snapshot.stats, &snapshot.counters);
    assert_eq!(counters.requests, counters.finished() + stats.pending as u64, "{snapshot:?}");
    assert_eq!(counters.created - counters.closed.total(), stats.open() as u64, "{snapshot:?}");
    assert_eq!((stats.active, stats.waiting, counters.panics), (0, 0, 0), "{snapshot:?}");
}
