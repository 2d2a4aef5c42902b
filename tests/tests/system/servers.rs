//! The harness itself: real servers that start, answer, break, come back with their data, and leave nothing behind.

mod janitor;
mod tls;

use std::path::{Path, PathBuf};
use std::time::Duration;

use pool_tests::mariadb::MariaDb;
use pool_tests::pgbouncer::PgBouncer;
use pool_tests::postgres::{PASSWORD, Postgres, SUPERUSER};
use pool_tests::process::{Kind, Server};
use pool_tests::redis::Redis;
use sqlx::{Connection as _, MySqlConnection, PgConnection};
use tokio::io::AsyncReadExt as _;
use tokio::net::TcpStream;
use tokio::time::timeout;

/// Longer than any of these servers takes to answer on a busy machine.
const LONG: Duration = Duration::from_secs(20);
/// As long as a frozen server is watched not answering.
const SHORT: Duration = Duration::from_millis(150);

/// Whether a process of this number exists and is not a zombie.
fn is_running(process: i32) -> bool {
    std::fs::read_to_string(format!("/proc/{process}/stat"))
        .is_ok_and(|stat| !stat.rsplit_once(')').unwrap().1.starts_with(" Z"))
}

/// What must be gone after a server: its processes and its folder.
fn belongings<K: Kind>(server: &Server<K>) -> (Vec<i32>, PathBuf) {
    let processes = server.processes();
    // Others may be ending just now: those that serve a client which has left.
    assert!(is_running(processes[0]), "{processes:?}");
    (processes, server.folder().to_path_buf())
}

fn assert_gone((processes, folder): &(Vec<i32>, PathBuf)) {
    assert!(!processes.is_empty());
    assert!(!processes.iter().any(|process| is_running(*process)), "{processes:?} of {}", folder.display());
    assert!(!folder.exists(), "{}", folder.display());
}

/// Takes a server through all that can happen to it. `write` and `read` are those of a client that connects anew;
/// `read` tells what `write` has written.
async fn live_through<K: Kind>(
    server: Server<K>,
    write: impl AsyncFn(u32) -> Result<(), String>,
    read: impl AsyncFn() -> Result<Vec<u32>, String>,
) {
    let (port, folder) = (server.port(), server.folder().to_path_buf());
    write(1).await.unwrap();

    server.stop().await.unwrap();
    assert!(!server.is_running() && server.processes().is_empty());
    read().await.unwrap_err();
    server.start().await.unwrap();
    assert_eq!(read().await.unwrap(), [1]);
    write(2).await.unwrap();

    let (processes, _) = belongings(&server);
    server.kill().await.unwrap();
    assert!(!processes.iter().any(|process| is_running(*process)), "{processes:?}");
    server.start().await.unwrap();
    assert_eq!(read().await.unwrap(), [1, 2]);

    server.freeze().await.unwrap();
    assert!(timeout(SHORT, read()).await.is_err(), "a frozen server answers nobody");
    server.thaw();
    assert_eq!(timeout(LONG, read()).await.unwrap().unwrap(), [1, 2]);

    server.freeze().await.unwrap();
    server.restart().await.unwrap();
    assert_eq!(read().await.unwrap(), [1, 2]);

    assert_eq!((server.port(), server.folder()), (port, folder.as_path()));
    server.freeze().await.unwrap();
    let belongings = belongings(&server);
    drop(server);
    assert_gone(&belongings);
}

async fn pg_read(url: &str) -> Result<Vec<i32>, sqlx::Error> {
    let mut connection = PgConnection::connect(url).await?;
    sqlx::query_scalar("select n from notes order by n").fetch_all(&mut connection).await
}

async fn pg_write(url: &str, number: i32) -> Result<(), sqlx::Error> {
    let mut connection = PgConnection::connect(url).await?;
    sqlx::raw_sql("create table if not exists notes (n int)").execute(&mut connection).await?;
    sqlx::query("insert into notes values ($1)").bind(number).execute(&mut connection).await.map(drop)
}

fn told<T>(numbers: Result<Vec<T>, impl ToString>) -> Result<Vec<u32>, String>
where
    T: TryInto<u32, Error: std::fmt::Debug>,
{
    let numbers = numbers.map_err(|error| error.to_string())?;
    Ok(numbers.into_iter().map(|number| number.try_into().unwrap()).collect())
}

#[tokio::test]
async fn a_postgres_survives_what_is_done_to_it_and_leaves_nothing_behind() {
    let server = Postgres::new().launch().await.unwrap();
    server.create_user("app", "p@ss: 'w/ord").await.unwrap();
    let url = server.url("app", "p@ss: 'w/ord", "app");
    live_through(
        server,
        async |number| {
            pg_write(&url, i32::try_from(number).unwrap()).await.map_err(|error| error.to_string())
        },
        async || told(pg_read(&url).await),
    )
    .await;
}

