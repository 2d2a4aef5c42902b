//! What MySQL and MariaDB add to a connector.

use pool_core::{ErrorClass, Target};
use sqlx::mysql::{MySqlConnectOptions, MySqlSslMode};
use sqlx::{AssertSqlSafe, Connection as _, Executor as _, MySql, MySqlConnection, Row as _};

use super::class::{classify, number, number_of};
use crate::credentials::Credentials;
use crate::server::{ConnectProblem, Keep, Server, ServerConnector, ServerError};
use crate::sql::SqlConnection;
use crate::tls::Tls;

/// Opens connections to one MySQL or MariaDB server, or to the first of several that is fit.
pub type MySqlConnector = ServerConnector<MySql>;

impl Server for MySql {
    type Extras = ();

    const SCHEMES: &'static [&'static str] = &["mysql", "mariadb"];

    fn at(options: MySqlConnectOptions, host: &str, port: u16) -> MySqlConnectOptions {
        options.host(host).port(port)
    }

    fn log_in_as(mut options: MySqlConnectOptions, credentials: &Credentials) -> MySqlConnectOptions {
        if let Some(user) = &credentials.user {
            options = options.username(user);
        }
        if let Some(password) = &credentials.password {
            options = options.password(password.expose());
        }
        options
    }

    fn encrypt(options: MySqlConnectOptions, tls: &Tls) -> MySqlConnectOptions {
        let mode = if tls.verifies_peer() { MySqlSslMode::VerifyIdentity } else { MySqlSslMode::Required };
        let mut options = options.ssl_mode(mode);
        if let Some(path) = tls.ca_certificate_path() {
            options = options.ssl_ca(path);
        }
        if let Some((certificate, key)) = tls.client_certificate_paths() {
            options = options.ssl_client_cert(certificate).ssl_client_key(key);
        }
        options
    }

    fn complete(
        options: MySqlConnectOptions,
        connector: &MySqlConnector,
    ) -> Result<MySqlConnectOptions, &'static str> {
        let init_sql = connector.init_sql.as_deref().unwrap_or_default();
        if init_sql.to_ascii_lowercase().contains("autocommit") {
            // Any statement would begin a transaction, and nobody would see it.
            return Err("`autocommit` cannot be changed by `init_sql`");
        }
        Ok(options)
    }

    fn host_of(options: &MySqlConnectOptions) -> Option<(&str, u16)> {
        options.get_socket().is_none().then(|| (options.get_host(), options.get_port()))
    }

    fn target_of(options: &MySqlConnectOptions) -> Target {
        let database = options.get_database().unwrap_or_default();
        let target = Target::new("mysql", database).as_user(options.get_username());
        match options.get_socket() {
            Some(socket) => target.at(socket.display().to_string(), None),
            None => target.at(options.get_host(), options.get_port()),
        }
    }

    fn problem_of(error: &sqlx::Error) -> ConnectProblem {
        match (number_of(error), classify(error, &Keep::default())) {
            (None, _) => ConnectProblem::of_transport(error),
            (Some(number::NO_SUCH_DATABASE), _) => ConnectProblem::NoDatabase,
            (Some(number::SHUTDOWN), _) => ConnectProblem::NotReady,
            (_, ErrorClass::Auth) => ConnectProblem::LoginRefused,
            (_, ErrorClass::Capacity) => ConnectProblem::TooManyConnections,
            _ => ConnectProblem::Other,
        }
    }

    /// Tells the server how long a statement may run. The two servers have different variables for it.
    async fn settle(raw: &mut MySqlConnection, connector: &MySqlConnector) -> Result<(), sqlx::Error> {
        let Some(limit) = connector.statement_timeout else { return Ok(()) };
        let milliseconds = limit.as_nanos().div_ceil(1_000_000);
        let version: String = raw.fetch_one("SELECT VERSION()").await?.try_get(0)?;
        let set = if version.contains("MariaDB") {
            format!("SET SESSION max_statement_time = {milliseconds} / 1000")
        } else {
            format!("SET SESSION max_execution_time = {milliseconds}")
        };
        raw.execute(AssertSqlSafe(set)).await?;
        Ok(())
    }

    async fn is_read_only(raw: &mut MySqlConnection) -> Result<bool, sqlx::Error> {
        let row = raw.fetch_one("SELECT @@global.read_only").await?;
        Ok(row.try_get::<i64, _>(0)? != 0)
    }

    async fn ping(raw: &mut MySqlConnection, _extras: &()) -> Result<(), sqlx::Error> {
        raw.ping().await
    }

    async fn reset(connection: &mut SqlConnection<MySql>) -> Result<(), ServerError> {
        connection.reset().await
    }
}
