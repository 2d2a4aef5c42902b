//! Pools that are made because somebody asks for their target.
//!
//! For services that learn only at run time which databases there are: one for each tenant, for instance. There is one
//! pool for each target, made when it is first asked for, with the settings of `default_pool` but without connections that
//! it keeps open, and the encryption and the method of authentication of `security`. It goes when nothing has happened in
//! it for its `idle_timeout`, and nobody has a handle of it.

use std::panic::Location;
use std::sync::Arc;

use pool_config::{Config, Driver, PoolConfig, Secret, SecretSource};
use pool_core::Target;

use super::{PoolManager, janitor, shedding};
use crate::any::{AnyConnection, AnyPool};
use crate::blueprint::Blueprint;
#[cfg(feature = "_net")]
use crate::blueprint::is_host;
use crate::error::{AccessError, CreateError};
use crate::event::ManagerEvent;
use crate::registry::{Entry, OnDemand, Origin};

/// The pools that a configuration describes, without those that are disabled.
pub(crate) fn described(config: &Config) -> impl Iterator<Item = &PoolConfig> {
    config.pools.iter().filter(|pool| config.enabled && pool.enabled)
}

impl PoolManager {
    /// The pool of this target, which is made if there is none yet.
    ///
    /// Target and user are the key; what the driver fills in, such as the usual port, may be left out. The password is not
    /// part of it: of those who ask for the same target, the first one's counts. So whoever may call this may act as any
    /// user whose pool is there; it is not for telling users apart by their passwords.
    ///
    /// A pool that somebody has closed is none: it is made anew.
    ///
    /// A handle keeps its pool from being removed, so keep none that is not needed:
    /// [`acquire_target`](Self::acquire_target) keeps one only while it waits.
    ///
    /// # Errors
    ///
    /// If no driver is called so, what is asked for cannot be had, or the manager is closed.
    pub fn pool_for(&self, target: &Target, password: Option<SecretSource>) -> Result<AnyPool, CreateError> {
        let configuration = {
            let registry = self.shared.read();
            if registry.is_closed {
                return Err(CreateError::Closed);
            }
            if !registry.config.enabled {
                return Err(CreateError::Disabled);
            }
            if let Some(pool) = registry.pool_for(target) {
                return Ok(pool);
            }
            Arc::clone(&registry.config)
        };
        let config = config_of(target, password.clone(), &configuration)?;
        let mut drawn = Blueprint::draw_all([&config], &self.shared.kit)?;
        let mut blueprint = drawn.pop().expect("one for each configuration, or an error");
        let key = key_of(target, blueprint.connector.target());
        let name = name_of(&key);
        blueprint.name.clone_from(&name);

        let (replaces, interval);
        let pool = {
            let mut registry = self.shared.write();
            if registry.is_closed {
                return Err(CreateError::Closed);
            }
            // Somebody else may have been faster, or have written the same target otherwise.
            if let Some(pool) = registry.pool_spelled(target, &key) {
                return Ok(pool);
            }
            let (fingerprint, gate) = (blueprint.fingerprint, Arc::clone(&blueprint.gate));
            let pool = self.shared.open(blueprint)?;
            let config = Arc::new(PoolConfig { name: name.clone(), ..config });
            interval = config.settings.health_check_interval;
            let entry = Entry::new(pool.clone(), config, gate, fingerprint, Origin::Program);
            replaces = registry.put_on_demand(key, OnDemand::new(entry, target.clone(), password));
            pool
        };
        self.shared.health.set_interval(&name, interval);
        janitor::call(&self.shared);
        shedding::call(&self.shared);
        if replaces {
            self.shared.forget_ended();
            self.shared.tell(&ManagerEvent::PoolRemoved { pool: name.clone() });
        }
        self.shared.tell(&ManagerEvent::PoolAdded { pool: name });
        Ok(pool)
    }

