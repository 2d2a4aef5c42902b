//! What one holder leaves behind, and what the next one finds.

use pool_drivers::credentials::FileCredentials;
use pool_drivers::redis::redis::{self, AsyncCommands as _, Value};
use pool_drivers::redis::{Protocol, RedisConnector};

use crate::harness::{Server, ask, command, field, id, info, pool_of_one};

#[tokio::test]
async fn a_clean_return_costs_no_command() {
    let server = Server::start().await;
    let mut admin = server.admin().await;
    let pool = pool_of_one(server.connector());
    let first = id(&mut pool.acquire().await.unwrap()).await;
    let before = info(&mut admin, "total_commands_processed").await;
    for number in 0..10 {
        let mut connection = pool.acquire().await.unwrap();
        let mut pipeline = redis::pipe();
        pipeline.atomic().set("number", number).ignore().get("number");
        let got: (i64,) = pipeline.query_async(&mut *connection).await.unwrap();
        assert_eq!(got, (number,));
    }
    // Four commands each, and the first `INFO`.
    assert_eq!(info(&mut admin, "total_commands_processed").await - before, 10 * 4 + 1);
    assert_eq!(pool.counters().resets, 0);
    assert_eq!(id(&mut pool.acquire().await.unwrap()).await, first);
}

#[tokio::test]
async fn what_was_watched_does_not_fail_the_next_transaction() {
    let server = Server::start().await;
    let mut admin = server.admin().await;
    let pool = pool_of_one(server.connector());
    let mut connection = pool.acquire().await.unwrap();
    let first = id(&mut connection).await;
    ask::<()>(&mut connection, "WATCH lamp").await;
    drop(connection);
    ask::<()>(&mut admin, "SET lamp 1").await;

    let mut connection = pool.acquire().await.unwrap();
    let set: Value = redis::pipe().atomic().set("other", 1).query_async(&mut *connection).await.unwrap();
    assert_eq!(set, Value::Array(vec![Value::Okay]), "the transaction is aborted");
    assert_eq!((id(&mut connection).await, pool.counters().resets), (first, 1));
}

#[tokio::test]
async fn an_open_transaction_is_discarded() {
    for protocol in [Protocol::Resp2, Protocol::Resp3] {
        let server = Server::start().await;
        let pool = pool_of_one(server.connector().protocol(protocol));
        let mut connection = pool.acquire().await.unwrap();
        let first = id(&mut connection).await;
        ask::<()>(&mut connection, "MULTI").await;
        ask::<Value>(&mut connection, "SET lamp 1").await;
        drop(connection);

        let mut connection = pool.acquire().await.unwrap();
        let lamp: Option<i64> = connection.get("lamp").await.unwrap();
        assert_eq!(lamp, None);
        assert_eq!((id(&mut connection).await, pool.counters().resets), (first, 1));
    }
}

#[tokio::test]
async fn a_transaction_that_was_ended_needs_no_reset() {
    let server = Server::start().await;
    let pool = pool_of_one(server.connector());
    let mut connection = pool.acquire().await.unwrap();
    for end in ["EXEC", "DISCARD"] {
        ask::<()>(&mut connection, "WATCH lamp").await;
        ask::<()>(&mut connection, "MULTI").await;
        ask::<Value>(&mut connection, end).await;
    }
    drop(connection);
    drop(pool.acquire().await.unwrap());
    assert_eq!(pool.counters().resets, 0);
}

#[tokio::test]
async fn the_session_is_as_the_connector_says_again() {
    let server = Server::with(&["--requirepass", "hunter2"]).await;
    for protocol in [Protocol::Resp2, Protocol::Resp3] {
        let url = format!("redis://:hunter2@127.0.0.1:{}/3", server.port);
        let connector = RedisConnector::new(&url).unwrap().client_name("orders").protocol(protocol);
        let pool = pool_of_one(connector);
        let first = id(&mut pool.acquire().await.unwrap()).await;
        for (number, line) in
            ["SELECT 5", "CLIENT SETNAME other", "HELLO 3 SETNAME third", "CLIENT TRACKING ON", "RESET"]
                .into_iter()
                .enumerate()
        {
            let mut connection = pool.acquire().await.unwrap();
            ask::<Value>(&mut connection, line).await;
            drop(connection);

            let mut connection = pool.acquire().await.unwrap();
            assert_eq!(field(&mut connection, "db").await, "3", "{line}");
            assert_eq!(field(&mut connection, "name").await, "orders", "{line}");
            assert_eq!(field(&mut connection, "flags").await, "N", "{line}");
            let resp = if protocol == Protocol::Resp3 { "3" } else { "2" };
            assert_eq!(field(&mut connection, "resp").await, resp, "{line}");
            assert_eq!(id(&mut connection).await, first, "{line}");
            assert_eq!(pool.counters().resets, number as u64 + 1, "{line}");
        }
    }
}

