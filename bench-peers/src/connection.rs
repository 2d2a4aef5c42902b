//! What all pools hold here: a connection that costs nothing, so that only the pool is measured.

use std::convert::Infallible;
use std::sync::atomic::{AtomicU64, Ordering};

/// A connection to nowhere.
#[derive(Debug)]
pub(crate) struct Conn {
    /// Tells the connections of a pool apart.
    pub(crate) id: u64,
}

/// Opens and checks connections for every pool. Neither can fail, or takes any time.
#[derive(Debug, Default)]
pub(crate) struct Opener {
    opened: AtomicU64,
}

/// What connecting never fails with.
pub(crate) type Never = Infallible;

impl Opener {
    /// Opens the next connection.
    pub(crate) fn open(&self) -> Conn {
        // Ordering: a counter; nothing else hangs on it.
        Conn { id: self.opened.fetch_add(1, Ordering::Relaxed) }
    }
}
