//! The MySQL driver against a real MariaDB.

use std::future::poll_fn;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use pool_core::{CloseReason, Connector as _, ErrorClass, Pool, Pooled};
use pool_drivers::mysql::{Begin, ConnectProblem, Isolation, MySqlConnector, MySqlPool, Role};
use pool_loadtest::proxy::Proxy;
use pool_tests::mariadb::MariaDb;
use pool_tests::process::Server;
use sqlx::Executor as _;

use crate::given_up::give_up_after;
use crate::sql::{a_deadlock_ends_well, at_rest};

const USER: &str = "app";
const PASSWORD: &str = "canary-77aa";
const DATABASE: &str = "orders";

async fn server() -> Server<MariaDb> {
    let server = MariaDb::new().launch().await.unwrap();
    server.create_user(USER, PASSWORD).await.unwrap();
    server.execute("CREATE DATABASE orders; GRANT ALL ON orders.* TO app").await.unwrap();
    server
}

fn pool_of(connector: MySqlConnector, max_connections: usize) -> MySqlPool {
    let pool = Pool::builder(connector).name("orders").max_connections(max_connections).min_connections(0);
    pool.acquire_timeout(Duration::from_secs(20)).build().unwrap().into()
}

fn connector(server: &Server<MariaDb>) -> MySqlConnector {
    MySqlConnector::from_url(&server.url(USER, PASSWORD, DATABASE)).unwrap()
}

async fn text(connection: &mut Pooled<MySqlConnector>, sql: &'static str) -> String {
    sqlx::query_scalar(sql).fetch_one(&mut **connection).await.unwrap()
}

fn number(error: &sqlx::Error) -> u16 {
    error.as_database_error().unwrap().downcast_ref::<sqlx::mysql::MySqlDatabaseError>().number()
}

/// Everything that a session can have and that can be asked for.
const SESSION: &str = "SELECT CAST(CONCAT_WS(' ', @@sql_mode, @@tx_isolation, @@autocommit, @@lock_wait_timeout, \
    @@in_transaction, DATABASE(), @mine, IS_USED_LOCK('a') = CONNECTION_ID()) AS CHAR)";

#[tokio::test]
async fn whatever_a_holder_changes_the_next_one_finds_as_it_was() {
    let server = server().await;
    let pool = pool_of(connector(&server), 1);
    let new = text(&mut pool.acquire().await.unwrap(), SESSION).await;
    for change in [
        "SET lock_wait_timeout = 77",
        "SET SESSION TRANSACTION ISOLATION LEVEL SERIALIZABLE",
        "SET autocommit = 0",
        "SET @mine = 1",
        "SELECT @mine := 2",
        "USE information_schema",
        "SELECT GET_LOCK('a', 0)",
        "CREATE TEMPORARY TABLE scratch (a INT)",
        "START TRANSACTION",
        "BEGIN; SELECT 1",
        "SELECT 5--2, GET_LOCK('a', 0)",
        "SELECT `GET_LOCK`('a', 0)",
        "BEGIN NOT ATOMIC SET SESSION lock_wait_timeout = 77; END",
        "IF 1 THEN START TRANSACTION; END IF",
        "START TRANSACTION; BEGIN NOT ATOMIC IF 0 THEN SELECT 1; COMMIT; END IF; END",
    ] {
        sqlx::raw_sql(change).execute(&pool).await.unwrap();
        assert_eq!(text(&mut pool.acquire().await.unwrap(), SESSION).await, new, "after {change}");
    }
    pool.execute("CREATE TEMPORARY TABLE scratch (a INT)").await.unwrap();
    let mut connection = pool.acquire().await.unwrap();
    connection.execute(sqlx::raw_sql("BEGIN")).await.unwrap();
    (&mut *connection).prepare(sqlx::SqlSafeStr::into_sql_str("COMMIT")).await.unwrap();
    drop(connection);
    assert_eq!(text(&mut pool.acquire().await.unwrap(), SESSION).await, new, "a commit only prepared");
}

