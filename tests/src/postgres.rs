//! PostgreSQL.
//!
//! `initdb` takes about a second, so it runs once in a test process; every server begins with a copy of its result.
//! The superuser `postgres` comes over the Unix socket; everybody may come over TCP with a password (SCRAM).

mod standby;

use std::path::{Path, PathBuf};

use rustix::process::Signal;
use sqlx::postgres::{PgConnectOptions, PgSslMode};
use sqlx::{AssertSqlSafe, ConnectOptions as _, Connection as _, PgConnection};
use tokio::sync::OnceCell;

use crate::ca::{Demand, Tls};
use crate::process::{Kind, Place, Server, ServerError, encode};

/// The superuser, and the database that is there from the beginning.
pub const SUPERUSER: &str = "postgres";
/// The superuser's password.
pub const PASSWORD: &str = "canary-of-postgres";

const DATA: &str = "data";
/// What PostgreSQL keeps for superusers, so that a test can look into a server that is full.
const RESERVED: u32 = 3;

/// The settings of a PostgreSQL server.
#[derive(Clone)]
pub struct Postgres {
    max_connections: u32,
    read_only: bool,
    tls: Option<Tls>,
    settings: Vec<(String, String)>,
    rules: Vec<String>,
    /// The socket folder and the port of the primary to copy instead of an empty server.
    primary: Option<(PathBuf, u16)>,
}

impl Postgres {
    /// 100 connections, no TLS, and a small and quick server, whose data does not survive a crash of the machine.
    pub fn new() -> Self {
        Postgres {
            max_connections: 100,
            read_only: false,
            tls: None,
            settings: Vec::new(),
            rules: Vec::new(),
            primary: None,
        }
    }

    /// How many connections ordinary users may have together. Superusers may have three more.
    pub fn max_connections(mut self, connections: u32) -> Self {
        self.max_connections = connections;
        self
    }

    /// Serves TLS.
    pub fn tls(mut self, tls: Tls) -> Self {
        self.tls = Some(tls);
        self
    }

    /// Begins every transaction read only, except the superuser's in [`Server::execute`].
    pub fn read_only(mut self) -> Self {
        self.read_only = true;
        self
    }

    /// Any other setting. It cannot be changed while the server runs: for that there is `alter system`.
    pub fn setting(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.settings.push((name.into(), value.into()));
        self
    }

    /// A line of `pg_hba.conf` that stands before all others: who may come, and how.
    pub fn rule(mut self, line: impl Into<String>) -> Self {
        self.rules.push(line.into());
        self
    }

    /// Starts a server with these settings and waits until it answers.
    ///
    /// # Errors
    ///
    /// PostgreSQL is not installed, or does not start.
    ///
    /// # Cancel safety
    ///
    /// Nothing stays behind.
    pub async fn launch(self) -> Result<Server<Self>, ServerError> {
        let read_only = self.read_only;
        let server = Server::launch(self).await?;
        if read_only {
            server.set_read_only(true).await?;
        }
        Ok(server)
    }

    /// Who may come, and how. The first line that fits decides.
    fn rules(&self) -> String {
        let tcp = match self.tls.as_ref().map(|tls| tls.demand) {
            None | Some(Demand::Nothing) => "host all all 127.0.0.1/32 scram-sha-256",
            Some(Demand::Encryption) => "hostssl all all 127.0.0.1/32 scram-sha-256",
            Some(Demand::Certificate) => "hostssl all all 127.0.0.1/32 scram-sha-256 clientcert=verify-full",
        };
        let own = self.rules.iter().map(|line| format!("{line}\n")).collect::<String>();
        format!("{own}local all all scram-sha-256\nlocal replication all scram-sha-256\n{tcp}\n")
    }
}

impl Default for Postgres {
    fn default() -> Self {
        Self::new()
    }
}

impl Kind for Postgres {
    const PROGRAM: &'static str = "postgres";
    const USER: Option<&'static str> = Some("postgres");
    /// Fast shutdown: rolls back what runs and does not wait for clients.
    const STOP: Signal = Signal::INT;

    async fn create(&self, place: &Place) -> Result<(), ServerError> {
        if let Some((socket, port)) = &self.primary {
            return standby::copy_primary(place, socket, *port).await;
        }
        static TEMPLATE: OnceCell<PathBuf> = OnceCell::const_new();
        let template = TEMPLATE.get_or_try_init(template).await?;
        place.copy(template, DATA).await
    }

