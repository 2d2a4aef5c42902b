//! The whole configuration, and how it is loaded.

use std::path::Path;

use crate::across;
use crate::class::ReloadClass::{Live, Restart};
use crate::error::ConfigError;
use crate::health::HealthMonitoring;
use crate::keys::{Keys, Visitor};
use crate::kind::{Flag, Whole};
use crate::loader::Loader;
use crate::monitoring::Monitoring;
use crate::path::MAIN_SECTION;
use crate::pool::PoolConfig;
use crate::reload::Reload;
use crate::routing::Routing;
use crate::secret::SecretSource;
use crate::section::{Notes, Section};
use crate::security::Security;
use crate::settings::PoolSettings;
use crate::yaml::Node;

/// A configuration that has been checked: what the file says, and defaults for what it does not.
///
/// Every section and every key may be left out, except the `connection_pool` that holds them all. `Config::default()`
/// is what an empty one means.
#[derive(Debug, Clone, PartialEq)]
pub struct Config {
    /// `version`: the version of the schema that the file is written for. Default 1, the only one.
    pub version: u32,
    /// `enabled`: whether pools are opened at all. Default true.
    pub enabled: bool,
    /// `default_pool`: what a pool inherits for each key it does not set. Each key that is left out here is built in.
    pub default_pool: PoolSettings,
    /// `security`: how connections are encrypted, and how they log in; inherited by each pool.
    pub security: Security,
    /// `pools`, in the order of the file. Default none.
    pub pools: Vec<PoolConfig>,
    /// `routing`: how reads are spread over the replicas of a group.
    pub routing: Routing,
    /// `reload`: how a change of the file is noticed and carried out.
    pub reload: Reload,
    /// `health_monitoring`: how the health of all pools is watched and restored.
    pub health_monitoring: HealthMonitoring,
    /// `monitoring`: how measurements are collected, kept and judged.
    pub monitoring: Monitoring,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            version: 1,
            enabled: true,
            default_pool: PoolSettings::default(),
            security: Security::default(),
            pools: Vec::new(),
            routing: Routing::default(),
            reload: Reload::default(),
            health_monitoring: HealthMonitoring::default(),
            monitoring: Monitoring::default(),
        }
    }
}

// By hand, because a pool begins as a copy of what was read before it.
impl Keys for Config {
    fn visit<V: Visitor>(&mut self, visitor: &mut V) {
        let doc = "the version of the schema that the file is written for";
        visitor.value(doc, &mut self.version, "version", Whole::within(1..=1), Restart);
        visitor.value("whether pools are opened at all", &mut self.enabled, "enabled", Flag, Live);
        let doc =
            "what a pool inherits for each key it does not set; each key that is left out here is built in";
        visitor.section(doc, &mut self.default_pool, "default_pool");
        let doc = "how connections are encrypted, and how they log in; inherited by each pool";
        visitor.section(doc, &mut self.security, "security");
        let template = self.template();
        visitor.pools("the pools, each with a name of its own", &mut self.pools, "pools", &template);
        let doc = "how reads are spread over the replicas of a group";
        visitor.section(doc, &mut self.routing, "routing");
        let doc = "how a change of the file is noticed and carried out";
        visitor.section(doc, &mut self.reload, "reload");
        let doc = "how the health of all pools is watched and restored";
        visitor.section(doc, &mut self.health_monitoring, "health_monitoring");
        let doc = "how measurements are collected, kept and judged";
        visitor.section(doc, &mut self.monitoring, "monitoring");
    }

    fn check(&self, section: &mut Section<'_>) {
        across::check(self, section);
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

    /// Every secret that is in the configuration itself, URLs of pools apart.
    pub(crate) fn secrets(&self) -> impl Iterator<Item = &str> {
        let authentications = self.pools.iter().map(|pool| &pool.authentication);
        let oauth2 = authentications.chain([&self.security.authentication]).filter_map(|a| a.oauth2.as_ref());
        let sources = oauth2.map(|oauth2| oauth2.client_secret.as_ref());
        let sources = self.pools.iter().map(|pool| pool.password.as_ref()).chain(sources);
        let receivers = self.monitoring.alerts.receivers.iter();
        let receivers = receivers.filter_map(|receiver| receiver.url.as_ref().map(|url| url.expose()));
        let texts = sources.filter_map(|source| match source {
            Some(SecretSource::Text(secret)) => Some(secret.expose()),
            _ => None,
        });
        texts.chain(receivers)
    }

    /// What each pool begins as: whatever it does not set itself.
    pub(crate) fn template(&self) -> PoolConfig {
        PoolConfig {
            ssl: self.security.ssl.clone(),
            authentication: self.security.authentication.clone(),
            settings: self.default_pool.clone(),
            ..PoolConfig::default()
        }
    }

    /// Reads a document; `None` if it is no mapping.
    pub(crate) fn read(document: &Node, notes: &mut Notes) -> Option<Self> {
        Section::document(document, notes, |document| {
            let mut config = Self::default();
            document.main_section(MAIN_SECTION, &mut config);
            document.require(MAIN_SECTION, "the section connection_pool", "put everything under it");
            config.default_pool.settle();
            config.pools.iter_mut().for_each(|pool| pool.settings.settle());
            config
        })
    }
}
