//! Tokens of an authorization server, one for all pools that would ask for the same.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use pool_config::{OAuth2, PoolConfig};
use pool_drivers::credentials::{OAuth2Config, OAuth2Credentials, Provider};
use pool_drivers::tls::Tls;

use super::super::problem::in_one_line;
use super::super::tls::shown;
use super::super::{Drawing, Fingerprint, KEPT};
use super::{patience, secret};
use crate::regular_file;

/// What tokens are asked for with.
#[derive(Clone, PartialEq)]
struct Request {
    oauth2: OAuth2,
    user: Option<String>,
    timeout: Duration,
    /// Of the files that the section names. Nothing else has been looked at by then.
    fingerprint: Fingerprint,
}

/// Providers of tokens, by what they ask with. Pools that ask for the same share a token, and so do a pool and its
/// successor after a reload.
#[derive(Default)]
pub(crate) struct Tokens(Mutex<Vec<(Request, Provider)>>);

impl Tokens {
    #[cfg(all(test, feature = "all"))]
    pub(crate) fn len(&self) -> usize {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).len()
    }

    /// The provider for a pool with the method `oauth2`.
    pub(super) fn provider(&self, config: &PoolConfig, drawing: &mut Drawing<'_>) -> Option<Provider> {
        let Some(oauth2) = &config.authentication.oauth2 else {
            let help = "add `oauth2:` with token_url, client_id and client_secret_file";
            drawing.object("authentication.oauth2", &"missing", "the method oauth2 needs it", help);
            return None;
        };
        let Some(source) = &oauth2.client_secret else {
            let (key, help) = ("authentication.oauth2.client_secret", "add `client_secret_file:`");
            drawing.object(key, &"missing", "the client needs a secret", help);
            return None;
        };
        let key = "authentication.oauth2.client_secret";
        let client_secret = secret(key, source, patience(config), drawing);
        let tls = tls(oauth2, drawing);
        let (client_secret, tls) = (client_secret?, tls?);

        let user = oauth2.user.clone().or_else(|| config.user.clone());
        let request = Request {
            oauth2: oauth2.clone(),
            user,
            timeout: patience(config),
            fingerprint: drawing.fingerprint,
        };
        let mut made = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, provider)) = made.iter().find(|(made_of, _)| *made_of == request) {
            return Some(provider.clone());
        }
        let provider = match OAuth2Credentials::new(request.config(client_secret, tls)) {
            Ok(credentials) => Provider::from(credentials),
            Err(error) => {
                let (key, help) =
                    ("authentication.oauth2.token_url", "write the https URL of the token endpoint");
                // The URL may hold a secret; the error tells what of it can be seen.
                drawing.object(key, &"refused", in_one_line(&error), help);
                return None;
            }
        };
        if made.len() == KEPT {
            made.remove(0);
        }
        made.push((request, provider.clone()));
        Some(provider)
    }
}

impl Request {
    fn config(&self, client_secret: Provider, tls: Tls) -> OAuth2Config {
        let OAuth2 { token_url, client_id, scope, audience, secret_in_body, allow_plain_http, .. } =
            &self.oauth2;
        let mut config = OAuth2Config::new(token_url, client_id, client_secret)
            .timeout(self.timeout)
            .tls(tls)
            .secret_in_body(*secret_in_body)
            .allow_plain_http(*allow_plain_http);
        for scope in scope.iter().flat_map(|scopes| scopes.split_whitespace()) {
            config = config.scope(scope);
        }
        if let Some(audience) = audience {
            config = config.audience(audience);
        }
        if let Some(user) = &self.user {
            config = config.user(user);
        }
        config
    }
}

/// How the authorization server is verified: by authorities of its own, for it is not the database's.
fn tls(oauth2: &OAuth2, drawing: &mut Drawing<'_>) -> Option<Tls> {
    let Some(path) = &oauth2.ca_certificate else { return Some(Tls::new()) };
    let (key, help) = ("authentication.oauth2.ca_certificate", "put the file there, or change the path");
    if let Some(problem) = regular_file::unreadable(path) {
        drawing.object(key, &shown(path), problem, help);
        return None;
    }
    let tls = Tls::new().ca_certificate(path);
    if let Err(error) = tls.client_config(&[]) {
        drawing.object(key, &shown(path), in_one_line(&error), help);
        return None;
    }
    drawing.fingerprint.add(&regular_file::read(path).unwrap_or_default());
    Some(tls)
}