    /// Waits for a connection to this target, of a pool that is made if there is none yet; see
    /// [`pool_for`](Self::pool_for).
    ///
    /// # Errors
    ///
    /// As [`pool_for`](Self::pool_for), and if the pool has no connection to give.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future at any point loses nothing.
    ///
    /// # Examples
    ///
    /// ```
    /// # #[cfg(feature = "sqlite")]
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use pool_core::Target;
    ///
    /// # let folder = tempfile::tempdir()?;
    /// # let file = folder.path().join("tenant.db").display().to_string();
    /// # let manager = pool_manager::PoolManager::from_config(pool_config::Config::default()).await?;
    /// let tenant = Target::new("sqlite", file);
    /// let mut connection = manager.acquire_target(&tenant, None).await?;
    /// assert!(connection.as_sqlite().is_some());
    /// # Ok(())
    /// # }
    /// # #[cfg(not(feature = "sqlite"))]
    /// # fn main() {}
    /// ```
    #[track_caller]
    pub fn acquire_target(
        &self,
        target: &Target,
        password: Option<SecretSource>,
    ) -> impl Future<Output = Result<AnyConnection, AccessError>> + Send + use<> {
        let (pool, site) = (self.pool_for(target, password), Location::caller());
        async move { Ok(pool?.acquire_at(site).await?) }
    }

    /// The targets of the pools that were made on demand.
    pub fn targets(&self) -> Vec<Target> {
        self.shared.read().on_demand.keys().cloned().collect()
    }
}

/// What a connector calls its target, with the user who was asked for where the driver knows none: connections that one
/// user has opened are for nobody else, whatever the driver makes of it.
pub(crate) fn key_of(asked: &Target, told: Option<Target>) -> Target {
    let mut key = told.unwrap_or_else(|| asked.clone());
    // A path is that of a socket, whose letters count.
    if !key.host.starts_with('/') {
        key.host = key.host.to_lowercase();
    }
    if key.user.is_empty() { key.as_user(&asked.user) } else { key }
}

/// What the pool of a target is called: the key as text, so that no two targets have the same. The database comes last and
/// may hold anything.
pub(crate) fn name_of(key: &Target) -> String {
    let user = escaped(&key.user, &['%', '/', '@', ':']);
    let host = escaped(&key.host, &['%', '/', '@']);
    key.clone().at(host, key.port).as_user(user).to_string()
}

/// With some characters written as in a URL.
fn escaped(text: &str, special: &[char]) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        if special.contains(&character) {
            escaped.push_str(&format!("%{:02X}", u32::from(character)));
        } else {
            escaped.push(character);
        }
    }
    escaped
}

/// The configuration of a pool on demand.
pub(crate) fn config_of(
    target: &Target,
    password: Option<SecretSource>,
    config: &Config,
) -> Result<PoolConfig, CreateError> {
    let (driver, is_secure) = match &*target.driver {
        "postgres" | "postgresql" => (Driver::Postgres, None),
        "mysql" | "mariadb" => (Driver::Mysql, None),
        "sqlite" => (Driver::Sqlite, None),
        "redis" => (Driver::Redis, None),
        "http" => (Driver::Http, Some(false)),
        "https" => (Driver::Http, Some(true)),
        "ws" => (Driver::Websocket, Some(false)),
        "wss" => (Driver::Websocket, Some(true)),
        driver => {
            return Err(CreateError::Driver { target: target.to_string(), driver: driver.to_owned() });
        }
    };
    #[cfg(feature = "_net")]
    if !is_host(&target.host, driver) {
        return Err(CreateError::Host { driver });
    }
    let filled = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
    let mut settings = config.default_pool.clone();
    (settings.min_connections, settings.min_idle) = (0, 0);
    let mut pool = PoolConfig {
        name: target.to_string(),
        driver,
        host: filled(&target.host),
        port: target.port,
        database: filled(&target.database),
        user: filled(&target.user),
        password,
        ssl: config.security.ssl.clone(),
        authentication: config.security.authentication.clone(),
        settings,
        ..PoolConfig::default()
    };
    if let Some(is_secure) = is_secure {
        pool.ssl.enabled = is_secure;
        // Which has a path where others have a database.
        pool.url = Some(Secret::new(url_of(target)));
        (pool.host, pool.port, pool.database) = (None, None, None);
    }
    Ok(pool)
}

/// The URL of a target whose key is one, but for its user and the brackets of an IPv6 address.
fn url_of(target: &Target) -> String {
    let mut target = target.clone().as_user("");
    if target.host.contains(':') {
        target.host = format!("[{}]", target.host);
    }
    target.to_string()
}
