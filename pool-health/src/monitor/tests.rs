//! The monitor over pools of fake connections, and over pools that are nothing but a script.

mod reviewed;
mod scripted;
mod second_review;

use std::time::Duration;

use pool_core::fake::{Act, FakeConnector};
use pool_core::{AcquireOptions, ErrorClass, Pool, PoolBuilder, Pooled, Priority};
use tokio::time::{advance, sleep};

use super::*;
use crate::status::Issue;

/// What was told, in order.
#[derive(Default)]
struct Told(Mutex<Vec<String>>);

impl HealthObserver for Told {
    fn event(&self, pool: &str, event: &HealthEvent) {
        let line = match event {
            HealthEvent::CheckStarted | HealthEvent::CheckCompleted { .. } => return,
            HealthEvent::CheckAbandoned => return,
            HealthEvent::Missed { events } => format!("{pool}: {events} missed"),
            HealthEvent::StatusChanged { from, to, .. } => format!("{pool}: {from} -> {to}"),
            HealthEvent::Lost { .. } => format!("{pool}: lost"),
            HealthEvent::Recovered { .. } => format!("{pool}: recovered"),
            HealthEvent::RecoveryExhausted { attempts, .. } => format!("{pool}: {attempts} attempts"),
        };
        self.0.lock().unwrap().push(line);
    }
}

impl Told {
    fn take(&self) -> Vec<String> {
        std::mem::take(&mut self.0.lock().unwrap())
    }
}

/// A monitor of one pool of fake connections.
struct Place {
    connector: FakeConnector,
    pools: PoolSet,
    health: HealthMonitor,
    told: Arc<Told>,
}

impl Place {
    fn new(settings: HealthSettings) -> Self {
        let (pools, told) = (PoolSet::new(), Arc::new(Told::default()));
        let health = HealthMonitor::new(pools.clone(), settings).unwrap();
        health.subscribe(told.clone());
        Place { connector: FakeConnector::new(), pools, health, told }
    }

    fn pool(
        &self,
        change: impl FnOnce(PoolBuilder<FakeConnector>) -> PoolBuilder<FakeConnector>,
    ) -> Pool<FakeConnector> {
        let builder = Pool::builder(self.connector.clone()).name("orders").observer(self.health.observer());
        let pool = change(builder).build().unwrap();
        self.pools.insert(pool.clone()).unwrap();
        pool
    }

    fn report(&self) -> HealthReport {
        self.health.report("orders").unwrap()
    }

    fn status(&self) -> HealthStatus {
        self.health.status("orders")
    }
}

fn exact() -> HealthSettings {
    HealthSettings { jitter: 0.0, ..HealthSettings::default() }
}

async fn seconds(seconds: u64) {
    sleep(Duration::from_secs(seconds)).await;
}

async fn hold(pool: &Pool<FakeConnector>, count: usize) -> Vec<Pooled<FakeConnector>> {
    let mut held = Vec::new();
    for _ in 0..count {
        held.push(pool.acquire().await.unwrap());
    }
    held
}

#[tokio::test(start_paused = true)]
async fn it_says_what_is_known_of_a_target_and_of_its_connections() {
    let place = Place::new(exact());
    let pool = place.pool(|pool| pool.min_connections(2));
    assert!(!place.health.is_running());
    place.health.start();
    place.health.start();
    assert!(place.health.is_running());
    seconds(1).await;
    let report = place.report();
    assert!(report.is_healthy() && report.checks == 1 && report.failed_checks == 0, "{report:?}");
    assert_eq!(report.to_string(), "orders: healthy for 1s");
    assert_eq!((report.last_check, report.last_failure), (Some(Duration::from_secs(1)), None));
    seconds(60).await;
    assert_eq!(place.report().checks, 2);

    let connections = place.health.connections("orders");
    assert_eq!(connections.len(), pool.stats().total);
    let checked = connections.iter().find(|health| health.last_check.is_some()).unwrap();
    assert!(checked.is_healthy && checked.occasion == Some(pool_core::Occasion::Acquire));
    assert!(place.health.unhealthy_connections().is_empty());
    place.connector.kill_all();
    place.health.check("orders").await.unwrap();
    let unhealthy = place.health.unhealthy_connections();
    assert!(!unhealthy.is_empty() && unhealthy.iter().all(|health| health.state.is_none()), "{unhealthy:?}");
    assert!(unhealthy[0].error.is_some());

    place.health.stop().await;
    assert!(!place.health.is_running());
    let checks = place.report().checks;
    seconds(600).await;
    assert_eq!(place.report().checks, checks);
    assert_eq!(place.health.status("stock"), HealthStatus::Unknown);
    let error = place.health.check("stock").await.unwrap_err();
    insta::assert_snapshot!(error, @"check pool `stock`: there is no open pool of this name");
}

