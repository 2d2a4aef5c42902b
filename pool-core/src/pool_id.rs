//! Which pool it is: a name may be used again, and by two pools at a time.

use std::sync::atomic::{AtomicU64, Ordering};

/// Tells a pool from all others of the process, those of before and those of the same name included.
///
/// A pool that is replaced lives on while its connections come back, beside the one that has its name now.
/// [`PoolControl::id`](crate::PoolControl::id) and [`Observer::event_of`](crate::Observer::event_of) say which one it is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct PoolId(u64);

impl PoolId {
    /// One that no pool has or had: for a [`PoolControl`](crate::PoolControl) that is no [`Pool`](crate::Pool).
    pub fn unique() -> Self {
        static LAST: AtomicU64 = AtomicU64::new(0);
        PoolId(LAST.fetch_add(1, Ordering::Relaxed))
    }
}
