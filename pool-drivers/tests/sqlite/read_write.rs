//! One writer and several readers behind one handle.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use pool_core::Connector as _;
use pool_drivers::sqlite::{
    SqlPoolError, SqliteConnector, SqliteReadWriteBuilder, SqliteReadWritePool, acquire_error,
};
use sqlx::Executor as _;
use sqlx::sqlite::SqliteJournalMode;
use tokio::time::{Instant, sleep};

use crate::harness::{Home, ask, poll_and_drop, tell};

fn describe(connector: SqliteConnector) -> SqliteReadWriteBuilder {
    SqliteReadWritePool::builder(connector).name("orders").readers(|readers| readers.max_connections(3))
}

/// A pool of an empty table `item (name TEXT)`.
async fn pool_with_items(connector: SqliteConnector) -> SqliteReadWritePool {
    let pool = describe(connector).build().unwrap();
    tell(&mut pool.acquire_write().await.unwrap(), "CREATE TABLE item (name TEXT)").await;
    pool
}

async fn items(pool: &SqliteReadWritePool) -> i64 {
    ask(&mut pool.acquire_read().await.unwrap(), "SELECT count(*) FROM item").await
}

/// The files in the directory of the database.
fn files(home: &Home) -> Vec<PathBuf> {
    let mut files: Vec<_> =
        std::fs::read_dir(home.directory()).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

#[tokio::test]
async fn a_reader_sees_what_was_written_and_is_refused_when_it_writes() {
    let home = Home::new();
    for connector in [home.connector(), SqliteConnector::memory()] {
        let pool = pool_with_items(connector).await;
        tell(&mut pool.acquire_write().await.unwrap(), "INSERT INTO item VALUES ('lamp')").await;
        let mut reader = pool.acquire_read().await.unwrap();
        assert_eq!(ask::<i64>(&mut reader, "SELECT count(*) FROM item").await, 1);
        for write in [
            "DELETE FROM item",
            "CREATE TABLE other (name TEXT)",
            "PRAGMA query_only = 0; DROP TABLE item",
            "PRAGMA user_version = 7",
        ] {
            let error = reader.execute(write).await.expect_err(write).to_string();
            assert_eq!(error, "error returned from database: (code: 8) attempt to write a readonly database");
        }
        drop(reader);
        assert!(sqlx::query("DELETE FROM item").execute(pool.readers()).await.is_err());
        assert_eq!(items(&pool).await, 1);
        assert_eq!(pool.readers().counters().closed.total(), 0, "a refused write harms no connection");
    }
}

#[tokio::test]
async fn the_writer_is_one_however_many_it_is_told_to_be() {
    let pool =
        describe(SqliteConnector::memory()).writer(|writer| writer.max_connections(5)).build().unwrap();
    assert_eq!((pool.stats().writer.max, pool.stats().readers.max), (1, 3));
    assert_eq!((pool.writer().name(), pool.readers().name()), ("orders.writer", "orders.readers"));
}

#[tokio::test]
async fn readers_that_come_first_find_the_database_made() {
    let home = Home::new();
    for connector in [home.connector(), SqliteConnector::memory()] {
        let pool = describe(connector).writer(|writer| writer.min_connections(0)).build().unwrap();
        let mut reader = pool.acquire_read().await.unwrap();
        assert_eq!(ask::<i64>(&mut reader, "SELECT count(*) FROM sqlite_schema").await, 0);
        assert_eq!(pool.writer().counters().created, 0, "the writer was not needed");
        assert_eq!(pool.readers().counters().connect_failed, 0);
        drop(reader);
        tell(&mut pool.acquire_write().await.unwrap(), "CREATE TABLE item (name TEXT)").await;
        assert_eq!(items(&pool).await, 0);
    }
    let mut reader = home.connector().read_only(true).connect().await.unwrap();
    assert_eq!(ask::<String>(&mut reader, "PRAGMA journal_mode").await, "wal");
}

#[tokio::test]
async fn first_connections_of_readers_and_writer_do_not_get_in_each_others_way() {
    for round in 0..10 {
        let home = Home::new();
        let pool = describe(home.connector())
            .readers(|readers| readers.max_connections(6).min_connections(6).connect_concurrency(6))
            .build()
            .unwrap();
        pool.warm_up().await.unwrap();
        assert_eq!((pool.stats().readers.total, pool.stats().writer.total), (6, 1));
        let failed = pool.readers().counters().connect_failed + pool.writer().counters().connect_failed;
        assert_eq!(failed, 0, "round {round}");
    }
}

#[tokio::test]
async fn a_database_that_cannot_be_opened_is_explained_by_readers_and_writer() {
    let home = Home::new();
    let missing = home.directory().join("missing");
    let url = format!("sqlite://{}?mode=rwc", missing.join("orders.db").display());
    let error = SqliteReadWritePool::connect(&url).await.unwrap_err().to_string();
    assert!(error.contains("pool `default.writer`"), "{error}");
    let reason = format!("its directory `{}` does not exist", missing.display());
    assert!(error.contains(&reason), "{error}");

    let pool = SqliteReadWritePool::connect_lazy(&url).unwrap();
    let error = pool.acquire_read().await.unwrap_err();
    assert!(error.is_unavailable() && error.to_string().contains(&reason), "{error}");
    let error = sqlx::query("SELECT 1").execute(pool.readers()).await.unwrap_err();
    assert!(acquire_error(&error).unwrap().to_string().contains(&reason), "{error}");
}

#[tokio::test]
async fn a_file_that_is_missing_and_not_to_be_created_stays_missing() {
    let home = Home::new();
    let pool = describe(home.connector().create_if_missing(false)).build().unwrap();
    for error in [pool.acquire_read().await.unwrap_err(), pool.acquire_write().await.unwrap_err()] {
        assert!(error.to_string().contains("the file does not exist, and is not to be created"), "{error}");
    }
    assert!(pool.close(Duration::from_secs(10)).await.is_complete());
    assert_eq!(files(&home), Vec::<PathBuf>::new());
}

#[tokio::test]
async fn a_connector_that_only_reads_has_no_writer() {
    let home = Home::new();
    drop(home.connector().connect().await.unwrap());
    let error = describe(home.connector().read_only(true)).build().unwrap_err();
    assert!(matches!(error, SqlPoolError::ReadOnly), "{error}");
    let url = format!("sqlite://{}?mode=ro", home.path().display());
    assert!(matches!(SqliteReadWritePool::connect(&url).await, Err(SqlPoolError::ReadOnly)));
}

#[tokio::test]
async fn writers_have_their_turn_in_the_order_they_came() {
    let home = Home::new();
    for connector in [home.connector(), SqliteConnector::memory()] {
        let pool = pool_with_items(connector).await;
        tell(&mut pool.acquire_write().await.unwrap(), "CREATE TABLE turn (number INTEGER)").await;
        let first = pool.acquire_write().await.unwrap();
        let mut writers = Vec::new();
        for number in 0..20_i64 {
            let writer = pool.clone();
            writers.push(tokio::spawn(async move {
                let mut turn = writer.begin().await.unwrap();
                sqlx::query("INSERT INTO turn VALUES (?)").bind(number).execute(&mut *turn).await.unwrap();
                turn.commit().await.unwrap();
            }));
            while pool.stats().writer.waiting <= number as usize {
                tokio::task::yield_now().await;
            }
        }
        drop(first);
        for writer in writers {
            writer.await.unwrap();
        }
        let turns: Vec<i64> = sqlx::query_scalar("SELECT number FROM turn ORDER BY rowid")
            .fetch_all(pool.readers())
            .await
            .unwrap();
        assert_eq!(turns, (0..20).collect::<Vec<_>>());
    }
}

#[tokio::test]
async fn a_file_is_read_while_it_is_written() {
    let home = Home::new();
    let pool = pool_with_items(home.connector()).await;
    let mut order = pool.begin().await.unwrap();
    tell(&mut order, "INSERT INTO item VALUES ('lamp')").await;
    assert_eq!(items(&pool).await, 0, "not committed yet");
    let mut reading = pool.readers().begin().await.unwrap();
    assert_eq!(ask::<i64>(&mut reading, "SELECT count(*) FROM item").await, 0);
    order.commit().await.unwrap();
    assert_eq!(
        ask::<i64>(&mut reading, "SELECT count(*) FROM item").await,
        0,
        "one state for one transaction"
    );
    assert_eq!(items(&pool).await, 1);
}

/// In memory, and in a file without a write-ahead log, they could not read and write at the same time.
#[tokio::test]
async fn readers_and_writer_take_turns_where_they_would_lock_each_other_out() {
    let home = Home::new();
    let journal = home.connector().journal_mode(SqliteJournalMode::Truncate);
    for connector in [journal, SqliteConnector::memory()] {
        // None of this waits for as long as a statement would.
        let pool = pool_with_items(connector.busy_timeout(Duration::from_secs(30))).await;
        let begun = Instant::now();
        let log = Arc::new(std::sync::Mutex::new(Vec::new()));
        let noted = |what: &'static str| {
            let log = Arc::clone(&log);
            move || log.lock().unwrap().push(what)
        };

        let mut order = pool.begin().await.unwrap();
        tell(&mut order, "INSERT INTO item VALUES ('lamp')").await;
        let (readers, seen) = (pool.clone(), noted("read"));
        let reading = tokio::spawn(async move {
            let count = items(&readers).await;
            seen();
            count
        });
        while pool.stats().readers.active == 0 {
            tokio::task::yield_now().await;
        }
        assert!(!reading.is_finished());
        noted("commit")();
        order.commit().await.unwrap();
        assert_eq!(reading.await.unwrap(), 1);

        let first = pool.acquire_read().await.unwrap();
        let second = pool.acquire_read().await.unwrap();
        let (writer, written) = (pool.clone(), noted("write"));
        let writing = tokio::spawn(async move {
            let insert = sqlx::query("INSERT INTO item VALUES ('shade')");
            insert.execute(writer.writer()).await.unwrap();
            written();
        });
        while pool.stats().writer.active == 0 {
            tokio::task::yield_now().await;
        }
        drop(first);
        noted("second reader gone")();
        drop(second);
        writing.await.unwrap();
        assert_eq!(items(&pool).await, 2);
        assert_eq!(*log.lock().unwrap(), ["commit", "read", "second reader gone", "write"]);
        assert!(begun.elapsed() < Duration::from_secs(20), "{:?}", begun.elapsed());
    }
}

