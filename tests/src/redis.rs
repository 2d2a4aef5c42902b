//! Redis.
//!
//! It writes each change to a file before it answers, so that its data survives a kill. With TLS its port speaks
//! nothing else; the harness comes over the Unix socket.

use std::path::PathBuf;

use rustix::process::Signal;

use crate::ca::{Demand, Tls};
use crate::process::{Kind, Place, Server, ServerError, encode};

const SOCKET: &str = "redis.sock";

/// The settings of a Redis server.
#[derive(Clone)]
pub struct Redis {
    password: Option<String>,
    users: Vec<(String, String)>,
    max_clients: u32,
    tls: Option<Tls>,
    settings: Vec<(String, String)>,
}

impl Redis {
    /// No password, no TLS, 1,000 clients.
    pub fn new() -> Self {
        Redis { password: None, users: Vec::new(), max_clients: 1000, tls: None, settings: Vec::new() }
    }

    /// The password of the default user.
    pub fn password(mut self, password: impl Into<String>) -> Self {
        self.password = Some(password.into());
        self
    }

    /// One more user, who may do everything. Name and password without blanks and quotes.
    pub fn user(mut self, name: impl Into<String>, password: impl Into<String>) -> Self {
        self.users.push((name.into(), password.into()));
        self
    }

    /// How many clients may be connected, those of [`Server::connect`] included.
    pub fn max_clients(mut self, clients: u32) -> Self {
        self.max_clients = clients;
        self
    }

    /// Serves TLS, and nothing else, on the port.
    pub fn tls(mut self, tls: Tls) -> Self {
        self.tls = Some(tls);
        self
    }

    /// Any other line of the configuration file.
    pub fn setting(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.settings.push((name.into(), value.into()));
        self
    }

    /// Starts a server with these settings and waits until it answers.
    ///
    /// # Errors
    ///
    /// Redis is not installed, or does not start.
    ///
    /// # Cancel safety
    ///
    /// Nothing stays behind.
    pub async fn launch(self) -> Result<Server<Self>, ServerError> {
        Server::launch(self).await
    }

    /// As the default user over the Unix socket.
    async fn connect(&self, place: &Place) -> redis::RedisResult<redis::aio::MultiplexedConnection> {
        let password = self.password.iter().map(|password| format!("?pass={}", encode(password)));
        let url = format!("redis+unix://{}{}", place.path(SOCKET).display(), password.collect::<String>());
        redis::Client::open(url)?.get_multiplexed_async_connection().await
    }
}

impl Default for Redis {
    fn default() -> Self {
        Self::new()
    }
}

impl Kind for Redis {
    const PROGRAM: &'static str = "redis-server";
    const USER: Option<&'static str> = None;
    const STOP: Signal = Signal::TERM;

    async fn create(&self, _place: &Place) -> Result<(), ServerError> {
        Ok(())
    }

    fn configure(&self, place: &Place) -> Result<Vec<String>, ServerError> {
        let show = |path: PathBuf| path.display().to_string();
        let port = place.port().to_string();
        let mut settings = vec![
            ("bind", "127.0.0.1".to_owned()),
            ("unixsocket", show(place.path(SOCKET))),
            ("dir", show(place.folder().to_path_buf())),
            ("maxclients", self.max_clients.to_string()),
            ("appendonly", "yes".to_owned()),
            // Written before the answer; that it is on the disk as well matters only when the machine crashes.
            ("appendfsync", "no".to_owned()),
            ("save", "\"\"".to_owned()),
        ];
        match &self.tls {
            None => settings.push(("port", port)),
            Some(tls) => settings.extend([
                ("port", "0".to_owned()),
                ("tls-port", port),
                ("tls-ca-cert-file", show(place.write("ca.pem", tls.ca.certificate_pem())?)),
                ("tls-cert-file", show(place.write("server.pem", tls.identity.certificate_pem())?)),
                ("tls-key-file", show(place.write("server-key.pem", tls.identity.key_pem())?)),
                ("tls-auth-clients", if tls.demand == Demand::Certificate { "yes" } else { "no" }.to_owned()),
            ]),
        }
        settings.extend(self.password.iter().map(|password| ("requirepass", password.clone())));
        let user =
            |(name, password): &(String, String)| ("user", format!("{name} on >{password} ~* &* +@all"));
        settings.extend(self.users.iter().map(user));
        let own = self.settings.iter().map(|(name, value)| (name.as_str(), value.clone()));
        let lines = settings.into_iter().chain(own).map(|(name, value)| format!("{name} {value}\n"));
        Ok(vec![show(place.write("redis.conf", &lines.collect::<String>())?)])
    }

    async fn answers(&self, place: &Place) -> Result<(), String> {
        let ask = async {
            let mut connection = self.connect(place).await?;
            redis::cmd("PING").exec_async(&mut connection).await
        };
        ask.await.map_err(|error| error.to_string())
    }
}

impl Server<Redis> {
    /// A URL for the default user over TCP, with its password if there is one.
    pub fn url(&self) -> String {
        let password = self.kind().password.iter().map(|password| format!(":{}@", encode(password)));
        format!("{}://{}{}", self.scheme(), password.collect::<String>(), self.address())
    }

    /// A URL for this user over TCP.
    pub fn user_url(&self, name: &str, password: &str) -> String {
        format!("{}://{}:{}@{}", self.scheme(), encode(name), encode(password), self.address())
    }

    /// The Unix socket.
    pub fn socket(&self) -> PathBuf {
        self.place().path(SOCKET)
    }

    /// Connects as the default user over the Unix socket, which no TLS setting keeps out.
    ///
    /// # Errors
    ///
    /// The server does not answer, or is full.
    pub async fn connect(&self) -> Result<redis::aio::MultiplexedConnection, ServerError> {
        let fail = |source| ServerError::Redis { what: "connect".to_owned(), source };
        self.kind().connect(self.place()).await.map_err(fail)
    }

    fn scheme(&self) -> &'static str {
        if self.kind().tls.is_some() { "rediss" } else { "redis" }
    }
}
