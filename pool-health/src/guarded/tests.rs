//! Pools behind breakers, on a scripted connector and a paused clock.

use std::sync::Arc;

use pool_core::fake::{Act, FakeConnector};
use pool_core::{Pool, PoolBuilder, PoolEvent};
use tokio::time::{sleep, timeout};

use super::*;
use crate::breaker::{BreakerSettings, BreakerState};

type GuardedPool = Pool<Guarded<FakeConnector>>;

fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn breaker(settings: BreakerSettings, seed: u64) -> CircuitBreaker {
    CircuitBreaker::with_seed("orders", settings, seed).unwrap()
}

fn builder(connector: &FakeConnector, breaker: &CircuitBreaker) -> PoolBuilder<Guarded<FakeConnector>> {
    Pool::builder(Guarded::new(connector.clone(), breaker.clone())).name("orders")
}

/// A pool of two connections, behind a breaker, whose target has just died, and its connector.
async fn struck(settings: BreakerSettings, seed: u64) -> (GuardedPool, CircuitBreaker, FakeConnector) {
    let (connector, breaker) = (FakeConnector::new(), breaker(settings, seed));
    let pool = builder(&connector, &breaker).build().unwrap();
    pool.warm_up().await.unwrap();
    sleep(secs(1)).await;
    connector.go_down();
    let error = pool.acquire().await.unwrap_err();
    assert!(error.is_unavailable(), "{error}");
    (pool, breaker, connector)
}

