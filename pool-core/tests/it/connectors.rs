//! Group J, code of others: connectors and connections that panic or call back.

use std::future::{Future, pending};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use pool_core::fake::{Act, FakeConnector};
use pool_core::{
    AcquireOptions, CloseReason, Condition, ConnectError, Connector, ErrorClass, Pool, PoolEvent, Target,
};
use tokio::runtime::Builder;

use crate::support::{FakePool, Guard, Recorder, alone, hold, lazy, pass, secs};

/// Where a [`Rude`] connector panics next, once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Connect,
    Validate,
    Reset,
    Close,
    Condition,
    Classify,
    RetryAfter,
    Target,
    /// Connecting hangs, and its future panics when it is dropped.
    DropOfConnect,
    /// Validating hangs, and its future panics when it is dropped.
    DropOfValidate,
    /// Resetting hangs, and its future panics when it is dropped.
    DropOfReset,
}

/// A connector that panics in the call itself, before there is a future, or in the drop of the future.
#[derive(Clone, Default)]
struct Rude(Arc<Mutex<Option<Place>>>);

struct Thing {
    dirty: bool,
}

/// Panics when dropped.
struct Bomb;

impl Drop for Bomb {
    fn drop(&mut self) {
        assert!(std::thread::panicking(), "the drop of a future");
    }
}

impl Rude {
    fn arm(&self, place: Place) {
        *self.0.lock().unwrap() = Some(place);
    }

    fn is_armed(&self) -> bool {
        self.0.lock().unwrap().is_some()
    }

    /// Whether it is the turn of this place; then it is the turn of none.
    fn turn(&self, place: Place) -> bool {
        let mut armed = self.0.lock().unwrap();
        *armed == Some(place) && armed.take().is_some()
    }

    fn pass(&self, place: Place) {
        assert!(!self.turn(place), "rude in {place:?}");
    }
}

impl Connector for Rude {
    type Connection = Thing;
    type Error = std::io::Error;

    fn connect(&self) -> impl Future<Output = Result<Thing, std::io::Error>> + Send {
        self.pass(Place::Connect);
        let hang = self.turn(Place::DropOfConnect);
        let fail = matches!(*self.0.lock().unwrap(), Some(Place::Classify | Place::RetryAfter));
        async move {
            if hang {
                let _bomb = Bomb;
                pending::<()>().await;
            }
            if fail { Err(std::io::ErrorKind::ConnectionRefused.into()) } else { Ok(Thing { dirty: false }) }
        }
    }

    fn validate(&self, _thing: &mut Thing) -> impl Future<Output = Result<(), std::io::Error>> + Send {
        self.pass(Place::Validate);
        let hang = self.turn(Place::DropOfValidate);
        async move {
            if hang {
                let _bomb = Bomb;
                pending::<()>().await;
            }
            Ok(())
        }
    }

    fn reset(&self, thing: &mut Thing) -> impl Future<Output = Result<(), std::io::Error>> + Send {
        self.pass(Place::Reset);
        let hang = self.turn(Place::DropOfReset);
        async move {
            if hang {
                let _bomb = Bomb;
                pending::<()>().await;
            }
            thing.dirty = false;
            Ok(())
        }
    }

    fn close(&self, _thing: Thing) -> impl Future<Output = ()> + Send {
        self.pass(Place::Close);
        std::future::ready(())
    }

    fn condition(&self, thing: &mut Thing) -> Condition {
        self.pass(Place::Condition);
        if thing.dirty { Condition::Dirty } else { Condition::Clean }
    }

    fn classify(&self, _error: &std::io::Error) -> ErrorClass {
        self.pass(Place::Classify);
        ErrorClass::Transient
    }

    fn retry_after(&self, _error: &std::io::Error) -> Option<Duration> {
        self.pass(Place::RetryAfter);
        None
    }

    fn target(&self) -> Option<Target> {
        self.pass(Place::Target);
        Some(Target::new("rude", "nowhere"))
    }
}

