//! A gate before the connects of a pool: asked before each, told how each ended.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use pool_core::fake::Act;
use pool_core::{ConnectError, ConnectGate, ConnectPass, ConnectRefused, ErrorClass};
use tokio::time::Instant;

use crate::support::{check_at_rest, lazy, ms, pass, secs, settle, start};

/// Is shut or open, and remembers what it was told.
#[derive(Clone, Default)]
struct Gate(Arc<Told>);

#[derive(Default)]
struct Told {
    shut: AtomicBool,
    panics: AtomicBool,
    is_credulous: AtomicBool,
    said: Mutex<Vec<String>>,
}

struct Pass(Gate, bool);

#[derive(Debug, thiserror::Error)]
#[error("closed for repairs")]
struct Repairs;

impl Gate {
    fn say(&self, what: String) {
        self.0.said.lock().unwrap().push(what);
    }

    fn said(&self) -> Vec<String> {
        std::mem::take(&mut *self.0.said.lock().unwrap())
    }
}

impl ConnectGate for Gate {
    fn enter(&self) -> Result<Box<dyn ConnectPass>, ConnectRefused> {
        assert!(!self.0.panics.load(Ordering::SeqCst), "the gate panics");
        if self.0.shut.load(Ordering::SeqCst) {
            self.say(String::from("refused"));
            return Err(ConnectRefused::new(Repairs, ErrorClass::Transient).retry_after(Some(secs(10))));
        }
        Ok(Box::new(Pass(self.clone(), false)))
    }

    fn retry_after(&self) -> Option<Duration> {
        Some(secs(3))
    }
}

impl ConnectPass for Pass {
    fn wants_proof(&self) -> bool {
        !self.0.0.is_credulous.load(Ordering::SeqCst)
    }

    fn succeeded(mut self: Box<Self>, took: Duration) {
        self.1 = true;
        self.0.say(format!("succeeded after {took:?}"));
    }

    fn failed(mut self: Box<Self>, took: Duration, cause: &ConnectError, class: ErrorClass) {
        self.1 = true;
        self.0.say(format!("{cause} after {took:?}, {class:?}"));
    }
}

