//! MariaDB.
//!
//! Its data folder takes seconds to be laid out, so that is done once in a test process; every server begins with
//! a copy. The superuser has a port of its own. (Why not the Unix socket: its connections are counted with all others.
//! MariaDB keeps one for the superuser beyond the limit, but a client that is being refused has it meanwhile.)

use std::path::{Path, PathBuf};

use rustix::process::Signal;
use sqlx::mysql::{MySqlConnectOptions, MySqlSslMode};
use sqlx::{AssertSqlSafe, ConnectOptions as _, Connection as _, MySqlConnection};
use tokio::sync::OnceCell;

use crate::ca::{Demand, Tls};
use crate::process::{Kind, Place, Server, ServerError, encode};

/// The superuser.
pub const SUPERUSER: &str = "root";
/// The superuser's password.
pub const PASSWORD: &str = "canary-of-mariadb";

const DATA: &str = "data";
const SOCKET: &str = "mariadb.sock";

/// The settings of a MariaDB server.
#[derive(Clone)]
pub struct MariaDb {
    max_connections: u32,
    read_only: bool,
    tls: Option<Tls>,
    settings: Vec<(String, String)>,
}

impl MariaDb {
    /// 100 connections, no TLS, and a small and quick server, whose data does not survive a crash of the machine.
    pub fn new() -> Self {
        MariaDb { max_connections: 100, read_only: false, tls: None, settings: Vec::new() }
    }

    /// How many connections ordinary users may have together. MariaDB takes less than 10 for 10. Those of
    /// [`Server::connect`] are not counted.
    pub fn max_connections(mut self, connections: u32) -> Self {
        self.max_connections = connections;
        self
    }

    /// Serves TLS.
    pub fn tls(mut self, tls: Tls) -> Self {
        self.tls = Some(tls);
        self
    }

    /// Lets nobody write but the superuser.
    pub fn read_only(mut self) -> Self {
        self.read_only = true;
        self
    }

    /// Any other setting, as the server's command line wants it, without the dashes.
    pub fn setting(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.settings.push((name.into(), value.into()));
        self
    }

    /// Starts a server with these settings and waits until it answers.
    ///
    /// # Errors
    ///
    /// MariaDB is not installed, or does not start.
    ///
    /// # Cancel safety
    ///
    /// Nothing stays behind.
    pub async fn launch(self) -> Result<Server<Self>, ServerError> {
        Server::launch(self).await
    }

    fn superuser(&self, place: &Place) -> MySqlConnectOptions {
        // With TLS if there is any, whatever the certificate is like.
        let mode = if self.tls.is_some() { MySqlSslMode::Required } else { MySqlSslMode::Disabled };
        MySqlConnectOptions::new()
            .host("127.0.0.1")
            .port(place.second_port())
            .username(SUPERUSER)
            .password(PASSWORD)
            .ssl_mode(mode)
            // What is run as the superuser may hold a password.
            .disable_statement_logging()
    }
}

impl Default for MariaDb {
    fn default() -> Self {
        Self::new()
    }
}

impl Kind for MariaDb {
    const PROGRAM: &'static str = "mariadbd";
    const USER: Option<&'static str> = Some("mysql");
    const STOP: Signal = Signal::TERM;

    async fn create(&self, place: &Place) -> Result<(), ServerError> {
        static TEMPLATE: OnceCell<PathBuf> = OnceCell::const_new();
        let template = TEMPLATE.get_or_try_init(template).await?;
        place.copy(template, DATA).await
    }

    fn configure(&self, place: &Place) -> Result<Vec<String>, ServerError> {
        let show = |path: PathBuf| path.display().to_string();
        // By address: names are not resolved. The account that is there from the beginning has no password.
        let root = format!("{SUPERUSER}@'127.0.0.1'");
        let users = [
            format!("alter user {SUPERUSER}@localhost identified by '{PASSWORD}';\n"),
            format!("create or replace user {root} identified by '{PASSWORD}';\n"),
            format!("grant all on *.* to {root} with grant option;\n"),
        ];
        let mut settings = vec![
            ("port", place.port().to_string()),
            ("bind-address", "127.0.0.1".to_owned()),
            ("socket", show(place.path(SOCKET))),
            ("pid-file", show(place.path("pid"))),
            ("datadir", show(place.path(DATA))),
            ("tmpdir", show(place.folder().to_path_buf())),
            ("init-file", show(place.write("init.sql", &users.concat())?)),
            ("extra-port", place.second_port().to_string()),
            ("extra-max-connections", "10".to_owned()),
            ("max-connections", self.max_connections.to_string()),
            ("read-only", i32::from(self.read_only).to_string()),
            ("skip-name-resolve", "1".to_owned()),
        ];
        settings.extend(SMALL.map(|(name, value)| (name, value.to_owned())));
        if let Some(tls) = &self.tls {
            settings.extend([
                ("ssl-ca", show(place.write("ca.pem", tls.ca.certificate_pem())?)),
                ("ssl-cert", show(place.write("server.pem", tls.identity.certificate_pem())?)),
                ("ssl-key", show(place.write("server-key.pem", tls.identity.key_pem())?)),
                ("require-secure-transport", i32::from(tls.demand != Demand::Nothing).to_string()),
            ]);
        }
        let own = self.settings.iter().map(|(name, value)| (name.as_str(), value.clone()));
        let arguments = settings.into_iter().chain(own).map(|(name, value)| format!("--{name}={value}"));
        // Has to be the first: the machine's own settings are not ours.
        Ok(["--no-defaults".to_owned()].into_iter().chain(arguments).collect())
    }

