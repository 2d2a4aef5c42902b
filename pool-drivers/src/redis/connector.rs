//! How connections to one Redis server are opened, checked and cleaned.

use std::fmt;
use std::io;
use std::time::Duration;

use pool_core::{Condition, Connector, ErrorClass, Target};
use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, Cmd, ErrorKind, Pipeline, ProtocolVersion, RedisConnectionInfo, Value};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::UnixStream;

use super::class::classify;
use super::connection::{Driver, RedisConnection};
use super::error::{LoginProblem, RedisError};
use super::place::{Place, Url};
use super::subscriptions::Messages;
use crate::credentials::{Credentials, Provider};
use crate::dns::Names;
use crate::net::dial;
use crate::tls::Tls;

/// How long a command may take unless said otherwise. Longer than any command that belongs in a cache, and
/// shorter than TCP takes to give up on a host that has gone.
const RESPONSE_TIMEOUT: Duration = Duration::from_secs(10);

/// More than any error is long. What has no line break until then does not come from a Redis.
const LINE_LIMIT: usize = 4096;

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
    names: Names,
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
            names: Names::default(),
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

    /// How long to trust what the host name stands for; see [`dns`](crate::dns). Default off: as
    /// long as a connection lives. 0 = look each time a connection comes back.
    #[must_use]
    pub fn dns_max_ttl(mut self, max_ttl: Duration) -> Self {
        self.names = Names::new(max_ttl);
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

    async fn start<S>(&self, mut stream: S, credentials: &Credentials) -> redis::RedisResult<RedisConnection>
    where
        S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        greet(&mut stream, credentials).await?;
        let mut info = RedisConnectionInfo::default().set_skip_set_lib_name();
        // The pool limits connecting, and `RedisConnection` the commands.
        let mut config = AsyncConnectionConfig::new().set_response_timeout(None).set_connection_timeout(None);
        let mut messages = None;
        if self.protocol == Protocol::Resp3 {
            info = info.set_protocol(ProtocolVersion::RESP3);
            let (put, queue) = Messages::queue();
            config = config.set_push_sender(put);
            messages = Some(queue);
        }
        let (raw, work) = MultiplexedConnection::new_with_config(&info, stream, config).await?;
        let driver = Driver::spawn(work);
        let mut connection =
            RedisConnection::new(raw, driver, messages, self.response_timeout, self.database);
        connection.set_up(&self.settings(redis::pipe())).await?;
        Ok(connection)
    }

    /// The commands that make a bare connection one of ours, after a `RESET`.
    fn login(&self, credentials: &Credentials) -> Pipeline {
        let mut pipeline = redis::pipe();
        match self.protocol {
            Protocol::Resp2 => {
                if let Some(auth) = auth(credentials) {
                    pipeline.add_command(auth);
                }
            }
            Protocol::Resp3 => {
                let hello = pipeline.cmd("HELLO").arg(3);
                if let Some(password) = &credentials.password {
                    let user = credentials.user.as_deref().unwrap_or("default");
                    hello.arg("AUTH").arg(user).arg(password.expose());
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
        let detail = error.detail().unwrap_or_default();
        if error.kind() == ErrorKind::RESP3NotSupported
            || error.code() == Some("NOPROTO")
            || (detail.starts_with("unknown command") && detail.contains("HELLO"))
        {
            return LoginProblem::NoResp3;
        }
        if detail.starts_with("DB index is out of range") {
            return LoginProblem::NoDatabase(self.database);
        }
        LoginProblem::Other
    }
}

/// Says the first words, and hears whether the server lets us in.
///
/// Why not through the client library: a full server sends its refusal unasked, and the library drops what comes
/// before it has sent something. It also turns every refusal of `AUTH` into a wrong password.
async fn greet<S>(stream: &mut S, credentials: &Credentials) -> redis::RedisResult<()>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let words = auth(credentials).unwrap_or_else(|| redis::cmd("PING"));
    // If the server has closed already, what it said before is still there to be read.
    let sent = stream.write_all(&words.get_packed_command()).await;
    let sent = match sent {
        Ok(()) => stream.flush().await,
        failed => failed,
    };
    // `+OK`, `+PONG` or an error: one line.
    let mut line = Vec::new();
    while !line.ends_with(b"\r\n") {
        if line.len() > LINE_LIMIT {
            return Err((ErrorKind::Parse, "The first line of the server has no end").into());
        }
        if stream.read_buf(&mut line).await? == 0 {
            sent?;
            return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
        }
    }
    redis::parse_redis_value(&line)?.extract_error().map(drop)
}

/// `AUTH`, if there is a password.
fn auth(credentials: &Credentials) -> Option<Cmd> {
    let password = credentials.password.as_ref()?;
    let mut auth = redis::cmd("AUTH");
    if let Some(user) = &credentials.user {
        auth.arg(user);
    }
    auth.arg(password.expose());
    Some(auth)
}

impl Connector for RedisConnector {
    type Connection = RedisConnection;
    type Error = RedisError;

    async fn connect(&self) -> Result<RedisConnection, RedisError> {
        // First, so that no connection waits for it.
        let credentials = self.credentials_now().await?;
        match (&self.place, &self.tls) {
            (Place::Tcp { host, port }, tls) => {
                let (stream, address) = dial(host, *port, &self.names).await?;
                let mut connection = match tls {
                    None => self.log_in(stream, &credentials).await,
                    Some(tls) => self.log_in(tls.connect(host, stream, &[]).await?, &credentials).await,
                }?;
                connection.address = address;
                Ok(connection)
            }
            (Place::Unix(path), None) => {
                let stream = UnixStream::connect(path)
                    .await
                    .map_err(|source| RedisError::Connect { place: self.place.to_string(), source })?;
                self.log_in(stream, &credentials).await
            }
            (Place::Unix(_), Some(_)) => Err(RedisError::TlsOverUnix { place: self.place.to_string() }),
        }
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
            RedisError::Net(error) => error.class(),
            RedisError::Moved(_) => ErrorClass::FatalAll,
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
