//! Publish and subscribe.

use std::time::Duration;

use pool_drivers::redis::Protocol;
use pool_drivers::redis::redis::{self, AsyncCommands as _};
use tokio::time::timeout;

use crate::harness::{Server, ask, drop_after_polls, id, pool_of_one, until};

#[tokio::test]
async fn messages_come_while_commands_are_run() {
    let server = Server::start().await;
    let mut admin = server.admin().await;
    let pool = pool_of_one(server.connector().protocol(Protocol::Resp3));
    let mut connection = pool.acquire().await.unwrap();
    connection.subscribe(&["news", "weather"]).await.unwrap();
    connection.psubscribe("sport.*").await.unwrap();
    connection.set::<_, _, ()>("lamp", 1).await.unwrap();
    for (channel, text) in [("news", "one"), ("weather", "two"), ("sport.chess", "three")] {
        ask::<i64>(&mut admin, &format!("PUBLISH {channel} {text}")).await;
        let message = connection.message().await.unwrap();
        assert_eq!(message.get_channel_name(), channel);
        assert_eq!(message.get_payload::<String>().unwrap(), text);
    }
    assert_eq!(connection.get::<_, i64>("lamp").await.unwrap(), 1);
    connection.unsubscribe("news").await.unwrap();
    assert_eq!(ask::<i64>(&mut admin, "PUBLISH news four").await, 0);
}

#[tokio::test]
async fn the_next_holder_is_subscribed_to_nothing() {
    let server = Server::start().await;
    let mut admin = server.admin().await;
    let pool = pool_of_one(server.connector().protocol(Protocol::Resp3));
    let mut connection = pool.acquire().await.unwrap();
    let first = id(&mut connection).await;
    connection.subscribe(&["news", "weather"]).await.unwrap();
    connection.psubscribe("*").await.unwrap();
    assert_eq!(ask::<i64>(&mut admin, "PUBLISH news unread").await, 2);
    drop(connection);

    let mut connection = pool.acquire().await.unwrap();
    assert_eq!(id(&mut connection).await, first);
    assert_eq!(ask::<i64>(&mut admin, "PUBLISH news missed").await, 0);
    connection.subscribe("own").await.unwrap();
    ask::<i64>(&mut admin, "PUBLISH own read").await;
    let message = connection.message().await.unwrap();
    assert_eq!(message.get_payload::<String>().unwrap(), "read");
    // The client library counts subscriptions to know how many answers this gets.
    const ALL: [&str; 0] = [];
    connection.unsubscribe(&ALL).await.unwrap();
    assert_eq!(ask::<String>(&mut connection, "ECHO own").await, "own");
}

#[tokio::test]
async fn subscriptions_are_ended_though_a_transaction_is_open() {
    let server = Server::start().await;
    let mut admin = server.admin().await;
    let pool = pool_of_one(server.connector().protocol(Protocol::Resp3));
    let mut connection = pool.acquire().await.unwrap();
    let first = id(&mut connection).await;
    connection.subscribe(&["news", "weather"]).await.unwrap();
    ask::<()>(&mut connection, "MULTI").await;
    drop(connection);
    let mut connection = pool.acquire().await.unwrap();
    assert_eq!(id(&mut connection).await, first);
    assert_eq!(ask::<i64>(&mut admin, "PUBLISH news missed").await, 0);
}

#[tokio::test]
async fn a_subscription_dropped_at_any_await_is_ended() {
    let server = Server::start().await;
    let mut admin = server.admin().await;
    let pool = pool_of_one(server.connector().protocol(Protocol::Resp3));
    for polls in 0..5 {
        let mut connection = pool.acquire().await.unwrap();
        drop(drop_after_polls(polls, connection.subscribe(&["news", "weather"])).await);
        drop(connection);
        let mut connection = pool.acquire().await.unwrap();
        assert_eq!(ask::<String>(&mut connection, "ECHO own").await, "own", "{polls}");
        assert_eq!(ask::<i64>(&mut admin, "PUBLISH news missed").await, 0, "{polls}");
    }
    assert_eq!(pool.counters().created, 1);
}

#[tokio::test]
async fn waiting_for_a_message_can_be_given_up_and_taken_up() {
    let server = Server::start().await;
    let mut admin = server.admin().await;
    let mut connection = pool_of_one(server.connector().protocol(Protocol::Resp3)).acquire().await.unwrap();
    connection.subscribe("news").await.unwrap();
    timeout(Duration::from_millis(20), connection.message()).await.unwrap_err();
    ask::<i64>(&mut admin, "PUBLISH news kept").await;
    assert_eq!(connection.message().await.unwrap().get_payload::<String>().unwrap(), "kept");
}

#[tokio::test]
async fn messages_that_nobody_reads_are_counted_not_kept() {
    let server = Server::start().await;
    let mut admin = server.admin().await;
    let mut connection = pool_of_one(server.connector().protocol(Protocol::Resp3)).acquire().await.unwrap();
    connection.subscribe("news").await.unwrap();
    let script = "for i = 1, 5000 do redis.call('PUBLISH', 'news', i) end";
    redis::cmd("EVAL").arg(script).arg(0).exec_async(&mut admin).await.unwrap();
    // The confirmation of the subscription waits there as well.
    until("they are counted", async || connection.lost_messages() == 5000 - 4095).await;
    assert_eq!(connection.message().await.unwrap().get_payload::<i64>().unwrap(), 1);
}

#[tokio::test]
async fn a_wait_for_messages_ends_with_the_connection() {
    let server = Server::start().await;
    let mut connection = pool_of_one(server.connector().protocol(Protocol::Resp3)).acquire().await.unwrap();
    connection.subscribe("news").await.unwrap();
    drop(server);
    assert!(connection.message().await.unwrap_err().is_connection_dropped());
}

#[tokio::test]
async fn resp2_is_refused_and_costs_nothing() {
    let server = Server::start().await;
    let pool = pool_of_one(server.connector());
    let mut connection = pool.acquire().await.unwrap();
    let error = connection.subscribe("news").await.unwrap_err();
    assert!(error.to_string().contains("Resp3"), "{error}");
    assert!(connection.message().await.is_err());
    drop(connection);
    drop(pool.acquire().await.unwrap());
    assert_eq!((pool.counters().created, pool.counters().resets), (1, 0));
}
