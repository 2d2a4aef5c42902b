//! Pools of HTTP connections.

use pool_config::PoolConfig;
use pool_drivers::http::HttpConnector;

use super::Drawing;
use super::place::origin;
use super::tls::tls;

pub(super) fn connector(config: &PoolConfig, drawing: &mut Drawing<'_>) -> Option<HttpConnector> {
    if config.password.is_some() {
        let problem = "a connection does not log in, each request does";
        drawing.object("password", &"***", problem, "send it in a header of each request");
    }
    let url = config.url.as_ref().map_or_else(|| origin(config).to_string(), |url| url.expose().to_owned());
    let mut connector = match HttpConnector::new(&url) {
        Ok(connector) => connector,
        Err(error) => {
            let (key, value) =
                if config.url.is_some() { ("url", "***".to_owned()) } else { ("host", format!("`{url}`")) };
            drawing.object(
                key,
                &value,
                error.problem.to_string(),
                "write http://host:port or https://host:port",
            );
            return None;
        }
    };
    if let Some(tls) = tls(&config.ssl, drawing) {
        connector = connector.tls(tls);
    }
    if !config.settings.session.dns_max_ttl.is_zero() {
        connector = connector.dns_max_ttl(config.settings.session.dns_max_ttl);
    }
    if let Some(path) = &config.health_path {
        match connector.health_path(path) {
            Ok(with_path) => connector = with_path,
            Err(error) => {
                let help = "write a path that begins with a slash, such as /health";
                drawing.object("health_path", path, error.problem.to_string(), help);
                return None;
            }
        }
    }
    Some(connector)
}
