//! What a command does not look at although it stands in the file, and what a service with the same file would not do.

use pool_config::{Config, Monitoring, PoolConfig};

/// Which pools are left out, and why.
pub(crate) fn of_pools(config: &Config) -> Vec<String> {
    let is_off = |pool: &&PoolConfig| !pool.enabled;
    let off: Vec<_> = config.pools.iter().filter(is_off).map(|pool| pool.name.as_str()).collect();
    let mut notes = Vec::new();
    if !config.enabled {
        notes.push("nothing is watched: `enabled: false` switches all pools off".to_owned());
    } else if config.pools.is_empty() {
        notes.push("nothing is watched: the file describes no pool".to_owned());
    } else if off.len() == config.pools.len() {
        notes.push("nothing is watched: `enabled: false` switches each pool off".to_owned());
    } else if !off.is_empty() {
        notes.push(format!("not watched, because of `enabled: false`: {}", off.join(", ")));
    }
    notes
}

/// Besides that, of a command that raises alerts.
pub(crate) fn of_alerts(config: &Config) -> Vec<String> {
    let Monitoring { enabled, enable_alerts, .. } = config.monitoring;
    let mut notes = of_pools(config);
    if !enable_alerts {
        notes.push("no alert is raised: `monitoring.enable_alerts` is false".to_owned());
    } else if !enabled {
        notes.push("a service with this file raises no alerts: `monitoring.enabled` is false".to_owned());
    }
    if !config.health_monitoring.enabled {
        let note = "a service with this file checks no targets: `health_monitoring.enabled` is false";
        notes.push(note.to_owned());
    }
    notes
}

/// The same of a command that measures.
pub(crate) fn of_metrics(config: &Config) -> Vec<String> {
    let mut notes = of_pools(config);
    if !config.monitoring.enabled {
        notes.push("a service with this file measures nothing: `monitoring.enabled` is false".to_owned());
    }
    notes
}

/// Of a command that prints rules.
pub(crate) fn of_rules(monitoring: &Monitoring) -> Vec<String> {
    let mut notes = Vec::new();
    if !monitoring.enable_alerts {
        notes.push("there are no rules: `monitoring.enable_alerts` is false".to_owned());
    } else if !monitoring.enabled {
        let note = "a service with this file does not judge by these rules: `monitoring.enabled` is false";
        notes.push(note.to_owned());
    }
    notes
}
