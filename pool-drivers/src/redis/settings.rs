//! What a connector to Redis was told, and how a connection is opened and logs in by it.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use pool_core::ErrorClass;
use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, Cmd, ErrorKind, Pipeline, ProtocolVersion, RedisConnectionInfo};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::UnixStream;

use super::class::classify;
use super::connection::{Driver, RedisConnection};
use super::connector::Protocol;
use super::error::{LoginProblem, RedisError};
use super::place::Place;
use super::subscriptions::Messages;
use crate::credentials::{Credentials, Provider};
use crate::dns::Names;
use crate::facts::Encryption;
use crate::net::dial;
use crate::tls::Tls;

/// How long a command may take unless said otherwise. Longer than any command that belongs in a cache, and
/// shorter than TCP takes to give up on a host that has gone.
const RESPONSE_TIMEOUT: Duration = Duration::from_secs(10);

/// More than any error is long. What has no line break until then does not come from a Redis.
const LINE_LIMIT: usize = 4096;

/// What a connector was told. Each connection has a share in what it was opened with, for when it must log in again.
#[derive(Clone)]
pub(super) struct Settings {
    pub(super) place: Place,
    /// As the URL says. The provider's goes before.
    pub(super) user: Option<String>,
    pub(super) credentials: Provider,
    pub(super) tls: Option<Tls>,
    pub(super) database: i64,
    pub(super) client_name: String,
    pub(super) protocol: Protocol,
    pub(super) response_timeout: Option<Duration>,
    pub(super) names: Names,
}

impl Settings {
    pub(super) fn new(place: Place) -> Self {
        Settings {
            place,
            user: None,
            credentials: Credentials::none().into(),
            tls: None,
            database: 0,
            client_name: String::from("pool-drivers"),
            protocol: Protocol::default(),
            response_timeout: Some(RESPONSE_TIMEOUT),
            names: Names::default(),
        }
    }

    /// Opens a connection and logs in.
    pub(super) async fn connect(self: Arc<Self>) -> Result<RedisConnection, RedisError> {
        // First, so that no connection waits for it.
        let credentials = self.credentials_now().await?;
        match (&self.place, &self.tls) {
            (Place::Tcp { host, port }, tls) => {
                let (stream, address) = dial(host, *port, &self.names).await?;
                let mut connection = match tls {
                    None => self.log_in(stream, &credentials).await?,
                    Some(tls) => {
                        let stream = tls.connect(host, stream, &[]).await?;
                        let encryption = Encryption::of_stream(&stream);
                        let mut connection = self.log_in(stream, &credentials).await?;
                        connection.encryption = Some(encryption);
                        connection
                    }
                };
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

    /// What to log in with now.
    pub(super) async fn credentials_now(&self) -> Result<Credentials, RedisError> {
        let mut credentials = self.credentials.credentials().await?;
        if credentials.user.is_none() {
            credentials.user = self.user.clone();
        }
        Ok(credentials)
    }

    /// Logs in over a new stream.
    async fn log_in<S>(
        self: &Arc<Self>,
        stream: S,
        credentials: &Credentials,
    ) -> Result<RedisConnection, RedisError>
    where
        S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        self.start(stream, credentials).await.map_err(|source| RedisError::Login {
            place: self.place.to_string(),
            problem: self.problem(&source, credentials),
            source,
        })
    }

    async fn start<S>(
        self: &Arc<Self>,
        mut stream: S,
        credentials: &Credentials,
    ) -> redis::RedisResult<RedisConnection>
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
        let mut connection = RedisConnection::new(raw, driver, messages, Arc::clone(self));
        connection.set_up(&self.settings(redis::pipe())).await?;
        Ok(connection)
    }

    /// The commands that make a bare connection one of ours, after a `RESET`.
    pub(super) fn login(&self, credentials: &Credentials) -> Pipeline {
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
