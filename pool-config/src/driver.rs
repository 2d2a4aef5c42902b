//! What a pool connects to, and which parts of an address that takes.

use std::fmt;

use crate::kind::Word;

/// What a pool connects to; the word in the file is the name in lower case.
///
/// This crate only checks the word and the address that goes with it. Whether a driver is compiled in is the business
/// of whoever builds the pool.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Driver {
    /// `postgres`: PostgreSQL; the default.
    #[default]
    Postgres,
    /// `mysql`, or `mariadb`: MySQL and MariaDB.
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
        self.word()
    }

    /// The driver whose URLs begin as this one does.
    pub(crate) fn of_url(url: &str) -> Option<Self> {
        let (scheme, _) = url.split_once(':')?;
        SCHEMES.iter().find(|(known, _)| *known == scheme).map(|(_, driver)| *driver)
    }

    /// How URLs may begin.
    pub(crate) fn url_schemes() -> Vec<String> {
        SCHEMES.iter().map(|(scheme, _)| format!("{scheme}:")).collect()
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

impl Word for Driver {
    const WORDS: &'static [(&'static str, Self)] = &[
        ("postgres", Self::Postgres),
        ("mysql", Self::Mysql),
        ("mariadb", Self::Mysql),
        ("sqlite", Self::Sqlite),
        ("redis", Self::Redis),
        ("http", Self::Http),
        ("websocket", Self::Websocket),
    ];
}

/// How the URLs of each driver begin.
const SCHEMES: &[(&str, Driver)] = &[
    ("postgres", Driver::Postgres),
    ("postgresql", Driver::Postgres),
    ("mysql", Driver::Mysql),
    ("mariadb", Driver::Mysql),
    ("sqlite", Driver::Sqlite),
    ("redis", Driver::Redis),
    ("rediss", Driver::Redis),
    ("redis+unix", Driver::Redis),
    ("unix", Driver::Redis),
    ("valkey", Driver::Redis),
    ("valkeys", Driver::Redis),
    ("valkey+unix", Driver::Redis),
    ("http", Driver::Http),
    ("https", Driver::Http),
    ("ws", Driver::Websocket),
    ("wss", Driver::Websocket),
];

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
    use super::*;

    #[test]
    fn the_beginning_of_a_url_tells_the_driver() {
        assert_eq!(Driver::of_url("postgresql://db/orders"), Some(Driver::Postgres));
        assert_eq!(Driver::of_url("sqlite::memory:"), Some(Driver::Sqlite));
        assert_eq!(Driver::of_url("rediss://cache"), Some(Driver::Redis));
        assert_eq!(Driver::of_url("oracle://db"), None);
        assert_eq!(Driver::of_url("db.example.com"), None);
    }
}