/// H1, H2, H11: at once, not at the next check.
#[tokio::test(start_paused = true)]
async fn an_outage_is_known_at_once_and_so_is_its_end() {
    let place = Place::new(exact());
    let pool = place.pool(|pool| pool.min_connections(2));
    place.health.start();
    seconds(10).await;
    assert_eq!(place.told.take(), ["orders: unknown -> healthy"]);
    place.connector.go_down();
    // Somebody has to meet the dead connections; 50 s remain to the next check.
    drop(pool.acquire_with(AcquireOptions::new().validated()).await.unwrap_err());
    assert_eq!(place.status(), HealthStatus::Unhealthy);
    let report = place.report();
    assert!(matches!(&report.issues[..], [Issue::Down { .. }]), "{report}");
    seconds(60).await;
    assert_eq!(place.told.take(), ["orders: healthy -> unhealthy", "orders: lost", "orders: 3 attempts"]);
    let report = place.report();
    assert!(report.consecutive_failures > 3 && report.last_failure.is_some());
    insta::assert_snapshot!(report.issues[0], @"no connection can be opened and none lives: connection refused");

    place.connector.come_back();
    // The pool's own probe, a check at once, and a second one.
    seconds(4).await;
    assert_eq!(place.status(), HealthStatus::Healthy);
    let told = ["orders: unhealthy -> recovering", "orders: recovering -> healthy", "orders: recovered"];
    assert_eq!(place.told.take(), told);
    assert_eq!(pool.stats().idle, 2, "it has reconnected to its minimum");
}

/// H8.
#[tokio::test(start_paused = true)]
async fn a_target_that_is_down_at_the_start_is_found_so_and_becomes_healthy_by_itself() {
    let place = Place::new(exact());
    place.connector.go_down();
    place.pool(|pool| pool.min_connections(1));
    place.health.start();
    seconds(2).await;
    assert_eq!(place.status(), HealthStatus::Unhealthy);
    place.connector.come_back();
    seconds(4).await;
    assert_eq!(place.status(), HealthStatus::Healthy);
}

/// H10.
#[tokio::test(start_paused = true)]
async fn a_full_pool_that_works_is_degraded_and_a_reserve_lets_it_be_checked() {
    let place = Place::new(exact());
    let pool = place
        .pool(|pool| pool.max_connections(3).reserve_connections(1).acquire_timeout(Duration::from_secs(2)));
    place.health.start();
    seconds(1).await;
    let held = hold(&pool, 2).await;
    for _ in 0..3 {
        drop(pool.acquire().await.unwrap_err());
    }
    let report = place.health.check("orders").await.unwrap();
    assert_eq!(report.status, HealthStatus::Degraded);
    insta::assert_snapshot!(report.issues[0], @"pool exhausted: 2 in use, 0 waiting, 3 refused or too late");
    assert_eq!(report.failed_checks, 0);
    drop(held);
    let report = place.health.check("orders").await.unwrap();
    assert!(report.is_healthy(), "{report}");
}

/// H10: without a reserve there is no connection to check with, and none to blame.
#[tokio::test(start_paused = true)]
async fn a_full_pool_without_a_reserve_is_degraded_whatever_its_holders_do() {
    let place = Place::new(exact());
    let pool = place.pool(|pool| pool.max_connections(2));
    place.health.start();
    seconds(1).await;
    let held = hold(&pool, 2).await;
    seconds(300).await;
    let report = place.report();
    assert_eq!((report.status, report.failed_checks), (HealthStatus::Degraded, 0), "{report}");
    assert!(matches!(&report.issues[..], [Issue::Exhausted { active: 2, .. }]), "{report}");
    assert_eq!(pool.counters().failed(), 0, "every caller was served");
    drop(held);
    seconds(10).await;
    assert_eq!(place.status(), HealthStatus::Healthy);
    assert!(!place.told.take().iter().any(|line| line.contains("lost")));
}

