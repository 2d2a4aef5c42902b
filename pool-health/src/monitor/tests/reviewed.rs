//! What reviewers made the monitor do once. None of it may happen again.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc;

use pool_core::{ConnectGate, ConnectPass, ConnectRefused, Occasion};

use super::scripted::quiet_control;
use super::*;

/// When the checks of each pool were begun, in seconds since now.
fn begun(health: &HealthMonitor) -> Arc<Mutex<BTreeMap<String, Vec<f64>>>> {
    let (begun, start) = (Arc::new(Mutex::new(BTreeMap::<String, Vec<f64>>::new())), Instant::now());
    let noted = Arc::clone(&begun);
    health.on(move |pool, event| {
        if let HealthEvent::CheckStarted = event {
            noted.lock().unwrap().entry(pool.to_owned()).or_default().push(start.elapsed().as_secs_f64());
        }
    });
    begun
}

/// Runs it on a thread of its own: what is tested is that it ends at all.
fn must_end<T: Send + 'static>(what: impl FnOnce() -> T + Send + 'static) -> T {
    let (done, is_done) = mpsc::channel();
    std::thread::spawn(move || done.send(what()));
    is_done.recv_timeout(Duration::from_secs(30)).expect("it hangs, or panicked")
}

/// A caller has his connection validated.
async fn ask(pool: &Pool<FakeConnector>) {
    drop(pool.acquire_with(AcquireOptions::new().validated()).await);
}

#[tokio::test(start_paused = true)]
async fn a_forced_check_that_hangs_delays_no_planned_one_of_another() {
    let place = Place::new(HealthSettings {
        max_concurrent_checks: 1,
        check_interval: Duration::from_secs(1),
        ..exact()
    });
    let hung = place.pool(|pool| pool.name("hung").min_connections(1));
    let well = Pool::builder(FakeConnector::new()).name("well").min_connections(1).build().unwrap();
    place.pools.insert(well).unwrap();
    let begun = begun(&place.health);
    place.health.start();
    sleep(Duration::from_millis(3_500)).await;
    place.connector.validations().always(Act::Hang);
    let health = place.health.clone();
    let forced = tokio::spawn(async move { health.check("hung").await });
    // The planned check of the one that hangs waits for the forced one from the fourth second on. To the millisecond: with a
    // permit it would hold up the other one for as long as a check may before it makes way.
    seconds(5).await;
    forced.await.unwrap().unwrap();
    assert_eq!(begun.lock().unwrap()["well"], [0., 1., 2., 3., 4., 5., 6., 7., 8.]);
    drop(hung);
}

#[tokio::test(start_paused = true)]
async fn checks_that_hang_keep_no_monitor_alive() {
    let place = Place::new(HealthSettings { down_interval: Duration::from_secs(1), ..exact() });
    place.connector.validations().always(Act::Hang);
    place.health.start();
    for name in ["a", "b", "c"] {
        place.pool(|pool| pool.name(name).min_connections(1).keepalive_interval(Duration::ZERO));
        sleep(Duration::from_millis(1_700)).await;
    }
    seconds(30).await;
    let Place { connector, pools, health, .. } = place;
    drop(health);
    seconds(10).await;
    let calls = connector.validations().calls();
    seconds(60).await;
    assert_eq!(connector.validations().calls(), calls);
    drop(pools);
}

/// A future that takes its time to be dropped.
struct Slow(Arc<AtomicBool>);

