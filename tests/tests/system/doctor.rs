//! Examinations of configurations that lead to real servers.

use std::time::Duration;

use pool_config::{Config, Loader};
use pool_core::Connector as _;
use pool_drivers::postgres::PgConnector;
use pool_loadtest::proxy::{Fault, Proxy};
use pool_manager::{Check, Examination, Examiner, Finding, FindingStatus};
use pool_tests::ca::{self, Ca};
use pool_tests::mariadb::MariaDb;
use pool_tests::postgres::Postgres;
use pool_tests::process::Server;
use pool_tests::redis::Redis;

const USER: &str = "app";
const PASSWORD: &str = "canary-doctor";

fn config(pools: &[String]) -> Config {
    let text = format!("connection_pool: {{pools: [{}]}}", pools.join(", "));
    Loader::without_variables()
        .load_text(&text, "connection_pool.yaml")
        .unwrap_or_else(|error| panic!("{error}"))
        .config
}

async fn examine(pools: &[String]) -> Examination {
    let examination = Examiner::new().timeout(Duration::from_secs(10)).examine(&config(pools)).await;
    assert_eq!(examination.pools.len(), pools.len());
    let told = format!("{examination} {examination:?}");
    assert!(!told.contains("canary"), "{told}");
    examination
}

/// The finding of a check of the pool with this number.
fn found(examination: &Examination, pool: usize, check: Check) -> &Finding {
    let pool = &examination.pools[pool];
    pool.findings
        .iter()
        .find(|finding| finding.check == check)
        .unwrap_or_else(|| panic!("no {check} in\n{pool}"))
}

/// Whether it failed with a text that holds these words.
fn failed(examination: &Examination, pool: usize, check: Check, words: &str) {
    let finding = found(examination, pool, check);
    assert_eq!(finding.status, FindingStatus::Failed, "{finding}");
    assert!(finding.text.contains(words) && finding.cure.is_some(), "{finding}");
}

/// A pool of a server of SQL or of Redis.
fn pool(name: &str, driver: &str, port: u16, more: &str) -> String {
    format!(
        "{{name: {name}, driver: {driver}, host: 127.0.0.1, port: {port}, user: {USER}, password: {PASSWORD}, {more}}}"
    )
}

async fn postgres(settings: Postgres) -> Server<Postgres> {
    let server = settings.launch().await.unwrap();
    server.create_user(USER, PASSWORD).await.unwrap();
    server
}

