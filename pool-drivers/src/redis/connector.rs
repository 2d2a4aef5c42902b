//! How connections to one Redis server are opened, checked and cleaned.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use pool_core::{Condition, Connector, ErrorClass, Target};
use redis::Value;

use super::class::classify;
use super::connection::RedisConnection;
use super::error::RedisError;
use super::place::{Place, Url};
use super::settings::Settings;
use crate::credentials::Provider;
use crate::dns::Names;
use crate::successor::{Replaceable, Successor};
use crate::tls::Tls;

/// The dialect to speak.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Protocol {
    /// RESP2, which every server knows.
    #[default]
    Resp2,
    /// RESP3, which Redis knows from 6.0 on. Needed for [subscriptions](RedisConnection::subscribe).
    Resp3,
}

/// Opens connections to one Redis server.
///
/// # Examples
///
/// ```
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use pool_drivers::credentials::FileCredentials;
/// use pool_drivers::redis::RedisConnector;
/// use pool_drivers::tls::Tls;
///
/// let local = RedisConnector::new("redis://127.0.0.1:6379/0")?;
/// let remote = RedisConnector::new("rediss://orders@cache.internal:6380/2")?
///     .credentials(FileCredentials::password("/run/secrets/redis"))
///     .tls(Tls::new().ca_certificate("/etc/ours/ca.pem"))
///     .client_name("orders");
/// let socket = RedisConnector::new("redis+unix:///run/redis/redis.sock?db=1")?;
/// # Ok(())
/// # }
/// ```
pub struct RedisConnector {
    settings: Arc<Settings>,
    successor: Successor<Self>,
}

impl RedisConnector {
    /// Reads a URL: `redis://user:password@host:port/database`, `rediss://…` for TLS,
    /// `redis+unix:///path?db=0&user=…&pass=…` for a socket. Everything but the host or path may be left out.
    /// `?protocol=resp3` chooses the protocol. Special characters in a password are written `%40` and the like.
    ///
    /// # Errors
    ///
    /// Fails if the URL is none of these. The error does not show it.
    pub fn new(url: &str) -> Result<Self, RedisError> {
        let Url { place, tls, database, credentials, resp3 } = Url::parse(url)?;
        if tls && matches!(place, Place::Unix(_)) {
            return Err(RedisError::TlsOverUnix { place: place.to_string() });
        }
        let mut connector = RedisConnector::of(Settings::new(place)).database_number(database);
        if let Some(user) = &credentials.user {
            connector = connector.user(user);
        }
        if tls {
            connector = connector.tls(Tls::new());
        }
        let protocol = if resp3 { Protocol::Resp3 } else { Protocol::Resp2 };
        Ok(connector.credentials(credentials).protocol(protocol))
    }

    /// A server, without TLS and without a login. A host that begins with `/` is a socket.
    pub fn at(host: &str, port: u16) -> Self {
        RedisConnector::of(Settings::new(if host.starts_with('/') {
            Place::Unix(host.into())
        } else {
            Place::Tcp { host: host.to_owned(), port }
        }))
    }

    fn of(settings: Settings) -> Self {
        RedisConnector { settings: Arc::new(settings), successor: Successor::default() }
    }

    fn change(mut self, change: impl FnOnce(&mut Settings)) -> Self {
        change(Arc::make_mut(&mut self.settings));
        self
    }

    /// Who to log in as. A user that `credentials` tells goes before it.
    #[must_use]
    pub fn user(self, user: impl Into<String>) -> Self {
        self.change(|settings| settings.user = Some(user.into()))
    }

    fn database_number(self, number: i64) -> Self {
        self.change(|settings| settings.database = number)
    }

    /// What to log in with, instead of the password in the URL. A user that the provider names goes before the
    /// one in the URL. It is asked at each connect, and when a connection must log in again.
    #[must_use]
    pub fn credentials(self, provider: impl Into<Provider>) -> Self {
        self.change(|settings| settings.credentials = provider.into())
    }

    /// Speaks TLS, with these settings; also if the URL begins with `redis://`. Not possible over a socket.
    #[must_use]
    pub fn tls(self, tls: Tls) -> Self {
        self.change(|settings| settings.tls = Some(tls))
    }

    /// The number of the database, instead of that in the URL.
    #[must_use]
    pub fn database(self, number: u32) -> Self {
        self.change(|settings| settings.database = number.into())
    }

    /// The name that `CLIENT LIST` shows on the server. Default `pool-drivers`; without spaces, empty for none.
    #[must_use]
    pub fn client_name(self, name: impl Into<String>) -> Self {
        self.change(|settings| settings.client_name = name.into())
    }

    /// The dialect to speak. Default [`Resp2`](Protocol::Resp2).
    #[must_use]
    pub fn protocol(self, protocol: Protocol) -> Self {
        self.change(|settings| settings.protocol = protocol)
    }

