//! Where a Redis server is, and what else its URL says.

use std::fmt;
use std::path::PathBuf;

use redis::{ConnectionAddr, IntoConnectionInfo as _, ProtocolVersion};

use super::error::RedisError;
use crate::credentials::Credentials;

/// An address of a server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Place {
    Tcp { host: String, port: u16 },
    Unix(PathBuf),
}

/// Host and port, or the path.
impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Place::Tcp { host, port } if host.contains(':') => write!(f, "[{host}]:{port}"),
            Place::Tcp { host, port } => write!(f, "{host}:{port}"),
            Place::Unix(path) => path.display().fmt(f),
        }
    }
}

/// What a URL says.
#[derive(Debug)]
pub(super) struct Url {
    pub(super) place: Place,
    pub(super) tls: bool,
    pub(super) database: i64,
    pub(super) credentials: Credentials,
    pub(super) resp3: bool,
}

impl Url {
    /// Reads a URL. Errors do not show it: it may hold a password.
    pub(super) fn parse(text: &str) -> Result<Self, RedisError> {
        let refused = |problem| Err(RedisError::Url { problem, source: None });
        let (scheme, rest) = text.split_once("://").unwrap_or_default();
        // The client library knows these only when it does TLS by itself.
        let (tls, scheme) = match scheme {
            "rediss" => (true, "redis"),
            "valkeys" => (true, "valkey"),
            "redis" | "valkey" | "unix" | "redis+unix" | "valkey+unix" => (false, scheme),
            _ => return refused("it does not begin with redis://, rediss:// or redis+unix://"),
        };
        if rest.contains('#') {
            // The client library knows `#insecure`, which would switch verification off.
            return refused("it has a fragment (#…); a # in a password is written %23");
        }
        let info = match format!("{scheme}://{rest}").into_connection_info() {
            Ok(info) => info,
            Err(error) => {
                return Err(RedisError::Url { problem: "it is not well-formed", source: Some(error) });
            }
        };
        let place = match info.addr() {
            ConnectionAddr::Tcp(host, port) => Place::Tcp { host: host.clone(), port: *port },
            ConnectionAddr::Unix(path) => Place::Unix(path.clone()),
            _ => return refused("it names a place of an unknown kind"),
        };
        let settings = info.redis_settings();
        if settings.db() < 0 {
            return refused("its database is a negative number");
        }
        let mut credentials = Credentials::none();
        credentials.user = settings.username().map(String::from);
        credentials.password = settings.password().map(Into::into);
        Ok(Url {
            place,
            tls,
            database: settings.db(),
            credentials,
            resp3: matches!(settings.protocol(), ProtocolVersion::RESP3),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tcp(host: &str, port: u16) -> Place {
        Place::Tcp { host: host.to_owned(), port }
    }

    #[test]
    fn all_parts_of_a_url_are_read() {
        let url = Url::parse("rediss://alice:p%40ss@cache.test:7000/3?protocol=resp3").unwrap();
        assert_eq!((url.place, url.tls, url.database, url.resp3), (tcp("cache.test", 7000), true, 3, true));
        assert_eq!(url.credentials.user.as_deref(), Some("alice"));
        assert_eq!(url.credentials.password.unwrap().expose(), "p@ss");
    }

    #[test]
    fn what_a_url_leaves_out_has_its_usual_value() {
        let url = Url::parse("redis://[::1]").unwrap();
        assert_eq!((url.place.to_string(), url.tls, url.database), ("[::1]:6379".to_owned(), false, 0));
        assert!(url.credentials.user.is_none() && url.credentials.password.is_none() && !url.resp3);
    }

    #[test]
    fn a_socket_is_a_place_too() {
        let url = Url::parse("redis+unix:///run/redis.sock?db=2&user=alice&pass=x").unwrap();
        assert_eq!((url.place, url.database), (Place::Unix("/run/redis.sock".into()), 2));
        assert_eq!(url.credentials.user.as_deref(), Some("alice"));
    }

    #[test]
    fn a_refused_url_is_not_shown() {
        for text in [
            "redis://alice:hunter2@host:notaport/0",
            "redis://alice:hunter2@host/zero",
            "redis://alice:hunter2@host/-1",
            "redis://alice:hunter2@host#insecure",
            "http://alice:hunter2@host",
            "hunter2",
            "redis://:hunter2@",
        ] {
            let error = Url::parse(text).unwrap_err();
            let shown = format!("{error} {error:?} {:?}", std::error::Error::source(&error));
            assert!(!shown.contains("hunter2"), "{shown}");
        }
    }
}
