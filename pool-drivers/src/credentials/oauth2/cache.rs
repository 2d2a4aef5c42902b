//! Keeps a token, and has it replaced before it expires.
//!
//! Invariant: at most one exchange is under way. It runs in a task of its own, so that a caller who gives up does
//! not end it for the others.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use pool_core::ErrorClass;
use tokio::sync::watch;
use tokio::time::Instant;

use super::super::{BoxFuture, CredentialError, Secret};

/// How long before its end a token is replaced at the latest, if it lives that long.
const MARGIN: Duration = Duration::from_secs(60);

/// How long a token is used if the server does not say.
const UNKNOWN_LIFE: Duration = Duration::from_secs(60);

/// How long after a failed replacement the next one begins. As long as the pool waits between probes of a login
/// that was refused, more or less: an endpoint in trouble has enough to do.
const RETRY: Duration = Duration::from_secs(5);

/// What an exchange yields.
#[derive(Debug)]
pub(super) struct Token {
    pub(super) secret: Secret,
    /// How long it lives, if the server says.
    pub(super) life: Option<Duration>,
}

type Exchange = Box<dyn Fn() -> BoxFuture<'static, Result<Token, CredentialError>> + Send + Sync>;

/// The outcome of an exchange; `None` until it is known. Closed when the exchange is over.
type Flight = watch::Receiver<Option<Result<Secret, CredentialError>>>;

pub(super) struct TokenCache {
    shared: Arc<Shared>,
}

struct Shared {
    exchange: Exchange,
    /// Lock: never held across an await, nor while the exchange is called.
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    held: Option<Held>,
    flight: Option<Flight>,
}

struct Held {
    secret: Secret,
    replace_at: Instant,
    expires_at: Instant,
}

impl TokenCache {
    pub(super) fn new(
        exchange: impl Fn() -> BoxFuture<'static, Result<Token, CredentialError>> + Send + Sync + 'static,
    ) -> Self {
        TokenCache { shared: Arc::new(Shared { exchange: Box::new(exchange), state: Mutex::default() }) }
    }

    /// A token that is good now.
    pub(super) async fn token(&self) -> Result<Secret, CredentialError> {
        let mut flight = {
            let mut state = self.shared.lock();
            let now = Instant::now();
            let held = state.held.as_ref().filter(|held| now < held.expires_at);
            let good = held.map(|held| held.secret.clone());
            if held.is_none_or(|held| now >= held.replace_at) {
                let flight = self.shared.flight(&mut state);
                match good {
                    // It is replaced behind the caller's back.
                    Some(secret) => return Ok(secret),
                    None => flight,
                }
            } else {
                return Ok(good.expect("it is held"));
            }
        };
        match flight.wait_for(Option::is_some).await {
            Ok(outcome) => outcome.clone().expect("waited for"),
            Err(_) => Err(CredentialError::other(
                ErrorClass::Transient,
                "the exchange for a token ended without an outcome",
            )),
        }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The exchange under way, or a new one.
    fn flight(self: &Arc<Self>, state: &mut State) -> Flight {
        // Closed when the exchange is over, or its task has died.
        if let Some(flight) = state.flight.as_ref().filter(|flight| flight.has_changed().is_ok()) {
            return flight.clone();
        }
        let (sender, flight) = watch::channel(None);
        state.flight = Some(flight.clone());
        let shared = Arc::clone(self);
        tokio::spawn(async move {
            // The life of the token began no later than that.
            let begun = Instant::now();
            let outcome = (shared.exchange)().await;
            sender.send_replace(Some(shared.settle(begun, outcome)));
        });
        flight
    }

    fn settle(
        &self,
        begun: Instant,
        outcome: Result<Token, CredentialError>,
    ) -> Result<Secret, CredentialError> {
        let mut state = self.lock();
        match outcome {
            Ok(Token { secret, life }) => {
                let life = life.unwrap_or(UNKNOWN_LIFE);
                state.held = Some(Held {
                    secret: secret.clone(),
                    replace_at: begun + replaced_after(life),
                    expires_at: begun + life,
                });
                Ok(secret)
            }
            Err(error) => {
                let now = Instant::now();
                if let Some(held) = state.held.as_mut().filter(|held| now < held.expires_at) {
                    held.replace_at = now + RETRY;
                    let left = held.expires_at - now;
                    drop(state);
                    tracing::warn!(
                        %error, source = error_source(&error), ?left,
                        "replacing a token failed; the old one is used as long as it lives"
                    );
                }
                Err(error)
            }
        }
    }
}

fn error_source(error: &CredentialError) -> Option<String> {
    std::error::Error::source(error).map(ToString::to_string)
}

/// At what age a token is replaced: at 80 % of its life, or [`MARGIN`] before its end if that is earlier. But not
/// before half of it: a token that lives for a minute would be replaced all the time.
fn replaced_after(life: Duration) -> Duration {
    (life * 4 / 5).min(life.saturating_sub(MARGIN)).max(life / 2)
}

#[cfg(test)]
mod tests;
