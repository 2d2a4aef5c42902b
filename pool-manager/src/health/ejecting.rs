//! Members of groups whose targets are unhealthy are left out, as long as somebody looks whether they are back.
//!
//! The monitor is the program's as well, which may stop it, and nobody is told of that. So while a member is left out, a task
//! looks whether the monitor still runs.

use std::sync::{Arc, MutexGuard, Weak};
use std::time::Duration;

use pool_health::{HealthEvent, HealthObserver};
use tokio::time::sleep;

use crate::duty::OnDuty;
use crate::manager::Shared;

/// How often it is looked whether the monitor runs.
const ROUND: Duration = Duration::from_secs(1);

/// Has the groups leave out the pools that are unhealthy.
pub(crate) struct Ejector(pub(crate) Weak<Shared>);

impl HealthObserver for Ejector {
    fn event(&self, pool: &str, event: &HealthEvent) {
        // Checks as well: a monitor that is started again goes on with what it knew, and tells of no change.
        if !matches!(event, HealthEvent::StatusChanged { .. } | HealthEvent::CheckCompleted { .. }) {
            return;
        }
        let Some(shared) = self.0.upgrade() else { return };
        let turn = shared.health.judging();
        let is_unhealthy = shared.health.is_unhealthy(pool);
        let is_member = {
            let registry = shared.read();
            registry.groups.set_unhealthy(pool, is_unhealthy);
            is_unhealthy && registry.groups.pools().contains(pool)
        };
        if is_member {
            shared.watch_the_watch(&turn);
        }
    }
}

impl Shared {
    /// Tells the groups which of their members are unhealthy. For when members have joined, or nobody watches them any more.
    pub(crate) fn judge_members(self: &Arc<Self>) {
        // A member may have got the name of a pool that is gone, and what is known is known of that one.
        self.health.monitor.refresh();
        let turn = self.health.judging();
        if self.judge_all(&turn) {
            self.watch_the_watch(&turn);
        }
    }

    /// Returns whether any member is unhealthy.
    fn judge_all(&self, _turn: &MutexGuard<'_, ()>) -> bool {
        let registry = self.read();
        let mut any = false;
        for pool in registry.groups.pools() {
            let is_unhealthy = self.health.is_unhealthy(&pool);
            registry.groups.set_unhealthy(&pool, is_unhealthy);
            any |= is_unhealthy;
        }
        any
    }

    /// Starts the task, if it does not run.
    fn watch_the_watch(self: &Arc<Self>, _turn: &MutexGuard<'_, ()>) {
        // Whoever tells of a health may do so on a thread that knows no runtime.
        let Some(runtime) = &self.health.runtime else { return };
        if let Some(on_duty) = self.health.ejecting.begin() {
            runtime.spawn(work(Arc::downgrade(self), on_duty));
        }
    }
}

async fn work(shared: Weak<Shared>, on_duty: OnDuty) {
    loop {
        sleep(ROUND).await;
        let Some(shared) = shared.upgrade() else { return };
        let turn = shared.health.judging();
        if !shared.judge_all(&turn) {
            // Lock: under which the next member is left out.
            shared.health.ejecting.end();
            on_duty.leave();
            return;
        }
    }
}
