//! What the monitor is told of the targets of pools: their health, and their circuit breakers.

use std::sync::{Arc, Weak};

use pool_health::{BreakerState as Breaker, HealthStatus, Issue};
use pool_monitor::{BreakerState, TargetHealth, TargetSource};

use crate::blueprint::Gate;
use crate::manager::Shared;

/// Knows a manager, as long as there is one.
pub(super) struct Targets(pub(super) Weak<Shared>);

impl Targets {
    /// How the target of a pool is; `None` if nobody looks, because who looked once knows nothing of today.
    fn status(&self, pool: &str) -> Option<(Arc<Shared>, HealthStatus)> {
        let shared = self.0.upgrade()?;
        let monitor = &shared.health.monitor;
        let status = monitor.is_running().then(|| monitor.status(pool))?;
        Some((shared, status))
    }

    /// What is wrong with it. A report is made for this call, and one that is healthy has nothing to tell.
    fn issues(&self, pool: &str) -> Vec<Issue> {
        let Some((shared, status)) = self.status(pool) else { return Vec::new() };
        if matches!(status, HealthStatus::Healthy | HealthStatus::Unknown) {
            return Vec::new();
        }
        shared.health.monitor.report(pool).map_or_else(Vec::new, |report| report.issues)
    }

    fn gate(&self, pool: &str) -> Option<Arc<Gate>> {
        let shared = self.0.upgrade()?;
        let registry = shared.read();
        if let Some(entry) = registry.named.get(pool) {
            return Some(Arc::clone(&entry.gate));
        }
        // One made on demand is known by its target.
        let target = shared.set.get(pool)?.target()?;
        registry.on_demand.get(&target).map(|on_demand| Arc::clone(&on_demand.entry.gate))
    }
}

impl TargetSource for Targets {
    fn health(&self, pool: &str) -> TargetHealth {
        match self.status(pool).map(|(_, status)| status) {
            Some(HealthStatus::Healthy) => TargetHealth::Healthy,
            Some(HealthStatus::Degraded) => TargetHealth::Degraded,
            Some(HealthStatus::Unhealthy) => TargetHealth::Unhealthy,
            Some(HealthStatus::Recovering) => TargetHealth::Recovering,
            _ => TargetHealth::Unknown,
        }
    }

    fn breaker(&self, pool: &str) -> Option<BreakerState> {
        // Without the lock of the registry: a breaker has one of its own.
        let breaker = self.gate(pool)?.breaker()?;
        Some(match breaker.state() {
            Breaker::HalfOpen => BreakerState::HalfOpen,
            Breaker::Open | Breaker::ForcedOpen => BreakerState::Open,
            // Closed, or by hand one that lets everybody through.
            _ => BreakerState::Closed,
        })
    }

    fn is_flapping(&self, pool: &str) -> bool {
        self.issues(pool).iter().any(|issue| matches!(issue, Issue::Flapping { .. }))
    }

    fn last_error(&self, pool: &str) -> Option<String> {
        self.issues(pool).into_iter().find_map(|issue| match issue {
            Issue::Down { cause } | Issue::CheckFailed { cause } | Issue::NewConnectionsFail { cause } => {
                Some(cause)
            }
            _ => None,
        })
    }
}
