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
        // Nothing else that is heard changes a status.
        let facts = match event {
            // Nobody would tell of it: a monitor that does not run knows what it is asked for.
            PoolEvent::OutageStarted { .. } if !shared.state().is_running() => return,
            PoolEvent::OutageStarted { .. } => shared.pool(pool).map(|pool| Facts::of(&*pool)),
            _ => None,
        };
        let mut state = shared.state();
        let state = &mut *state;
        let Some(watched) = state.targets.get_mut(pool) else { return };
        let reaction = watched.hear(event, &state.settings, Instant::now());
        if let Some(facts) = facts {
            state.queue(pool, &facts, reaction.changes);
        }
        if reaction.is_sooner {
            shared.bell.notify_one();
        }
    }
}