/// Makes the transaction, which has written nothing yet, the victim of a deadlock.
async fn fall_victim(pool: &MySqlPool, victim: &mut pool_drivers::mysql::MySqlConnection) -> sqlx::Error {
    victim.execute("UPDATE item SET n = 1 WHERE id = 1").await.unwrap();
    let mut other = pool.begin().await.unwrap();
    for _ in 0..50 {
        // Who has written more survives.
        other.execute("INSERT INTO filler VALUES (1)").await.unwrap();
    }
    other.execute("UPDATE item SET n = 2 WHERE id = 2").await.unwrap();
    let waits =
        tokio::spawn(async move { other.execute("UPDATE item SET n = 2 WHERE id = 1").await.map(drop) });
    tokio::time::sleep(Duration::from_millis(200)).await;
    let error = victim.execute("UPDATE item SET n = 1 WHERE id = 2").await.unwrap_err();
    waits.await.unwrap().unwrap();
    error
}

// The server ends the transaction, and would run the rest of it as so many of their own.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_a_deadlock_nothing_more_is_written_in_the_transaction() {
    let server = server().await;
    let pool = pool_of(connector(&server), 2);
    pool.execute("CREATE TABLE item (id INT PRIMARY KEY, n INT)").await.unwrap();
    pool.execute("CREATE TABLE filler (n INT)").await.unwrap();
    pool.execute("CREATE TABLE log (what VARCHAR(9))").await.unwrap();
    pool.execute("INSERT INTO item VALUES (1, 0), (2, 0)").await.unwrap();
    let mut order = pool.begin().await.unwrap();
    assert_eq!(number(&fall_victim(&pool, &mut order).await), 1213);
    order.execute("INSERT INTO log VALUES ('after')").await.unwrap_err();
    order.commit().await.unwrap_err();

    for tells in [true, false] {
        let attempts = AtomicU32::new(0);
        let done: Result<(), sqlx::Error> = pool
            .transaction(|mut order| {
                let first = attempts.fetch_add(1, Ordering::Relaxed) == 0;
                let pool = pool.clone();
                async move {
                    let failed = if first { Err(fall_victim(&pool, &mut order).await) } else { Ok(()) };
                    let logged = order.execute("INSERT INTO log VALUES ('done')").await.map(drop);
                    if tells { failed.and(logged) } else { Ok(()) }
                }
            })
            .await;
        done.unwrap();
        assert_eq!(attempts.load(Ordering::Relaxed), 2);
    }
    let log: Vec<String> = sqlx::query_scalar("SELECT what FROM log").fetch_all(&pool).await.unwrap();
    assert_eq!(log, ["done", "done"]);
}

#[tokio::test]
async fn an_account_that_is_locked_or_blocked_is_refused_as_such() {
    let server = MariaDb::new().setting("max-password-errors", "1").setting("secure-file-priv", "/var/tmp");
    let server = server.launch().await.unwrap();
    server.create_user("locked", "canary-1").await.unwrap();
    server.create_user("blocked", "canary-2").await.unwrap();
    server.create_user(USER, PASSWORD).await.unwrap();
    server
        .execute("CREATE DATABASE orders; ALTER USER locked ACCOUNT LOCK; GRANT ALL ON orders.* TO app")
        .await
        .unwrap();
    server.execute("GRANT FILE ON *.* TO app").await.unwrap();
    for (user, password) in [("locked", "canary-1"), ("blocked", "canary-wrong"), ("blocked", "canary-2")] {
        let connector = MySqlConnector::from_url(&server.url(user, password, DATABASE)).unwrap();
        let error = connector.connect().await.map(drop).unwrap_err();
        assert_eq!(error.connect_problem(), Some(&ConnectProblem::LoginRefused), "{user}: {error:?}");
        assert_eq!(connector.classify(&error), ErrorClass::Auth, "{user}: {error:?}");
    }
    // The number of a server that is read-only, for another option.
    let pool = pool_of(connector(&server), 1);
    let error = pool.execute("SELECT 1 INTO OUTFILE 'orders'").await.unwrap_err();
    assert_eq!((number(&error), pool.counters().flushes), (1290, 0));
}

#[tokio::test]
async fn a_clean_return_costs_no_round_trip_and_a_roll_back_exactly_one() {
    let server = server().await;
    let proxy = Proxy::start(server.address()).unwrap();
    let url = format!("mysql://{USER}:{PASSWORD}@{}/{DATABASE}?ssl-mode=disabled", proxy.address());
    let pool = pool_of(MySqlConnector::from_url(&url).unwrap(), 1);
    let round_trips = || proxy.stats().traffic.round_trips;
    drop(pool.acquire().await.unwrap());
    let before = round_trips();
    for _ in 0..100 {
        drop(pool.acquire().await.unwrap());
    }
    assert_eq!(round_trips() - before, 0);
    let before = round_trips();
    drop(pool.begin().await.unwrap());
    at_rest(&pool).await;
    assert_eq!(round_trips() - before, 2, "the beginning, and the roll-back");
    let before = round_trips();
    pool.execute("BEGIN").await.unwrap();
    at_rest(&pool).await;
    assert_eq!(round_trips() - before, 2);
    assert_eq!(pool.counters().created, 1);
}

