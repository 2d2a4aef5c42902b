//! The rules as a file for Prometheus, for those who have one: the same alerts, judged from what the exporter shows.
//!
//! How our words become PromQL:
//!
//! | ours | Prometheus |
//! |---|---|
//! | `hold`, `keep_firing` | `for`, `keep_firing_for` |
//! | conditions | joined by `and` |
//! | recovery threshold | `or` the same with that threshold, `and` the alert fires already, which `ALERTS` tells |
//! | [`NoData::KeepLast`] | nothing: Prometheus takes the last sample for five minutes, and lets a pending alert fire by it, which we do not |
//! | [`NoData::Firing`] | `or` the pool is there, which its `pool_last_collection_timestamp_seconds` tells, `unless` it is measured; whatever the guards say |
//! | [`NoData::Resolve`] | nothing, once Prometheus has noticed that the series has ended |
//! | `{{ … }}` in an annotation that is no word of ours, and any in a label | text that Prometheus shows as it is |
//! | a condition without a window on a counter | the increase over [`RulesFileSettings::window`] |
//!
//! Every expression ends with the labels `job`, `instance` and `pool`, so that conditions on different families meet.

use std::fmt::{self, Write};
use std::time::Duration;

use serde_json::Value;

use super::rule::{AlertRule, NoData, for_prometheus, literal_for_prometheus};
use crate::condition::{Condition, brief};
use crate::metric::{Metric, MetricKind};

/// How a file of rules is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RulesFileSettings {
    /// The name of the group of rules. Default `pools`.
    pub group: String,
    /// How often Prometheus evaluates them; `None` = as it does by default. Default `None`.
    pub interval: Option<Duration>,
    /// The window for conditions that have none, where PromQL needs one. At least four scrapes. Default 1 min.
    pub window: Duration,
}

impl Default for RulesFileSettings {
    fn default() -> Self {
        RulesFileSettings { group: "pools".to_owned(), interval: None, window: Duration::from_secs(60) }
    }
}

/// Shows rules as a file for Prometheus (2.42 and later, because of `keep_firing_for`).
///
/// # Examples
///
/// ```
/// use pool_monitor::{DefaultRules, RulesFile, RulesFileSettings};
///
/// let rules = DefaultRules::default().rules();
/// let file = RulesFile::new(&rules, RulesFileSettings::default()).to_string();
/// assert!(file.starts_with("groups:\n  - name: \"pools\"\n"));
/// ```
#[derive(Debug)]
pub struct RulesFile<'a> {
    rules: &'a [AlertRule],
    settings: RulesFileSettings,
}

impl<'a> RulesFile<'a> {
    /// A file of these rules.
    pub fn new(rules: &'a [AlertRule], settings: RulesFileSettings) -> Self {
        RulesFile { rules, settings }
    }

    /// The expression of a rule.
    pub fn expression(&self, rule: &AlertRule) -> String {
        let mut parts = Vec::new();
        for (index, condition) in rule.conditions.iter().enumerate() {
            let read = self.read(rule, condition);
            let (sign, threshold) = (condition.comparison, condition.threshold);
            let plain = format!("{read} {sign} {threshold}");
            parts.push(match rule.recovery_threshold.filter(|_| index == 0) {
                Some(recovery) => {
                    let alertname = Value::from(rule.name.as_str());
                    format!(
                        "({plain} or {read} {sign} {recovery} and on ({BY}) \
                         ALERTS{{alertname={alertname}, alertstate=\"firing\"}})"
                    )
                }
                None => plain,
            });
        }
        let mut expression = parts.join(" and ");
        if rule.on_no_data == NoData::Firing {
            let measured = Family::ours("pool_uptime_seconds").series(rule, "");
            let is_there = Family::ours("pool_last_collection_timestamp_seconds").series(rule, "");
            let _infallible =
                write!(expression, " or group by ({BY}) ({is_there}) unless group by ({BY}) ({measured})");
        }
        expression
    }