#[tokio::test]
async fn a_mariadb_survives_what_is_done_to_it_and_leaves_nothing_behind() {
    let server = MariaDb::new().launch().await.unwrap();
    server.create_user("app", "p@ss: 'w/ord").await.unwrap();
    let url = server.url("app", "p@ss: 'w/ord", "app");
    live_through(
        server,
        async |number| {
            let write = async {
                let mut connection = MySqlConnection::connect(&url).await?;
                sqlx::raw_sql("create table if not exists notes (n int)").execute(&mut connection).await?;
                sqlx::query("insert into notes values (?)").bind(number).execute(&mut connection).await
            };
            write.await.map(drop).map_err(|error: sqlx::Error| error.to_string())
        },
        async || {
            let read = async {
                let mut connection = MySqlConnection::connect(&url).await?;
                sqlx::query_scalar::<_, i32>("select n from notes order by n")
                    .fetch_all(&mut connection)
                    .await
            };
            told(read.await)
        },
    )
    .await;
}

#[tokio::test]
async fn a_redis_survives_what_is_done_to_it_and_leaves_nothing_behind() {
    let server = Redis::new().password("canary-d@fault").user("app", "canary-s3cret").launch().await.unwrap();
    let client = redis::Client::open(server.user_url("app", "canary-s3cret")).unwrap();
    live_through(
        server,
        async |number| {
            let mut connection =
                client.get_multiplexed_async_connection().await.map_err(|error| error.to_string())?;
            let push = redis::cmd("RPUSH").arg("notes").arg(number).exec_async(&mut connection).await;
            push.map_err(|error| error.to_string())
        },
        async || {
            let mut connection =
                client.get_multiplexed_async_connection().await.map_err(|error| error.to_string())?;
            let all = redis::cmd("LRANGE")
                .arg(&["notes", "0", "-1"])
                .query_async::<Vec<u32>>(&mut connection)
                .await;
            all.map_err(|error| error.to_string())
        },
    )
    .await;
}

#[tokio::test]
async fn a_pgbouncer_survives_what_is_done_to_it_and_leaves_nothing_behind() {
    let server = Postgres::new().launch().await.unwrap();
    server.create_user("app", "canary-s3cret").await.unwrap();
    let bouncer = PgBouncer::in_front_of(&server).user("app", "canary-s3cret").launch().await.unwrap();
    let url = bouncer.url("app", "canary-s3cret", "app");
    // No prepared statements: this version of PgBouncer does not know them.
    live_through(
        bouncer,
        async |number| {
            pg_write(&server.url("app", "canary-s3cret", "app"), i32::try_from(number).unwrap())
                .await
                .map_err(|e| e.to_string())
        },
        async || {
            let read = async {
                let mut connection = PgConnection::connect(&url).await?;
                let rows = sqlx::raw_sql("select n from notes order by n").fetch_all(&mut connection).await?;
                rows.iter().map(|row| sqlx::Row::try_get::<i32, _>(row, 0)).collect::<Result<Vec<_>, _>>()
            };
            told(read.await)
        },
    )
    .await;
}

#[tokio::test]
async fn a_pgbouncer_gives_the_same_server_connection_to_many_clients() {
    let server = Postgres::new().launch().await.unwrap();
    let bouncer = PgBouncer::in_front_of(&server).pool_size(1).launch().await.unwrap();
    let mut pids = Vec::new();
    let mut clients = Vec::new();
    for _ in 0..3 {
        let mut client = PgConnection::connect(&bouncer.url(SUPERUSER, PASSWORD, SUPERUSER)).await.unwrap();
        let row = sqlx::raw_sql("select pg_backend_pid()").fetch_one(&mut client).await.unwrap();
        pids.push(sqlx::Row::get::<i32, _>(&row, 0));
        clients.push(client);
    }
    pids.dedup();
    assert_eq!(pids.len(), 1);
}

#[tokio::test]
async fn a_killed_or_frozen_postgres_takes_its_backends_with_it() {
    let server = Postgres::new().launch().await.unwrap();
    let mut connection = server.connect().await.unwrap();
    let backend: i32 =
        sqlx::query_scalar("select pg_backend_pid()").fetch_one(&mut connection).await.unwrap();
    assert!(server.processes().contains(&backend));
    server.freeze().await.unwrap();
    assert!(timeout(SHORT, connection.ping()).await.is_err(), "a frozen backend answers nobody");
    server.kill().await.unwrap();
    assert!(!is_running(backend));
}