/// C8.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_query_given_up_at_any_point_leaves_no_rows_to_the_next_holder() {
    let server = server().await;
    let pool = pool_of(connector(&server), 1);
    for round in 0..200_usize {
        let mut connection = pool.acquire().await.unwrap();
        let foreign =
            sqlx::query("SELECT seq, 'foreign' FROM seq_1_to_5000 WHERE seq > ?").bind(round as i32);
        give_up_after(round % 12, foreign.fetch_all(&mut *connection)).await;
        drop(connection);
        assert_eq!(text(&mut pool.acquire().await.unwrap(), "SELECT 'mine'").await, "mine");
    }
}

#[tokio::test]
async fn a_holder_whose_query_was_given_up_cannot_go_on() {
    let server = server().await;
    let pool = pool_of(connector(&server), 1);
    let mut connection = pool.acquire().await.unwrap();
    give_up_after(1, sqlx::query("SELECT SLEEP(?)").bind(9).fetch_one(&mut *connection)).await;
    let error = sqlx::query("SELECT 2").fetch_one(&mut *connection).await.unwrap_err();
    assert!(error.to_string().contains("was given up before its answer came"), "{error}");
    drop(connection);
    assert_eq!(text(&mut pool.acquire().await.unwrap(), "SELECT 'mine'").await, "mine");
    assert_eq!(pool.counters().closed[CloseReason::Broken], 1);
}

#[tokio::test]
async fn a_stream_left_in_the_middle_is_read_to_its_end() {
    let server = server().await;
    let pool = pool_of(connector(&server), 1);
    let mut connection = pool.acquire().await.unwrap();
    let mut rows = sqlx::query("SELECT seq FROM seq_1_to_100000").fetch(&mut *connection);
    poll_fn(|cx| rows.as_mut().poll_next(cx)).await.unwrap().unwrap();
    drop(rows);
    drop(connection);
    assert_eq!(text(&mut pool.acquire().await.unwrap(), "SELECT 'mine'").await, "mine");
    assert_eq!(pool.counters().created, 1);
}

