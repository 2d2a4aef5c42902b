//! The rules that every system has unless it says otherwise.
//!
//! The thresholds that nobody sets are those found in the field: the burn rates of the SRE workbook for a target of 99.9 %, and what runbooks
//! of pools commonly have. A rule whose window is longer than what is kept is judged by what is kept; the longest, that of the slow
//! burn, is six hours, for which [`MonitorSettings`](crate::MonitorSettings) made in code need a tier.

use std::time::Duration;

use crate::condition::{Comparison, Condition};
use crate::metric::Metric;

use super::Severity;
use super::labels::Labels;
use super::rule::{AlertRule, NoData, tidy};

/// What of the default rules can be set. [`rules`](DefaultRules::rules) makes them.
///
/// | rule | severity | fires |
/// |---|---|---|
/// | `PoolUtilizationHigh` | warning | more than `utilization_threshold` of the connections are in use at a collection |
/// | `PoolUtilizationCritical` | critical | 95 % were in use on average for a minute |
/// | `PoolExhausted` | critical | callers wait and there is nothing more to hand out, for 30 s |
/// | `PoolAcquireTimeouts` | error | an acquire reached its deadline in the last 5 min |
/// | `PoolErrorRateHigh` | error | more than `error_rate_threshold` of at least `error_rate_min_requests` acquires failed between two collections |
/// | `PoolErrorBudgetFastBurn` | critical | errors use up 30 days' budget of 0.1 % 14.4 times too fast, over 1 h and over 5 min |
/// | `PoolErrorBudgetSlowBurn` | warning | the same 6 times too fast, over 6 h and over 30 min |
/// | `PoolConnectFailures` | error | more than 10 % of the connects of the last 5 min failed, and at least 3 |
/// | `PoolNoConnections` | critical | there is no connection that works, for 10 s |
/// | `PoolOldestWaiter` | error | somebody has waited for half of the acquire timeout |
/// | `PoolWaitP99High` | warning | one in a hundred acquires of the last 5 min waited for more than `wait_p99_threshold`, for 1 min |
/// | `PoolTargetDown` | critical | the target is down |
/// | `PoolCircuitOpen` | error | the circuit breaker holds connects back |
/// | `PoolRecoveryExhausted` | critical | the target is down, and for longer than `max_retries` allow; connecting goes on |
/// | `PoolLeakSuspected` | warning | a connection is held for too long |
/// | `PoolFlapping` | warning | the target goes up and down |
/// | `PoolMetricsStale` | error | the pool could not be measured, for `stale_after` |
/// | `PoolAccountingViolated` | error | what was counted cannot be, such as more acquires ended than begun |
#[derive(Debug, Clone, PartialEq)]
pub struct DefaultRules {
    /// The part of `max_connections` in use from which [`PoolUtilizationHigh`](DefaultRules) fires. Default 0.8.
    pub utilization_threshold: f64,
    /// Where it is over. Default `None` = nine tenths of the threshold.
    pub utilization_recovery_threshold: Option<f64>,
    /// The part of the acquires that failed from which `PoolErrorRateHigh` fires. Default 0.05.
    pub error_rate_threshold: f64,
    /// Where it is over. Default `None` = half of the threshold.
    pub error_rate_recovery_threshold: Option<f64>,
    /// So many acquires must have been begun for an error rate to mean anything. Default 20.
    pub error_rate_min_requests: u64,
    /// The wait of one acquire in a hundred from which `PoolWaitP99High` fires. Default 1 s.
    pub wait_p99_threshold: Duration,
    /// After how long without a measurement `PoolMetricsStale` fires. Default 30 s: three collections.
    pub stale_after: Duration,
    /// `hold` of the first two thresholds' rules, `PoolUtilizationHigh` and `PoolErrorRateHigh`. Default 0: at the first collection.
    pub hold: Duration,
    /// `keep_firing` of all rules. Default 0.
    pub keep_firing: Duration,
}

impl Default for DefaultRules {
    fn default() -> Self {
        DefaultRules {
            utilization_threshold: 0.8,
            utilization_recovery_threshold: None,
            error_rate_threshold: 0.05,
            error_rate_recovery_threshold: None,
            error_rate_min_requests: 20,
            wait_p99_threshold: Duration::from_secs(1),
            stale_after: Duration::from_secs(30),
            hold: Duration::ZERO,
            keep_firing: Duration::ZERO,
        }
    }
}

const MINUTE: Duration = Duration::from_secs(60);
const FIVE_MINUTES: Duration = Duration::from_secs(5 * 60);
const HOUR: Duration = Duration::from_secs(3_600);
/// The part of the acquires that may fail.
const BUDGET: f64 = 0.001;

impl DefaultRules {
    /// The rules.
    pub fn rules(&self) -> Vec<AlertRule> {
        let mut rules = self.of_use();
        rules.extend(of_leaks());
        rules.extend(self.of_errors());
        rules.extend(of_the_target());
        rules.extend(self.of_the_monitor());
        for rule in &mut rules {
            rule.keep_firing = self.keep_firing;
        }
        rules
    }

