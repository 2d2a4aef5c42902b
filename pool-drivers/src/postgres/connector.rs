//! What PostgreSQL adds to a connector.

use std::time::Duration;

use pool_core::{ErrorClass, Target};
use sqlx::postgres::{PgConnectOptions, PgSslMode};
use sqlx::{Connection as _, Executor as _, PgConnection, Postgres, Row as _};

use super::class::{classify, code, code_of, refusal};
use crate::credentials::Credentials;
use crate::server::{ConnectProblem, Keep, Refusal, Server, ServerConnector, ServerError};
use crate::sql::SqlConnection;
use crate::tls::Tls;

/// Opens connections to one PostgreSQL server, or to the first of several that is fit.
pub type PgConnector = ServerConnector<Postgres>;

/// The settings that no other server has.
#[derive(Debug, Clone, Default)]
pub struct Extras {
    pub(crate) transaction_pooling: bool,
    idle_in_transaction_timeout: Option<Duration>,
}

impl ServerConnector<Postgres> {
    /// The name that the server shows for these connections, as in `pg_stat_activity`.
    #[must_use]
    pub fn application_name(mut self, name: &str) -> Self {
        self.options = self.options.application_name(name);
        self
    }

    /// How long a transaction may be open with nothing to do before the server ends the connection. Default none;
    /// 0 = none. Counted in milliseconds, rounded up.
    #[must_use]
    pub fn idle_in_transaction_timeout(mut self, timeout: Duration) -> Self {
        self.extras.idle_in_transaction_timeout = Some(timeout);
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
        self.extras.transaction_pooling = on;
        self
    }
}

impl Server for Postgres {
    type Extras = Extras;

    const SCHEMES: &'static [&'static str] = &["postgres", "postgresql"];

    /// The file of passwords of libpq is not read: it would be asked before the user is known.
    fn options_of(host: &str, port: u16, database: &str) -> PgConnectOptions {
        let options = Self::at(PgConnectOptions::new_without_pgpass(), host, port);
        if database.is_empty() { options } else { options.database(database) }
    }

    fn at(options: PgConnectOptions, host: &str, port: u16) -> PgConnectOptions {
        options.host(host).port(port)
    }

    fn log_in_as(mut options: PgConnectOptions, credentials: &Credentials) -> PgConnectOptions {
        if let Some(user) = &credentials.user {
            options = options.username(user);
        }
        if let Some(password) = &credentials.password {
            options = options.password(password.expose());
        }
        options
    }

    fn encrypt(options: PgConnectOptions, tls: &Tls) -> PgConnectOptions {
        let mode = if tls.verifies_peer() { PgSslMode::VerifyFull } else { PgSslMode::Require };
        let mut options = options.ssl_mode(mode);
        if let Some(path) = tls.ca_certificate_path() {
            options = options.ssl_root_cert(path);
        }
        if let Some((certificate, key)) = tls.client_certificate_paths() {
            options = options.ssl_client_cert(certificate).ssl_client_key(key);
        }
        options
    }

    fn complete(
        options: PgConnectOptions,
        connector: &PgConnector,
    ) -> Result<PgConnectOptions, &'static str> {
        let timeouts = [
            ("statement_timeout", connector.statement_timeout),
            ("idle_in_transaction_session_timeout", connector.extras.idle_in_transaction_timeout),
        ];
        let settings: Vec<_> = timeouts
            .into_iter()
            .filter_map(|(name, timeout)| Some((name, timeout?.as_nanos().div_ceil(1_000_000).to_string())))
            .collect();
        match (connector.extras.transaction_pooling, settings.is_empty()) {
            (true, true) if connector.init_sql.is_some() => {
                Err("`init_sql` cannot be had through a pooler of transactions; use ALTER ROLE … SET")
            }
            (true, true) => Ok(options.statement_cache_capacity(0).extra_float_digits(None)),
            (true, false) => {
                Err("timeouts cannot be set through a pooler of transactions; set them by ALTER ROLE … SET")
            }
            (false, true) => Ok(options),
            (false, false) => Ok(options.options(settings)),
        }
    }

    fn host_of(options: &PgConnectOptions) -> Option<(&str, u16)> {
        let is_socket = options.get_socket().is_some() || options.get_host().starts_with('/');
        (!is_socket).then(|| (options.get_host(), options.get_port()))
    }

    fn target_of(options: &PgConnectOptions) -> Target {
        let user = options.get_username();
        let database = options.get_database().unwrap_or(user);
        let target = Target::new("postgres", database).as_user(user);
        match options.get_socket() {
            Some(socket) => target.at(socket.display().to_string(), options.get_port()),
            None => target.at(options.get_host(), options.get_port()),
        }
    }

    fn problem_of(error: &sqlx::Error) -> ConnectProblem {
        match (code_of(error).as_deref(), classify(error, &Keep::default(), false)) {
            (None, _) => ConnectProblem::of_transport(error),
            (Some(code::NO_SUCH_DATABASE), _) => ConnectProblem::NoDatabase,
            (_, ErrorClass::Auth) | (Some(code::NO_PRIVILEGE), _) => ConnectProblem::LoginRefused,
            (_, ErrorClass::Capacity) => ConnectProblem::TooManyConnections,
            (Some(code::CANNOT_CONNECT_NOW | code::ADMIN_SHUTDOWN | code::CRASH_SHUTDOWN), _) => {
                ConnectProblem::NotReady
            }
            _ => ConnectProblem::Other,
        }
    }

    fn refusal_of(error: &sqlx::Error) -> Refusal {
        refusal(error)
    }

    /// Everything is in the options.
    async fn settle(_raw: &mut PgConnection, _connector: &PgConnector) -> Result<(), sqlx::Error> {
        Ok(())
    }

    async fn is_read_only(raw: &mut PgConnection) -> Result<bool, sqlx::Error> {
        // As plain text: the statement cache, and a pooler, have nothing to do with it.
        let row = raw
            .fetch_one("SELECT pg_is_in_recovery() OR current_setting('default_transaction_read_only')::bool")
            .await?;
        row.try_get(0)
    }

    /// Through a pooler only a statement reaches the server.
    async fn ping(raw: &mut PgConnection, extras: &Extras) -> Result<(), sqlx::Error> {
        if extras.transaction_pooling {
            raw.execute("SELECT 1").await?;
            return Ok(());
        }
        raw.ping().await
    }

    async fn reset(connection: &mut SqlConnection<Postgres>) -> Result<(), ServerError> {
        connection.reset().await
    }
}

