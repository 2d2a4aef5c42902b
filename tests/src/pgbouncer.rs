//! PgBouncer in transaction mode in front of a PostgreSQL.
//!
//! Debian 12 has version 1.18, which knows no prepared statements in this mode (`max_prepared_statements` came with
//! 1.21): a client that relies on them finds those of others, or none.

use std::path::PathBuf;

use rustix::process::Signal;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::postgres::{PASSWORD, Postgres, SUPERUSER};
use crate::process::{Kind, Place, Server, ServerError, encode};

/// What a client of PostgreSQL may ask before all else: whether it may speak TLS. PgBouncer answers one byte, also when
/// nothing is behind it.
const SSL_REQUEST: [u8; 8] = [0, 0, 0, 8, 0x04, 0xd2, 0x16, 0x2f];

/// The settings of a PgBouncer.
#[derive(Clone)]
pub struct PgBouncer {
    socket: PathBuf,
    port: u16,
    users: Vec<(String, String)>,
    pool_size: u32,
    max_clients: u32,
    settings: Vec<(String, String)>,
}

impl PgBouncer {
    /// In front of `server`, for all of its databases: 20 connections to the server for each user and database, 100
    /// clients. The superuser may come.
    pub fn in_front_of(server: &Server<Postgres>) -> Self {
        PgBouncer {
            socket: server.socket_dir().to_path_buf(),
            port: server.port(),
            users: vec![(SUPERUSER.to_owned(), PASSWORD.to_owned())],
            pool_size: 20,
            max_clients: 100,
            settings: Vec::new(),
        }
    }

    /// A user of the server who may come. PgBouncer logs in to the server with the same password.
    pub fn user(mut self, name: impl Into<String>, password: impl Into<String>) -> Self {
        self.users.push((name.into(), password.into()));
        self
    }

    /// How many connections to the server a user may have for one database.
    pub fn pool_size(mut self, connections: u32) -> Self {
        self.pool_size = connections;
        self
    }

    /// How many clients may be connected.
    pub fn max_clients(mut self, clients: u32) -> Self {
        self.max_clients = clients;
        self
    }

    /// Any other line of the section `[pgbouncer]`.
    pub fn setting(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.settings.push((name.into(), value.into()));
        self
    }

    /// Starts a PgBouncer with these settings and waits until it answers. It does so also when the server does not.
    ///
    /// # Errors
    ///
    /// PgBouncer is not installed, or does not start.
    ///
    /// # Cancel safety
    ///
    /// Nothing stays behind.
    pub async fn launch(self) -> Result<Server<Self>, ServerError> {
        Server::launch(self).await
    }
}

impl Kind for PgBouncer {
    const PROGRAM: &'static str = "pgbouncer";
    /// Also because it has to come to the server's Unix socket.
    const USER: Option<&'static str> = Postgres::USER;
    /// At once. (Why not SIGINT: that waits for the clients.)
    const STOP: Signal = Signal::TERM;

    async fn create(&self, _place: &Place) -> Result<(), ServerError> {
        Ok(())
    }

    fn configure(&self, place: &Place) -> Result<Vec<String>, ServerError> {
        let double = |text: &str| text.replace('"', "\"\"");
        let user =
            |(name, password): &(String, String)| format!("\"{}\" \"{}\"\n", double(name), double(password));
        let users = place.write("users.txt", &self.users.iter().map(user).collect::<String>())?;
        let settings = [
            ("listen_addr", "127.0.0.1".to_owned()),
            ("listen_port", place.port().to_string()),
            ("unix_socket_dir", String::new()),
            ("pool_mode", "transaction".to_owned()),
            ("auth_type", "scram-sha-256".to_owned()),
            ("auth_file", users.display().to_string()),
            ("admin_users", SUPERUSER.to_owned()),
            ("default_pool_size", self.pool_size.to_string()),
            ("max_client_conn", self.max_clients.to_string()),
            // sqlx and JDBC set it for every connection.
            ("ignore_startup_parameters", "extra_float_digits".to_owned()),
        ];
        let mut file =
            format!("[databases]\n* = host={} port={}\n\n[pgbouncer]\n", self.socket.display(), self.port);
        let own = self.settings.iter().map(|(name, value)| (name.as_str(), value.clone()));
        for (name, value) in settings.into_iter().chain(own) {
            file.push_str(&format!("{name} = {value}\n"));
        }
        Ok(vec![place.write("pgbouncer.ini", &file)?.display().to_string()])
    }

    async fn answers(&self, place: &Place) -> Result<(), String> {
        let ask = async {
            let mut stream = TcpStream::connect(("127.0.0.1", place.port())).await?;
            stream.write_all(&SSL_REQUEST).await?;
            stream.read_u8().await
        };
        ask.await.map(drop).map_err(|error| error.to_string())
    }
}

impl Server<PgBouncer> {
    /// A URL for a client over TCP, without a wish for TLS.
    pub fn url(&self, user: &str, password: &str, database: &str) -> String {
        let (user, password, database) = (encode(user), encode(password), encode(database));
        format!("postgres://{user}:{password}@{}/{database}", self.address())
    }
}
