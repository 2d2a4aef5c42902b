//! Connects that fail, and what they tell; roles, and what a fail-over does.

use std::time::Duration;

use pool_core::{AcquireError, Connector as _, ErrorClass};
use pool_drivers::credentials::Credentials;
use pool_drivers::postgres::{ConnectProblem, PgConnector, PgPool, Role, ServerError};
use pool_drivers::tls::{Tls, TlsProblem};
use pool_loadtest::proxy::Proxy;
use pool_tests::ca::{self, Ca};
use pool_tests::postgres::{PASSWORD, Postgres, SUPERUSER};
use sqlx::Executor as _;

use super::{connector, pool_of, server};

/// A password that must be seen nowhere.
const CANARY: &str = "canary-f1b2";

/// What a failed connect tells. None of it may hold a password.
async fn failure(connector: PgConnector) -> (ConnectProblem, ErrorClass) {
    let error = connector.connect().await.map(drop).unwrap_err();
    let class = connector.classify(&error);
    let told = format!("{error} {error:?} {connector:?} {}", connector.target().unwrap());
    assert!(!told.contains(CANARY) && !told.contains(PASSWORD), "{told}");
    let problem = error.connect_problem().cloned();
    (problem.unwrap_or_else(|| panic!("{error:?}")), class)
}

/// It must show 5.
#[tokio::test]
async fn each_reason_why_a_connect_fails_has_its_own_error() {
    let server = Postgres::new().max_connections(8).launch().await.unwrap();
    let url = |user: &str, password: &str, database: &str| {
        PgConnector::from_url(&server.url(user, password, database)).unwrap()
    };
    assert_eq!(
        failure(url(SUPERUSER, CANARY, "postgres")).await,
        (ConnectProblem::LoginRefused, ErrorClass::Auth),
        "wrong password"
    );
    assert_eq!(
        failure(url("nobody", CANARY, "postgres")).await.0,
        ConnectProblem::LoginRefused,
        "unknown user"
    );
    assert_eq!(failure(url(SUPERUSER, PASSWORD, "nowhere")).await.0, ConnectProblem::NoDatabase);

    let nobody = PgConnector::from_url(&format!("postgres://a:{CANARY}@127.0.0.1:1/postgres")).unwrap();
    assert_eq!(failure(nobody).await.0, ConnectProblem::Refused);
    let unknown =
        PgConnector::from_url(&format!("postgres://a:{CANARY}@no-such-host.invalid/postgres")).unwrap();
    assert_eq!(failure(unknown).await.0, ConnectProblem::NameNotFound);

    server.create_user("app", "canary-secret").await.unwrap();
    server.execute("CREATE DATABASE closed").await.unwrap();
    server.execute("REVOKE CONNECT ON DATABASE closed FROM public").await.unwrap();
    assert_eq!(
        failure(url("app", "canary-secret", "closed")).await,
        (ConnectProblem::LoginRefused, ErrorClass::Auth),
        "not for this user"
    );
    let mut held = Vec::new();
    let refused = loop {
        match url("app", "canary-secret", "postgres").connect().await {
            Ok(connection) => held.push(connection),
            Err(error) => break error,
        }
    };
    assert!(matches!(refused.connect_problem(), Some(ConnectProblem::TooManyConnections)), "{refused:?}");
    assert_eq!(url("app", "canary-secret", "postgres").classify(&refused), ErrorClass::Capacity);
}

#[tokio::test]
async fn each_fault_of_a_certificate_has_its_own_error() {
    let ca = Ca::new();
    let good = ca.server(&["localhost", "127.0.0.1"]);
    let launch = |identity: ca::Identity| Postgres::new().tls(ca::Tls::required(&ca, &identity)).launch();
    let trusting = |server: &pool_tests::process::Server<Postgres>, tls: Tls| connector(server).tls(tls);
    let trusted = || Tls::new().ca_certificate(ca.certificate_path());

    let server = launch(good).await.unwrap();
    trusting(&server, trusted()).connect().await.unwrap();
    trusting(&server, Tls::new().verify_peer(false)).connect().await.unwrap();
    let wrong_ca = Ca::new();
    let (problem, _) =
        failure(trusting(&server, Tls::new().ca_certificate(wrong_ca.certificate_path()))).await;
    assert!(matches!(problem, ConnectProblem::Tls(Some(TlsProblem::UnknownIssuer))), "{problem:?}");

    let server = launch(ca.server(&["elsewhere.example"])).await.unwrap();
    let (problem, _) = failure(trusting(&server, trusted())).await;
    assert!(matches!(problem, ConnectProblem::Tls(Some(TlsProblem::WrongName { .. }))), "{problem:?}");

    let server = launch(ca.expired_server(&["localhost", "127.0.0.1"])).await.unwrap();
    let (problem, _) = failure(trusting(&server, trusted())).await;
    assert!(matches!(problem, ConnectProblem::Tls(Some(TlsProblem::Expired))), "{problem:?}");
}