impl Drop for Pass {
    fn drop(&mut self) {
        if !self.1 {
            self.0.say(String::from("given up"));
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_gate_is_told_how_each_connect_ended() {
    let gate = Gate::default();
    let (builder, connector) = lazy(1);
    let builder = builder.gate(Arc::new(gate.clone())).fail_fast(false);
    let pool = builder.connect_timeout(secs(2)).build().unwrap();
    connector.connects().next(Act::FailAs(ErrorClass::Capacity, "too many clients"));
    connector.connects().next(Act::Panic("index out of bounds"));
    connector.connects().next(Act::Hang);
    connector.connects().next(Act::Slow(ms(70)));
    drop(pool.acquire_timeout(secs(60)).await.unwrap());
    assert_eq!(
        gate.said(),
        [
            "too many clients after 0ns, Capacity",
            "the connector panicked: index out of bounds after 0ns, Transient",
            "no connection within 2s after 2s, Transient",
            "succeeded after 70ms",
        ]
    );
    connector.connects().next(Act::Hang);
    pool.evict_all();
    assert!(pool.acquire_timeout(secs(1)).await.is_err());
    pool.close(Duration::ZERO).await;
    settle().await;
    assert_eq!(gate.said(), ["given up"], "the pool was closed meanwhile");
}

#[tokio::test(start_paused = true)]
async fn a_shut_gate_fails_callers_with_its_reason_and_is_asked_again_when_it_says() {
    let gate = Gate::default();
    gate.0.shut.store(true, Ordering::SeqCst);
    let (builder, connector) = lazy(1);
    let pool = builder.gate(Arc::new(gate.clone())).build().unwrap();
    let begun = Instant::now();
    for _ in 0..3 {
        let error = pool.acquire().await.unwrap_err();
        assert!(error.is_unavailable() && error.to_string().contains("closed for repairs"), "{error}");
    }
    assert_eq!((begun.elapsed(), connector.connects().calls()), (Duration::ZERO, 0));
    assert!(pool.outage().unwrap().next_probe >= secs(10));
    pass(secs(9)).await;
    assert_eq!(gate.said(), ["refused"]);
    gate.0.shut.store(false, Ordering::SeqCst);
    pass(secs(2)).await;
    assert_eq!(gate.said(), ["succeeded after 0ns"], "without a caller");
    check_at_rest(&pool, &connector);
}

#[tokio::test(start_paused = true)]
async fn after_a_failure_the_gate_says_when_to_try_again() {
    let gate = Gate::default();
    let (builder, connector) = lazy(1);
    let pool = builder.gate(Arc::new(gate)).build().unwrap();
    connector.go_down();
    assert!(pool.acquire().await.unwrap_err().is_unavailable());
    let next = pool.outage().unwrap().next_probe;
    assert!((secs(3)..=ms(3_300)).contains(&next), "{next:?}");
}

#[tokio::test(start_paused = true)]
async fn a_gate_that_panics_is_none() {
    let gate = Gate::default();
    gate.0.panics.store(true, Ordering::SeqCst);
    let (builder, connector) = lazy(1);
    let pool = builder.gate(Arc::new(gate)).build().unwrap();
    drop(pool.acquire().await.unwrap());
    assert_eq!(pool.counters().panics, 1);
    check_at_rest(&pool, &connector);
}

#[tokio::test(start_paused = true)]
async fn a_connect_that_yields_nothing_usable_has_failed() {
    let gate = Gate::default();
    let (builder, connector) = lazy(1);
    let pool = builder.gate(Arc::new(gate.clone())).fail_fast(false).build().unwrap();
    connector.validations().next(Act::FailAs(ErrorClass::FatalThis, "no such database"));
    connector.validations().next(Act::Panic("index out of bounds"));
    drop(pool.acquire().await.unwrap());
    assert_eq!(
        gate.said(),
        [
            "the new connection is unusable: no such database after 0ns, FatalThis",
            "the new connection is unusable: the connector panicked: index out of bounds after 0ns, FatalThis",
            "succeeded after 0ns",
        ]
    );
    let counters = pool.counters();
    assert_eq!((connector.opened(), counters.created, counters.connect_failed), (3, 1, 2));
    assert_eq!((connector.open_now(), counters.validations, pool.outage()), (1, 0, None));
    check_at_rest(&pool, &connector);
}

#[tokio::test(start_paused = true)]
async fn a_new_connection_that_answers_nothing_is_given_up_in_the_time_of_its_connect() {
    let gate = Gate::default();
    let (builder, connector) = lazy(1);
    let builder = builder.gate(Arc::new(gate.clone())).fail_fast(false);
    let pool = builder.connect_timeout(secs(2)).validation_timeout(secs(1)).build().unwrap();
    connector.connects().next(Act::Succeed).next(Act::Slow(ms(1_500)));
    connector.validations().next(Act::Hang).next(Act::Hang);
    drop(pool.acquire().await.unwrap());
    assert_eq!(
        gate.said(),
        [
            "the new connection is unusable: no answer within 1s after 1s, Transient",
            "no connection within 2s after 2s, Transient",
            "succeeded after 0ns",
        ]
    );
    connector.validations().next(Act::Hang);
    pool.evict_all();
    assert!(pool.acquire_timeout(ms(100)).await.is_err());
    pool.close(Duration::ZERO).await;
    settle().await;
    assert_eq!((gate.said(), connector.open_now()), (vec![String::from("given up")], 0));
}

#[tokio::test(start_paused = true)]
async fn a_gate_that_wants_no_proof_costs_no_round_trip() {
    let gate = Gate::default();
    gate.0.is_credulous.store(true, Ordering::SeqCst);
    let (builder, connector) = lazy(1);
    let pool = builder.gate(Arc::new(gate.clone())).build().unwrap();
    drop(pool.acquire().await.unwrap());
    assert_eq!(
        (gate.said(), connector.validations().calls()),
        (vec![String::from("succeeded after 0ns")], 0)
    );
}

// Callers of a full target waited for an attempt that was to come after their deadline.
#[tokio::test(start_paused = true)]
async fn who_could_not_be_in_time_for_a_full_target_is_told_at_once() {
    let gate = Gate::default();
    let (builder, connector) = lazy(2);
    let pool = builder.gate(Arc::new(gate)).build().unwrap();
    connector.connects().next(Act::FailAs(ErrorClass::Capacity, "too many clients"));
    let begun = Instant::now();
    for _ in 0..2 {
        // The first waits already when it is known that the next attempt comes after three seconds.
        let error = pool.acquire_timeout(secs(2)).await.unwrap_err();
        assert!(error.is_unavailable() && error.to_string().contains("too many clients"), "{error}");
        assert_eq!(begun.elapsed(), Duration::ZERO);
    }
    let patient = pool.acquire_timeout(secs(4)).await.unwrap();
    assert!(begun.elapsed() >= secs(3), "nobody asks sooner");
    connector.connects().always(Act::FailAs(ErrorClass::Capacity, "too many clients"));
    assert!(pool.acquire_timeout(secs(1)).await.unwrap_err().is_timeout(), "it may come back");
    drop(patient);
}

#[tokio::test(start_paused = true)]
async fn who_waits_for_the_last_connection_of_a_full_target_is_told_when_it_is_gone() {
    let gate = Gate::default();
    let (builder, connector) = lazy(2);
    let pool = builder.gate(Arc::new(gate)).build().unwrap();
    let last = pool.acquire().await.unwrap();
    connector.connects().always(Act::FailAs(ErrorClass::Capacity, "too many clients"));
    let begun = Instant::now();
    let waiting = pool.clone();
    let waiting = start(async move { waiting.acquire_timeout(secs(2)).await.map(drop) }).await;
    pass(ms(500)).await;
    last.discard();
    let error = waiting.await.unwrap().unwrap_err();
    assert!(error.is_unavailable() && begun.elapsed() == ms(500), "{error} after {:?}", begun.elapsed());
}
