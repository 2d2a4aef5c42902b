//! What a loaded configuration holds, key by key, and where each value comes from.

use std::fmt;

use serde_json::Value as Json;

use crate::emit::Writer;
use crate::listing::{list, list_pool, path_of_pool};
use crate::loader::Loaded;
use crate::problem::{Mistake, Problem, Problems, Severity};
use crate::section::Origin;
use crate::source::Place;
use crate::{Config, PoolConfig};

/// What a loaded configuration holds, key by key, without secrets.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Listing {
    /// In the order of the reference.
    pub values: Vec<ListedValue>,
}

/// One key of a configuration.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct ListedValue {
    /// The key below `connection_pool`, such as `pools["orders"].max_connections`.
    pub path: String,
    /// Its value as a file would hold it, with `***` for a secret; null if it has none.
    pub value: Json,
    /// Where it comes from.
    pub origin: ValueOrigin,
}

/// Where a value comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum ValueOrigin {
    /// Nobody wrote it.
    BuiltIn,
    /// It is written in a file.
    File {
        /// The file, as it was named when it was loaded.
        name: String,
        /// The line, counted from 1.
        line: u32,
        /// The column in characters, counted from 1.
        column: u32,
    },
    /// It is the value of an environment variable that overrides the files.
    Variable {
        /// What it is called: `environment variable POOL__ENABLED`.
        name: String,
    },
}

impl fmt::Display for ValueOrigin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BuiltIn => f.write_str("built in"),
            Self::File { name, line, column } => write!(f, "{name}:{line}:{column}"),
            Self::Variable { name } => f.write_str(name),
        }
    }
}

impl Loaded {
    /// What the configuration holds. With `all`, every key there is; else those that are written, each where it is written.
    #[must_use]
    pub fn listing(&self, all: bool) -> Listing {
        let config = Config { pools: Vec::new(), ..self.config.clone() };
        let pools = self.config.pools.iter().flat_map(|pool| {
            let name = crate::listing::Value::name(pool);
            std::iter::once(name).chain(list_pool(pool))
        });
        let values = list(&config, "").into_iter().chain(pools);
        let values = values
            .filter(|value| all || matches!(self.origins.get(&value.path), Some(Origin::Written(_))))
            .map(|value| ListedValue {
                origin: self.origin(&value.path),
                path: value.path,
                value: value.masked,
            })
            .filter(|value| !value.value.is_null());
        Listing { values: values.collect() }
    }

    /// A problem with the value at `path`, such as `pools["orders"].password_file`, that only the surroundings show: a file that
    /// is not there, say. It stands where the value is written, or where the pool is named.
    #[must_use]
    pub fn problem(
        &self,
        severity: Severity,
        path: &str,
        found: impl Into<String>,
        expected: impl Into<String>,
        help: impl Into<String>,
    ) -> Option<Problem> {
        let mut problems = Problems::new(std::sync::Arc::clone(&self.sources));
        let place = self.place(path).unwrap_or(Place::START);
        let mistake = Mistake::new(found, expected, help);
        for secret in self.config.secrets() {
            problems.hide(secret);
        }
        match severity {
            Severity::Error => problems.push(place, path.to_owned(), mistake),
            Severity::Warning => problems.warn(place, path.to_owned(), mistake),
        }
        problems.into_findings().problems.pop()
    }

    fn origin(&self, path: &str) -> ValueOrigin {
        let Some(place) = self.written(path) else { return ValueOrigin::BuiltIn };
        let name = self.sources.name(place).to_owned();
        if self.sources.is_variable(place) {
            ValueOrigin::Variable { name }
        } else {
            ValueOrigin::File { name, line: place.line, column: place.column }
        }
    }

    /// Where a value is written, or else where something is that it belongs to.
    fn place(&self, path: &str) -> Option<Place> {
        let pool = path.find("].").map(|end| format!("{}.name", &path[..=end]));
        self.written(path).or_else(|| self.written(&pool?))
    }

    /// Where a value is written: at the path itself, or where that inherits from.
    fn written(&self, path: &str) -> Option<Place> {
        let place = |path: &str| match self.origins.get(path) {
            Some(Origin::Written(place)) => Some(*place),
            _ => None,
        };
        place(path).or_else(|| {
            let (_, key) = path.strip_prefix("pools[")?.split_once("].")?;
            let is_security = key.starts_with("ssl.") || key.starts_with("authentication.");
            let base = if is_security { "security" } else { "default_pool" };
            place(&format!("{base}.{key}"))
        })
    }
}

impl Listing {
    /// The listing as YAML; with `origins`, each value is followed by a comment that tells where it comes from.
    #[must_use]
    pub fn to_yaml(&self, origins: bool) -> String {
        let mut yaml = String::from("connection_pool:\n");
        let mut writer = Writer::new(1);
        let mut pool = None;
        for value in &self.values {
            let note = if origins { format!("  # {}", value.origin) } else { String::new() };
            match value.path.strip_prefix("pools[").and_then(|rest| rest.split_once("].")) {
                None => writer.key(&mut yaml, &value.path, &value.value, &note),
                Some((name, "name")) => {
                    if pool.is_none() {
                        yaml.push_str("  pools:\n");
                    }
                    pool = Some(name);
                    writer = Writer::new(3);
                    yaml.push_str(&format!("    - name: {name}{note}\n"));
                }
                Some((_, key)) => writer.key(&mut yaml, key, &value.value, &note),
            }
        }
        yaml
    }
}

impl crate::listing::Value {
    fn name(pool: &PoolConfig) -> Self {
        let json = Json::String(pool.name.clone());
        let path = format!("{}.name", path_of_pool(&pool.name));
        Self { path, masked: json.clone(), json, class: crate::ReloadClass::Live }
    }
}

#[cfg(test)]
mod tests;
