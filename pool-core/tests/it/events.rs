//! What observers hear.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use pool_core::fake::Act;
use pool_core::{CloseReason, ConnectionId, Observer, PoolControl, PoolEvent, PoolId, PoolStats};

use crate::support::{Timeline, lazy, ms, pass, secs, settle};

/// Writes down which of its methods were called.
#[derive(Clone, Default)]
struct Diary(Arc<Mutex<Vec<String>>>);

impl Diary {
    fn note(&self, pool: &str, text: String) {
        assert_eq!(pool, "test");
        self.0.lock().unwrap().push(text);
    }

    fn read(&self) -> Vec<String> {
        std::mem::take(&mut self.0.lock().unwrap())
    }
}

impl Observer for Diary {
    fn acquired(&self, pool: &str, connection: ConnectionId, waited: Duration) {
        self.note(pool, format!("acquired {connection} after {waited:?}"));
    }

    fn released(&self, pool: &str, connection: ConnectionId, used: Duration) {
        self.note(pool, format!("released {connection} after {used:?}"));
    }

    fn created(&self, pool: &str, connection: ConnectionId, took: Duration) {
        self.note(pool, format!("created {connection} in {took:?}"));
    }

    fn closed(&self, pool: &str, connection: ConnectionId, reason: CloseReason) {
        self.note(pool, format!("closed {connection}: {reason}"));
    }

    fn validation_started(&self, pool: &str, connection: ConnectionId) {
        self.note(pool, format!("validating {connection}"));
    }

    fn validation_completed(
        &self,
        pool: &str,
        connection: ConnectionId,
        took: Duration,
        problem: Option<&str>,
    ) {
        self.note(pool, format!("validated {connection} in {took:?}: {problem:?}"));
    }

    fn stats_updated(&self, pool: &str, stats: &PoolStats) {
        self.note(pool, format!("{} idle of {}", stats.idle, stats.total));
    }

    fn error(&self, pool: &str, message: &str) {
        self.note(pool, format!("error: {message}"));
    }
}

// Requirement B3: the whole life of a connection, told in order, each event by its own method.
#[tokio::test(start_paused = true)]
async fn an_observer_hears_a_life_in_order() {
    let diary = Diary::default();
    let (builder, connector) = lazy(1);
    connector.connects().next(Act::Slow(ms(100))).next(Act::Slow(ms(100)));
    let pool = builder.maintenance_interval(secs(60)).observer(diary.clone()).build().unwrap();
    let guard = pool.acquire().await.unwrap();
    pass(secs(2)).await;
    drop(guard);
    assert_eq!(diary.read(), ["created #1 in 100ms", "acquired #1 after 100ms", "released #1 after 2s"]);
    pass(secs(1)).await;
    connector.validations().next(Act::Slow(ms(5)));
    drop(pool.acquire().await.unwrap());
    assert_eq!(
        diary.read(),
        ["validating #1", "validated #1 in 5ms: None", "acquired #1 after 5ms", "released #1 after 0ns"]
    );
    pass(secs(1)).await;
    connector.kill_all();
    let guard = pool.acquire().await.unwrap();
    assert_eq!(
        diary.read(),
        [
            "validating #1",
            "validated #1 in 0ns: Some(\"terminated by the server\")",
            "error: connection #1 failed validation: terminated by the server",
            "error: connection #1 was found dead; closed all 0 idle ones of its generation",
            "closed #1: validation_failed",
            "created #2 in 100ms",
            "acquired #2 after 100ms",
        ]
    );
    guard.soil();
    connector.resets().next(Act::Fail("no transaction"));
    drop(guard);
    settle().await;
    assert_eq!(
        diary.read(),
        [
            "released #2 after 0ns",
            "error: connection #2 could not be reset: no transaction",
            "closed #2: reset_failed",
        ]
    );
    drop(pool.acquire().await.unwrap());
    diary.read();
    pass(secs(60)).await;
    assert_eq!(diary.read(), ["1 idle of 1"]);
    pool.close(secs(1)).await;
    assert_eq!(diary.read(), ["closed #3: pool_closed"]);
}

