//! How connections to one server are opened, checked, cleaned and closed.

use std::fmt;
use std::str::FromStr as _;
use std::time::Duration;

use pool_core::{Condition, Connector, ErrorClass, Target};
use sqlx::postgres::{PgConnectOptions, PgSslMode};
use sqlx::{ConnectOptions as _, Connection as _, Executor as _};

use super::class::{classify, code, code_of};
use super::connection::{Keep, PgConnection};
use super::error::PgError;
use crate::credentials::Provider;
use crate::server::ConnectProblem;
use crate::sql::SqlConnection;
use crate::tls::Tls;

/// Which role a server must have for its connections to be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum Role {
    /// Whichever it has.
    #[default]
    Any,
    /// It accepts writes. Asked at each connect and each validation.
    Primary,
    /// It is a standby, or read-only otherwise. Asked at each connect and each validation.
    Replica,
}

/// What a server is asked for its role: whether it refuses writes.
const IS_READ_ONLY: &str =
    "SELECT pg_is_in_recovery() OR current_setting('default_transaction_read_only')::bool";

/// Opens connections to one PostgreSQL server, or to the first of several that is fit.
///
/// Clones are connectors of the same server, with settings of their own.
///
/// # Examples
///
/// ```no_run
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # use std::time::Duration;
/// use pool_drivers::credentials::FileCredentials;
/// use pool_drivers::postgres::{PgConnector, Role};
/// use pool_drivers::tls::Tls;
///
/// let orders = PgConnector::from_url("postgres://app@db.example.com/orders")?
///     .credentials(FileCredentials::password("/run/secrets/orders"))
///     .tls(Tls::new().ca_certificate("/etc/ssl/db-ca.pem"))
///     .application_name("orders")
///     .statement_timeout(Duration::from_secs(30))
///     .also_at("db-2.example.com", 5432)
///     .role(Role::Primary);
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct PgConnector {
    options: PgConnectOptions,
    /// Where else to look, after the place that the options name.
    others: Vec<(String, u16)>,
    credentials: Option<Provider>,
    tls: Option<Tls>,
    role: Role,
    transaction_pooling: bool,
    statement_timeout: Option<Duration>,
    idle_in_transaction_timeout: Option<Duration>,
}

impl PgConnector {
    /// What a URL names: `postgres://user:password@host:port/database`, with the parameters that sqlx knows.
    ///
    /// # Errors
    ///
    /// Fails if sqlx cannot understand it.
    pub fn from_url(url: &str) -> Result<Self, sqlx::Error> {
        PgConnectOptions::from_str(url).map(PgConnector::from_options)
    }

    /// What options of sqlx name. Everything in them stays as it is, unless a method of this type changes it.
    pub fn from_options(options: PgConnectOptions) -> Self {
        PgConnector {
            options,
            others: Vec::new(),
            credentials: None,
            tls: None,
            role: Role::Any,
            transaction_pooling: false,
            statement_timeout: None,
            idle_in_transaction_timeout: None,
        }
    }

    /// Asks for user and password at each connect, instead of taking those of the URL.
    #[must_use]
    pub fn credentials(mut self, provider: impl Into<Provider>) -> Self {
        self.credentials = Some(provider.into());
        self
    }

    /// Encrypts, and refuses a server that does not. Without it the mode of the URL counts; sqlx's default encrypts if
    /// the server offers it, and verifies nothing.
    ///
    /// The files are read at each connect. [`Tls::server_name`] cannot be had with sqlx, which verifies the host that it
    /// connects to: setting it is an error at the first connect.
    #[must_use]
    pub fn tls(mut self, tls: Tls) -> Self {
        self.tls = Some(tls);
        self
    }

    /// The name that the server shows for these connections, as in `pg_stat_activity`.
    #[must_use]
    pub fn application_name(mut self, name: &str) -> Self {
        self.options = self.options.application_name(name);
        self
    }

    /// How long a statement may run before the server cancels it. Default none; 0 = none.
    ///
    /// Holders may change it for themselves; the next holder finds it as it was.
    #[must_use]
    pub fn statement_timeout(mut self, timeout: Duration) -> Self {
        self.statement_timeout = Some(timeout);
        self
    }

