//! The health of the pools of a manager: the monitor, as the configuration wants it, and what follows from what it finds.

mod ejecting;

use std::collections::HashMap;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Waker};
use std::time::Duration;

use pool_config::HealthMonitoring;
use pool_core::PoolSet;
use pool_health::{
    CircuitBreaker, HealthEvent, HealthMonitor, HealthObserver, HealthReport, HealthSettings, HealthStatus,
    SettingsError,
};
use tokio::runtime::Handle;

use crate::duty::Duty;
use crate::error::LookupError;
use crate::manager::PoolManager;

pub(crate) use ejecting::Ejector;

/// What `health_monitoring` says, as settings of the monitor. All keys are taken apart by name, so that one that is added does
/// not compile until it is used here.
fn settings(config: &HealthMonitoring) -> HealthSettings {
    let &HealthMonitoring {
        // Whoever starts and stops the monitor looks at it.
        enabled: _,
        check_interval,
        connection_timeout,
        idle_timeout,
        enable_automatic_recovery,
        max_recovery_attempts,
        unhealthy_threshold,
        healthy_threshold,
        fast_interval,
        down_interval,
        interval_jitter,
        max_concurrent_checks,
        passive_errors,
        slow_check,
    } = config;
    HealthSettings {
        check_interval,
        timeout: connection_timeout,
        fall: unhealthy_threshold,
        rise: healthy_threshold,
        fast_interval,
        down_interval,
        jitter: interval_jitter,
        max_concurrent_checks,
        slow_after: (!slow_check.is_zero()).then_some(slow_check),
        passive_errors,
        automatic_recovery: enable_automatic_recovery,
        max_recovery_attempts,
        idle_timeout,
    }
}

/// The key of `health_monitoring` that a setting of the monitor comes from.
fn key_of(setting: &'static str) -> &'static str {
    let field = match setting {
        "timeout" => "connection_timeout",
        "fall" => "unhealthy_threshold",
        "rise" => "healthy_threshold",
        "jitter" => "interval_jitter",
        same => same,
    };
    HealthMonitoring::key_of(field).unwrap_or(setting)
}

/// See the [module](self).
pub(crate) struct Health {
    pub(crate) monitor: HealthMonitor,
    checks: Arc<Checks>,
    // Lock: from where it is read how a pool is to where its groups are told. Two at once could leave behind what the slower
    // one has read. Taken before that of the registry.
    judging: Mutex<()>,
    /// Of the task that is there while a member of a group is left out.
    ejecting: Duty,
    /// Where it runs; `None` = the manager was made without one, and so without pools.
    runtime: Option<Handle>,
}

impl Health {
    /// A monitor that does not run yet.
    ///
    /// # Errors
    ///
    /// If the configuration was made in code and holds what a file may not hold.
    pub(crate) fn new(pools: PoolSet, config: &HealthMonitoring) -> Result<Self, SettingsError> {
        Health::check(config)?;
        let monitor = HealthMonitor::new(pools, settings(config))?;
        let checks = Arc::new(Checks::default());
        monitor.subscribe(checks.clone());
        Ok(Health {
            monitor,
            checks,
            judging: Mutex::default(),
            ejecting: Duty::default(),
            runtime: Handle::try_current().ok(),
        })
    }

    /// Whether this configuration may be had.
    ///
    /// # Errors
    ///
    /// If it was made in code and holds what a file may not hold, names the keys.
    pub(crate) fn check(config: &HealthMonitoring) -> Result<(), SettingsError> {
        settings(config).check().map_err(|mut error| {
            error.subject = "health_monitoring";
            error.problems.iter_mut().for_each(|problem| problem.setting = key_of(problem.setting));
            error
        })
    }

    /// Whether the target of one pool may be checked so often.
    ///
    /// # Errors
    ///
    /// If not; there is one problem then.
    pub(crate) fn check_interval(interval: Duration) -> Result<(), SettingsError> {
        HealthSettings { check_interval: interval, ..HealthSettings::default() }.check()
    }

    /// Has the monitor do what the configuration says. It was checked before.
    pub(crate) fn follow(&self, config: &HealthMonitoring) {
        if self.monitor.settings() != settings(config)
            && let Err(error) = self.monitor.set_settings(settings(config))
        {
            tracing::error!("failed to {error}");
        }
        match config.enabled {
            true => self.monitor.start(),
            false => self.stop(),
        }
    }

    /// How often the target of one pool is checked; `None` = as often as all others.
    pub(crate) fn set_interval(&self, pool: &str, interval: Option<Duration>) {
        if let Err(error) = self.monitor.set_interval(pool, interval) {
            // They were checked when the pool was drawn.
            tracing::error!(pool, "the health is checked as often as that of other pools: failed to {error}");
        }
    }

    /// Ends all checks. There is nothing to wait for: those under way are dropped.
    pub(crate) fn stop(&self) {
        let mut stop = pin!(self.monitor.stop());
        // It stops with the first poll; what is left is to wait until nobody notices it any more.
        let _is_over = stop.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_ready();
    }

    /// Forgets a pool that is gone. Called with the registry's lock, so that it is not forgotten what another pool of its name
    /// is to have.
    pub(crate) fn forget(&self, pool: &str) {
        self.checks.lock().remove(pool);
        self.set_interval(pool, None);
    }

    /// What is known against a pool: the report, if its target is unhealthy and somebody still looks.
    pub(crate) fn against(&self, pool: &str) -> Option<HealthReport> {
        // The status is quickly told, and nearly always another one.
        if !self.is_unhealthy(pool) {
            return None;
        }
        self.monitor.report(pool).filter(|report| report.status == HealthStatus::Unhealthy)
    }

    fn judging(&self) -> MutexGuard<'_, ()> {
        self.judging.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether the target of a pool is known to be unhealthy, and somebody still looks: who does not would never find out that
    /// it is back.
    fn is_unhealthy(&self, pool: &str) -> bool {
        self.monitor.is_running() && self.monitor.status(pool) == HealthStatus::Unhealthy
    }

    /// How often the monitor has asked the pool for a connection.
    pub(crate) fn checks_of(&self, pool: &str) -> CheckCount {
        self.checks.lock().get(pool).copied().unwrap_or_default()
    }
}

/// How often a pool was checked.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct CheckCount {
    pub(crate) begun: u64,
    /// How many are under way: never two of one pool, but one of a pool that is gone may end when another has its name.
    pub(crate) under_way: usize,
}

