//! What is wrong between pools: two of one target, more connections than a server takes, a group that cannot work.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::config::Config;
use crate::driver::Driver;
use crate::monitoring::{AlertRuleConfig, MetricName};
use crate::pool::{PoolConfig, Role};
use crate::problem::Mistake;
use crate::section::{Origin, Section};
use crate::shown::shown;
use crate::suggest::nearest;

/// Reports to `section`, of which `config` was read, what is wrong between its pools.
pub(crate) fn check(config: &Config, section: &mut Section<'_>) {
    same_target(config, section);
    server_limit(config, section);
    groups(config, section);
    pools_of_rules(config, section);
    waits_of_rules(config, section);
    history_of_all(config, section);
    check_intervals(config, section);
}

/// Whose connections could serve each other's callers.
type Target<'a> = (Driver, &'a str, Option<u16>, &'a str, &'a str);

/// `None` for a URL, which is not taken apart here, and for what is in memory, of which each pool has its own.
fn target(pool: &PoolConfig) -> Option<Target<'_>> {
    let database = pool.database.as_deref().unwrap_or_default();
    let host = pool.host.as_deref().unwrap_or_default();
    let user = pool.user.as_deref().unwrap_or_default();
    let is_known = pool.url.is_none() && !(host.is_empty() && database.is_empty());
    (is_known && database != ":memory:").then_some((pool.driver, host, pool.port, database, user))
}

fn same_target(config: &Config, section: &mut Section<'_>) {
    let mut first: BTreeMap<_, &PoolConfig> = BTreeMap::new();
    for pool in enabled(config) {
        let Some((driver, host, port, database, user)) = target(pool) else { continue };
        let key = (driver.as_str(), host, port, database, user);
        let Some(other) = first.get(&key) else {
            first.insert(key, pool);
            continue;
        };
        if other.settings == pool.settings && other.ssl == pool.ssl {
            continue;
        }
        let found = format!("the target of pool {:?}, with other settings", other.name);
        let expected = "one pool for each target, so that its connections are shared";
        let help = "use one pool, or make sure that the server has room for both";
        section.warn_of_pool(&pool.name, "database", Mistake::new(found, expected, help));
    }
}

fn server_limit(config: &Config, section: &mut Section<'_>) {
    let mut servers: BTreeMap<_, Vec<&PoolConfig>> = BTreeMap::new();
    for pool in enabled(config) {
        if let (Driver::Postgres | Driver::Mysql, Some(host)) = (pool.driver, &pool.host) {
            servers.entry((pool.driver.as_str(), host, pool.port)).or_default().push(pool);
        }
    }
    for pools in servers.values() {
        let limits = pools.iter().map(|pool| pool.settings.session.server_max_connections);
        let Some(limit) = limits.filter(|limit| *limit > 0).min() else { continue };
        let sum: usize = pools.iter().map(|pool| pool.settings.max_connections).sum();
        let Some(largest) = pools.iter().max_by_key(|pool| pool.settings.max_connections) else { continue };
        // A fifth is left to people, migrations and other processes.
        if sum * 5 > limit * 4 {
            let found = format!("{sum} connections in all pools of this server, which takes {limit}");
            let expected = "at most 80 % of what the server takes";
            let help = "lower max_connections, or raise the limit of the server";
            section.warn_of_pool(&largest.name, "max_connections", Mistake::new(found, expected, help));
        }
    }
}

fn groups(config: &Config, section: &mut Section<'_>) {
    let mut groups: BTreeMap<&str, Vec<&PoolConfig>> = BTreeMap::new();
    for pool in enabled(config) {
        if let Some(group) = &pool.group {
            groups.entry(group).or_default().push(pool);
        }
    }
    for (name, pools) in groups {
        let Some(first) = pools.first() else { continue };
        if let Some(other) = pools.iter().find(|pool| pool.driver != first.driver) {
            let found = format!(
                "driver {} while pool {:?} of group {name:?} has {}",
                other.driver, first.name, first.driver
            );
            let help = "give it another group";
            let mistake = Mistake::new(found, "one driver for all pools of a group", help);
            section.report_of_pool(&other.name, "group", mistake);
        }
        let mut primaries = pools.iter().filter(|pool| pool.role == Role::Primary);
        if let (Some(first), Some(second)) = (primaries.next(), primaries.next()) {
            let found = format!("a second primary of group {name:?}, beside pool {:?}", first.name);
            let help = "set `role: replica` for one of them, unless both take writes for each other";
            section.warn_of_pool(&second.name, "role", Mistake::new(found, "one primary in a group", help));
        }
        if pools.iter().all(|pool| pool.role != Role::Primary) {
            let found = format!("group {name:?} without a primary");
            let help = "set `role: primary` for the pool that takes writes";
            let expected = "a primary, for writes and for reads when no replica can";
            section.warn_of_pool(&first.name, "group", Mistake::new(found, expected, help));
        }
    }
}