#[tokio::test]
async fn transactions_have_their_kind_and_savepoints_nest() {
    let server = server().await;
    let pool = pool_of(connector(&server), 1);
    pool.execute("CREATE TABLE item (id INT PRIMARY KEY)").await.unwrap();
    let mut order = pool.begin_with(Isolation::ReadCommitted).await.unwrap();
    order.execute("INSERT INTO item VALUES (1)").await.unwrap();
    let mut inner = order.begin().await.unwrap();
    inner.execute("INSERT INTO item VALUES (2)").await.unwrap();
    inner.rollback().await.unwrap();
    order.commit().await.unwrap();
    let mut glance = pool.begin_with(Begin::default().read_only()).await.unwrap();
    assert_eq!(number(&glance.execute("INSERT INTO item VALUES (3)").await.unwrap_err()), 1792);
    glance.rollback().await.unwrap();
    let items: Vec<i32> = sqlx::query_scalar("SELECT id FROM item").fetch_all(&pool).await.unwrap();
    assert_eq!(items, [1]);
    assert_eq!((at_rest(&pool).await, pool.counters().created), (1, 1), "{:?}", pool.counters());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deadlock_is_run_again() {
    let server = server().await;
    let pool = pool_of(connector(&server), 2);
    pool.execute("CREATE TABLE item (id INT PRIMARY KEY)").await.unwrap();
    pool.execute("INSERT INTO item VALUES (1), (2)").await.unwrap();
    a_deadlock_ends_well(&pool).await;
}

#[tokio::test]
async fn errors_do_what_the_table_says() {
    let server = server().await;
    let pool = pool_of(connector(&server).statement_timeout(Duration::from_millis(100)), 1);
    pool.execute("CREATE TABLE item (id INT PRIMARY KEY)").await.unwrap();
    pool.execute("INSERT INTO item VALUES (1)").await.unwrap();
    for (harmless, expected) in [
        ("INSERT INTO item VALUES (1)", 1062),
        ("SELECT * FROM nowhere", 1146),
        ("SELEC", 1064),
        // J7: the statement timeout, and the connection is good afterwards.
        ("SELECT SLEEP(20)", 1969),
    ] {
        assert_eq!(number(&pool.execute(harmless).await.unwrap_err()), expected, "{harmless}");
    }
    assert_eq!((at_rest(&pool).await, pool.counters().created), (1, 1));

    server.set_read_only(true).await.unwrap();
    assert_eq!(number(&pool.execute("INSERT INTO item VALUES (2)").await.unwrap_err()), 1290);
    assert_eq!(pool.counters().flushes, 1);
    let primary = connector(&server).role(Role::Primary);
    let error = primary.connect().await.map(drop).unwrap_err();
    assert!(error.to_string().contains("the server is read-only"), "{error}");
    assert_eq!(primary.classify(&error), ErrorClass::FatalAll);
    server.set_read_only(false).await.unwrap();
    pool.execute("INSERT INTO item VALUES (2)").await.unwrap();

    let mut connection = pool.acquire().await.unwrap();
    connection.execute("KILL CONNECTION_ID()").await.unwrap_err();
    drop(connection);
    pool.execute("SELECT 1").await.unwrap();
}

#[tokio::test]
async fn each_reason_why_a_connect_fails_has_its_own_error() {
    let server = server().await;
    let url = |user: &str, password: &str, database: &str| {
        MySqlConnector::from_url(&server.url(user, password, database)).unwrap()
    };
    let unseen = url(USER, PASSWORD, DATABASE).init_sql("SET autocommit = 0");
    let problem = ConnectProblem::Options("`autocommit` cannot be changed by `init_sql`");
    for (connector, problem, class) in [
        (unseen, problem, ErrorClass::FatalThis),
        (url(USER, "canary-wrong", DATABASE), ConnectProblem::LoginRefused, ErrorClass::Auth),
        (url(USER, PASSWORD, "mysql"), ConnectProblem::LoginRefused, ErrorClass::Auth),
        (url("root", PASSWORD, "nowhere"), ConnectProblem::LoginRefused, ErrorClass::Auth),
        (
            MySqlConnector::from_url("mysql://a:canary-x@127.0.0.1:1/x").unwrap(),
            ConnectProblem::Refused,
            ErrorClass::FatalThis,
        ),
        (
            MySqlConnector::from_url("mysql://a:canary-x@no-such-host.invalid/x").unwrap(),
            ConnectProblem::NameNotFound,
            ErrorClass::FatalThis,
        ),
    ] {
        let error = connector.connect().await.map(drop).unwrap_err();
        let told = format!("{error} {error:?} {connector:?}");
        assert_eq!(error.connect_problem(), Some(&problem), "{told}");
        assert_eq!(connector.classify(&error), class, "{told}");
        assert!(!told.contains("canary"), "{told}");
    }
}

#[tokio::test]
async fn a_full_server_and_a_lock_that_does_not_come_mean_what_the_table_says() {
    let server =
        MariaDb::new().max_connections(10).setting("innodb-lock-wait-timeout", "1").launch().await.unwrap();
    server.create_user(USER, PASSWORD).await.unwrap();
    let connector = MySqlConnector::from_url(&server.url(USER, PASSWORD, USER)).unwrap();
    let mut held = vec![connector.connect().await.unwrap()];
    held[0].run("CREATE TABLE item (id INT PRIMARY KEY)").await.unwrap();
    held[0].run("INSERT INTO item VALUES (1)").await.unwrap();

    for (limit, expected) in [(1, 1226), (0, 1040)] {
        server.execute(&format!("ALTER USER app WITH MAX_USER_CONNECTIONS {limit}")).await.unwrap();
        let error = loop {
            match connector.connect().await {
                Ok(connection) => held.push(connection),
                Err(error) => break error,
            }
            assert!(held.len() < 20, "the server has no limit");
        };
        assert_eq!(
            (number(error.sqlx().unwrap()), connector.classify(&error)),
            (expected, ErrorClass::Capacity)
        );
        assert_eq!(error.connect_problem(), Some(&ConnectProblem::TooManyConnections));
    }

    let mut second = held.pop().unwrap();
    let mut order = held[0].begin().await.unwrap();
    order.run("UPDATE item SET id = 2").await.unwrap();
    let error = second.run("UPDATE item SET id = 3").await.unwrap_err();
    assert_eq!((number(&error), connector.classify(&error.into())), (1205, ErrorClass::Transient));
    assert_eq!(connector.condition(&mut second), pool_core::Condition::Clean);
}
