//! What errors say: every kind, in the situation it stands for, word for word.

use std::error::Error;
use std::fmt;
use std::time::Duration;

use pool_core::fake::{Act, FakeConnector};
use pool_core::{
    AcquireError, AcquireOptions, BuildError, Connector, ErrorClass, Pool, PoolEvent, PoolSet, WarmUpError,
};

use crate::support::{FakePool, Guard, Recorder, lazy, ms, pass, secs, settle, start, start_acquire};

/// An error as text, without what differs from run to run: numbers of lines, tasks and threads, and the time
/// that jitter chose.
fn shown(error: &impl fmt::Display) -> String {
    let mut text = error.to_string();
    for mark in [".rs:", "task ", "thread ", "next probe in "] {
        text = blank(&text, mark);
    }
    text
}

/// Blanks the number, or the time with its unit, that follows each `mark`.
fn blank(text: &str, mark: &str) -> String {
    let mut parts = text.split(mark);
    let mut shown = String::from(parts.next().unwrap_or_default());
    for part in parts {
        let rest = part.trim_start_matches(|c: char| c.is_ascii_digit() || c == '.');
        let unit = ["ns", "us", "ms", "s"].into_iter().find_map(|unit| rest.strip_prefix(unit));
        let number = if rest.len() < part.len() { "_" } else { "" };
        let rest = unit.filter(|_| !number.is_empty()).unwrap_or(rest);
        shown.extend([mark, number, rest]);
    }
    shown
}

/// A pool called `orders`, and its connector.
fn orders(max: usize) -> (pool_core::PoolBuilder<FakeConnector>, FakeConnector) {
    let (builder, connector) = lazy(max);
    (builder.name("orders"), connector)
}

/// A task that acquires here and holds for ever.
async fn hold_in_a_task(pool: &FakePool) {
    let pool = pool.clone();
    let holding = start(async move {
        let guard = pool.acquire().await.unwrap();
        std::future::pending::<()>().await;
        drop(guard);
    });
    holding.await;
}

// G4, promise 10: an exhausted pool: its name, how long, its sizes, and who holds its connections, oldest first.
#[tokio::test(start_paused = true)]
async fn a_timeout_tells_who_holds_the_connections() {
    let (builder, _connector) = orders(2);
    let pool = builder.build().unwrap();
    hold_in_a_task(&pool).await;
    pass(ms(1_500)).await;
    hold_in_a_task(&pool).await;
    pass(ms(20)).await;
    let waiter = start_acquire(&pool).await;
    let error = pool.acquire_timeout(ms(500)).await.unwrap_err();
    assert!(error.is_timeout());
    insta::assert_snapshot!(shown(&error), @"acquire a connection from pool `orders`: none within 500ms (waited 500ms; total 2 of 2, active 2, idle 0, creating 0, waiting 1); oldest holders: #1 held 2.02s by task _ from pool-core/tests/it/errors.rs:_, #2 held 520ms by task _ from pool-core/tests/it/errors.rs:_");
    drop(waiter);
}

// Promise 10: a timeout while connects fail tells why the pool does not grow, and how long ago that was.
#[tokio::test(start_paused = true)]
async fn a_timeout_tells_why_the_pool_does_not_grow() {
    let (builder, connector) = orders(2);
    let pool = builder.connect_concurrency(1).connect_timeout(secs(60)).build().unwrap();
    hold_in_a_task(&pool).await;
    connector.connects().next(Act::Fail("connection refused")).always(Act::Hang);
    let error = pool.acquire_timeout(secs(3)).await.unwrap_err();
    insta::assert_snapshot!(shown(&error), @"acquire a connection from pool `orders`: none within 3s (waited 3s; total 2 of 2, active 1, idle 0, creating 1, waiting 0); oldest holders: #1 held 3s by task _ from pool-core/tests/it/errors.rs:_; last connect error: connection refused (3s ago)");
}

