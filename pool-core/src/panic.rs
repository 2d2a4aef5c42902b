//! Keeps panics of user code out of the pool: connectors, observers, and drops of connections.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::pool_id::PoolId;

/// A panic that was caught.
#[derive(Debug)]
pub(crate) struct Caught {
    /// What was called, such as `validate`.
    pub(crate) place: &'static str,
    /// The panic's message.
    pub(crate) message: String,
}

/// Calls `code`, catching its panic.
///
/// Unwind safety: whatever `code` was working on is either thrown away after a panic (connections) or
/// user code that has to look after itself (observers).
pub(crate) fn catch<T>(place: &'static str, code: impl FnOnce() -> T) -> Result<T, Caught> {
    catch_unwind(AssertUnwindSafe(code)).map_err(|payload| Caught::new(place, payload))
}

/// Panics that were caught where the pool they belong to may have been gone, for it to find.
static LEFT: Mutex<Vec<Left>> = Mutex::new(Vec::new());
static ANY_LEFT: AtomicBool = AtomicBool::new(false);

/// After so many looks by other pools its own is taken to be gone, and the panic is forgotten.
const LOOKS: u32 = 1_000;

struct Left {
    pool: PoolId,
    caught: Caught,
    looks: u32,
}

impl PoolId {
    /// Leaves a panic for the pool to find.
    pub(crate) fn leave(self, caught: Caught) {
        left().push(Left { pool: self, caught, looks: 0 });
        ANY_LEFT.store(true, Ordering::Release);
    }

    /// The panics that were left for this pool.
    pub(crate) fn find(self) -> Vec<Caught> {
        if !ANY_LEFT.load(Ordering::Acquire) {
            return Vec::new();
        }
        let mut left = left();
        let found = left.extract_if(.., |left| left.pool == self).map(|left| left.caught).collect();
        left.retain_mut(|left| {
            left.looks += 1;
            left.looks < LOOKS
        });
        ANY_LEFT.store(!left.is_empty(), Ordering::Release);
        found
    }
}

fn left() -> MutexGuard<'static, Vec<Left>> {
    LEFT.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Caught {
    fn new(place: &'static str, payload: Box<dyn Any + Send>) -> Self {
        let message = match payload.downcast::<&'static str>() {
            Ok(text) => (*text).to_owned(),
            Err(payload) => match payload.downcast::<String>() {
                Ok(text) => *text,
                Err(payload) => {
                    // The payload may panic in its own drop. Leaking it is the lesser harm.
                    std::mem::forget(payload);
                    String::from("(not a text)")
                }
            },
        };
        Caught { place, message }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_becomes_its_message() {
        let caught = catch("here", || panic!("over {}", "there")).unwrap_err();
        assert_eq!((caught.place, caught.message.as_str()), ("here", "over there"));
        let caught = catch("here", || std::panic::panic_any(7)).unwrap_err();
        assert_eq!(caught.message, "(not a text)");
    }
}
