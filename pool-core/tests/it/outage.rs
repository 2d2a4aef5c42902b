//! Group H, the target is down: what callers are told, and how often it is tried.

use std::time::Duration;

use pool_core::fake::{Act, FakeConnection, FakeConnector, FakeError};
use pool_core::{Connector, ErrorClass, Pool, PoolEvent};
use tokio::time::Instant;

use crate::support::{FakePool, Timeline, check_at_rest, lazy, ms, pass, secs, settle, start_acquire};

pub(crate) fn failures(timeline: &Timeline) -> Vec<Duration> {
    timeline.times(|event| matches!(event, PoolEvent::ConnectFailed { .. }))
}

pub(crate) fn started(timeline: &Timeline) -> Vec<Duration> {
    timeline.times(|event| matches!(event, PoolEvent::OutageStarted { .. }))
}

/// When outages ended, and how long each had lasted.
pub(crate) fn ended(timeline: &Timeline) -> Vec<(Duration, Duration)> {
    timeline.pick(|event| match event {
        PoolEvent::OutageEnded { lasted } => Some(*lasted),
        _ => None,
    })
}

/// A pool without connections that has learnt of its target's death.
pub(crate) async fn down(max: usize) -> (FakePool, FakeConnector, Timeline) {
    let timeline = Timeline::new();
    let (builder, connector) = lazy(max);
    let pool = builder.observer(timeline.clone()).build().unwrap();
    connector.go_down();
    let error = pool.acquire().await.unwrap_err();
    assert!(error.is_unavailable(), "{error}");
    (pool, connector, timeline)
}

// H6: known down and no connection lives: an acquire fails within 5 ms, with the cached cause, since when, and
// when the next probe is due. Exactly one probe is under way, however many ask.
#[tokio::test(start_paused = true)]
async fn while_the_target_is_down_acquires_fail_at_once_with_the_cached_cause() {
    let (pool, connector, _timeline) = down(10).await;
    let begun = Instant::now();
    for _ in 0..100 {
        let error = pool.acquire().await.unwrap_err();
        assert!(error.is_unavailable() && error.is_retryable(), "{error}");
        let diagnosis = error.diagnosis();
        let failure = diagnosis.last_connect_failure.as_ref().unwrap();
        assert_eq!(
            (failure.cause.to_string().as_str(), failure.class),
            ("connection refused", ErrorClass::Transient)
        );
        assert!(failure.cause.error().unwrap().is::<FakeError>());
        let outage = diagnosis.outage.unwrap();
        assert!(outage.since >= ms(500), "{outage:?}");
        assert!(outage.next_probe <= ms(500), "{outage:?}");
    }
    assert!(begun.elapsed() < ms(5), "{:?} for a hundred", begun.elapsed());
    assert!(pool.try_acquire().unwrap_err().is_unavailable());
    assert_eq!((pool.counters().unavailable, pool.stats().pending), (102, 0));

    // The first acquire had one connect under way; a crowd and a long outage have no more.
    connector.connects().always(Act::Slow(ms(70)));
    for _ in 0..2_000 {
        pass(ms(5)).await;
        assert!(pool.acquire().await.is_err());
        assert!(pool.stats().creating <= 1, "{:?}", pool.stats());
        let outage = pool.outage().unwrap();
        assert!(pool.stats().creating == 0 || outage.next_probe.is_zero(), "one is under way: {outage:?}");
    }
    assert_eq!(connector.connecting_peak(), 1);
}

// H6, H3: the same when the target swallows every packet: acquires fail at once, no more connects hang than
// `connect_concurrency` allows, and the error does not promise a probe for later while one is under way.
#[tokio::test(start_paused = true)]
async fn in_a_black_hole_acquires_fail_at_once_as_well() {
    let (builder, connector) = lazy(10);
    let pool = builder.connect_timeout(secs(2)).build().unwrap();
    connector.connects().always(Act::Hang);
    let begun = Instant::now();
    assert!(pool.acquire().await.unwrap_err().is_unavailable());
    assert!(begun.elapsed() <= secs(2) + ms(5), "as soon as the first connect has timed out");
    for _ in 0..2_000 {
        pass(ms(5)).await;
        let begun = Instant::now();
        let error = pool.acquire().await.unwrap_err();
        assert!(error.is_unavailable() && begun.elapsed() < ms(5), "{error}");
        // Of two probes one has the whole time.
        let text = error.to_string();
        let told =
            ["2s", "500ms"].iter().any(|limit| text.contains(&format!("no connection within {limit}")));
        assert!(told, "{error}");
        let outage = error.diagnosis().outage.unwrap();
        assert!(error.diagnosis().stats.creating == 0 || outage.next_probe.is_zero(), "{error}");
    }
    assert!(connector.connecting_peak() <= 2);
}