// B12, promise 9: a task that waits for a connection while it holds one is told so, and what size would do.
#[tokio::test(start_paused = true)]
async fn a_timeout_names_the_nested_acquire() {
    let (builder, _connector) = orders(1);
    let pool = builder.build().unwrap();
    let outer = pool.acquire().await.unwrap();
    let error = pool.acquire_timeout(secs(2)).await.unwrap_err();
    assert_eq!(error.diagnosis().nested.as_ref().unwrap().connection, outer.id());
    insta::assert_snapshot!(shown(&error), @"acquire a connection from pool `orders`: none within 2s (waited 2s; total 1 of 1, active 1, idle 0, creating 0, waiting 0); the same task already holds #1 from pool-core/tests/it/errors.rs:_: a task that needs k connections at once needs a pool of at least tasks * (k - 1) + 1; oldest holders: #1 held 2s by thread _ from pool-core/tests/it/errors.rs:_");
}

// B12: the same in a spawned task, and told to the observers as well.
#[tokio::test(start_paused = true)]
async fn a_nested_acquire_is_told_by_task() {
    let recorder = Recorder::default();
    let (builder, _connector) = orders(1);
    let pool = builder.observer(recorder.clone()).build().unwrap();
    let task = tokio::spawn({
        let pool = pool.clone();
        async move {
            let _outer = pool.acquire().await.unwrap();
            pool.acquire_timeout(ms(100)).await.unwrap_err()
        }
    });
    let error = task.await.unwrap();
    insta::assert_snapshot!(shown(&error), @"acquire a connection from pool `orders`: none within 100ms (waited 100ms; total 1 of 1, active 1, idle 0, creating 0, waiting 0); the same task already holds #1 from pool-core/tests/it/errors.rs:_: a task that needs k connections at once needs a pool of at least tasks * (k - 1) + 1; oldest holders: #1 held 100ms by task _ from pool-core/tests/it/errors.rs:_");
    let told = recorder.events().iter().find_map(|event| match event {
        PoolEvent::NestedAcquire { .. } => event.trouble(),
        _ => None,
    });
    insta::assert_snapshot!(shown(&told.unwrap()), @"task _ waits at pool-core/tests/it/errors.rs:_ while it holds connection #1, acquired at pool-core/tests/it/errors.rs:_; a task that needs k connections at once needs a pool of at least tasks * (k - 1) + 1");
}

// C11: no time at all.
#[tokio::test(start_paused = true)]
async fn a_timeout_of_zero_says_so() {
    let (builder, _connector) = orders(4);
    let pool = builder.build().unwrap();
    let error = pool.acquire_timeout(Duration::ZERO).await.unwrap_err();
    assert!(error.is_timeout());
    insta::assert_snapshot!(shown(&error), @"acquire a connection from pool `orders`: none within 0s (waited 0s; total 0 of 4, active 0, idle 0, creating 0, waiting 0)");
}

// D3: connects that never answer.
#[tokio::test(start_paused = true)]
async fn a_black_hole_is_told_as_such() {
    let (builder, connector) = orders(1);
    let pool = builder.fail_fast(false).connect_timeout(secs(2)).build().unwrap();
    connector.connects().always(Act::Hang);
    let error = pool.acquire_timeout(ms(2_010)).await.unwrap_err();
    insta::assert_snapshot!(shown(&error), @"acquire a connection from pool `orders`: none within 2.01s (waited 2.01s; total 1 of 1, active 0, idle 0, creating 1, waiting 0); last connect error: no connection within 2s (10ms ago)");
}

// D11: a server without room.
#[tokio::test(start_paused = true)]
async fn a_full_server_is_told_as_the_cause_of_a_timeout() {
    let (builder, connector) = orders(1);
    let pool = builder.build().unwrap();
    connector.connects().next(Act::FailAs(ErrorClass::Capacity, "sorry, too many clients already"));
    connector.connects().always(Act::Hang);
    let error = pool.acquire_timeout(secs(1)).await.unwrap_err();
    assert!(error.is_timeout());
    insta::assert_snapshot!(shown(&error), @"acquire a connection from pool `orders`: none within 1s (waited 1s; total 1 of 1, active 0, idle 0, creating 1, waiting 0); last connect error: sorry, too many clients already (1s ago)");
}

