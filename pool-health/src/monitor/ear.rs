//! What the monitor hears from the pools themselves.

use std::sync::Weak;

use pool_core::{AcquireError, Observer, PoolEvent, PoolId};
use tokio::time::Instant;

use super::Shared;
use super::watched::Facts;

/// An observer of every pool.
///
/// It only takes note: a pool's caller must not wait for the monitor's observers. Of a pool that is not the one under watch by its
/// name it takes none.
pub(super) struct Ear(pub(super) Weak<Shared>);

impl Observer for Ear {
    fn wants_uses(&self) -> bool {
        false
    }

    fn event_of(&self, id: PoolId, pool: &str, event: &PoolEvent) {
        let is_of_interest = matches!(
            event,
            PoolEvent::ConnectFailed { .. }
                | PoolEvent::Created { .. }
                | PoolEvent::ValidationCompleted { .. }
                | PoolEvent::Closed { .. }
                | PoolEvent::Flushed { .. }
                | PoolEvent::OutageStarted { .. }
                | PoolEvent::OutageEnded { .. }
        ) || matches!(event, PoolEvent::AcquireFailed { error } if may_be_for_want_of_one(error));
        if !is_of_interest {
            return;
        }
        let Some(shared) = self.0.upgrade() else { return };
        if !shared.state().targets.get(pool).is_some_and(|watched| watched.is_id(id)) {
            return;
        }
        // Without the lock: the error is one of the connector's.
        let cause = match event {
            PoolEvent::ConnectFailed { failure: cause, .. } | PoolEvent::OutageStarted { cause } => {
                Some(cause.cause.to_string())
            }
            _ => None,
        };
        // Nothing else that is heard changes a status.
        let facts = match event {
            PoolEvent::OutageStarted { .. } => {
                let facts = shared.pool(pool).map(|pool| Facts::of(&*pool));
                // It may be over already.
                let Some(facts) = facts.filter(Facts::is_in_outage) else { return };
                Some(facts)
            }
            _ => None,
        };
        let mut state = shared.state();
        let state = &mut *state;
        if facts.is_some() && !state.is_running() {
            // Nobody would notice the end of it.
            return;
        }
        let usual = state.usual(pool);
        let Some(watched) = state.targets.get_mut(pool).filter(|watched| watched.is_id(id)) else { return };
        let reaction = watched.hear(event, cause, &state.settings, usual, Instant::now());
        if let Some(facts) = facts {
            state.queue(pool, &facts, reaction.changes);
        }
        if reaction.is_sooner {
            shared.bell.notify_one();
        }
    }
}

/// Whether a caller may have got this error because all connections were in use.
fn may_be_for_want_of_one(error: &AcquireError) -> bool {
    matches!(error, AcquireError::Timeout(_) | AcquireError::QueueFull(_))
}
