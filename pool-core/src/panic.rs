//! Keeps panics of user code out of the pool: connectors, observers, and drops of connections.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};

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