/// D12.
#[tokio::test]
async fn a_wrong_password_is_told_at_once_and_not_hammered() {
    let server = server().await;
    let proxy = Proxy::start(server.address()).unwrap();
    let url = format!("postgres://{SUPERUSER}:{CANARY}@{}/postgres?sslmode=disable", proxy.address());
    let pool: PgPool = pool_of(PgConnector::from_url(&url).unwrap(), 10).build().unwrap().into();
    let begun = tokio::time::Instant::now();
    while begun.elapsed() < Duration::from_secs(2) {
        let error = pool.acquire().await.map(drop).unwrap_err();
        assert!(matches!(error, AcquireError::Unavailable(_)), "{error}");
        let told = format!("{error} {error:?} {pool:?}");
        assert!(told.contains("password authentication failed") && !told.contains(CANARY), "{told}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert!(proxy.stats().accepted <= 3, "{} connects in two seconds", proxy.stats().accepted);
}

/// D13.
#[tokio::test]
async fn a_changed_password_is_used_at_the_next_connect() {
    let server = server().await;
    server.create_user("app", "canary-first").await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("password");
    std::fs::write(&path, "canary-first\n").unwrap();
    let url = server.url("app", "none", "postgres");
    let provider = pool_drivers::credentials::FileCredentials::password(&path);
    let connector = PgConnector::from_url(&url).unwrap().credentials(provider);
    let pool: PgPool = pool_of(connector, 2).build().unwrap().into();
    pool.execute("SELECT 1").await.unwrap();
    server.execute("ALTER ROLE app PASSWORD 'canary-second'").await.unwrap();
    std::fs::write(&path, "canary-second\n").unwrap();
    pool.evict_all();
    pool.execute("SELECT 1").await.unwrap();
    assert_eq!(pool.counters().connect_failed, 0);

    let wrong = PgConnector::from_url(&url).unwrap().credentials(Credentials::new("app", "canary-third"));
    assert_eq!(failure(wrong).await.0, ConnectProblem::LoginRefused);
}

/// D11: growth stops, and what is open is used.
#[tokio::test]
async fn a_full_server_stops_growth_and_is_no_outage() {
    let server = Postgres::new().max_connections(8).launch().await.unwrap();
    server.create_user("app", "canary-secret").await.unwrap();
    let connector = PgConnector::from_url(&server.url("app", "canary-secret", "postgres")).unwrap();
    let pool: PgPool = pool_of(connector, 50).acquire_timeout(Duration::from_secs(1)).build().unwrap().into();
    let mut held = Vec::new();
    let error = loop {
        match pool.acquire().await {
            Ok(connection) => held.push(connection),
            Err(error) => break error,
        }
    };
    assert!(error.is_timeout(), "{error}");
    assert!(held.len() >= 3 && pool.outage().is_none());
    let failure = error.diagnosis().last_connect_failure.as_ref().unwrap();
    assert_eq!(failure.class, ErrorClass::Capacity);
    drop(held);
    pool.execute("SELECT 1").await.unwrap();
}

/// E10: the old primary answers, but refuses writes.
#[tokio::test]
async fn after_a_fail_over_connections_lead_to_the_new_primary() {
    let old = server().await;
    old.execute("CREATE TABLE item (id int)").await.unwrap();
    let new = Postgres::standby_of(&old).await.unwrap();
    let connector = connector(&old).also_at("127.0.0.1", new.port()).role(Role::Primary);
    // Never validated: a write is to find out, however long the promotion takes.
    let never = Duration::from_secs(3600);
    let pool: PgPool = pool_of(connector, 4).validate_after_idle(never).build().unwrap().into();
    let held = [pool.acquire().await.unwrap(), pool.acquire().await.unwrap()];
    drop(held);
    new.promote().await.unwrap();
    old.set_read_only(true).await.unwrap();
    // The old one's sessions learn of it one by one, so a write or two may still succeed there.
    let mut failed = 0;
    loop {
        if let Err(error) = pool.execute("INSERT INTO item VALUES (1)").await {
            assert_eq!(error.as_database_error().unwrap().code().as_deref(), Some("25006"), "{error}");
            failed += 1;
        }
        let port: i32 = sqlx::query_scalar("SELECT inet_server_port()").fetch_one(&pool).await.unwrap();
        if port == i32::from(new.port()) {
            break;
        }
    }
    assert!(failed <= 1, "{failed} writes failed; one finds out for all, if no validation has before");
    assert_eq!(pool.counters().flushes, 1);

    let only_old =
        PgConnector::from_url(&old.url(SUPERUSER, PASSWORD, "postgres")).unwrap().role(Role::Primary);
    let error = only_old.connect().await.map(drop).unwrap_err();
    assert!(matches!(error, ServerError::Role { found: "read-only", .. }), "{error}");
}
