//! How connections to one server are opened, checked, cleaned and closed.

use std::fmt;
use std::str::FromStr as _;
use std::time::Duration;

use pool_core::{Condition, Connector, ErrorClass, Target};
use sqlx::mysql::{MySqlConnectOptions, MySqlSslMode};
use sqlx::{AssertSqlSafe, ConnectOptions as _, Connection as _, Executor as _, Row as _};

use super::class::{classify, number, number_of};
use super::connection::{Keep, MySqlConnection};
use super::error::MySqlError;
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
    /// It is read-only. Asked at each connect and each validation.
    Replica,
}

/// Opens connections to one MySQL or MariaDB server, or to the first of several that is fit.
///
/// Clones are connectors of the same server, with settings of their own.
///
/// # Examples
///
/// ```no_run
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # use std::time::Duration;
/// use pool_drivers::credentials::EnvironmentCredentials;
/// use pool_drivers::mysql::MySqlConnector;
///
/// let orders = MySqlConnector::from_url("mysql://app@db.example.com/orders")?
///     .credentials(EnvironmentCredentials::password("ORDERS_PASSWORD"))
///     .statement_timeout(Duration::from_secs(30));
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct MySqlConnector {
    options: MySqlConnectOptions,
    /// Where else to look, after the place that the options name.
    others: Vec<(String, u16)>,
    credentials: Option<Provider>,
    tls: Option<Tls>,
    role: Role,
    statement_timeout: Option<Duration>,
}

impl MySqlConnector {
    /// What a URL names: `mysql://user:password@host:port/database`, with the parameters that sqlx knows.
    ///
    /// # Errors
    ///
    /// Fails if sqlx cannot understand it.
    pub fn from_url(url: &str) -> Result<Self, sqlx::Error> {
        MySqlConnectOptions::from_str(url).map(MySqlConnector::from_options)
    }

    /// What options of sqlx name. Everything in them stays as it is, unless a method of this type changes it.
    pub fn from_options(options: MySqlConnectOptions) -> Self {
        MySqlConnector {
            options,
            others: Vec::new(),
            credentials: None,
            tls: None,
            role: Role::Any,
            statement_timeout: None,
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

    /// How long a statement may run before the server cancels it. Default none; 0 = none.
    ///
    /// MariaDB counts it for all statements, MySQL for `SELECT` only.
    #[must_use]
    pub fn statement_timeout(mut self, timeout: Duration) -> Self {
        self.statement_timeout = Some(timeout);
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

    fn keep(&self) -> Keep {
        Keep { role: self.role }
    }

    /// The places, in the order in which they are tried.
    fn places(&self) -> impl Iterator<Item = MySqlConnectOptions> + '_ {
        let others = self.others.iter().map(|(host, port)| self.options.clone().host(host).port(*port));
        std::iter::once(self.options.clone()).chain(others)
    }

    /// Adds to the options what the other settings ask for.
    fn complete(&self, mut options: MySqlConnectOptions) -> Result<MySqlConnectOptions, &'static str> {
        let Some(tls) = &self.tls else { return Ok(options) };
        if tls.server_name_override().is_some() {
            return Err(
                "the server's name cannot be set for MySQL; connect to the host that its certificate names",
            );
        }
        let mode = if tls.verifies_peer() { MySqlSslMode::VerifyIdentity } else { MySqlSslMode::Required };
        options = options.ssl_mode(mode);
        if let Some(path) = tls.ca_certificate_path() {
            options = options.ssl_ca(path);
        }
        if let Some((certificate, key)) = tls.client_certificate_paths() {
            options = options.ssl_client_cert(certificate).ssl_client_key(key);
        }
        Ok(options)
    }

    async fn connect_to(&self, options: MySqlConnectOptions) -> Result<MySqlConnection, MySqlError> {
        let mut options = options;
        if let Some(provider) = &self.credentials {
            let credentials = provider.credentials().await;
            let credentials = credentials.map_err(|source| MySqlError::Credentials {
                target: target_of(&options).to_string(),
                source,
            })?;
            if let Some(user) = &credentials.user {
                options = options.username(user);
            }
            if let Some(password) = &credentials.password {
                options = options.password(password.expose());
            }
        }
        let target = target_of(&options).to_string();
        let refused = |problem, source| MySqlError::Connect { target: target.clone(), problem, source };
        let options =
            self.complete(options).map_err(|problem| refused(ConnectProblem::Options(problem), None))?;
        let mut raw = options.connect().await.map_err(|error| refused(problem_of(&error), Some(error)))?;
        let settled = async {
            self.limit_statements(&mut raw).await?;
            self.check_role(&mut raw).await
        };
        let found = settled.await.map_err(|error| refused(ConnectProblem::Other, Some(error)))?;
        if let Some(found) = found {
            // The error to tell of is the role.
            drop(raw.close().await);
            return Err(MySqlError::Role { target, found });
        }
        Ok(SqlConnection::new(raw, self.keep()))
    }

    /// Tells the server how long a statement may run. The two servers have different variables for it.
    async fn limit_statements(&self, raw: &mut sqlx::MySqlConnection) -> Result<(), sqlx::Error> {
        let Some(limit) = self.statement_timeout else { return Ok(()) };
        let row = raw.fetch_one("SELECT VERSION()").await?;
        let version: String = row.try_get(0)?;
        let set = if version.contains("MariaDB") {
            format!("SET SESSION max_statement_time = {}", limit.as_secs_f64())
        } else {
            format!("SET SESSION max_execution_time = {}", limit.as_nanos().div_ceil(1_000_000))
        };
        raw.execute(AssertSqlSafe(set)).await?;
        Ok(())
    }

    /// Asks the server for its role, if it matters. Returns what it is if that is wrong.
    async fn check_role(&self, raw: &mut sqlx::MySqlConnection) -> Result<Option<&'static str>, sqlx::Error> {
        if self.role == Role::Any {
            return Ok(None);
        }
        let row = raw.fetch_one("SELECT @@global.read_only").await?;
        let read_only = row.try_get::<i64, _>(0)? != 0;
        Ok(match (self.role, read_only) {
            (Role::Primary, true) => Some("read-only"),
            (Role::Replica, false) => Some("not read-only"),
            _ => None,
        })
    }
}