// H6: known to be down: since when, how often it was tried, when it is tried next, and what it died of.
#[tokio::test(start_paused = true)]
async fn a_known_outage_is_told_with_its_cause() {
    let (builder, connector) = orders(4);
    let pool = builder.connect_concurrency(1).connect_timeout(secs(1)).build().unwrap();
    connector.connects().next(Act::Hang).always(Act::Fail("connection refused"));
    assert!(pool.acquire().await.unwrap_err().is_unavailable());
    // The second attempt comes at once, as the first has hung for longer than any back-off; the third at least 37 ms later.
    pass(ms(30)).await;
    let error = pool.acquire().await.unwrap_err();
    assert!(error.is_unavailable());
    insta::assert_snapshot!(blank(&shown(&error), "refused ("), @"acquire a connection from pool `orders`: no connection could be opened for 1.03s (failed connects: 2, next probe in _); last connect error: connection refused (_ ago)");
}

// H6: the same while a probe is under way.
#[tokio::test(start_paused = true)]
async fn a_probe_under_way_is_told() {
    let (builder, connector) = orders(4);
    let pool = builder.connect_concurrency(1).connect_timeout(secs(1)).build().unwrap();
    connector.connects().always(Act::Hang);
    assert!(pool.acquire().await.unwrap_err().is_unavailable());
    pass(ms(100)).await;
    assert_eq!(pool.stats().creating, 1);
    let error = pool.acquire().await.unwrap_err();
    insta::assert_snapshot!(shown(&error), @"acquire a connection from pool `orders`: no connection could be opened for 1.10s (failed connects: 1, a probe is under way); last connect error: no connection within 1s (100ms ago)");
}

