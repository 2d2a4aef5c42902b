//! The one HTTP request of the protocol, on a connection of its own: tokens are asked for once in a while.

use std::error::Error;
use std::pin::pin;

use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Bytes;
use hyper::client::conn::http1;
use hyper::header::{CONNECTION, HOST, HeaderValue};
use hyper::{Request, Response, Uri};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;

use crate::tls::Tls;

/// More than any token. [`EndpointProblem::TooLong`](super::EndpointProblem::TooLong) names the number.
const ANSWER_LIMIT: usize = 64 * 1024;

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub(super) enum PostError {
    #[error("do the exchange")]
    Broken(#[source] Box<dyn Error + Send + Sync>),
    #[error("read the answer: it is too long")]
    TooLong,
}

impl PostError {
    fn broken(error: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        PostError::Broken(error.into())
    }
}

/// Sends the request to where its URI leads.
///
/// # Cancel safety
///
/// Dropping the future closes the connection.
pub(super) async fn post(request: Request<Vec<u8>>, tls: &Tls) -> Result<Response<Vec<u8>>, PostError> {
    let uri = request.uri().clone();
    let host = uri.host().unwrap_or_default();
    let secure = uri.scheme_str() == Some("https");
    let port = uri.port_u16().unwrap_or(if secure { 443 } else { 80 });
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    let stream = TcpStream::connect((bare, port)).await.map_err(PostError::broken)?;
    if secure {
        let stream = tls.connect(host, stream, &[b"http/1.1"]).await.map_err(PostError::broken)?;
        exchange(stream, request, &uri).await
    } else {
        exchange(stream, request, &uri).await
    }
}

async fn exchange<S>(stream: S, request: Request<Vec<u8>>, uri: &Uri) -> Result<Response<Vec<u8>>, PostError>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(PostError::broken)?;
    let request = addressed(request, uri)?;
    let answer = async {
        let (head, body) = sender.send_request(request).await.map_err(PostError::broken)?.into_parts();
        match Limited::new(body, ANSWER_LIMIT).collect().await {
            Ok(body) => Ok(Response::from_parts(head, body.to_bytes().to_vec())),
            Err(error) if error.is::<http_body_util::LengthLimitError>() => Err(PostError::TooLong),
            Err(error) => Err(PostError::Broken(error)),
        }
    };
    let mut answer = pin!(answer);
    let mut connection = pin!(connection);
    tokio::select! {
        outcome = &mut answer => outcome,
        // What it has read by then is still to be had.
        _ = &mut connection => answer.await,
    }
}

/// Puts the host into a header and leaves the path, as HTTP/1.1 has it.
fn addressed(request: Request<Vec<u8>>, uri: &Uri) -> Result<Request<Full<Bytes>>, PostError> {
    let (mut head, body) = request.into_parts();
    let authority = uri.authority().map_or("", |authority| authority.as_str());
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    head.headers.insert(HOST, HeaderValue::from_str(host).map_err(PostError::broken)?);
    head.headers.insert(CONNECTION, HeaderValue::from_static("close"));
    let path = uri.path_and_query().map_or("/", |path| path.as_str());
    head.uri = path.parse().map_err(PostError::broken)?;
    Ok(Request::from_parts(head, Full::from(body)))
}
