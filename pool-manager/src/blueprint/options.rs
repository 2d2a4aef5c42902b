//! From the settings of a file to the options of a pool: the one place where the two meet.

use pool_config::{MaxWaiting, PoolSettings};
use pool_core::{Fairness, PoolOptions, Reuse, Sizing};

/// The options of a pool that a file describes.
///
/// All settings are taken apart by name, so that one that is added does not compile until it is used here.
pub fn pool_options(settings: &PoolSettings) -> PoolOptions {
    let &PoolSettings {
        max_connections,
        min_connections,
        min_idle,
        acquire_timeout,
        connect_timeout,
        validation_timeout,
        validate_after_idle,
        validate_on_return,
        idle_timeout,
        max_lifetime,
        lifetime_jitter,
        max_uses,
        keepalive_interval,
        maintenance_interval,
        leak_detection_threshold,
        max_waiting,
        connect_concurrency,
        max_retries,
        retry_delay,
        fail_fast,
        reuse,
        reserve_connections,
        reset_timeout,
        fairness,
        sizing,
        precise_timing,
        // For whoever watches the target; a pool does not.
        health_check_interval: _,
        // For the gate before the pool's connects.
        circuit_breaker: ref _circuit_breaker,
        // For the connector.
        session: ref _session,
    } = settings;
    PoolOptions {
        max_connections,
        min_connections,
        min_idle,
        acquire_timeout,
        connect_timeout,
        validation_timeout,
        validate_after_idle,
        validate_on_return,
        idle_timeout,
        max_lifetime,
        lifetime_jitter,
        max_uses,
        keepalive_interval,
        maintenance_interval,
        leak_detection_threshold,
        // Whoever measures how long the queue may be sets it from time to time; until then it is unbounded.
        max_waiting: match max_waiting {
            MaxWaiting::Auto => 0,
            MaxWaiting::Callers(callers) => callers,
        },
        connect_concurrency,
        max_retries,
        retry_delay,
        fail_fast,
        reuse: match reuse {
            pool_config::Reuse::Lifo => Reuse::Lifo,
            pool_config::Reuse::Fifo => Reuse::Fifo,
        },
        reserve_connections,
        reset_timeout,
        fairness: match fairness {
            pool_config::Fairness::Strict => Fairness::Strict,
            pool_config::Fairness::Adaptive => Fairness::Adaptive,
            pool_config::Fairness::Throughput => Fairness::Throughput,
        },
        sizing: match sizing {
            pool_config::Sizing::Off => Sizing::Off,
            pool_config::Sizing::Observe => Sizing::Observe,
            pool_config::Sizing::On => Sizing::On,
        },
        precise_timing,
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use pool_config::{CircuitBreakerSettings, SessionSettings};

    use super::*;

    #[test]
    fn the_defaults_of_a_file_are_those_of_a_pool() {
        assert_eq!(pool_options(&PoolSettings::default()), PoolOptions::default());
    }

    #[test]
    fn every_setting_arrives_under_its_own_name() {
        // No two alike, and none the default: a mix-up of two would show.
        let millis = Duration::from_millis;
        let settings = PoolSettings {
            max_connections: 101,
            min_connections: 102,
            min_idle: 103,
            acquire_timeout: millis(104),
            connect_timeout: millis(105),
            validation_timeout: millis(106),
            validate_after_idle: millis(107),
            validate_on_return: true,
            idle_timeout: millis(109),
            max_lifetime: millis(110),
            lifetime_jitter: 0.111,
            max_uses: 112,
            keepalive_interval: millis(113),
            maintenance_interval: millis(114),
            leak_detection_threshold: millis(115),
            max_waiting: MaxWaiting::Callers(116),
            connect_concurrency: 117,
            max_retries: 118,
            retry_delay: millis(119),
            fail_fast: false,
            reuse: pool_config::Reuse::Fifo,
            reserve_connections: 122,
            reset_timeout: millis(123),
            health_check_interval: Some(millis(124)),
            circuit_breaker: CircuitBreakerSettings::default(),
            fairness: pool_config::Fairness::Strict,
            sizing: pool_config::Sizing::Observe,
            precise_timing: true,
            session: SessionSettings::default(),
        };
        let shown = format!("{:?}", pool_options(&settings));
        insta::assert_snapshot!(shown);
    }
}
