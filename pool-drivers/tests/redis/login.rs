//! Who is let in, and what is said to whom is not.

use std::error::Error as _;
use std::time::Duration;

use pool_core::{Connector as _, ErrorClass};
use pool_drivers::credentials::{Credentials, EnvironmentCredentials};
use pool_drivers::redis::redis;
use pool_drivers::redis::{LoginProblem, Protocol, RedisConnector, RedisError};
use pool_drivers::tls::Tls;

use crate::harness::{Server, ask, field, pool_of};

const BOTH: [Protocol; 2] = [Protocol::Resp2, Protocol::Resp3];

async fn refused(connector: &RedisConnector) -> (RedisError, LoginProblem) {
    match connector.connect().await.unwrap_err() {
        RedisError::Login { place, problem, source } => {
            let told = problem.clone();
            (RedisError::Login { place, problem, source }, told)
        }
        error => panic!("{error:?}"),
    }
}

#[tokio::test]
async fn a_wrong_password_is_told_and_not_shown() {
    let server = Server::with(&["--requirepass", "hunter2"]).await;
    for protocol in BOTH {
        let url = format!("redis://alice:hunter3@127.0.0.1:{}/1", server.port);
        let connector = RedisConnector::new(&url).unwrap().protocol(protocol);
        let (error, problem) = refused(&connector).await;
        assert_eq!(problem, LoginProblem::WrongPassword { user: Some("alice".to_owned()) });
        let place = format!("127.0.0.1:{}", server.port);
        assert_eq!(
            error.to_string(),
            format!("log in to Redis at `{place}`: it refuses the credentials of user `alice`")
        );
        assert_eq!(connector.classify(&error), ErrorClass::Auth);
        let shown = format!("{error:?} {:?} {connector:?}", error.source());
        assert!(!shown.contains("hunter"), "{shown}");
    }
}

#[tokio::test]
async fn a_missing_password_is_told() {
    let server = Server::with(&["--requirepass", "hunter2"]).await;
    for protocol in BOTH {
        let connector = server.connector().protocol(protocol);
        let (error, problem) = refused(&connector).await;
        assert_eq!((problem, connector.classify(&error)), (LoginProblem::NoPassword, ErrorClass::Auth));
    }
}

#[tokio::test]
async fn a_full_server_is_told_from_a_dead_one() {
    let server = Server::start().await;
    let mut admin = server.admin().await;
    ask::<()>(&mut admin, "CONFIG SET maxclients 1").await;
    for protocol in BOTH {
        for password in [None, Some("hunter2")] {
            // Often: the refusal races with the login.
            for _ in 0..50 {
                let mut connector = server.connector().protocol(protocol).database(2);
                if let Some(password) = password {
                    connector = connector.credentials(Credentials::password(password));
                }
                let (error, problem) = refused(&connector).await;
                assert_eq!(problem, LoginProblem::Full, "{error:?}");
                assert_eq!(connector.classify(&error), ErrorClass::Capacity);
            }
        }
    }
}

#[tokio::test]
async fn a_database_that_does_not_exist_is_told() {
    let server = Server::start().await;
    for protocol in BOTH {
        let (_, problem) = refused(&server.connector().protocol(protocol).database(99)).await;
        assert_eq!(problem, LoginProblem::NoDatabase(99));
    }
}

#[tokio::test]
async fn a_server_without_resp3_is_told() {
    let server = Server::with(&["--rename-command", "HELLO", ""]).await;
    let (_, problem) = refused(&server.connector().protocol(Protocol::Resp3)).await;
    assert_eq!(problem, LoginProblem::NoResp3);
    server.connector().connect().await.unwrap();
}

