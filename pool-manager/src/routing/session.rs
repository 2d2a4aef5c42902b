//! A caller who reads what it has written, though replicas lag behind.

use std::fmt;
use std::future::Future;
use std::ops::{Deref, DerefMut};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use pool_core::{Connector, Pooled};
use tokio::time::Instant;

use super::error::RouteError;
use super::group::Group;

/// A caller's session with a [`Group`], such as one user of a web site. Clones share it.
///
/// Its reads go to the primary, and to nobody else, while it holds a connection to write with and for
/// [`read_your_writes`](pool_config::Routing::read_your_writes) afterwards; at other times they go where those of the group go.
/// What other sessions write may be seen late, as ever.
///
/// # Examples
///
/// ```
/// # use std::time::Duration;
/// # use pool_core::{Pool, fake::FakeConnector};
/// use pool_config::Routing;
/// use pool_manager::{Group, Member};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let primary = Pool::builder(FakeConnector::new()).name("primary").build()?;
/// # let replica = Pool::builder(FakeConnector::new()).name("replica").build()?;
/// let orders = Group::new("orders");
/// orders.set_members([Member::primary(primary), Member::replica(replica)]);
/// orders.set_routing(Routing { read_your_writes: Duration::from_secs(2), ..Routing::default() });
///
/// let session = orders.session();
/// assert_eq!(session.read().await?.pool_name(), "replica");
/// drop(session.write().await?);
/// assert_eq!(session.read().await?.pool_name(), "primary");
/// # Ok(())
/// # }
/// ```
pub struct Session<C: Connector> {
    group: Group<C>,
    writes: Arc<Mutex<Writes>>,
}

/// What a session has written.
#[derive(Debug, Default)]
struct Writes {
    /// Connections to write with that it holds.
    under_way: usize,
    /// When the last one ended.
    last: Option<Instant>,
}

impl<C: Connector> Session<C> {
    pub(super) fn new(group: Group<C>) -> Self {
        Session { group, writes: Arc::default() }
    }

    /// The group it belongs to.
    pub fn group(&self) -> &Group<C> {
        &self.group
    }

    /// Whether its reads go to the primary now.
    pub fn reads_from_primary(&self) -> bool {
        let window = self.group.routing().read_your_writes;
        let writes = lock(&self.writes);
        let recent = |last: Instant| last.elapsed() < window;
        !window.is_zero() && (writes.under_way > 0 || writes.last.is_some_and(recent))
    }

    /// Waits for a connection to read with.
    ///
    /// # Errors
    ///
    /// As [`Group::read`]. After a write no replica is asked, even if the primary is down: it might not have what was
    /// written.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future at any point loses nothing.
    #[track_caller]
    pub fn read(&self) -> impl Future<Output = Result<Pooled<C>, RouteError>> + Send + use<'_, C> {
        // Both are made here, where the caller's line is known; the one that is not polled costs nothing.
        let (anywhere, primary) = (self.group.read(), self.group.read_primary());
        async move { if self.reads_from_primary() { primary.await } else { anywhere.await } }
    }

    /// Waits for a connection to write with. The write is taken to last until the guard is dropped.
    ///
    /// # Errors
    ///
    /// As [`Group::write`].
    ///
    /// # Cancel safety
    ///
    /// Dropping the future at any point loses nothing.
    #[track_caller]
    pub fn write(&self) -> impl Future<Output = Result<SessionWrite<C>, RouteError>> + Send + use<'_, C> {
        let acquire = self.group.write();
        async move {
            let guard = acquire.await?;
            Ok(SessionWrite { guard, under_way: UnderWay::begin(&self.writes) })
        }
    }
}

impl<C: Connector> Clone for Session<C> {
    fn clone(&self) -> Self {
        Session { group: self.group.clone(), writes: Arc::clone(&self.writes) }
    }
}

impl<C: Connector> fmt::Debug for Session<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session")
            .field("group", &self.group.name())
            .field("writes", &*lock(&self.writes))
            .finish()
    }
}

/// A connection that a [`Session`] writes with. It goes back to its pool when dropped.
pub struct SessionWrite<C: Connector> {
    // The connection goes back first, then the write is over.
    guard: Pooled<C>,
    under_way: UnderWay,
}

impl<C: Connector> SessionWrite<C> {
    /// The guard of the pool, for what only that can do. The write is over with this call, as far as the session is
    /// concerned.
    pub fn into_pooled(self) -> Pooled<C> {
        drop(self.under_way);
        self.guard
    }

    /// The name of the pool it belongs to.
    pub fn pool_name(&self) -> &str {
        self.guard.pool_name()
    }
}

impl<C: Connector> Deref for SessionWrite<C> {
    type Target = C::Connection;

    fn deref(&self) -> &C::Connection {
        &self.guard
    }
}

impl<C: Connector> DerefMut for SessionWrite<C> {
    fn deref_mut(&mut self) -> &mut C::Connection {
        &mut self.guard
    }
}

impl<C: Connector> fmt::Debug for SessionWrite<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("SessionWrite").field(&self.guard).finish()
    }
}

/// A write of a session, until it is dropped.
struct UnderWay(Arc<Mutex<Writes>>);

impl UnderWay {
    fn begin(writes: &Arc<Mutex<Writes>>) -> Self {
        lock(writes).under_way += 1;
        UnderWay(Arc::clone(writes))
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        let mut writes = lock(&self.0);
        writes.under_way -= 1;
        writes.last = Some(Instant::now());
    }
}

fn lock(writes: &Mutex<Writes>) -> MutexGuard<'_, Writes> {
    writes.lock().unwrap_or_else(PoisonError::into_inner)
}
