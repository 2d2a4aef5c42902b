//! The whole configuration, and how it is loaded.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use crate::across;
use crate::class::ReloadClass::{Live, Restart};
use crate::error::ConfigError;
use crate::health::HealthMonitoring;
use crate::keys::{Keys, Visitor};
use crate::kind::{Flag, Whole};
use crate::monitoring::Monitoring;
use crate::pool::PoolConfig;
use crate::problem::{Mistake, Place, Problems};
use crate::reload::Reload;
use crate::routing::Routing;
use crate::section::{Reading, Section};
use crate::security::Security;
use crate::settings::PoolSettings;
use crate::yaml::{self, Node};

/// The most bytes a file may have: more is not a configuration, and parsing it would cost the memory it asks for.
const MAX_BYTES: usize = 10 * 1024 * 1024;

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
        let doc = "how the health of all pools is watched and restored. Checked, and not acted on yet";
        visitor.section(doc, &mut self.health_monitoring, "health_monitoring");
        let doc = "how measurements are collected, kept and judged. Checked; of it only `audit_log` is acted on yet";
        visitor.section(doc, &mut self.monitoring, "monitoring");
    }

    fn check(&self, section: &mut Section<'_>) {
        across::check(self, section);
    }
}

impl Config {
    /// Loads the file at `path`.
    ///
    /// Files that it names (certificates, databases) are not opened.
    ///
    /// # Errors
    ///
    /// [`ConfigError::Io`] if the file cannot be read, otherwise as [`Config::from_yaml`], which also holds for a
    /// file that is not UTF-8.
    pub fn from_file(path: impl AsRef<Path>) -> Result<Self, ConfigError> {
        let path = path.as_ref();
        let source_name = path.display().to_string();
        let bytes = read_bytes(path).map_err(|source| ConfigError::Io { path: path.to_owned(), source })?;
        check_size(bytes.len(), &source_name)?;
        match str::from_utf8(&bytes) {
            Ok(text) => Self::from_yaml(text, &source_name),
            Err(error) => {
                let mistake =
                    Mistake::new("bytes that are not UTF-8", "UTF-8 text", "save the file as UTF-8");
                Err(refusal(&source_name, end_of(&bytes[..error.valid_up_to()]), mistake))
            }
        }
    }

    /// Loads the configuration in `text`, whose problems will name `source_name` as their file.
    ///
    /// # Errors
    ///
    /// [`ConfigError::Invalid`] with everything that is wrong. What leaves nothing to judge key by key is reported
    /// alone: broken YAML, a key given twice, more than 10 MiB of text, aliases that multiply without bound.
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
        check_size(text.len(), source_name)?;
        let document = yaml::parse(text).map_err(|(place, mistake)| refusal(source_name, place, mistake))?;
        let mut reading = Reading { problems: Problems::new(source_name), ..Reading::default() };
        let config = Self::read(&document, &mut reading);
        match (config, reading.problems.into_sorted()) {
            (Some(config), problems) if problems.is_empty() => Ok(config),
            (_, problems) => Err(ConfigError::Invalid { source_name: source_name.to_owned(), problems }),
        }
    }

    /// The pool with this name.
    #[must_use]
    pub fn pool(&self, name: &str) -> Option<&PoolConfig> {
        self.pools.iter().find(|pool| pool.name == name)
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
    pub(crate) fn read(document: &Node, reading: &mut Reading) -> Option<Self> {
        Section::document(document, reading, |document| {
            let mut config = Self::default();
            document.main_section("connection_pool", &mut config);
            document.require("connection_pool", "the section connection_pool", "put everything under it");
            config.default_pool.settle();
            config.pools.iter_mut().for_each(|pool| pool.settings.settle());
            config
        })
    }
}

/// The bytes of a file, and of one too large only enough to see that it is.
fn read_bytes(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?.take(MAX_BYTES as u64 + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn check_size(len: usize, source_name: &str) -> Result<(), ConfigError> {
    if len <= MAX_BYTES {
        return Ok(());
    }
    let mistake = Mistake::new(
        format!("more than {MAX_BYTES} bytes"),
        format!("at most {MAX_BYTES} bytes"),
        "check that this is the right file",
    );
    Err(refusal(source_name, Place::START, mistake))
}

/// The error for a text that cannot be judged key by key.
fn refusal(source_name: &str, place: Place, mistake: Mistake) -> ConfigError {
    let mut problems = Problems::new(source_name);
    problems.push(place, String::new(), mistake);
    ConfigError::Invalid { source_name: source_name.to_owned(), problems: problems.into_sorted() }
}

/// The place just after `text`.
fn end_of(text: &[u8]) -> Place {
    let text = String::from_utf8_lossy(text);
    let last_line = text.rsplit('\n').next().unwrap_or_default();
    let count = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
    Place { line: count(text.matches('\n').count() + 1), column: count(last_line.chars().count() + 1) }
}
