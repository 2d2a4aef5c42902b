//! The protocol, against an endpoint that says what it is told to.

use std::error::Error as _;

use rustls::ServerConfig;
use rustls::crypto::ring;
use rustls::pki_types::PrivateKeyDer;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;

use super::*;
use crate::credentials::Secret;

/// Answers one request, and returns it.
async fn endpoint(answer: impl Into<String>) -> (String, JoinHandle<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/token?key=hunter2", listener.local_addr().unwrap());
    let answer = answer.into();
    let task = tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        serve(stream, &answer).await
    });
    (url, task)
}

async fn serve(mut stream: impl AsyncRead + AsyncWrite + Unpin, answer: &str) -> String {
    let mut request = Vec::new();
    while !is_whole(&request) {
        assert_ne!(stream.read_buf(&mut request).await.unwrap(), 0);
    }
    stream.write_all(answer.as_bytes()).await.unwrap();
    stream.shutdown().await.unwrap();
    String::from_utf8(request).unwrap()
}

fn is_whole(request: &[u8]) -> bool {
    let text = String::from_utf8_lossy(request).to_ascii_lowercase();
    let Some((head, body)) = text.split_once("\r\n\r\n") else { return false };
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap();
    body.len() >= length.parse().unwrap()
}

fn answer(status: &str, body: &str) -> String {
    let length = body.len();
    format!("HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}")
}

fn config(url: &str) -> OAuth2Config {
    OAuth2Config::new(url, "orders", Credentials::password("hunter2"))
}

async fn failure(answer: impl Into<String>) -> CredentialError {
    let (url, _) = endpoint(answer).await;
    let error = OAuth2Credentials::new(config(&url)).unwrap().credentials().await.unwrap_err();
    let shown = format!("{error} {error:?} {:?}", error.source());
    assert!(!shown.contains("hunter2"), "{shown}");
    error
}

const TOKEN: &str = r#"{"access_token":"t0ken","token_type":"Bearer","expires_in":3600}"#;

#[tokio::test]
async fn the_token_is_the_password() {
    let (url, request) = endpoint(answer("200 OK", TOKEN)).await;
    let config = config(&url).scope("redis").scope("read").audience("cache").user("alice");
    let provider = OAuth2Credentials::new(config).unwrap();
    let got = provider.credentials().await.unwrap();
    assert_eq!(got.user.as_deref(), Some("alice"));
    assert_eq!(got.password.as_ref().map(Secret::expose), Some("t0ken"));
    // The endpoint answers only once.
    assert_eq!(provider.credentials().await.unwrap().password.unwrap().expose(), "t0ken");

    let request = request.await.unwrap();
    assert!(request.starts_with("POST /token?key=hunter2 HTTP/1.1\r\n"), "{request}");
    let (head, body) = request.split_once("\r\n\r\n").unwrap();
    // base64 of orders:hunter2
    assert!(head.to_ascii_lowercase().contains("authorization: basic b3jkzxjzomh1bnrlcji="), "{head}");
    assert_eq!(body, "grant_type=client_credentials&scope=redis+read&audience=cache");
    assert!(!format!("{provider:?}").contains("hunter2") && !format!("{provider:?}").contains("t0ken"));
}

#[tokio::test]
async fn the_secret_goes_into_the_body_if_asked() {
    let (url, request) = endpoint(answer("200 OK", TOKEN)).await;
    OAuth2Credentials::new(config(&url).secret_in_body(true)).unwrap().credentials().await.unwrap();
    let request = request.await.unwrap();
    assert!(request.ends_with("grant_type=client_credentials&client_id=orders&client_secret=hunter2"));
    assert!(!request.to_ascii_lowercase().contains("authorization"), "{request}");
}