// H6: who waited before the outage was known fails as soon as it is, not at his deadline.
#[tokio::test(start_paused = true)]
async fn callers_in_line_fail_as_soon_as_the_outage_is_known() {
    let (builder, connector) = lazy(10);
    let pool = builder.acquire_timeout(secs(30)).build().unwrap();
    connector.go_down();
    let begun = Instant::now();
    let mut waiters = Vec::new();
    for _ in 0..50 {
        waiters.push(start_acquire(&pool).await);
    }
    for waiter in waiters {
        assert!(waiter.await.unwrap().unwrap_err().is_unavailable());
    }
    let took = begun.elapsed();
    assert!(took >= ms(500) && took <= ms(1_000), "after a blip and one more attempt: {took:?}");
}

// H6: an outage of less than half a second costs nobody an error, whenever in that time the target is back and
// whatever jitter makes of the attempts.
#[tokio::test(start_paused = true)]
async fn a_blip_is_ridden_out() {
    for round in 0..50 {
        let timeline = Timeline::new();
        let (builder, connector) = lazy(4);
        let pool = builder.observer(timeline.clone()).build().unwrap();
        connector.go_down();
        let waiters = [start_acquire(&pool).await, start_acquire(&pool).await];
        let lasting = ms(10 * round);
        pass(lasting).await;
        connector.come_back();
        for waiter in waiters {
            let served = waiter.await.unwrap();
            assert!(served.is_ok(), "down for {lasting:?}: {}", served.unwrap_err());
        }
        settle().await;
        assert!(started(&timeline).is_empty() && ended(&timeline).is_empty());
        assert!(!failures(&timeline).is_empty());
        check_at_rest(&pool, &connector);
    }
}

// H6: with fail_fast off callers wait to their deadline, and are served if the target is back before it.
#[tokio::test(start_paused = true)]
async fn without_fail_fast_callers_wait_for_the_target() {
    let (builder, connector) = lazy(4);
    let pool = builder.fail_fast(false).acquire_timeout(secs(10)).build().unwrap();
    connector.go_down();
    let begun = Instant::now();
    let error = pool.acquire().await.unwrap_err();
    assert!(error.is_timeout(), "{error}");
    assert_eq!(begun.elapsed(), secs(10));
    assert!(error.to_string().contains("connection refused"), "{error}");
    let waiter = start_acquire(&pool).await;
    pass(secs(5)).await;
    connector.come_back();
    let returned = Instant::now();
    waiter.await.unwrap().unwrap();
    assert!(returned.elapsed() <= ms(500), "{:?}", returned.elapsed());
}

// H6: a connection lives: the pool is not down, so callers wait for it.
#[tokio::test(start_paused = true)]
async fn while_a_connection_lives_callers_wait_for_it() {
    let timeline = Timeline::new();
    let (builder, connector) = lazy(4);
    let pool = builder.observer(timeline.clone()).build().unwrap();
    let guard = pool.acquire().await.unwrap();
    connector.connects().always(Act::Fail("connection refused"));
    let waiter = start_acquire(&pool).await;
    pass(secs(20)).await;
    assert!(!waiter.is_finished());
    drop(guard);
    assert_eq!(waiter.await.unwrap().unwrap().number(), 1);
    assert!(started(&timeline).is_empty(), "it was never down");
}

// H6, D9: attempts follow the back-off: 50 ms, half as much again each time, at most 500 ms in the first
// minute and 2 s later, each shortened by jitter to no less than half; and each failure says what comes.
#[tokio::test(start_paused = true)]
async fn attempts_follow_the_back_off() {
    let (pool, _connector, timeline) = down(10).await;
    pass(secs(180)).await;
    let told = timeline.pick(|event| match event {
        PoolEvent::ConnectFailed { failures, retry_in, .. } => Some((*failures, *retry_in)),
        _ => None,
    });
    let mut longest = 0.050;
    for (index, pair) in told.windows(2).enumerate() {
        let ((at, (failures, retry_in)), (next, _)) = (pair[0], pair[1]);
        assert_eq!(failures as usize, index + 1);
        let apart = next - at;
        assert!(apart >= retry_in && apart <= retry_in + ms(1), "told {retry_in:?}, was {apart:?}");
        let cap: f64 = if at < secs(60) { 0.5 } else { 2.0 };
        let full = Duration::from_secs_f64(cap.min(longest));
        assert!(retry_in >= full / 2 && retry_in <= full, "attempt {failures} at {at:?}: {retry_in:?}");
        longest *= 1.5;
    }
    let within = |limit| told.iter().filter(|(at, _)| *at <= limit).count();
    assert!((14..=30).contains(&within(secs(5))), "{} attempts in 5 s", within(secs(5)));
    assert!(told.len() >= within(secs(60)) + 60, "it never gives up");
    assert_eq!(pool.outage().unwrap().failures as usize, told.len());
}