/// H10: what works is used, and what fails is named.
#[tokio::test(start_paused = true)]
async fn old_connections_work_and_new_ones_fail_has_a_name() {
    let place = Place::new(exact());
    let pool = place.pool(|pool| pool.max_connections(3).min_connections(1));
    place.health.start();
    seconds(1).await;
    let refused = Act::FailAs(ErrorClass::Auth, "the password is wrong");
    place.connector.connects().always(refused);
    let held = hold(&pool, pool.stats().open()).await;
    drop(pool.acquire_timeout(Duration::from_secs(1)).await.unwrap_err());
    drop(held);
    let report = place.health.check("orders").await.unwrap();
    assert_eq!(report.status, HealthStatus::Degraded);
    insta::assert_snapshot!(report.issues[0], @"old connections work, new ones fail: the password is wrong");
}

#[tokio::test(start_paused = true)]
async fn a_full_server_is_named_and_a_connect_that_hung_while_others_succeeded_is_not() {
    let place = Place::new(exact());
    let pool = place.pool(|pool| pool.max_connections(3).min_connections(1));
    place.health.start();
    seconds(1).await;
    place.connector.connects().next(Act::Hang);
    let held = hold(&pool, 3).await;
    drop(held);
    seconds(10).await;
    assert_eq!(pool.counters().connect_failed, 1);
    let report = place.health.check("orders").await.unwrap();
    insta::assert_snapshot!(report.issues[0], @"1 of 3 connects failed");
    assert!(place.health.check("orders").await.unwrap().is_healthy());

    pool.evict_idle();
    place
        .connector
        .connects()
        .next(Act::Succeed)
        .always(Act::FailAs(ErrorClass::Capacity, "too many clients"));
    let held = hold(&pool, 1).await;
    drop(pool.acquire_timeout(Duration::from_secs(1)).await.unwrap_err());
    drop(held);
    let report = place.health.check("orders").await.unwrap();
    insta::assert_snapshot!(report.issues[0], @"old connections work, new ones fail: too many clients");
}

/// H5: twenty times slower than usual.
#[tokio::test(start_paused = true)]
async fn a_slow_target_is_degraded_and_not_down() {
    let place = Place::new(exact());
    place.pool(|pool| pool.min_connections(1));
    place.connector.validations().always(Act::Slow(Duration::from_millis(2)));
    place.health.start();
    seconds(300).await;
    assert!(place.report().is_healthy());
    place.connector.validations().always(Act::Slow(Duration::from_millis(40)));
    seconds(70).await;
    let report = place.report();
    assert_eq!(report.status, HealthStatus::Degraded);
    insta::assert_snapshot!(report.issues[0], @"slow: a round trip took 40ms, usual are 2.14ms");
    place.connector.validations().always(Act::Slow(Duration::from_millis(2)));
    seconds(20).await;
    assert!(place.report().is_healthy());
    assert_eq!(place.report().failed_checks, 0);
}

/// E4: a validation that gets no answer.
#[tokio::test(start_paused = true)]
async fn a_target_that_answers_nothing_is_lost_after_as_many_checks_as_it_takes() {
    let place = Place::new(HealthSettings { timeout: Duration::from_secs(2), ..exact() });
    place.pool(|pool| pool.min_connections(1).keepalive_interval(Duration::ZERO));
    place.health.start();
    seconds(30).await;
    assert!(place.report().is_healthy());
    place.connector.validations().always(Act::Hang);
    place.connector.connects().always(Act::Hang);
    // Due at 60 s, then every 2 s: each takes longer than the fast interval.
    seconds(37).await;
    let report = place.report();
    assert_eq!(report.status, HealthStatus::Unhealthy, "{report}");
    insta::assert_snapshot!(report.issues[0], @"the last check failed: no answer within 2s");
}

