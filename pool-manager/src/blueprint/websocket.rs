//! Pools of WebSocket connections.

use pool_config::PoolConfig;
use pool_drivers::websocket::WebSocketConnector;

use super::Drawing;
use super::place::origin;
use super::tls::tls;

pub(super) fn connector(config: &PoolConfig, drawing: &mut Drawing<'_>) -> Option<WebSocketConnector> {
    if config.password.is_some() {
        let problem = "the log-in is a header of the handshake, which a configuration cannot hold";
        let help = "make the pool in the program, with `WebSocketConnector::header`";
        drawing.object("password", &"***", problem, help);
    }
    let url = config.url.as_ref().map_or_else(|| origin(config).to_string(), |url| url.expose().to_owned());
    let mut connector = match WebSocketConnector::new(&url) {
        Ok(connector) => connector,
        Err(error) => {
            let (key, value) =
                if config.url.is_some() { ("url", "***".to_owned()) } else { ("host", format!("`{url}`")) };
            drawing.object(key, &value, error.problem.to_string(), "write ws://host:port/path or wss://…");
            return None;
        }
    };
    if let Some(user) = &config.user {
        connector = connector.user(user);
    }
    if let Some(tls) = tls(&config.ssl, drawing) {
        connector = connector.tls(tls);
    }
    if !config.settings.session.dns_max_ttl.is_zero() {
        connector = connector.dns_max_ttl(config.settings.session.dns_max_ttl);
    }
    Some(connector)
}
