//! Whom reports name as the holder of a connection.

use pool_core::Pool;
use pool_drivers::sqlite::{Begin, Retry, SqliteConnector, SqlitePool, SqliteReadWritePool};

/// The lines of the holders in order, all of which are in this file.
fn lines(pool: &SqlitePool) -> Vec<u32> {
    let holders = pool.holders();
    assert!(holders.iter().all(|holder| holder.site.file() == file!()), "{holders:?}");
    let mut lines: Vec<u32> = holders.iter().map(|holder| holder.site.line()).collect();
    lines.sort_unstable();
    lines
}

#[tokio::test]
async fn transactions_are_put_down_to_the_line_that_began_them() {
    let pool: SqlitePool = Pool::builder(SqliteConnector::memory()).build().unwrap().into();
    let line = line!() + 1;
    let plain = pool.begin().await.unwrap();
    let kind = pool.begin_with(Begin::Deferred).await.unwrap();
    assert_eq!(lines(&pool), [line, line + 1]);
    drop((plain, kind));

    let seen = &pool;
    let line = line!() + 1;
    let work = pool.transaction(|_scope| async move { Ok::<_, sqlx::Error>(lines(seen)) });
    assert_eq!(work.await.unwrap(), [line]);
    let work = pool.transaction_with(Retry::default(), Begin::Immediate, |_scope| async move {
        Ok::<_, sqlx::Error>(lines(seen))
    });
    assert_eq!(work.await.unwrap(), [line + 2]);
}

#[tokio::test]
async fn so_are_those_of_the_writer() {
    let pool = SqliteReadWritePool::connect("sqlite::memory:").await.unwrap();
    let line = line!() + 1;
    let order = pool.begin().await.unwrap();
    assert_eq!(lines(pool.writer()), [line]);
    drop(order);
    let writer = pool.writer();
    let work = pool.transaction(|_scope| async move { Ok::<_, sqlx::Error>(lines(writer)) });
    assert_eq!(work.await.unwrap(), [line + 4]);
}
