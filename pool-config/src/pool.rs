//! One pool: its name, the address it connects to, its part in a group, and its settings.

use std::collections::BTreeMap;

use crate::class::ReloadClass::{Drain, Live, Restart};
use crate::driver::{Driver, Need};
use crate::keys::{Keys as _, SecretKeys, keys};
use crate::kind::{Flag, Name, Optional, SecretUrl, Tags, Text, Whole, Word, Words};
use crate::problem::Mistake;
use crate::secret::{Secret, SecretSource};
use crate::section::{Origin, Section};
use crate::security::{Authentication, AuthenticationMethod, Ssl};
use crate::settings::PoolSettings;

/// The keys of a pool's password.
pub(crate) const PASSWORD: SecretKeys = SecretKeys {
    text: "password",
    environment: "password_env",
    file: "password_file",
    command: "password_command",
    class: Drain,
};

keys! {
    /// One entry of `pools`: what to connect to, and how.
    pub struct PoolConfig {
        /// what the pool is called in code, logs and metrics; no two pools share a name
        name: String = String::new(), named("name");

        /// what the pool connects to. Without it the beginning of `url` tells, and without that it is `postgres`
        driver: Driver = Driver::Postgres, value("driver", Words::new(), Restart);

        /// the address as one URL, as the driver documents it; instead of `host`, `port`, `database` and `user`
        url: Option<Secret> = None, value("url", Optional(SecretUrl), Drain);

        /// a host name or address. Without it `localhost` for PostgreSQL, MySQL and Redis; HTTP and WebSocket need one; SQLite
        /// has none
        host: Option<String> = None, value("host", Optional(Text), Drain);

        /// the port. Without it 5432, 3306 or 6379 by driver; for HTTP and WebSocket 80, or 443 with TLS; SQLite has none
        port: Option<u16> = None, value("port", Optional(Whole::within(1..=u16::MAX)), Drain);

        /// the database on the server; for SQLite a file, or `:memory:`; for Redis its number, in quotes. PostgreSQL, MySQL and
        /// SQLite need one; HTTP and WebSocket have none
        database: Option<String> = None, value("database", Optional(Text), Drain);

        /// whom to connect as. Without it the driver decides; SQLite has none
        user: Option<String> = None, value("user", Optional(Text), Drain);

        /// the password, in clear text. Better in one of the other three ways, of which at most one is written
        password: Option<SecretSource> = None, secret("password", &PASSWORD);

        /// whether the pool is made at all; a change adds or removes it
        enabled: bool = true, value("enabled", Flag, Live);

        /// whether the service counts as not ready while this pool has no connection
        required: bool = true, value("required", Flag, Live);

        /// the group of pools among which reads and writes are split
        group: Option<String> = None, value("group", Optional(Name), Live);

        /// the part of the pool in its group: `primary` takes writes, `replica` reads, `analytics` what is asked for as such
        role: Role = Role::Primary, value("role", Words::new(), Live);

        /// how much of the reads of its group the pool takes, compared with the others
        weight: u32 = 100, value("weight", Whole::within(1..=1000), Live);

        /// what else is to be known of the pool, for the program; nothing here reads it
        tags: BTreeMap<String, String> = BTreeMap::new(), value("tags", Tags, Live);

        /// the path that a check of a connection asks for. HTTP
        health_path: Option<String> = None, value("health_path", Optional(Text), Drain);

        /// encryption by TLS; what is not written here is that of `security.ssl`
        ssl: Ssl = Ssl::default(), inheriting("ssl", "security.ssl");

        /// who checks the credentials; what is not written here is that of `security.authentication`
        authentication: Authentication = Authentication::default(),
            inheriting("authentication", "security.authentication");

        /// the settings of this pool; each key it does not set is that of `default_pool`, or else built in
        settings: PoolSettings = PoolSettings::default(), flat();
    }

    check(pool, section) {
        pool.check_address(section);
        pool.check_session(section);
        pool.check_credentials(section);
        if pool.group.is_none() && section.origin("group") == Origin::Default {
            for key in ["role", "weight"] {
                if section.is_written(key) {
                    let found = section.shown(key);
                    let expected = "a group: without one it has no effect";
                    section.warn(key, Mistake::new(found, expected, "add `group:`, or remove the key"));
                }
            }
        }
    }
}

impl PoolConfig {
    /// Reads a pool over a copy of `template`, from which it inherits.
    pub(crate) fn read(name: String, section: &mut Section<'_>, template: &Self) -> Self {
        let mut pool = Self { name, ..template.clone() };
        pool.visit(section);
        if section.origin("driver") == Origin::Default
            && let Some(driver) = pool.url.as_ref().and_then(|url| Driver::of_url(url.expose()))
        {
            pool.driver = driver;
        }
        pool.check(section);
        if pool.url.is_none() {
            pool.host = pool.host.or_else(|| pool.driver.default_host().map(str::to_owned));
            pool.port = pool.port.or_else(|| pool.driver.default_port());
        }
        pool
    }

