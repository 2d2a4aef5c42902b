//! Group J, pools by name.

use std::sync::Arc;
use std::time::Duration;

use pool_core::fake::{FakeConnection, FakeConnector, FakeError};
use pool_core::{Connector, Pool, PoolControl, PoolSet};
use tokio::time::Instant;

use crate::support::{FakePool, lazy, secs, settle};

/// A connector of another type, with the same connections.
struct Other(FakeConnector);

impl Connector for Other {
    type Connection = FakeConnection;
    type Error = FakeError;

    async fn connect(&self) -> Result<FakeConnection, FakeError> {
        self.0.connect().await
    }

    async fn validate(&self, connection: &mut FakeConnection) -> Result<(), FakeError> {
        self.0.validate(connection).await
    }
}

// J10: two pools of one name are refused, the first stays, the second is closed; the name of a closed or
// removed pool is free again.
#[tokio::test(start_paused = true)]
async fn a_set_has_one_open_pool_of_each_name() {
    let set = PoolSet::new();
    assert!(set.is_empty());
    let named = |name: &str| {
        let (builder, connector) = lazy(2);
        (builder.name(name).min_connections(1).build().unwrap(), connector)
    };
    let ((first, _), (second, second_connector), (other, _)) =
        (named("orders"), named("orders"), named("billing"));
    first.warm_up().await.unwrap();
    second.warm_up().await.unwrap();
    set.insert(first.clone()).unwrap();
    let error = set.insert(second).unwrap_err();
    assert_eq!(error.name, "orders");
    settle().await;
    assert_eq!(second_connector.open_now(), 0, "the refused one is closed with its only handle");
    set.insert(other).unwrap();
    assert_eq!((set.names(), set.len()), (vec![String::from("billing"), String::from("orders")], 2));

    // The same pool, whatever the way to it.
    let guard = set.get_as::<FakePool>("orders").unwrap().acquire().await.unwrap();
    assert_eq!(set.get("orders").unwrap().stats().active, 1);
    assert_eq!(set.snapshots()["orders"].stats.active, 1);
    assert_eq!(set.snapshots()["billing"].stats.active, 0);
    assert!(set.get_as::<Pool<Other>>("orders").is_none(), "of another type");
    assert!(set.get("payments").is_none());

    first.close(Duration::ZERO).await;
    let (third, _) = named("orders");
    set.insert(third.clone()).unwrap();
    assert_eq!(set.len(), 2);
    assert_eq!(set.get("orders").unwrap().stats().active, 0, "the new one");
    drop(guard);
    assert!(set.remove("orders").is_some() && set.remove("orders").is_none());
    assert!(!third.is_closed(), "somebody else has a handle");
    set.insert(third).unwrap();
}

// J10: a set closes its pools side by side, and reports each by name.
#[tokio::test(start_paused = true)]
async fn a_set_closes_all_its_pools_at_the_same_time() {
    let set = PoolSet::new();
    let mut guards = Vec::new();
    for name in ["c", "a", "b"] {
        let (builder, _connector) = lazy(1);
        let pool = builder.name(name).build().unwrap();
        guards.push(pool.acquire().await.unwrap());
        set.insert(pool).unwrap();
    }
    let pools: Vec<Arc<dyn PoolControl>> = set.pools();
    drop(guards.pop());
    let begun = Instant::now();
    let reports = set.close(secs(2)).await;
    assert_eq!(begun.elapsed(), secs(2));
    let told: Vec<_> = reports.iter().map(|report| (&*report.pool, report.still_held.len())).collect();
    assert_eq!(told, [("a", 1), ("b", 0), ("c", 1)]);
    assert!(set.is_empty() && pools.iter().all(|pool| pool.is_closed()));
}
