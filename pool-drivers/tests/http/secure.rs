//! HTTP over TLS: the version that is agreed on, and who is refused.

use hyper::Version;
use pool_core::{Connector as _, ErrorClass};
use pool_drivers::http::{HttpConnector, HttpError, HttpVersion};
use pool_drivers::tls::{Tls, TlsProblem};
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpListener;

use crate::certificates::Authority;
use crate::server::{Server, ask, pool_of};

fn connector(server: &Server, tls: Tls) -> HttpConnector {
    HttpConnector::new(&format!("https://localhost:{}", server.address.port())).unwrap().tls(tls)
}

#[tokio::test]
async fn a_server_with_the_right_certificate_is_spoken_to() {
    let ours = Authority::new();
    let server = Server::start_with_tls(ours.server("localhost", &["http/1.1"])).await;
    let pool = pool_of(connector(&server, ours.client())).build().unwrap();
    for path in ["/one", "/two"] {
        assert_eq!(ask(&mut pool.acquire().await.unwrap(), path).await, path);
    }
    assert_eq!(server.accepted(), 1);
}

#[tokio::test]
async fn the_best_version_that_both_speak_is_chosen() {
    let ours = Authority::new();
    for (offered, asked, expected) in [
        (&["h2", "http/1.1"][..], HttpVersion::Auto, Version::HTTP_2),
        (&["h2", "http/1.1"], HttpVersion::Http1, Version::HTTP_11),
        (&["h2", "http/1.1"], HttpVersion::Http2, Version::HTTP_2),
        (&["http/1.1"], HttpVersion::Auto, Version::HTTP_11),
        (&[], HttpVersion::Auto, Version::HTTP_11),
    ] {
        let server = Server::start_with_tls(ours.server("localhost", offered)).await;
        let connection = connector(&server, ours.client()).version(asked).connect().await.unwrap();
        assert_eq!(connection.version(), expected, "{offered:?} {asked:?}");
    }
}

#[tokio::test]
async fn http_2_that_is_not_offered_is_told() {
    let ours = Authority::new();
    let silent = Server::start_with_tls(ours.server("localhost", &[])).await;
    let connecting = connector(&silent, ours.client()).version(HttpVersion::Http2);
    let error = connecting.connect().await.unwrap_err();
    assert!(matches!(&error, HttpError::NoHttp2 { .. }), "{error:?}");

    let older = Server::start_with_tls(ours.server("localhost", &["http/1.1"])).await;
    let connecting = connector(&older, ours.client()).version(HttpVersion::Http2);
    let error = connecting.connect().await.unwrap_err();
    assert_eq!(error.tls_problem(), Some(TlsProblem::NothingInCommon), "{error:?}");
    assert_eq!(connecting.classify(&error), ErrorClass::FatalThis);
}

#[tokio::test]
async fn strangers_are_refused_with_the_reason() {
    let (ours, theirs) = (Authority::new(), Authority::new());
    let stranger = Server::start_with_tls(theirs.server("localhost", &[])).await;
    let error = connector(&stranger, ours.client()).connect().await.unwrap_err();
    assert_eq!(error.tls_problem(), Some(TlsProblem::UnknownIssuer), "{error:?}");

    let other = Server::start_with_tls(ours.server("other.test", &[])).await;
    let error = connector(&other, ours.client()).connect().await.unwrap_err();
    assert!(matches!(error.tls_problem(), Some(TlsProblem::WrongName { .. })), "{error:?}");
}

#[tokio::test]
async fn a_port_without_tls_is_told() {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let url = format!("https://{}", listener.local_addr().unwrap());
    let plain = async {
        let (mut stream, _) = listener.accept().await.unwrap();
        stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await.unwrap();
        stream
    };
    let ours = Authority::new();
    let connecting = HttpConnector::new(&url).unwrap().tls(ours.client());
    let (outcome, _stream) = tokio::join!(connecting.connect(), plain);
    let error = outcome.unwrap_err();
    assert_eq!(error.tls_problem(), Some(TlsProblem::NotTls), "{error:?}");
    assert!(error.to_string().contains("does not speak TLS"), "{error}");
}

#[tokio::test]
async fn a_missing_client_certificate_is_told_at_the_connect_if_there_is_a_health_path() {
    let ours = Authority::new();
    let server = Server::start_with_tls(ours.strict_server("localhost", &[])).await;
    let asking = connector(&server, ours.client()).health_path("/health").unwrap();
    let error = asking.connect().await.unwrap_err();
    assert_eq!(error.tls_problem(), Some(TlsProblem::ClientCertificateRequired), "{error:?}");
    assert_eq!(asking.classify(&error), ErrorClass::Auth);
}