/// The report with the same text for what differs from run to run: ports, times, versions, and who else is there.
fn shown(examination: &Examination, servers: &[(u16, &str)]) -> String {
    let mut text = examination.to_string();
    for (port, name) in servers {
        text = text.replace(&format!(":{port}"), &format!(":[{name}]"));
    }
    let lines = text.lines().map(|line| {
        for (begins, ends) in [
            ("connected in ", " ms"),
            ("round_trip     ", " ms"),
            ("PostgreSQL ", ""),
            ("MariaDB ", ""),
            ("Redis ", ""),
            ("SQLite ", ""),
            ("takes; ", " in use now"),
        ] {
            if let Some((before, rest)) = line.split_once(begins) {
                assert!(rest.starts_with(char::is_numeric) && rest.ends_with(ends), "{line}");
                return format!("{before}{begins}[…]{ends}");
            }
        }
        line.to_owned()
    });
    lines.collect::<Vec<_>>().join("\n")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_report_tells_of_every_pool() {
    let pg = postgres(Postgres::new().max_connections(50)).await;
    let maria = MariaDb::new().max_connections(100).launch().await.unwrap();
    maria.create_user(USER, PASSWORD).await.unwrap();
    let redis = Redis::new().user(USER, PASSWORD).max_clients(100).launch().await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let missing = folder.path().join("no/such/folder/orders.db");
    let examination = examine(&[
        pool("orders", "postgres", pg.port(), "database: app, max_connections: 30"),
        pool("reports", "postgres", pg.port(), "database: app, max_connections: 30"),
        pool("typo", "postgres", pg.port(), "database: orders, max_connections: 1"),
        pool("stock", "mysql", maria.port(), "database: app"),
        pool("cache", "redis", redis.port(), ""),
        pool("gone", "postgres", 1, "database: app"),
        "{name: lost, host: no-such-host.invalid, database: app, user: app}".to_owned(),
        "{name: embedded, driver: sqlite, database: ':memory:'}".to_owned(),
        format!("{{name: file, driver: sqlite, database: '{}'}}", missing.display()),
        "{name: secretless, database: app, password_file: /no/such/secret}".to_owned(),
    ])
    .await;
    let servers = [(pg.port(), "pg"), (maria.port(), "maria"), (redis.port(), "redis")];
    let text = shown(&examination, &servers).replace(&folder.path().display().to_string(), "[folder]");
    insta::assert_snapshot!(text);
    assert_eq!(examination.status(), FindingStatus::Failed);
}

#[tokio::test]
async fn wrong_passwords_databases_and_users_are_told_apart_as_far_as_servers_tell() {
    let pg = postgres(Postgres::new()).await;
    pg.execute("CREATE DATABASE closed").await.unwrap();
    pg.execute("REVOKE CONNECT ON DATABASE closed FROM public").await.unwrap();
    let maria = MariaDb::new().launch().await.unwrap();
    maria.create_user(USER, PASSWORD).await.unwrap();
    maria.execute("GRANT ALL ON *.* TO app").await.unwrap();
    maria.create_user("narrow", PASSWORD).await.unwrap();
    let redis = Redis::new().password(PASSWORD).user(USER, PASSWORD).launch().await.unwrap();
    let with_password = |pool: String, password: &str| pool.replace(PASSWORD, password);
    let examination = examine(&[
        with_password(pool("a", "postgres", pg.port(), "database: app"), "canary-wrong"),
        pool("b", "postgres", pg.port(), "database: nowhere"),
        pool("c", "postgres", pg.port(), "database: closed"),
        with_password(pool("d", "mysql", maria.port(), "database: app"), "canary-wrong"),
        pool("e", "mysql", maria.port(), "database: nowhere"),
        pool("f", "mysql", maria.port(), "database: app").replace("user: app", "user: narrow"),
        with_password(pool("g", "redis", redis.port(), ""), "canary-wrong"),
        format!("{{name: h, driver: redis, host: 127.0.0.1, port: {}}}", redis.port()),
        pool("i", "redis", redis.port(), "database: '99'"),
    ])
    .await;
    for (index, words) in [
        "does not accept the user or the password",
        "has no database `nowhere`",
        "may not use this database",
        "does not accept the user or the password",
        "has no database `nowhere`",
        "may not use this database",
        "does not accept user `app` or its password",
        "wants a password, and the pool has none",
        "has no database 99",
    ]
    .into_iter()
    .enumerate()
    {
        failed(&examination, index, Check::Login, words);
        assert_eq!(found(&examination, index, Check::Reachable).status, FindingStatus::Ok);
    }
}

#[tokio::test]
async fn a_full_server_is_told_from_one_that_is_down() {
    let pg = postgres(Postgres::new().max_connections(3)).await;
    let connector = PgConnector::from_url(&pg.url(USER, PASSWORD, USER)).unwrap();
    let mut held = Vec::new();
    for _ in 0..3 {
        held.push(connector.connect().await.unwrap());
    }
    let examination =
        examine(&[pool("orders", "postgres", pg.port(), "database: app, max_connections: 3")]).await;
    failed(&examination, 0, Check::Login, "the server is full");
    for connection in held {
        connector.close(connection).await;
    }
    pg.stop().await.unwrap();
    let examination = examine(&[pool("orders", "postgres", pg.port(), "database: app")]).await;
    failed(&examination, 0, Check::Reachable, "nobody listens there");
}

#[tokio::test]
async fn tls_is_examined_with_the_certificate_by_name() {
    let (ca, other) = (Ca::new(), Ca::new());
    let good = postgres(Postgres::new().tls(ca::Tls::offered(&ca, &ca.local_server()))).await;
    let elsewhere = ca.server(&["elsewhere.example"]);
    let misnamed = postgres(Postgres::new().tls(ca::Tls::offered(&ca, &elsewhere))).await;
    let expired = ca.expired_server(&["localhost", "127.0.0.1"]);
    let expired = postgres(Postgres::new().tls(ca::Tls::offered(&ca, &expired))).await;
    let plain = postgres(Postgres::new()).await;
    let redis = Redis::new()
        .user(USER, PASSWORD)
        .tls(ca::Tls::required(&ca, &ca.local_server()))
        .launch()
        .await
        .unwrap();
    let trusting = |ca: &Ca| {
        format!(
            "database: app, ssl: {{enabled: true, ca_certificate: '{}'}}",
            ca.certificate_path().display()
        )
    };
    let of_redis = trusting(&ca).replace("database: app, ", "");
    let examination = examine(&[
        pool("good", "postgres", good.port(), &trusting(&ca)),
        pool("unasked", "postgres", good.port(), "database: app"),
        pool("lax", "postgres", good.port(), "database: app, ssl: {enabled: true, verify_peer: false}"),
        pool("untrusted", "postgres", good.port(), &trusting(&other)),
        pool("misnamed", "postgres", misnamed.port(), &trusting(&ca)),
        pool("expired", "postgres", expired.port(), &trusting(&ca)),
        pool("plain", "postgres", plain.port(), &trusting(&ca)),
        pool("cache", "redis", redis.port(), &of_redis),
    ])
    .await;
    let finding = found(&examination, 0, Check::Tls);
    assert_eq!(finding.status, FindingStatus::Ok);
    assert!(finding.text.starts_with("TLSv1.3 ("), "{finding}");
    let finding = found(&examination, 1, Check::Tls);
    assert_eq!(finding.status, FindingStatus::Ok, "on this machine nobody is on the way");
    assert!(finding.text.ends_with("nobody verifies that it is the right server"), "{finding}");
    assert_eq!(found(&examination, 2, Check::Tls).status, FindingStatus::Warning);
    failed(&examination, 3, Check::Tls, "issued by an authority that is not trusted");
    failed(&examination, 4, Check::Tls, "not for `127.0.0.1` but for");
    failed(&examination, 5, Check::Tls, "has expired");
    failed(&examination, 6, Check::Tls, "the server does not encrypt connections");
    assert_eq!(found(&examination, 7, Check::Tls).status, FindingStatus::Ok);
}

#[tokio::test]
async fn a_replica_where_a_primary_should_be_is_found() {
    let primary = postgres(Postgres::new()).await;
    let standby = Postgres::standby_of(&primary).await.unwrap();
    let group = |name: &str, port: u16, role: &str| {
        pool(
            name,
            "postgres",
            port,
            &format!("database: app, group: orders, max_connections: 5, role: {role}"),
        )
    };
    let examination =
        examine(&[group("write", primary.port(), "primary"), group("read", standby.port(), "replica")]).await;
    assert_eq!(examination.status(), FindingStatus::Ok, "{examination}");
    assert_eq!(found(&examination, 1, Check::Role).text, "is a replica, which takes no writes");

    let examination =
        examine(&[group("write", standby.port(), "primary"), group("read", primary.port(), "replica")]).await;
    failed(&examination, 0, Check::Role, "takes the writes of its group");
    assert_eq!(found(&examination, 1, Check::Role).status, FindingStatus::Warning);
    failed(&examination, 1, Check::Group, "0 of 1 primaries");
}

#[tokio::test]
async fn a_black_hole_is_given_up_in_time_and_told_from_a_slow_server() {
    let pg = postgres(Postgres::new()).await;
    let proxy = Proxy::start(pg.address()).unwrap();
    proxy.set(Fault::Blackhole).unwrap();
    let pools = [pool("orders", "postgres", proxy.address().port(), "database: app")];
    let begun = tokio::time::Instant::now();
    let examination = Examiner::new().timeout(Duration::from_millis(500)).examine(&config(&pools)).await;
    assert!(begun.elapsed() < Duration::from_secs(3), "{:?}", begun.elapsed());
    failed(&examination, 0, Check::Reachable, "accepts connections, but there was no login within 500ms");
    proxy.clear().unwrap();
    proxy.reset_all().await;
    proxy.set(Fault::latency(Duration::from_millis(60))).unwrap();
    let slow = pools[0]
        .replace("database: app", "database: app, connect_timeout_ms: 50, validation_timeout_ms: 200");
    let examination = examine(&[slow]).await;
    failed(&examination, 0, Check::Reachable, "and the pool gives up after 50 ms");
    assert!(found(&examination, 0, Check::RoundTrip).status >= FindingStatus::Warning, "{examination}");
}

#[tokio::test]
async fn one_connection_for_each_pool_is_opened_and_none_is_left() {
    let pg = postgres(Postgres::new()).await;
    let proxy = Proxy::start(pg.address()).unwrap();
    let more = "database: app, min_connections: 5, ssl: {enabled: false}";
    let pools: Vec<_> =
        (0..20).map(|n| pool(&format!("p{n}"), "postgres", proxy.address().port(), more)).collect();
    let examination = examine(&pools).await;
    assert!(examination.pools.iter().all(|pool| pool.server.is_some()), "{examination}");
    let sum = "up to 200 connections (p0 10 + p1 10 + p2 10 + p3 10 + p4 10 + 15 others) of the 100";
    failed(&examination, 0, Check::Limit, sum);
    assert_eq!(proxy.stats().accepted, 20);
    let deadline = tokio::time::Instant::now() + Duration::from_secs(10);
    while proxy.stats().open > 0 {
        assert!(tokio::time::Instant::now() < deadline, "{:?}", proxy.stats());
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}
