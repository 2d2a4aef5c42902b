//! A host name that comes to mean another address, as when a database fails over by DNS.
//!
//! The names are real ones, of the system's resolver: each test runs in a process of its own, in which `libnss_wrapper`
//! reads them from a file that the test changes.

use std::fs::File;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, SystemTime};

use pool_core::{Connector, Pool};
use pool_drivers::http::HttpConnector;
use pool_drivers::mysql::MySqlConnector;
use pool_drivers::postgres::PgConnector;
use pool_drivers::redis::RedisConnector;
use pool_drivers::redis::redis::AsyncCommands as _;
use pool_drivers::websocket::WebSocketConnector;
use pool_loadtest::proxy::Proxy;
use pool_tests::http::Http;
use pool_tests::mariadb::MariaDb;
use pool_tests::postgres::{self, Postgres};
use pool_tests::redis::Redis;
use pool_tests::websocket::WebSocket;
use tokio::time::{Instant, sleep, timeout};

/// The name that moves.
const NAME: &str = "database.test";

const OLD: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 2));
const NEW: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 3));

const TTL: Duration = Duration::from_millis(200);
const LONG: Duration = Duration::from_secs(20);

/// Where the wrapper finds the names.
const HOSTS: &str = "NSS_WRAPPER_HOSTS";

/// Inside a process with names of its own, the file of them. Elsewhere runs the test in one, and returns nothing.
fn private_names(test: &str) -> Option<PathBuf> {
    if let Some(hosts) = std::env::var_os(HOSTS) {
        return Some(hosts.into());
    }
    let hosts = tempfile::NamedTempFile::new().unwrap();
    let program = std::env::current_exe().unwrap();
    let output = Command::new(program)
        .args(["--exact", &format!("dns::{test}"), "--nocapture"])
        .env(HOSTS, hosts.path())
        .env("LD_PRELOAD", "libnss_wrapper.so")
        .output()
        .unwrap();
    let told =
        format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success() && told.contains("1 passed"), "{told}");
    None
}

fn point(hosts: &Path, to: IpAddr) {
    std::fs::write(hosts, format!("{to} {NAME}\n")).unwrap();
    // The wrapper reads a file again when it is of another second.
    let written = if to == OLD { Duration::from_secs(1_000) } else { Duration::from_secs(2_000) };
    File::options().write(true).open(hosts).unwrap().set_modified(SystemTime::UNIX_EPOCH + written).unwrap();
}

/// Has a pool follow its name from one address to another, both of which lead to the same server.
async fn follows<C: Connector>(
    hosts: PathBuf,
    server: SocketAddr,
    connector: impl FnOnce(u16) -> C,
    uses: impl AsyncFn(&mut C::Connection),
) {
    point(&hosts, OLD);
    let old = Proxy::builder(server).address(OLD).start().unwrap();
    let port = old.address().port();
    let new = Proxy::builder(server).address(NEW).port(port).start().unwrap();
    let pool = Pool::builder(connector(port)).max_connections(4).min_connections(0).build().unwrap();

    let mut guards = Vec::new();
    for _ in 0..4 {
        let mut guard = pool.acquire().await.unwrap();
        uses(&mut guard).await;
        guards.push(guard);
    }
    let mut held = guards.pop().unwrap();
    drop(guards);
    assert_eq!((old.stats().open, new.stats().open), (4, 0));

    // Nothing has changed, so looking again changes nothing.
    let begun = Instant::now();
    while begun.elapsed() < 3 * TTL {
        uses(&mut pool.acquire().await.unwrap()).await;
        sleep(TTL / 20).await;
    }
    assert_eq!((old.stats().open, new.stats().accepted), (4, 0));

    point(&hosts, NEW);
    let moved = timeout(LONG, async {
        // Nobody who uses the pool notices.
        while old.stats().open > 1 {
            uses(&mut pool.acquire().await.unwrap()).await;
            sleep(TTL / 20).await;
        }
    });
    moved.await.expect("the connections to the old address are closed");
    uses(&mut pool.acquire().await.unwrap()).await;
    assert!(new.stats().open > 0);

    uses(&mut held).await;
    drop(held);
    timeout(LONG, old.until_open_at_most(0)).await.expect("the last one is closed when it comes back");
    uses(&mut pool.acquire().await.unwrap()).await;
    assert_eq!(old.stats().accepted, 4);
}

#[tokio::test]
async fn a_pool_of_postgres_follows_its_name() {
    let Some(hosts) = private_names("a_pool_of_postgres_follows_its_name") else { return };
    let server = Postgres::new().launch().await.unwrap();
    let connector = |port| {
        let (user, password) = (postgres::SUPERUSER, postgres::PASSWORD);
        let url = format!("postgres://{user}:{password}@{NAME}:{port}/postgres");
        PgConnector::from_url(&url).unwrap().dns_max_ttl(TTL)
    };
    follows(hosts, server.address(), connector, async |connection| {
        connection.run("SELECT 1").await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn a_pool_of_mariadb_follows_its_name() {
    let Some(hosts) = private_names("a_pool_of_mariadb_follows_its_name") else { return };
    let server = MariaDb::new().launch().await.unwrap();
    server.create_user("app", "canary-secret").await.unwrap();
    let connector = |port| {
        MySqlConnector::from_url(&format!("mysql://app:canary-secret@{NAME}:{port}/"))
            .unwrap()
            .dns_max_ttl(TTL)
    };
    follows(hosts, server.address(), connector, async |connection| {
        connection.run("SELECT 1").await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn a_pool_of_redis_follows_its_name() {
    let Some(hosts) = private_names("a_pool_of_redis_follows_its_name") else { return };
    let server = Redis::new().launch().await.unwrap();
    let connector = |port| RedisConnector::new(&format!("redis://{NAME}:{port}")).unwrap().dns_max_ttl(TTL);
    follows(hosts, server.address(), connector, async |connection| {
        connection.ping::<String>().await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn a_pool_of_http_follows_its_name() {
    let Some(hosts) = private_names("a_pool_of_http_follows_its_name") else { return };
    let server = Http::new().launch().unwrap();
    let connector = |port| HttpConnector::new(&format!("http://{NAME}:{port}")).unwrap().dns_max_ttl(TTL);
    follows(hosts, server.address(), connector, async |connection| {
        assert!(connection.get("/").await.unwrap().status().is_success());
    })
    .await;
}

#[tokio::test]
async fn a_pool_of_websocket_follows_its_name() {
    let Some(hosts) = private_names("a_pool_of_websocket_follows_its_name") else { return };
    let server = WebSocket::new().launch().unwrap();
    let connector = |port| WebSocketConnector::new(&format!("ws://{NAME}:{port}")).unwrap().dns_max_ttl(TTL);
    follows(hosts, server.address(), connector, async |connection| {
        connection.request("lamp").await.unwrap();
    })
    .await;
}
