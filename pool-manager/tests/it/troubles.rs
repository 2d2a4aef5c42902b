//! What cannot be had is told all at once, and nothing is opened.

use std::fs;

use pool_config::{AuthenticationMethod, Driver, PoolConfig, Secret, SecretSource, Ssl};
use pool_manager::{BuildErrors, CreateError, PoolManager, StartError};

use crate::support::{config, manager};

async fn troubles(sections: &str) -> BuildErrors {
    match PoolManager::from_config(config(sections)).await {
        Err(StartError::Build(errors)) => errors,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn everything_that_is_missing_is_named_at_once() {
    let errors = troubles(
        "pools: [
            {name: a, database: a, password_file: /nowhere/password,
                ssl: {enabled: true, ca_certificate: /nowhere/ca.pem}},
            {name: b, database: b, password_env: POOL_TEST_NO_SUCH_VARIABLE},
            {name: c, driver: redis, ssl: {enabled: true, client_certificate: Cargo.toml, client_key: Cargo.toml}},
            {name: d, driver: mysql, database: d, authentication: {method: oauth2, oauth2:
                {token_url: 'https://tokens.example/token', client_id: d, client_secret_file: /nowhere/secret}}}]",
    )
    .await;
    insta::assert_snapshot!(errors, @r"
    build the pools: 5 problems
    pool `a`: password_file is `/nowhere/password`: the file cannot be read (No such file or directory (os error 2))
      help: put the file there and let the process read it, or change the path
    pool `a`: ssl.ca_certificate is `/nowhere/ca.pem`: the file does not exist
      help: put the file there, or change the path; a relative one begins at the working directory
    pool `b`: password_env is POOL_TEST_NO_SUCH_VARIABLE: the variable is not set
      help: set it in the environment of the process, and start the process anew
    pool `c`: ssl.client_certificate is `Cargo.toml`: no certificate is in it
      help: put the file there, or change the path; a relative one begins at the working directory
    pool `d`: authentication.oauth2.client_secret_file is `/nowhere/secret`: the file cannot be read (No such file or directory (os error 2))
      help: put the file there and let the process read it, or change the path
    ");
}

#[tokio::test]
async fn a_file_that_all_pools_inherit_is_missed_by_each() {
    let errors = troubles(
        "security: {ssl: {enabled: true, ca_certificate: /nowhere/ca.pem}}, pools: [
            {name: a, database: a}, {name: b, driver: http, host: b.example}]",
    )
    .await;
    let pools: Vec<_> = errors.problems.iter().map(|problem| (&*problem.pool, &*problem.key)).collect();
    assert_eq!(pools, [("a", "ssl.ca_certificate"), ("b", "ssl.ca_certificate")]);
}

#[tokio::test]
async fn nothing_is_opened_when_one_pool_cannot_be_had() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("orders.db");
    troubles(&format!(
        "pools: [
            {{name: good, driver: sqlite, database: '{}', min_connections: 2}},
            {{name: bad, driver: redis, password_file: /nowhere/password}}]",
        file.display()
    ))
    .await;
    tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    assert!(!file.exists(), "nobody has connected");
}

