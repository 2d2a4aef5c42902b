//! What a connector connects to, and the key under which such pools are shared.

use std::fmt;

/// A place to connect to. Two pools of the same target could serve the same callers.
///
/// The key includes driver and user: sharing a connection between users would let one act as the other.
/// It never holds a password.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Target {
    /// The driver's name, such as `postgres` or `sqlite`.
    pub driver: String,
    /// Host name or address; empty for embedded databases.
    pub host: String,
    /// Port; `None` where there is none.
    pub port: Option<u16>,
    /// Database name, or the path of an embedded one.
    pub database: String,
    /// User name; empty where there is none.
    pub user: String,
}

impl Target {
    /// A target of which only the driver and the database are known.
    pub fn new(driver: impl Into<String>, database: impl Into<String>) -> Self {
        Target {
            driver: driver.into(),
            host: String::new(),
            port: None,
            database: database.into(),
            user: String::new(),
        }
    }

    /// Sets host and port.
    #[must_use]
    pub fn at(mut self, host: impl Into<String>, port: impl Into<Option<u16>>) -> Self {
        self.host = host.into();
        self.port = port.into();
        self
    }

    /// Sets the user.
    #[must_use]
    pub fn as_user(mut self, user: impl Into<String>) -> Self {
        self.user = user.into();
        self
    }
}

/// The key: `driver://user@host:port/database`, without the parts that are empty.
impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://", self.driver)?;
        if !self.user.is_empty() {
            write!(f, "{}@", self.user)?;
        }
        f.write_str(&self.host)?;
        if let Some(port) = self.port {
            write!(f, ":{port}")?;
        }
        write!(f, "/{}", self.database)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_key_tells_users_of_one_database_apart() {
        let orders = Target::new("postgres", "orders").at("db", 5432);
        let alice = orders.clone().as_user("alice");
        let bob = orders.as_user("bob");
        assert_eq!(alice.to_string(), "postgres://alice@db:5432/orders");
        assert_ne!(alice.to_string(), bob.to_string());
    }

    #[test]
    fn an_embedded_database_has_neither_host_nor_user() {
        assert_eq!(Target::new("sqlite", "orders.db").to_string(), "sqlite:///orders.db");
    }
}
