//! Where a pool connects to, when the configuration names host and port.

#[cfg(any(feature = "http", feature = "websocket"))]
use std::fmt;
use std::net::Ipv6Addr;

use pool_config::{Driver, PoolConfig};

/// Whether the pool leads to a socket of this machine, which needs no encryption and can have none. Where there is a URL, the
/// host does not count; what the URL leads to, nobody looks at.
#[cfg(feature = "_login")]
pub(super) fn is_socket(config: &PoolConfig) -> bool {
    config.url.is_none() && config.host.as_deref().is_some_and(|host| host.starts_with('/'))
}

/// Whether this can be a host of the driver: a name, an address, or the folder of a socket where there are such. If not, it may
/// be part of a URL, with a password, and must not be shown.
pub(crate) fn is_host(host: &str, driver: Driver) -> bool {
    let has_sockets = matches!(driver, Driver::Postgres | Driver::Mysql | Driver::Redis);
    if has_sockets && host.starts_with('/') {
        return true;
    }
    let address = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    // With the interface, as in `fe80::1%eth0`.
    let address = address.split_once('%').map_or(address, |(address, _)| address);
    let is_part_of_url = |c: char| c.is_whitespace() || c.is_control() || "@/\\?#:".contains(c);
    address.parse::<Ipv6Addr>().is_ok() || !host.contains(is_part_of_url)
}

/// The host, or the usual one of the driver.
pub(super) fn host(config: &PoolConfig) -> &str {
    let usual = config.driver.default_host();
    config.host.as_deref().or(usual).unwrap_or_default()
}

/// The port, or the usual one of the driver.
#[cfg(feature = "_login")]
pub(super) fn port(config: &PoolConfig) -> u16 {
    config.port.or(config.driver.default_port()).unwrap_or_default()
}

/// A URL of scheme, host and port.
#[cfg(any(feature = "http", feature = "websocket"))]
pub(super) fn origin(config: &PoolConfig) -> impl fmt::Display + '_ {
    fmt::from_fn(|f| {
        let scheme = match (config.driver, config.ssl.enabled) {
            (Driver::Websocket, false) => "ws",
            (Driver::Websocket, true) => "wss",
            (_, false) => "http",
            (_, true) => "https",
        };
        let host = host(config);
        let is_ipv6 = host.contains(':');
        let (open, close) = if is_ipv6 { ("[", "]") } else { ("", "") };
        write!(f, "{scheme}://{open}{host}{close}")?;
        config.port.map_or(Ok(()), |port| write!(f, ":{port}"))
    })
}