/// Visits every method of the connector; the panic of one of them must not be felt.
async fn live_through(place: Place) -> (Pool<Rude>, Recorder) {
    let (rude, recorder) = (Rude::default(), Recorder::default());
    let pool = Pool::builder(rude.clone())
        .name("rude")
        .max_connections(2)
        .min_connections(0)
        .connect_timeout(secs(1))
        .observer(recorder.clone())
        .build()
        .unwrap();
    rude.arm(place);
    let mut guard = pool.acquire().await.unwrap();
    guard.dirty = true;
    drop(guard);
    pass(secs(10)).await;
    drop(pool.acquire_with(AcquireOptions::new().validated()).await.unwrap());
    pool.evict_idle();
    pass(secs(10)).await;
    drop(pool.target());
    assert!(!rude.is_armed(), "{place:?} was visited");
    drop(pool.acquire().await.unwrap());
    pass(secs(1)).await;
    let stats = pool.stats();
    assert_eq!((stats.total, stats.idle, stats.pending), (1, 1, 0), "{place:?}: {stats:?}");
    (pool, recorder)
}

// J1: a connector that panics in any of its methods: caught, counted, told with its place, and a failure of
// that one call.
#[tokio::test(start_paused = true)]
async fn a_panic_in_any_method_of_a_connector_is_a_failure_of_that_call() {
    for (place, name, expected) in [
        (Place::Connect, "connect", None),
        (Place::Validate, "validate", Some(CloseReason::ValidationFailed)),
        (Place::Reset, "reset", Some(CloseReason::ResetFailed)),
        (Place::Close, "close", Some(CloseReason::Evicted)),
        (Place::Condition, "condition", Some(CloseReason::Broken)),
        (Place::Classify, "classify", None),
        (Place::RetryAfter, "retry_after", None),
        (Place::Target, "target", None),
    ] {
        let (pool, recorder) = live_through(place).await;
        let counters = pool.counters();
        assert_eq!(counters.panics, 1, "{place:?}");
        let text = format!("rude in {place:?}");
        let told = recorder.count(|event| {
            matches!(event, PoolEvent::Panicked { place, message } if *place == name && *message == text)
        });
        assert_eq!(told, 1, "{place:?}");
        let failed = u64::from(matches!(place, Place::Connect | Place::Classify | Place::RetryAfter));
        assert_eq!(counters.connect_failed, failed, "{place:?}");
        if let Some(reason) = expected {
            assert_eq!(counters.closed[reason], 1, "{place:?}: {counters:?}");
        }
    }
}

// J1: the same for a panic that comes late: the call hangs, and its future panics when the timeout drops it.
#[tokio::test(start_paused = true)]
async fn a_panic_in_the_drop_of_a_connectors_future_is_a_failure_of_that_call() {
    for place in [Place::DropOfConnect, Place::DropOfReset] {
        let (pool, _recorder) = live_through(place).await;
        let counters = pool.counters();
        let failed = counters.connect_failed + counters.resets_failed;
        assert_eq!((counters.panics, failed), (1, 1), "{place:?}");
    }
}

// J1: the same in a caller's own validation: the caller does not feel it.
#[tokio::test(start_paused = true)]
async fn a_panic_in_the_drop_of_a_validation_is_not_felt_by_its_caller() {
    let (pool, _recorder) = live_through(Place::DropOfValidate).await;
    assert_eq!((pool.counters().panics, pool.counters().validations_failed), (1, 1));
}

// J1: the panic of a connect reaches the caller as a text.
#[tokio::test(start_paused = true)]
async fn the_panic_of_a_connect_is_quoted_in_the_error() {
    let (builder, connector) = lazy(1);
    let pool = builder.build().unwrap();
    connector.connects().always(Act::Panic("index out of bounds"));
    let error = pool.acquire().await.unwrap_err();
    let failure = error.diagnosis().last_connect_failure.as_ref().unwrap();
    assert!(matches!(&failure.cause, ConnectError::Panicked(message) if message == "index out of bounds"));
    assert!(error.to_string().contains("the connector panicked: index out of bounds"), "{error}");
    let before = pool.counters().panics;
    pass(secs(10)).await;
    let more = pool.counters().panics - before;
    assert!((15..=60).contains(&more), "spaced by back-off: {more} in 10 s");
}