    /// Family `utilization`: too many connections in use, too many callers waiting.
    fn of_use(&self) -> Vec<AlertRule> {
        use Severity::{Critical, Error, Warning};
        let (high, recovery) = (self.utilization_threshold, self.utilization_recovery_threshold);
        let wait = self.wait_p99_threshold.as_secs_f64();
        let rules = vec![
            AlertRule {
                recovery_threshold: Some(recovery.unwrap_or_else(|| tidy(high * 0.9))),
                hold: self.hold,
                ..AlertRule::new("PoolUtilizationHigh", Warning, above(Metric::Utilization, None, high))
                    .summary("most connections are in use")
            },
            AlertRule {
                recovery_threshold: Some(0.95 * 0.9),
                ..AlertRule::new(
                    "PoolUtilizationCritical",
                    Critical,
                    at_least(Metric::AverageUtilization, Some(MINUTE), 0.95),
                )
                .summary("nearly all connections have been in use")
            },
            AlertRule {
                hold: Duration::from_secs(30),
                ..flag("PoolExhausted", Critical, Metric::Exhausted)
                    .summary("callers wait and there is no connection left to hand out")
            },
            AlertRule::new("PoolOldestWaiter", Error, above(Metric::OldestWaitShare, None, 0.5))
                .summary("a caller has waited for much of the acquire timeout"),
            AlertRule {
                hold: MINUTE,
                ..AlertRule::new("PoolWaitP99High", Warning, above(Metric::WaitP99, Some(FIVE_MINUTES), wait))
                    .summary("callers wait long for a connection")
            },
        ];
        in_family("utilization", rules)
    }

    /// Family `errors`: acquires that fail.
    fn of_errors(&self) -> Vec<AlertRule> {
        use Severity::{Critical, Error, Warning};
        let (rate, recovery) = (self.error_rate_threshold, self.error_rate_recovery_threshold);
        let enough = |window| at_least(Metric::Requests, window, self.error_rate_min_requests as f64);
        let burning = |name: &str, severity, factor: f64, long: Duration| {
            let budget = |window| above(Metric::ErrorRate, Some(window), tidy(factor * BUDGET));
            AlertRule::new(name, severity, budget(long)).and(budget(long / 12)).and(enough(Some(long)))
        };
        let rules = vec![
            AlertRule::new("PoolAcquireTimeouts", Error, above(Metric::TimedOut, Some(FIVE_MINUTES), 0.0))
                .summary("acquires reached their deadline"),
            AlertRule {
                recovery_threshold: Some(recovery.unwrap_or_else(|| tidy(rate / 2.0))),
                hold: self.hold,
                ..AlertRule::new("PoolErrorRateHigh", Error, above(Metric::ErrorRate, None, rate))
                    .and(enough(None))
                    .summary("many acquires fail")
            },
            burning("PoolErrorBudgetFastBurn", Critical, 14.4, HOUR)
                .summary("acquires fail so often that the errors allowed in 30 days are used up in 2"),
            burning("PoolErrorBudgetSlowBurn", Warning, 6.0, 6 * HOUR)
                .summary("acquires fail so often that the errors allowed in 30 days are used up in 5"),
        ];
        in_family("errors", rules)
    }

    /// Family `monitor`: what is wrong with the watching itself.
    fn of_the_monitor(&self) -> Vec<AlertRule> {
        let never = Condition { comparison: Comparison::Below, ..above(Metric::Connections, None, 0.0) };
        let stale = AlertRule {
            hold: self.stale_after,
            on_no_data: NoData::Firing,
            ..AlertRule::new("PoolMetricsStale", Severity::Error, never)
                .summary("the pool is not measured any more")
        };
        let violated = flag("PoolAccountingViolated", Severity::Error, Metric::AccountingViolated)
            .summary("the numbers of the pool contradict each other");
        in_family("monitor", vec![stale, violated])
    }
}

/// Family `leaks`: connections that do not come back. One of its own, because leaks are the cause of which an exhausted pool is
/// the symptom, and what is critical mutes the warnings of its family.
fn of_leaks() -> Vec<AlertRule> {
    let leaked = flag("PoolLeakSuspected", Severity::Warning, Metric::Leaked);
    in_family("leaks", vec![leaked.summary("connections are held for too long")])
}

/// Family `target`: what the connections lead to.
fn of_the_target() -> Vec<AlertRule> {
    use Severity::{Critical, Error, Warning};
    let over_five_minutes = Some(FIVE_MINUTES);
    let rules = vec![
        flag("PoolTargetDown", Critical, Metric::TargetDown).summary("the target is down"),
        AlertRule {
            hold: Duration::from_secs(10),
            ..flag("PoolNoConnections", Critical, Metric::NoConnections)
                .summary("there is no connection that works")
        },
        AlertRule::new(
            "PoolConnectFailures",
            Error,
            above(Metric::ConnectFailureRate, over_five_minutes, 0.1),
        )
        .and(at_least(Metric::ConnectFailed, over_five_minutes, 3.0))
        .summary("connects fail"),
        flag("PoolCircuitOpen", Error, Metric::BreakerOpen)
            .summary("the circuit breaker holds connects back"),
        AlertRule::new(
            "PoolRecoveryExhausted",
            Critical,
            above(Metric::RecoveryExhausted, over_five_minutes, 0.0),
        )
        // Not once the target is back.
        .and(at_least(Metric::TargetDown, None, 1.0))
        .summary("the target is down for longer than max_retries allow; connecting goes on"),
        flag("PoolFlapping", Warning, Metric::Flapping).summary("the target goes up and down"),
    ];
    in_family("target", rules)
}

