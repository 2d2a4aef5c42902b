//! Connections that end, and what the pool makes of it.

use std::time::Duration;

use pool_core::{Condition, Connector as _, ErrorClass};
use pool_drivers::redis::RedisConnector;
use pool_drivers::redis::redis::{self, AsyncCommands as _};

use crate::harness::{Server, ask, command, id, pool_of, pool_of_one, until};

#[tokio::test]
async fn a_connection_killed_in_use_is_not_handed_on() {
    let server = Server::start().await;
    let mut admin = server.admin().await;
    let pool = pool_of_one(server.connector());
    let mut connection = pool.acquire().await.unwrap();
    let first = id(&mut connection).await;
    ask::<i64>(&mut admin, &format!("CLIENT KILL ID {first}")).await;
    let error = connection.get::<_, Option<String>>("lamp").await.unwrap_err();
    assert!(error.is_connection_dropped(), "{error}");
    drop(connection);
    assert_ne!(id(&mut pool.acquire().await.unwrap()).await, first);
}

#[tokio::test]
async fn a_killed_connection_is_seen_to_be_broken_without_asking() {
    let server = Server::start().await;
    let mut admin = server.admin().await;
    let connector = server.connector();
    let mut connection = connector.connect().await.unwrap();
    let id = id(&mut connection).await;
    assert_eq!(connector.condition(&mut connection), Condition::Clean);
    ask::<i64>(&mut admin, &format!("CLIENT KILL ID {id}")).await;
    until("it is seen", async || connector.condition(&mut connection) == Condition::Broken).await;
    let error = connector.validate(&mut connection).await.unwrap_err();
    assert_eq!(connector.classify(&error), ErrorClass::FatalThis);
}

#[tokio::test]
async fn a_connection_killed_while_idle_fails_its_validation() {
    let server = Server::start().await;
    let mut admin = server.admin().await;
    let pool = pool_of(server.connector(), 1).validate_after_idle(Duration::ZERO).build().unwrap();
    let first = id(&mut pool.acquire().await.unwrap()).await;
    ask::<i64>(&mut admin, &format!("CLIENT KILL ID {first}")).await;
    assert_ne!(id(&mut pool.acquire().await.unwrap()).await, first);
    assert_eq!(pool.counters().validations_failed, 1);
}

#[tokio::test]
async fn a_sound_connection_passes_its_validation() {
    let server = Server::start().await;
    let pool = pool_of(server.connector(), 1).validate_after_idle(Duration::ZERO).build().unwrap();
    let first = id(&mut pool.acquire().await.unwrap()).await;
    assert_eq!(id(&mut pool.acquire().await.unwrap()).await, first);
    assert!(pool.counters().validations > 0);
    assert_eq!(pool.counters().validations_failed, 0);
}

#[tokio::test]
async fn a_fail_over_replaces_all_connections() {
    let server = Server::start().await;
    let mut admin = server.admin().await;
    let pool = pool_of(server.connector(), 2).build().unwrap();
    let (mut one, mut other) = (pool.acquire().await.unwrap(), pool.acquire().await.unwrap());
    let old = [id(&mut one).await, id(&mut other).await];
    drop(other);

    ask::<()>(&mut admin, "REPLICAOF 127.0.0.1 1").await;
    let error = one.set::<_, _, ()>("lamp", 1).await.unwrap_err();
    assert_eq!(error.code(), Some("READONLY"));
    ask::<()>(&mut admin, "REPLICAOF NO ONE").await;
    drop(one);

    let (mut one, mut other) = (pool.acquire().await.unwrap(), pool.acquire().await.unwrap());
    for new in [id(&mut one).await, id(&mut other).await] {
        assert!(!old.contains(&new), "{new} of {old:?}");
    }
}

#[tokio::test]
async fn errors_of_commands_do_not_cost_the_connection() {
    let server = Server::start().await;
    let pool = pool_of_one(server.connector());
    let mut connection = pool.acquire().await.unwrap();
    let first = id(&mut connection).await;
    ask::<i64>(&mut connection, "RPUSH list a").await;
    for line in ["GET list", "EVALSHA 0000000000000000000000000000000000000000 0", "NONSENSE"] {
        command(line).query_async::<redis::Value>(&mut *connection).await.unwrap_err();
    }
    drop(connection);
    assert_eq!(id(&mut pool.acquire().await.unwrap()).await, first);
    assert_eq!(pool.counters().resets, 0);
}

#[tokio::test]
async fn a_server_that_is_gone_is_told_with_its_place() {
    let server = Server::start().await;
    let connector = server.connector();
    let place = format!("127.0.0.1:{}", server.port);
    drop(server);
    let error = connector.connect().await.unwrap_err();
    assert_eq!(error.to_string(), format!("connect to `127.0.0.1` at {place}"));
    assert_eq!(connector.classify(&error), ErrorClass::Transient);
}

#[tokio::test]
async fn dropping_a_connection_closes_it_on_the_server() {
    let server = Server::start().await;
    let mut admin = server.admin().await;
    let mut connection = server.connector().connect().await.unwrap();
    let id = format!("id={} ", id(&mut connection).await);
    drop(connection);
    until("it is gone", async || !ask::<String>(&mut admin, "CLIENT LIST").await.contains(&id)).await;
}

#[tokio::test]
async fn a_unix_socket_serves_as_well() {
    let server = Server::start().await;
    let url = format!("redis+unix://{}?db=2", server.socket().display());
    let connector = RedisConnector::new(&url).unwrap();
    assert_eq!(connector.target().unwrap().to_string(), format!("redis://{}/2", server.socket().display()));
    let mut connection = pool_of_one(connector).acquire().await.unwrap();
    assert_eq!(crate::harness::field(&mut connection, "db").await, "2");
}