// H6, D12: a refused login is known at once; attempts are 5 s apart and more, up to a minute; the error says
// why; and after the credentials were changed, evict_all tries again at once.
#[tokio::test(start_paused = true)]
async fn a_refused_login_is_known_at_once_and_retried_slowly() {
    let timeline = Timeline::new();
    let (builder, connector) = lazy(4);
    let pool = builder.connect_concurrency(1).observer(timeline.clone()).build().unwrap();
    connector.connects().always(Act::FailAs(ErrorClass::Auth, "password authentication failed"));
    let begun = Instant::now();
    for _ in 0..10 {
        let error = pool.acquire().await.unwrap_err();
        assert!(error.is_unavailable(), "{error}");
        let failure = error.diagnosis().last_connect_failure.as_ref().unwrap();
        assert_eq!(failure.class, ErrorClass::Auth);
        assert!(error.to_string().contains("password authentication failed"), "{error}");
    }
    assert!(begun.elapsed() < ms(5), "{:?}", begun.elapsed());
    assert_eq!(started(&timeline).len(), 1);
    pass(secs(600)).await;
    let attempts = failures(&timeline);
    let mut longest = secs(5);
    for pair in attempts.windows(2) {
        let apart = pair[1] - pair[0];
        assert!(apart >= longest / 2 && apart <= longest + ms(1), "{apart:?} of {longest:?}");
        longest = (2 * longest).min(secs(60));
    }
    assert!(attempts.len() <= 25, "{}", attempts.len());
    connector.connects().always(Act::Succeed);
    pool.evict_all();
    let changed = Instant::now();
    pool.acquire().await.unwrap();
    assert_eq!(changed.elapsed(), Duration::ZERO);
    assert_eq!(ended(&timeline).len(), 1);
}

// A connect that was begun with the old password tells nothing of the new one: nobody fails because of it.
#[tokio::test(start_paused = true)]
async fn a_connect_of_before_an_eviction_tells_of_no_outage() {
    let (builder, connector) = lazy(4);
    let pool = builder.build().unwrap();
    connector.connects().next(Act::SlowThenFailAs(
        ms(100),
        ErrorClass::Auth,
        "password authentication failed",
    ));
    let caller = start_acquire(&pool).await;
    pool.evict_all(); // the password was changed
    drop(caller.await.unwrap().unwrap());
    pass(ms(200)).await;
    assert_eq!((pool.counters().connect_failed, pool.outage()), (1, None));
    drop(pool.acquire().await.unwrap());
}

// H6, D11: the server has no room: growth stops for a while, what there is is kept and used, nobody is told of
// an outage, and growth goes on when there is room.
#[tokio::test(start_paused = true)]
async fn a_full_server_is_no_outage() {
    let timeline = Timeline::new();
    let (builder, connector) = lazy(10);
    let pool =
        builder.connect_concurrency(1).acquire_timeout(secs(60)).observer(timeline.clone()).build().unwrap();
    let guard = pool.acquire().await.unwrap();
    connector.connects().always(Act::FailAs(ErrorClass::Capacity, "too many connections"));
    let waiters = [start_acquire(&pool).await, start_acquire(&pool).await, start_acquire(&pool).await];
    pass(secs(30)).await;
    assert!(waiters.iter().all(|waiter| !waiter.is_finished()), "they wait");
    let attempts = failures(&timeline);
    let mut longest = ms(200);
    for pair in attempts.windows(2) {
        let apart = pair[1] - pair[0];
        assert!(apart >= longest / 2 && apart <= longest + ms(1), "{apart:?} of {longest:?}");
        longest = (2 * longest).min(secs(5));
    }
    assert!(attempts.len() >= 9, "it goes on asking: {attempts:?}");
    drop(guard);
    settle().await;
    assert_eq!(waiters.iter().filter(|waiter| waiter.is_finished()).count(), 1, "the old one is used");
    connector.connects().always(Act::Succeed);
    let room = Instant::now();
    for waiter in waiters {
        waiter.await.unwrap().unwrap();
    }
    assert!(room.elapsed() <= secs(5), "{:?}", room.elapsed());
    assert!(started(&timeline).is_empty() && ended(&timeline).is_empty());
    assert_eq!(pool.counters().unavailable, 0);
}

