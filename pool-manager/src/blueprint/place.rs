//! Where a pool connects to, when the configuration names host and port.

#[cfg(any(feature = "http", feature = "websocket"))]
use std::fmt;

#[cfg(any(feature = "http", feature = "websocket"))]
use pool_config::Driver;
use pool_config::PoolConfig;

/// Whether the pool leads to a socket of this machine, which needs no encryption and can have none.
#[cfg(feature = "_login")]
pub(super) fn is_socket(config: &PoolConfig) -> bool {
    config.host.as_deref().is_some_and(|host| host.starts_with('/'))
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