#[tokio::test]
async fn a_refusal_is_told_by_its_code_alone() {
    let body = r#"{"error":"invalid_client","error_description":"hunter2 is wrong"}"#;
    let error = failure(answer("401 Unauthorized", body)).await;
    let text = error.to_string();
    assert!(text.starts_with("get a token from `http://127.0.0.1:"), "{text}");
    assert!(text.ends_with("/token`: it answered `invalid_client`"), "{text}");
    assert_eq!(error.class(), ErrorClass::Auth);
    for code in ["hunter2 with spaces", "hunter2\\n", &"hunter2".repeat(20)] {
        let error = failure(answer("400 Bad Request", &format!(r#"{{"error":"{code}"}}"#))).await;
        assert!(error.to_string().ends_with("it answered `an unknown error`"), "{error}");
    }
}

#[tokio::test]
async fn trouble_of_the_endpoint_is_told_from_wrong_credentials() {
    let refused = |code| answer("400 Bad Request", &format!(r#"{{"error":"{code}"}}"#));
    for (said, class) in [
        (answer("503 Service Unavailable", "hunter2"), ErrorClass::Transient),
        (answer("500 Internal Server Error", r#"{"error":"invalid_client"}"#), ErrorClass::Transient),
        (answer("429 Too Many Requests", ""), ErrorClass::Transient),
        (refused("temporarily_unavailable"), ErrorClass::Transient),
        (refused("invalid_scope"), ErrorClass::Auth),
        (answer("401 Unauthorized", "hunter2"), ErrorClass::Auth),
        (answer("302 Found", ""), ErrorClass::Auth),
        (answer("200 OK", r#"{"access_token":5,"token_type":"hunter2"}"#), ErrorClass::Auth),
        (answer("200 OK", &"hunter2".repeat(10_000)), ErrorClass::Auth),
        (String::from("HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{"), ErrorClass::Transient),
        (String::from("hunter2\r\n\r\n"), ErrorClass::Transient),
        (String::new(), ErrorClass::Transient),
    ] {
        let error = failure(said.clone()).await;
        assert_eq!(error.class(), class, "{said} {error}");
    }
}

#[tokio::test]
async fn an_endpoint_that_is_not_there_is_told() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/token", listener.local_addr().unwrap());
    drop(listener);
    let error = OAuth2Credentials::new(config(&url)).unwrap().credentials().await.unwrap_err();
    assert_eq!(error.to_string(), format!("get a token from `{url}`"));
    assert!(error.source().unwrap().to_string().contains("refused"));
    assert_eq!(error.class(), ErrorClass::Transient);
}

#[tokio::test]
async fn an_endpoint_that_hangs_is_given_up() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/token", listener.local_addr().unwrap());
    let config = config(&url).timeout(Duration::from_millis(50));
    let error = OAuth2Credentials::new(config).unwrap().credentials().await.unwrap_err();
    assert_eq!(error.to_string(), format!("get a token from `{url}`: it did not answer within 50ms"));
    assert_eq!(error.class(), ErrorClass::Transient);
}

#[tokio::test]
async fn https_is_spoken_and_verified() {
    let issued = rcgen::generate_simple_self_signed(vec![String::from("127.0.0.1")]).unwrap();
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), issued.cert.pem()).unwrap();
    let key = PrivateKeyDer::try_from(issued.signing_key.serialize_der()).unwrap();
    let server = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![issued.cert.der().clone()], key)
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(server));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("https://{}/token", listener.local_addr().unwrap());
    tokio::spawn(async move {
        loop {
            // Who does not trust us, breaks off.
            if let Ok(stream) = acceptor.accept(listener.accept().await.unwrap().0).await {
                serve(stream, &answer("200 OK", TOKEN)).await;
            }
        }
    });
    let error = OAuth2Credentials::new(config(&url)).unwrap().credentials().await.unwrap_err();
    assert!(
        matches!(error, CredentialError::Endpoint { problem: EndpointProblem::Unreachable, .. }),
        "{error:?}"
    );
    let trusting = config(&url).tls(Tls::new().ca_certificate(file.path()));
    let got = OAuth2Credentials::new(trusting).unwrap().credentials().await.unwrap();
    assert_eq!(got.password.unwrap().expose(), "t0ken");
}

#[tokio::test]
async fn without_a_client_secret_nobody_is_asked() {
    let config = OAuth2Config::new("http://127.0.0.1:1/token", "orders", Credentials::none());
    let error = OAuth2Credentials::new(config).unwrap().credentials().await.unwrap_err();
    assert!(error.to_string().ends_with("the provider of the client secret gave no password"), "{error}");
}

#[test]
fn secrets_do_not_go_over_an_open_line() {
    for url in ["http://login.internal/token", "http://10.0.0.1/token", "http://127.0.0.1.evil.test/token"] {
        let error = OAuth2Credentials::new(config(url)).unwrap_err();
        assert!(error.to_string().ends_with("use https"), "{error}");
        assert_eq!(error.class(), ErrorClass::Auth);
        OAuth2Credentials::new(config(url).allow_plain_http(true)).unwrap();
    }
    for url in
        ["https://login.internal/token", "http://localhost/t", "http://127.0.0.9:80/t", "http://[::1]/t"]
    {
        OAuth2Credentials::new(config(url)).unwrap();
    }
}

#[test]
fn a_url_that_is_none_is_not_shown() {
    for url in ["hunter2", "ftp://alice:hunter2@host/?hunter2", "http://alice:hunter2@host/?hunter2", ""] {
        let error = OAuth2Credentials::new(config(url)).unwrap_err();
        let shown = format!("{error} {error:?}");
        assert!(!shown.contains("hunter2"), "{shown}");
    }
}
