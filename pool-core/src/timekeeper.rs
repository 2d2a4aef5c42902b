//! The task that ends waits whose deadline has passed.
//!
//! One for the whole pool, and only while somebody waits: a timer for each caller would cost more than all the rest of
//! waiting. It runs none but our own code, wakers aside, so that no connector, observer or connection can keep callers
//! from learning that their time is up. The keeper could not promise that.

use std::sync::Arc;

use tokio::time::sleep_until;

use crate::connector::Connector;
use crate::shared::Shared;

/// Starts the timekeeper. The state machine has noted already when it is to look.
pub(crate) fn start<C: Connector>(shared: Arc<Shared<C>>) {
    let runtime = shared.runtime.clone();
    let watch = Watch { shared, finished: false };
    // On a runtime that has shut down the future is dropped unpolled, and `watch` with it.
    runtime.spawn(keep_time(watch));
}

/// Notices when the timekeeper is dropped before it has finished: its runtime is gone.
struct Watch<C: Connector> {
    shared: Arc<Shared<C>>,
    finished: bool,
}

impl<C: Connector> Drop for Watch<C> {
    fn drop(&mut self) {
        if !self.finished {
            self.shared.with(|state, now, fx| state.lose_runtime(now, fx));
        }
    }
}

async fn keep_time<C: Connector>(mut watch: Watch<C>) {
    loop {
        let next = watch.shared.with(|state, now, fx| state.alarm(now, fx));
        let Some(at) = next else { break };
        tokio::select! {
            () = sleep_until(at) => {}
            () = watch.shared.alarm.notified() => {}
        }
    }
    watch.finished = true;
}