// J1: connections whose drop panics, by every way a connection can end: each is gone, none costs a slot.
#[tokio::test(start_paused = true)]
async fn a_connection_that_panics_when_dropped_costs_no_slot() {
    let (builder, connector) = lazy(4);
    let pool = builder.validation_timeout(secs(1)).build().unwrap();
    connector.drops_panic(true);
    type End = fn(&FakePool, &FakeConnector, Vec<Guard>);
    let ways: [(&str, End); 6] = [
        ("discarded", |_, _, guards| guards.into_iter().for_each(Guard::discard)),
        ("broken", |_, _, guards| guards.iter().for_each(|guard| guard.break_it())),
        ("evicted", |pool, _, guards| {
            drop(guards);
            pool.evict_all();
        }),
        ("flushed", |pool, connector, guards| {
            drop(guards);
            connector.kill_all();
            pool.evict_invalid();
        }),
        ("not resettable", |_, connector, guards| {
            connector.resets().next(Act::Fail("a")).next(Act::Fail("b")).next(Act::Hang).next(Act::Fail("c"));
            guards.iter().for_each(|guard| guard.soil());
        }),
        ("abandoned", |pool, _, guards| {
            for guard in &guards {
                pool.abandon(guard.id());
            }
        }),
    ];
    for (round, (way, end)) in (1..).zip(ways) {
        let guards = hold(&pool, 4).await;
        assert_eq!(guards.len(), 4);
        end(&pool, &connector, guards);
        pass(secs(6)).await;
        let counters = pool.counters();
        assert_eq!((pool.stats().total, connector.open_now()), (0, 0), "{way}");
        assert_eq!((counters.panics, counters.closed.total()), (4 * round, 4 * round), "{way}");
    }
    drop(hold(&pool, 4).await);
    assert!(pool.close(secs(1)).await.is_complete());
    assert_eq!((connector.open_now(), pool.counters().panics), (0, 28));
}

/// A connector and connections that look at their pool from everywhere.
#[derive(Clone, Default)]
struct Meddler(Arc<OnceLock<Pool<Meddler>>>);

struct Meddling(Meddler);

impl Meddler {
    fn meddle(&self) {
        if let Some(pool) = self.0.get() {
            assert!(pool.snapshot().stats.total <= 2);
            assert!(pool.connections().len() <= 2);
            drop(pool.try_acquire());
            pool.evict_expired();
        }
    }
}

impl Drop for Meddling {
    fn drop(&mut self) {
        if let Some(pool) = self.0.0.get() {
            assert!(pool.stats().total <= 2);
        }
    }
}

impl Connector for Meddler {
    type Connection = Meddling;
    type Error = std::io::Error;

    async fn connect(&self) -> Result<Meddling, std::io::Error> {
        self.meddle();
        Ok(Meddling(self.clone()))
    }

    async fn validate(&self, _meddling: &mut Meddling) -> Result<(), std::io::Error> {
        self.meddle();
        Err(std::io::ErrorKind::NotConnected.into())
    }

    async fn reset(&self, _meddling: &mut Meddling) -> Result<(), std::io::Error> {
        self.meddle();
        Ok(())
    }

    fn condition(&self, _meddling: &mut Meddling) -> Condition {
        let Some(pool) = self.0.get() else { return Condition::Clean };
        if pool.stats().total > 2 {
            Condition::Broken
        } else if pool.snapshot().counters.released % 2 == 0 {
            Condition::Dirty
        } else {
            Condition::Clean
        }
    }

    async fn close(&self, meddling: Meddling) {
        self.meddle();
        drop(meddling);
    }

    fn classify(&self, _error: &std::io::Error) -> ErrorClass {
        self.meddle();
        ErrorClass::Transient
    }
}

// J1: a connector that calls back into its pool from every method, and connections that do so when dropped.
#[test]
fn a_connector_may_call_back_into_its_pool() {
    alone("connectors::a_connector_may_call_back_into_its_pool", || {
        let runtime = Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
        runtime.block_on(async {
            let meddler = Meddler::default();
            let pool = Pool::builder(meddler.clone())
                .max_connections(2)
                .min_connections(1)
                .max_uses(5)
                .build()
                .unwrap();
            assert!(meddler.0.set(pool.clone()).is_ok());
            for round in 0..50 {
                let guard = pool.acquire().await.unwrap();
                if round % 7 == 0 {
                    guard.discard();
                }
                if round % 5 == 0 {
                    pass(secs(1)).await;
                }
            }
            assert!(pool.counters().validations_failed > 0 && pool.counters().resets > 0);
            assert!(pool.close(secs(10)).await.is_complete());
        });
    });
}
