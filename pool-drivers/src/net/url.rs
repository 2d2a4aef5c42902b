//! URLs of places to connect to, taken apart once and with every objection.

use std::fmt;

use http::Uri;

/// Where to connect to, and what to ask for there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Location {
    secure: bool,
    /// As in the URL: an IPv6 address in brackets.
    host: String,
    port: u16,
    /// Whether the port is not the one that goes without saying.
    names_port: bool,
    path_and_query: String,
}

/// The schemes of a protocol, without and with TLS.
pub(crate) struct Schemes {
    pub(crate) plain: &'static str,
    pub(crate) secure: &'static str,
}

/// A URL that cannot be connected to. Its text does not show the URL: a password may be in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("use the URL: {problem}")]
#[non_exhaustive]
pub struct UrlError {
    /// What is wrong with it.
    pub problem: UrlProblem,
}

/// What is wrong with a URL.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum UrlProblem {
    /// It is no URL.
    #[error("it is not a valid URL")]
    Malformed,
    /// It does not begin with one of the schemes that are understood.
    #[error("it must begin with `{plain}://` or `{secure}://`")]
    Scheme {
        /// The scheme without TLS.
        plain: &'static str,
        /// The scheme with TLS.
        secure: &'static str,
    },
    /// It names no host.
    #[error("it names no host")]
    NoHost,
    /// Its port is no number between 1 and 65535.
    #[error("its port is not a number between 1 and 65535")]
    Port,
    /// A user name or password is in it.
    #[error("it holds a user name or password, which would show in logs; send them in a header")]
    UserInfo,
    /// A path or query is in it where only an origin has a place.
    #[error("it holds a path or query; name only scheme, host and port")]
    Path,
    /// A fragment is in it, which is never sent.
    #[error("it holds a fragment (`#`), which is never sent")]
    Fragment,
}

impl From<UrlProblem> for UrlError {
    fn from(problem: UrlProblem) -> Self {
        UrlError { problem }
    }
}

impl Location {
    /// Takes a URL apart.
    pub(crate) fn parse(url: &str, schemes: &Schemes) -> Result<Location, UrlError> {
        let Schemes { plain, secure } = *schemes;
        if url.contains('#') {
            return Err(UrlProblem::Fragment.into());
        }
        let uri: Uri = url.parse().map_err(|_| UrlProblem::Malformed)?;
        let is_secure = match uri.scheme_str() {
            Some(scheme) if scheme == plain => false,
            Some(scheme) if scheme == secure => true,
            _ => return Err(UrlProblem::Scheme { plain, secure }.into()),
        };
        let authority = uri.authority().ok_or(UrlProblem::NoHost)?;
        if authority.as_str().contains('@') {
            return Err(UrlProblem::UserInfo.into());
        }
        let host = authority.host();
        if host.is_empty() {
            return Err(UrlProblem::NoHost.into());
        }
        let default_port = if is_secure { 443 } else { 80 };
        let port = match (authority.port(), authority.port_u16()) {
            (_, Some(port)) if port > 0 => port,
            (None, _) if authority.as_str() == host => default_port,
            _ => return Err(UrlProblem::Port.into()),
        };
        let path_and_query =
            uri.path_and_query().map_or_else(|| String::from("/"), |path| path.as_str().to_owned());
        Ok(Location {
            secure: is_secure,
            host: host.to_ascii_lowercase(),
            port,
            names_port: port != default_port,
            path_and_query,
        })
    }

    /// Whether to speak TLS.
    pub(crate) fn is_secure(&self) -> bool {
        self.secure
    }

    /// The host, an IPv6 address without brackets: what name servers and certificates know.
    pub(crate) fn bare_host(&self) -> &str {
        let host = self.host.as_str();
        host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host)
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    pub(crate) fn path_and_query(&self) -> &str {
        &self.path_and_query
    }

    /// What goes into the header `Host`: without the port if it goes without saying.
    pub(crate) fn authority(&self) -> impl fmt::Display + '_ {
        fmt::from_fn(|f| {
            f.write_str(&self.host)?;
            if self.names_port { write!(f, ":{}", self.port) } else { Ok(()) }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SCHEMES: Schemes = Schemes { plain: "ws", secure: "wss" };

    fn parsed(url: &str) -> Location {
        Location::parse(url, &SCHEMES).unwrap_or_else(|error| panic!("{url}: {error}"))
    }

    #[test]
    fn a_url_is_taken_apart() {
        for (url, secure, host, port, authority, path) in [
            ("ws://orders.test", false, "orders.test", 80, "orders.test", "/"),
            ("wss://orders.test/", true, "orders.test", 443, "orders.test", "/"),
            ("wss://Orders.test:443", true, "orders.test", 443, "orders.test", "/"),
            ("ws://orders.test:8080/a/b?c=d", false, "orders.test", 8080, "orders.test:8080", "/a/b?c=d"),
            ("ws://127.0.0.1:1", false, "127.0.0.1", 1, "127.0.0.1:1", "/"),
            ("wss://[::1]:8443/x", true, "::1", 8443, "[::1]:8443", "/x"),
            ("ws://[::1]", false, "::1", 80, "[::1]", "/"),
        ] {
            let found = parsed(url);
            assert_eq!(found.is_secure(), secure, "{url}");
            assert_eq!((found.bare_host(), found.port()), (host, port), "{url}");
            assert_eq!(found.authority().to_string(), authority, "{url}");
            assert_eq!(found.path_and_query(), path, "{url}");
        }
    }

    #[test]
    fn every_objection_has_its_own_words() {
        for (url, problem) in [
            ("", UrlProblem::Malformed),
            ("ws://a b", UrlProblem::Malformed),
            ("orders.test", UrlProblem::Scheme { plain: "ws", secure: "wss" }),
            ("http://orders.test", UrlProblem::Scheme { plain: "ws", secure: "wss" }),
            ("ws://:80", UrlProblem::NoHost),
            ("ws://orders.test:0", UrlProblem::Port),
            ("ws://orders.test:99999", UrlProblem::Port),
            ("ws://alice:hunter2@orders.test", UrlProblem::UserInfo),
            ("ws://alice@orders.test", UrlProblem::UserInfo),
            ("ws://orders.test/#top", UrlProblem::Fragment),
        ] {
            assert_eq!(Location::parse(url, &SCHEMES), Err(problem.into()), "{url}");
        }
    }

    #[test]
    fn the_error_does_not_show_the_password() {
        let error = Location::parse("ws://alice:hunter2@orders.test", &SCHEMES).unwrap_err();
        assert!(!format!("{error} {error:?}").contains("hunter2"));
    }
}