#[tokio::test]
async fn the_provider_goes_before_the_url() {
    let server = Server::start().await;
    let mut admin = server.admin().await;
    ask::<()>(&mut admin, "ACL SETUSER alice on >wonderland ~* +@all").await;
    ask::<()>(&mut admin, "ACL SETUSER bob on >builder ~* +@all").await;
    for protocol in BOTH {
        let url = format!("redis://alice:wrong@127.0.0.1:{}/4", server.port);
        let connector = RedisConnector::new(&url).unwrap().protocol(protocol).client_name("orders");
        assert_eq!(
            connector.target().unwrap().to_string(),
            format!("redis://alice@127.0.0.1:{}/4", server.port)
        );
        for (credentials, user) in
            [(Credentials::password("wonderland"), "alice"), (Credentials::new("bob", "builder"), "bob")]
        {
            let mut connection = connector.clone().credentials(credentials).connect().await.unwrap();
            assert_eq!(field(&mut connection, "user").await, user);
            assert_eq!(field(&mut connection, "db").await, "4");
            assert_eq!(field(&mut connection, "name").await, "orders");
        }
    }
}

#[tokio::test]
async fn a_provider_that_fails_is_told_before_anything_is_opened() {
    let connector = RedisConnector::new("redis://127.0.0.1:1")
        .unwrap()
        .credentials(EnvironmentCredentials::password("NO_SUCH_VARIABLE"));
    let error = connector.connect().await.unwrap_err();
    assert!(error.to_string().contains("`NO_SUCH_VARIABLE`"), "{error}");
    assert_eq!(connector.classify(&error), ErrorClass::Auth);
}

#[tokio::test]
async fn a_user_without_the_right_keeps_the_connection() {
    let server = Server::start().await;
    let mut admin = server.admin().await;
    // May neither set a name, nor ping.
    ask::<()>(&mut admin, "ACL SETUSER reader on >x ~* +get +hello").await;
    let connector = server.connector().credentials(Credentials::new("reader", "x"));
    let pool = pool_of(connector, 1).validate_after_idle(Duration::ZERO).build().unwrap();
    let mut connection = pool.acquire().await.unwrap();
    assert_eq!(ask::<Option<i64>>(&mut connection, "GET a").await, None);
    let error =
        redis::cmd("SET").arg("a").arg(1).query_async::<redis::Value>(&mut *connection).await.unwrap_err();
    assert_eq!(error.code(), Some("NOPERM"));
    drop(connection);
    drop(pool.acquire().await.unwrap());
    assert_eq!((pool.counters().created, pool.counters().resets), (1, 0));
}

#[tokio::test]
async fn tls_is_spoken_and_verified() {
    let files = tempfile::tempdir().unwrap();
    let file = |name: &str, pem: &str| {
        let path = files.path().join(name);
        std::fs::write(&path, pem).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let issued = rcgen::generate_simple_self_signed(vec!["127.0.0.1".to_owned()]).unwrap();
    let certificate = file("server.pem", &issued.cert.pem());
    let key = file("server.key", &issued.signing_key.serialize_pem());
    // `--port` a second time goes before: the same port, now with TLS.
    let server = Server::with(&[
        "--tls-cert-file",
        &certificate,
        "--tls-key-file",
        &key,
        "--tls-ca-cert-file",
        &certificate,
        "--tls-auth-clients",
        "no",
    ])
    .await;
    let mut admin = server.admin().await;
    ask::<()>(&mut admin, "CONFIG SET port 0").await;
    ask::<()>(&mut admin, &format!("CONFIG SET tls-port {}", server.port)).await;

    for protocol in BOTH {
        let url = format!("rediss://127.0.0.1:{}/1", server.port);
        let connector = RedisConnector::new(&url).unwrap().protocol(protocol);
        let error = connector.connect().await.unwrap_err();
        assert!(matches!(error, RedisError::Tls(_)), "{error:?}");

        let trusting = connector.tls(Tls::new().ca_certificate(&certificate));
        let mut connection = trusting.connect().await.unwrap();
        assert_eq!(field(&mut connection, "db").await, "1");
    }
}
