//! What closing all pools achieved.

use std::fmt;
use std::time::Duration;

use pool_core::{CloseReport, Holder};

/// Which pools were closed, and who still held what when the deadline passed.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct ShutdownReport {
    /// How long it took.
    pub took: Duration,
    /// One report for each pool, by name. Pools that were removed before and still had connections are among them.
    pub pools: Vec<CloseReport>,
}

impl ShutdownReport {
    /// Whether every connection of every pool is gone.
    pub fn is_complete(&self) -> bool {
        self.pools.iter().all(CloseReport::is_complete)
    }

    /// Who still held connections, each with the name of the pool.
    pub fn still_held(&self) -> impl Iterator<Item = (&str, &Holder)> {
        self.pools.iter().flat_map(|pool| pool.still_held.iter().map(|holder| (&*pool.pool, holder)))
    }
}

/// One line if all is well, otherwise one more for each pool that is not done.
impl fmt::Display for ShutdownReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (all, took) = (self.pools.len(), Duration::from_millis(self.took.as_millis() as u64));
        let done = self.pools.iter().filter(|pool| pool.is_complete()).count();
        write!(f, "closed {done} of {all} pools in {took:?}")?;
        let unfinished = self.pools.iter().filter(|pool| !pool.is_complete());
        unfinished.into_iter().try_for_each(|pool| write!(f, "\n  {pool}"))
    }
}
