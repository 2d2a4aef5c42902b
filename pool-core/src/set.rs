//! Pools by name.

use std::any::Any;
use std::collections::BTreeMap;
use std::future::poll_fn;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::task::Poll;
use std::time::Duration;

use crate::control::PoolControl;
use crate::pool::CloseReport;
use crate::stats::PoolSnapshot;

/// A set of pools with different names. Clones share the set.
///
/// # Examples
///
/// ```
/// # use pool_core::{Pool, PoolSet, fake::FakeConnector};
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let pools = PoolSet::new();
/// pools.insert(Pool::builder(FakeConnector::new()).name("orders").build()?)?;
///
/// let orders = pools.get_as::<Pool<FakeConnector>>("orders").expect("inserted above");
/// let connection = orders.acquire().await?;
/// assert_eq!(pools.snapshots()["orders"].stats.active, 1);
/// # drop(connection);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Default)]
pub struct PoolSet {
    pools: Arc<RwLock<BTreeMap<String, Arc<dyn PoolControl>>>>,
}

/// Two pools of one set cannot have the same name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("add pool `{name}`: the set has an open pool of this name; remove it first or choose another name")]
#[non_exhaustive]
pub struct DuplicateName {
    /// The name.
    pub name: String,
}

impl PoolSet {
    /// An empty set.
    pub fn new() -> Self {
        PoolSet::default()
    }

    /// Adds a pool under its own name. The name of a closed pool may be used again.
    ///
    /// # Errors
    ///
    /// Fails when an open pool has the same name. The new one is dropped then, which closes it.
    pub fn insert(&self, pool: impl PoolControl) -> Result<(), DuplicateName> {
        let name = pool.name().to_owned();
        // A pool that is replaced is dropped after the lock is released: dropping it may run user code.
        let replaced = {
            let mut pools = self.write();
            if pools.get(&name).is_some_and(|existing| !existing.is_closed()) {
                drop(pools);
                return Err(DuplicateName { name });
            }
            pools.insert(name, Arc::new(pool))
        };
        drop(replaced);
        Ok(())
    }

    /// The pool of this name.
    pub fn get(&self, name: &str) -> Option<Arc<dyn PoolControl>> {
        self.read().get(name).cloned()
    }

    /// The pool of this name, if it is of type `P`, such as `Pool<MyConnector>`.
    pub fn get_as<P: PoolControl>(&self, name: &str) -> Option<Arc<P>> {
        let pool: Arc<dyn Any + Send + Sync> = self.get(name)?;
        pool.downcast().ok()
    }

    /// Takes a pool out of the set. It stays open while someone else has a handle.
    pub fn remove(&self, name: &str) -> Option<Arc<dyn PoolControl>> {
        self.write().remove(name)
    }

    /// All names, in alphabetical order.
    pub fn names(&self) -> Vec<String> {
        self.read().keys().cloned().collect()
    }

    /// All pools, by name.
    pub fn pools(&self) -> Vec<Arc<dyn PoolControl>> {
        self.read().values().cloned().collect()
    }

    /// As [`pools`](PoolSet::pools), into a list that is there already; what was in it is dropped.
    pub fn list_into(&self, pools: &mut Vec<Arc<dyn PoolControl>>) {
        // Without the lock: what is dropped may be the last handle of a pool, which may run user code.
        pools.clear();
        pools.extend(self.read().values().cloned());
    }

    /// How many pools there are.
    pub fn len(&self) -> usize {
        self.read().len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.read().is_empty()
    }

    /// Gauges and counters of every pool. Each snapshot is consistent; different pools' are not of exactly
    /// the same instant.
    pub fn snapshots(&self) -> BTreeMap<String, PoolSnapshot> {
        self.pools().into_iter().map(|pool| (pool.name().to_owned(), pool.snapshot())).collect()
    }

    /// Closes all pools at the same time and empties the set. One report each, by name.
    ///
    /// # Cancel safety
    ///
    /// All pools are closing from the first poll on; dropping the future only ends the wait.
    pub async fn close(&self, deadline: Duration) -> Vec<CloseReport> {
        let pools = std::mem::take(&mut *self.write());
        let mut closing: Vec<_> = pools.values().map(|pool| (pool.close(deadline), None)).collect();
        // All are polled from the first poll on, so that dropping this future leaves none open.
        poll_fn(|context| {
            for (close, report) in closing.iter_mut().filter(|(_, report)| report.is_none()) {
                if let Poll::Ready(done) = close.as_mut().poll(context) {
                    *report = Some(done);
                }
            }
            let done = closing.iter().all(|(_, report)| report.is_some());
            if done { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
        closing.into_iter().filter_map(|(_, report)| report).collect()
    }

    fn read(&self) -> RwLockReadGuard<'_, BTreeMap<String, Arc<dyn PoolControl>>> {
        self.pools.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, BTreeMap<String, Arc<dyn PoolControl>>> {
        self.pools.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl std::fmt::Debug for PoolSet {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_set().entries(self.names()).finish()
    }
}
