//! Reloads that concern a server: a changed password, another server, certificates.

use std::fs;
use std::time::Duration;

use pool_tests::ca::{Ca, Tls};
use pool_tests::postgres::Postgres;
use tokio::time::timeout;

use super::{PATIENCE, Users, config, manager, until, until_one_stays, uses};

/// D13, and "It must show" 2.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_password_that_was_changed_on_disk_drains_and_reconnects_without_an_error() {
    let server = Postgres::new().launch().await.unwrap();
    server.create_user("app", "canary-first").await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let secret = folder.path().join("password");
    fs::write(&secret, "canary-first").unwrap();
    let sections = format!(
        "pools: [{{name: orders, host: 127.0.0.1, port: {}, database: app, user: app, password_file: '{}',
            max_connections: 4}}]",
        server.port(),
        secret.display()
    );
    let manager = manager(&sections).await;
    let orders = manager.postgres("orders").unwrap();
    let mut held = orders.acquire().await.unwrap();
    let pid = async |connection: &mut pool_drivers::postgres::PgConnection| -> i32 {
        sqlx::query_scalar("SELECT pg_backend_pid()").fetch_one(connection).await.unwrap()
    };
    let old = pid(&mut held).await;

    let users = Users::of(&orders);
    for round in 0..5 {
        // As an operator would: first the server, then the file, then the reload.
        let password = format!("canary-round-{round}");
        server.execute(&format!("ALTER ROLE app PASSWORD '{password}'")).await.unwrap();
        fs::write(&secret, &password).unwrap();
        let report = manager.reload(config(&sections)).await.unwrap();
        assert_eq!(report.drained, ["orders"]);
        assert_eq!(report.generation, round + 1);
        until_one_stays(&*orders, &uses(&*orders)).await;
    }
    assert!(timeout(Duration::from_millis(50), manager.wait_applied(5)).await.is_err(), "one is held");
    assert_eq!(pid(&mut held).await, old, "whoever has a connection keeps it");
    drop(held);
    timeout(PATIENCE, manager.wait_applied(5)).await.unwrap().unwrap();
    let queries = users.stop().await;
    assert!(queries > 100, "{queries}");
    assert_ne!(pid(&mut orders.acquire().await.unwrap()).await, old);
    assert_eq!(orders.counters().failed(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pools_move_to_another_server_while_they_are_in_use() {
    let (first, second) = (Postgres::new().launch().await.unwrap(), Postgres::new().launch().await.unwrap());
    for server in [&first, &second] {
        server.create_user("app", "canary-move").await.unwrap();
    }
    let sections = |port: u16| {
        format!(
            "pools: [{{name: orders, host: 127.0.0.1, port: {port}, database: app, user: app,
                password: canary-move, max_connections: 4}}]"
        )
    };
    let manager = manager(&sections(first.port())).await;
    let orders = manager.postgres("orders").unwrap();
    let users = Users::of(&orders);
    for port in [second.port(), first.port(), second.port()] {
        let report = manager.reload(config(&sections(port))).await.unwrap();
        timeout(PATIENCE, manager.wait_applied(report.generation)).await.unwrap().unwrap();
        let found: i32 = sqlx::query_scalar("SELECT inet_server_port()").fetch_one(&orders).await.unwrap();
        assert_eq!(found, i32::from(port));
    }
    users.stop().await;
    let mut witness = first.connect().await.unwrap();
    let query = "SELECT count(*) FROM pg_stat_activity WHERE usename = 'app'";
    let left: i64 = sqlx::query_scalar(query).fetch_one(&mut witness).await.unwrap();
    assert_eq!(left, 0, "nothing is left at the first server");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_certificate_that_was_replaced_on_disk_is_used_by_new_connections() {
    let (old, new) = (Ca::new(), Ca::new());
    let server = Postgres::new().tls(Tls::required(&new, &new.local_server())).launch().await.unwrap();
    server.create_user("app", "canary-certificate").await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let trusted = folder.path().join("ca.pem");
    fs::copy(old.certificate_path(), &trusted).unwrap();
    let sections = format!(
        "pools: [{{name: orders, host: localhost, port: {}, database: app, user: app, min_connections: 0,
            password: canary-certificate, ssl: {{enabled: true, ca_certificate: '{}'}}}}]",
        server.port(),
        trusted.display()
    );
    let manager = manager(&sections).await;
    assert!(manager.acquire("orders").await.is_err(), "the authority is another one");
    fs::copy(new.certificate_path(), &trusted).unwrap();
    assert_eq!(manager.reload(config(&sections)).await.unwrap().drained, ["orders"]);
    manager.acquire("orders").await.unwrap();

    // A file that holds nothing of use refuses the reload, and those who are there stay.
    fs::write(&trusted, "torn").unwrap();
    assert!(manager.reload(config(&sections)).await.is_err());
    until("it is as before", async || manager.pool("orders").unwrap().control().stats().idle == 1).await;
}

/// "It must show" 2.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_resize_from_twenty_to_four_with_sixteen_busy_kills_no_session() {
    let server = Postgres::new().launch().await.unwrap();
    server.create_user("app", "canary-resize").await.unwrap();
    let sections = |size: u32| {
        format!(
            "pools: [{{name: orders, host: 127.0.0.1, port: {}, database: app, user: app, password: canary-resize,
                max_connections: {size}}}]",
            server.port()
        )
    };
    let manager = manager(&sections(20)).await;
    let orders = manager.postgres("orders").unwrap();
    let mut held = Vec::new();
    for _ in 0..16 {
        held.push(orders.begin().await.unwrap());
    }
    manager.reload(config(&sections(4))).await.unwrap();
    for transaction in &mut held {
        transaction.run("CREATE TEMPORARY TABLE alive (a int) ON COMMIT DROP").await.unwrap();
    }
    for transaction in held {
        transaction.commit().await.unwrap();
    }
    until("four are left", async || orders.stats().open() == 4).await;
    assert_eq!(orders.counters().closed[pool_core::CloseReason::Surplus], 12);
}
