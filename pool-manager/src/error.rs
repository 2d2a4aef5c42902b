//! Why a manager could not start, find a pool, make one, or get a connection.

use std::fmt;
use std::io;

use pool_config::{ConfigError, Driver};
use pool_core::{AcquireError, BuildError, WarmUpError};
use pool_health::SettingsError;

use crate::audit::AuditError;
use crate::blueprint::BuildErrors;
use crate::monitoring::MonitoringErrors;

/// Why a system of pools could not be started. Nothing was opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// The configuration cannot be loaded.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// What it describes cannot be had.
    #[error(transparent)]
    Build(#[from] BuildErrors),
    /// No pool can be built here, as outside a runtime.
    #[error(transparent)]
    Pool(#[from] BuildError),
    /// The audit log that it asks for cannot be written.
    #[error(transparent)]
    Audit(#[from] AuditError),
    /// A configuration made in code has what the monitor of health cannot do.
    #[error(transparent)]
    Health(#[from] SettingsError),
    /// What the section `monitoring` describes cannot be had.
    #[error(transparent)]
    Monitoring(#[from] MonitoringErrors),
    /// The process cannot be told of hangups.
    #[error("listen to SIGHUP")]
    Hangups(#[source] io::Error),
}

/// Why a pool could not be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CreateError {
    /// There is one of this name.
    #[error("create pool `{name}`: there is one of this name; remove it first or choose another name")]
    Taken {
        /// The name.
        name: String,
    },
    /// The group that it shall be in has pools of another driver.
    #[error(
        "create pool `{name}`: it is one of {driver}, and group `{group}` has pools of {found}, such as `{member}`; choose another group"
    )]
    GroupDriver {
        /// The name of the pool.
        name: String,
        /// Its driver.
        driver: Driver,
        /// The group.
        group: String,
        /// A pool that is in it.
        member: String,
        /// The driver of that one.
        found: Driver,
    },
    /// The target is one of a driver that nobody knows.
    #[error("create a pool for `{target}`: no driver is called `{driver}`")]
    Driver {
        /// The target.
        target: String,
        /// What should be the name of a driver.
        driver: String,
    },
    /// The host of the target is none. It is not shown: it may be part of a URL, with a password.
    #[error(
        "create a pool for a target of {driver}: its host holds what no host has, such as `@`, `:`, `/` or a space"
    )]
    Host {
        /// The target's driver.
        driver: Driver,
    },
    /// The configuration is switched off as a whole.
    #[error(
        "create a pool on demand: the configuration is disabled; set `enabled: true` for `connection_pool`"
    )]
    Disabled,
    /// What is described cannot be had.
    #[error(transparent)]
    Build(#[from] BuildErrors),
    /// No pool can be built here, as outside a runtime.
    #[error(transparent)]
    Pool(#[from] BuildError),
    /// The manager is closed.
    #[error("create a pool: the manager is closed")]
    Closed,
}

/// Why there is no pool to be had by a name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LookupError {
    /// There is none of this name.
    #[error("find pool `{name}`: there is none{}", DidYouMean(nearest.as_deref()))]
    Unknown {
        /// The name.
        name: String,
        /// The nearest name that there is.
        nearest: Option<String>,
    },
    /// The configuration has one of this name, which is switched off.
    #[error("find pool `{name}`: it is disabled; set `enabled: true` for it, and for `connection_pool`")]
    Disabled {
        /// The name.
        name: String,
    },
    /// No pool names a group of this name.
    #[error("find group `{name}`: no pool names it{}", DidYouMean(nearest.as_deref()))]
    UnknownGroup {
        /// The name.
        name: String,
        /// The nearest name that there is.
        nearest: Option<String>,
    },
    /// The pools of the group are of another driver.
    #[error("use group `{name}` as one of {asked}: its pools are of {found}; ask for it with `{}_group(\"{name}\")`", method(*found))]
    GroupDriver {
        /// The name.
        name: String,
        /// The driver that was asked for.
        asked: Driver,
        /// The driver that the pools have.
        found: Driver,
    },
    /// It is one of another driver.
    #[error("use pool `{name}` as one of {asked}: it is one of {found}; ask for it with `{}(\"{name}\")`", method(*found))]
    Driver {
        /// The name.
        name: String,
        /// The driver that was asked for.
        asked: Driver,
        /// The driver that the pool has.
        found: Driver,
    },
}