// Requirement A1: plain functions for acquired, released and error.
#[tokio::test(start_paused = true)]
async fn plain_functions_hear_of_acquires_releases_and_errors() {
    let calls = Arc::new(Mutex::new(Vec::new()));
    let (one, two, three) = (Arc::clone(&calls), Arc::clone(&calls), Arc::clone(&calls));
    let (builder, connector) = lazy(1);
    connector.connects().next(Act::Fail("refused"));
    let pool = builder
        .name("orders")
        .on_acquired(move |pool, id| one.lock().unwrap().push(format!("{pool}: acquired {id}")))
        .on_released(move |pool, id| two.lock().unwrap().push(format!("{pool}: released {id}")))
        .on_error(move |pool, message| three.lock().unwrap().push(format!("{pool}: {message}")))
        .build()
        .unwrap();
    pool.acquire().await.unwrap().discard();
    assert!(pool.acquire_timeout(Duration::ZERO).await.is_err());
    let calls = calls.lock().unwrap();
    assert_eq!(calls.len(), 4, "{calls:?}");
    assert!(calls[0].starts_with("orders: connect failed (1 in a row, next attempt in "), "{}", calls[0]);
    assert!(calls[0].ends_with("ms): refused"), "{}", calls[0]);
    assert_eq!((calls[1].as_str(), calls[2].as_str()), ("orders: acquired #2", "orders: released #2"));
    assert!(
        calls[3].starts_with("orders: failed to acquire a connection from pool `orders`: "),
        "{}",
        calls[3]
    );
}

// Requirement B3: housekeeping tells how the pool is, every maintenance_interval.
#[tokio::test(start_paused = true)]
async fn statistics_are_told_at_every_round_of_housekeeping() {
    let timeline = Timeline::new();
    let (builder, _connector) = lazy(4);
    let pool =
        builder.min_connections(2).maintenance_interval(ms(500)).observer(timeline.clone()).build().unwrap();
    pool.warm_up().await.unwrap();
    let _guard = pool.acquire().await.unwrap();
    pass(secs(10)).await;
    let told = timeline.pick(|event| match event {
        PoolEvent::StatsUpdated { stats } => Some((stats.active, stats.idle)),
        _ => None,
    });
    assert_eq!(told.len(), 20);
    assert!(told.iter().all(|(_, stats)| *stats == (1, 1)), "{told:?}");
}

#[tokio::test(start_paused = true)]
async fn an_acquire_is_told_with_the_line_of_code_that_called() {
    let timeline = Timeline::new();
    let (builder, _connector) = lazy(1);
    let pool = builder.observer(timeline.clone()).build().unwrap();
    let mut lines = Vec::new();
    lines.push((drop(pool.acquire().await.unwrap()), line!()).1);
    lines.push((drop(pool.try_acquire().unwrap().unwrap()), line!()).1);
    lines.push((drop(pool.acquire_timeout(secs(1)).await.unwrap()), line!()).1);
    let told = timeline.pick(|event| match event {
        PoolEvent::Acquired { site, .. } => Some((site.file(), site.line())),
        _ => None,
    });
    let told: Vec<_> = told.into_iter().map(|(_, site)| site).collect();
    let lines: Vec<_> = lines.into_iter().map(|line| (file!(), line)).collect();
    assert_eq!(told, lines);
}

/// Remembers of which pools it was told.
#[derive(Clone, Default)]
struct Register(Arc<Mutex<Vec<PoolId>>>);

impl Observer for Register {
    fn event_of(&self, id: PoolId, pool: &str, event: &PoolEvent) {
        assert_eq!(pool, "test");
        if let PoolEvent::Created { .. } = event {
            self.0.lock().unwrap().push(id);
        }
    }
}

// A pool that was replaced lives on beside the one that has its name now.
#[tokio::test(start_paused = true)]
async fn pools_of_one_name_can_be_told_apart() {
    let register = Register::default();
    let make = || lazy(1).0.shared_observer(Arc::new(register.clone())).build().unwrap();
    let (before, after) = (make(), make());
    drop((after.acquire().await.unwrap(), before.clone().acquire().await.unwrap()));
    assert_eq!(*register.0.lock().unwrap(), [after.id(), before.id()]);
    let control: &dyn PoolControl = &before;
    assert_eq!(control.id(), before.id());
    assert_ne!(before.id(), after.id());
}
