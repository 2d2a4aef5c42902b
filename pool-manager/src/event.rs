//! What happens to the system of pools as a whole, told to whoever wants to know.
//!
//! What happens in each pool, its own observers are told.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use pool_core::Holder;

use crate::reload::ReloadReport;
use crate::shutdown::ShutdownReport;

/// Something that happened to the system of pools.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum ManagerEvent {
    /// There is a pool that was not there before.
    PoolAdded {
        /// Its name; for one made on demand, the key of its target.
        pool: String,
    },
    /// A pool is no longer there.
    PoolRemoved {
        /// Its name; for one made on demand, the key of its target.
        pool: String,
    },
    /// A new configuration is in force.
    ReloadApplied {
        /// What was changed.
        report: Arc<ReloadReport>,
    },
    /// The configuration was looked at, and is the one in force.
    ReloadUnchanged,
    /// A new configuration was refused, and nothing was changed.
    ReloadRefused {
        /// Why: the text of the [`ReloadError`](crate::ReloadError), which fits "failed to …".
        reason: String,
    },
    /// No connection is left that is older than a reload, in the pools that it changed.
    Drained {
        /// The generation that the reload began.
        generation: u64,
    },
    /// A connection older than a reload was held for longer than `grace_ms`, and was written off.
    Abandoned {
        /// The pool's name.
        pool: String,
        /// Who holds it.
        holder: Holder,
    },
    /// All pools were closed.
    Closed {
        /// Which, and who still held what.
        report: Arc<ShutdownReport>,
    },
}

/// Is told what happens to the system of pools.
///
/// Called without a lock, on the thread that caused the event. Calling back into the manager is allowed, but for one thing: do
/// not wait for a reload. What a reload did is told while it still has its turn, so that all are told in order; the next one
/// begins when every observer has returned, and an observer that waited for it would wait for ever. Spawn a task that
/// reloads instead. A panic is caught and logged.
pub trait ManagerObserver: Send + Sync + 'static {
    /// Receives every event.
    fn event(&self, event: &ManagerEvent);
}

impl<F: Fn(&ManagerEvent) + Send + Sync + 'static> ManagerObserver for F {
    fn event(&self, event: &ManagerEvent) {
        self(event);
    }
}

/// Logs an event and tells all observers.
pub(crate) fn tell(observers: &[Arc<dyn ManagerObserver>], event: &ManagerEvent) {
    log(event);
    for observer in observers {
        if catch_unwind(AssertUnwindSafe(|| observer.event(event))).is_err() {
            tracing::warn!("an observer of the pool manager panicked");
        }
    }
}

fn log(event: &ManagerEvent) {
    match event {
        ManagerEvent::PoolAdded { pool } => tracing::info!(pool, "pool added"),
        ManagerEvent::PoolRemoved { pool } => tracing::info!(pool, "pool removed"),
        ManagerEvent::ReloadApplied { report } => tracing::info!("{report}"),
        ManagerEvent::ReloadUnchanged => tracing::debug!("the configuration is as before"),
        ManagerEvent::ReloadRefused { reason } => {
            tracing::error!("failed to {reason}; the configuration in force stays");
        }
        ManagerEvent::Drained { generation } => {
            tracing::info!(generation, "no connection of before the reload is left");
        }
        ManagerEvent::Abandoned { pool, holder } => {
            tracing::warn!(pool, "a connection of before the reload was written off: {holder}");
        }
        ManagerEvent::Closed { report } => tracing::info!("{report}"),
    }
}