impl Drop for Slow {
    fn drop(&mut self) {
        std::thread::park_timeout(Duration::from_millis(300));
        self.0.store(true, Ordering::SeqCst);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn when_stop_returns_no_check_is_under_way() {
    let (begun, over) = (Arc::new(Notify::new()), Arc::new(AtomicBool::new(false)));
    let (rings, ends) = (Arc::clone(&begun), Arc::clone(&over));
    let pool = quiet_control(move |_| {
        let slow = Slow(Arc::clone(&ends));
        rings.notify_one();
        Box::pin(async move {
            let _slow = slow;
            std::future::pending().await
        })
    })
    .await;
    let pools = PoolSet::new();
    pools.insert(pool).unwrap();
    let health = HealthMonitor::new(pools, exact()).unwrap();
    health.start();
    begun.notified().await;
    health.stop().await;
    assert!(over.load(Ordering::SeqCst));
}

#[tokio::test(start_paused = true)]
async fn what_came_of_a_check_is_not_held_against_another_pool_of_the_name() {
    let place = Place::new(HealthSettings { fall: 1, ..exact() });
    place.connector.validations().always(Act::Hang);
    let before = place.pool(|pool| pool.min_connections(1).keepalive_interval(Duration::ZERO));
    place.health.start();
    seconds(1).await;
    place.pools.remove("orders");
    let after = Pool::builder(FakeConnector::new()).name("orders").min_connections(1);
    let after = after.observer(place.health.observer()).build().unwrap();
    place.pools.insert(after).unwrap();
    seconds(20).await;
    assert_eq!(place.told.take(), ["orders: unknown -> healthy"]);
    assert_eq!(place.report().failed_checks, 0);
    drop(before);
}

#[tokio::test(start_paused = true)]
async fn an_outage_of_another_pool_of_the_name_is_none_of_this_one() {
    let place = Place::new(exact());
    let target = FakeConnector::new();
    target.go_down();
    let on_its_way_out = Pool::builder(target).name("orders").observer(place.health.observer());
    place.pool(|pool| pool.min_connections(1));
    place.health.start();
    seconds(1).await;
    let on_its_way_out = on_its_way_out.build().unwrap();
    drop(on_its_way_out.acquire().await.unwrap_err());
    seconds(1).await;
    assert_eq!(place.status(), HealthStatus::Healthy, "{}", place.report());
}

#[tokio::test(start_paused = true)]
async fn a_stopped_monitor_takes_no_outage_for_one_without_end() {
    let place = Place::new(exact());
    let pool = place.pool(|pool| pool.min_connections(1));
    place.health.start();
    seconds(1).await;
    place.health.stop().await;
    place.connector.go_down();
    ask(&pool).await;
    assert!(pool.outage().is_some());
    seconds(5).await;
    place.connector.come_back();
    seconds(60).await;
    assert!(pool.outage().is_none());
    assert_eq!(place.status(), HealthStatus::Healthy, "what was known when it was stopped");
    place.health.start();
    seconds(1).await;
    assert!(!place.told.take().iter().any(|line| line.contains("lost")));
}

#[tokio::test]
async fn any_number_of_checks_may_be_begun_at_the_same_time() {
    let settings = HealthSettings { max_concurrent_checks: usize::MAX, ..HealthSettings::default() };
    let health = HealthMonitor::new(PoolSet::new(), settings.clone()).unwrap();
    health.set_settings(HealthSettings { max_concurrent_checks: 1, ..settings.clone() }).unwrap();
    health.set_settings(settings).unwrap();
}

/// A gate that is shut, with an error that looks at the monitor for its text.
struct Curious(HealthMonitor);

impl std::fmt::Debug for Curious {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Curious")
    }
}

impl std::fmt::Display for Curious {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "refused while it was {}", self.0.status("orders"))
    }
}

impl std::error::Error for Curious {}

impl Drop for Curious {
    fn drop(&mut self) {
        self.0.status("orders");
    }
}

impl ConnectGate for Curious {
    fn enter(&self) -> Result<Box<dyn ConnectPass>, ConnectRefused> {
        Err(ConnectRefused::new(Curious(self.0.clone()), ErrorClass::Transient))
    }
}

#[test]
fn an_error_whose_text_asks_the_monitor_does_no_harm() {
    let status = must_end(|| {
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
        runtime.block_on(async {
            let place = Place::new(exact());
            let gate = Arc::new(Curious(place.health.clone()));
            let pool = place.pool(|pool| pool.min_connections(1).gate(gate));
            place.health.start();
            seconds(20).await;
            let status = place.status();
            drop(place.pools.remove("orders"));
            drop(pool);
            seconds(20).await;
            status
        })
    });
    assert_eq!(status, HealthStatus::Unhealthy);
}

#[tokio::test(start_paused = true)]
async fn errors_hurry_no_checks_of_what_is_known_to_be_down() {
    let place = Place::new(exact());
    let pool = place.pool(|pool| pool.min_connections(1));
    place.health.start();
    seconds(1).await;
    place.connector.go_down();
    ask(&pool).await;
    let checks = place.report().checks;
    seconds(60).await;
    let checks = place.report().checks - checks;
    assert!((11..=13).contains(&checks), "{checks} checks in a minute, with five seconds between two");
}

#[tokio::test(start_paused = true)]
async fn what_a_check_itself_finds_brings_the_next_no_sooner_than_it_may_come() {
    let place = Place::new(exact());
    place.pool(|pool| pool.min_connections(2).keepalive_interval(Duration::ZERO));
    let begun = begun(&place.health);
    place.health.start();
    seconds(30).await;
    place.connector.kill_all();
    seconds(60).await;
    assert_eq!(begun.lock().unwrap()["orders"], [0.0, 60.0, 61.0]);
}

