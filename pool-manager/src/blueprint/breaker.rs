//! The circuit breaker of a pool: made of its configuration, and shared by the pools that connect to one target in the same way.

use std::sync::{Arc, Mutex, PoisonError, RwLock, Weak};
use std::time::Duration;

use pool_config::{
    Authentication, CircuitBreakerSettings, PoolConfig, Secret, SecretSource, SessionSettings, Ssl,
};
use pool_core::{ConnectError, ConnectGate, ConnectPass, ConnectRefused, ErrorClass, Target};
use pool_health::{BreakerSettings, BreakerWindow, CircuitBreaker, SettingsError};

use super::Drawing;

/// What a configuration says of the breaker of a pool; `None` if it has none.
fn settings(config: &CircuitBreakerSettings) -> Option<BreakerSettings> {
    let &CircuitBreakerSettings {
        enabled,
        failure_rate,
        minimum_calls,
        consecutive_failures,
        window,
        window_calls,
        open,
        open_max,
        half_open_permits,
        half_open_max,
        slow_connect,
        slow_rate,
    } = config;
    let by_default = BreakerSettings::for_connects();
    let (slow_call_rate, slow_call_duration) = match slow_connect {
        Duration::ZERO => (0.0, by_default.slow_call_duration),
        slow_connect => (slow_rate, slow_connect),
    };
    enabled.then_some(BreakerSettings {
        window: if window_calls == 0 {
            BreakerWindow::Time(window)
        } else {
            BreakerWindow::Count(window_calls)
        },
        failure_rate,
        slow_call_rate,
        slow_call_duration,
        minimum_calls,
        consecutive_failures,
        half_open_permits,
        max_half_open: half_open_max,
        open_base: open,
        open_growth: by_default.open_growth,
        open_max,
    })
}

/// The key that a setting of a breaker comes from.
fn key_of(setting: &'static str, config: &CircuitBreakerSettings) -> &'static str {
    let field = match setting {
        "window" if config.window_calls > 0 => "window_calls",
        "slow_call_rate" => "slow_rate",
        "slow_call_duration" => "slow_connect",
        "max_half_open" => "half_open_max",
        "open_base" => "open",
        same => same,
    };
    CircuitBreakerSettings::key_of(field).unwrap_or(setting)
}

/// The breakers there are. One goes when no pool has it any more.
#[derive(Default)]
pub(super) struct Breakers(Mutex<Vec<Weak<Known>>>);

struct Known {
    stands_for: StandsFor,
    breaker: CircuitBreaker,
}

/// What a breaker stands before.
#[derive(Debug, Clone, PartialEq)]
enum StandsFor {
    Target(Target, Box<Way>),
    /// A pool whose connector does not tell its target.
    Pool(String),
}

/// How a pool connects to its target: of two that log in with different passwords, or trust different certificates, one may be
/// refused while the other is not.
#[derive(Debug, Clone, PartialEq)]
struct Way {
    url: Option<Secret>,
    password: Option<SecretSource>,
    ssl: Ssl,
    authentication: Authentication,
    session: SessionSettings,
}

impl Way {
    fn of(config: &PoolConfig) -> Self {
        let PoolConfig { url, password, ssl, authentication, settings, .. } = config.clone();
        // No connect fails for these two.
        let session =
            SessionSettings { application_name: None, server_max_connections: 0, ..settings.session };
        Way { url, password, ssl, authentication, session }
    }
}

impl Breakers {
    /// The breaker that stands for this with these settings, which is made if there is none.
    fn of(&self, stands_for: StandsFor, settings: BreakerSettings) -> Result<Arc<Known>, SettingsError> {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.retain(|breaker| breaker.strong_count() > 0);
        let mut live = known.iter().filter_map(Weak::upgrade);
        let is_it =
            |known: &Arc<Known>| known.stands_for == stands_for && known.breaker.settings() == settings;
        if let Some(found) = live.find(is_it) {
            return Ok(found);
        }
        let name = match &stands_for {
            StandsFor::Target(target, _) => target.to_string(),
            StandsFor::Pool(name) => name.clone(),
        };
        let breaker = CircuitBreaker::new(name, settings)?;
        let made = Arc::new(Known { stands_for, breaker });
        known.push(Arc::downgrade(&made));
        Ok(made)
    }
}

/// What stands between a pool and its target: the pool's breaker, if it has one at the moment.
#[derive(Default)]
pub(crate) struct Gate(RwLock<Option<Arc<Known>>>);

impl Gate {
    /// The gate that the configuration of a pool describes. What is wrong with it is put down.
    pub(super) fn of(
        config: &PoolConfig,
        target: Option<Target>,
        breakers: &Breakers,
        drawing: &mut Drawing<'_>,
    ) -> Self {
        let Some(settings) = settings(&config.settings.circuit_breaker) else { return Gate::default() };
        let stands_for = match target {
            Some(target) => StandsFor::Target(target, Box::new(Way::of(config))),
            None => StandsFor::Pool(config.name.clone()),
        };
        match breakers.of(stands_for, settings) {
            Ok(known) => Gate(RwLock::new(Some(known))),
            Err(error) => {
                let key_of = |setting| key_of(setting, &config.settings.circuit_breaker);
                for problem in error.problems {
                    let key = format!("circuit_breaker.{}", key_of(problem.setting));
                    // One of the rules names a setting, too.
                    let rule = problem.rule.replace("open_base", key_of("open_base"));
                    drawing.object(&key, &problem.value, rule, "change the value");
                }
                Gate::default()
            }
        }
    }

    /// The breaker.
    pub(crate) fn breaker(&self) -> Option<CircuitBreaker> {
        self.known().map(|known| known.breaker.clone())
    }

    /// Has it find out now whether the target is back, instead of when its breaker is due.
    pub(crate) fn probe_now(&self) {
        if let Some(breaker) = self.breaker() {
            breaker.probe_now();
        }
    }

    /// Has it decide as `next` from now on.
    pub(crate) fn follow(&self, next: &Gate) {
        let next = next.known();
        let before = std::mem::replace(&mut *self.0.write().unwrap_or_else(PoisonError::into_inner), next);
        // Without the lock: a breaker may hold listeners of a user.
        drop(before);
    }

    fn known(&self) -> Option<Arc<Known>> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl std::fmt::Debug for Gate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Gate").field(&self.breaker().map(|breaker| breaker.state())).finish()
    }
}