#[tokio::test(start_paused = true)]
async fn a_pool_that_needs_no_connection_is_not_kept_busy() {
    let place = Place::new(exact());
    let pool = place.pool(|pool| pool.min_connections(0).idle_timeout(Duration::from_secs(10)));
    place.health.start();
    seconds(600).await;
    assert_eq!((place.status(), place.connector.opened()), (HealthStatus::Unknown, 0));
    drop(pool.acquire().await.unwrap());
    seconds(1200).await;
    assert_eq!(pool.stats().total, 0, "checks do not keep it");
    place.health.set_interval("orders", Some(Duration::from_secs(3))).unwrap();
    drop(pool.acquire().await.unwrap());
    seconds(60).await;
    assert_eq!((place.status(), pool.stats().total), (HealthStatus::Healthy, 0), "nor do many of them");
    let report = place.health.check("orders").await.unwrap();
    assert!(report.is_healthy(), "whoever asks for it gets a check");
}

#[tokio::test(start_paused = true)]
async fn pools_come_and_go() {
    let place = Place::new(exact());
    place.health.start();
    seconds(10).await;
    let pool = place.pool(|pool| pool.min_connections(1));
    seconds(2).await;
    assert_eq!(place.status(), HealthStatus::Healthy);
    pool.close(Duration::ZERO).await;
    seconds(2).await;
    assert!(place.health.report("orders").is_none() && place.health.reports().is_empty());
    let again = place.pool(|pool| pool.min_connections(1));
    place.health.refresh();
    assert_eq!(place.status(), HealthStatus::Unknown, "another pool of that name");
    seconds(1).await;
    assert_eq!(place.status(), HealthStatus::Healthy);
    drop(again);
    place.pools.remove("orders");
    seconds(2).await;
    assert_eq!(place.connector.open_now(), 0, "being watched keeps no pool open");
}

#[tokio::test(start_paused = true)]
async fn a_panicking_observer_and_one_that_calls_back_do_no_harm() {
    let place = Place::new(exact());
    place.health.on_status_changed(|_, _, _| panic!("told too much"));
    let (calls, health) = (Arc::new(Mutex::new(Vec::new())), place.health.clone());
    let noted = Arc::clone(&calls);
    place.health.on_lost(move |pool, report| {
        assert_eq!(health.report(pool).unwrap().status, report.status);
        noted.lock().unwrap().push(pool.to_owned());
    });
    let noted = Arc::clone(&calls);
    place.health.on_recovered(move |pool, _| noted.lock().unwrap().push(format!("{pool} is back")));
    place.connector.go_down();
    place.pool(|pool| pool.min_connections(1));
    place.health.start();
    seconds(5).await;
    place.connector.come_back();
    seconds(5).await;
    assert_eq!(*calls.lock().unwrap(), ["orders", "orders is back"]);
}

#[tokio::test(start_paused = true)]
async fn the_last_handle_ends_the_task() {
    let place = Place::new(exact());
    place.pool(|pool| pool.min_connections(1));
    place.health.start();
    seconds(1).await;
    let tasks = || tokio::runtime::Handle::current().metrics().num_alive_tasks();
    let before = tasks();
    let Place { health, pools, .. } = place;
    drop(health);
    seconds(2).await;
    assert_eq!(tasks(), before - 1);
    drop(pools);
}

#[tokio::test(start_paused = true)]
async fn when_it_has_stopped_no_check_is_under_way() {
    let place = Place::new(exact());
    let pool = place.pool(|pool| pool.min_connections(1));
    place.connector.validations().always(Act::Hang);
    place.health.start();
    seconds(1).await;
    assert_eq!(pool.stats().pending, 1, "a check hangs");
    place.health.stop().await;
    assert_eq!((pool.stats().pending, place.health.is_running()), (0, false));
    place.connector.validations().always(Act::Succeed);
    place.health.start();
    seconds(70).await;
    assert_eq!(place.status(), HealthStatus::Healthy);
}