    /// How long a command, or a pipeline, may take. Default 10 s; 0 = for ever. A command that took longer failed,
    /// and its connection is closed.
    ///
    /// Commands that block on the server, such as `BLPOP`, are not limited: they have a timeout of their own.
    #[must_use]
    pub fn response_timeout(self, timeout: Duration) -> Self {
        self.change(|settings| settings.response_timeout = Some(timeout).filter(|timeout| !timeout.is_zero()))
    }

    /// How long to trust what the host name stands for; see [`dns`](crate::dns). Default off: as
    /// long as a connection lives. 0 = look each time a connection comes back.
    #[must_use]
    pub fn dns_max_ttl(self, max_ttl: Duration) -> Self {
        self.change(|settings| settings.names = Names::new(max_ttl))
    }
}

impl Connector for RedisConnector {
    type Connection = RedisConnection;
    type Error = RedisError;

    async fn connect(&self) -> Result<RedisConnection, RedisError> {
        let settings = match self.successor.get() {
            Some(next) => Arc::clone(&next.settings),
            None => Arc::clone(&self.settings),
        };
        settings.connect().await
    }

    /// `PING` with a number that must come back, so an answer to something else is not taken for one.
    async fn validate(&self, connection: &mut RedisConnection) -> Result<(), RedisError> {
        connection.address.check().await?;
        let sent = fastrand::u64(..).to_string();
        match connection.quietly(redis::cmd("PING").arg(&sent)).await {
            Ok(Value::BulkString(came)) if came == sent.as_bytes() => Ok(()),
            Ok(_) => Err(RedisError::WrongAnswer),
            // A user who may not even ask: refused by a server that lives.
            Err(error) if error.code() == Some("NOPERM") => Ok(()),
            Err(error) => Err(RedisError::Check(error)),
        }
    }

    async fn reset(&self, connection: &mut RedisConnection) -> Result<(), RedisError> {
        connection.address.check().await?;
        if connection.traces.condition() == Condition::Clean {
            return Ok(());
        }
        let mut login = None;
        if connection.must_log_in() {
            // As it was opened: a successor may have another database, or another server.
            let settings = Arc::clone(&connection.settings);
            login = Some(settings.login(&settings.credentials_now().await?));
        }
        connection.reset(login).await.map_err(RedisError::Reset)
    }

    fn condition(&self, connection: &mut RedisConnection) -> Condition {
        connection.condition()
    }

    fn classify(&self, error: &RedisError) -> ErrorClass {
        match error {
            RedisError::Credentials(error) => error.class(),
            RedisError::Net(error) => error.class(),
            RedisError::Moved(_) => ErrorClass::FatalAll,
            RedisError::Tls(error) => {
                error.problem().map_or(ErrorClass::FatalThis, |problem| problem.class())
            }
            _ => error.redis().map_or(ErrorClass::FatalThis, classify),
        }
    }

    fn target(&self) -> Option<Target> {
        self.successor.ask(self, |RedisConnector { settings, .. }| {
            let target = Target::new("redis", settings.database.to_string());
            let target = match &settings.place {
                Place::Tcp { host, port } => target.at(host, *port),
                Place::Unix(path) => target.at(path.display().to_string(), None),
            };
            Some(target.as_user(settings.user.as_deref().unwrap_or_default()))
        })
    }
}

impl Clone for RedisConnector {
    fn clone(&self) -> Self {
        self.successor.ask(self, |latest| RedisConnector {
            settings: Arc::clone(&latest.settings),
            successor: Successor::default(),
        })
    }
}

impl Replaceable for RedisConnector {
    fn replace_with(&self, next: Self) {
        self.successor.set(next.clone());
    }
}

/// Shows where the server is and who logs in, not what with.
impl fmt::Debug for RedisConnector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.successor.ask(self, |RedisConnector { settings, .. }| {
            f.debug_struct("RedisConnector")
                .field("place", &format_args!("{}", settings.place))
                .field("user", &settings.user)
                .field("database", &settings.database)
                .field("tls", &settings.tls)
                .field("protocol", &settings.protocol)
                .finish_non_exhaustive()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(connector: &RedisConnector) -> String {
        connector.target().map(|target| target.to_string()).unwrap_or_default()
    }

    #[test]
    fn a_server_can_be_named_without_a_url() {
        let connector = RedisConnector::at("cache.test", 6380).user("app").database(2);
        assert_eq!(key(&connector), "redis://app@cache.test:6380/2");
        assert_eq!(key(&RedisConnector::at("/run/redis.sock", 6379)), "redis:///run/redis.sock/0");
    }

    #[test]
    fn a_setting_of_a_clone_is_its_own() {
        let connector = RedisConnector::at("cache.test", 6379);
        let other = connector.clone().database(7);
        assert_eq!(
            (key(&connector), key(&other)),
            ("redis://cache.test:6379/0".into(), "redis://cache.test:6379/7".into())
        );
    }
}
