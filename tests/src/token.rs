//! An OAuth2 token endpoint for the client credentials grant (RFC 6749, sections 2.3.1, 4.4 and 5).
//!
//! It knows one client, which may identify itself in the header (HTTP Basic) or in the form. Every good request gets a
//! token of its own: one that was given to [`next_token`](LocalServer::next_token), or `token-1`, `token-2` and so on.

use std::collections::VecDeque;
use std::fmt;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use http_body_util::BodyExt as _;
use hyper::body::{Bytes, Incoming};
use hyper::header::{
    ALLOW, AUTHORIZATION, CACHE_CONTROL, CONTENT_TYPE, HeaderMap, HeaderValue, WWW_AUTHENTICATE,
};
use hyper::{Method, Request, Response, StatusCode};
use rustls::ServerConfig;
use serde_json::json;

use crate::http::{Answer, serve, text, with_alpn};
use crate::local::{Connection, LocalServer, Protocol};

/// What the endpoint does with requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Mood {
    /// Issues tokens.
    #[default]
    Issue,
    /// Answers with this status and no token: a failure of its own.
    Fail(StatusCode),
    /// Answers nothing, ever.
    Hang,
}

/// The endpoint's settings.
pub struct TokenEndpoint {
    tls: Option<Arc<ServerConfig>>,
    office: Arc<Office>,
}

/// Who may have tokens, and what was issued.
struct Office {
    client_id: String,
    client_secret: String,
    ledger: Mutex<Ledger>,
}

struct Ledger {
    mood: Mood,
    expires_in: Option<Duration>,
    next: VecDeque<String>,
    issued: Vec<String>,
    requests: u64,
    scopes: Vec<Option<String>>,
}

impl TokenEndpoint {
    /// Knows one client, and issues tokens for an hour, without TLS.
    pub fn new(client_id: impl Into<String>, client_secret: impl Into<String>) -> Self {
        let ledger = Ledger {
            mood: Mood::Issue,
            expires_in: Some(Duration::from_secs(3600)),
            next: VecDeque::new(),
            issued: Vec::new(),
            requests: 0,
            scopes: Vec::new(),
        };
        let office = Office {
            client_id: client_id.into(),
            client_secret: client_secret.into(),
            ledger: Mutex::new(ledger),
        };
        TokenEndpoint { tls: None, office: Arc::new(office) }
    }

    /// Serves TLS, and nothing else, with this configuration. One that names no protocols offers HTTP/2 and HTTP/1.1.
    pub fn tls(self, config: Arc<ServerConfig>) -> Self {
        TokenEndpoint { tls: Some(with_alpn(config)), ..self }
    }

    /// Starts an endpoint on a free port. It must be called within a runtime.
    ///
    /// # Errors
    ///
    /// There is no port or no descriptor left.
    pub fn launch(mut self) -> io::Result<LocalServer<Self>> {
        let tls = self.tls.take();
        LocalServer::launch(self, tls)
    }
}

impl fmt::Debug for TokenEndpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenEndpoint").field("client_id", &self.office.client_id).finish_non_exhaustive()
    }
}

impl LocalServer<TokenEndpoint> {
    /// The URL to post to.
    pub fn url(&self) -> String {
        let scheme = if self.has_tls() { "https" } else { "http" };
        format!("{scheme}://{}/token", self.address())
    }

    /// What it does with requests from now on.
    pub fn mood(&self, mood: Mood) {
        self.ledger().mood = mood;
    }

    /// For how long it says that the next tokens are good, in whole seconds; `None`: it does not say.
    pub fn expires_in(&self, lifetime: Option<Duration>) {
        self.ledger().expires_in = lifetime;
    }

    /// What it issues next, after what was given to it before.
    pub fn next_token(&self, token: impl Into<String>) {
        self.ledger().next.push_back(token.into());
    }

    /// How many requests have come since the first start, whatever became of them.
    pub fn requests(&self) -> u64 {
        self.ledger().requests
    }

    /// The tokens that were issued, oldest first.
    pub fn issued(&self) -> Vec<String> {
        self.ledger().issued.clone()
    }

    /// The scope of each token that was issued, as it was asked for.
    pub fn scopes(&self) -> Vec<Option<String>> {
        self.ledger().scopes.clone()
    }

    fn ledger(&self) -> MutexGuard<'_, Ledger> {
        self.protocol().office.ledger()
    }
}

impl Protocol for TokenEndpoint {
    async fn serve(&self, connection: Connection) {
        serve(connection, |request| answer(Arc::clone(&self.office), request)).await;
    }
}

/// What a request lacks, in the words of RFC 6749, section 5.2.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    InvalidRequest,
    /// With whether the client used the header, which wants to be told how.
    InvalidClient {
        by_header: bool,
    },
    UnsupportedGrantType,
}

