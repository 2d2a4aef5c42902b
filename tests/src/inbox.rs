//! An HTTP endpoint that keeps what is posted to it, and answers as it is told to.

use std::collections::VecDeque;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use hyper::header::{AUTHORIZATION, HeaderMap};
use hyper::{Method, Request, Response, StatusCode};
use rustls::ServerConfig;
use serde_json::Value;
use tokio::sync::Notify;

use crate::http::{Answer, serve, text, with_alpn};
use crate::local::{Connection, LocalServer, Protocol};

/// A request with JSON.
#[derive(Debug, Clone)]
pub struct Letter {
    /// Path and query.
    pub path: String,
    /// The header of that name.
    pub authorization: Option<String>,
    /// The body; null if it was no JSON.
    pub json: Value,
}

/// The endpoint's settings, and what came.
#[derive(Default)]
pub struct Inbox {
    tls: Option<Arc<ServerConfig>>,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    bell: Notify,
}

#[derive(Default)]
struct State {
    letters: Vec<Letter>,
    /// What is answered to the next ones; after these, 200.
    answers: VecDeque<StatusCode>,
    /// What is answered to a GET.
    page: Option<String>,
}

impl Inbox {
    /// Answers 200, without TLS.
    pub fn new() -> Self {
        Self::default()
    }

    /// Serves TLS, and nothing else, with this configuration. One that names no protocols offers HTTP/2 and HTTP/1.1.
    pub fn tls(self, config: Arc<ServerConfig>) -> Self {
        Inbox { tls: Some(with_alpn(config)), ..self }
    }

    /// Starts it on a free port. It must be called within a runtime.
    ///
    /// # Errors
    ///
    /// There is no port or no descriptor left.
    pub fn launch(mut self) -> io::Result<LocalServer<Self>> {
        let tls = self.tls.take();
        LocalServer::launch(self, tls)
    }
}

impl std::fmt::Debug for Inbox {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Inbox").finish_non_exhaustive()
    }
}

impl LocalServer<Inbox> {
    /// Its URL, without a path.
    pub fn url(&self) -> String {
        let scheme = if self.has_tls() { "https" } else { "http" };
        format!("{scheme}://{}", self.address())
    }

    /// Answers so to the next requests, one each, and then again with 200.
    pub fn answer(&self, statuses: &[u16]) {
        let statuses = statuses.iter().map(|status| StatusCode::from_u16(*status).expect("a status"));
        self.protocol().shared.state().answers.extend(statuses);
    }

    /// Answers every GET with this, from now on.
    pub fn page(&self, page: impl Into<String>) {
        self.protocol().shared.state().page = Some(page.into());
    }

    /// What was posted, the oldest first.
    pub fn letters(&self) -> Vec<Letter> {
        self.protocol().shared.state().letters.clone()
    }

    /// Waits until as many letters fit as are wanted, and returns all that do.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future only ends the wait.
    pub async fn until_letters(&self, number: usize, fits: impl Fn(&Letter) -> bool) -> Vec<Letter> {
        loop {
            let rung = self.protocol().shared.bell.notified();
            let fitting: Vec<_> = self.letters().into_iter().filter(&fits).collect();
            if fitting.len() >= number {
                return fitting;
            }
            rung.await;
        }
    }
}

impl Protocol for Inbox {
    async fn serve(&self, connection: Connection) {
        serve(connection, |request| take(Arc::clone(&self.shared), request)).await;
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn take(shared: Arc<Shared>, request: Request<Incoming>) -> Response<Answer> {
    if request.method() == Method::GET {
        let page = shared.state().page.clone();
        return page
            .map_or_else(|| text(StatusCode::NOT_FOUND, "no page"), |page| text(StatusCode::OK, page));
    }
    let (head, body) = request.into_parts();
    let Ok(body) = body.collect().await else { return text(StatusCode::BAD_REQUEST, "no body") };
    let path = head.uri.path_and_query().map_or("/", |path| path.as_str()).to_owned();
    let json = serde_json::from_slice(&body.to_bytes()).unwrap_or(Value::Null);
    let letter = Letter { path, authorization: authorization(&head.headers), json };
    let mut state = shared.state();
    state.letters.push(letter);
    let status = state.answers.pop_front().unwrap_or(StatusCode::OK);
    drop(state);
    shared.bell.notify_waiters();
    text(status, "{}")
}

fn authorization(headers: &HeaderMap) -> Option<String> {
    headers.get(AUTHORIZATION)?.to_str().ok().map(str::to_owned)
}
