//! What the monitor hears from the pools themselves.

use std::sync::Weak;

use pool_core::{Observer, PoolEvent};
use tokio::time::Instant;

use super::Shared;
use super::watched::Facts;

/// An observer of every pool.
///
/// It only takes note: a pool's caller must not wait for the monitor's observers.
pub(super) struct Ear(pub(super) Weak<Shared>);

impl Observer for Ear {
    fn wants_uses(&self) -> bool {
        false
    }

    fn event(&self, pool: &str, event: &PoolEvent) {
        let is_of_interest = matches!(
            event,
            PoolEvent::ConnectFailed { .. }
                | PoolEvent::Created { .. }
                | PoolEvent::ValidationCompleted { .. }
                | PoolEvent::Closed { .. }
                | PoolEvent::Flushed { .. }
                | PoolEvent::OutageStarted { .. }
                | PoolEvent::OutageEnded { .. }
        );
        if !is_of_interest {
            return;
        }
        let Some(shared) = self.0.upgrade() else { return };
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
                // It may be over already, or that of another pool of this name, which is on its way out.
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
        let Some(watched) = state.targets.get_mut(pool) else { return };
        let reaction = watched.hear(event, cause, &state.settings, Instant::now());
        if let Some(facts) = facts {
            state.queue(pool, &facts, reaction.changes);
        }
        if reaction.is_sooner {
            shared.bell.notify_one();
        }
    }
}
