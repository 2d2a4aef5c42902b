//! The token endpoint: who gets a token, who does not, and why.

use std::time::Duration;

use http_body_util::{BodyExt as _, Full};
use hyper::body::Bytes;
use hyper::client::conn::http1;
use hyper::{Request, StatusCode};
use hyper_util::rt::TokioIo;
use pool_tests::local::LocalServer;
use pool_tests::token::{Mood, TokenEndpoint};
use serde_json::{Value, json};
use tokio::time::sleep;

use super::{Bytestream, QUIET, authority, plain, tls};

/// `app` and `s3 cr&t`: encoded in a form.
const FORM: &str = "grant_type=client_credentials&client_id=app&client_secret=s3+cr%26t";

/// The same, encoded, joined by a colon and in base64.
const BASIC: &str = "Basic YXBwOnMzK2NyJTI2dA==";

fn launch() -> LocalServer<TokenEndpoint> {
    TokenEndpoint::new("app", "s3 cr&t").launch().unwrap()
}

/// An answer: status, the header that tells how to identify oneself, and the body.
#[derive(Debug, PartialEq)]
struct Answered {
    status: u16,
    challenge: Option<String>,
    body: Value,
}

async fn over(stream: Bytestream, request: hyper::http::request::Builder, form: &str) -> Answered {
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    let body = Full::from(form.to_owned());
    let request = request.header("host", "localhost").body::<Full<Bytes>>(body).unwrap();
    let response = sender.send_request(request).await.unwrap();
    let (head, body) = response.into_parts();
    let body: Bytes = body.collect().await.unwrap().to_bytes();
    let challenge = head.headers.get("www-authenticate").map(|value| value.to_str().unwrap().to_owned());
    let body = serde_json::from_slice(&body).unwrap_or(Value::Null);
    if body != Value::Null {
        assert_eq!(
            (&head.headers["content-type"], &head.headers["cache-control"]),
            (&"application/json".parse().unwrap(), &"no-store".parse().unwrap())
        );
    }
    Answered { status: head.status.as_u16(), challenge, body }
}

fn post() -> hyper::http::request::Builder {
    Request::post("/token").header("content-type", "application/x-www-form-urlencoded")
}

async fn ask(server: &LocalServer<TokenEndpoint>, form: &str) -> Answered {
    over(plain(server).await, post(), form).await
}

async fn ask_basic(server: &LocalServer<TokenEndpoint>, header: &str, form: &str) -> Answered {
    over(plain(server).await, post().header("authorization", header), form).await
}

fn refused(status: u16, error: &str) -> Answered {
    Answered { status, challenge: None, body: json!({ "error": error }) }
}

#[tokio::test]
async fn a_client_gets_a_token_by_form_and_by_header() {
    let server = launch();
    let answer = ask(&server, FORM).await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.body, json!({ "access_token": "token-1", "token_type": "Bearer", "expires_in": 3600 }));
    let answer = ask_basic(&server, BASIC, "grant_type=client_credentials&scope=read+write").await;
    assert_eq!(answer.body["access_token"], "token-2");
    assert_eq!(answer.body["scope"], "read write");
    assert_eq!((server.requests(), server.issued()), (2, vec!["token-1".to_owned(), "token-2".to_owned()]));
    assert_eq!(server.scopes(), [None, Some("read write".to_owned())]);
}

#[tokio::test]
async fn it_speaks_over_tls() {
    let (ca, config) = authority();
    let server = TokenEndpoint::new("app", "s3 cr&t").tls(config).launch().unwrap();
    assert!(server.url().starts_with("https://") && server.url().ends_with("/token"));
    let (stream, _) = tls(&server, &ca, &["http/1.1"]).await.unwrap();
    assert_eq!(over(stream, post(), FORM).await.status, 200);
}

#[tokio::test]
async fn a_wrong_secret_is_an_invalid_client() {
    let server = launch();
    let wrong = FORM.replace("s3", "s4");
    assert_eq!(ask(&server, &wrong).await, refused(401, "invalid_client"));
    let nobody = "grant_type=client_credentials";
    assert_eq!(ask(&server, nobody).await, refused(401, "invalid_client"));
    for header in ["Basic YXBwOnMz", "Basic ???", "Bearer abc", "Basic"] {
        let answer = ask_basic(&server, header, nobody).await;
        let challenge = Some("Basic realm=\"token\"".to_owned());
        assert_eq!(answer, Answered { challenge, ..refused(401, "invalid_client") }, "{header}");
    }
    assert_eq!(server.issued(), [""; 0]);
    assert_eq!(server.requests(), 6);
}

#[tokio::test]
async fn a_bad_request_is_told_which() {
    let server = launch();
    let other = FORM.replace("client_credentials", "password");
    assert_eq!(ask(&server, &other).await, refused(400, "unsupported_grant_type"));
    let none = FORM.replace("grant_type", "grant");
    assert_eq!(ask(&server, &none).await, refused(400, "invalid_request"));
    let twice = format!("{FORM}&scope=a&scope=b");
    assert_eq!(ask(&server, &twice).await, refused(400, "invalid_request"));
    assert_eq!(ask_basic(&server, BASIC, FORM).await, refused(400, "invalid_request"), "identified twice");
    let json = Request::post("/token").header("content-type", "application/json");
    assert_eq!(over(plain(&server).await, json, FORM).await, refused(400, "invalid_request"));
    assert_eq!(over(plain(&server).await, Request::get("/token"), "").await.status, 405);
}

#[tokio::test]
async fn it_fails_hangs_and_recovers_as_told() {
    let server = launch();
    server.mood(Mood::Fail(StatusCode::SERVICE_UNAVAILABLE));
    assert_eq!(ask(&server, FORM).await.status, 503);
    server.mood(Mood::Hang);
    let counted = async {
        while server.requests() < 2 {
            sleep(Duration::from_millis(1)).await;
        }
        sleep(QUIET).await;
    };
    tokio::select! {
        answer = ask(&server, FORM) => panic!("{answer:?}"),
        () = counted => {}
    }
    server.mood(Mood::Issue);
    server.next_token("rotated");
    server.expires_in(None);
    let answer = ask(&server, FORM).await;
    assert_eq!(answer.body, json!({ "access_token": "rotated", "token_type": "Bearer" }));
    server.expires_in(Some(Duration::from_secs(2)));
    let answer = ask(&server, FORM).await;
    assert_eq!((&answer.body["access_token"], &answer.body["expires_in"]), (&json!("token-2"), &json!(2)));
    assert_eq!(server.requests(), 4);
}

#[test]
fn its_settings_do_not_show_the_secret() {
    let shown = format!("{:?}", TokenEndpoint::new("app", "s3 cr&t"));
    assert!(shown.contains("app") && !shown.contains("s3"), "{shown}");
}