// D12: a refused login.
#[tokio::test(start_paused = true)]
async fn a_refused_login_is_told_with_its_cause() {
    let (builder, connector) = orders(4);
    let pool = builder.build().unwrap();
    connector
        .connects()
        .always(Act::FailAs(ErrorClass::Auth, "password authentication failed for user \"app\""));
    let error = pool.acquire().await.unwrap_err();
    assert!(error.is_unavailable());
    insta::assert_snapshot!(shown(&error), @r#"acquire a connection from pool `orders`: the target has refused the login for 0s (failed connects: 1, next probe in _); last connect error: password authentication failed for user "app" (0s ago)"#);
}

// J1: a connector that panics.
#[tokio::test(start_paused = true)]
async fn a_panicking_connector_is_told_as_the_cause() {
    let (builder, connector) = orders(4);
    let pool = builder.fail_fast(false).build().unwrap();
    connector.connects().next(Act::Panic("index out of bounds")).always(Act::Hang);
    let error = pool.acquire_timeout(secs(1)).await.unwrap_err();
    insta::assert_snapshot!(shown(&error), @"acquire a connection from pool `orders`: none within 1s (waited 1s; total 2 of 4, active 0, idle 0, creating 2, waiting 0); last connect error: the connector panicked: index out of bounds (1s ago)");
}

// D8: connections that are opened and turn out to be of no use.
#[tokio::test(start_paused = true)]
async fn unusable_connections_are_told_as_the_cause() {
    let (builder, connector) = orders(1);
    let pool = builder.validate_after_idle(Duration::ZERO).connect_timeout(secs(60)).build().unwrap();
    connector.validations().always(Act::Fail("relation \"settings\" does not exist"));
    connector.connects().next(Act::Succeed).always(Act::Hang);
    let error = pool.acquire_timeout(ms(300)).await.unwrap_err();
    insta::assert_snapshot!(shown(&error), @r#"acquire a connection from pool `orders`: none within 300ms (waited 300ms; total 1 of 1, active 0, idle 0, creating 1, waiting 0); last connect error: the new connection is unusable: relation "settings" does not exist (300ms ago)"#);
}

// B7: too many wait already.
#[tokio::test(start_paused = true)]
async fn a_full_queue_tells_its_limit() {
    let (builder, _connector) = orders(1);
    let pool = builder.max_waiting(2).build().unwrap();
    hold_in_a_task(&pool).await;
    let _waiters = [start_acquire(&pool).await, start_acquire(&pool).await];
    let error = pool.acquire().await.unwrap_err();
    assert!(error.is_queue_full());
    insta::assert_snapshot!(shown(&error), @"acquire a connection from pool `orders`: 2 callers wait already, the limit is 2 (total 1 of 1, active 1, idle 0, creating 0, waiting 2); oldest holders: #1 held 0s by task _ from pool-core/tests/it/errors.rs:_");
}

// I6: paused, and no longer patient.
#[tokio::test(start_paused = true)]
async fn a_paused_pool_says_so() {
    let (builder, _connector) = orders(2);
    let pool = builder.min_connections(1).build().unwrap();
    pool.warm_up().await.unwrap();
    pool.pause();
    let error = pool.acquire_timeout(ms(250)).await.unwrap_err();
    assert!(error.is_paused());
    insta::assert_snapshot!(shown(&error), @"acquire a connection from pool `orders`: the pool is paused (waited 250ms; total 1 of 2, active 0, idle 1, creating 0, waiting 0)");
    let error = pool.try_acquire().unwrap_err();
    insta::assert_snapshot!(shown(&error), @"acquire a connection from pool `orders`: the pool is paused (waited 0s; total 1 of 2, active 0, idle 1, creating 0, waiting 0)");
}

// I3: closed.
#[tokio::test(start_paused = true)]
async fn a_closed_pool_says_so() {
    let (builder, _connector) = orders(2);
    let pool = builder.min_connections(1).build().unwrap();
    hold_in_a_task(&pool).await;
    let report = pool.close(ms(1_250)).await;
    insta::assert_snapshot!(shown(&report), @"pool `orders` closed in 1.25s; still held: #1 held 1.25s by task _ from pool-core/tests/it/errors.rs:_");
    let error = pool.acquire().await.unwrap_err();
    assert!(error.is_closed());
    insta::assert_snapshot!(shown(&error), @"acquire a connection from pool `orders`: the pool is closed");
    let error = pool.warm_up().await.unwrap_err();
    insta::assert_snapshot!(shown(&error), @"warm up pool `orders`: the pool is closed");
}

// H8: a warm-up against a target that is down, that is slow, that has too little room.
#[tokio::test(start_paused = true)]
async fn a_failed_warm_up_tells_how_far_it_came_and_why() {
    let (builder, connector) = orders(4);
    connector.go_down();
    let pool = builder.min_connections(2).build().unwrap();
    let error = pool.warm_up().await.unwrap_err();
    assert!(matches!(error, WarmUpError::Unavailable(_)));
    // The last attempt failed just now, at whatever time jitter chose.
    insta::assert_snapshot!(shown(&error), @"warm up pool `orders`: no connection could be opened; last connect error: connection refused (0s ago)");

    let (builder, connector) = orders(4);
    connector.connects().next(Act::Succeed).always(Act::Hang);
    let pool = builder.min_connections(3).acquire_timeout(ms(1_500)).build().unwrap();
    let error = pool.warm_up().await.unwrap_err();
    assert!(matches!(error, WarmUpError::Timeout(_)));
    insta::assert_snapshot!(shown(&error), @"warm up pool `orders`: 1 of 3 connections open after 1.50s");

    let (builder, connector) = orders(4);
    let full = Act::FailAs(ErrorClass::Capacity, "sorry, too many clients already");
    connector.connects().next(Act::Succeed).next(full).always(Act::Hang);
    let pool = builder.min_connections(3).acquire_timeout(secs(1)).connect_concurrency(1).build().unwrap();
    let error = pool.warm_up().await.unwrap_err();
    insta::assert_snapshot!(shown(&error), @"warm up pool `orders`: 1 of 3 connections open after 1s; last connect error: sorry, too many clients already (1s ago)");
}

// J2: a pool that cannot be built: every bad option at once, with value and rule.
#[tokio::test(start_paused = true)]
async fn a_pool_that_cannot_be_built_says_why() {
    let (builder, _connector) = orders(0);
    let error = builder.min_connections(3).connect_concurrency(0).acquire_timeout(Duration::ZERO).build();
    let error = error.err().unwrap();
    assert!(matches!(error, BuildError::Options(_)));
    insta::assert_snapshot!(error, @"accept the pool options: max_connections = 0 must be from 1 to 1000000; min_connections = 3 must not exceed max_connections; connect_concurrency = 0 must be at least 1; acquire_timeout = 0s must be longer than zero: nothing may wait for ever, and nothing finishes in no time");
    let (builder, _connector) = orders(2);
    let error = builder.name("").build().err().unwrap();
    insta::assert_snapshot!(error, @"build the pool: its name is empty");
}

// J2: a pool without a runtime, and on one that cannot tell the time.
#[test]
fn a_pool_without_a_runtime_or_timers_says_so() {
    let (builder, _connector) = orders(2);
    let error = builder.build().err().unwrap();
    insta::assert_snapshot!(error, @"build pool `orders`: no tokio runtime here; call build inside one, or give the builder a runtime handle");
    let timeless = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let (builder, _connector) = orders(2);
    let error = builder.runtime(timeless.handle().clone()).build().err().unwrap();
    insta::assert_snapshot!(error, @"build pool `orders`: its tokio runtime has no timers; build the runtime with `enable_time` or `enable_all`");
}

// J10: two pools of one name.
#[tokio::test(start_paused = true)]
async fn a_duplicate_name_says_what_to_do() {
    let set = PoolSet::new();
    set.insert(orders(1).0.build().unwrap()).unwrap();
    let error = set.insert(orders(1).0.build().unwrap()).unwrap_err();
    insta::assert_snapshot!(error, @"add pool `orders`: the set has an open pool of this name; remove it first or choose another name");
}

/// An error with a story behind it, part of which it tells itself.
#[derive(Debug, thiserror::Error)]
#[error("connect to db.internal:5432")]
struct Refused(#[source] Handshake);

#[derive(Debug, thiserror::Error)]
#[error("TLS handshake: {0}")]
struct Handshake(#[source] std::io::Error);

/// A connector whose every connect fails with that error.
struct Hopeless;

/// A connection, and a secret that its `Debug` would tell.
#[derive(Debug)]
struct SecretBearer;

impl Connector for Hopeless {
    type Connection = SecretBearer;
    type Error = Refused;

    async fn connect(&self) -> Result<SecretBearer, Refused> {
        Err(Refused(Handshake(std::io::Error::other("certificate has expired"))))
    }

    async fn validate(&self, _connection: &mut SecretBearer) -> Result<(), Refused> {
        Ok(())
    }
}

// Promise 10: the sources of a connect error are told once, in one line, and the error itself can be had.
#[tokio::test(start_paused = true)]
async fn a_cause_is_told_with_its_sources_once() {
    let pool = Pool::builder(Hopeless).name("orders").min_connections(0).build().unwrap();
    let error = pool.acquire_timeout(ms(40)).await.unwrap_err();
    insta::assert_snapshot!(shown(&error.diagnosis().last_connect_failure.as_ref().unwrap().cause), @"connect to db.internal:5432: TLS handshake: certificate has expired");
    assert_eq!(error.to_string().matches("certificate has expired").count(), 1, "{error}");
    let cause = error.diagnosis().last_connect_failure.as_ref().unwrap().cause.error().unwrap();
    assert!(cause.downcast_ref::<Refused>().unwrap().source().is_some());
}

/// One of every error there is.
async fn every_error() -> (Vec<Box<dyn Error>>, Vec<AcquireError>) {
    let mut acquires = Vec::new();
    let (builder, connector) = orders(1);
    let pool = builder.max_waiting(1).build().unwrap();
    connector.connects().next(Act::Fail("connection refused"));
    let held = pool.acquire().await.unwrap();
    acquires.push(pool.acquire_timeout(secs(1)).await.unwrap_err());
    let waiter = start_acquire(&pool).await;
    acquires.push(pool.acquire().await.unwrap_err());
    drop((held, waiter.await.unwrap()));
    pool.pause();
    acquires.push(pool.acquire_timeout(secs(1)).await.unwrap_err());
    pool.resume();
    connector.go_down();
    pass(secs(1)).await;
    acquires.push(pool.acquire().await.unwrap_err());
    pool.reconfigure(|options| options.min_connections = 1).unwrap();
    let mut others: Vec<Box<dyn Error>> = vec![Box::new(pool.warm_up().await.unwrap_err())];
    pool.close(secs(1)).await;
    acquires.push(pool.acquire().await.unwrap_err());
    others.push(Box::new(pool.warm_up().await.unwrap_err()));
    others.push(Box::new(orders(0).0.build().err().unwrap()));
    others.push(Box::new(orders(1).0.name("").build().err().unwrap()));
    let (builder, connector) = orders(1);
    connector.connects().always(Act::Hang);
    let pool = builder.min_connections(1).acquire_timeout(ms(10)).build().unwrap();
    others.push(Box::new(pool.warm_up().await.unwrap_err()));
    others.extend(acquires.iter().map(|error| Box::new(error.clone()) as Box<dyn Error>));
    (others, acquires)
}

// Promise 10: no error repeats its source, and every one completes the sentence "failed to …".
#[tokio::test(start_paused = true)]
async fn no_error_repeats_its_source() {
    let (errors, _) = every_error().await;
    assert_eq!(errors.len(), 10);
    for error in errors {
        let text = error.to_string();
        assert!(text.starts_with(|first: char| first.is_lowercase()) && !text.ends_with('.'), "{text}");
        assert!(!text.contains('\n'), "one line: {text}");
        let mut source = error.source();
        while let Some(cause) = source {
            assert!(!text.contains(&cause.to_string()), "{text} repeats {cause}");
            source = cause.source();
        }
    }
}

// Promise 10: each kind answers to its own predicate and to no other; only a closed pool is not worth a retry.
#[tokio::test(start_paused = true)]
async fn every_error_answers_to_its_own_predicate() {
    let (_, errors) = every_error().await;
    let kinds: Vec<_> = errors
        .iter()
        .map(|error| {
            [
                error.is_timeout(),
                error.is_queue_full(),
                error.is_paused(),
                error.is_unavailable(),
                error.is_closed(),
            ]
        })
        .collect();
    for (index, kind) in kinds.iter().enumerate() {
        let own: Vec<_> = (0..5).map(|other| other == index).collect();
        assert_eq!(kind.as_slice(), own, "{}", errors[index]);
    }
    let retryable: Vec<_> = errors.iter().map(AcquireError::is_retryable).collect();
    assert_eq!(retryable, [true, true, true, true, false]);
}

// Promise 10: nothing that the pool shows contains the `Debug` of a connection, which may hold secrets.
#[tokio::test(start_paused = true)]
async fn nothing_shows_a_connection() {
    let recorder = Recorder::default();
    let (builder, connector) = orders(2);
    let pool = builder.leak_detection_threshold(secs(1)).observer(recorder.clone()).build().unwrap();
    let guards: [Guard; 2] = [pool.acquire().await.unwrap(), pool.acquire().await.unwrap()];
    assert!(format!("{:?}", *guards[0]).starts_with("FakeConnection"), "so it would look");
    pass(secs(3)).await;
    let mut shown = vec![format!("{guards:?} {pool:?} {:?}", pool.connections())];
    let error = pool.acquire_timeout(secs(1)).await.unwrap_err();
    shown.push(format!("{error} {error:?}"));
    guards[0].soil();
    connector.resets().next(Act::Fail("no"));
    drop(guards);
    connector.kill_all();
    pass(secs(1)).await;
    drop(pool.acquire_with(AcquireOptions::new().validated()).await.unwrap());
    let report = pool.close(secs(1)).await;
    shown.push(format!("{report} {report:?} {:?}", pool.snapshot()));
    settle().await;
    shown.extend(recorder.events().iter().map(|event| format!("{event:?} {:?}", event.trouble())));
    let (errors, _) = every_error().await;
    shown.extend(errors.iter().map(|error| format!("{error} {error:?}")));
    assert!(shown.len() > 20);
    for text in shown {
        assert!(!text.contains("FakeConnection"), "{text}");
    }
}