/// What cannot be begun any more is dropped, which must not wait for the one who begins it.
#[test]
fn a_runtime_may_end_at_any_moment() {
    for _ in 0..50 {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let settings = HealthSettings { check_interval: Duration::from_millis(1), ..exact() };
        let place = runtime.block_on(async { Place::new(settings) });
        runtime.block_on(async {
            place.pool(|pool| pool.min_connections(1));
            place.health.start();
            sleep(Duration::from_millis(3)).await;
        });
        runtime.shutdown_background();
        assert_eq!(place.health.status("stock"), HealthStatus::Unknown, "nobody holds the lock");
    }
}

#[tokio::test(start_paused = true)]
async fn bad_settings_change_nothing_and_good_ones_hold_at_once() {
    let place = Place::new(exact());
    place.pool(|pool| pool.min_connections(1));
    place.health.start();
    seconds(1).await;
    let bad = HealthSettings { rise: 0, ..exact() };
    assert!(place.health.set_settings(bad).is_err());
    assert_eq!(place.health.settings(), exact());
    assert!(place.health.set_interval("orders", Some(Duration::ZERO)).is_err());
    let checks = place.report().checks;
    place.health.set_settings(HealthSettings { check_interval: Duration::from_secs(2), ..exact() }).unwrap();
    seconds(10).await;
    assert_eq!(place.report().checks, checks + 5);
    place.health.set_interval("orders", Some(Duration::from_secs(1))).unwrap();
    seconds(10).await;
    assert_eq!(place.report().checks, checks + 15);
    place.health.set_interval("orders", None).unwrap();
    seconds(10).await;
    assert_eq!(place.report().checks, checks + 20);
}

/// "It must show" 5: every other target's interval is kept, to the millisecond of a paused clock.
#[tokio::test(start_paused = true)]
async fn ten_targets_of_fifty_that_hang_delay_no_other() {
    const INTERVAL: Duration = Duration::from_secs(1);
    let pools = PoolSet::new();
    let settings = HealthSettings { check_interval: INTERVAL, down_interval: INTERVAL, ..exact() };
    let health = HealthMonitor::new(pools.clone(), settings).unwrap();
    let begun = Arc::new(Mutex::new(BTreeMap::<String, Vec<Instant>>::new()));
    let noted = Arc::clone(&begun);
    health.on(move |pool, event| {
        if let HealthEvent::CheckStarted = event {
            noted.lock().unwrap().entry(pool.to_owned()).or_default().push(Instant::now());
        }
    });
    for number in 0..50 {
        let connector = FakeConnector::new();
        let act = if number % 5 == 0 { Act::Hang } else { Act::Slow(Duration::from_millis(3)) };
        connector.validations().always(act);
        let pool = Pool::builder(connector).name(format!("p{number}")).min_connections(1);
        pools.insert(pool.observer(health.observer()).build().unwrap()).unwrap();
    }
    seconds(1).await;
    health.start();
    seconds(60).await;
    let begun = begun.lock().unwrap();
    for number in (0..50).filter(|number| number % 5 != 0) {
        let times = &begun[&format!("p{number}")];
        assert!(times.len() >= 55, "p{number}: {}", times.len());
        // The first round is spread by the checks that hang: fifty begin at once.
        for pair in times[1..].windows(2) {
            let apart = (pair[1] - pair[0]).as_secs_f64();
            assert!((0.9..=1.1).contains(&apart), "p{number}: {apart}");
        }
    }
    let hung = health.reports().into_iter().filter(|report| report.status == HealthStatus::Unhealthy).count();
    assert_eq!(hung, 10);
}

#[tokio::test(start_paused = true)]
async fn high_priority_passes_the_line() {
    let place = Place::new(exact());
    let pool = place.pool(|pool| pool.max_connections(1));
    let mut held = Some(pool.acquire().await.unwrap());
    let waiting = tokio::spawn({
        let pool = pool.clone();
        async move { drop(pool.acquire_with(AcquireOptions::new().priority(Priority::Normal)).await.unwrap()) }
    });
    advance(Duration::from_millis(10)).await;
    let health = place.health.clone();
    let check = tokio::spawn(async move { health.check("orders").await.unwrap() });
    advance(Duration::from_millis(10)).await;
    drop(held.take());
    let report = check.await.unwrap();
    assert_eq!((report.failed_checks, report.checks), (0, 1));
    waiting.await.unwrap();
}
