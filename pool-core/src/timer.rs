//! A timer that survives the end of its runtime.
//!
//! A pool may be used from threads and executors that outlive its runtime. Polling a tokio timer then panics;
//! here it says [`Ended::RuntimeGone`] instead, and the pool closes.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::runtime::Handle;
use tokio::time::{Instant, Sleep, sleep_until};

use crate::panic::catch;

/// How a timer ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ended {
    /// Its time has come.
    Due,
    /// Its runtime is gone, so its time never comes.
    RuntimeGone,
}

/// Ends at an instant, on the clock of a pool's runtime.
pub(crate) struct Timer(Option<Pin<Box<Sleep>>>);

impl Timer {
    pub(crate) fn new(runtime: &Handle, at: Instant) -> Self {
        let _context = runtime.enter();
        Timer(catch("timer", || Box::pin(sleep_until(at))).ok())
    }

    /// Whether timers work at all on this runtime.
    pub(crate) fn works_on(runtime: &Handle) -> bool {
        Timer::new(runtime, Instant::now()).0.is_some()
    }
}

impl Future for Timer {
    type Output = Ended;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Ended> {
        let Some(sleep) = &mut self.0 else { return Poll::Ready(Ended::RuntimeGone) };
        match catch("timer", || sleep.as_mut().poll(context)) {
            Ok(polled) => polled.map(|()| Ended::Due),
            Err(_) => Poll::Ready(Ended::RuntimeGone),
        }
    }
}
