//! What a server tells of itself to whoever has a connection to it: version, role, encryption, room.
//!
//! Not for a pool, which needs none of it, but for those who look after pools: a command that examines a configuration, a
//! dashboard. A server need not tell everything, and a user may not be allowed to ask; what is not known is `None`.
//!
//! ```
//! # #[cfg(feature = "sqlite")]
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use pool_core::Pool;
//! use pool_drivers::facts::Facts as _;
//! use pool_drivers::sqlite::SqliteConnector;
//!
//! let pool = Pool::builder(SqliteConnector::memory()).build()?;
//! let facts = pool.acquire().await?.facts().await?;
//! println!("{} {}", facts.product.unwrap_or("something"), facts.version.unwrap_or_default());
//! # assert_eq!(facts.product, Some("SQLite"));
//! # Ok(())
//! # }
//! # #[cfg(not(feature = "sqlite"))]
//! # fn main() {}
//! ```
//!
//! | | version | role | TLS | room |
//! |---|---|---|---|---|
//! | PostgreSQL | yes | yes | as the server says | for ordinary users, and for this one |
//! | PostgreSQL through a pooler of transactions | yes | yes | – | – |
//! | MySQL, MariaDB | yes | whether it is read-only | as the server says | for all users, and for this one |
//! | Redis | yes | yes | of the connection | for all clients |
//! | SQLite | yes | – | – | – |
//! | HTTP | of the protocol | – | of the connection | – |
//! | WebSocket | – | – | of the connection | – |

#[cfg(feature = "mysql")]
mod mysql;
#[cfg(feature = "postgres")]
mod postgres;
#[cfg(feature = "redis")]
mod redis;
#[cfg(feature = "sqlite")]
mod sqlite;
#[cfg(any(feature = "http", feature = "websocket"))]
mod wire;

use std::fmt;

/// A connection that can be asked for the server behind it.
pub trait Facts: Send {
    /// What a statement, or a command, fails with.
    type Error;

    /// Asks the server what it is and how it is. One or a few round trips; no statement of it changes anything.
    ///
    /// # Errors
    ///
    /// Fails if the connection does. What a user may not ask for is left out instead.
    ///
    /// # Cancel safety
    ///
    /// As with any statement on the connection: it may be dropped, and its pool sees to the rest.
    fn facts(&mut self) -> impl Future<Output = Result<ServerFacts, Self::Error>> + Send;
}

/// What a server tells of itself. What it does not tell is `None`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct ServerFacts {
    /// What it is, such as `PostgreSQL` or `MariaDB`.
    pub product: Option<&'static str>,
    /// Its version, as it writes that itself.
    pub version: Option<String>,
    /// Whether it follows another server.
    pub is_replica: Option<bool>,
    /// Whether it refuses writes: as every replica, or because somebody has set it so.
    pub is_read_only: Option<bool>,
    /// How this connection is encrypted.
    pub tls: Option<Encryption>,
    /// Whether it would encrypt connections that ask for it.
    pub offers_tls: Option<bool>,
    /// How many connections it takes.
    pub room: Room,
}

/// How a connection is encrypted.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Encryption {
    /// Not at all.
    None,
    /// By TLS.
    Tls {
        /// The version, such as `TLSv1.3`.
        protocol: Option<String>,
        /// The cipher, by the name that the server or rustls has for it.
        cipher: Option<String>,
    },
}

/// How many connections a server takes, now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Room {
    /// How many ordinary users may have together; what is kept for administrators is not counted.
    pub limit: Option<u64>,
    /// How many this user may have; `None` also if nothing limits them but the server's own limit.
    pub limit_of_user: Option<u64>,
    /// How many are open, of all users, this one included.
    pub in_use: Option<u64>,
}

impl Encryption {
    /// By what the other side says: an empty text stands for nothing.
    #[cfg(feature = "_net")]
    fn of(protocol: Option<String>, cipher: Option<String>) -> Self {
        let told = |text: Option<String>| text.filter(|text| !text.is_empty());
        Encryption::Tls { protocol: told(protocol), cipher: told(cipher) }
    }
}

/// `TLSv1.3 (TLS13_AES_256_GCM_SHA384)`, or `none`.
impl fmt::Display for Encryption {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Encryption::Tls { protocol, cipher } = self else { return f.write_str("none") };
        f.write_str(protocol.as_deref().unwrap_or("TLS"))?;
        cipher.as_ref().map_or(Ok(()), |cipher| write!(f, " ({cipher})"))
    }
}

#[cfg(feature = "_net")]
mod session {
    use tokio_rustls::client::TlsStream;

    use super::Encryption;

    impl Encryption {
        /// What was agreed on over a stream of ours.
        #[cfg_attr(
            not(any(feature = "http", feature = "redis", feature = "websocket")),
            expect(dead_code, reason = "the other drivers ask the server")
        )]
        pub(crate) fn of_stream<S>(stream: &TlsStream<S>) -> Self {
            let (_, session) = stream.get_ref();
            let protocol = session.protocol_version().and_then(|version| version.as_str());
            // As everybody else writes them: `TLSv1_3` is how rustls does.
            let protocol = protocol.map(|version| version.replace('_', "."));
            let cipher = session.negotiated_cipher_suite().and_then(|suite| suite.suite().as_str());
            Encryption::of(protocol, cipher.map(str::to_owned))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn encryption_is_shown_by_what_is_known_of_it() {
        let tls = |protocol: Option<&str>, cipher: Option<&str>| Encryption::Tls {
            protocol: protocol.map(str::to_owned),
            cipher: cipher.map(str::to_owned),
        };
        assert_eq!(Encryption::None.to_string(), "none");
        assert_eq!(tls(None, None).to_string(), "TLS");
        assert_eq!(tls(Some("TLSv1.3"), None).to_string(), "TLSv1.3");
        assert_eq!(tls(Some("TLSv1.2"), Some("A")).to_string(), "TLSv1.2 (A)");
    }
}