#[tokio::test(start_paused = true)]
async fn new_settings_do_not_put_off_a_check_that_was_asked_for() {
    let place = Place::new(exact());
    let pool = place.pool(|pool| pool.min_connections(2));
    let begun = begun(&place.health);
    place.health.start();
    sleep(Duration::from_millis(60_200)).await;
    place.connector.kill_all();
    ask(&pool).await;
    place.health.set_settings(HealthSettings { rise: 3, ..exact() }).unwrap();
    seconds(10).await;
    assert_eq!(begun.lock().unwrap()["orders"], [0.0, 60.0, 61.0]);
}

#[tokio::test(start_paused = true)]
async fn a_check_that_fails_today_is_not_explained_by_what_failed_yesterday() {
    let place = Place::new(exact());
    let pool = place.pool(|pool| {
        pool.min_connections(1).keepalive_interval(Duration::ZERO).connect_timeout(Duration::from_secs(30))
    });
    place.health.start();
    seconds(1).await;
    place.connector.validations().next(Act::Fail("the server was restarted"));
    ask(&pool).await;
    seconds(24 * 3600).await;
    assert!(place.report().is_healthy());
    place.connector.connects().always(Act::Hang);
    pool.evict_idle();
    let report = place.health.check("orders").await.unwrap();
    assert!(matches!(&report.issues[..], [Issue::CheckFailed { .. }]), "{report}");
    assert!(!report.to_string().contains("restarted"), "{report}");
}

#[tokio::test(start_paused = true)]
async fn a_target_in_doubt_is_looked_at_again_although_nobody_needs_it() {
    let place = Place::new(HealthSettings { timeout: Duration::from_secs(2), ..exact() });
    let pool = place.pool(|pool| pool.min_connections(0));
    place.health.start();
    seconds(59).await;
    drop(pool.acquire().await.unwrap());
    place.connector.validations().next(Act::Hang);
    seconds(4).await;
    assert_eq!(place.report().failed_checks, 1, "{}", place.report());
    seconds(600).await;
    assert!(place.report().is_healthy() && place.report().issues.is_empty(), "{}", place.report());
    let checks = place.report().checks;
    seconds(600).await;
    assert_eq!(place.report().checks, checks, "all is well, and nobody needs it");
}

#[tokio::test(start_paused = true)]
async fn a_validation_that_failed_is_one_error() {
    let place = Place::new(HealthSettings { passive_errors: 2, ..exact() });
    let pool = place.pool(|pool| pool.min_connections(1));
    place.health.start();
    seconds(10).await;
    place.connector.validations().next(Act::FailAs(ErrorClass::FatalThis, "gone"));
    ask(&pool).await;
    seconds(10).await;
    assert_eq!(place.report().checks, 1);
    assert_eq!(place.health.unhealthy_connections()[0].occasion, Some(Occasion::Acquire));
}

#[tokio::test(start_paused = true)]
async fn after_a_panic_while_telling_it_is_told_on() {
    let place = Place::new(exact());
    place.pool(|pool| pool.min_connections(1));
    let shared = Arc::clone(&place.health.shared);
    let panics = std::thread::spawn(move || {
        let _telling = shared.telling.lock().unwrap();
        panic!("the log panics");
    });
    assert!(panics.join().is_err());
    place.health.check("orders").await.unwrap();
    assert_eq!(place.told.take(), ["orders: unknown -> healthy"]);
}

#[test]
fn who_subscribes_while_others_are_told_misses_nothing_from_then_on() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let place = runtime.block_on(async {
        let place = Place::new(exact());
        place.pool(|pool| pool.min_connections(1));
        place
    });
    let (arrived, has_arrived) = mpsc::channel();
    let (go, may_go) = mpsc::channel::<()>();
    let (may_go, is_first) = (Mutex::new(may_go), AtomicBool::new(true));
    place.health.on(move |_, _| {
        if is_first.swap(false, Ordering::SeqCst) {
            arrived.send(()).unwrap();
            may_go.lock().unwrap().recv().unwrap();
        }
    });
    let (health, late) = (place.health.clone(), Arc::new(AtomicU64::new(0)));
    let slow = std::thread::spawn(move || {
        health.shared.sync();
        health.shared.state().untold.push("orders", HealthEvent::CheckStarted);
        health.shared.tell_untold();
    });
    has_arrived.recv().unwrap();
    let counted = Arc::clone(&late);
    place.health.on(move |_, _| {
        counted.fetch_add(1, Ordering::SeqCst);
    });
    runtime.block_on(place.health.check("orders")).unwrap();
    go.send(()).unwrap();
    slow.join().unwrap();
    assert_eq!(late.load(Ordering::SeqCst), 3, "begun, changed, completed");
}
