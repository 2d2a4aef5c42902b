//! What the tests of several SQL drivers share.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use pool_core::{Connector, Pool};
use pool_drivers::sql::{Dialect, SqlPool};
use tokio::sync::Barrier;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

/// The connections of the pool that are idle; waits until what was given back is there again.
pub(crate) async fn at_rest<C: Connector>(pool: &Pool<C>) -> usize {
    let begun = Instant::now();
    loop {
        let stats = pool.stats();
        if stats.active + stats.validating + stats.creating + stats.destroying == 0 {
            return stats.idle;
        }
        assert!(begun.elapsed() < Duration::from_secs(20), "{stats:?}");
        sleep(Duration::from_millis(1)).await;
    }
}

/// Two transactions lock the rows 1 and 2 of `item`, each the other's first one last. Both are done in the end, after
/// one of them was run again.
pub(crate) async fn a_deadlock_ends_well<D: Dialect>(pool: &SqlPool<D>) {
    const LOCK: [&str; 2] =
        ["SELECT 1 FROM item WHERE id = 1 FOR UPDATE", "SELECT 1 FROM item WHERE id = 2 FOR UPDATE"];
    let (both, attempts) = (Arc::new(Barrier::new(2)), Arc::new(AtomicU32::new(0)));
    let mut tasks = JoinSet::new();
    for mine in 0..2 {
        let (pool, both, attempts) = (pool.clone(), Arc::clone(&both), Arc::clone(&attempts));
        tasks.spawn(async move {
            pool.transaction(|mut transaction| {
                let (both, attempts) = (Arc::clone(&both), Arc::clone(&attempts));
                async move {
                    transaction.run(LOCK[mine]).await?;
                    if attempts.fetch_add(1, Ordering::Relaxed) < 2 {
                        both.wait().await;
                    }
                    transaction.run(LOCK[1 - mine]).await
                }
            })
            .await
            .unwrap();
        });
    }
    tasks.join_all().await;
    assert_eq!(attempts.load(Ordering::Relaxed), 3);
}
