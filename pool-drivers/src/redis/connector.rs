//! How connections to one Redis server are opened, checked and cleaned.

use std::fmt;
use std::io;
use std::time::Duration;

use pool_core::{Condition, Connector, ErrorClass, Target};
use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, ErrorKind, Pipeline, ProtocolVersion, RedisConnectionInfo, Value};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};

use super::class::classify;
use super::connection::{Driver, Messages, RedisConnection, run_all};
use super::error::{LoginProblem, RedisError};
use super::place::{Place, Url};
use crate::credentials::{Credentials, Provider};
use crate::tls::Tls;

/// How long a command may take unless said otherwise. Longer than any command that belongs in a cache, and
/// shorter than TCP takes to give up on a host that has gone.
const RESPONSE_TIMEOUT: Duration = Duration::from_secs(10);

/// The dialect to speak.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Protocol {
    /// RESP2, which every server knows.
    #[default]
    Resp2,
    /// RESP3, which Redis knows from 6.0 on. Needed for [subscriptions](RedisConnection::subscribe). Connecting takes
    /// one more round trip.
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
#[derive(Clone)]
pub struct RedisConnector {
    place: Place,
    /// As the URL says. The provider's goes before.
    user: Option<String>,
    credentials: Provider,
    tls: Option<Tls>,
    database: i64,
    client_name: String,
    protocol: Protocol,
    response_timeout: Option<Duration>,
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
        Ok(RedisConnector {
            place,
            user: credentials.user.clone(),
            credentials: credentials.into(),
            tls: tls.then(Tls::new),
            database,
            client_name: String::from("pool-drivers"),
            protocol: if resp3 { Protocol::Resp3 } else { Protocol::Resp2 },
            response_timeout: Some(RESPONSE_TIMEOUT),
        })
    }

    /// What to log in with, instead of the password in the URL. A user that the provider names goes before the
    /// one in the URL. It is asked at each connect, and when a connection must log in again.
    #[must_use]
    pub fn credentials(mut self, provider: impl Into<Provider>) -> Self {
        self.credentials = provider.into();
        self
    }

    /// Speaks TLS, with these settings; also if the URL begins with `redis://`. Not possible over a socket.
    #[must_use]
    pub fn tls(mut self, tls: Tls) -> Self {
        self.tls = Some(tls);
        self
    }

    /// The number of the database, instead of that in the URL.
    #[must_use]
    pub fn database(mut self, number: u32) -> Self {
        self.database = number.into();
        self
    }

    /// The name that `CLIENT LIST` shows on the server. Default `pool-drivers`; without spaces, empty for none.
    #[must_use]
    pub fn client_name(mut self, name: impl Into<String>) -> Self {
        self.client_name = name.into();
        self
    }

    /// The dialect to speak. Default [`Resp2`](Protocol::Resp2).
    #[must_use]
    pub fn protocol(mut self, protocol: Protocol) -> Self {
        self.protocol = protocol;
        self
    }

    /// How long a command, or a pipeline, may take. Default 10 s; 0 = for ever. A command that took longer failed,
    /// and its connection is closed.
    ///
    /// Commands that block on the server, such as `BLPOP`, are not limited: they have a timeout of their own.
    #[must_use]
    pub fn response_timeout(mut self, timeout: Duration) -> Self {
        self.response_timeout = Some(timeout).filter(|timeout| !timeout.is_zero());
        self
    }

    async fn credentials_now(&self) -> Result<Credentials, RedisError> {
        let mut credentials = self.credentials.credentials().await?;
        if credentials.user.is_none() {
            credentials.user = self.user.clone();
        }
        Ok(credentials)
    }

    /// Logs in over a new stream.
    async fn log_in<S>(&self, stream: S, credentials: &Credentials) -> Result<RedisConnection, RedisError>
    where
        S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        self.start(stream, credentials).await.map_err(|source| RedisError::Login {
            place: self.place.to_string(),
            problem: self.problem(&source, credentials),
            source,
        })
    }

    async fn start<S>(&self, stream: S, credentials: &Credentials) -> redis::RedisResult<RedisConnection>
    where
        S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        let mut info = RedisConnectionInfo::default().set_skip_set_lib_name();
        // The pool limits connecting, and `RedisConnection` the commands.
        let mut config = AsyncConnectionConfig::new().set_response_timeout(None).set_connection_timeout(None);
        let mut messages = None;
        if self.protocol == Protocol::Resp3 {
            // Here the client library must do the login, to know that it may take messages.
            info = info.set_protocol(ProtocolVersion::RESP3);
            if let Some(password) = &credentials.password {
                info = info.set_username(credentials.user.as_deref().unwrap_or("default"));
                info = info.set_password(password.expose());
            }
            let (put, queue) = Messages::queue();
            config = config.set_push_sender(put);
            messages = Some(queue);
        }
        let (mut raw, work) = MultiplexedConnection::new_with_config(&info, stream, config).await?;
        let driver = Driver::spawn(work);
        let rest = match self.protocol {
            Protocol::Resp2 => self.login(credentials),
            Protocol::Resp3 => self.settings(redis::pipe()),
        };
        if !rest.is_empty() {
            run_all(&mut raw, &rest).await?;
        }
        Ok(RedisConnection::new(raw, driver, messages, self.response_timeout, self.database))
    }

    /// The commands that make a bare connection one of ours.
    fn login(&self, credentials: &Credentials) -> Pipeline {
        let mut pipeline = redis::pipe();
        let password = credentials.password.as_ref().map(|password| password.expose());
        match (self.protocol, password) {
            (Protocol::Resp2, None) => {}
            (Protocol::Resp2, Some(password)) => {
                let auth = pipeline.cmd("AUTH");
                if let Some(user) = &credentials.user {
                    auth.arg(user);
                }
                auth.arg(password);
            }
            (Protocol::Resp3, password) => {
                let hello = pipeline.cmd("HELLO").arg(3);
                if let Some(password) = password {
                    hello.arg("AUTH").arg(credentials.user.as_deref().unwrap_or("default")).arg(password);
                }
            }
        }
        self.settings(pipeline)
    }

    fn settings(&self, mut pipeline: Pipeline) -> Pipeline {
        if !self.client_name.is_empty() {
            pipeline.cmd("CLIENT").arg("SETNAME").arg(&self.client_name);
        }
        if self.database != 0 {
            pipeline.cmd("SELECT").arg(self.database);
        }
        pipeline
    }

    fn problem(&self, error: &redis::RedisError, credentials: &Credentials) -> LoginProblem {
        match classify(error) {
            ErrorClass::Capacity => return LoginProblem::Full,
            ErrorClass::Auth if error.code() == Some("NOAUTH") => return LoginProblem::NoPassword,
            ErrorClass::Auth if error.code() != Some("NOPERM") => {
                return LoginProblem::WrongPassword { user: credentials.user.clone() };
            }
            _ => {}
        }
        match (error.kind(), error.detail()) {
            (ErrorKind::RESP3NotSupported, _) => LoginProblem::NoResp3,
            (_, Some(detail)) if detail.starts_with("DB index is out of range") => {
                LoginProblem::NoDatabase(self.database)
            }
            _ => LoginProblem::Other,
        }
    }

    fn unreached(&self, source: io::Error) -> RedisError {
        RedisError::Connect { place: self.place.to_string(), source }
    }
}