    /// What reads the metric of a condition.
    fn read(&self, rule: &AlertRule, condition: &Condition) -> String {
        let metric = condition.metric;
        let range = format!("[{}]", brief(condition.window.unwrap_or(self.settings.window)));
        let sum = |families: &[Family], range: &str, function: &str| {
            families.iter().map(|family| family.sum(rule, range, function)).collect::<Vec<_>>().join(" + ")
        };
        let parts = Parts::of(metric);
        match parts {
            Parts::One(families) => {
                let function = match (metric.kind(), condition.window) {
                    (MetricKind::Counter, _) => "increase",
                    (MetricKind::Peak, Some(_)) => "max_over_time",
                    (_, Some(_)) => "avg_over_time",
                    (_, None) => "",
                };
                let range = if function.is_empty() { "" } else { range.as_str() };
                let read = sum(&families, range, function);
                if families.len() > 1 { format!("({read})") } else { read }
            }
            Parts::Two(one, operator, other) => {
                let function = match (metric.kind(), condition.window) {
                    (MetricKind::Ratio, _) => "increase",
                    (_, Some(_)) => "avg_over_time",
                    (_, None) => "",
                };
                let range = if function.is_empty() { "" } else { range.as_str() };
                let (one, other) = (sum(&one, range, function), sum(&other, range, function));
                format!("({one} {operator} ({other}))")
            }
            Parts::Quantile(quantile, family) => {
                let buckets = family.renamed(&format!("rate({})", family.series(rule, &range)));
                format!("histogram_quantile({quantile}, sum by ({BY}, le) ({buckets}))")
            }
        }
    }
}

/// The labels that every expression ends with.
const BY: &str = "job, instance, pool";

/// A family of series, or some of its series.
#[derive(Debug, Clone, Copy)]
struct Family {
    name: &'static str,
    /// Which of its series.
    only: &'static str,
    /// Under which label it has the pool.
    pool: &'static str,
}

impl Family {
    const fn ours(name: &'static str) -> Self {
        Family { name, only: "", pool: "pool" }
    }

    const fn standard(name: &'static str) -> Self {
        Family { name, only: "", pool: "db_client_connection_pool_name" }
    }

    const fn only(self, only: &'static str) -> Self {
        Family { only, ..self }
    }

    fn series(self, rule: &AlertRule, range: &str) -> String {
        let mut selectors = Vec::new();
        if !self.only.is_empty() {
            selectors.push(self.only.to_owned());
        }
        if !rule.pools.is_empty() {
            let names: Vec<String> = rule.pools.iter().map(|pool| regex_lite::escape(pool)).collect();
            selectors.push(format!("{}=~{}", self.pool, Value::from(names.join("|"))));
        }
        if selectors.is_empty() {
            return format!("{}{range}", self.name);
        }
        format!("{}{{{}}}{range}", self.name, selectors.join(", "))
    }

    fn sum(self, rule: &AlertRule, range: &str, function: &str) -> String {
        let series = self.series(rule, range);
        let read = if function.is_empty() { series } else { format!("{function}({series})") };
        format!("sum by ({BY}) ({})", self.renamed(&read))
    }

    /// With the pool under the label `pool`.
    fn renamed(self, read: &str) -> String {
        if self.pool == "pool" {
            return read.to_owned();
        }
        format!("label_replace({read}, \"pool\", \"$1\", \"{}\", \"(.*)\")", self.pool)
    }
}

