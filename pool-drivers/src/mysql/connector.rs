//! What MySQL and MariaDB add to a connector.

use pool_core::{ErrorClass, Target};
use sqlx::mysql::{MySqlConnectOptions, MySqlSslMode};
use sqlx::{AssertSqlSafe, Connection as _, Executor as _, MySql, MySqlConnection, Row as _};

use super::class::{classify, number, number_of, refusal};
use crate::credentials::Credentials;
use crate::server::{ConnectProblem, Keep, Refusal, Server, ServerConnector, ServerError};
use crate::sql::SqlConnection;
use crate::tls::Tls;

/// Opens connections to one MySQL or MariaDB server, or to the first of several that is fit.
pub type MySqlConnector = ServerConnector<MySql>;

/// The settings that no other server has.
#[derive(Debug, Clone, Copy, Default)]
pub struct Extras {
    cleartext_password: bool,
}

impl ServerConnector<MySql> {
    /// Whether the password is sent as it is when the server asks for that, as one does that hands it to a directory
    /// (LDAP) or to PAM. Default off: such a server is refused. Needs [`tls`](Self::tls).
    #[must_use]
    pub fn cleartext_password(mut self, on: bool) -> Self {
        self.options = self.options.enable_cleartext_plugin(on);
        self.extras.cleartext_password = on;
        self
    }
}

impl Server for MySql {
    type Extras = Extras;

    const SCHEMES: &'static [&'static str] = &["mysql", "mariadb"];

    fn options_of(host: &str, port: u16, database: &str) -> MySqlConnectOptions {
        let options = Self::at(MySqlConnectOptions::new(), host, port);
        if database.is_empty() { options } else { options.database(database) }
    }

    fn at(options: MySqlConnectOptions, host: &str, port: u16) -> MySqlConnectOptions {
        if host.starts_with('/') { options.socket(host) } else { options.host(host).port(port) }
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
        let is_local = options.get_socket().is_some();
        if connector.extras.cleartext_password && connector.tls.is_none() && !is_local {
            return Err("a password in clear text needs TLS; whoever is on the way could read it");
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

    fn refusal_of(error: &sqlx::Error) -> Refusal {
        refusal(error)
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

    async fn ping(raw: &mut MySqlConnection, _extras: &Extras) -> Result<(), sqlx::Error> {
        raw.ping().await
    }

    async fn reset(connection: &mut SqlConnection<MySql>) -> Result<(), ServerError> {
        connection.reset().await
    }
}

#[cfg(test)]
mod tests {
    use pool_core::Connector as _;

    use super::*;

    fn key(connector: &MySqlConnector) -> String {
        connector.target().map(|target| target.to_string()).unwrap_or_default()
    }

    #[test]
    fn a_server_can_be_named_without_a_url() {
        let connector = MySqlConnector::new("db.test", 3307, "orders").user("app");
        assert_eq!(key(&connector), "mysql://app@db.test:3307/orders");
    }

    #[test]
    fn a_host_with_a_slash_is_a_socket() {
        let connector = MySqlConnector::new("/run/mysqld.sock", 3306, "orders").user("app");
        assert_eq!(key(&connector), "mysql://app@/run/mysqld.sock/orders");
        assert_eq!(MySql::host_of(&connector.options), None, "no name to look up");
    }

    #[test]
    fn a_password_in_clear_text_needs_tls_or_a_socket() {
        let complete = |connector: MySqlConnector| {
            let connector = connector.cleartext_password(true);
            MySql::complete(connector.options.clone(), &connector).map(drop)
        };
        let refused = complete(MySqlConnector::new("db.test", 3306, "orders")).unwrap_err();
        assert!(refused.contains("needs TLS"), "{refused}");
        assert_eq!(complete(MySqlConnector::new("db.test", 3306, "orders").tls(Tls::new())), Ok(()));
        assert_eq!(complete(MySqlConnector::new("/run/mysqld.sock", 3306, "orders")), Ok(()));
    }
}