/// SQLite's own wait for a lock keeps nobody's place.
#[tokio::test]
async fn nobody_is_overtaken_by_those_who_came_later() {
    let patience = Duration::from_secs(60);
    let pool = pool_with_items(SqliteConnector::memory().busy_timeout(patience)).await;
    // Open and idle, so that what follows waits for nothing but its turn.
    let readers = (pool.acquire_read().await.unwrap(), pool.acquire_read().await.unwrap());
    drop(readers);
    let write = || {
        let pool = pool.clone();
        tokio::spawn(async move {
            tell(&mut pool.acquire_write().await.unwrap(), "INSERT INTO item VALUES ('lamp')").await;
        })
    };
    let read = || {
        let pool = pool.clone();
        tokio::spawn(async move { items(&pool).await })
    };
    let until = async |reached: &dyn Fn() -> bool| {
        while !reached() {
            tokio::task::yield_now().await;
        }
    };

    let mut first = pool.acquire_write().await.unwrap();
    tell(&mut first, "BEGIN IMMEDIATE; INSERT INTO item VALUES ('lamp')").await;
    let reader = read();
    until(&|| pool.stats().readers.active == 1).await;
    let writers: Vec<_> = (0..9).map(|_| write()).collect();
    until(&|| pool.stats().writer.waiting == 9).await;
    tell(&mut first, "COMMIT").await;
    drop(first);
    assert_eq!(reader.await.unwrap(), 1, "it came before the nine");
    for writer in writers {
        writer.await.unwrap();
    }

    let first = pool.acquire_read().await.unwrap();
    let writer = write();
    until(&|| pool.stats().writer.active == 1).await;
    let reader = read();
    until(&|| pool.stats().readers.active == 2).await;
    drop(first);
    assert_eq!(reader.await.unwrap(), 11, "it came after the last writer");
    writer.await.unwrap();
}

