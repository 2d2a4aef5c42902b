//! The whole configuration, and how it is loaded.

use std::path::Path;

use crate::error::ConfigError;
use crate::health::HealthMonitoring;
use crate::loader::Loader;
use crate::monitoring::Monitoring;
use crate::path::MAIN_SECTION;
use crate::pool::PoolConfig;
use crate::problem::Problems;
use crate::section::Section;
use crate::security::Security;
use crate::settings::PoolSettings;
use crate::settings::layer::Layer;
use crate::values::flag;
use crate::yaml::Node;

/// A configuration that has been checked: what the file says, and defaults for what it does not.
///
/// Every section and every key may be left out, except the `connection_pool` that holds them all. `Config::default()`
/// is what an empty one means.
#[derive(Debug, Clone, PartialEq)]
pub struct Config {
    /// `enabled`: whether pools are opened at all. Default true.
    pub enabled: bool,
    /// `default_pool`: what a pool inherits for each key it does not set. Each key that is left out here is built in.
    pub default_pool: PoolSettings,
    /// `pools`, in the order of the file. Default none.
    pub pools: Vec<PoolConfig>,
    /// `health_monitoring`: how the health of all pools is watched and restored.
    pub health_monitoring: HealthMonitoring,
    /// `monitoring`: how measurements are collected, kept and judged.
    pub monitoring: Monitoring,
    /// `security`: how connections are encrypted, and how they log in.
    pub security: Security,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            enabled: true,
            default_pool: PoolSettings::default(),
            pools: Vec::new(),
            health_monitoring: HealthMonitoring::default(),
            monitoring: Monitoring::default(),
            security: Security::default(),
        }
    }
}

impl Config {
    /// Loads the file at `path`, with the variables of this process and the overlay of `POOL_ENV`: what
    /// `Loader::new().load(path)` gives, without its warnings.
    ///
    /// # Errors
    ///
    /// As [`Loader::load`].
    pub fn from_file(path: impl AsRef<Path>) -> Result<Self, ConfigError> {
        Ok(Loader::new().load(path)?.config)
    }

    /// Loads the configuration in `text`, whose problems will name `source_name` as their file. Nothing but the text
    /// counts: to have variables of the environment put in, use [`Loader::load_text`].
    ///
    /// # Errors
    ///
    /// As [`Loader::load_text`].
    ///
    /// # Examples
    ///
    /// ```
    /// let error = pool_config::Config::from_yaml(
    ///     "connection_pool: {pools: [{name: orders, database: orders, max_conections: 5, port: 0}]}",
    ///     "example.yaml",
    /// )
    /// .unwrap_err();
    ///
    /// let paths: Vec<_> = error.problems().iter().map(|problem| problem.path.as_str()).collect();
    /// assert_eq!(paths, [r#"pools["orders"].max_conections"#, r#"pools["orders"].port"#]);
    /// assert_eq!(error.problems()[0].help, "did you mean `max_connections`?");
    /// ```
    pub fn from_yaml(text: &str, source_name: &str) -> Result<Self, ConfigError> {
        Ok(Loader::without_variables().load_text(text, source_name)?.config)
    }

    /// The pool with this name.
    #[must_use]
    pub fn pool(&self, name: &str) -> Option<&PoolConfig> {
        self.pools.iter().find(|pool| pool.name == name)
    }

    pub(crate) fn read(document: &Node, problems: &mut Problems) -> Option<Self> {
        Section::document(document, problems, |document| {
            let config = document.main_section(MAIN_SECTION, |section| {
                let mut enabled = true;
                section.set("enabled", &mut enabled, flag);
                let (defaults, default_pool) = section.section("default_pool", |section| {
                    let defaults = Layer::built_in().extended_by(section);
                    (defaults.clone(), defaults.resolve(section))
                });
                Self {
                    enabled,
                    default_pool,
                    pools: section
                        .named_sections("pools", |name, section| PoolConfig::read(name, section, &defaults)),
                    health_monitoring: section.section("health_monitoring", HealthMonitoring::read),
                    monitoring: section.section("monitoring", Monitoring::read),
                    security: section.section("security", Security::read),
                }
            });
            document.require(MAIN_SECTION, "the section connection_pool", "put everything under it");
            config
        })
    }
}
