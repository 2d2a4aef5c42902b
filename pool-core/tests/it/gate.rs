//! A gate decides which connects are begun, and is told what comes of each.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use pool_core::fake::{Act, FakeConnector, FakeError};
use pool_core::{ConnectError, ConnectGate, ErrorClass, Passage, Pool, Refusal};
use tokio::time::Instant;

use crate::support::{ms, pass, settle, start_acquire};

/// Is open or shut by hand, and writes down what it sees.
#[derive(Clone, Default)]
struct Gate {
    is_shut: Arc<AtomicBool>,
    panics: Arc<AtomicBool>,
    seen: Arc<Mutex<Vec<String>>>,
}

impl Gate {
    fn shut(&self, shut: bool) {
        self.is_shut.store(shut, Ordering::Relaxed);
    }

    fn see(&self, what: impl Into<String>) {
        self.seen.lock().unwrap().push(what.into());
    }

    fn seen(&self) -> Vec<String> {
        std::mem::take(&mut self.seen.lock().unwrap())
    }
}

impl ConnectGate for Gate {
    fn pass(&self) -> Result<Box<dyn Passage>, Refusal> {
        assert!(!self.panics.load(Ordering::Relaxed), "as the test wants it");
        if self.is_shut.load(Ordering::Relaxed) {
            self.see("refused");
            let refusal = Refusal::new(FakeError::new(ErrorClass::Auth, "no entry"));
            return Err(refusal.of_class(ErrorClass::Transient).retry_after(Some(ms(800))));
        }
        Ok(Box::new(Way { gate: self.clone(), is_over: false }))
    }
}

struct Way {
    gate: Gate,
    is_over: bool,
}

impl Passage for Way {
    fn succeeded(mut self: Box<Self>, took: Duration) {
        self.is_over = true;
        self.gate.see(format!("open after {took:?}"));
    }

    fn failed(mut self: Box<Self>, took: Duration, cause: &ConnectError, class: ErrorClass) -> Option<Duration> {
        self.is_over = true;
        self.gate.see(format!("{class:?} after {took:?}: {cause}"));
        Some(ms(700))
    }
}

impl Drop for Way {
    fn drop(&mut self) {
        if !self.is_over {
            self.gate.see("cancelled");
        }
    }
}

fn pool(connector: &FakeConnector, gate: &Gate) -> Pool<FakeConnector> {
    let pool = Pool::builder(connector.clone()).min_connections(0).connect_timeout(ms(300)).gate(gate.clone());
    pool.build().unwrap()
}

#[tokio::test(start_paused = true)]
async fn what_the_gate_refuses_does_not_meet_the_target_and_fails_callers_at_once() {
    let (connector, gate) = (FakeConnector::new(), Gate::default());
    gate.shut(true);
    let pool = pool(&connector, &gate);
    let begun = Instant::now();
    let error = pool.acquire().await.unwrap_err();
    assert!(error.is_unavailable() && begun.elapsed() < ms(5), "{error}");
    assert!(error.to_string().contains("last connect error: no entry"), "{error}");
    let failure = error.diagnosis().last_connect_failure.clone().unwrap();
    assert!(matches!(failure.cause, ConnectError::Refused(_)));
    assert_eq!(connector.connects().calls(), 0);
    assert_eq!(pool.counters().connect_failed, 1);
}

#[tokio::test(start_paused = true)]
async fn the_gate_is_asked_again_when_it_said_and_no_caller_is_needed_for_that() {
    let (connector, gate) = (FakeConnector::new(), Gate::default());
    gate.shut(true);
    let pool = pool(&connector, &gate);
    drop(pool.acquire().await.unwrap_err());
    gate.shut(false);
    pass(ms(799)).await;
    assert_eq!(gate.seen(), ["refused"]);
    // A tenth later at most.
    pass(ms(82)).await;
    assert_eq!(gate.seen().len(), 1, "asked once more, and let through");
    assert!(pool.outage().is_none());
    drop(pool.acquire().await.unwrap());
}

#[tokio::test(start_paused = true)]
async fn the_gate_is_told_what_came_of_each_connect_and_says_when_to_try_again() {
    let (connector, gate) = (FakeConnector::new(), Gate::default());
    connector.connects().next(Act::FailAs(ErrorClass::Capacity, "full"));
    connector.connects().next(Act::Hang);
    let pool = pool(&connector, &gate);
    let begun = Instant::now();
    drop(pool.acquire().await.unwrap());
    assert!(begun.elapsed() >= ms(700), "{:?}", begun.elapsed());
    pass(ms(400)).await;
    let seen = gate.seen();
    assert_eq!(seen[0], "Capacity after 0ns: full");
    assert!(seen.contains(&"open after 0ns".to_owned()), "{seen:?}");
    assert!(seen.contains(&"Transient after 300ms: no connection within 300ms".to_owned()), "{seen:?}");
    assert_eq!(seen.len(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_connect_that_is_given_up_tells_the_gate_nothing_but_that() {
    let (connector, gate) = (FakeConnector::new(), Gate::default());
    connector.connects().always(Act::Hang);
    let pool = pool(&connector, &gate);
    let waiting = start_acquire(&pool).await;
    pool.close(Duration::ZERO).await;
    assert!(waiting.await.unwrap().unwrap_err().is_closed());
    settle().await;
    assert_eq!(gate.seen(), ["cancelled"]);
}

#[tokio::test(start_paused = true)]
async fn a_gate_that_panics_lets_nothing_through_and_harms_nobody() {
    let (connector, gate) = (FakeConnector::new(), Gate::default());
    gate.panics.store(true, Ordering::Relaxed);
    let pool = pool(&connector, &gate);
    let waiting = start_acquire(&pool).await;
    pass(ms(100)).await;
    assert_eq!(connector.connects().calls(), 0);
    gate.panics.store(false, Ordering::Relaxed);
    drop(waiting.await.unwrap().expect("it is asked again"));
    assert!(pool.counters().panics > 0);
}
