//! What differs between two configurations, and what it takes to get from one to the other.

use std::collections::BTreeMap;
use std::fmt;

use crate::class::ReloadClass;
use crate::config::Config;
use crate::listing::{Value, list_pool, list_without_pools};
use crate::pool::PoolConfig;

/// What differs between two configurations.
///
/// `Display` is a summary for people, a line for each pool and key, without secrets.
#[derive(Debug, Clone, PartialEq, Default)]
#[non_exhaustive]
pub struct Changes {
    /// The pools that are new, gone, or other than before; by name.
    pub pools: Vec<PoolChange>,
    /// The keys outside `pools` that differ. What pools inherit is also among the changes of each pool.
    pub rest: Vec<KeyChange>,
}

/// A pool that is new, gone, or other than before.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct PoolChange {
    /// Its name.
    pub name: String,
    /// What became of it.
    pub kind: PoolChangeKind,
    /// The keys that differ; empty for a pool that is new or gone.
    pub keys: Vec<KeyChange>,
}

/// What became of a pool.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PoolChangeKind {
    /// It was not there, or not enabled.
    Added,
    /// It is no longer there, or no longer enabled.
    Removed,
    /// Some of its keys differ.
    Changed,
}

/// A key whose value differs.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct KeyChange {
    /// Where it stands: `max_connections` in a pool, `monitoring.enabled` elsewhere.
    pub path: String,
    /// What it was, as people may see it: a secret is `***`.
    pub old: String,
    /// What it is, likewise.
    pub new: String,
    /// What it takes to have it take effect.
    pub class: ReloadClass,
}

impl Changes {
    /// Whether nothing differs.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.pools.is_empty() && self.rest.is_empty()
    }

    /// The changes that a running system cannot make, each with the name of its pool if it is one of a pool.
    pub fn restart_only(&self) -> impl Iterator<Item = (Option<&str>, &KeyChange)> {
        let of_pools =
            self.pools.iter().flat_map(|pool| pool.keys.iter().map(|key| (Some(pool.name.as_str()), key)));
        of_pools
            .chain(self.rest.iter().map(|key| (None, key)))
            .filter(|(_, key)| key.class == ReloadClass::Restart)
    }

    /// The change of the pool with this name, if it is not as before.
    #[must_use]
    pub fn pool(&self, name: &str) -> Option<&PoolChange> {
        self.pools.iter().find(|pool| pool.name == name)
    }
}

impl PoolChange {
    /// The heaviest class among its keys; live for a pool that is new or gone.
    #[must_use]
    pub fn class(&self) -> ReloadClass {
        self.keys.iter().map(|key| key.class).max().unwrap_or(ReloadClass::Live)
    }
}

/// What differs between `old` and `new`.
///
/// Pools are compared by name, with every key resolved: a change of `default_pool` shows in each pool that inherits it. A
/// pool that is not enabled, or whose configuration as a whole is not, counts as not there.
///
/// # Examples
///
/// ```
/// use pool_config::{Config, ReloadClass, diff};
///
/// let config = |keys: &str| {
///     let text = format!("connection_pool: {{pools: [{{name: orders, database: orders, {keys}}}]}}");
///     Config::from_yaml(&text, "connection_pool.yaml")
/// };
/// let changes = diff(&config("max_connections: 20")?, &config("max_connections: 4, host: db-2")?);
///
/// assert_eq!(changes.pool("orders").map(|pool| pool.class()), Some(ReloadClass::Drain));
/// assert_eq!(
///     changes.to_string(),
///     r#"pool "orders" changed
///   host: "localhost" -> "db-2" (drain)
///   max_connections: 20 -> 4 (live)
/// "#
/// );
/// # Ok::<(), pool_config::ConfigError>(())
/// ```
#[must_use]
pub fn diff(old: &Config, new: &Config) -> Changes {
    let (before, after) = (pools(old), pools(new));
    let mut changes: Vec<PoolChange> = Vec::new();
    for (name, pool) in &after {
        let change = |kind, keys| PoolChange { name: (*name).to_owned(), kind, keys };
        match before.get(name) {
            None => changes.push(change(PoolChangeKind::Added, Vec::new())),
            // Equal pools are told apart from others without listing their keys.
            Some(previous) if previous == pool => {}
            Some(previous) => {
                let keys = keys(list_pool(previous), list_pool(pool), &crate::listing::path_of_pool(name));
                changes.push(change(PoolChangeKind::Changed, keys));
            }
        }
    }
    let removed = before.keys().filter(|name| !after.contains_key(*name));
    changes.extend(removed.map(|name| PoolChange {
        name: (*name).to_owned(),
        kind: PoolChangeKind::Removed,
        keys: Vec::new(),
    }));
    changes.sort_by(|a, b| a.name.cmp(&b.name));
    Changes { pools: changes, rest: keys(list_without_pools(old), list_without_pools(new), "") }
}

fn pools(config: &Config) -> BTreeMap<&str, &PoolConfig> {
    let there = config.pools.iter().filter(|pool| config.enabled && pool.enabled);
    there.map(|pool| (pool.name.as_str(), pool)).collect()
}

fn keys(old: Vec<Value>, new: Vec<Value>, prefix: &str) -> Vec<KeyChange> {
    let mut before: BTreeMap<String, Value> =
        old.into_iter().map(|value| (value.path.clone(), value)).collect();
    let none = || "none".to_owned();
    let short = |path: &str| path.strip_prefix(prefix).unwrap_or(path).trim_start_matches('.').to_owned();
    let mut changes = Vec::new();
    for value in new {
        let previous = before.remove(&value.path);
        if previous.as_ref().is_none_or(|previous| previous.json != value.json) {
            let old = previous.map_or_else(none, |previous| previous.shown());
            changes.push(KeyChange { path: short(&value.path), old, new: value.shown(), class: value.class });
        }
    }
    // A section that may be left out, and now is.
    changes.extend(before.into_values().map(|value| KeyChange {
        path: short(&value.path),
        old: value.shown(),
        new: none(),
        class: value.class,
    }));
    changes.retain(|change| !(change.old == none() && change.new == none()));
    changes
}

impl fmt::Display for Changes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for pool in &self.pools {
            let kind = match pool.kind {
                PoolChangeKind::Added => "added",
                PoolChangeKind::Removed => "removed",
                PoolChangeKind::Changed => "changed",
            };
            writeln!(f, "pool {:?} {kind}", pool.name)?;
            for key in &pool.keys {
                writeln!(f, "  {key}")?;
            }
        }
        self.rest.iter().try_for_each(|key| writeln!(f, "{key}"))
    }
}

impl fmt::Display for KeyChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { path, old, new, class } = self;
        write!(f, "{path}: {old} -> {new} ({class})")
    }
}

#[cfg(test)]
mod tests;