/// A rule for a pool that the program makes is none of these; so it is no error.
fn pools_of_rules(config: &Config, section: &mut Section<'_>) {
    let names: Vec<_> = config.pools.iter().map(|pool| pool.name.as_str()).collect();
    for rule in &config.monitoring.alerts.rules {
        for pool in rule.pools.iter().filter(|pool| !names.contains(&pool.as_str())) {
            let found = format!("the pool {}, which is not in this configuration", shown(pool));
            let help = match nearest(pool, &names) {
                Some(name) => format!("did you mean `{name}`?"),
                None => "remove it, unless the program makes a pool of this name".to_owned(),
            };
            let path = format!("monitoring.alerts.rules[{:?}].pools", rule.name);
            section.warn_below(&path, Mistake::new(found, "names of pools", help));
        }
    }
}

/// A rule for longer waits than there are is never met: mostly it was meant in milliseconds. Acquires with a longer timeout of
/// their own are not known here; so it is no error.
fn waits_of_rules(config: &Config, section: &mut Section<'_>) {
    for rule in &config.monitoring.alerts.rules {
        let path = |key: &str| format!("monitoring.alerts.rules[{}].{key}", shown(&rule.name));
        let is_refused = |key: &str| section.origin_below(&path(key)) == Origin::Refused;
        let is_wait = rule.metric_in_force().is_some_and(MetricName::is_wait);
        let Some(threshold) = rule.threshold.filter(|_| is_wait && rule.is_upper()) else { continue };
        if ["metric", "comparison"].into_iter().any(is_refused) {
            continue;
        }
        let Some(longest) = longest_wait(rule, config, section) else { continue };
        if threshold > longest.as_secs_f64() {
            let found = format!("{threshold} while connection_timeout_ms is at most {}", longest.as_millis());
            let expected = "seconds: no wait is longer than connection_timeout_ms";
            let help = "250 ms is written 0.25; leave it if acquires have longer timeouts of their own";
            section.warn_below(&path("threshold"), Mistake::new(found, expected, help));
        }
    }
}

/// The longest `connection_timeout_ms` of the pools that a rule is for, or that of `default_pool` if none of them is in the file.
/// `None` if one was refused.
fn longest_wait(rule: &AlertRuleConfig, config: &Config, section: &Section<'_>) -> Option<Duration> {
    let is_refused =
        |of: &str| section.origin_below(&format!("{of}.connection_timeout_ms")) == Origin::Refused;
    let is_for = |pool: &&PoolConfig| rule.pools.is_empty() || rule.pools.contains(&pool.name);
    let pools: Vec<_> = enabled(config).filter(is_for).collect();
    let is_known = !is_refused("default_pool")
        && !pools.iter().any(|pool| is_refused(&format!("pools[{}]", shown(&pool.name))));
    let longest = pools.iter().map(|pool| pool.settings.acquire_timeout).max();
    is_known.then(|| longest.unwrap_or(config.default_pool.acquire_timeout))
}

/// Whether the history of all pools has room in the memory that it may take. Who wrote nothing about it is not refused: the pools
/// that come first have a history, the others are measured without one.
fn history_of_all(config: &Config, section: &mut Section<'_>) {
    let monitoring = &config.monitoring;
    let keys = ["max_memory_bytes", "retention_period_ms", "collection_interval_ms"];
    let origins = keys.map(|key| section.origin_below(&format!("monitoring.{key}")));
    if !monitoring.enabled || origins.contains(&Origin::Refused) {
        return;
    }
    let (pools, of_one) = (enabled(config).count(), monitoring.history_bytes_per_pool());
    let (room, of_all) = (monitoring.max_memory_bytes, of_one.saturating_mul(pools as u64));
    if of_all <= room {
        return;
    }
    let of = if pools == 1 { "pool" } else { "pools" };
    let found = format!("{room} bytes for a history of {pools} {of}, which takes {of_all}");
    let expected = format!("room for the history of all pools, each of {of_one} bytes");
    let help =
        "raise max_memory_bytes, shorten retention_period_ms or tiers, or raise collection_interval_ms";
    let mistake = Mistake::new(found, expected, help);
    let written = keys.iter().zip(origins).find(|(_, origin)| *origin != Origin::Default);
    match written {
        Some((key, _)) => section.report_below(&format!("monitoring.{key}"), mistake),
        None if !monitoring.tiers.is_empty() => section.report_below("monitoring.tiers", mistake),
        None => section.warn_below("monitoring.max_memory_bytes", mistake),
    }
}

/// One for all pools stands in two places, of which only one can count. That of a single pool is an exception, and meant.
fn check_intervals(config: &Config, section: &mut Section<'_>) {
    const OF_ALL: &str = "health_monitoring.check_interval_ms";
    const OF_EACH: &str = "default_pool.health_check_interval_ms";
    let Some(of_each) = config.default_pool.health_check_interval else { return };
    let of_all = config.health_monitoring.check_interval;
    if section.is_written(OF_ALL) && section.is_written(OF_EACH) && of_all != of_each {
        let found = format!("{} while {OF_EACH} is {}", of_all.as_millis(), of_each.as_millis());
        let expected =
            "one of the two: every pool inherits that of default_pool, and this one counts for none";
        section.warn(OF_ALL, Mistake::new(found, expected, "remove the one that is not meant"));
    }
}

fn enabled(config: &Config) -> impl Iterator<Item = &PoolConfig> {
    config.pools.iter().filter(|pool| pool.enabled)
}
