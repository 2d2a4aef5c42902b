//! The sections `ssl` and `authentication`, against servers that mean it.

use std::process::Command;

use pool_core::ErrorClass;
use pool_manager::{AccessError, PoolManager};
use pool_tests::ca::{Ca, Tls};
use pool_tests::directory::Directory;
use pool_tests::mariadb::MariaDb;
use pool_tests::postgres::Postgres;
use pool_tests::process::Server;
use pool_tests::redis::Redis;
use pool_tests::token::TokenEndpoint;

use super::{config, manager};

const PASSWORD: &str = "canary-login";

async fn encrypted(ca: &Ca) -> Server<Postgres> {
    let server = Postgres::new().tls(Tls::required(ca, &ca.local_server())).launch().await.unwrap();
    server.create_user("app", PASSWORD).await.unwrap();
    server
}

/// How a connection to PostgreSQL came about: whether encrypted.
async fn is_encrypted(manager: &PoolManager, pool: &str) -> bool {
    let query = "SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()";
    sqlx::query_scalar(query).fetch_one(&manager.postgres(pool).unwrap()).await.unwrap()
}

/// Why no connection can be had.
async fn refusal(manager: &PoolManager, pool: &str) -> (ErrorClass, String) {
    let error = manager.acquire(pool).await.unwrap_err();
    let shown = format!("{error} {error:?} {error:#?}");
    assert!(!shown.contains("canary"), "{shown}");
    let AccessError::Acquire(error) = error else { panic!("{error}") };
    let failure = error.diagnosis().last_connect_failure.clone().unwrap();
    (failure.class, error.to_string())
}

#[tokio::test]
async fn a_pool_inherits_the_encryption_of_all_and_may_have_its_own() {
    let ca = Ca::new();
    let (server, other) = (encrypted(&ca).await, Ca::new());
    let manager = manager(&format!(
        "security: {{ssl: {{enabled: true, ca_certificate: '{}'}}}},
        default_pool: {{min_connections: 0}},
        pools: [
            {{name: verified, host: localhost, port: {port}, database: app, user: app, password: {PASSWORD}}},
            {{name: other, host: localhost, port: {port}, database: app, user: app, password: {PASSWORD},
                ssl: {{ca_certificate: '{}'}}}},
            {{name: careless, host: localhost, port: {port}, database: app, user: app, password: {PASSWORD},
                ssl: {{verify_peer: false}}}}]",
        ca.certificate_path().display(),
        other.certificate_path().display(),
        port = server.port(),
    ))
    .await;
    assert!(is_encrypted(&manager, "verified").await);
    assert!(is_encrypted(&manager, "careless").await);
    let (_, told) = refusal(&manager, "other").await;
    assert!(told.contains("issued by an authority that is not trusted"), "{told}");
}

#[tokio::test]
async fn a_server_that_wants_a_certificate_gets_the_one_in_the_configuration() {
    let ca = Ca::new();
    let tls = Tls::with_client_certificates(&ca, &ca.local_server());
    let server = Postgres::new().tls(tls).launch().await.unwrap();
    server.create_user("app", PASSWORD).await.unwrap();
    let client = ca.client("app");
    let pool = |name: &str, ssl: &str| {
        format!(
            "{{name: {name}, host: localhost, port: {}, database: app, user: app, password: {PASSWORD},
                min_connections: 0, ssl: {{enabled: true, ca_certificate: '{}', {ssl}}}}}",
            server.port(),
            ca.certificate_path().display(),
        )
    };
    let own = format!(
        "client_certificate: '{}', client_key: '{}'",
        client.certificate_path().display(),
        client.key_path().display()
    );
    let manager = manager(&format!("pools: [{}, {}]", pool("with", &own), pool("without", ""))).await;
    assert!(is_encrypted(&manager, "with").await);
    let (class, told) = refusal(&manager, "without").await;
    assert_eq!(class, ErrorClass::Auth, "{told}");
}

#[tokio::test]
async fn each_source_of_a_password_logs_in_and_a_wrong_one_does_not() {
    let server = Postgres::new().launch().await.unwrap();
    server.create_user("app", PASSWORD).await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let (right, wrong) = (folder.path().join("right"), folder.path().join("wrong"));
    std::fs::write(&right, PASSWORD).unwrap();
    std::fs::write(&wrong, "canary-of-somebody-else").unwrap();
    let sources = [
        ("text", format!("password: {PASSWORD}")),
        ("file", format!("password_file: '{}'", right.display())),
        ("command", format!("password_command: [cat, '{}']", right.display())),
        ("wrong", format!("password_file: '{}'", wrong.display())),
        ("failing", "password_command: [cat, /nowhere]".to_owned()),
    ];
    let pools = sources.map(|(name, source)| {
        format!(
            "{{name: {name}, host: 127.0.0.1, port: {}, database: app, user: app, min_connections: 0, {source}}}",
            server.port()
        )
    });
    let manager = manager(&format!("pools: [{}]", pools.join(","))).await;
    for name in ["text", "file", "command"] {
        manager.acquire(name).await.unwrap_or_else(|error| panic!("{name}: failed to {error}"));
    }
    let (class, told) = refusal(&manager, "wrong").await;
    assert_eq!(class, ErrorClass::Auth, "{told}");
    let (_, told) = refusal(&manager, "failing").await;
    assert!(told.contains("get credentials from the command `cat`"), "{told}");
}