// H6, D11: without a single connection callers of a full server wait to their deadline, which tells why.
#[tokio::test(start_paused = true)]
async fn callers_of_a_full_server_wait_and_are_told_why() {
    let (builder, connector) = lazy(10);
    let pool = builder.build().unwrap();
    connector.connects().always(Act::FailAs(ErrorClass::Capacity, "too many connections"));
    let error = pool.acquire_timeout(secs(20)).await.unwrap_err();
    assert!(error.is_timeout(), "{error}");
    assert!(error.to_string().contains("too many connections"), "{error}");
    assert_eq!(error.diagnosis().last_connect_failure.as_ref().unwrap().class, ErrorClass::Capacity);
}

// H9: one pool's target is down, or swallows every packet: another pool is not delayed by it.
#[tokio::test(start_paused = true)]
async fn an_outage_of_one_pool_does_not_delay_another() {
    for act in [Act::Fail("connection refused"), Act::Hang] {
        let (bad, broken) = lazy(50);
        let bad = bad.name("bad").connect_concurrency(50).min_connections(50).build().unwrap();
        broken.connects().always(act.clone());
        let (good, connector) = lazy(2);
        let good = good.name("good").min_connections(2).build().unwrap();
        good.warm_up().await.unwrap();
        let mut hopeless = Vec::new();
        for _ in 0..200 {
            hopeless.push(start_acquire(&bad).await);
        }
        for _ in 0..500 {
            pass(ms(10)).await;
            let begun = Instant::now();
            let guard = good.acquire().await.unwrap();
            assert_eq!(begun.elapsed(), Duration::ZERO, "{act:?}");
            drop(guard);
        }
        assert!(good.outage().is_none() && good.counters().connect_failed == 0);
        check_at_rest(&good, &connector);
        assert_eq!(bad.stats().open(), 0);
    }
}

#[tokio::test(start_paused = true)]
async fn without_fail_fast_warm_up_waits_for_a_target_that_is_still_starting() {
    let (builder, connector) = lazy(2);
    connector.go_down();
    let pool = builder.fail_fast(false).min_connections(1).acquire_timeout(secs(20)).build().unwrap();
    let warm = tokio::spawn({
        let pool = pool.clone();
        async move { pool.warm_up().await }
    });
    pass(secs(5)).await;
    assert!(!warm.is_finished());
    connector.come_back();
    warm.await.unwrap().unwrap();
}

/// A connector that knows when to try again.
struct Told {
    fake: FakeConnector,
    after: Duration,
}

impl Connector for Told {
    type Connection = FakeConnection;
    type Error = FakeError;

    async fn connect(&self) -> Result<FakeConnection, FakeError> {
        self.fake.connect().await
    }

    async fn validate(&self, connection: &mut FakeConnection) -> Result<(), FakeError> {
        self.fake.validate(connection).await
    }

    fn classify(&self, error: &FakeError) -> ErrorClass {
        self.fake.classify(error)
    }

    fn retry_after(&self, _error: &FakeError) -> Option<Duration> {
        Some(self.after)
    }
}

#[tokio::test(start_paused = true)]
async fn a_connector_that_knows_when_to_retry_is_heeded_and_callers_need_not_wait_for_it() {
    for class in [ErrorClass::Transient, ErrorClass::Capacity] {
        let fake = FakeConnector::new();
        fake.connects().always(Act::FailAs(class, "come again later"));
        let told = Told { fake: fake.clone(), after: secs(20) };
        let builder = Pool::builder(told).min_connections(1).acquire_timeout(secs(1));
        let pool = builder.build().unwrap();
        settle().await;
        let begun = Instant::now();
        let error = pool.acquire().await.unwrap_err();
        assert!(error.to_string().contains("come again later"), "{error}");
        // A full server is no outage; but there is nobody to give a connection back, and the next comes too late.
        assert_eq!((begun.elapsed(), error.is_unavailable()), (Duration::ZERO, true), "{error}");

        fake.connects().always(Act::Succeed);
        tokio::time::sleep_until(begun + secs(20) - ms(1)).await;
        assert_eq!(fake.connects().calls(), 1, "never earlier");
        pass(secs(1) + ms(2)).await;
        assert_eq!(pool.stats().idle, 1, "a second later at most, and without a caller");
    }
}
