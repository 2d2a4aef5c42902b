//! What the suite asks of a backend: to be used, to be left in a mess, to be broken and mended.

use std::error::Error;
use std::future::Future;
use std::time::Duration;

use pool_core::{Connector, Pool};
use pool_drivers::Replaceable;

/// The password of those servers that want one.
pub(crate) const PASSWORD: &str = "canary-5c0e";

/// A connection of a backend.
pub(crate) type ConnectionOf<B> = <<B as Backend>::Connector as Connector>::Connection;

/// A pool of a backend.
pub(crate) type PoolOf<B> = Pool<<B as Backend>::Connector>;

/// What came of an attempt that may fail.
pub(crate) type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;

/// What a holder leaves behind. Each backend has something of its own for each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mess {
    /// Something begun and not ended: a transaction, a `MULTI`, a question without its answer.
    Begun,
    /// Something begun that has failed since.
    Failed,
    /// An answer of which only the beginning was read.
    Unread,
}

impl Mess {
    pub(crate) const ALL: [Mess; 3] = [Mess::Begun, Mess::Failed, Mess::Unread];
}

/// A server that runs, or what comes nearest to one, and the way to it.
pub(crate) trait Backend: Send + Sync + Sized + 'static {
    type Connector: Replaceable;

    /// How often a pool is flushed when all its busy sessions are killed at once: 1 if the error that each holder
    /// sees concerns all connections, 0 if it says nothing about the others.
    const FLUSHES_OF_A_KILL: u64;

    /// Whether validation fails while nobody answers.
    const VALIDATION_SEES_SILENCE: bool = true;

    async fn start() -> Self;

    /// Opens connections on the way that can be broken.
    fn connector(&self) -> Self::Connector;

    /// Asks what is answered with the question itself. It may take for ever.
    fn ask(
        connection: &mut ConnectionOf<Self>,
        question: &str,
    ) -> impl Future<Output = Outcome<String>> + Send;

    /// Leaves the connection as a careless holder would.
    async fn leave(connection: &mut ConnectionOf<Self>, mess: Mess);

    /// Whether nothing of what an earlier holder did is to be seen.
    async fn is_clean(connection: &mut ConnectionOf<Self>) -> bool;

    /// How many sessions the server has, of all clients but the harness.
    async fn sessions(&self) -> usize;

    /// Ends all of them at the server, and returns when they are gone there.
    async fn kill_sessions(&self);

    /// Stops the server: whoever connects is refused.
    async fn stop(&self);

    /// Starts it again.
    async fn start_again(&self);

    /// Nobody answers any more; connections stay open.
    async fn freeze(&self);

    /// Ends a freeze.
    async fn thaw(&self);

    /// Breaks the way to the server, until it is mended.
    async fn hinder(&self, hindrance: Hindrance);

    /// Mends the way.
    async fn mend(&self);

    /// Tears down all connections on their way.
    async fn reset(&self);

    /// Tears down all connections, and lets nobody make a new one until that is mended.
    async fn shut(&self);
}

/// What can be wrong with the way to a server.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Hindrance {
    /// What is sent vanishes; connections stay open.
    Blackhole,
    /// What is sent arrives later.
    Latency(Duration),
    /// New connections are refused, open ones go on.
    Refuse,
}
