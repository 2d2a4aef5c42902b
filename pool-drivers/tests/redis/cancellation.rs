//! Futures dropped at any await: nobody gets an answer meant for somebody else.

use std::time::Duration;

use pool_drivers::redis::Protocol;
use pool_drivers::redis::redis::{self, Value};
use tokio::time::{sleep, timeout};

use crate::harness::{
    Held, Server, ask, command, drop_after_polls, field, id, info, pool_of, pool_of_one, until,
};

/// Asks for something that nobody else asks for.
async fn own_answer(connection: &mut Held, tag: &str) {
    assert_eq!(ask::<String>(connection, &format!("ECHO {tag}")).await, tag);
}

#[tokio::test]
async fn a_command_dropped_at_any_await_answers_nobody_else() {
    let server = Server::start().await;
    let mut admin = server.admin().await;
    for protocol in [Protocol::Resp2, Protocol::Resp3] {
        let pool = pool_of_one(server.connector().protocol(protocol));
        let mut dropped = 0;
        for polls in 0..5 {
            for what in ["command", "pipeline", "transaction", "watch", "select"] {
                let mut connection = pool.acquire().await.unwrap();
                let mut pipeline = redis::pipe();
                if what == "transaction" {
                    pipeline.atomic();
                }
                pipeline.cmd("ECHO").arg("foreign").cmd("ECHO").arg("foreign");
                let future = async {
                    match what {
                        "command" => command("ECHO foreign").query_async::<Value>(&mut *connection).await,
                        "watch" => command("WATCH foreign").query_async(&mut *connection).await,
                        "select" => command("SELECT 9").query_async(&mut *connection).await,
                        _ => pipeline.query_async(&mut *connection).await,
                    }
                };
                match drop_after_polls(polls, future).await {
                    Some(answer) => drop(answer.unwrap()),
                    None => dropped += 1,
                }
                drop(connection);

                let mut connection = pool.acquire().await.unwrap();
                own_answer(&mut connection, &format!("{what}-{polls}")).await;
                assert_eq!(field(&mut connection, "db").await, "0", "{what} {polls}");
                // It fails if the key is still watched.
                ask::<i64>(&mut admin, "INCR foreign").await;
                let done: Value =
                    redis::pipe().atomic().cmd("PING").query_async(&mut *connection).await.unwrap();
                assert_ne!(done, Value::Nil, "{what} {polls}");
            }
        }
        // At least those that were polled never and once.
        assert!(dropped >= 10, "{dropped}");
        assert_eq!(pool.counters().created, 1, "no connection was lost");
    }
}

#[tokio::test]
async fn the_holder_itself_gets_no_late_answer() {
    let server = Server::start().await;
    let mut connection = pool_of_one(server.connector()).acquire().await.unwrap();
    for polls in 0..4 {
        drop(drop_after_polls(polls, command("ECHO foreign").query_async::<Value>(&mut *connection)).await);
        own_answer(&mut connection, "own").await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn answers_stay_with_their_commands_under_many_timeouts() {
    let server = Server::start().await;
    let pool = pool_of(server.connector(), 2).build().unwrap();
    let mut tasks = Vec::new();
    for task in 0..6 {
        let pool = pool.clone();
        tasks.push(tokio::spawn(async move {
            let mut late = 0;
            for round in 0..200_u64 {
                let mut connection = pool.acquire().await.unwrap();
                let tag = format!("{task}-{round}");
                let patience = Duration::from_micros((round * 37) % 400);
                match timeout(patience, ask::<String>(&mut connection, &format!("ECHO {tag}"))).await {
                    Ok(answer) => assert_eq!(answer, tag),
                    Err(_) => late += 1,
                }
            }
            late
        }));
    }
    let mut late = 0;
    for task in tasks {
        late += task.await.unwrap();
    }
    assert!(late > 0, "nothing was dropped");
    assert_eq!(pool.counters().created, 2, "no connection was lost");
}

#[tokio::test]
async fn a_blocking_command_that_was_dropped_takes_nothing_and_holds_nobody_up() {
    let server = Server::start().await;
    let mut admin = server.admin().await;
    let pool = pool_of_one(server.connector());
    let mut connection = pool.acquire().await.unwrap();
    let first = id(&mut connection).await;
    let popped = timeout(Duration::from_millis(50), ask::<Value>(&mut connection, "BLPOP queue 0")).await;
    assert!(popped.is_err(), "{popped:?}");
    assert_eq!(info(&mut admin, "blocked_clients").await, 1);
    drop(connection);

    until("no client is blocked", async || info(&mut admin, "blocked_clients").await == 0).await;
    ask::<i64>(&mut admin, "RPUSH queue lamp").await;
    let mut connection = pool.acquire().await.unwrap();
    assert_ne!(id(&mut connection).await, first);
    assert_eq!(ask::<Vec<String>>(&mut connection, "LRANGE queue 0 -1").await, ["lamp"]);
}

#[tokio::test]
async fn a_command_that_is_never_answered_fails_in_time_and_closes_the_connection() {
    let server = Server::start().await;
    let mut admin = server.admin().await;
    let pool = pool_of_one(server.connector().response_timeout(Duration::from_millis(50)));
    let mut connection = pool.acquire().await.unwrap();
    let first = id(&mut connection).await;
    ask::<()>(&mut admin, "CLIENT PAUSE 300 ALL").await;
    let error = command("ECHO late").query_async::<String>(&mut *connection).await.unwrap_err();
    assert!(error.is_timeout(), "{error}");
    assert_eq!(error.to_string(), "no answer within 50ms (`response_timeout`)");
    drop(connection);
    sleep(Duration::from_millis(300)).await;
    assert_ne!(id(&mut pool.acquire().await.unwrap()).await, first);
}

#[tokio::test]
async fn a_blocking_command_may_take_longer_than_the_response_timeout() {
    let server = Server::start().await;
    let pool = pool_of_one(server.connector().response_timeout(Duration::from_millis(50)));
    let mut connection = pool.acquire().await.unwrap();
    assert_eq!(ask::<Value>(&mut connection, "BLPOP queue 0.2").await, Value::Nil);
    drop(connection);
    drop(pool.acquire().await.unwrap());
    assert_eq!((pool.counters().created, pool.counters().resets), (1, 0));
}