    /// How long a transaction may be open with nothing to do before the server ends the connection. Default none;
    /// 0 = none.
    #[must_use]
    pub fn idle_in_transaction_timeout(mut self, timeout: Duration) -> Self {
        self.idle_in_transaction_timeout = Some(timeout);
        self
    }

    /// Another place where the server may be, for instance after a fail-over. Places are tried in order, each time.
    #[must_use]
    pub fn also_at(mut self, host: impl Into<String>, port: u16) -> Self {
        self.others.push((host.into(), port));
        self
    }

    /// Which role a server must have. Default [`Role::Any`].
    #[must_use]
    pub fn role(mut self, role: Role) -> Self {
        self.role = role;
        self
    }

    /// Whether a pooler stands before the server that assigns it anew for each transaction, such as PgBouncer with
    /// `pool_mode = transaction`. Default off.
    ///
    /// Then no prepared statement has a name or is kept, a statement with parameters runs in a transaction of its own
    /// unless one is open (four round trips instead of two), and what belongs to a session is not reset. Timeouts
    /// of this type cannot be had: set them for the role, by `ALTER ROLE … SET statement_timeout`.
    #[must_use]
    pub fn transaction_pooling(mut self, on: bool) -> Self {
        self.transaction_pooling = on;
        self
    }

    fn keep(&self) -> Keep {
        Keep { role: self.role, transaction_pooling: self.transaction_pooling }
    }

    /// The places, in the order in which they are tried.
    fn places(&self) -> impl Iterator<Item = PgConnectOptions> + '_ {
        let others = self.others.iter().map(|(host, port)| self.options.clone().host(host).port(*port));
        std::iter::once(self.options.clone()).chain(others)
    }

    /// Adds to the options what the other settings ask for.
    fn complete(&self, mut options: PgConnectOptions) -> Result<PgConnectOptions, &'static str> {
        let mut settings = Vec::new();
        for (name, timeout) in [
            ("statement_timeout", self.statement_timeout),
            ("idle_in_transaction_session_timeout", self.idle_in_transaction_timeout),
        ] {
            settings
                .extend(timeout.map(|timeout| (name, timeout.as_nanos().div_ceil(1_000_000).to_string())));
        }
        if self.transaction_pooling {
            if !settings.is_empty() {
                return Err(
                    "timeouts cannot be set through a pooler of transactions; set them by ALTER ROLE … SET",
                );
            }
            options = options.statement_cache_capacity(0).extra_float_digits(None);
        } else if !settings.is_empty() {
            options = options.options(settings);
        }
        let Some(tls) = &self.tls else { return Ok(options) };
        if tls.server_name_override().is_some() {
            return Err(
                "the server's name cannot be set for PostgreSQL; connect to the host that its certificate names",
            );
        }
        let mode = if tls.verifies_peer() { PgSslMode::VerifyFull } else { PgSslMode::Require };
        options = options.ssl_mode(mode);
        if let Some(path) = tls.ca_certificate_path() {
            options = options.ssl_root_cert(path);
        }
        if let Some((certificate, key)) = tls.client_certificate_paths() {
            options = options.ssl_client_cert(certificate).ssl_client_key(key);
        }
        Ok(options)
    }

    async fn connect_to(&self, options: PgConnectOptions) -> Result<PgConnection, PgError> {
        let mut options = options;
        if let Some(provider) = &self.credentials {
            let credentials = provider.credentials().await;
            let credentials = credentials
                .map_err(|source| PgError::Credentials { target: target_of(&options).to_string(), source })?;
            if let Some(user) = &credentials.user {
                options = options.username(user);
            }
            if let Some(password) = &credentials.password {
                options = options.password(password.expose());
            }
        }
        let target = target_of(&options).to_string();
        let refused = |problem, source| PgError::Connect { target: target.clone(), problem, source };
        let options =
            self.complete(options).map_err(|problem| refused(ConnectProblem::Options(problem), None))?;
        let mut raw = options.connect().await.map_err(|error| refused(problem_of(&error), Some(error)))?;
        let found =
            self.check_role(&mut raw).await.map_err(|error| refused(ConnectProblem::Other, Some(error)))?;
        if let Some(found) = found {
            // The error to tell of is the role.
            drop(raw.close().await);
            return Err(PgError::Role { target, found });
        }
        Ok(SqlConnection::new(raw, self.keep()))
    }

    /// Asks the server for its role, if it matters. Returns what it is if that is wrong.
    async fn check_role(&self, raw: &mut sqlx::PgConnection) -> Result<Option<&'static str>, sqlx::Error> {
        if self.role == Role::Any {
            return Ok(None);
        }
        // As plain text: the statement cache, and a pooler, have nothing to do with it.
        let row = raw.fetch_one(IS_READ_ONLY).await?;
        let read_only: bool = sqlx::Row::try_get(&row, 0)?;
        Ok(match (self.role, read_only) {
            (Role::Primary, true) => Some("read-only"),
            (Role::Replica, false) => Some("not a replica"),
            _ => None,
        })
    }
}

