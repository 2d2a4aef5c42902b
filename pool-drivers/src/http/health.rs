//! Asking a peer how it is.

use std::time::Duration;

use http_body_util::{BodyExt as _, Empty};
use hyper::body::Bytes;
use hyper::header::RETRY_AFTER;
use hyper::{Request, Response};

use super::body::HttpBody;
use super::connection::HttpConnection;
use super::error::HttpError;
use super::exchange::DRAIN_LIMIT;

/// Asks for the path, and reads the answer to its end: the connection is to be used further.
pub(super) async fn ask(connection: &mut HttpConnection, path: &hyper::Uri) -> Result<(), HttpError> {
    let mut request = Request::new(Empty::<Bytes>::new());
    *request.uri_mut() = path.clone();
    let answer = connection.send(request).await?;
    if !answer.status().is_success() && !answer.status().is_redirection() {
        return Err(unhealthy(&answer));
    }
    let (mut body, mut read) = (answer.into_body(), 0);
    while let Some(frame) = body.frame().await {
        read += frame?.data_ref().map_or(0, |data| data.len() as u64);
        if read > DRAIN_LIMIT {
            return Err(HttpError::TooMuchLeft);
        }
    }
    Ok(())
}

fn unhealthy(answer: &Response<HttpBody>) -> HttpError {
    let retry_after = answer.headers().get(RETRY_AFTER).map(|value| {
        // The other form is a date. How far off that is depends on two clocks, and nobody waits by it.
        let seconds = value.to_str().ok().and_then(|text| text.trim().parse().ok());
        Duration::from_secs(seconds.unwrap_or(0))
    });
    HttpError::Unhealthy { status: answer.status(), retry_after }
}