#[tokio::test]
async fn a_turn_that_does_not_come_costs_busy_timeout_and_nothing_else() {
    let patience = Duration::from_millis(100);
    let pool = describe(SqliteConnector::memory().busy_timeout(patience))
        .readers(|readers| readers.max_connections(1))
        .build()
        .unwrap();
    tell(&mut pool.acquire_write().await.unwrap(), "CREATE TABLE item (name TEXT)").await;
    let mut idle = pool.acquire_read().await.unwrap();
    // So that it knows the table: who cannot read the schema does not see that it is locked.
    tell(&mut idle, "SELECT * FROM item").await;
    let begun = Instant::now();
    let mut writer = pool.acquire_write().await.unwrap();
    assert!(begun.elapsed() >= patience, "{:?}", begun.elapsed());
    tell(&mut writer, "INSERT INTO item VALUES ('lamp')").await;
    drop(idle);

    tell(&mut writer, "BEGIN IMMEDIATE").await;
    let error = sqlx::query("SELECT * FROM item").execute(pool.readers()).await.unwrap_err();
    assert!(error.to_string().contains("locked"), "{error}");
    tell(&mut writer, "COMMIT").await;
    drop(writer);
    assert_eq!(items(&pool).await, 1);
    assert_eq!(pool.readers().counters().closed.total() + pool.writer().counters().closed.total(), 0);
}