#[cfg(test)]
mod tests {
    use pool_core::Connector as _;

    use super::*;
    use crate::Replaceable as _;

    fn key(connector: &PgConnector) -> String {
        connector.target().map(|target| target.to_string()).unwrap_or_default()
    }

    #[test]
    fn a_server_can_be_named_without_a_url() {
        let connector = PgConnector::new("db.test", 5433, "orders").user("app");
        assert_eq!(key(&connector), "postgres://app@db.test:5433/orders");
        assert_eq!(Postgres::host_of(&connector.options), Some(("db.test", 5433)));
    }

    #[test]
    fn a_host_with_a_slash_is_the_folder_of_a_socket() {
        let connector = PgConnector::new("/run/postgresql", 5432, "orders").user("app");
        assert_eq!(key(&connector), "postgres://app@/run/postgresql:5432/orders");
        assert_eq!(Postgres::host_of(&connector.options), None, "no name to look up");
    }

    #[test]
    fn a_successor_is_what_is_told_shown_and_cloned() {
        let connector = PgConnector::new("old.test", 5432, "orders").user("app");
        let before = connector.clone();
        connector.replace_with(PgConnector::new("new.test", 5432, "orders").user("app"));
        assert_eq!(key(&connector), "postgres://app@new.test:5432/orders");
        assert!(format!("{connector:?}").contains("new.test"), "{connector:?}");
        assert_eq!(key(&connector.clone()), key(&connector));
        assert_eq!(key(&before), "postgres://app@old.test:5432/orders");

        // One that has a successor stands for that, wherever it is put.
        let third = PgConnector::new("third.test", 5432, "orders").user("app");
        third.replace_with(before);
        connector.replace_with(third);
        assert_eq!(key(&connector), "postgres://app@old.test:5432/orders");
    }
}
