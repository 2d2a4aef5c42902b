//! What real servers tell of themselves.

use std::time::Duration;

use pool_core::Connector;
use pool_drivers::facts::{Encryption, Facts, ServerFacts};
use pool_drivers::mysql::MySqlConnector;
use pool_drivers::postgres::PgConnector;
use pool_drivers::redis::RedisConnector;
use pool_drivers::tls::Tls;
use pool_tests::ca::{self, Ca};
use pool_tests::mariadb::MariaDb;
use pool_tests::pgbouncer::PgBouncer;
use pool_tests::postgres::Postgres;
use pool_tests::redis::Redis;
use tokio::time::{Instant, sleep};

const USER: &str = "app";
const PASSWORD: &str = "canary-facts";

async fn facts<C>(connector: &C) -> ServerFacts
where
    C: Connector,
    C::Connection: Facts<Error: std::fmt::Debug>,
{
    let mut connection = connector.connect().await.unwrap();
    let facts = connection.facts().await.unwrap();
    // Nothing of it is left in the session.
    assert_eq!(connector.condition(&mut connection), pool_core::Condition::Clean);
    connector.close(connection).await;
    facts
}

/// Waits until so many connections are open, the one that asks included: a server notices later that others have gone.
async fn in_use<C>(connector: &C, count: u64)
where
    C: Connector,
    C::Connection: Facts<Error: std::fmt::Debug>,
{
    let deadline = Instant::now() + Duration::from_secs(20);
    loop {
        let told = facts(connector).await.room.in_use;
        if told == Some(count) {
            return;
        }
        assert!(Instant::now() < deadline, "{told:?} instead of {count}");
        sleep(Duration::from_millis(20)).await;
    }
}

fn protocol(facts: &ServerFacts) -> Option<&str> {
    match facts.tls.as_ref()? {
        Encryption::Tls { protocol, cipher } => {
            assert!(cipher.is_some());
            protocol.as_deref()
        }
        _ => None,
    }
}

#[tokio::test]
async fn postgres_tells_an_ordinary_user() {
    let server = Postgres::new().max_connections(10).launch().await.unwrap();
    server.create_user(USER, PASSWORD).await.unwrap();
    let connector = PgConnector::from_url(&server.url(USER, PASSWORD, USER)).unwrap();
    let told = facts(&connector).await;
    assert_eq!(told.product, Some("PostgreSQL"));
    assert!(told.version.as_deref().unwrap().starts_with(char::is_numeric), "{told:?}");
    assert_eq!((told.is_replica, told.is_read_only), (Some(false), Some(false)));
    assert_eq!((told.tls, told.offers_tls), (Some(Encryption::None), Some(false)));
    assert_eq!((told.room.limit, told.room.limit_of_user), (Some(10), None), "without those of superusers");
    let held = [connector.connect().await.unwrap(), connector.connect().await.unwrap()];
    in_use(&connector, 3).await;
    drop(held);

    server.execute("ALTER ROLE app CONNECTION LIMIT 4").await.unwrap();
    assert_eq!(facts(&connector).await.room.limit_of_user, Some(4));
    server.set_read_only(true).await.unwrap();
    let told = facts(&connector).await;
    assert_eq!((told.is_replica, told.is_read_only), (Some(false), Some(true)));
}

#[tokio::test]
async fn postgres_tells_of_tls_and_of_being_a_standby() {
    let ca = Ca::new();
    let identity = ca.local_server();
    let server = Postgres::new().tls(ca::Tls::offered(&ca, &identity)).launch().await.unwrap();
    server.create_user(USER, PASSWORD).await.unwrap();
    let plain = format!("{}?sslmode=disable", server.url(USER, PASSWORD, USER));
    let told = facts(&PgConnector::from_url(&plain).unwrap()).await;
    assert_eq!((told.tls, told.offers_tls), (Some(Encryption::None), Some(true)));
    let connector = PgConnector::from_url(&server.url(USER, PASSWORD, USER)).unwrap();
    let told = facts(&connector.tls(Tls::new().ca_certificate(ca.certificate_path()))).await;
    assert_eq!(protocol(&told), Some("TLSv1.3"));

    let standby = Postgres::standby_of(&server).await.unwrap();
    let told = facts(&PgConnector::from_url(&standby.url(USER, PASSWORD, USER)).unwrap()).await;
    assert_eq!((told.is_replica, told.is_read_only), (Some(true), Some(true)));
}

