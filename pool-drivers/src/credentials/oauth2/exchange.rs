//! One exchange: client id and secret for a token.

use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};

use oauth2::basic::{BasicClient, BasicErrorResponse};
use oauth2::{
    AsyncHttpClient, AuthType, ClientId, ClientSecret, HttpRequest, HttpResponse, RequestTokenError, Scope,
    TokenResponse as _,
};
use tokio::time::timeout;

use super::super::{BoxFuture, CredentialError, Secret};
use super::cache::Token;
use super::post::{PostError, post};
use super::{Endpoint, EndpointProblem};
use crate::tls::Tls;

/// No code of OAuth2 is longer; what is longer was not meant to be shown.
const CODE_LIMIT: usize = 64;

/// Asks the endpoint for a token.
pub(super) async fn exchange(endpoint: &Endpoint) -> Result<Token, CredentialError> {
    let limit = endpoint.config.timeout;
    match timeout(limit, unlimited(endpoint)).await {
        Ok(outcome) => outcome,
        Err(_) => Err(endpoint.failed(EndpointProblem::TimedOut(limit))),
    }
}

async fn unlimited(endpoint: &Endpoint) -> Result<Token, CredentialError> {
    let config = &endpoint.config;
    let secret = config.client_secret.credentials().await?.password;
    let secret = secret.ok_or_else(|| endpoint.failed(EndpointProblem::NoSecret))?;
    let how = if config.secret_in_body { AuthType::RequestBody } else { AuthType::BasicAuth };
    let client = BasicClient::new(ClientId::new(config.client_id.clone()))
        .set_client_secret(ClientSecret::new(secret.expose().to_owned()))
        .set_auth_type(how)
        .set_token_uri(endpoint.url.clone());
    let mut request = client.exchange_client_credentials();
    for scope in &config.scopes {
        request = request.add_scope(Scope::new(scope.clone()));
    }
    if let Some(audience) = &config.audience {
        request = request.add_extra_param("audience", audience);
    }
    let http = Http { tls: &config.tls, status: AtomicU16::new(0) };
    match request.request_async(&http).await {
        Ok(answer) => Ok(Token {
            secret: Secret::new(answer.access_token().secret().as_str()),
            life: answer.expires_in(),
        }),
        Err(error) => Err(explained(endpoint, error, http.status.load(Ordering::Relaxed))),
    }
}

/// What the client library does HTTP with. It remembers the status, which the library does not pass on.
struct Http<'a> {
    tls: &'a Tls,
    status: AtomicU16,
}

impl<'c> AsyncHttpClient<'c> for Http<'_> {
    type Error = PostError;
    type Future = BoxFuture<'c, Result<HttpResponse, PostError>>;

    fn call(&'c self, request: HttpRequest) -> Self::Future {
        Box::pin(async move {
            let answer = post(request, self.tls).await?;
            self.status.store(answer.status().as_u16(), Ordering::Relaxed);
            Ok(answer)
        })
    }
}

/// Tells what went wrong, and nothing of the answer but its status and code: it may hold the token.
fn explained(
    endpoint: &Endpoint,
    error: RequestTokenError<PostError, BasicErrorResponse>,
    status: u16,
) -> CredentialError {
    match error {
        RequestTokenError::Request(PostError::TooLong) => endpoint.failed(EndpointProblem::TooLong),
        RequestTokenError::Request(PostError::Broken(source)) => CredentialError::Endpoint {
            url: endpoint.shown.clone(),
            problem: EndpointProblem::Unreachable,
            source: Some(Arc::from(source)),
        },
        // A server in trouble may say so in the words of OAuth2, and is believed.
        RequestTokenError::ServerResponse(answer) if status < 500 => {
            let code: &str = answer.error().as_ref();
            let fit = code.len() <= CODE_LIMIT && code.bytes().all(|byte| byte.is_ascii_graphic());
            let code = String::from(if fit { code } else { "an unknown error" });
            endpoint.failed(EndpointProblem::Refused { code })
        }
        _ if (200..300).contains(&status) => endpoint.failed(EndpointProblem::NotAToken),
        _ if status != 0 => endpoint.failed(EndpointProblem::Status(status)),
        _ => endpoint.failed(EndpointProblem::Unreachable),
    }
}