impl LookupError {
    /// The name that was looked for.
    pub fn name(&self) -> &str {
        match self {
            LookupError::Unknown { name, .. }
            | LookupError::Disabled { name }
            | LookupError::UnknownGroup { name, .. }
            | LookupError::GroupDriver { name, .. }
            | LookupError::Driver { name, .. } => name,
        }
    }
}

/// The method of the manager that gives pools of a driver.
fn method(driver: Driver) -> &'static str {
    driver.as_str()
}

struct DidYouMean<'a>(Option<&'a str>);

impl fmt::Display for DidYouMean<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.map_or(Ok(()), |nearest| write!(f, "; did you mean `{nearest}`?"))
    }
}

/// The name nearest to one that there is not, if one is near enough: a third of its letters may differ.
pub(crate) fn nearest<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Option<String> {
    let allowed = (name.chars().count() / 3).max(1);
    known
        .into_iter()
        .map(|known| (strsim::damerau_levenshtein(&name.to_lowercase(), &known.to_lowercase()), known))
        .filter(|(distance, _)| *distance <= allowed)
        .min()
        .map(|(_, known)| known.to_owned())
}

/// Why there is no connection to be had.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AccessError {
    /// There is no such pool.
    #[error(transparent)]
    Lookup(#[from] LookupError),
    /// There is none, and none can be made.
    #[error(transparent)]
    Create(#[from] CreateError),
    /// The pool has none to give.
    #[error(transparent)]
    Acquire(#[from] AcquireError),
}

impl AccessError {
    /// What the pool said, if it was asked.
    pub fn acquire(&self) -> Option<&AcquireError> {
        match self {
            AccessError::Acquire(error) => Some(error),
            _ => None,
        }
    }

    /// Whether the same call may succeed later.
    pub fn is_retryable(&self) -> bool {
        self.acquire().is_some_and(AcquireError::is_retryable)
    }
}

/// Pools that could not open as many connections as they should have from the beginning.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub struct WarmUpErrors {
    /// The pools by name, each with its reason; never empty.
    pub pools: Vec<(String, WarmUpError)>,
}

impl fmt::Display for WarmUpErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, (_, error)) in self.pools.iter().enumerate() {
            // Each names its pool.
            write!(f, "{}{error}", if index == 0 { "" } else { "; " })?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_is_near_is_guessed_and_no_other() {
        let known = ["orders", "orders-archive", "cache"];
        assert_eq!(nearest("ordres", known).as_deref(), Some("orders"));
        assert_eq!(nearest("Cache", known).as_deref(), Some("cache"));
        assert_eq!(nearest("invoices", known), None);
        assert_eq!(nearest("", known), None);
    }

    #[test]
    fn each_error_says_what_to_do() {
        let unknown = LookupError::Unknown { name: "ordres".into(), nearest: Some("orders".into()) };
        insta::assert_snapshot!(unknown, @"find pool `ordres`: there is none; did you mean `orders`?");
        let disabled = LookupError::Disabled { name: "orders".into() };
        insta::assert_snapshot!(disabled, @"find pool `orders`: it is disabled; set `enabled: true` for it, and for `connection_pool`");
        let driver =
            LookupError::Driver { name: "cache".into(), asked: Driver::Postgres, found: Driver::Redis };
        insta::assert_snapshot!(driver, @r#"use pool `cache` as one of postgres: it is one of redis; ask for it with `redis("cache")`"#);
    }
}
