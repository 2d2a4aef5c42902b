//! One file for the parts of a blueprint: what is drawn of which configuration.
#![cfg(feature = "all")]

use pool_config::{Config, Loader, Secret, SecretSource};
use pool_core::Target;

use super::*;

fn config(sections: &str) -> Config {
    let text = format!("connection_pool: {{{sections}}}");
    Loader::without_variables().load_text(&text, "connection_pool.yaml").unwrap().config
}

fn targets(kit: &Kit, config: &Config) -> Vec<String> {
    let drawn = Blueprint::draw_all(&config.pools, kit).unwrap();
    drawn
        .iter()
        .map(|pool| pool.connector.target().as_ref().map(Target::to_string).unwrap_or_default())
        .collect()
}

#[test]
fn every_driver_is_drawn_of_host_and_port_and_of_a_url() {
    let folder = std::path::absolute("orders.db").unwrap();
    let found = targets(
        &Kit::default(),
        &config(
            "default_pool: {application_name: ours}, pools: [
                {name: a, database: d, user: u},
                {name: b, url: 'postgres://u@h:5433/d'},
                {name: c, host: /run/postgresql, database: d, user: u},
                {name: d, driver: mysql, host: h, port: 3307, database: d, user: u},
                {name: e, url: 'mysql://u@h/d'},
                {name: f, driver: sqlite, database: orders.db},
                {name: g, url: 'sqlite::memory:'},
                {name: h, driver: redis, database: '3', user: u},
                {name: i, url: 'redis://h:6380/2'},
                {name: j, driver: http, host: '::1', port: 8080},
                {name: k, url: 'https://h', health_path: /health},
                {name: l, driver: websocket, host: h},
                {name: m, url: 'wss://h/feed'}]",
        ),
    );
    let sqlite = format!("sqlite:///{}", folder.display());
    let expected = [
        "postgres://u@localhost:5432/d",
        "postgres://u@h:5433/d",
        "postgres://u@/run/postgresql:5432/d",
        "mysql://u@h:3307/d",
        "mysql://u@h:3306/d",
        &sqlite,
        "sqlite:///:memory:",
        "redis://u@localhost:6379/3",
        "redis://h:6380/2",
        "http://::1:8080/",
        "https://h:443/",
        "ws://h:80/",
        "wss://h:443/feed",
    ];
    assert_eq!(found, expected);
}

#[test]
fn encryption_changes_the_scheme_of_what_has_one() {
    let found = targets(
        &Kit::default(),
        &config(
            "security: {ssl: {enabled: true, verify_peer: false}}, pools: [
                {name: a, driver: http, host: h}, {name: b, driver: websocket, host: h, port: 81}]",
        ),
    );
    assert_eq!(found, ["https://h:443/", "wss://h:81/"]);
}

#[test]
fn pools_of_one_section_share_what_was_read_for_tls_and_a_token() {
    let kit = Kit::default();
    let folder = tempfile::tempdir().unwrap();
    let secret = folder.path().join("secret");
    std::fs::write(&secret, "canary-client").unwrap();
    let oauth2 = |client: &str| {
        let secret = secret.display();
        format!(
            "{{token_url: 'https://tokens.example/', client_id: {client}, client_secret_file: '{secret}', user: app}}"
        )
    };
    let config = config(&format!(
        "security: {{ssl: {{enabled: true, verify_peer: false}}, authentication: {{method: oauth2, oauth2: {}}}}}, pools: [
            {{name: a, database: a}}, {{name: b, database: b}}, {{name: c, driver: mysql, database: c}},
            {{name: d, database: d, authentication: {{oauth2: {}}}}}]",
        oauth2("one"),
        oauth2("two")
    ));
    let first = Blueprint::draw_all(&config.pools, &kit).unwrap();
    assert_eq!((kit.tls.len(), kit.tokens.len()), (1, 2));
    // And so does what comes after a reload, as long as the secret is the same.
    Blueprint::draw_all(&config.pools, &kit).unwrap();
    assert_eq!(kit.tokens.len(), 2);
    std::fs::write(&secret, "canary-other").unwrap();
    let second = Blueprint::draw_all(&config.pools, &kit).unwrap();
    assert_eq!(kit.tokens.len(), 4);
    assert!(first[0].fingerprint != second[0].fingerprint);
    assert!(!format!("{first:?}").contains("canary"));
}

#[test]
fn a_kit_does_not_grow_with_each_other_password() {
    let kit = Kit::default();
    let mut config = config(
        "pools: [{name: a, database: a, authentication: {method: oauth2, oauth2:
            {token_url: 'https://tokens.example/', client_id: a, client_secret: canary}}}]",
    );
    for number in 0..2 * KEPT {
        let oauth2 = config.pools[0].authentication.oauth2.as_mut().unwrap();
        oauth2.client_secret = Some(SecretSource::Text(Secret::new(format!("canary-{number}"))));
        Blueprint::draw_all(&config.pools, &kit).unwrap();
    }
    assert_eq!(kit.tokens.len(), KEPT);
}

#[test]
fn a_name_with_spaces_is_one_that_redis_takes() {
    assert_eq!(redis::client_name("orders of héute\n"), "orders-of-h-ute-");
}
