//! What the load is put on: a pool, and the work that is done with its connections.
//!
//! [`Subject`] is the whole of what a run asks of a pool, so that a test can plant a defect and a benchmark can
//! put another pool in its place. [`PoolSubject`] is the usual one.

use std::collections::BTreeMap;
use std::future::Future;

use pool_core::{Connector, Pool, PoolControl, Pooled};

use crate::failure::{ErrorKind, Failure};

/// What the load is put on.
pub trait Subject: Send + Sync + 'static {
    /// A connection in a thread's hands.
    type Lease: Send;

    /// Gets a connection. Each thread calls this at the beginning of each cycle; the time until it returns is the
    /// wait.
    ///
    /// # Errors
    ///
    /// Tells why there is none.
    ///
    /// # Cancel safety
    ///
    /// Dropped when the run ends while it still waits. That must give up its place and lose no connection.
    fn acquire(&self) -> impl Future<Output = Result<Self::Lease, Failure>> + Send;

    /// Does one piece of work with it.
    ///
    /// # Errors
    ///
    /// Tells what went wrong; the cycle counts as failed then.
    ///
    /// # Cancel safety
    ///
    /// Dropped when the run ends while it still works, and the lease with it.
    fn work(&self, lease: &mut Self::Lease) -> impl Future<Output = Result<(), Failure>> + Send;

    /// Gives it back. The time until it returns is the release. The default drops it.
    fn release(&self, lease: Self::Lease) {
        drop(lease);
    }

    /// The pool's gauges, counters and close.
    fn control(&self) -> &dyn PoolControl;

    /// What the connections lead to.
    fn description(&self) -> Description;
}

/// What connections lead to, for the record.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Description {
    /// `sqlite`, or `stub` for what is no database.
    pub backend: &'static str,
    /// Where that is; secrets are masked.
    pub url: String,
    /// Its version.
    pub version: String,
    /// Its settings that matter, as a person would name them.
    pub settings: BTreeMap<&'static str, String>,
    /// File descriptors that one connection may hold.
    pub fds_per_connection: u64,
    /// Threads of the operating system that one connection may hold.
    pub threads_per_connection: u64,
}

/// The work that is done with the connections of one kind of connector.
pub trait Workload<C: Connector>: Send + Sync + 'static {
    /// Does it once.
    ///
    /// # Errors
    ///
    /// The connection's own error; the pool is told of it.
    ///
    /// # Cancel safety
    ///
    /// Dropped when the run ends while it still works.
    fn run(&self, connection: &mut C::Connection) -> impl Future<Output = Result<(), C::Error>> + Send;

    /// What such an error is called in a result. The default says [`ErrorKind::QueryError`].
    fn kind(&self, error: &C::Error) -> ErrorKind {
        let _ = error;
        ErrorKind::QueryError
    }

    /// What the connections lead to.
    fn description(&self) -> Description;
}

/// A pool of ours and some work.
#[derive(Debug)]
pub struct PoolSubject<C: Connector, W> {
    pool: Pool<C>,
    workload: W,
}

impl<C: Connector, W: Workload<C>> PoolSubject<C, W> {
    /// Puts both together.
    pub fn new(pool: Pool<C>, workload: W) -> Self {
        PoolSubject { pool, workload }
    }
}

impl<C: Connector, W: Workload<C>> Subject for PoolSubject<C, W> {
    type Lease = Pooled<C>;

    async fn acquire(&self) -> Result<Pooled<C>, Failure> {
        self.pool.acquire().await.map_err(|error| Failure::of_acquire(&error))
    }

    async fn work(&self, lease: &mut Pooled<C>) -> Result<(), Failure> {
        self.workload.run(lease).await.map_err(|error| {
            lease.report(&error);
            Failure::of_use(self.workload.kind(&error), &error.to_string())
        })
    }

    fn control(&self) -> &dyn PoolControl {
        &self.pool
    }

    fn description(&self) -> Description {
        self.workload.description()
    }
}