#[tokio::test]
async fn a_turn_ends_however_the_connection_comes_back() {
    let pool = pool_with_items(SqliteConnector::memory().busy_timeout(Duration::from_secs(60))).await;
    let begun = Instant::now();
    for way in ["dropped in a transaction", "discarded", "panicked", "detached"] {
        let mut writer = pool.acquire_write().await.unwrap();
        tell(&mut writer, "BEGIN; INSERT INTO item VALUES ('lamp')").await;
        match way {
            "dropped in a transaction" => drop(writer),
            "discarded" => writer.discard(),
            "detached" => drop(writer.detach()),
            _ => {
                let holder = tokio::spawn(async move {
                    let _writer = writer;
                    panic!("as planned");
                });
                assert!(holder.await.unwrap_err().is_panic());
            }
        }
        assert_eq!(items(&pool).await, 0, "{way}");
        tell(&mut pool.acquire_write().await.unwrap(), "DELETE FROM item").await;
        assert!(begun.elapsed() < Duration::from_secs(30), "{way}: {:?}", begun.elapsed());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cancelled_acquire_write_leaves_the_writer_usable() {
    let home = Home::new();
    for connector in [home.connector(), SqliteConnector::memory()] {
        let pool = pool_with_items(connector).await;
        for polls in 0..40 {
            // Queued behind another writer, or in memory behind a reader.
            let writer = (polls % 2 == 0).then_some(pool.acquire_write());
            let ahead = match writer {
                Some(writer) => writer.await.unwrap(),
                None => pool.acquire_read().await.unwrap(),
            };
            poll_and_drop(pool.acquire_write(), polls / 2);
            poll_and_drop(pool.begin(), polls / 2);
            drop(ahead);
            poll_and_drop(pool.begin(), polls / 2);
            tell(&mut pool.acquire_write().await.unwrap(), "INSERT INTO item VALUES ('lamp')").await;
        }
        assert_eq!(items(&pool).await, 40);
        let stats = pool.stats();
        assert_eq!((stats.writer.waiting, stats.writer.active, stats.readers.active), (0, 0, 0));
        assert_eq!(pool.writer().counters().created, 1);
    }
}

#[tokio::test]
async fn close_waits_for_readers_and_writer() {
    let home = Home::new();
    // In memory the writer waits for the turn of the reader beside it.
    let memory = SqliteConnector::memory().busy_timeout(Duration::from_millis(50));
    for connector in [home.connector(), memory] {
        let pool = pool_with_items(connector).await;
        let reader = pool.acquire_read().await.unwrap();
        let mut order = pool.begin().await.unwrap();
        let gone = Arc::new(AtomicUsize::new(0));
        let closing = tokio::spawn({
            let (pool, gone) = (pool.clone(), Arc::clone(&gone));
            async move {
                let report = pool.close(Duration::from_secs(20)).await;
                (report, gone.load(Ordering::SeqCst))
            }
        });
        while !(pool.readers().is_closed() && pool.writer().is_closed()) {
            tokio::task::yield_now().await;
        }
        assert!(pool.acquire_read().await.unwrap_err().is_closed());
        assert!(pool.acquire_write().await.unwrap_err().is_closed());
        gone.fetch_add(1, Ordering::SeqCst);
        drop(reader);
        tell(&mut order, "INSERT INTO item VALUES ('lamp')").await;
        order.commit().await.unwrap();
        gone.fetch_add(1, Ordering::SeqCst);
        let (report, gone) = closing.await.unwrap();
        assert!(report.is_complete(), "{report}");
        assert_eq!(gone, 2, "it returned when both were back");
        assert!(report.to_string().starts_with("pool `orders.readers` closed in"), "{report}");
    }
    assert_eq!(home.handles(), Vec::<PathBuf>::new());
}

#[tokio::test]
async fn close_tells_who_still_reads_and_who_still_writes() {
    let pool = pool_with_items(SqliteConnector::memory()).await;
    let _reader = pool.acquire_read().await.unwrap();
    let report = pool.close(Duration::from_millis(50)).await;
    assert_eq!((report.readers.still_held.len(), report.writer.still_held.len()), (1, 0));
    assert!(!report.is_complete());
    let holder = &report.readers.still_held[0];
    assert!(holder.site.file().ends_with("read_write.rs"), "the line of the caller: {holder}");
}

/// A reader that is the last to close the file leaves the log beside it.
#[tokio::test]
async fn after_close_all_data_are_in_the_file_itself() {
    let home = Home::new();
    for round in 1..=5 {
        let pool = describe(home.connector()).build().unwrap();
        let create = "CREATE TABLE IF NOT EXISTS item (name TEXT)";
        tell(&mut pool.acquire_write().await.unwrap(), create).await;
        tell(&mut pool.acquire_write().await.unwrap(), "INSERT INTO item VALUES ('lamp')").await;
        let reader = pool.acquire_read().await.unwrap();
        assert_eq!(items(&pool).await, round);
        let closing = tokio::spawn({
            let pool = pool.clone();
            async move { pool.close(Duration::from_secs(20)).await }
        });
        while pool.stats().writer.total > 0 {
            tokio::task::yield_now().await;
        }
        drop(reader);
        let report = closing.await.unwrap();
        assert!(report.is_complete(), "{report}");
        assert_eq!(files(&home), [home.path()]);
    }
}

#[tokio::test]
async fn a_pool_that_was_never_used_leaves_the_file_as_it_is() {
    let home = Home::new();
    let journal = home.connector().journal_mode(SqliteJournalMode::Delete);
    drop(journal.connect().await.unwrap());
    home.all_handles_closed().await;
    let pool = describe(home.connector())
        .readers(|readers| readers.min_connections(0))
        .writer(|writer| writer.min_connections(0))
        .build()
        .unwrap();
    assert!(pool.close(Duration::from_secs(10)).await.is_complete());
    let mut reader = home.connector().read_only(true).connect().await.unwrap();
    assert_eq!(ask::<String>(&mut reader, "PRAGMA journal_mode").await, "delete");
}

#[tokio::test]
async fn a_database_in_memory_lives_as_long_as_its_pool() {
    let connector = SqliteConnector::memory();
    let pool = describe(connector)
        .readers(|readers| {
            readers
                .min_connections(0)
                .idle_timeout(Duration::from_millis(1))
                .maintenance_interval(Duration::from_millis(1))
        })
        .writer(|writer| {
            writer
                .min_connections(0)
                .idle_timeout(Duration::from_millis(1))
                .maintenance_interval(Duration::from_millis(1))
        })
        .build()
        .unwrap();
    let create = "CREATE TABLE item (name TEXT); INSERT INTO item VALUES ('lamp')";
    tell(&mut pool.acquire_write().await.unwrap(), create).await;
    for evicted in [false, true] {
        assert_eq!(items(&pool).await, 1);
        if evicted {
            pool.readers().evict_all();
            pool.writer().evict_all();
        }
        let begun = Instant::now();
        while pool.stats().readers.total + pool.stats().writer.total > 0 {
            assert!(begun.elapsed() < Duration::from_secs(20), "{:?}", pool.stats());
            sleep(Duration::from_millis(1)).await;
        }
        assert_eq!(items(&pool).await, 1, "evicted: {evicted}");
    }
    let counters = (pool.readers().counters(), pool.writer().counters());
    assert!(counters.0.created >= 2 && counters.1.created >= 1, "{counters:?}");
}

#[tokio::test]
async fn a_database_in_memory_is_nobody_elses() {
    let first = pool_with_items(SqliteConnector::memory()).await;
    let second = describe(SqliteConnector::memory()).build().unwrap();
    let error = sqlx::query("SELECT * FROM item").execute(second.readers()).await.unwrap_err();
    assert!(error.to_string().contains("no such table"), "{error}");
    assert_eq!(items(&first).await, 0);
}

#[tokio::test]
async fn a_transaction_that_fails_or_panics_gives_the_writer_back() {
    let home = Home::new();
    for connector in [home.connector(), SqliteConnector::memory()] {
        let pool = pool_with_items(connector).await;
        let failed: Result<(), sqlx::Error> = pool
            .transaction(|mut order| async move {
                tell(&mut order, "INSERT INTO item VALUES ('lamp')").await;
                order.execute("nonsense").await.map(drop)
            })
            .await;
        assert!(failed.is_err());
        let panicking = tokio::spawn({
            let pool = pool.clone();
            async move {
                let mut order = pool.begin().await.unwrap();
                tell(&mut order, "INSERT INTO item VALUES ('lamp')").await;
                panic!("as planned");
            }
        });
        assert!(panicking.await.unwrap_err().is_panic());
        let count: Result<i64, sqlx::Error> = pool
            .transaction(|mut order| async move {
                tell(&mut order, "INSERT INTO item VALUES ('lamp')").await;
                Ok(ask(&mut order, "SELECT count(*) FROM item").await)
            })
            .await;
        assert_eq!(count.unwrap(), 1);
        assert_eq!(items(&pool).await, 1);
    }
}
