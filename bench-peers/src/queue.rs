//! Knowing when everybody stands in line.

use std::future::poll_fn;
use std::pin::pin;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Counts those who have arrived.
#[derive(Debug, Default)]
pub(crate) struct Counter(AtomicUsize);

impl Counter {
    /// Counts one more; returns how many they are now.
    pub(crate) fn count(&self) -> usize {
        // Ordering: the last one to count has seen what all the others did before.
        self.0.fetch_add(1, Ordering::AcqRel) + 1
    }

    /// How many they are.
    pub(crate) fn get(&self) -> usize {
        self.0.load(Ordering::Acquire)
    }
}

/// Awaits `acquire`, and counts its caller when it says for the first time that it must wait.
pub(crate) async fn arrive<F: Future>(acquire: F, queued: &Counter) -> F::Output {
    let mut acquire = pin!(acquire);
    let mut counted = false;
    poll_fn(|context| {
        let polled = acquire.as_mut().poll(context);
        if !counted && polled.is_pending() {
            counted = true;
            queued.count();
        }
        polled
    })
    .await
}
