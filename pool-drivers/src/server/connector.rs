//! What one server is, and how its connections shall be.

use std::fmt;
use std::str::FromStr as _;
use std::sync::Arc;
use std::time::Duration;

use super::dialect::{OptionsOf, Role, Server};
use crate::credentials::{Credentials, Provider};
use crate::dns::Names;
use crate::successor::{Replaceable, Successor};
use crate::tls::Tls;

/// Opens connections to one database server, or to the first of several that is fit.
///
/// Clones are connectors of the same server, with settings of their own.
///
/// # Examples
///
/// ```no_run
/// # #[cfg(feature = "postgres")]
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
/// # #[cfg(not(feature = "postgres"))]
/// # fn main() {}
/// ```
pub struct ServerConnector<D: Server> {
    pub(crate) options: OptionsOf<D>,
    /// Where else to look, after the place that the options name.
    others: Vec<(String, u16)>,
    pub(super) credentials: Option<Provider>,
    pub(crate) tls: Option<Tls>,
    pub(super) role: Role,
    pub(crate) statement_timeout: Option<Duration>,
    pub(super) names: Names,
    pub(crate) init_sql: Option<Arc<str>>,
    pub(crate) extras: D::Extras,
    pub(super) successor: Successor<Self>,
}

impl<D: Server> ServerConnector<D> {
    /// A server and one of its databases; an empty name leaves that to the server. A host that begins with `/` is a
    /// socket: for PostgreSQL the folder of it, for MySQL itself.
    ///
    /// All else is as with a URL that says no more. For PostgreSQL that means that variables of the environment such as
    /// `PGUSER` and `PGSSLMODE` count, as with libpq.
    pub fn new(host: &str, port: u16, database: &str) -> Self {
        Self::from_options(D::options_of(host, port, database))
    }

    /// What a URL names, such as `postgres://user:password@host:port/database` or
    /// `mysql://user:password@host:port/database`, with the parameters that sqlx knows.
    ///
    /// # Errors
    ///
    /// Fails if it is one of another database, or sqlx cannot understand it.
    pub fn from_url(url: &str) -> Result<Self, sqlx::Error> {
        let scheme = url.split_once("://").map_or("", |(scheme, _)| scheme);
        if !D::SCHEMES.contains(&scheme) {
            let known = D::SCHEMES.join("://` or `");
            return Err(sqlx::Error::Configuration(format!("the URL must begin with `{known}://`").into()));
        }
        OptionsOf::<D>::from_str(url).map(Self::from_options)
    }

    /// What options of sqlx name. Everything in them stays as it is, unless a method of this type changes it.
    pub fn from_options(options: OptionsOf<D>) -> Self {
        ServerConnector {
            options,
            others: Vec::new(),
            credentials: None,
            tls: None,
            role: Role::Any,
            statement_timeout: None,
            names: Names::default(),
            init_sql: None,
            extras: D::Extras::default(),
            successor: Successor::default(),
        }
    }

    /// Who to log in as. What `credentials` tells goes before it.
    #[must_use]
    pub fn user(mut self, user: impl Into<String>) -> Self {
        self.options = D::log_in_as(self.options, &Credentials::none().as_user(user));
        self
    }

    /// Asks for user and password at each connect. What the provider does not tell stays as it was set.
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

    /// How long a statement may run before the server cancels it. Default none; 0 = none. Counted in milliseconds,
    /// rounded up.
    ///
    /// PostgreSQL and MariaDB count it for all statements, MySQL for `SELECT` only. Holders may change it for
    /// themselves; the next holder finds it as it was.
    #[must_use]
    pub fn statement_timeout(mut self, timeout: Duration) -> Self {
        self.statement_timeout = Some(timeout);
        self
    }

    /// Statements that make a new session what holders expect, such as `SET search_path TO orders`. Default none.
    ///
    /// Several are separated by `;`. They are run at each connect, and again when what a holder changed has been undone.
    /// One that fails makes the connect fail. A second call replaces what the first has set. Through a pooler of
    /// transactions it is an error of the connect.
    #[must_use]
    pub fn init_sql(mut self, statements: impl Into<Arc<str>>) -> Self {
        self.init_sql = Some(statements.into());
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

    /// How long to trust what a host name stands for; see [`dns`](crate::dns). Default off: as
    /// long as a connection lives. 0 = look each time a connection comes back.
    #[must_use]
    pub fn dns_max_ttl(mut self, max_ttl: Duration) -> Self {
        self.names = Names::new(max_ttl);
        self
    }

    /// The places, in the order in which they are tried.
    pub(super) fn places(&self) -> impl Iterator<Item = OptionsOf<D>> + '_ {
        let others = self.others.iter().map(|(host, port)| D::at(self.options.clone(), host, *port));
        std::iter::once(self.options.clone()).chain(others)
    }
}

impl<D: Server> Clone for ServerConnector<D> {
    fn clone(&self) -> Self {
        self.successor.ask(self, |latest| ServerConnector {
            options: latest.options.clone(),
            others: latest.others.clone(),
            credentials: latest.credentials.clone(),
            tls: latest.tls.clone(),
            role: latest.role,
            statement_timeout: latest.statement_timeout,
            names: latest.names.clone(),
            init_sql: latest.init_sql.clone(),
            extras: latest.extras.clone(),
            successor: Successor::default(),
        })
    }
}

impl<D: Server> Replaceable for ServerConnector<D> {
    fn replace_with(&self, next: Self) {
        self.successor.set(next.clone());
    }
}

/// Shows where the server is, never the options of sqlx: they hold the password.
impl<D: Server> fmt::Debug for ServerConnector<D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.successor.ask(self, |latest| {
            f.debug_struct("ServerConnector")
                .field("target", &format_args!("{}", D::target_of(&latest.options)))
                .field("role", &latest.role)
                .field("extras", &latest.extras)
                .finish_non_exhaustive()
        })
    }
}