impl Office {
    fn ledger(&self) -> MutexGuard<'_, Ledger> {
        self.ledger.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The scope that was asked for, if the client may have a token.
    fn judge(&self, headers: &HeaderMap, body: &[u8]) -> Result<Option<String>, Fault> {
        let form = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).is_some_and(|value| {
            let kind = value.split(';').next().unwrap_or_default().trim();
            kind.eq_ignore_ascii_case("application/x-www-form-urlencoded")
        });
        let fields: Vec<_> = form_urlencoded::parse(body).into_owned().collect();
        let field = |name: &str| fields.iter().find(|(key, _)| key == name).map(|(_, value)| value.clone());
        let twice = fields.iter().enumerate().any(|(place, (key, _))| {
            // Each parameter at most once.
            fields[..place].iter().any(|(earlier, _)| earlier == key)
        });
        let header = headers.get(AUTHORIZATION);
        if !form || twice || (header.is_some() && field("client_secret").is_some()) {
            return Err(Fault::InvalidRequest);
        }
        let client = match header {
            Some(value) => basic(value),
            None => field("client_id").zip(field("client_secret")),
        };
        let known = client.is_some_and(|(id, secret)| id == self.client_id && secret == self.client_secret);
        if !known {
            return Err(Fault::InvalidClient { by_header: header.is_some() });
        }
        match field("grant_type").as_deref() {
            Some("client_credentials") => Ok(field("scope")),
            Some(_) => Err(Fault::UnsupportedGrantType),
            None => Err(Fault::InvalidRequest),
        }
    }

    fn issue(&self, scope: Option<String>) -> Response<Answer> {
        let mut ledger = self.ledger();
        let number = ledger.issued.len() + 1;
        let token = ledger.next.pop_front().unwrap_or_else(|| format!("token-{number}"));
        let mut answer = json!({ "access_token": token, "token_type": "Bearer" });
        if let Some(lifetime) = ledger.expires_in {
            answer["expires_in"] = lifetime.as_secs().into();
        }
        if let Some(scope) = &scope {
            answer["scope"] = scope.as_str().into();
        }
        ledger.issued.push(token);
        ledger.scopes.push(scope);
        respond(StatusCode::OK, &answer)
    }
}

/// Client and secret of HTTP Basic, where each is encoded as in a form first.
fn basic(value: &HeaderValue) -> Option<(String, String)> {
    let (scheme, encoded) = value.to_str().ok()?.split_once(' ')?;
    let decoded =
        scheme.eq_ignore_ascii_case("basic").then(|| BASE64_STANDARD.decode(encoded.trim()).ok())??;
    let decoded = String::from_utf8(decoded).ok()?;
    let (id, secret) = decoded.split_once(':')?;
    let plain = |encoded: &str| {
        // As a key without a value.
        let whole = encoded.replace('&', "%26").replace('=', "%3D");
        form_urlencoded::parse(whole.as_bytes()).next().map(|(key, _)| key.into_owned()).unwrap_or_default()
    };
    Some((plain(id), plain(secret)))
}

async fn answer(office: Arc<Office>, request: Request<Incoming>) -> Response<Answer> {
    if request.uri().path() != "/token" {
        return text(StatusCode::NOT_FOUND, "no such path");
    }
    let mood = {
        let mut ledger = office.ledger();
        ledger.requests += 1;
        ledger.mood
    };
    match mood {
        Mood::Issue => {}
        Mood::Fail(status) => return text(status, "out of order"),
        Mood::Hang => return std::future::pending().await,
    }
    if request.method() != Method::POST {
        let mut response = text(StatusCode::METHOD_NOT_ALLOWED, "post a form");
        response.headers_mut().insert(ALLOW, HeaderValue::from_static("POST"));
        return response;
    }
    let (head, body) = request.into_parts();
    let Ok(body) = body.collect().await else { return text(StatusCode::BAD_REQUEST, Bytes::new()) };
    match office.judge(&head.headers, &body.to_bytes()) {
        Ok(scope) => office.issue(scope),
        Err(fault) => refuse(fault),
    }
}

fn refuse(fault: Fault) -> Response<Answer> {
    let (status, error) = match fault {
        Fault::InvalidRequest => (StatusCode::BAD_REQUEST, "invalid_request"),
        Fault::InvalidClient { .. } => (StatusCode::UNAUTHORIZED, "invalid_client"),
        Fault::UnsupportedGrantType => (StatusCode::BAD_REQUEST, "unsupported_grant_type"),
    };
    let mut response = respond(status, &json!({ "error": error }));
    if fault == (Fault::InvalidClient { by_header: true }) {
        response.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static("Basic realm=\"token\""));
    }
    response
}

/// JSON that nobody may keep.
fn respond(status: StatusCode, body: &serde_json::Value) -> Response<Answer> {
    let mut response = text(status, body.to_string());
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
