//! Plain threads.

use std::sync::atomic::{AtomicU64, Ordering};

use tokio::runtime::Runtime;

use crate::harness::{Home, pool_of, tell};

/// REQUIREMENTS E5.
#[test]
fn a_hundred_threads_read_at_once() {
    let home = Home::new();
    let runtime = Runtime::new().unwrap();
    let pool = runtime.block_on(async {
        let pool = pool_of(home.connector(), 8).build().unwrap();
        let mut connection = pool.acquire().await.unwrap();
        tell(&mut connection, "CREATE TABLE item (name TEXT); INSERT INTO item VALUES ('a'), ('b')").await;
        drop(connection);
        pool
    });
    let rows = AtomicU64::new(0);
    std::thread::scope(|scope| {
        for _ in 0..100 {
            scope.spawn(|| {
                for _ in 0..20 {
                    let mut connection = pool.acquire_blocking().unwrap();
                    let read = runtime.block_on(connection.run("SELECT name FROM item")).unwrap();
                    rows.fetch_add(read, Ordering::Relaxed);
                }
            });
        }
    });
    assert_eq!(rows.into_inner(), 100 * 20 * 2);
    let snapshot = pool.snapshot();
    assert_eq!((snapshot.stats.active, snapshot.counters.acquired), (0, 2001));
    assert_eq!((snapshot.counters.resets, snapshot.counters.closed.total()), (0, 0));
    assert!(snapshot.counters.created <= 8);
}
