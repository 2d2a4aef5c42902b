//! The primitives that threads meet at, so that the model checkers can stand in for them.
//!
//! Everything that two threads may touch at once goes through here. Under `--cfg pool_loom` loom's doubles take
//! over and explore every interleaving, see `engine/models.rs`; under `--cfg pool_shuttle` those of shuttle, which
//! draws interleavings at random, see `engine/schedules.rs`.

mod planted;

#[cfg(not(pool_loom))]
mod real {
    #[cfg(not(pool_shuttle))]
    use std as threads;

    #[cfg(not(pool_shuttle))]
    pub(crate) use parking_lot::{Mutex as Raw, MutexGuard as Locked};
    #[cfg(pool_shuttle)]
    use shuttle as threads;
    #[cfg(pool_shuttle)]
    pub(crate) use shuttle::sync::{Mutex as Raw, MutexGuard as Locked};
    #[cfg(test)]
    pub(crate) use std::sync::Arc as Counted;
    #[cfg(test)]
    pub(crate) use threads::sync::Mutex;
    pub(crate) use threads::sync::atomic::{AtomicPtr, AtomicU32, AtomicU64, AtomicUsize};
    #[cfg(test)]
    pub(crate) use threads::{sync::Condvar, thread};

    /// `std`'s cell with the access that loom can watch.
    #[derive(Debug, Default)]
    pub(crate) struct UnsafeCell<T>(std::cell::UnsafeCell<T>);

    impl<T> UnsafeCell<T> {
        pub(crate) fn new(value: T) -> Self {
            UnsafeCell(std::cell::UnsafeCell::new(value))
        }

        #[inline]
        pub(crate) fn with<R>(&self, access: impl FnOnce(*const T) -> R) -> R {
            access(self.0.get())
        }

        #[inline]
        pub(crate) fn with_mut<R>(&self, access: impl FnOnce(*mut T) -> R) -> R {
            access(self.0.get())
        }
    }
}

#[cfg(pool_loom)]
mod real {
    pub(crate) use loom::cell::UnsafeCell;
    #[cfg(test)]
    pub(crate) use loom::sync::Mutex;
    pub(crate) use loom::sync::atomic::{AtomicPtr, AtomicU32, AtomicU64, AtomicUsize};
    pub(crate) use loom::sync::{Mutex as Raw, MutexGuard as Locked};
    #[cfg(test)]
    pub(crate) use loom::{
        sync::{Arc as Counted, Condvar},
        thread,
    };
}

pub(crate) use planted::{Defect, planted};
pub(crate) use real::*;

/// The lock of the engine. A panic under it does not poison it: the data is then still the best there is.
///
/// `parking_lot`'s, as it is the quicker one when processors are far apart and a few threads want it all the time: 900
/// against 1,030 ns for each use of a saturated pool, and 320 against 340 when they are close (2026-11-21).
#[derive(Debug)]
pub(crate) struct Lock<T>(Raw<T>);

impl<T> Lock<T> {
    pub(crate) fn new(value: T) -> Self {
        Lock(Raw::new(value))
    }

    #[inline]
    pub(crate) fn lock(&self) -> Locked<'_, T> {
        #[cfg(any(pool_loom, pool_shuttle))]
        let locked = self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        #[cfg(not(any(pool_loom, pool_shuttle)))]
        let locked = self.0.lock();
        locked
    }
}
