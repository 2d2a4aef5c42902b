//! When tokens are replaced, on a paused clock.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::time::{advance, sleep};

use super::super::EndpointProblem;
use super::*;

/// What an endpoint does, one after the other.
#[derive(Clone)]
enum Act {
    /// Answers with the number of the exchange, good for so many seconds.
    Give(u64),
    GiveSlowly(Duration, u64),
    Fail,
    Panic,
}

#[derive(Clone, Default)]
struct Endpoint {
    acts: Arc<Mutex<VecDeque<Act>>>,
    asked: Arc<AtomicUsize>,
}

impl Endpoint {
    fn of(acts: impl IntoIterator<Item = Act>) -> (Self, TokenCache) {
        let endpoint =
            Endpoint { acts: Arc::new(Mutex::new(acts.into_iter().collect())), ..Endpoint::default() };
        let asked = endpoint.clone();
        let cache = TokenCache::new(move || {
            let endpoint = asked.clone();
            Box::pin(async move { endpoint.answer().await })
        });
        (endpoint, cache)
    }

    async fn answer(&self) -> Result<Token, CredentialError> {
        let number = self.asked.fetch_add(1, Ordering::SeqCst) + 1;
        let act = self.acts.lock().unwrap().pop_front().expect("an exchange too many");
        let (seconds, delay) = match act {
            Act::Give(seconds) => (seconds, Duration::ZERO),
            Act::GiveSlowly(delay, seconds) => (seconds, delay),
            Act::Fail => {
                let (url, problem) = (String::from("https://login"), EndpointProblem::Status(503));
                return Err(CredentialError::Endpoint { url, problem, source: None });
            }
            Act::Panic => panic!("planted"),
        };
        sleep(delay).await;
        Ok(Token { secret: Secret::new(number.to_string()), life: Some(Duration::from_secs(seconds)) })
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }
}

async fn token(cache: &TokenCache) -> String {
    let token = cache.token().await.unwrap().expose().to_owned();
    // A replacement that has begun is done before the clock moves on.
    sleep(Duration::from_millis(1)).await;
    token
}

#[test]
fn tokens_are_replaced_at_the_earlier_of_two_moments() {
    for (life, age) in
        [(3600, 2880), (600, 480), (300, 240), (200, 140), (120, 60), (100, 50), (10, 5), (0, 0)]
    {
        assert_eq!(replaced_after(Duration::from_secs(life)), Duration::from_secs(age), "{life}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_token_is_replaced_before_it_expires_and_nobody_waits() {
    let (endpoint, cache) = Endpoint::of([Act::Give(3600), Act::GiveSlowly(Duration::from_secs(3), 3600)]);
    assert_eq!(token(&cache).await, "1");
    advance(Duration::from_secs(2879)).await;
    assert_eq!((token(&cache).await.as_str(), endpoint.asked()), ("1", 1));
    advance(Duration::from_secs(1)).await;
    let begun = Instant::now();
    assert_eq!((token(&cache).await.as_str(), endpoint.asked()), ("1", 2));
    assert!(begun.elapsed() < Duration::from_secs(1), "the caller waited");
    advance(Duration::from_secs(4)).await;
    sleep(Duration::from_millis(1)).await;
    assert_eq!((token(&cache).await.as_str(), endpoint.asked()), ("2", 2));
}

#[tokio::test(start_paused = true)]
async fn many_callers_share_one_exchange() {
    let (endpoint, cache) = Endpoint::of([Act::GiveSlowly(Duration::from_secs(1), 3600)]);
    let cache = Arc::new(cache);
    let callers: Vec<_> = (0..20)
        .map(|_| {
            let cache = Arc::clone(&cache);
            tokio::spawn(async move { token(&cache).await })
        })
        .collect();
    for caller in callers {
        assert_eq!(caller.await.unwrap(), "1");
    }
    assert_eq!(endpoint.asked(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_caller_who_gives_up_does_not_end_the_exchange() {
    let (endpoint, cache) = Endpoint::of([Act::GiveSlowly(Duration::from_secs(2), 3600)]);
    tokio::time::timeout(Duration::from_secs(1), cache.token()).await.unwrap_err();
    assert_eq!((token(&cache).await.as_str(), endpoint.asked()), ("1", 1));
}

#[tokio::test(start_paused = true)]
async fn while_replacing_fails_the_old_token_serves_until_it_expires() {
    let (endpoint, cache) = Endpoint::of([Act::Give(100), Act::Fail, Act::Fail, Act::Fail, Act::Give(100)]);
    assert_eq!(token(&cache).await, "1");
    advance(Duration::from_secs(50)).await;
    assert_eq!((token(&cache).await.as_str(), endpoint.asked()), ("1", 2));
    // Not before the pause is over.
    assert_eq!((token(&cache).await.as_str(), endpoint.asked()), ("1", 2));
    advance(RETRY).await;
    assert_eq!((token(&cache).await.as_str(), endpoint.asked()), ("1", 3));
    advance(Duration::from_secs(45)).await;
    let error = cache.token().await.unwrap_err();
    assert_eq!(error.to_string(), "get a token from `https://login`: it answered with HTTP status 503");
    assert_eq!((token(&cache).await.as_str(), endpoint.asked()), ("5", 5));
}

#[tokio::test(start_paused = true)]
async fn a_failure_is_told_to_all_who_wait_and_not_kept() {
    let (endpoint, cache) = Endpoint::of([Act::Fail, Act::Give(100)]);
    let (one, other) = tokio::join!(cache.token(), cache.token());
    assert!(one.is_err() && other.is_err());
    assert_eq!((token(&cache).await.as_str(), endpoint.asked()), ("2", 2));
}

#[tokio::test(start_paused = true)]
async fn a_panic_is_an_error_and_not_the_end() {
    let (_, cache) = Endpoint::of([Act::Panic, Act::Give(100)]);
    assert_eq!(cache.token().await.unwrap_err().class(), ErrorClass::Transient);
    assert_eq!(token(&cache).await, "2");
}

#[tokio::test(start_paused = true)]
async fn the_life_of_a_token_is_counted_from_the_question() {
    let (_, cache) = Endpoint::of([Act::GiveSlowly(Duration::from_secs(60), 100), Act::Give(100)]);
    assert_eq!(token(&cache).await, "1");
    advance(Duration::from_secs(40)).await;
    assert_eq!(token(&cache).await, "2");
}