#[tokio::test]
async fn a_standby_follows_its_primary_and_takes_its_place() {
    let primary = Postgres::new().max_connections(5).launch().await.unwrap();
    primary.create_user("app", "canary-s3cret").await.unwrap();
    let standby = Postgres::standby_of(&primary).await.unwrap();
    pg_write(&primary.url("app", "canary-s3cret", "app"), 1).await.unwrap();
    standby.catch_up_with(&primary).await.unwrap();
    let url = standby.url("app", "canary-s3cret", "app");
    assert_eq!(pg_read(&url).await.unwrap(), [1]);
    let refused = pg_write(&url, 2).await.unwrap_err();
    assert_eq!(refused.as_database_error().unwrap().code().unwrap(), "25006");

    primary.kill().await.unwrap();
    standby.promote().await.unwrap();
    pg_write(&url, 2).await.unwrap();
    assert_eq!(pg_read(&url).await.unwrap(), [1, 2]);
    standby.restart().await.unwrap();
    pg_write(&url, 3).await.unwrap();
}

#[tokio::test]
async fn a_server_that_is_full_refuses_users_and_lets_the_superuser_in() {
    let server = Postgres::new().max_connections(1).launch().await.unwrap();
    server.create_user("app", "canary-s3cret").await.unwrap();
    let url = server.url("app", "canary-s3cret", "app");
    let held = PgConnection::connect(&url).await.unwrap();
    let refused = PgConnection::connect(&url).await.unwrap_err();
    assert_eq!(refused.as_database_error().unwrap().code().unwrap(), "53300");
    server.execute("select 1").await.unwrap();
    held.close().await.unwrap();

    let server = MariaDb::new().max_connections(10).launch().await.unwrap();
    server.create_user("app", "canary-s3cret").await.unwrap();
    let url = server.url("app", "canary-s3cret", "app");
    let mut held = Vec::new();
    let refused = loop {
        match MySqlConnection::connect(&url).await {
            Ok(connection) => held.push(connection),
            Err(error) => break error,
        }
    };
    assert_eq!(held.len(), 10);
    assert!(refused.to_string().contains("Too many connections"), "{refused}");
    server.execute("select 1").await.unwrap();

    let server = Redis::new().max_clients(2).launch().await.unwrap();
    let client = redis::Client::open(server.url()).unwrap();
    let _one = client.get_multiplexed_async_connection().await.unwrap();
    let _two = client.get_multiplexed_async_connection().await.unwrap();
    let mut refused = String::new();
    TcpStream::connect(server.address()).await.unwrap().read_to_string(&mut refused).await.unwrap();
    assert_eq!(refused, "-ERR max number of clients reached\r\n");
}

#[tokio::test]
async fn a_server_that_is_read_only_refuses_users_until_it_is_not() {
    let server = Postgres::new().read_only().launch().await.unwrap();
    server.create_user("app", "canary-s3cret").await.unwrap();
    let url = server.url("app", "canary-s3cret", "app");
    let refused = pg_write(&url, 1).await.unwrap_err();
    assert_eq!(refused.as_database_error().unwrap().code().unwrap(), "25006");
    server.set_read_only(false).await.unwrap();
    // The server reads its settings again between two statements, soon but not at once.
    timeout(LONG, async {
        while pg_write(&url, 1).await.is_err() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    })
    .await
    .expect("the server can be written again");

    let server = MariaDb::new().read_only().launch().await.unwrap();
    server.create_user("app", "canary-s3cret").await.unwrap();
    let mut user = MySqlConnection::connect(&server.url("app", "canary-s3cret", "app")).await.unwrap();
    let refused = sqlx::raw_sql("create table t (n int)").execute(&mut user).await.unwrap_err();
    assert!(refused.to_string().contains("read-only"), "{refused}");
    server.set_read_only(false).await.unwrap();
    sqlx::raw_sql("create table t (n int)").execute(&mut user).await.unwrap();
}

#[tokio::test]
async fn a_panic_in_a_task_takes_the_server_with_it() {
    let server = Redis::new().launch().await.unwrap();
    let belongings = belongings(&server);
    let task = tokio::spawn(async move {
        let _held = server;
        panic!("on purpose");
    });
    assert!(task.await.unwrap_err().is_panic());
    assert_gone(&belongings);
}

#[test]
fn a_server_outlives_the_runtime_that_started_it_and_needs_none_to_go() {
    let runtime = || tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let server = runtime().block_on(Redis::new().launch()).unwrap();
    runtime().block_on(async {
        let mut connection = server.connect().await.unwrap();
        redis::cmd("PING").exec_async(&mut connection).await.unwrap();
        server.restart().await.unwrap();
    });
    let belongings = belongings(&server);
    drop(server);
    assert_gone(&belongings);
}

/// The folder of a test process, in which those of its servers are.
fn base_of(folder: &Path) -> &Path {
    folder.parent().unwrap()
}
