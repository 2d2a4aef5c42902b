//! What to do when there is no connection: something else.

use std::future::Future;

/// What [`acquire_or_degrade`] came back with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Acquired<G, T> {
    /// The connection.
    Connection(G),
    /// What the fallback made instead.
    Fallback(T),
}

impl<G, T> Acquired<G, T> {
    /// The connection, if there is one.
    pub fn connection(self) -> Option<G> {
        match self {
            Acquired::Connection(guard) => Some(guard),
            Acquired::Fallback(_) => None,
        }
    }
}

/// Waits for a connection, or runs `fallback` with the error why there is none: reads a cache, queues the write, answers
/// with less.
///
/// `acquire` is any acquire: of a pool, a [`Group`](crate::Group), a [`Session`](crate::Session). Its timeout is how long
/// the caller is ready to wait for the real thing, so it may well be shorter than usual. A fallback that fails returns a
/// `Result` as its value. If it has a connection of another pool to give,
/// [`PoolManager::acquire_or_else`](crate::PoolManager::acquire_or_else) is shorter.
///
/// # Cancel safety
///
/// As that of `acquire` while it waits, and then as that of `fallback`.
///
/// # Examples
///
/// ```
/// # use std::time::Duration;
/// # use pool_core::{AcquireError, Pool, fake::{Act, FakeConnector}};
/// use pool_manager::{Acquired, acquire_or_degrade};
///
/// # #[tokio::main(flavor = "current_thread", start_paused = true)]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let connector = FakeConnector::new();
/// # connector.go_down();
/// # let pool = Pool::builder(connector).name("orders").build()?;
/// # async fn cached() -> u32 { 41 }
/// let soon = pool.acquire_timeout(Duration::from_millis(300));
/// let items = match acquire_or_degrade(soon, async |_error: AcquireError| cached().await).await {
///     Acquired::Connection(_connection) => 42, // asks the database
///     Acquired::Fallback(items) => items,
/// };
/// assert_eq!(items, 41);
/// # Ok(())
/// # }
/// ```
pub async fn acquire_or_degrade<G, E, T>(
    acquire: impl Future<Output = Result<G, E>>,
    fallback: impl AsyncFnOnce(E) -> T,
) -> Acquired<G, T> {
    match acquire.await {
        Ok(guard) => Acquired::Connection(guard),
        Err(error) => Acquired::Fallback(fallback(error).await),
    }
}