#[tokio::test]
async fn behind_a_pooler_of_transactions_only_what_is_sure_is_told() {
    let server = Postgres::new().launch().await.unwrap();
    server.create_user(USER, PASSWORD).await.unwrap();
    let bouncer = PgBouncer::in_front_of(&server).user(USER, PASSWORD).launch().await.unwrap();
    let connector = PgConnector::from_url(&bouncer.url(USER, PASSWORD, USER)).unwrap();
    let told = facts(&connector.transaction_pooling(true)).await;
    assert_eq!((told.product, told.is_replica), (Some("PostgreSQL"), Some(false)));
    assert_eq!((told.tls, told.room), (None, Default::default()));
}

#[tokio::test]
async fn mariadb_tells() {
    let ca = Ca::new();
    let server = MariaDb::new()
        .max_connections(20)
        .tls(ca::Tls::offered(&ca, &ca.local_server()))
        .launch()
        .await
        .unwrap();
    server.create_user(USER, PASSWORD).await.unwrap();
    let plain = format!("{}?ssl-mode=disabled", server.url(USER, PASSWORD, USER));
    let plain = MySqlConnector::from_url(&plain).unwrap();
    let told = facts(&plain).await;
    assert_eq!(told.product, Some("MariaDB"));
    assert!(told.version.as_deref().unwrap().starts_with(char::is_numeric), "{told:?}");
    assert_eq!((told.is_replica, told.is_read_only), (None, Some(false)));
    assert_eq!((&told.tls, told.offers_tls), (&Some(Encryption::None), Some(true)));
    assert_eq!((told.room.limit, told.room.limit_of_user), (Some(20), None));
    assert!(told.room.in_use.unwrap() >= 1);

    let connector = MySqlConnector::from_url(&server.url(USER, PASSWORD, USER)).unwrap();
    let connector = connector.tls(Tls::new().ca_certificate(ca.certificate_path()));
    assert_eq!(protocol(&facts(&connector).await), Some("TLSv1.3"));

    server.execute("ALTER USER app@'%' WITH MAX_USER_CONNECTIONS 3").await.unwrap();
    server.set_read_only(true).await.unwrap();
    let told = facts(&plain).await;
    assert_eq!((told.is_read_only, told.room.limit_of_user), (Some(true), Some(3)));
}

#[tokio::test]
async fn redis_tells() {
    let ca = Ca::new();
    let server = Redis::new().max_clients(50).launch().await.unwrap();
    let connector = RedisConnector::new(&server.url()).unwrap();
    let told = facts(&connector).await;
    assert_eq!(told.product, Some("Redis"));
    assert!(told.version.as_deref().unwrap().starts_with(char::is_numeric), "{told:?}");
    assert_eq!((told.is_replica, told.is_read_only), (Some(false), Some(false)));
    assert_eq!((told.tls, told.room.limit), (Some(Encryption::None), Some(50)));
    let held = [connector.connect().await.unwrap(), connector.connect().await.unwrap()];
    in_use(&connector, 3).await;
    drop(held);

    let address = server.address();
    let place = format!("{} {}", address.ip(), address.port());
    let replica = Redis::new().setting("replicaof", place).launch().await.unwrap();
    let told = facts(&RedisConnector::new(&replica.url()).unwrap()).await;
    assert_eq!((told.is_replica, told.is_read_only), (Some(true), Some(true)));

    let server = Redis::new().tls(ca::Tls::required(&ca, &ca.local_server())).launch().await.unwrap();
    let connector = RedisConnector::new(&server.url()).unwrap();
    let told = facts(&connector.tls(Tls::new().ca_certificate(ca.certificate_path()))).await;
    assert_eq!(protocol(&told), Some("TLSv1.3"));
}

#[tokio::test]
async fn a_user_of_redis_who_may_not_ask_gets_what_is_known_without_asking() {
    let server = Redis::new()
        .setting("user", "app on >canary-facts ~* &* +@all -info -config")
        .launch()
        .await
        .unwrap();
    let connector = RedisConnector::new(&server.user_url(USER, PASSWORD)).unwrap();
    let mut connection = connector.connect().await.unwrap();
    let told = connection.facts().await.unwrap();
    assert_eq!((told.version, told.tls), (None, Some(Encryption::None)));
}