/// The key of a target, which never holds a password.
fn target_of(options: &MySqlConnectOptions) -> Target {
    let target =
        Target::new("mysql", options.get_database().unwrap_or_default()).as_user(options.get_username());
    match options.get_socket() {
        Some(socket) => target.at(socket.display().to_string(), None),
        None => target.at(options.get_host(), options.get_port()),
    }
}

/// Why a connect failed.
fn problem_of(error: &sqlx::Error) -> ConnectProblem {
    match (number_of(error), classify(error, &Keep { role: Role::Any })) {
        (None, _) => ConnectProblem::of_transport(error),
        (Some(number::NO_SUCH_DATABASE), _) => ConnectProblem::NoDatabase,
        (Some(number::SHUTDOWN), _) => ConnectProblem::NotReady,
        (_, ErrorClass::Auth) => ConnectProblem::LoginRefused,
        (_, ErrorClass::Capacity) => ConnectProblem::TooManyConnections,
        _ => ConnectProblem::Other,
    }
}

impl Connector for MySqlConnector {
    type Connection = MySqlConnection;
    type Error = MySqlError;

    // Cancel: sqlx closes the socket when its future is dropped.
    async fn connect(&self) -> Result<MySqlConnection, MySqlError> {
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

    /// One round trip: `COM_PING`, or the question for its role if that matters.
    async fn validate(&self, connection: &mut MySqlConnection) -> Result<(), MySqlError> {
        if self.role == Role::Any {
            connection.raw.ping().await?;
        } else if let Some(found) = self.check_role(&mut connection.raw).await? {
            return Err(MySqlError::Role { target: target_of(&self.options).to_string(), found });
        }
        Ok(())
    }

    async fn reset(&self, connection: &mut MySqlConnection) -> Result<(), MySqlError> {
        connection.reset().await
    }

    fn condition(&self, connection: &mut MySqlConnection) -> Condition {
        connection.look()
    }

    async fn close(&self, connection: MySqlConnection) {
        if let Err(error) = connection.raw.close().await {
            tracing::debug!(target = %target_of(&self.options), %error, "the server did not hear the goodbye");
        }
    }

    fn classify(&self, error: &MySqlError) -> ErrorClass {
        match error {
            MySqlError::Connect { problem: ConnectProblem::Tls(Some(problem)), .. } => problem.class(),
            MySqlError::Credentials { source, .. } => source.class(),
            MySqlError::Role { .. } => ErrorClass::FatalAll,
            error => match error.sqlx() {
                Some(error) => classify(error, &self.keep()),
                None => ErrorClass::FatalThis,
            },
        }
    }

    fn target(&self) -> Option<Target> {
        Some(target_of(&self.options))
    }
}

/// Shows where the server is, never the settings: they hold the password.
impl fmt::Debug for MySqlConnector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MySqlConnector")
            .field("target", &format_args!("{}", target_of(&self.options)))
            .field("role", &self.role)
            .finish_non_exhaustive()
    }
}