    async fn answers(&self, place: &Place) -> Result<(), String> {
        let ask = async {
            let mut connection = self.superuser(place).connect().await?;
            connection.ping().await?;
            connection.close().await
        };
        ask.await.map_err(|error| error.to_string())
    }
}

impl Server<MariaDb> {
    /// A URL for a client over TCP.
    pub fn url(&self, user: &str, password: &str, database: &str) -> String {
        let (user, password, database) = (encode(user), encode(password), encode(database));
        format!("mysql://{user}:{password}@{}/{database}", self.address())
    }

    /// The Unix socket.
    pub fn socket(&self) -> PathBuf {
        self.place().path(SOCKET)
    }

    /// Connects as the superuser over its own port, which no TLS setting and no limit for others keeps out.
    ///
    /// # Errors
    ///
    /// The server does not answer.
    pub async fn connect(&self) -> Result<MySqlConnection, ServerError> {
        let options = self.kind().superuser(self.place());
        options.connect().await.map_err(ServerError::sql("connect as the superuser"))
    }

    /// Runs statements as the superuser.
    ///
    /// # Errors
    ///
    /// The server does not answer, or refuses one.
    pub async fn execute(&self, statements: &str) -> Result<(), ServerError> {
        let mut connection = self.connect().await?;
        let fail = ServerError::sql("run a statement as the superuser");
        sqlx::raw_sql(AssertSqlSafe(statements)).execute(&mut connection).await.map_err(fail)?;
        connection.close().await.map_err(ServerError::sql("close the superuser's connection"))
    }

    /// Creates a user who may do everything in a database of its own name. Where the server asks for client
    /// certificates, the user has to have one with its name for the common name.
    ///
    /// # Errors
    ///
    /// The server does not answer, or has the user already.
    pub async fn create_user(&self, name: &str, password: &str) -> Result<(), ServerError> {
        let user = format!("{}@'%'", quote(name));
        let demand = match self.kind().tls.as_ref().map(|tls| tls.demand) {
            Some(Demand::Certificate) => format!("require subject {}", quote(&format!("/CN={name}"))),
            _ => String::new(),
        };
        let database = format!("`{}`", name.replace('`', "``"));
        let password = quote(password);
        self.execute(&format!("create user {user} identified by {password} {demand}")).await?;
        self.execute(&format!("create database {database}; grant all on {database}.* to {user}")).await
    }

    /// Whether nobody may write but the superuser, from now on until the next start.
    ///
    /// # Errors
    ///
    /// The server does not answer.
    pub async fn set_read_only(&self, read_only: bool) -> Result<(), ServerError> {
        self.execute(&format!("set global read_only = {}", i32::from(read_only))).await
    }
}

/// What makes it small, and quick as long as the machine does not crash.
const SMALL: [(&str, &str); 6] = [
    ("innodb-buffer-pool-size", "16M"),
    ("innodb-log-file-size", "4M"),
    ("innodb-flush-log-at-trx-commit", "2"),
    ("innodb-flush-method", "nosync"),
    ("key-buffer-size", "1M"),
    ("performance-schema", "0"),
];

async fn template() -> Result<PathBuf, ServerError> {
    let place = Place::new("mariadb-install-db", MariaDb::USER)?;
    let data = |path: &Path| format!("--datadir={}", path.display());
    let mut arguments = vec![
        "--no-defaults".to_owned(),
        "--auth-root-authentication-method=normal".to_owned(),
        "--skip-test-db".to_owned(),
        "--skip-name-resolve".to_owned(),
        data(&place.path(DATA)),
    ];
    arguments.extend(SMALL.map(|(name, value)| format!("--{name}={value}")));
    place.run("mariadb-install-db", &arguments, &[]).await?;
    Ok(place.keep().join(DATA))
}

fn quote(text: &str) -> String {
    format!("'{}'", text.replace('\\', "\\\\").replace('\'', "''"))
}
