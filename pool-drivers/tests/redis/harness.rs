//! What the tests share: a server of their own, and ways to look at a connection.

use std::future::{Future, poll_fn};
use std::net::TcpListener;
use std::path::PathBuf;
use std::pin::pin;
use std::process::{Child, Command, Stdio};
use std::task::Poll;
use std::time::Duration;

use pool_core::{Connector as _, Pool, PoolBuilder, Pooled};
use pool_drivers::redis::redis::{self, FromRedisValue};
use pool_drivers::redis::{RedisConnection, RedisConnector};
use tempfile::TempDir;
use tokio::time::{Instant, sleep};

/// A connection in a holder's hands.
pub(crate) type Held = Pooled<RedisConnector>;

/// A server that is stopped when the test ends.
pub(crate) struct Server {
    process: Child,
    pub(crate) port: u16,
    directory: TempDir,
}

impl Server {
    pub(crate) async fn start() -> Self {
        Server::with(&[]).await
    }

    /// A server with further settings, such as `--requirepass x`.
    pub(crate) async fn with(settings: &[&str]) -> Self {
        loop {
            let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
            let directory = tempfile::tempdir().unwrap();
            let process = Command::new("redis-server")
                .args([
                    "--bind",
                    "127.0.0.1",
                    "--port",
                    &port.to_string(),
                    "--save",
                    "",
                    "--appendonly",
                    "no",
                ])
                .args(["--unixsocket", "redis.sock", "--dir"])
                .arg(directory.path())
                .args(settings)
                .stdout(Stdio::null())
                .spawn()
                .expect("redis-server is installed");
            let mut server = Server { process, port, directory };
            if server.is_up().await {
                return server;
            }
            // Somebody else took the port meanwhile.
        }
    }

    /// Waits until it listens; false if it ended instead.
    async fn is_up(&mut self) -> bool {
        let begun = Instant::now();
        while !self.socket().exists() || tokio::net::UnixStream::connect(self.socket()).await.is_err() {
            if self.process.try_wait().unwrap().is_some() {
                return false;
            }
            assert!(begun.elapsed() < Duration::from_secs(20), "redis-server does not come up");
            sleep(Duration::from_millis(5)).await;
        }
        true
    }

    pub(crate) fn socket(&self) -> PathBuf {
        self.directory.path().join("redis.sock")
    }

    pub(crate) fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    pub(crate) fn connector(&self) -> RedisConnector {
        RedisConnector::new(&self.url()).unwrap()
    }

    /// A connection beside the pool.
    pub(crate) async fn admin(&self) -> RedisConnection {
        self.connector().client_name("admin").connect().await.unwrap()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Both fail only if it has ended by itself.
        drop(self.process.kill());
        drop(self.process.wait());
    }
}

/// A pool that opens connections only when asked.
pub(crate) fn pool_of(connector: RedisConnector, max_connections: usize) -> PoolBuilder<RedisConnector> {
    Pool::builder(connector).name("cache").max_connections(max_connections).min_connections(0)
}

/// A pool of one connection: who comes next, gets the connection that was used last.
pub(crate) fn pool_of_one(connector: RedisConnector) -> Pool<RedisConnector> {
    pool_of(connector, 1).build().unwrap()
}

/// Makes a command out of words.
pub(crate) fn command(line: &str) -> redis::Cmd {
    let mut words = line.split(' ');
    let mut command = redis::cmd(words.next().unwrap());
    words.for_each(|word| {
        command.arg(word);
    });
    command
}

/// Runs a command that must succeed.
pub(crate) async fn ask<T: FromRedisValue>(connection: &mut RedisConnection, line: &str) -> T {
    command(line).query_async(connection).await.unwrap_or_else(|error| panic!("{line}: {error}"))
}

/// The server's number of the connection: it tells whether it is still the same one.
pub(crate) async fn id(connection: &mut RedisConnection) -> i64 {
    ask(connection, "CLIENT ID").await
}

/// The line that `CLIENT INFO` says of this field, such as `db`.
pub(crate) async fn field(connection: &mut RedisConnection, name: &str) -> String {
    let info: String = ask(connection, "CLIENT INFO").await;
    let value = info.split_whitespace().find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='));
    value.unwrap_or_else(|| panic!("no {name} in {info}")).to_owned()
}

/// A number of `INFO`.
pub(crate) async fn info(connection: &mut RedisConnection, name: &str) -> u64 {
    let info: String = ask(connection, "INFO everything").await;
    let value = info.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    value.unwrap_or_else(|| panic!("no {name}")).parse().unwrap()
}

/// Polls a future this often, waiting to be woken in between, and drops it.
pub(crate) async fn drop_after_polls<T>(polls: usize, future: impl Future<Output = T>) -> Option<T> {
    let mut future = pin!(future);
    let mut left = polls;
    poll_fn(|cx| {
        if left == 0 {
            return Poll::Ready(None);
        }
        left -= 1;
        match future.as_mut().poll(cx) {
            Poll::Ready(value) => Poll::Ready(Some(value)),
            Poll::Pending if left == 0 => Poll::Ready(None),
            Poll::Pending => Poll::Pending,
        }
    })
    .await
}

/// Waits until something holds.
pub(crate) async fn until(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let begun = Instant::now();
    while !holds().await {
        assert!(begun.elapsed() < Duration::from_secs(20), "{what} never comes true");
        sleep(Duration::from_millis(5)).await;
    }
}
