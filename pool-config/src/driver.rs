//! What a pool connects to, and which parts of an address that takes.

use std::fmt;

use serde::Deserialize;

/// What a pool connects to; the word in the file is the name in lower case.
///
/// This crate only checks the word and the address that goes with it. Whether a driver is compiled in is the business
/// of whoever builds the pool.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Driver {
    /// `postgres`: PostgreSQL; the default.
    #[default]
    Postgres,
    /// `mysql`, or `mariadb`: MySQL and MariaDB.
    #[serde(alias = "mariadb")]
    Mysql,
    /// `sqlite`: SQLite, in a file or in memory, within this process.
    Sqlite,
    /// `redis`: Redis.
    Redis,
    /// `http`: an HTTP service.
    Http,
    /// `websocket`: a WebSocket service.
    Websocket,
}

impl Driver {
    /// The word for this driver in the file.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Postgres => "postgres",
            Self::Mysql => "mysql",
            Self::Sqlite => "sqlite",
            Self::Redis => "redis",
            Self::Http => "http",
            Self::Websocket => "websocket",
        }
    }

    /// The host of a pool that names none: `localhost` for a database server, nothing for the rest.
    #[must_use]
    pub fn default_host(self) -> Option<&'static str> {
        match self {
            Self::Postgres | Self::Mysql | Self::Redis => Some("localhost"),
            Self::Sqlite | Self::Http | Self::Websocket => None,
        }
    }

    /// The port of a pool that names none: 5432, 3306 and 6379 for PostgreSQL, MySQL and Redis.
    ///
    /// HTTP and WebSocket have none here, because it depends on TLS (80 or 443); SQLite has none at all.
    #[must_use]
    pub fn default_port(self) -> Option<u16> {
        match self {
            Self::Postgres => Some(5432),
            Self::Mysql => Some(3306),
            Self::Redis => Some(6379),
            Self::Sqlite | Self::Http | Self::Websocket => None,
        }
    }

    pub(crate) fn needs_host(self) -> Need {
        match self {
            Self::Postgres | Self::Mysql | Self::Redis => Need::Optional,
            Self::Http | Self::Websocket => Need::Required,
            Self::Sqlite => Need::Meaningless,
        }
    }

    pub(crate) fn needs_port(self) -> Need {
        if self == Self::Sqlite { Need::Meaningless } else { Need::Optional }
    }

    pub(crate) fn needs_database(self) -> Need {
        match self {
            Self::Postgres | Self::Mysql | Self::Sqlite => Need::Required,
            Self::Redis => Need::Optional,
            Self::Http | Self::Websocket => Need::Meaningless,
        }
    }

    pub(crate) fn needs_user(self) -> Need {
        if self == Self::Sqlite { Need::Meaningless } else { Need::Optional }
    }
}

impl fmt::Display for Driver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What part a key of an address plays for a driver.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Need {
    /// There is no connecting without it.
    Required,
    /// It has a default, or may be left out.
    Optional,
    /// The driver would ignore it, and what is written must not be ignored.
    Meaningless,
}

#[cfg(test)]
mod tests {
    use serde::de::IntoDeserializer;
    use serde::de::value::{Error, StrDeserializer};

    use super::*;

    fn read(word: &str) -> Result<Driver, Error> {
        let word: StrDeserializer<'_, Error> = word.into_deserializer();
        Driver::deserialize(word)
    }

    #[test]
    fn the_word_of_each_driver_reads_as_that_driver() {
        let all =
            [Driver::Postgres, Driver::Mysql, Driver::Sqlite, Driver::Redis, Driver::Http, Driver::Websocket];
        for driver in all {
            assert_eq!(read(driver.as_str()), Ok(driver));
        }
    }

    #[test]
    fn mariadb_is_mysql() {
        assert_eq!(read("mariadb"), Ok(Driver::Mysql));
    }

    #[test]
    fn words_are_lower_case() {
        assert!(read("Postgres").is_err());
    }
}