    fn check_address(&self, section: &mut Section<'_>) {
        // Why not judge the address of an unknown driver: it would be judged by the rules of PostgreSQL.
        if section.origin("driver") == Origin::Refused {
            return;
        }
        let driver = self.driver;
        let parts = [
            ("host", driver.needs_host()),
            ("port", driver.needs_port()),
            ("database", driver.needs_database()),
            ("user", driver.needs_user()),
        ];
        if section.origin("url") == Origin::Default {
            for (key, need) in parts {
                check(section, driver, key, need);
            }
        } else {
            for (key, _) in parts {
                section.forbid(key, format!("no {key} beside `url`, which holds it"));
            }
            self.check_url(section);
        }
        if driver.needs_user() == Need::Meaningless {
            for key in PASSWORD.all() {
                section.forbid(key, format!("no password: driver {driver} has none"));
            }
        }
        if driver == Driver::Sqlite {
            for key in ["ssl", "authentication"] {
                section.forbid(key, format!("no {key}: driver {driver} opens files"));
            }
        }
        if let (Driver::Redis, Some(database)) = (driver, &self.database)
            && database.parse::<u32>().is_err()
        {
            let help = "write its number in quotes, such as \"0\"";
            section.report(
                "database",
                Mistake::new(section.shown("database"), "the number of a database", help),
            );
        }
        if self.health_path.as_ref().is_some_and(|path| !path.starts_with('/')) {
            let found = section.shown("health_path");
            section.report(
                "health_path",
                Mistake::new(found, "a path that begins with `/`", "begin it with `/`"),
            );
        }
        if driver != Driver::Http {
            section.forbid("health_path", format!("no health_path: driver {driver} has none"));
        }
    }

    fn check_url(&self, section: &mut Section<'_>) {
        let Some(url) = &self.url else { return };
        match Driver::of_url(url.expose()) {
            None => {
                let expected = format!("a URL that begins with {}", Driver::url_schemes().join(", "));
                let help = "begin it with the scheme of the driver";
                section.report("url", Mistake::new("a URL of no driver", expected, help));
            }
            Some(driver) if driver != self.driver => {
                let found = format!("the URL of a {driver} while driver is {}", self.driver);
                let help = "change one of the two, or remove `driver`";
                section.report("url", Mistake::new(found, "a URL of the driver", help));
            }
            Some(_) if url_password(url.expose()) && !section.is_reference("url") => {
                warn_of_clear_text(section, "url");
            }
            Some(_) => {}
        }
        if url_password(url.expose()) {
            for key in PASSWORD.all() {
                section.forbid(key, "no password beside that of `url`");
            }
        }
    }

    /// A session key that the pool itself sets must mean something to its driver. What it inherits may not: the defaults are
    /// for all drivers.
    fn check_session(&self, section: &mut Section<'_>) {
        if section.origin("driver") == Origin::Refused {
            return;
        }
        use Driver::{Http, Mysql, Postgres, Redis, Websocket};
        let sql: &[_] = &[Postgres, Mysql];
        let known: [(&'static str, &[Driver]); 7] = [
            ("application_name", &[Postgres, Redis]),
            ("statement_timeout_ms", sql),
            ("idle_in_transaction_timeout_ms", &[Postgres]),
            ("init_sql", sql),
            ("dns_max_ttl_ms", &[Postgres, Mysql, Redis, Http, Websocket]),
            ("transaction_pooling", &[Postgres]),
            ("server_max_connections", sql),
        ];
        for (key, drivers) in known {
            if !drivers.contains(&self.driver) {
                section.forbid(key, format!("no {key}: driver {} has none", self.driver));
            }
        }
        let session = &self.settings.session;
        if self.driver == Postgres && session.transaction_pooling && !session.init_sql.is_empty() {
            let at = if section.is_written("init_sql") { "init_sql" } else { "transaction_pooling" };
            let help = "remove one of the two; set such things for the role or the database on the server";
            let expected = "no init_sql with transaction_pooling: each transaction may have another session";
            section.report(at, Mistake::new(section.shown(at), expected, help));
        }
    }

    fn check_credentials(&self, section: &mut Section<'_>) {
        if section.is_written("password") && !section.is_reference("password") {
            warn_of_clear_text(section, "password");
        }
        if self.driver == Driver::Sqlite {
            return;
        }
        match self.authentication.method {
            AuthenticationMethod::Ldap if !self.ssl.enabled => {
                let help = "set `ssl.enabled: true` for this pool or for all in `security`";
                let expected = "ssl with ldap: the password goes to the server in clear text";
                section.report("authentication", Mistake::new("method ldap without ssl", expected, help));
            }
            AuthenticationMethod::Oauth2 if self.authentication.oauth2.is_some() => {
                for key in PASSWORD.all() {
                    section.forbid(key, "no password with method oauth2, which gets a token instead");
                }
            }
            _ => {}
        }
    }
}

fn warn_of_clear_text(section: &mut Section<'_>, key: &'static str) {
    let help = "write `password_file`, `password_env` or a reference such as `${DB_PASSWORD}`";
    section.warn(key, Mistake::new("a password in clear text", "a password that stands elsewhere", help));
}

/// Whether a URL holds a password, before its host.
fn url_password(url: &str) -> bool {
    let after_scheme = url.split_once("://").map_or(url, |(_, rest)| rest);
    let (address, query) = after_scheme.split_once('?').unwrap_or((after_scheme, ""));
    let is_password = |pair: &str| ["password=", "pass="].iter().any(|key| pair.starts_with(key));
    if query.split('&').any(is_password) {
        return true;
    }
    // The last `@`: a password may hold one, or a slash.
    let authority = address.rfind('@').map_or("", |at| &address[..=at]);
    authority
        .rsplit_once('@')
        .is_some_and(|(login, _)| login.split_once(':').is_some_and(|(_, p)| !p.is_empty()))
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

/// The part of a pool in its group; the word in the file is the name in lower case.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Role {
    /// `primary`: takes writes, and reads when no replica can.
    #[default]
    Primary,
    /// `replica`: takes reads.
    Replica,
    /// `analytics`: takes what is asked for as analytics, and nothing else.
    Analytics,
}

impl Word for Role {
    const WORDS: &'static [(&'static str, Self)] =
        &[("primary", Self::Primary), ("replica", Self::Replica), ("analytics", Self::Analytics)];
}