/// A variable of the environment cannot be set in a process with threads: so the process is another one.
#[tokio::test]
async fn a_variable_of_the_environment_logs_in() {
    const VARIABLE: &str = "POOL_TEST_PASSWORD";
    const URL: &str = "POOL_TEST_PORT";
    if let Ok(port) = std::env::var(URL) {
        let pool = format!(
            "{{name: orders, host: 127.0.0.1, port: {port}, database: app, user: app, password_env: {VARIABLE}}}"
        );
        manager(&format!("pools: [{pool}]")).await.acquire("orders").await.unwrap();
        return;
    }
    let server = Postgres::new().launch().await.unwrap();
    server.create_user("app", PASSWORD).await.unwrap();
    let mut again = Command::new(std::env::current_exe().unwrap());
    again.args(["--exact", "manager::logins::a_variable_of_the_environment_logs_in"]);
    again.env(VARIABLE, PASSWORD).env(URL, server.port().to_string());
    let output = tokio::task::spawn_blocking(move || again.output().unwrap()).await.unwrap();
    let told = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && told.contains("1 passed"), "{told}");
}

#[tokio::test]
async fn a_directory_checks_the_password_and_gets_it_over_tls_alone() {
    let directory = Directory::new().person("app", PASSWORD).launch().await.unwrap();
    let ca = Ca::new();
    let server = Postgres::new()
        .tls(Tls::offered(&ca, &ca.local_server()))
        .rule(format!("host all app 127.0.0.1/32 {}", directory.rule_for_postgres()))
        .launch()
        .await
        .unwrap();
    // The role has another password, so that only the directory's can be meant.
    server.create_user("app", "canary-not-asked").await.unwrap();
    let pool = |name: &str, password: &str, ssl: &str| {
        format!(
            "{{name: {name}, host: localhost, port: {}, database: app, user: app, password: {password},
                min_connections: 0, ssl: {ssl}}}",
            server.port()
        )
    };
    let ssl = format!("{{enabled: true, ca_certificate: '{}'}}", ca.certificate_path().display());
    let pools = format!("{}, {}", pool("right", PASSWORD, &ssl), pool("wrong", "canary-not-asked", &ssl));
    let authentication = "security: {authentication: {method: ldap}}";
    let manager = manager(&format!("{authentication}, pools: [{pools}]")).await;
    assert!(is_encrypted(&manager, "right").await);
    let (class, told) = refusal(&manager, "wrong").await;
    assert_eq!(class, ErrorClass::Auth, "{told}");

    // In the clear it is refused, by the file and by whoever builds pools; nobody was asked for anything.
    let mut open =
        config(&format!("pools: [{}]", pool("open", PASSWORD, "{enabled: false}"))).pools.remove(0);
    open.authentication.method = pool_config::AuthenticationMethod::Ldap;
    let error = manager.create(open).unwrap_err();
    assert!(error.to_string().contains("the connection must be encrypted"), "{error}");
    assert_eq!(manager.names(), ["right", "wrong"]);
}

#[tokio::test]
async fn a_token_is_the_password_and_one_serves_all_pools_that_ask_for_the_same() {
    let postgres = Postgres::new().launch().await.unwrap();
    postgres.create_user("app", "canary-token-1").await.unwrap();
    let mariadb = MariaDb::new().launch().await.unwrap();
    mariadb.create_user("app", "canary-token-1").await.unwrap();
    let redis = Redis::new().user("app", "canary-token-1").launch().await.unwrap();
    let endpoint = TokenEndpoint::new("orders", "canary-client-secret").launch().unwrap();
    endpoint.next_token("canary-token-1");
    let folder = tempfile::tempdir().unwrap();
    let secret = folder.path().join("secret");
    std::fs::write(&secret, "canary-client-secret").unwrap();
    let manager = manager(&format!(
        "security: {{authentication: {{method: oauth2, oauth2: {{
            token_url: '{}', client_id: orders, client_secret_file: '{}', scope: read write, user: app}}}}}},
        pools: [
            {{name: a, host: 127.0.0.1, port: {}, database: app}},
            {{name: b, driver: mysql, host: 127.0.0.1, port: {}, database: app}},
            {{name: c, driver: redis, host: 127.0.0.1, port: {}}}]",
        endpoint.url(),
        secret.display(),
        postgres.port(),
        mariadb.port(),
        redis.port(),
    ))
    .await;
    for name in ["a", "b", "c"] {
        manager.acquire(name).await.unwrap_or_else(|error| panic!("{name}: failed to {error}"));
    }
    assert_eq!((endpoint.issued(), endpoint.requests()), (vec!["canary-token-1".to_owned()], 1));
    assert_eq!(endpoint.scopes(), [Some("read write".to_owned())]);
}