impl Connector for RedisConnector {
    type Connection = RedisConnection;
    type Error = RedisError;

    async fn connect(&self) -> Result<RedisConnection, RedisError> {
        // First, so that no connection waits for it.
        let credentials = self.credentials_now().await?;
        match (&self.place, &self.tls) {
            (Place::Tcp { host, port }, tls) => {
                let stream = TcpStream::connect((host.as_str(), *port))
                    .await
                    .map_err(|error| self.unreached(error))?;
                stream.set_nodelay(true).map_err(|error| self.unreached(error))?;
                match tls {
                    None => self.log_in(stream, &credentials).await,
                    Some(tls) => self.log_in(tls.connect(host, stream, &[]).await?, &credentials).await,
                }
            }
            (Place::Unix(path), None) => {
                let stream = UnixStream::connect(path).await.map_err(|error| self.unreached(error))?;
                self.log_in(stream, &credentials).await
            }
            (Place::Unix(_), Some(_)) => Err(RedisError::TlsOverUnix { place: self.place.to_string() }),
        }
    }

    /// `PING` with a number that must come back, so an answer to something else is not taken for one.
    async fn validate(&self, connection: &mut RedisConnection) -> Result<(), RedisError> {
        let sent = fastrand::u64(..).to_string();
        let answer = connection.quietly(redis::cmd("PING").arg(&sent)).await.map_err(RedisError::Check)?;
        match answer {
            Value::BulkString(came) if came == sent.as_bytes() => Ok(()),
            _ => Err(RedisError::WrongAnswer),
        }
    }

    async fn reset(&self, connection: &mut RedisConnection) -> Result<(), RedisError> {
        let login =
            if connection.must_log_in() { Some(self.login(&self.credentials_now().await?)) } else { None };
        connection.reset(login).await.map_err(RedisError::Reset)
    }

    fn condition(&self, connection: &mut RedisConnection) -> Condition {
        connection.condition()
    }

    fn classify(&self, error: &RedisError) -> ErrorClass {
        match error {
            RedisError::Credentials(error) => error.class(),
            RedisError::Tls(error) => {
                error.problem().map_or(ErrorClass::FatalThis, |problem| problem.class())
            }
            _ => error.redis().map_or(ErrorClass::FatalThis, classify),
        }
    }

    fn target(&self) -> Option<Target> {
        let target = Target::new("redis", self.database.to_string());
        let target = match &self.place {
            Place::Tcp { host, port } => target.at(host, *port),
            Place::Unix(path) => target.at(path.display().to_string(), None),
        };
        Some(target.as_user(self.user.as_deref().unwrap_or_default()))
    }
}

/// Shows where the server is and who logs in, not what with.
impl fmt::Debug for RedisConnector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisConnector")
            .field("place", &format_args!("{}", self.place))
            .field("user", &self.user)
            .field("database", &self.database)
            .field("tls", &self.tls)
            .field("protocol", &self.protocol)
            .finish_non_exhaustive()
    }
}