#[tokio::test(start_paused = true)]
async fn a_pool_behind_a_breaker_fails_fast_with_the_cause_and_is_back_without_a_caller() {
    let (pool, breaker, connector) = struck(BreakerSettings::default(), 7).await;
    sleep(secs(1)).await;
    assert_eq!(breaker.state(), BreakerState::Open);
    let asked = connector.connects().calls();
    while breaker.state() == BreakerState::Open {
        let begun = Instant::now();
        let error = pool.acquire().await.unwrap_err();
        assert!(error.is_unavailable() && begun.elapsed() < ms(5), "{error}");
        assert!(error.to_string().contains("connection refused"), "{error}");
        assert_eq!(connector.connects().calls(), asked, "the target is left in peace");
        sleep(ms(10)).await;
    }

    sleep(secs(60)).await;
    connector.come_back();
    let next = pool.outage().unwrap().next_probe;
    sleep(next + ms(100)).await;
    assert_eq!((breaker.state(), pool.stats().idle), (BreakerState::Closed, 2), "nobody has called");
    assert!(pool.acquire().await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn the_pool_probes_when_the_breaker_is_due_and_hardly_later() {
    let (pool, breaker, connector) = struck(BreakerSettings::default(), 3).await;
    for _ in 0..8 {
        while breaker.state() != BreakerState::Open {
            sleep(ms(1)).await;
        }
        let asked = connector.connects().calls();
        let due = breaker.snapshot().next_probe.unwrap();
        let planned = pool.outage().unwrap().next_probe;
        assert!(
            planned >= due && planned <= due + (due / 10).min(secs(1)) + ms(2),
            "{planned:?} for {due:?}"
        );
        sleep(planned + ms(2)).await;
        assert_eq!(connector.connects().calls(), asked + 1, "one probe, and no connect refused before it");
    }
    assert_eq!(breaker.snapshot().not_permitted, 0);
}

/// What an outage of this length costs: connects while it lasts, and the time from its end to the first connection.
async fn outage(lasting: Duration, seed: u64) -> (u64, Duration) {
    let (connector, breaker) = (FakeConnector::new(), breaker(BreakerSettings::for_connects(), seed));
    let pool = builder(&connector, &breaker).min_connections(1).build().unwrap();
    pool.warm_up().await.unwrap();
    let before = connector.connects().calls();
    connector.go_down();
    pool.evict_all();
    sleep(lasting).await;
    let connects = connector.connects().calls() - before;
    connector.come_back();
    let healed = Instant::now();
    while pool.stats().idle == 0 {
        sleep(ms(1)).await;
    }
    (connects, healed.elapsed())
}

#[tokio::test(start_paused = true)]
async fn with_the_settings_for_connects_a_pool_is_as_quick_as_one_without_a_breaker() {
    for seed in 0..40 {
        let (connects, first) = outage(secs(5), seed).await;
        assert!(connects <= 30 && first <= ms(600), "seed {seed}: {connects} connects, back after {first:?}");
    }
    for seed in 0..10 {
        let (connects, first) = outage(secs(600), seed).await;
        assert!(
            connects <= 600 && first <= ms(2_200),
            "seed {seed}: {connects} connects, back after {first:?}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn pools_of_one_target_share_what_one_of_them_learns() {
    let (first, breaker, connector) = struck(BreakerSettings::default(), 7).await;
    sleep(secs(1)).await;
    assert_eq!(breaker.state(), BreakerState::Open);
    let asked = connector.connects().calls();

    let second = builder(&connector, &breaker).name("reports").min_connections(1).build().unwrap();
    let begun = Instant::now();
    let error = second.acquire().await.unwrap_err();
    assert!(error.is_unavailable() && begun.elapsed() < ms(5), "{error} after {:?}", begun.elapsed());
    assert!(error.to_string().contains("connection refused"), "{error}");
    assert_eq!(connector.connects().calls(), asked, "it has not asked the target itself");

    connector.connects().always(Act::Slow(ms(200)));
    let mut most = 0;
    for _ in 0..6_000 {
        let before = connector.connects().calls();
        sleep(ms(10)).await;
        most = most.max(connector.connects().calls() - before);
    }
    assert_eq!(most, 1, "one of them probes for both");
    connector.come_back();
    let mut quicker = None;
    while first.stats().idle + second.stats().idle < 3 {
        sleep(ms(1)).await;
        if first.stats().idle + second.stats().idle > 0 {
            quicker.get_or_insert(Instant::now());
        }
    }
    // It is due at the same time, a second later at most; or refused while the other one probes, and then asks again in half
    // a second. A connect takes a fifth, and one of them makes two.
    let later = quicker.unwrap().elapsed();
    assert!(later <= ms(2_000), "the other one follows after {later:?}");
    assert_eq!((first.stats().idle, second.stats().idle), (2, 1));
}

#[tokio::test(start_paused = true)]
async fn a_full_target_is_not_a_dead_one() {
    let (connector, breaker) = (FakeConnector::new(), breaker(BreakerSettings::default(), 7));
    let guarded = Guarded::new(connector.clone(), breaker.clone());
    connector.connects().always(Act::FailAs(ErrorClass::Capacity, "too many clients"));
    for _ in 0..50 {
        let error = guarded.connect().await.unwrap_err();
        assert_eq!(guarded.classify(&error), ErrorClass::Capacity);
        assert_eq!((error.to_string().as_str(), guarded.retry_after(&error)), ("too many clients", None));
    }
    assert_eq!((breaker.state(), breaker.snapshot().calls), (BreakerState::Closed, 0));
}

#[tokio::test(start_paused = true)]
async fn a_refusal_is_of_the_class_of_its_cause() {
    for class in [ErrorClass::Transient, ErrorClass::FatalThis, ErrorClass::FatalAll, ErrorClass::Auth] {
        let (connector, breaker) = (FakeConnector::new(), breaker(BreakerSettings::default(), 7));
        let guarded = Guarded::new(connector.clone(), breaker);
        connector.connects().always(Act::FailAs(class, "no"));
        for _ in 0..5 {
            let error = guarded.connect().await.unwrap_err();
            assert!(!error.is_open() && error.failure().is_some());
        }
        let error = guarded.connect().await.unwrap_err();
        assert!(error.is_open() && error.failure().is_none());
        assert_eq!(guarded.classify(&error), class);
        let text = error.to_string();
        assert!(text.ends_with(": no") && text.contains("next probe in 1."), "{text}");
        assert!(guarded.retry_after(&error).unwrap() >= secs(1));
    }
}

#[tokio::test(start_paused = true)]
async fn a_refused_login_is_not_hurried_by_the_breaker() {
    let (connector, breaker) = (FakeConnector::new(), breaker(BreakerSettings::for_connects(), 7));
    connector.connects().always(Act::FailAs(ErrorClass::Auth, "password rejected"));
    let pool = builder(&connector, &breaker).build().unwrap();
    assert!(pool.acquire().await.unwrap_err().to_string().contains("password rejected"));
    sleep(secs(3_600)).await;
    let asked = connector.connects().calls();
    assert!(asked <= 130, "{asked} logins in an hour");
}

#[tokio::test(start_paused = true)]
async fn a_cancelled_connect_gives_its_permit_back_and_one_that_hung_counts() {
    let settings = BreakerSettings { consecutive_failures: 2, ..BreakerSettings::default() };
    let (connector, breaker) = (FakeConnector::new(), breaker(settings, 7));
    let guarded = Guarded::new(connector.clone(), breaker.clone()).hung_after(ms(500));
    connector.connects().always(Act::Hang);
    for _ in 0..100 {
        assert!(timeout(ms(499), guarded.connect()).await.is_err());
    }
    assert_eq!(breaker.snapshot().calls, 0);
    for _ in 0..2 {
        assert!(timeout(ms(500), guarded.connect()).await.is_err());
    }
    let error = guarded.connect().await.unwrap_err();
    insta::assert_snapshot!(
        error,
        @"call `orders`: its circuit breaker has been open for 0s (next probe in 1.77s): no connection within 500ms"
    );
}

#[tokio::test(start_paused = true)]
async fn a_black_hole_opens_the_breaker_and_is_probed_by_one_connect_at_a_time() {
    let (connector, breaker) = (FakeConnector::new(), breaker(BreakerSettings::default(), 7));
    let pool = builder(&connector, &breaker).connect_timeout(secs(2)).build().unwrap();
    connector.connects().always(Act::Hang);
    assert!(pool.acquire().await.unwrap_err().is_unavailable());
    sleep(secs(20)).await;
    assert!(breaker.snapshot().opened >= 1);
    let before = connector.connects().calls();
    sleep(secs(600)).await;
    let probes = connector.connects().calls() - before;
    assert!((20..=40).contains(&probes), "every 15 to 30 s by now, two seconds each: {probes}");
    connector.connects().always(Act::Succeed);
    sleep(secs(35)).await;
    assert!(pool.acquire().await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn everything_but_connecting_goes_straight_through() {
    let (connector, breaker) = (FakeConnector::new(), breaker(BreakerSettings::default(), 7));
    let guarded = Guarded::new(connector.clone(), breaker.clone());
    let mut connection = guarded.connect().await.unwrap();
    breaker.force_open();
    assert!(guarded.validate(&mut connection).await.is_ok());
    connection.soil();
    assert_eq!(guarded.condition(&mut connection), Condition::Dirty);
    assert!(guarded.reset(&mut connection).await.is_ok());
    assert_eq!(guarded.condition(&mut connection), Condition::Clean);
    connector.kill_all();
    let error = guarded.validate(&mut connection).await.unwrap_err();
    assert_eq!(
        (error.to_string().as_str(), guarded.classify(&error)),
        ("terminated by the server", ErrorClass::Transient)
    );
    guarded.close(connection).await;
    assert_eq!((connector.closes().calls(), connector.open_now()), (1, 0));
    assert_eq!(guarded.target(), connector.target());
    assert_eq!(breaker.snapshot().calls, 0, "and says nothing about connects");
}

/// A thousand processes with a pool each, after 30 s without their server.
#[tokio::test(start_paused = true)]
async fn a_thousand_pools_do_not_storm_a_server_that_is_back() {
    let connector = FakeConnector::new();
    let created = Arc::new(std::sync::Mutex::new(Vec::new()));
    let begun = Instant::now();
    let mut pools = Vec::new();
    for seed in 0..1_000 {
        let breaker = breaker(BreakerSettings::default(), seed);
        let created = Arc::clone(&created);
        let watch = Watch(move |event: &PoolEvent| {
            if let PoolEvent::Created { .. } = event {
                created.lock().unwrap().push(begun.elapsed());
            }
        });
        pools.push(builder(&connector, &breaker).observer(watch).build().unwrap());
    }
    sleep(secs(1)).await;
    connector.go_down();
    for pool in &pools {
        pool.evict_all();
    }
    sleep(secs(30)).await;
    connector.come_back();
    let healed = begun.elapsed();
    created.lock().unwrap().clear();
    sleep(secs(40)).await;
    let mut by_second = [0_u32; 40];
    for at in created.lock().unwrap().iter() {
        by_second[usize::try_from((*at - healed).as_secs()).unwrap()] += 1;
    }
    assert_eq!(by_second.iter().sum::<u32>(), 2_000, "each has its two connections");
    // 1,000 pools within 15 s at best, two connects each: 133 a second if they were spread evenly, 2,000 if not at all.
    assert!(*by_second.iter().max().unwrap() <= 250, "{by_second:?}");
    assert!(connector.connecting_peak() > 0 && pools.iter().all(|pool| pool.stats().idle == 2));
}

struct Watch<F>(F);

impl<F: Fn(&PoolEvent) + Send + Sync + 'static> pool_core::Observer for Watch<F> {
    fn event(&self, _pool: &str, event: &PoolEvent) {
        self.0(event);
    }
}

/// A connector with a word of its own on when to try again.
struct Told(FakeConnector, Duration);

impl Connector for Told {
    type Connection = pool_core::fake::FakeConnection;
    type Error = pool_core::fake::FakeError;

    async fn connect(&self) -> Result<Self::Connection, Self::Error> {
        self.0.connect().await
    }

    async fn validate(&self, connection: &mut Self::Connection) -> Result<(), Self::Error> {
        self.0.validate(connection).await
    }

    fn retry_after(&self, _error: &Self::Error) -> Option<Duration> {
        Some(self.1)
    }
}

#[tokio::test(start_paused = true)]
async fn of_what_the_connector_and_the_breaker_say_the_later_counts() {
    let connector = FakeConnector::new();
    connector.go_down();
    for (own, expected) in [(secs(10), secs(10)..=secs(10)), (ms(1), secs(1)..=secs(2))] {
        let settings = BreakerSettings { consecutive_failures: 2, ..BreakerSettings::default() };
        let guarded = Guarded::new(Told(connector.clone(), own), breaker(settings, 7));
        let error = guarded.connect().await.unwrap_err();
        assert_eq!(guarded.retry_after(&error), Some(own), "the breaker is closed");
        let error = guarded.connect().await.unwrap_err();
        let hint = guarded.retry_after(&error).unwrap();
        assert!(expected.contains(&hint), "{hint:?}");
    }
}

/// The permit came back without a verdict when the pool's limit was below a second.
#[tokio::test(start_paused = true)]
async fn connects_that_a_hasty_pool_cuts_off_are_failures() {
    let (connector, breaker) = (FakeConnector::new(), breaker(BreakerSettings::default(), 7));
    connector.connects().always(Act::Hang);
    let pool = builder(&connector, &breaker).connect_timeout(ms(200)).build().unwrap();
    sleep(secs(10)).await;
    let snapshot = breaker.snapshot();
    assert!(snapshot.opened >= 1, "{snapshot:?}");
    assert_eq!(snapshot.cause.unwrap().to_string(), "no connection within 200ms");
    drop(pool);
}

#[tokio::test(start_paused = true)]
async fn a_connect_whose_connection_does_not_work_is_a_failure() {
    let (connector, breaker) = (FakeConnector::new(), breaker(BreakerSettings::default(), 7));
    connector.validations().always(Act::Fail("starting up"));
    let pool = builder(&connector, &breaker).build().unwrap();
    sleep(secs(5)).await;
    assert!(breaker.snapshot().opened >= 1 && pool.counters().created == 0);
    assert_eq!(connector.open_now(), 0);
    connector.validations().always(Act::Succeed);
    sleep(secs(34)).await;
    assert_eq!((breaker.state(), pool.stats().idle), (BreakerState::Closed, 2));
}
