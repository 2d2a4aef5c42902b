//! What holders leave behind, and what it costs to clean up.

use std::future::poll_fn;
use std::time::Duration;

use pool_core::{CloseReason, Connector as _, Pooled};
use pool_drivers::postgres::{PgConnector, PgPool};
use pool_loadtest::proxy::Proxy;
use pool_tests::postgres::{PASSWORD, SUPERUSER};
use sqlx::postgres::PgConnectOptions;
use sqlx::{ConnectOptions as _, Executor as _};

use super::{connector, pool, pool_of, server, url};
use crate::given_up::give_up_after;
use crate::sql::at_rest;

type Held = Pooled<PgConnector>;

async fn ask<T>(connection: &mut Held, sql: &'static str) -> T
where
    T: for<'r> sqlx::Decode<'r, sqlx::Postgres> + sqlx::Type<sqlx::Postgres> + Send + Unpin,
{
    sqlx::query_scalar(sql).fetch_one(&mut **connection).await.unwrap()
}

/// Everything that a session can have, of which a new one has nothing.
const SESSION: &str = "SELECT concat_ws(' ', current_user, current_setting('search_path'), \
    current_setting('work_mem'), current_setting('default_transaction_isolation'), nullif(current_setting('app.tenant', true), ''), \
    'listens', (SELECT count(*) FROM pg_listening_channels()), \
    'locks', (SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid()), \
    'temporary', (SELECT count(*) FROM pg_class WHERE relpersistence = 't' AND pg_table_is_visible(oid)), \
    'cursors', (SELECT count(*) FROM pg_cursors WHERE is_holdable), \
    'prepared', (SELECT count(*) FROM pg_prepared_statements WHERE name NOT LIKE 'sqlx%'))";

/// Whether a transaction is open: a savepoint needs one.
async fn is_in_transaction(connection: &mut Held) -> bool {
    connection.execute("SAVEPOINT probe").await.is_ok()
}

// E9: the next holder sees defaults; only what needs it is reset.
#[tokio::test]
async fn whatever_a_holder_changes_the_next_one_finds_as_it_was() {
    let server = server().await;
    server.execute("CREATE ROLE clerk").await.unwrap();
    let pool = pool(&server, 1).await;
    let new: String = ask(&mut pool.acquire().await.unwrap(), SESSION).await;
    for (resets, change) in [
        "SET work_mem = '9MB'",
        "SET search_path = nowhere",
        "SET SESSION CHARACTERISTICS AS TRANSACTION ISOLATION LEVEL SERIALIZABLE",
        "SET ROLE clerk",
        "SET SESSION AUTHORIZATION clerk",
        "SELECT set_config('app.tenant', 'a', false)",
        "LISTEN orders",
        "SELECT pg_advisory_lock(1), pg_advisory_lock_shared(2)",
        "CREATE TEMP TABLE scratch (a int)",
        "SELECT 1 AS a INTO TEMPORARY scratch",
        "DECLARE kept CURSOR WITH HOLD FOR SELECT 1",
        "PREPARE mine AS SELECT 1",
        "DO $$ BEGIN SET work_mem = '9MB'; END $$",
        "BEGIN",
        "BEGIN; SET work_mem = '9MB'",
        "BEGIN; SELECT 1/0",
        "COMMIT; BEGIN",
        "DEALLOCATE ALL",
        "DISCARD ALL",
    ]
    .into_iter()
    .enumerate()
    {
        let mut connection = pool.acquire().await.unwrap();
        // Fails where the text has a mistake of its own on purpose.
        drop(sqlx::raw_sql(change).execute(&mut *connection).await);
        drop(connection);
        let mut next = pool.acquire().await.unwrap();
        assert!(!is_in_transaction(&mut next).await, "after {change}");
        assert_eq!(ask::<String>(&mut next, SESSION).await, new, "after {change}");
        drop(next);
        assert_eq!(pool.counters().resets, resets as u64 + 1, "after {change}");
    }
    assert_eq!(pool.counters().created, 1, "{:?}", pool.counters());
}

/// What a session has beyond [`SESSION`].
const HIDDEN: &str = "SELECT concat_ws(' ', current_user, current_setting('work_mem'), \
    nullif(current_setting('app.tenant', true), ''), \
    'tables', (SELECT count(*) FROM pg_class WHERE relnamespace = pg_my_temp_schema()), \
    'functions', (SELECT count(*) FROM pg_proc WHERE pronamespace = pg_my_temp_schema()), \
    'links', dblink_get_connections())";

#[tokio::test]
async fn what_a_text_does_not_show_at_first_sight_is_undone_as_well() {
    let server = server().await;
    server.execute("CREATE EXTENSION dblink").await.unwrap();
    // sqlx logs statements, and one of these holds a password.
    let options: PgConnectOptions = url(&server).parse().unwrap();
    let connector = PgConnector::from_options(options.disable_statement_logging());
    let pool: PgPool = pool_of(connector, 1).build().unwrap().into();
    let new: String = ask(&mut pool.acquire().await.unwrap(), HIDDEN).await;
    let link = format!(
        "SELECT dblink_connect('theirs', 'host=127.0.0.1 port={} user={SUPERUSER} password={PASSWORD} dbname=postgres')",
        server.port()
    );
    for change in [
        "CREATE TABLE pg_temp.item (id int)",
        "CREATE FUNCTION \"pg_temp\".f() RETURNS int LANGUAGE sql AS 'SELECT 1'",
        "SELECT \"pg_catalog\".\"set_config\"('app.tenant', 'a', false)",
        "SELECT U&\"set\\005fconfig\"('app.tenant', 'a', false)",
        "SELECT 1 AS a$b$, set_config('app.tenant', 'a', false)",
        "SELECT E'it''s \\'x', set_config('app.tenant', 'a', false), ''",
        "SELECT E'a'\n'\\'', set_config('app.tenant', 'a', false), ''",
        "SELECT 1 -- x\r, set_config('app.tenant', 'a', false)",
        "UPDATE pg_settings SET setting = '9MB' WHERE name = 'work_mem'",
        &link,
    ] {
        pool.execute(sqlx::AssertSqlSafe(change)).await.unwrap();
        assert_eq!(ask::<String>(&mut pool.acquire().await.unwrap(), HIDDEN).await, new, "after {change}");
    }
}

#[tokio::test]
async fn a_commit_that_is_not_run_ends_no_transaction() {
    let server = server().await;
    let pool = pool(&server, 1).await;
    let mut connection = pool.acquire().await.unwrap();
    connection.execute("BEGIN").await.unwrap();
    let body = "CREATE FUNCTION two() RETURNS int LANGUAGE sql BEGIN ATOMIC SELECT 1; SELECT 2; END";
    connection.execute(body).await.unwrap();
    drop(connection);
    assert!(!is_in_transaction(&mut pool.acquire().await.unwrap()).await, "the body of a function");

    let mut connection = pool.acquire().await.unwrap();
    connection.execute("BEGIN").await.unwrap();
    (&mut *connection).prepare(sqlx::SqlSafeStr::into_sql_str("COMMIT")).await.unwrap();
    drop(connection);
    assert!(!is_in_transaction(&mut pool.acquire().await.unwrap()).await, "only prepared");
}

#[tokio::test]
async fn what_init_sql_sets_is_there_again_after_somebody_has_reset_it() {
    let server = server().await;
    server.execute("CREATE ROLE clerk").await.unwrap();
    let init = "SET ROLE clerk; SET work_mem = '9MB'";
    let pool: PgPool = pool_of(connector(&server).init_sql(init), 1).build().unwrap().into();
    let settings = "SELECT concat_ws(' ', current_user, current_setting('work_mem'))";
    for reset in ["RESET ROLE", "RESET ALL", "RESET SESSION AUTHORIZATION", "RESET work_mem"] {
        pool.execute(reset).await.unwrap();
        let found: String = ask(&mut pool.acquire().await.unwrap(), settings).await;
        assert_eq!(found, "clerk 9MB", "after {reset}");
    }
}

#[tokio::test]
async fn what_was_ended_in_sql_needs_no_reset() {
    let server = server().await;
    let pool = pool(&server, 1).await;
    let mut connection = pool.acquire().await.unwrap();
    for sql in
        ["BEGIN", "SELECT 1", "COMMIT", "BEGIN; SELECT 1; ROLLBACK", "BEGIN; SET LOCAL work_mem = '9MB'; END"]
    {
        connection.execute(sql).await.unwrap();
    }
    drop(connection);
    assert_eq!(at_rest(&pool).await, 1);
    assert_eq!(pool.counters().resets, 0);
}

/// It must show 4.
#[tokio::test]
async fn a_clean_return_costs_no_round_trip_and_a_dirty_one_exactly_one() {
    let server = server().await;
    let proxy = Proxy::start(server.address()).unwrap();
    let url = format!("postgres://{SUPERUSER}:{PASSWORD}@{}/postgres?sslmode=disable", proxy.address());
    let pool: PgPool = pool_of(PgConnector::from_url(&url).unwrap(), 1).build().unwrap().into();
    let round_trips = || proxy.stats().traffic.round_trips;
    drop(pool.acquire().await.unwrap());

    let before = round_trips();
    for _ in 0..100 {
        drop(pool.acquire().await.unwrap());
    }
    assert_eq!(round_trips() - before, 0);

    // A statement, and nothing for giving its connection back.
    pool.execute("SELECT 1").await.unwrap();
    at_rest(&pool).await;
    assert_eq!(round_trips() - before, 1);

    for dirt in ["SET work_mem = '9MB'", "BEGIN", "LISTEN orders", "CREATE TEMP TABLE scratch (a int)"] {
        let before = round_trips();
        pool.execute(dirt).await.unwrap();
        at_rest(&pool).await;
        assert_eq!(round_trips() - before, 2, "{dirt}: itself, and the reset");
    }

    let before = round_trips();
    drop(pool.begin().await.unwrap());
    at_rest(&pool).await;
    assert_eq!(round_trips() - before, 2, "the beginning, and the roll-back");
    assert_eq!(pool.counters().created, 1);
}

/// C8.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_query_given_up_at_any_point_leaves_no_rows_to_the_next_holder() {
    let server = server().await;
    let pool = pool(&server, 1).await;
    for round in 0..200_usize {
        let mut connection = pool.acquire().await.unwrap();
        let text = ["SELECT generate_series(1, 5000), 'foreign'", "SELECT 'foreign', $1::int"][round % 2];
        let query = sqlx::query(text);
        let query = if round % 2 == 1 { query.bind(round as i32).persistent(round % 4 == 1) } else { query };
        give_up_after(round % 12, query.fetch_all(&mut *connection)).await;
        drop(connection);
        let mine: String = ask(&mut pool.acquire().await.unwrap(), "SELECT 'mine'").await;
        assert_eq!(mine, "mine");
    }
    assert_eq!(pool.counters().created, 1, "all could be cleaned: {:?}", pool.counters());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_begin_given_up_at_any_point_leaves_no_transaction() {
    let server = server().await;
    let pool = pool(&server, 1).await;
    for round in 0..100 {
        let mut connection = pool.acquire().await.unwrap();
        give_up_after(round % 8, connection.begin()).await;
        // The same holder goes on: nothing of it may be in a transaction that nobody commits.
        tokio::time::sleep(Duration::from_micros(500)).await;
        assert!(!is_in_transaction(&mut connection).await, "round {round}");
        drop(connection);
        assert!(!is_in_transaction(&mut pool.acquire().await.unwrap()).await, "round {round}");
    }
}

#[tokio::test]
async fn a_query_that_runs_on_after_its_holder_costs_the_connection_and_no_time() {
    let server = server().await;
    let pool = pool(&server, 1).await;
    let mut connection = pool.acquire().await.unwrap();
    give_up_after(4, connection.execute("SELECT pg_sleep(60)")).await;
    drop(connection);
    let one: i32 = ask(&mut pool.acquire().await.unwrap(), "SELECT 1").await;
    assert_eq!(one, 1);
    assert_eq!(pool.counters().closed[CloseReason::ResetFailed], 1);
}

#[tokio::test]
async fn streams_copies_and_cursors_left_in_the_middle_are_cleaned_up() {
    let server = server().await;
    server.execute("CREATE TABLE item (id int)").await.unwrap();
    let pool = pool(&server, 1).await;

    let mut connection = pool.acquire().await.unwrap();
    let mut rows = sqlx::query("SELECT generate_series(1, 100000)").fetch(&mut *connection);
    poll_fn(|cx| rows.as_mut().poll_next(cx)).await.unwrap().unwrap();
    drop(rows);
    drop(connection);
    assert_eq!(ask::<i32>(&mut pool.acquire().await.unwrap(), "SELECT 7").await, 7, "half a stream");

    let mut connection = pool.acquire().await.unwrap();
    let mut copy = connection.copy_in_raw("COPY item FROM STDIN").await.unwrap();
    copy.send(&b"1\n2\n"[..]).await.unwrap();
    drop(copy);
    drop(connection);
    assert_eq!(
        ask::<i64>(&mut pool.acquire().await.unwrap(), "SELECT count(*) FROM item").await,
        0,
        "half a COPY in"
    );

    let mut connection = pool.acquire().await.unwrap();
    let mut copy =
        connection.copy_out_raw("COPY (SELECT generate_series(1, 100000)) TO STDOUT").await.unwrap();
    poll_fn(|cx| copy.as_mut().poll_next(cx)).await.unwrap().unwrap();
    drop(copy);
    drop(connection);
    assert_eq!(ask::<i32>(&mut pool.acquire().await.unwrap(), "SELECT 8").await, 8, "half a COPY out");

    let mut connection = pool.acquire().await.unwrap();
    connection.execute("BEGIN; DECLARE c CURSOR FOR SELECT 1; FETCH c").await.unwrap();
    drop(connection);
    assert_eq!(
        ask::<i64>(&mut pool.acquire().await.unwrap(), "SELECT count(*) FROM pg_cursors WHERE name = 'c'")
            .await,
        0
    );
    assert!(pool.counters().created <= 4, "{:?}", pool.counters());
}

// E6: an error that kills the session closes the connection, without a report; a harmless one keeps it.
#[tokio::test]
async fn errors_do_what_the_table_says() {
    let server = server().await;
    server.execute("CREATE TABLE item (id int PRIMARY KEY); INSERT INTO item VALUES (1)").await.unwrap();
    let pool = pool(&server, 1).await;
    for harmless in
        ["INSERT INTO item VALUES (1)", "SELECT * FROM nowhere", "SELECT 1/0", "SELEC", "SELECT 'a'::int"]
    {
        pool.execute(harmless).await.unwrap_err();
    }
    assert_eq!((at_rest(&pool).await, pool.counters().created), (1, 1));

    let mut connection = pool.acquire().await.unwrap();
    let id = connection.id();
    let error = connection.execute("SELECT pg_terminate_backend(pg_backend_pid())").await.unwrap_err();
    assert_eq!(error.as_database_error().unwrap().code().as_deref(), Some("57P01"));
    drop(connection);
    assert_ne!(pool.acquire().await.unwrap().id(), id);
    assert_eq!((pool.counters().flushes, pool.counters().closed[CloseReason::Broken]), (1, 1));

    // A plan that sqlx has prepared and that no longer fits.
    let select = || sqlx::query("SELECT * FROM item");
    select().fetch_all(&pool).await.unwrap();
    server.execute("ALTER TABLE item ADD COLUMN name text").await.unwrap();
    let error = select().fetch_all(&pool).await.unwrap_err();
    assert_eq!(error.as_database_error().unwrap().code().as_deref(), Some("0A000"));
    assert_eq!(select().fetch_all(&pool).await.unwrap().len(), 1, "on another connection");
}

#[tokio::test]
async fn what_init_sql_sets_is_there_again_after_a_reset() {
    let server = server().await;
    let init = "SET search_path TO pg_catalog; SET work_mem = '9MB'";
    let pool: PgPool = pool_of(connector(&server).init_sql(init), 1).build().unwrap().into();
    let settings = "SELECT concat_ws(' ', current_setting('search_path'), current_setting('work_mem'))";
    let mut connection = pool.acquire().await.unwrap();
    assert_eq!(ask::<String>(&mut connection, settings).await, "pg_catalog 9MB");
    drop(connection);
    assert_eq!((at_rest(&pool).await, pool.counters().resets), (1, 0));

    pool.execute("SET work_mem = '5MB'").await.unwrap();
    assert_eq!(ask::<String>(&mut pool.acquire().await.unwrap(), settings).await, "pg_catalog 9MB");
    assert_eq!((pool.counters().created, pool.counters().resets), (1, 1));

    let wrong = connector(&server).init_sql("SET no_such_setting TO 1");
    let error = wrong.connect().await.map(drop).unwrap_err();
    assert!(error.to_string().ends_with(": `init_sql` failed"), "{error}");
    let pooled = connector(&server).init_sql(init).transaction_pooling(true);
    assert!(pooled.connect().await.map(drop).unwrap_err().to_string().contains("ALTER ROLE"));
}

#[tokio::test]
async fn a_connection_that_has_lost_its_prepared_statements_is_closed() {
    let server = server().await;
    let pool = pool(&server, 1).await;
    let mut connection = pool.acquire().await.unwrap();
    connection.run("SELECT 1").await.unwrap();
    connection.execute("DEALLOCATE ALL").await.unwrap();
    let error = connection.run("SELECT 1").await.unwrap_err();
    assert_eq!(error.as_database_error().unwrap().code().as_deref(), Some("26000"), "{error}");
    drop(connection);
    pool.acquire().await.unwrap().run("SELECT 1").await.unwrap();
    assert_eq!(pool.counters().created, 2);
}
