//! The guard: a connection in its holder's hands.

use std::fmt;
use std::ops::{Deref, DerefMut};
use std::sync::Arc;
use std::task::Waker;

use crate::connection::{CloseReason, ConnectionId, ConnectionInfo};
use crate::connector::{Condition, Connector, ErrorClass};
use crate::engine::{Unshelved, put};
use crate::panic::catch;
use crate::pool_id::PoolId;
use crate::shared::{Resident, Shared};
use crate::state::{Lease, Verdict};

/// A connection that goes back to its pool when dropped.
///
/// It borrows nothing: it may be moved to another task or thread, stored, and outlive every handle of its
/// pool. Dropping it is synchronous, never blocks on I/O and needs no runtime; what must be awaited, such as
/// rolling back a transaction, the pool does afterwards.
///
/// A connection whose holder panics is closed, not reused: whatever it was in the middle of, nobody else
/// shall see.
pub struct Pooled<C: Connector> {
    /// `None` only after `detach` or `drop`.
    lease: Option<Lease<Resident<C>>>,
}

impl<C: Connector> Pooled<C> {
    #[inline]
    pub(crate) fn new(lease: Lease<Resident<C>>) -> Self {
        Pooled { lease: Some(lease) }
    }

    fn lease(&self) -> &Lease<Resident<C>> {
        self.lease.as_ref().expect("the lease is taken only when the guard ends")
    }

    pub(crate) fn shared(&self) -> &Arc<Shared<C>> {
        &self.lease().connection().shared
    }

    /// The connection's id.
    pub fn id(&self) -> ConnectionId {
        self.lease().id()
    }

    /// The name of the pool it belongs to.
    pub fn pool_name(&self) -> &str {
        &self.shared().name
    }

    /// What the pool knows of this connection; `None` after it was
    /// [abandoned](crate::PoolControl::abandon).
    pub fn info(&self) -> Option<ConnectionInfo> {
        let id = self.id();
        self.shared().read(|state, now| state.connections(now)).into_iter().find(|info| info.id == id)
    }

    /// Tells the pool of an error of this connection, and returns what it means.
    ///
    /// A fatal one closes the connection when the guard is dropped. One that is fatal to all also closes the
    /// idle ones, and the busy ones of the same age are validated before anyone else gets them. Without a
    /// report the pool still finds out, later: by [`Connector::condition`] or by validation.
    pub fn report(&self, error: &C::Error) -> ErrorClass {
        let shared = self.shared();
        let class =
            shared.guard("classify", || shared.connector.classify(error)).unwrap_or(ErrorClass::FatalThis);
        let (slot, id) = (self.lease().index(), self.id());
        shared.with(|state, now, fx| state.report(slot, id, class, now, fx));
        class
    }

    /// Closes the connection instead of giving it back.
    pub fn discard(mut self) {
        self.end(Some(Verdict::Dead(CloseReason::Discarded)));
    }

    /// Takes the connection out of the pool for good.
    ///
    /// The pool may open another in its place, so the number of open connections is no longer bounded by
    /// `max_connections`.
    pub fn detach(mut self) -> C::Connection {
        let lease = self.lease.take().expect("the lease is taken only when the guard ends");
        let id = lease.id();
        // The share in the pool is dropped last, after the lock was had: see `Lease::pass_on`.
        let (place, Resident { connection, shared }) = lease.vacate();
        shared.with(|state, now, fx| state.detach(place, id, now, fx));
        connection
    }

    #[inline]
    fn end(&mut self, verdict: Option<Verdict>) {
        let Some(mut lease) = self.lease.take() else { return };
        let verdict = verdict.unwrap_or_else(|| match inspect(lease.connection_mut()) {
            Seen::Verdict(verdict) => verdict,
            Seen::AllBroken => {
                let shared = &lease.connection().shared;
                let (slot, id) = (lease.index(), lease.id());
                shared.with(|state, now, fx| state.report(slot, id, ErrorClass::FatalAll, now, fx));
                Verdict::Dead(CloseReason::Broken)
            }
        });
        let Unshelved { lease, counted } = if verdict == Verdict::Clean {
            match put(lease) {
                Ok(()) => return,
                Err(unshelved) => unshelved,
            }
        } else {
            Unshelved { lease, counted: false }
        };
        release(lease, verdict, counted);
    }
}

/// Gives a connection back through the lock.
#[inline(never)]
fn release<C: Connector>(lease: Lease<Resident<C>>, verdict: Verdict, counted: bool) {
    let pool = lease.connection().shared.id;
    let lease = if verdict == Verdict::Clean {
        match lease.pass_on(counted) {
            Ok(waker) => return wake(pool, waker),
            Err(lease) => lease,
        }
    } else {
        lease
    };
    let shared = Arc::clone(&lease.connection().shared);
    shared.with(|state, now, fx| state.release(lease, verdict, counted, now, fx));
}

/// Wakes the next in line. Nothing keeps the pool alive meanwhile, so a panic is left for it to find.
fn wake(pool: PoolId, waker: Option<Waker>) {
    if let Some(waker) = waker
        && let Err(caught) = catch("wake", || waker.wake())
    {
        pool.leave(caught);
    }
}

/// What is seen of a connection that comes back.
enum Seen {
    Verdict(Verdict),
    /// It is dead, and so are all of its age.
    AllBroken,
}

/// What is to become of a connection that comes back, going by what can be seen of it.
#[inline]
fn inspect<C: Connector>(resident: &mut Resident<C>) -> Seen {
    if std::thread::panicking() {
        return Seen::Verdict(Verdict::Dead(CloseReason::Panicked));
    }
    let Resident { connection, shared } = resident;
    let verdict = match shared.guard("condition", || shared.connector.condition(connection)) {
        Some(Condition::Clean) => Verdict::Clean,
        Some(Condition::Dirty) => Verdict::Dirty,
        Some(Condition::Broken) | None => Verdict::Dead(CloseReason::Broken),
        Some(Condition::AllBroken) => return Seen::AllBroken,
    };
    Seen::Verdict(verdict)
}

impl<C: Connector> Drop for Pooled<C> {
    fn drop(&mut self) {
        self.end(None);
    }
}

impl<C: Connector> Deref for Pooled<C> {
    type Target = C::Connection;

    fn deref(&self) -> &C::Connection {
        &self.lease().connection().connection
    }
}

impl<C: Connector> DerefMut for Pooled<C> {
    fn deref_mut(&mut self) -> &mut C::Connection {
        let lease = self.lease.as_mut().expect("the lease is taken only when the guard ends");
        &mut lease.connection_mut().connection
    }
}

/// Shows pool and id, never the connection: that may hold secrets.
impl<C: Connector> fmt::Debug for Pooled<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pooled")
            .field("pool", &self.pool_name())
            .field("id", &self.id())
            .finish_non_exhaustive()
    }
}
