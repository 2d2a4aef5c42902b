//! Servers with certificates of our own authority, and clients that trust it, or another one, or come without.

use std::net::SocketAddr;
use std::sync::Arc;

use pool_tests::ca::{Ca, Identity, Tls};
use pool_tests::mariadb::MariaDb;
use pool_tests::postgres::Postgres;
use pool_tests::redis::Redis;
use sqlx::mysql::{MySqlConnectOptions, MySqlSslMode};
use sqlx::postgres::{PgConnectOptions, PgSslMode};
use sqlx::{ConnectOptions as _, Connection as _};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

#[tokio::test]
async fn a_postgres_shows_its_certificate_and_may_want_one() {
    let ca = Ca::new();
    let tls = Tls::with_client_certificates(&ca, &ca.local_server());
    let server = Postgres::new().tls(tls).launch().await.unwrap();
    server.create_user("app", "canary-s3cret").await.unwrap();
    let plain: PgConnectOptions = server.url("app", "canary-s3cret", "app").parse().unwrap();
    let verified =
        |ca: &Ca| plain.clone().ssl_mode(PgSslMode::VerifyFull).ssl_root_cert(ca.certificate_path());
    let with = |identity: &Identity| {
        verified(&ca).ssl_client_cert(identity.certificate_path()).ssl_client_key(identity.key_path())
    };

    let mut connection = with(&ca.client("app")).connect().await.unwrap();
    let query = "select ssl from pg_stat_ssl where pid = pg_backend_pid()";
    assert!(sqlx::query_scalar::<_, bool>(query).fetch_one(&mut connection).await.unwrap());
    connection.close().await.unwrap();

    let refused = plain.clone().ssl_mode(PgSslMode::Disable).connect().await.unwrap_err();
    assert!(refused.to_string().contains("no encryption"), "{refused}");
    with(&Ca::new().client("app")).connect().await.expect_err("a client certificate of somebody else");
    with(&ca.expired_client("app")).connect().await.expect_err("an expired client certificate");
    with(&ca.client("other")).connect().await.expect_err("a certificate for another user");
    verified(&ca).connect().await.expect_err("no client certificate");
    let refused = verified(&Ca::new()).connect().await.unwrap_err();
    assert!(refused.to_string().contains("UnknownIssuer"), "{refused}");
}

#[tokio::test]
async fn a_postgres_shows_a_bad_certificate_as_well() {
    let ca = Ca::new();
    let wrong_name = ca.server(&["elsewhere.test"]);
    let cases = [
        (ca.expired_server(&["127.0.0.1"]), "expired"),
        (ca.future_server(&["127.0.0.1"]), "not valid yet"),
        (wrong_name, "not valid for"),
    ];
    for (identity, problem) in cases {
        let server = Postgres::new().tls(Tls::required(&ca, &identity)).launch().await.unwrap();
        server.create_user("app", "canary-s3cret").await.unwrap();
        let options: PgConnectOptions = server.url("app", "canary-s3cret", "app").parse().unwrap();
        let refused = options
            .clone()
            .ssl_mode(PgSslMode::VerifyFull)
            .ssl_root_cert(ca.certificate_path())
            .connect()
            .await
            .unwrap_err();
        assert!(refused.to_string().contains(problem), "{problem}: {refused}");
        options.ssl_mode(PgSslMode::Require).connect().await.expect("nobody looks at the certificate");
    }
}

#[tokio::test]
async fn a_mariadb_shows_its_certificate_and_may_want_one() {
    let ca = Ca::new();
    let tls = Tls::with_client_certificates(&ca, &ca.local_server());
    let server = MariaDb::new().tls(tls).launch().await.unwrap();
    server.create_user("app", "canary-s3cret").await.unwrap();
    let plain: MySqlConnectOptions = server.url("app", "canary-s3cret", "app").parse().unwrap();
    let verified =
        |ca: &Ca| plain.clone().ssl_mode(MySqlSslMode::VerifyIdentity).ssl_ca(ca.certificate_path());
    let with = |identity: &Identity| {
        verified(&ca).ssl_client_cert(identity.certificate_path()).ssl_client_key(identity.key_path())
    };

    with(&ca.client("app")).connect().await.unwrap().close().await.unwrap();
    plain.clone().ssl_mode(MySqlSslMode::Disabled).connect().await.expect_err("in the clear");
    with(&Ca::new().client("app")).connect().await.expect_err("a client certificate of somebody else");
    with(&ca.client("other")).connect().await.expect_err("a certificate for another user");
    verified(&ca).connect().await.expect_err("no client certificate");
    let refused = verified(&Ca::new()).connect().await.unwrap_err();
    assert!(refused.to_string().contains("UnknownIssuer"), "{refused}");
}

#[tokio::test]
async fn a_redis_shows_its_certificate_and_may_want_one() {
    let ca = Ca::new();
    let server = Redis::new()
        .tls(Tls::required(&ca, &ca.local_server()))
        .password("canary-s3cret")
        .launch()
        .await
        .unwrap();
    assert_eq!(ping(server.address(), &ca, None).await.unwrap(), "-NOAUTH");
    let refused = ping(server.address(), &Ca::new(), None).await.unwrap_err().to_string();
    assert!(refused.contains("UnknownIssuer"), "{refused}");
    let mut plain = TcpStream::connect(server.address()).await.unwrap();
    plain.write_all(b"PING\r\n").await.unwrap();
    let mut answer = String::new();
    // It may also reset the connection; either way there is no answer in the clear.
    let read = plain.read_to_string(&mut answer).await;
    assert!(!answer.contains("NOAUTH"), "{read:?}");

    let tls = Tls::with_client_certificates(&ca, &ca.local_server());
    let server = Redis::new().tls(tls).launch().await.unwrap();
    assert_eq!(ping(server.address(), &ca, Some(&ca.client("app"))).await.unwrap(), "+PONG");
    ping(server.address(), &ca, None).await.expect_err("no client certificate");
    ping(server.address(), &ca, Some(&Ca::new().client("app"))).await.expect_err("somebody else's");
}

/// The first word that Redis answers over TLS.
async fn ping(address: SocketAddr, ca: &Ca, identity: Option<&Identity>) -> std::io::Result<String> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(ca.certificate_pem().as_bytes()).unwrap()).unwrap();
    let builder = ClientConfig::builder().with_root_certificates(roots);
    let config = match identity {
        None => builder.with_no_client_auth(),
        Some(identity) => {
            let certificate = CertificateDer::from_pem_file(identity.certificate_path()).unwrap();
            let key = PrivateKeyDer::from_pem_file(identity.key_path()).unwrap();
            builder.with_client_auth_cert(vec![certificate], key).unwrap()
        }
    };
    let stream = TcpStream::connect(address).await?;
    let name = ServerName::try_from("localhost").unwrap();
    let mut stream = TlsConnector::from(Arc::new(config)).connect(name, stream).await?;
    stream.write_all(b"PING\r\n").await?;
    let mut answer = [0; 128];
    let read = stream.read(&mut answer).await?;
    let answer = String::from_utf8_lossy(&answer[..read]).into_owned();
    answer.split_whitespace().next().map(str::to_owned).ok_or(std::io::ErrorKind::UnexpectedEof.into())
}