/// The file is refused for it before; this is for configurations made in code.
#[tokio::test]
async fn a_directory_gets_no_password_without_tls() {
    let manager = manager("pools: []").await;
    let mut pool = PoolConfig {
        name: "orders".to_owned(),
        driver: Driver::Postgres,
        host: Some("db.example".to_owned()),
        database: Some("orders".to_owned()),
        user: Some("app".to_owned()),
        password: Some(SecretSource::Text(Secret::new("canary-ldap"))),
        ..PoolConfig::default()
    };
    pool.authentication.method = AuthenticationMethod::Ldap;
    pool.settings.min_connections = 0;
    let Err(CreateError::Build(errors)) = manager.create(pool.clone()) else { panic!("it was accepted") };
    insta::assert_snapshot!(errors, @r"
    build the pools: 1 problem
    pool `orders`: authentication.method is ldap: the server gets the password in clear text, so the connection must be encrypted
      help: set `ssl.enabled: true`
    ");
    let tls = PoolConfig { ssl: Ssl { enabled: true, verify_peer: false, ..Ssl::default() }, ..pool.clone() };
    manager.create(tls).unwrap();
    let socket = PoolConfig { name: "local".to_owned(), host: Some("/run/postgresql".to_owned()), ..pool };
    manager.create(socket).unwrap();
}

#[tokio::test]
async fn options_that_cannot_work_are_named_as_those_of_the_pool() {
    let manager = manager("pools: []").await;
    let mut pool = PoolConfig {
        name: "orders".to_owned(),
        driver: Driver::Sqlite,
        database: Some(":memory:".to_owned()),
        ..PoolConfig::default()
    };
    (pool.settings.max_connections, pool.settings.min_connections) = (2, 5);
    let error = manager.create(pool).unwrap_err();
    insta::assert_snapshot!(error, @r"
    build the pools: 1 problem
    pool `orders`: min_connections is 5: must not exceed max_connections
      help: change the value
    ");
}

#[tokio::test]
async fn what_only_a_session_has_is_refused_through_a_pooler() {
    let errors = troubles(
        "default_pool: {statement_timeout_ms: 1000}, pools: [
            {name: orders, database: orders, transaction_pooling: true}]",
    )
    .await;
    insta::assert_snapshot!(errors, @r"
    build the pools: 1 problem
    pool `orders`: statement_timeout_ms is set: with transaction_pooling each transaction may have another session
      help: set it for the role on the server: ALTER ROLE … SET
    ");
}

#[tokio::test]
async fn no_secret_is_shown() {
    let url = "postgres://app:canary-url@localhost:notaport/orders";
    let mut pool =
        PoolConfig { name: "orders".to_owned(), url: Some(Secret::new(url)), ..PoolConfig::default() };
    let manager = manager("pools: []").await;
    let error = manager.create(pool.clone()).unwrap_err();
    let shown = format!("{error} {error:?} {error:#?}");
    assert!(shown.contains("url is ***") && !shown.contains("canary"), "{shown}");
    pool.url = Some(Secret::new("redis://:canary-url@localhost/zero"));
    pool.driver = Driver::Redis;
    let error = manager.create(pool).unwrap_err();
    let shown = format!("{error} {error:?} {error:#?} {manager:?}");
    assert!(!shown.contains("canary"), "{shown}");
}

#[tokio::test]
async fn a_file_that_cannot_be_loaded_is_told_with_its_places() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("connection_pool.yaml");
    fs::write(&path, "connection_pool: {pools: [{name: orders, databse: orders}]}").unwrap();
    let error = PoolManager::from_file(&path).await.unwrap_err();
    assert!(error.to_string().contains("connection_pool.yaml:1:"), "{error}");
    let error = PoolManager::from_file(folder.path().join("none.yaml")).await.unwrap_err();
    assert!(matches!(&error, StartError::Config(_)), "{error}");
}

/// A file with such a host may be refused before; this is for configurations made in code.
#[tokio::test]
async fn a_host_that_may_hold_a_password_is_not_shown() {
    let manager = manager("pools: []").await;
    for driver in [Driver::Http, Driver::Websocket, Driver::Postgres, Driver::Mysql, Driver::Redis] {
        let pool = PoolConfig {
            name: "a".to_owned(),
            driver,
            host: Some("u:canary@h".to_owned()),
            ..PoolConfig::default()
        };
        let error = manager.create(pool).unwrap_err();
        let shown = format!("{error} {error:?}");
        assert!(shown.contains("host is ***") && !shown.contains("canary"), "{shown}");
    }
}

#[tokio::test]
async fn a_host_beside_a_url_makes_no_socket_of_it() {
    let manager = manager("pools: []").await;
    for (driver, url) in
        [(Driver::Postgres, "postgres://u@db.example/d"), (Driver::Mysql, "mysql://u@db.example/d")]
    {
        let mut pool = PoolConfig {
            name: "orders".to_owned(),
            driver,
            url: Some(Secret::new(url)),
            host: Some("/run/server".to_owned()),
            password: Some(SecretSource::Text(Secret::new("canary-ldap"))),
            ..PoolConfig::default()
        };
        pool.authentication.method = AuthenticationMethod::Ldap;
        pool.settings.min_connections = 0;
        let error = manager.create(pool).unwrap_err();
        assert!(error.to_string().contains("the connection must be encrypted"), "{error}");
    }
}