/// Counts the checks of each pool: they are no reason to keep a pool on demand.
#[derive(Default)]
struct Checks(Mutex<HashMap<String, CheckCount>>);

impl Checks {
    fn lock(&self) -> MutexGuard<'_, HashMap<String, CheckCount>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl HealthObserver for Checks {
    fn event(&self, pool: &str, event: &HealthEvent) {
        let mut counts = self.lock();
        match event {
            HealthEvent::CheckStarted => {
                let count = counts.entry(pool.to_owned()).or_default();
                (count.begun, count.under_way) = (count.begun + 1, count.under_way + 1);
            }
            HealthEvent::CheckCompleted { .. } | HealthEvent::CheckAbandoned => {
                if let Some(count) = counts.get_mut(pool) {
                    count.under_way = count.under_way.saturating_sub(1);
                }
            }
            // Which, is not known: better to keep a pool that nobody needs than to remove one that somebody does.
            HealthEvent::Missed { .. } => drop(counts.remove(pool)),
            _ => {}
        }
    }
}

impl PoolManager {
    /// The monitor that watches all pools, those made on demand included: reports, forced checks, and who is to be told of
    /// what. It does what `health_monitoring` says, from reload to reload; with `enabled: false` it does not run, and may
    /// still be asked for a check. The program may stop it as well: then readiness asks for itself, and members of groups that were
    /// left out are back within a second, until it is started again.
    ///
    /// # Examples
    ///
    /// ```
    /// # #[cfg(feature = "sqlite")]
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let text = "connection_pool: {pools: [{name: orders, driver: sqlite, database: \":memory:\"}]}";
    /// # let config = pool_config::Config::from_yaml(text, "connection_pool.yaml")?;
    /// # let manager = pool_manager::PoolManager::from_config(config).await?;
    /// manager.health().on_lost(|pool, report| eprintln!("page somebody: {pool} is lost: {report}"));
    ///
    /// let report = manager.health().check("orders").await?;
    /// assert!(report.is_healthy(), "{report}");
    /// # Ok(())
    /// # }
    /// # #[cfg(not(feature = "sqlite"))]
    /// # fn main() {}
    /// ```
    pub fn health(&self) -> &HealthMonitor {
        &self.shared.health.monitor
    }

    /// The circuit breaker before the connects of the pool of this name, if it has one; to look at, or to open and close it
    /// by hand. Pools of one target share it, and a reload may give the pool another one.
    ///
    /// # Errors
    ///
    /// If there is no such pool.
    pub fn circuit_breaker(&self, name: &str) -> Result<Option<CircuitBreaker>, LookupError> {
        Ok(self.shared.read().entry(name)?.gate.breaker())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_of_a_file_are_those_of_a_monitor() {
        assert_eq!(settings(&HealthMonitoring::default()), HealthSettings::default());
    }

    #[test]
    fn a_check_that_was_given_up_is_not_under_way() {
        let checks = Checks::default();
        let count = || checks.lock().get("orders").map(|count| (count.begun, count.under_way));
        checks.event("orders", &HealthEvent::CheckAbandoned);
        assert_eq!(count(), None, "one of a pool that is forgotten");
        checks.event("orders", &HealthEvent::CheckStarted);
        assert_eq!(count(), Some((1, 1)));
        checks.event("orders", &HealthEvent::CheckAbandoned);
        assert_eq!(count(), Some((1, 0)));
        checks.event("orders", &HealthEvent::CheckStarted);
        checks.event("orders", &HealthEvent::Missed { events: 7 });
        assert_eq!(count(), None, "nobody knows");
    }

    #[test]
    fn every_key_arrives_under_its_own_name() {
        // No two alike, and none the default: a mix-up of two would show.
        let millis = Duration::from_millis;
        let config = HealthMonitoring {
            enabled: false,
            check_interval: millis(101),
            connection_timeout: millis(102),
            idle_timeout: millis(103),
            enable_automatic_recovery: false,
            max_recovery_attempts: 104,
            unhealthy_threshold: 105,
            healthy_threshold: 106,
            fast_interval: millis(107),
            down_interval: millis(108),
            interval_jitter: 0.109,
            max_concurrent_checks: 110,
            passive_errors: 111,
            slow_check: millis(112),
        };
        insta::assert_debug_snapshot!(settings(&config), @r"
        HealthSettings {
            check_interval: 101ms,
            timeout: 102ms,
            fall: 105,
            rise: 106,
            fast_interval: 107ms,
            down_interval: 108ms,
            jitter: 0.109,
            max_concurrent_checks: 110,
            slow_after: Some(
                112ms,
            ),
            passive_errors: 111,
            automatic_recovery: false,
            max_recovery_attempts: 104,
            idle_timeout: 103ms,
        }
        ");
    }
}
