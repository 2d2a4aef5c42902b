//! Loads and checks `connection_pool.yaml`, the description of all connection pools of a service.
//!
//! The crate turns a file into plain checked data, or into a list of everything that is wrong with it. It knows no
//! driver and no runtime: it opens no connection, and none of the files that the configuration names.
//!
//! ```
//! use std::time::Duration;
//!
//! use pool_config::{Config, Driver};
//!
//! let config = Config::from_yaml(
//!     "
//! connection_pool:
//!   default_pool:
//!     connection_timeout_ms: 5000
//!   pools:
//!     - name: orders
//!       database: orders
//!       max_connections: 20
//! ",
//!     "connection_pool.yaml",
//! )?;
//!
//! let orders = config.pool("orders").expect("the file names it");
//! assert_eq!(orders.driver, Driver::Postgres);
//! assert_eq!(orders.settings.max_connections, 20); // set by the pool
//! assert_eq!(orders.settings.acquire_timeout, Duration::from_secs(5)); // from default_pool
//! assert_eq!(orders.settings.max_lifetime, Duration::from_secs(30 * 60)); // built in
//! # Ok::<(), pool_config::ConfigError>(())
//! ```
//!
//! | I want to … | use |
//! |---|---|
//! | load a file, with variables and the overlay of an environment | [`Config::from_file`], or [`Loader`] to say which |
//! | load text that came from elsewhere | [`Config::from_yaml`] |
//! | know what a key of a pool means and defaults to | [`PoolConfig`] for the address, [`PoolSettings`] for the rest |
//! | know the other sections | [`HealthMonitoring`], [`Monitoring`], [`Security`] |
//! | show a user what is wrong | `Display` of [`ConfigError`], or in colours [`ConfigError::render`] |
//! | show what is allowed and hardly meant | [`Loaded::warnings`] |
//! | mark the mistakes in an editor | [`ConfigError::problems`] |
//!
//! # What a file may hold
//!
//! Sections and keys may be left out; [`Config`] documents each. A pool inherits key by key: what it does not set comes
//! from `default_pool`, and what that does not set is built in. Keys that start with `x-` are ignored, but for
//! those of `tags`, which makes them the place for notes and for YAML anchors. Every other key must be known, every value in
//! range, and nothing that is written is replaced by something else.
//!
//! What a file says may refer to variables of the environment, and be overridden by them and by the overlay of an
//! environment such as `production`: [`Loader`] tells how. No message shows what may be a secret.
//!
//! # What is left out
//!
//! No file that a configuration names is opened, and no secret is looked up: that is for whoever opens connections.

mod across;
mod class;
mod config;
mod description;
mod diff;
mod driver;
mod emit;
mod error;
mod excerpt;
mod health;
mod interpolate;
mod keys;
mod kind;
mod listing;
mod loader;
mod merge;
mod monitoring;
mod overrides;
mod path;
mod pool;
mod problem;
mod reference;
mod reload;
mod routing;
mod rule;
mod schema;
mod secret;
mod section;
mod security;
mod sensitive;
mod settings;
mod show;
mod shown;
mod source;
mod suggest;
mod variables;
mod yaml;

pub use class::ReloadClass;
pub use config::Config;
pub use diff::{Changes, KeyChange, PoolChange, PoolChangeKind, diff};
pub use driver::Driver;
pub use error::ConfigError;
pub use health::HealthMonitoring;
pub use loader::{Loaded, Loader};
pub use monitoring::{
    AlertComparison, AlertReceiver, AlertRuleConfig, AlertSeverity, Alerts, AuditEvent, AuditLog,
    BuiltInRule, HistoryTier, Inhibition, MetricName, Monitoring, ReceiverType,
};
pub use pool::{PoolConfig, Role};
pub use problem::{Problem, Severity};
pub use reference::reference;
pub use reload::{Reload, Watch};
pub use routing::Routing;
pub use schema::json_schema;
pub use secret::{Secret, SecretSource};
pub use security::{Authentication, AuthenticationMethod, OAuth2, Security, Ssl};
pub use settings::{
    CircuitBreakerSettings, Fairness, MaxWaiting, PoolSettings, Reuse, SessionSettings, Sizing,
};
pub use show::{ListedValue, Listing, ValueOrigin};