/// What a metric is made of.
enum Parts {
    /// The sum of these.
    One(Vec<Family>),
    /// Two sums, and what is between them.
    Two(Vec<Family>, &'static str, Vec<Family>),
    /// A quantile of a histogram.
    Quantile(f64, Family),
}

impl Parts {
    fn of(metric: Metric) -> Parts {
        use Parts::{One, Quantile, Two};
        const COUNT: Family = Family::standard("db_client_connection_count");
        const ACQUIRES: Family = Family::ours("pool_acquires_total");
        const FAILED: Family =
            ACQUIRES.only("outcome=~\"timed_out|queue_full|paused|closed_pool|unavailable\"");
        const UTILIZATION: Family = Family::ours("pool_utilization");
        const OLDEST: Family = Family::ours("pool_queue_oldest_wait_seconds");
        const CREATED: Family = Family::ours("pool_connections_created_total");
        const CONNECT_ERRORS: Family = Family::ours("pool_connect_errors_total");
        const VALIDATIONS: Family = Family::ours("pool_validations_total");
        const WAIT: Family = Family::standard("db_client_connection_wait_time_seconds_bucket");
        match metric {
            Metric::Connections => One(vec![COUNT]),
            Metric::Active => One(vec![COUNT.only("db_client_connection_state=\"used\"")]),
            Metric::Idle => One(vec![COUNT.only("db_client_connection_state=\"idle\"")]),
            Metric::Healthy => Two(
                vec![COUNT.only("db_client_connection_state!=\"creating\"")],
                "-",
                vec![Family::ours("pool_unhealthy_connections")],
            ),
            Metric::Waiting => One(vec![Family::standard("db_client_connection_pending_requests")]),
            Metric::Leaked => One(vec![Family::ours("pool_leaked_connections")]),
            Metric::PeakActive => One(vec![Family::ours("pool_peak_used_connections")]),
            Metric::Utilization => One(vec![UTILIZATION.only("stat=\"now\"")]),
            Metric::AverageUtilization => One(vec![UTILIZATION.only("stat=\"average\"")]),
            Metric::PeakUtilization => One(vec![UTILIZATION.only("stat=\"peak\"")]),
            Metric::OldestWait => One(vec![OLDEST]),
            Metric::OldestWaitShare => {
                Two(vec![OLDEST], "/", vec![Family::ours("pool_acquire_timeout_seconds")])
            }
            Metric::Exhausted => One(vec![Family::ours("pool_exhausted")]),
            Metric::NoConnections => One(vec![Family::ours("pool_no_connections")]),
            Metric::TargetDown => One(vec![Family::ours("pool_target_down")]),
            Metric::Flapping => One(vec![Family::ours("pool_flapping")]),
            Metric::AccountingViolated => One(vec![Family::ours("pool_accounting_violated")]),
            Metric::BreakerOpen => {
                One(vec![Family::ours("pool_breaker_state").only("state=~\"open|half_open\"")])
            }
            Metric::Requests => One(vec![Family::ours("pool_requests_total")]),
            Metric::Acquired => One(vec![ACQUIRES.only("outcome=\"acquired\"")]),
            Metric::Failed => One(vec![FAILED]),
            Metric::TimedOut => One(vec![Family::standard("db_client_connection_timeouts_total")]),
            Metric::QueueFull => One(vec![ACQUIRES.only("outcome=\"queue_full\"")]),
            Metric::Unavailable => One(vec![ACQUIRES.only("outcome=\"unavailable\"")]),
            Metric::Created => One(vec![CREATED]),
            Metric::Closed => One(vec![Family::ours("pool_connections_closed_total")]),
            Metric::ConnectFailed => One(vec![CONNECT_ERRORS]),
            Metric::ValidationsFailed => One(vec![VALIDATIONS.only("outcome=\"failed\"")]),
            Metric::Leaks => One(vec![Family::ours("pool_leaks_total")]),
            Metric::Panics => One(vec![Family::ours("pool_panics_total")]),
            Metric::RecoveryExhausted => One(vec![Family::ours("pool_recovery_exhausted_total")]),
            Metric::ErrorRate => Two(vec![FAILED], "/", vec![ACQUIRES]),
            Metric::ConnectFailureRate => Two(vec![CONNECT_ERRORS], "/", vec![CREATED, CONNECT_ERRORS]),
            Metric::ValidationFailureRate => {
                Two(vec![VALIDATIONS.only("outcome=\"failed\"")], "/", vec![VALIDATIONS])
            }
            Metric::WaitP50 => Quantile(0.5, WAIT),
            Metric::WaitP95 => Quantile(0.95, WAIT),
            Metric::WaitP99 => Quantile(0.99, WAIT),
            Metric::UseP99 => {
                Quantile(0.99, Family::standard("db_client_connection_use_time_seconds_bucket"))
            }
            Metric::ConnectP99 => {
                Quantile(0.99, Family::standard("db_client_connection_create_time_seconds_bucket"))
            }
        }
    }
}

/// YAML, in which a text in JSON's quotes is a text.
impl fmt::Display for RulesFile<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let quoted = |text: &str| Value::from(text);
        writeln!(f, "groups:\n  - name: {}", quoted(&self.settings.group))?;
        if let Some(interval) = self.settings.interval {
            writeln!(f, "    interval: {}", brief(interval))?;
        }
        f.write_str(if self.rules.is_empty() { "    rules: []\n" } else { "    rules:\n" })?;
        for rule in self.rules {
            writeln!(f, "      - alert: {}", quoted(&rule.name))?;
            writeln!(f, "        expr: {}", quoted(&self.expression(rule)))?;
            if !rule.hold.is_zero() {
                writeln!(f, "        for: {}", brief(rule.hold))?;
            }
            if !rule.keep_firing.is_zero() {
                writeln!(f, "        keep_firing_for: {}", brief(rule.keep_firing))?;
            }
            writeln!(f, "        labels:\n          severity: {}", quoted(rule.severity.as_str()))?;
            for (name, value) in rule.labels.iter() {
                writeln!(f, "          {name}: {}", quoted(&literal_for_prometheus(value)))?;
            }
            if !rule.annotations.is_empty() {
                writeln!(f, "        annotations:")?;
            }
            for (name, text) in rule.annotations.iter() {
                writeln!(f, "          {name}: {}", quoted(&for_prometheus(text)))?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