/// The key of a target, which never holds a password.
fn target_of(options: &PgConnectOptions) -> Target {
    let user = options.get_username();
    let database = options.get_database().unwrap_or(user);
    let target = Target::new("postgres", database).as_user(user);
    match options.get_socket() {
        Some(socket) => target.at(socket.display().to_string(), options.get_port()),
        None => target.at(options.get_host(), options.get_port()),
    }
}

/// Why a connect failed.
fn problem_of(error: &sqlx::Error) -> ConnectProblem {
    let keep = Keep { role: Role::Any, transaction_pooling: false };
    match (code_of(error).as_deref(), classify(error, &keep, false)) {
        (None, _) => ConnectProblem::of_transport(error),
        (Some(code::NO_SUCH_DATABASE), _) => ConnectProblem::NoDatabase,
        (_, ErrorClass::Auth) => ConnectProblem::LoginRefused,
        (_, ErrorClass::Capacity) => ConnectProblem::TooManyConnections,
        (Some(code::CANNOT_CONNECT_NOW | code::ADMIN_SHUTDOWN | code::CRASH_SHUTDOWN), _) => {
            ConnectProblem::NotReady
        }
        _ => ConnectProblem::Other,
    }
}

impl Connector for PgConnector {
    type Connection = PgConnection;
    type Error = PgError;

    // Cancel: sqlx closes the socket when its future is dropped.
    async fn connect(&self) -> Result<PgConnection, PgError> {
        let mut first = None;
        for place in self.places() {
            match self.connect_to(place).await {
                Ok(connection) => return Ok(connection),
                Err(error) => {
                    // The last one would be as good; but a login refused tells more than a host that is down.
                    let tells_more = matches!(self.classify(&error), ErrorClass::Auth | ErrorClass::Capacity);
                    if first.is_none() || tells_more {
                        first = Some(error);
                    }
                }
            }
        }
        Err(first.expect("there is at least one place"))
    }

    /// One round trip that reaches the server: of the protocol alone, or the question for its role if that matters.
    async fn validate(&self, connection: &mut PgConnection) -> Result<(), PgError> {
        match self.role {
            Role::Any if self.transaction_pooling => {
                connection.raw.execute("SELECT 1").await?;
            }
            Role::Any => connection.raw.ping().await?,
            _ => {
                if let Some(found) = self.check_role(&mut connection.raw).await? {
                    return Err(PgError::Role { target: target_of(&self.options).to_string(), found });
                }
            }
        }
        Ok(())
    }

    async fn reset(&self, connection: &mut PgConnection) -> Result<(), PgError> {
        connection.reset().await
    }

    fn condition(&self, connection: &mut PgConnection) -> Condition {
        connection.condition()
    }

    async fn close(&self, connection: PgConnection) {
        if let Err(error) = connection.raw.close().await {
            tracing::debug!(target = %target_of(&self.options), %error, "the server did not hear the goodbye");
        }
    }

    fn classify(&self, error: &PgError) -> ErrorClass {
        match error {
            PgError::Connect { problem: ConnectProblem::Tls(Some(problem)), .. } => problem.class(),
            PgError::Credentials { source, .. } => source.class(),
            PgError::Role { .. } => ErrorClass::FatalAll,
            error => match error.sqlx() {
                Some(error) => classify(error, &self.keep(), false),
                None => ErrorClass::FatalThis,
            },
        }
    }

    fn target(&self) -> Option<Target> {
        Some(target_of(&self.options))
    }
}

/// Shows where the server is, never the settings: they hold the password.
impl fmt::Debug for PgConnector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PgConnector")
            .field("target", &format_args!("{}", target_of(&self.options)))
            .field("role", &self.role)
            .finish_non_exhaustive()
    }
}
