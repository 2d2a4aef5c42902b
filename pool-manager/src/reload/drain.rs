//! The end of connections that are older than a reload.

use std::collections::BTreeSet;
use std::sync::{Arc, Weak};
use std::time::Duration;

use pool_core::{ConnectionId, Holder};
use tokio::task::JoinSet;

use crate::any::AnyPool;
use crate::event::ManagerEvent;
use crate::manager::Shared;

/// How often to look again when `grace_ms` is over and holders are written off: what is being opened, checked or closed
/// takes the time that the pool's own timeouts give it.
const AGAIN: Duration = Duration::from_millis(500);

/// Which generations are in force, and of which something older is left.
#[derive(Debug, Default)]
pub(super) struct Progress {
    pub(super) generation: u64,
    draining: BTreeSet<u64>,
    /// Whether no further generation is going to be in force.
    pub(super) is_over: bool,
}

impl Progress {
    /// Whether a generation is in force, and nothing older than it is left.
    pub(super) fn has_reached(&self, generation: u64) -> bool {
        self.generation >= generation && self.draining.first().is_none_or(|oldest| *oldest > generation)
    }
}

/// A pool with connections that are to go.
pub(super) enum Draining {
    /// It stays; those go whose ids are lower.
    Changed(AnyPool, ConnectionId),
    /// It goes as a whole.
    Removed(AnyPool),
}

impl Draining {
    fn pool(&self) -> &AnyPool {
        match self {
            Draining::Changed(pool, _) | Draining::Removed(pool) => pool,
        }
    }

    /// Waits for the end of what is to go. Returns who still holds some of it at the deadline, or `None` if nothing is left.
    async fn wait(&self, deadline: Duration) -> Option<Vec<Holder>> {
        match self {
            Draining::Changed(pool, first_new) => {
                let left = pool.control().wait_gone(*first_new, deadline).await;
                (!left.is_empty())
                    .then(|| left.into_iter().filter_map(|connection| connection.holder).collect())
            }
            Draining::Removed(pool) => {
                let report = pool.control().close(deadline).await;
                (!report.is_complete()).then_some(report.still_held)
            }
        }
    }

    async fn drain(self, grace: Duration, shared: Weak<Shared>) {
        let mut patience = grace;
        while let Some(holders) = self.wait(patience).await {
            let control = self.pool().control();
            for holder in holders {
                if control.abandon(holder.connection)
                    && let Some(shared) = shared.upgrade()
                {
                    let pool = control.name().to_owned();
                    shared.tell(&ManagerEvent::Abandoned { pool, holder });
                }
            }
            patience = AGAIN;
        }
    }
}

impl Shared {
    /// Notes that a generation is in force, and sees to it that what is older goes. Must be called on a runtime.
    pub(super) fn drain(self: &Arc<Self>, generation: u64, draining: Vec<Draining>, grace: Duration) {
        let drains = !draining.is_empty();
        self.reloads.progress.send_modify(|progress| {
            progress.generation = generation;
            if drains {
                progress.draining.insert(generation);
            }
        });
        if !drains {
            return;
        }
        let shared = Arc::downgrade(self);
        tokio::spawn(async move {
            let mut drains = JoinSet::new();
            for pool in draining {
                drains.spawn(pool.drain(grace, shared.clone()));
            }
            drains.join_all().await;
            if let Some(shared) = shared.upgrade() {
                shared.reloads.progress.send_modify(|progress| {
                    progress.draining.remove(&generation);
                });
                shared.forget_ended();
                shared.tell(&ManagerEvent::Drained { generation });
            }
        });
    }
}
