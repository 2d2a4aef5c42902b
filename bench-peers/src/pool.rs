//! What a pool must offer to be measured. Adding one is one small file in `pools/` and a line in `pools.rs`.

use std::future::Future;
use std::ops::Deref;

use serde::Serialize;

use crate::connection::Conn;

/// What a pool is to the comparison.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Kind {
    /// The pool of this project.
    Ours,
    /// A published pool: one of these is the one to beat.
    Peer,
    /// The least that a pool can be made of; it promises less than a pool.
    Floor,
}

/// What a pool's callers are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Callers {
    Tasks,
    Threads,
}

/// A pool of a fixed size whose callers are tasks.
pub(crate) trait BenchPool: Send + Sync + Sized + 'static {
    /// Its name in tables, JSON, and on the command line.
    const NAME: &'static str;
    /// What it is to the comparison.
    const KIND: Kind;
    /// How it is configured, where that is not its default.
    const SETTINGS: &'static str;

    /// A connection in use; its drop gives the connection back.
    type Guard<'a>: Deref<Target = Conn> + Send
    where
        Self: 'a;

    /// A pool of at most `size` connections; they may be opened later. Called inside the runtime.
    fn new(size: usize) -> impl Future<Output = Self> + Send;

    /// Waits for a connection.
    fn acquire(&self) -> impl Future<Output = Self::Guard<'_>> + Send;

    /// The size of the pool's own future, without what [`acquire`](BenchPool::acquire) wraps around it.
    fn future_bytes(&self) -> usize;
}

/// A pool of a fixed size whose callers are operating-system threads.
pub(crate) trait BlockingPool: Send + Sync + Sized + 'static {
    /// As [`BenchPool::NAME`].
    const NAME: &'static str;
    /// As [`BenchPool::SETTINGS`].
    const SETTINGS: &'static str;

    /// A connection in use; its drop gives the connection back.
    type Guard: Deref<Target = Conn> + Send;

    /// A pool of at most `size` connections.
    fn new(size: usize) -> Self;

    /// Blocks until there is a connection.
    fn acquire(&self) -> Self::Guard;
}

/// Opens all connections of a pool, by holding `size` of them at the same time, and gives back all but `held`.
///
/// Twice, because sqlx gives connections back in tasks of its own: the second round waits for these.
pub(crate) async fn fill<P: BenchPool>(pool: &P, size: usize, held: usize) -> Vec<P::Guard<'_>> {
    let mut guards = Vec::with_capacity(size);
    for _ in 0..2 {
        guards.clear();
        for _ in 0..size {
            guards.push(pool.acquire().await);
        }
    }
    guards.truncate(held);
    guards
}

/// As [`fill`].
pub(crate) fn fill_blocking<P: BlockingPool>(pool: &P, size: usize, held: usize) -> Vec<P::Guard> {
    let mut guards: Vec<_> = (0..size).map(|_| pool.acquire()).collect();
    guards.truncate(held);
    guards
}