fn above(metric: Metric, window: Option<Duration>, threshold: f64) -> Condition {
    Condition { metric, window, comparison: Comparison::Above, threshold }
}

fn at_least(metric: Metric, window: Option<Duration>, threshold: f64) -> Condition {
    Condition { comparison: Comparison::AtLeast, ..above(metric, window, threshold) }
}

/// Of something that is 0 while all is well.
fn flag(name: &str, severity: Severity, metric: Metric) -> AlertRule {
    AlertRule::new(name, severity, at_least(metric, None, 1.0))
}

fn in_family(family: &str, mut rules: Vec<AlertRule>) -> Vec<AlertRule> {
    for rule in &mut rules {
        rule.labels = Labels::new().with("family", family);
    }
    rules
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_rules_are_valid_and_have_a_summary() {
        let rules = DefaultRules::default().rules();
        assert_eq!(AlertRule::check_all(&rules), Ok(()));
        assert!(rules.iter().all(|rule| !rule.annotations.get("summary").is_empty()));
    }

    #[test]
    fn the_default_rules_are_these() {
        let lines = DefaultRules::default().rules().into_iter().map(|rule| {
            let conditions: Vec<String> = rule.conditions.iter().map(ToString::to_string).collect();
            let (family, recovery) = (rule.labels.get("family"), rule.recovery_threshold);
            let recovery = recovery.map_or_else(String::new, |recovery| format!(", until {recovery:.3}"));
            format!(
                "{} {} [{family}] {} for {}{recovery}",
                rule.name,
                rule.severity,
                conditions.join(" and "),
                pool_core::Span(rule.hold)
            )
        });
        insta::assert_snapshot!(lines.collect::<Vec<_>>().join("\n"), @r#"
        PoolUtilizationHigh warning [utilization] utilization > 0.8 for 0s, until 0.720
        PoolUtilizationCritical critical [utilization] average_utilization over 1m >= 0.95 for 0s, until 0.855
        PoolExhausted critical [utilization] exhausted >= 1 for 30s
        PoolOldestWaiter error [utilization] oldest_wait_share > 0.5 for 0s
        PoolWaitP99High warning [utilization] wait_p99 over 5m > 1 for 60s
        PoolLeakSuspected warning [leaks] leaked >= 1 for 0s
        PoolAcquireTimeouts error [errors] timed_out over 5m > 0 for 0s
        PoolErrorRateHigh error [errors] error_rate > 0.05 and requests >= 20 for 0s, until 0.025
        PoolErrorBudgetFastBurn critical [errors] error_rate over 1h > 0.0144 and error_rate over 5m > 0.0144 and requests over 1h >= 20 for 0s
        PoolErrorBudgetSlowBurn warning [errors] error_rate over 6h > 0.006 and error_rate over 30m > 0.006 and requests over 6h >= 20 for 0s
        PoolTargetDown critical [target] target_down >= 1 for 0s
        PoolNoConnections critical [target] no_connections >= 1 for 10s
        PoolConnectFailures error [target] connect_failure_rate over 5m > 0.1 and connect_failed over 5m >= 3 for 0s
        PoolCircuitOpen error [target] breaker_open >= 1 for 0s
        PoolRecoveryExhausted critical [target] recovery_exhausted over 5m > 0 and target_down >= 1 for 0s
        PoolFlapping warning [target] flapping >= 1 for 0s
        PoolMetricsStale error [monitor] connections < 0 for 30s
        PoolAccountingViolated error [monitor] accounting_violated >= 1 for 0s
        "#);
    }

    #[test]
    fn the_thresholds_of_the_first_two_are_the_settings() {
        let rules = DefaultRules {
            utilization_threshold: 0.5,
            error_rate_threshold: 0.2,
            error_rate_recovery_threshold: Some(0.15),
            hold: Duration::from_secs(20),
            keep_firing: Duration::from_secs(60),
            ..DefaultRules::default()
        }
        .rules();
        let found = |name: &str| {
            let rule = rules.iter().find(|rule| rule.name == name).unwrap();
            (rule.threshold(), rule.recovery_threshold, rule.hold.as_secs(), rule.keep_firing.as_secs())
        };
        assert_eq!(found("PoolUtilizationHigh"), (0.5, Some(0.45), 20, 60));
        assert_eq!(found("PoolErrorRateHigh"), (0.2, Some(0.15), 20, 60));
        assert_eq!(found("PoolTargetDown"), (1.0, None, 0, 60));
    }
}