    fn configure(&self, place: &Place) -> Result<Vec<String>, ServerError> {
        let show = |path: PathBuf| path.display().to_string();
        let mut settings = vec![
            ("port", place.port().to_string()),
            ("listen_addresses", "127.0.0.1".to_owned()),
            ("unix_socket_directories", show(place.folder().to_path_buf())),
            ("hba_file", show(place.write("hba.conf", &self.rules())?)),
            ("max_connections", (self.max_connections + RESERVED).to_string()),
            ("superuser_reserved_connections", RESERVED.to_string()),
            ("shared_buffers", "16MB".to_owned()),
            ("max_wal_senders", "4".to_owned()),
            // A test does not care for a crash of the machine. (Why not `synchronous_commit` as well: then a kill takes
            // the last transactions with it.)
            ("fsync", "off".to_owned()),
            ("full_page_writes", "off".to_owned()),
        ];
        if let Some(tls) = &self.tls {
            settings.extend([
                ("ssl", "on".to_owned()),
                ("ssl_ca_file", show(place.write("ca.pem", tls.ca.certificate_pem())?)),
                ("ssl_cert_file", show(place.write("server.pem", tls.identity.certificate_pem())?)),
                ("ssl_key_file", show(place.write("server-key.pem", tls.identity.key_pem())?)),
            ]);
        }
        let own = self.settings.iter().map(|(name, value)| (name.as_str(), value.clone()));
        let mut arguments = vec!["-D".to_owned(), show(place.path(DATA))];
        for (name, value) in settings.into_iter().chain(own) {
            arguments.extend(["-c".to_owned(), format!("{name}={value}")]);
        }
        Ok(arguments)
    }

    async fn answers(&self, place: &Place) -> Result<(), String> {
        let ask = async {
            let mut connection = superuser(place).connect().await?;
            sqlx::raw_sql("select 1").execute(&mut connection).await?;
            connection.close().await
        };
        ask.await.map_err(|error| error.to_string())
    }
}

impl Server<Postgres> {
    /// A URL for a client over TCP, without a wish for TLS.
    pub fn url(&self, user: &str, password: &str, database: &str) -> String {
        let (user, password, database) = (encode(user), encode(password), encode(database));
        format!("postgres://{user}:{password}@{}/{database}", self.address())
    }

    /// The folder of the Unix socket, as libpq and sqlx want it for a host.
    pub fn socket_dir(&self) -> &Path {
        self.folder()
    }

    /// Connects as the superuser over the Unix socket, which no TLS setting and no limit for others keeps out.
    ///
    /// # Errors
    ///
    /// The server does not answer.
    pub async fn connect(&self) -> Result<PgConnection, ServerError> {
        superuser(self.place()).connect().await.map_err(ServerError::sql("connect as the superuser"))
    }

    /// Stops the server as `pg_ctl stop -m immediate` does: nothing is finished, and the next start recovers what
    /// was written.
    ///
    /// # Errors
    ///
    /// As [`stop`](Self::stop).
    ///
    /// # Cancel safety
    ///
    /// As [`stop`](Self::stop).
    pub async fn stop_immediately(&self) -> Result<(), ServerError> {
        self.stop_by(Signal::QUIT).await
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

    /// Creates a user who may log in and create what it likes in a database of its own name.
    ///
    /// # Errors
    ///
    /// The server does not answer, or has the user already.
    pub async fn create_user(&self, name: &str, password: &str) -> Result<(), ServerError> {
        let quoted = quote_name(name);
        self.execute(&format!("create role {quoted} login password {}", quote(password))).await?;
        self.execute(&format!("create database {quoted} owner {quoted}")).await
    }

    /// Whether transactions begin read only from now on, also those of connections that are open.
    ///
    /// # Errors
    ///
    /// The server does not answer.
    pub async fn set_read_only(&self, read_only: bool) -> Result<(), ServerError> {
        let value = if read_only { "on" } else { "off" };
        self.execute(&format!("alter system set default_transaction_read_only = {value}")).await?;
        self.execute("select pg_reload_conf()").await
    }
}

fn superuser(place: &Place) -> PgConnectOptions {
    PgConnectOptions::new_without_pgpass()
        .socket(place.folder())
        .port(place.port())
        .username(SUPERUSER)
        .password(PASSWORD)
        .database(SUPERUSER)
        .ssl_mode(PgSslMode::Disable)
        .options([("default_transaction_read_only", "off")])
        // What is run as the superuser may hold a password.
        .disable_statement_logging()
}

async fn template() -> Result<PathBuf, ServerError> {
    let place = Place::new("initdb", Postgres::USER)?;
    let password = place.write("password", PASSWORD)?.display().to_string();
    let arguments = [
        "--no-sync",
        "--no-instructions",
        "--wal-segsize=1",
        "--auth=scram-sha-256",
        "--encoding=UTF8",
        "--locale=C",
    ]
    .map(str::to_owned)
    .into_iter()
    .chain([
        format!("--username={SUPERUSER}"),
        format!("--pwfile={password}"),
        format!("--pgdata={DATA}"),
    ]);
    place.run("initdb", &arguments.collect::<Vec<_>>(), &[]).await?;
    Ok(place.keep().join(DATA))
}

fn quote(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

fn quote_name(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}
