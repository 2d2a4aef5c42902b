//! Pools of Redis.

use pool_config::{PoolConfig, SessionSettings};
use pool_drivers::redis::RedisConnector;

use super::Drawing;
use super::login::provider;
use super::place::{host, is_socket, port};
use super::problem::in_one_line;
use super::tls::tls;

pub(super) fn connector(config: &PoolConfig, drawing: &mut Drawing<'_>) -> Option<RedisConnector> {
    let mut connector = match &config.url {
        Some(url) => match RedisConnector::new(url.expose()) {
            Ok(connector) => connector,
            Err(error) => {
                drawing.object("url", &"***", in_one_line(&error), "write redis://user@host:port/number");
                return None;
            }
        },
        None => RedisConnector::at(host(config), port(config)),
    };
    if let Some(database) = &config.database {
        match database.parse() {
            Ok(number) => connector = connector.database(number),
            Err(_) => {
                let problem = "a database of Redis is a number";
                drawing.object("database", database, problem, "write its number in quotes, such as \"0\"");
            }
        }
    }
    if let Some(user) = &config.user {
        connector = connector.user(user);
    }
    if let Some(provider) = provider(config, drawing) {
        connector = connector.credentials(provider);
    }
    if !is_socket(config)
        && let Some(tls) = tls(&config.ssl, drawing)
    {
        connector = connector.tls(tls);
    }
    // What Redis has no counterpart for, a pool may have inherited.
    let SessionSettings { application_name, dns_max_ttl, .. } = &config.settings.session;
    connector = connector.client_name(client_name(application_name.as_ref().unwrap_or(&config.name)));
    if !dns_max_ttl.is_zero() {
        connector = connector.dns_max_ttl(*dns_max_ttl);
    }
    Some(connector)
}

/// A name as Redis takes it: printable ASCII without spaces.
pub(super) fn client_name(name: &str) -> String {
    name.chars().map(|c| if c.is_ascii_graphic() { c } else { '-' }).collect()
}