#[tokio::test]
async fn a_reset_of_the_session_is_one_pipeline() {
    let server = Server::start().await;
    let mut admin = server.admin().await;
    let pool = pool_of_one(RedisConnector::new(&format!("{}/3", server.url())).unwrap());
    let mut connection = pool.acquire().await.unwrap();
    let reads = |info: String| -> u64 {
        let value = info.lines().find_map(|line| line.strip_prefix("total_reads_processed:")).unwrap();
        value.parse().unwrap()
    };
    ask::<()>(&mut connection, "SELECT 5").await;
    let before = reads(ask(&mut admin, "INFO stats").await);
    drop(connection);
    drop(pool.acquire().await.unwrap());
    // The one of the reset, and that of this question.
    assert_eq!(reads(ask(&mut admin, "INFO stats").await) - before, 2);
    assert_eq!(info(&mut admin, "total_error_replies").await, 0);
}

#[tokio::test]
async fn a_user_that_was_changed_is_changed_back() {
    let server = Server::start().await;
    let mut admin = server.admin().await;
    ask::<()>(&mut admin, "ACL SETUSER alice on >wonderland ~* &* +@all").await;
    ask::<()>(&mut admin, "ACL SETUSER bob on >builder ~* &* +@all").await;
    let url = format!("redis://alice:wonderland@127.0.0.1:{}", server.port);
    let pool = pool_of_one(RedisConnector::new(&url).unwrap());
    let mut connection = pool.acquire().await.unwrap();
    assert_eq!(ask::<String>(&mut connection, "ACL WHOAMI").await, "alice");
    ask::<()>(&mut connection, "AUTH bob builder").await;
    drop(connection);
    assert_eq!(ask::<String>(&mut pool.acquire().await.unwrap(), "ACL WHOAMI").await, "alice");
    assert_eq!(pool.counters().resets, 1);
}

#[tokio::test]
async fn a_reset_logs_in_with_the_password_of_now() {
    let server = Server::with(&["--requirepass", "old"]).await;
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), "old\n").unwrap();
    let pool = pool_of_one(server.connector().credentials(FileCredentials::password(file.path())));
    let mut connection = pool.acquire().await.unwrap();
    let first = id(&mut connection).await;
    ask::<()>(&mut connection, "CONFIG SET requirepass new").await;
    ask::<()>(&mut connection, "SELECT 1").await;
    std::fs::write(file.path(), "new\n").unwrap();
    drop(connection);
    let mut connection = pool.acquire().await.unwrap();
    assert_eq!((id(&mut connection).await, field(&mut connection, "db").await), (first, "0".to_owned()));
}

#[tokio::test]
async fn a_server_without_reset_still_gets_clean_connections() {
    let server = Server::with(&["--rename-command", "RESET", ""]).await;
    let pool = pool_of_one(server.connector());
    let mut connection = pool.acquire().await.unwrap();
    let first = id(&mut connection).await;
    ask::<()>(&mut connection, "WATCH lamp").await;
    drop(connection);

    let mut connection = pool.acquire().await.unwrap();
    assert_eq!(id(&mut connection).await, first, "a transaction is undone without it");
    ask::<()>(&mut connection, "SELECT 5").await;
    drop(connection);

    let mut connection = pool.acquire().await.unwrap();
    assert_ne!(id(&mut connection).await, first, "a session is not");
    assert_eq!(field(&mut connection, "db").await, "0");
}

#[tokio::test]
async fn what_cannot_be_undone_closes_the_connection() {
    let server = Server::start().await;
    let pool = pool_of_one(server.connector());
    let mut admin = server.admin().await;
    for line in ["MONITOR", "SUBSCRIBE news", "CLIENT NO-EVICT ON", "QUIT"] {
        let mut connection = pool.acquire().await.unwrap();
        let before = id(&mut connection).await;
        command(line).query_async::<Value>(&mut *connection).await.unwrap();
        drop(connection);
        // What a monitor or subscriber would see.
        ask::<i64>(&mut admin, "PUBLISH news old").await;
        let mut connection = pool.acquire().await.unwrap();
        assert_eq!(ask::<String>(&mut connection, "ECHO new").await, "new", "{line}");
        assert_ne!(id(&mut connection).await, before, "{line}");
    }
    assert_eq!(pool.counters().resets, 0);
}
