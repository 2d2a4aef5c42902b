//! One pool: its name, the address it connects to, and its settings.

use crate::driver::{Driver, Need};
use crate::section::{Origin, Section};
use crate::settings::PoolSettings;
use crate::settings::layer::Layer;
use crate::values::{choice, text, whole};

/// One entry of `pools`: what to connect to, and how.
///
/// Credentials are not part of the file; whoever builds the pool supplies them.
#[derive(Debug, Clone, PartialEq)]
pub struct PoolConfig {
    /// `name`: what the pool is called in code, logs and metrics. Required; no two pools share one.
    pub name: String,
    /// `driver`: what the pool connects to. Default `postgres`.
    pub driver: Driver,
    /// `host`: a host name or address. Default `localhost` for PostgreSQL, MySQL and Redis; required for HTTP and
    /// WebSocket; `None` for SQLite, which refuses the key.
    pub host: Option<String>,
    /// `port`: 1 to 65535. Default 5432, 3306 or 6379 by driver; `None` for HTTP and WebSocket (80, or 443 with TLS)
    /// and for SQLite, which refuses the key.
    pub port: Option<u16>,
    /// `database`: the database on the server; for SQLite a file, or `:memory:`; for Redis its number, in quotes.
    /// Required for PostgreSQL, MySQL and SQLite, `None` by default for Redis; HTTP and WebSocket refuse the key.
    pub database: Option<String>,
    /// `user`: whom to connect as. Default `None`, which leaves it to the driver; SQLite refuses the key.
    pub user: Option<String>,
    /// The settings of this pool: each key it does not set is that of `default_pool`, or else built in.
    pub settings: PoolSettings,
}

impl PoolConfig {
    pub(crate) fn read(name: String, section: &mut Section<'_>, defaults: &Layer) -> Self {
        let mut driver = Driver::default();
        section.set("driver", &mut driver, choice);
        let host = section.read("host", text);
        let port = section.read("port", whole(1..=u16::MAX));
        let database = section.read("database", text);
        let user = section.read("user", text);
        // Why not judge the address of an unknown driver: it would be judged by the rules of PostgreSQL.
        if section.origin("driver") != Origin::Refused {
            check(section, driver, "host", driver.needs_host());
            check(section, driver, "port", driver.needs_port());
            check(section, driver, "database", driver.needs_database());
            check(section, driver, "user", driver.needs_user());
        }
        let settings = defaults.extended_by(section).resolve(section);
        Self {
            name,
            driver,
            host: host.or_else(|| driver.default_host().map(str::to_owned)),
            port: port.or_else(|| driver.default_port()),
            database,
            user,
            settings,
        }
    }
}

fn check(section: &mut Section<'_>, driver: Driver, key: &'static str, need: Need) {
    match need {
        Need::Required => {
            let help = match (driver, key) {
                (Driver::Sqlite, _) => "add `database:` with a file, or \":memory:\"",
                (_, "database") => "add `database:` with its name, or set `driver:` if this is no PostgreSQL",
                _ => "add `host:` with the name or address of the service",
            };
            section.require(key, format!("a {key}: driver {driver} needs one"), help);
        }
        Need::Optional => {}
        Need::Meaningless => section.forbid(key, format!("no {key}: driver {driver} has none")),
    }
}
