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

    #[cfg(pool_shuttle)]
    use shuttle as threads;
    #[cfg(test)]
    pub(crate) use std::sync::Arc as Counted;
    pub(crate) use threads::sync::atomic::{AtomicPtr, AtomicU32, AtomicU64, AtomicUsize};
    pub(crate) use threads::sync::{Mutex, MutexGuard};
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
    pub(crate) use loom::sync::atomic::{AtomicPtr, AtomicU32, AtomicU64, AtomicUsize};
    pub(crate) use loom::sync::{Mutex, MutexGuard};
    #[cfg(test)]
    pub(crate) use loom::{
        sync::{Arc as Counted, Condvar},
        thread,
    };
}

pub(crate) use planted::{Defect, planted};
pub(crate) use real::*;
