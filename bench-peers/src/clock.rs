//! The real clock. This program measures it, so nothing here may run on a paused one.

use std::thread;
use std::time::{Duration, Instant};

/// Now.
#[expect(clippy::disallowed_methods, reason = "a benchmark measures real time")]
pub(crate) fn now() -> Instant {
    Instant::now()
}

/// Lets time pass, on a thread that runs no tasks.
#[expect(clippy::disallowed_methods, reason = "the controlling thread runs no tasks")]
pub(crate) fn pass(time: Duration) {
    thread::sleep(time);
}