impl ConnectGate for Gate {
    fn enter(&self) -> Result<Box<dyn ConnectPass>, ConnectRefused> {
        match self.breaker() {
            Some(breaker) => breaker.enter(),
            None => Ok(Box::new(Free)),
        }
    }

    fn retry_after(&self) -> Option<Duration> {
        self.breaker()?.retry_after()
    }
}

/// Leave to connect for a pool without a breaker.
struct Free;

impl ConnectPass for Free {
    fn wants_proof(&self) -> bool {
        false
    }

    fn succeeded(self: Box<Self>, _took: Duration) {}

    fn failed(self: Box<Self>, _took: Duration, _cause: &ConnectError, _class: ErrorClass) {}
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_breaker_of_which_a_file_says_nothing_else_is_one_for_connects() {
        let enabled = CircuitBreakerSettings { enabled: true, ..CircuitBreakerSettings::default() };
        let for_connects = BreakerSettings { slow_call_rate: 0.0, ..BreakerSettings::for_connects() };
        assert_eq!(settings(&enabled), Some(for_connects));
    }

    #[test]
    fn the_breaker_of_a_file_may_be_had_with_all_it_may_say() {
        assert_eq!(settings(&CircuitBreakerSettings::default()), None);
        let millis = Duration::from_millis;
        let config = CircuitBreakerSettings {
            enabled: true,
            failure_rate: 0.25,
            minimum_calls: 2,
            consecutive_failures: 0,
            window: millis(30),
            window_calls: 0,
            open: millis(1),
            open_max: Duration::from_secs(24 * 3600),
            half_open_permits: 1000,
            half_open_max: Duration::from_secs(24 * 3600),
            slow_connect: millis(1),
            slow_rate: 0.5,
        };
        let by_time = settings(&config).expect("it is enabled");
        assert_eq!(
            by_time,
            BreakerSettings {
                window: BreakerWindow::Time(millis(30)),
                failure_rate: 0.25,
                slow_call_rate: 0.5,
                slow_call_duration: millis(1),
                minimum_calls: 2,
                consecutive_failures: 0,
                half_open_permits: 1000,
                max_half_open: Duration::from_secs(24 * 3600),
                open_base: millis(1),
                open_growth: 1.05,
                open_max: Duration::from_secs(24 * 3600),
            }
        );
        assert_eq!(by_time.check(), Ok(()));
        let by_calls = CircuitBreakerSettings { window_calls: 10_000, minimum_calls: 10_000, ..config };
        let by_calls = settings(&by_calls).expect("it is enabled");
        assert_eq!((by_calls.window, by_calls.check()), (BreakerWindow::Count(10_000), Ok(())));
    }

    #[test]
    fn without_a_time_no_connect_is_slow() {
        let config = CircuitBreakerSettings { enabled: true, ..CircuitBreakerSettings::default() };
        assert_eq!(settings(&config).map(|settings| settings.slow_call_rate), Some(0.0));
    }

    #[test]
    fn a_breaker_is_shared_by_target_and_settings_and_goes_with_its_last_pool() {
        let breakers = Breakers::default();
        let of = |database: &str, failures| {
            let settings = BreakerSettings { consecutive_failures: failures, ..BreakerSettings::default() };
            let target = Target::new("postgres", database).at("db", 5432);
            let way = Way::of(&PoolConfig::default());
            breakers.of(StandsFor::Target(target, Box::new(way)), settings).expect("it is allowed")
        };
        let first = of("orders", 5);
        assert!(Arc::ptr_eq(&first, &of("orders", 5)));
        let (other_target, other_settings) = (of("audit", 5), of("orders", 6));
        assert!(!Arc::ptr_eq(&first, &other_target) && !Arc::ptr_eq(&first, &other_settings));
        drop((first, other_target));
        let again = of("orders", 5);
        let kept = breakers.0.lock().expect("nobody panics").len();
        assert_eq!(kept, 2, "this one and that with other settings");
        drop((again, other_settings));
    }
}
