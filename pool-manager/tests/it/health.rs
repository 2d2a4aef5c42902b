//! The health of the pools: watched as the configuration wants it, and acted upon.
//!
//! What is lost here is a database file in a folder that is not there. The folder brings it back.

use std::fs;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, mpsc};

use pool_config::PoolConfig;
use pool_core::{Observer, PoolEvent, Target};
use pool_health::{BreakerState, HealthEvent, HealthObserver, HealthStatus};
use pool_manager::{PoolManager, ReadyState};
use tokio::time::timeout;

use crate::support::{PATIENCE, Recorder, config, manager, ms, until};

/// Looks often, and makes up its mind at once.
const EAGER: &str = "health_monitoring: {check_interval_ms: 20, fast_interval_ms: 5, down_interval_ms: 5,
    unhealthy_threshold: 1, healthy_threshold: 1, connection_timeout_ms: 1000}";

/// A database that is there as long as its folder is.
struct Place {
    _parent: tempfile::TempDir,
    folder: PathBuf,
}

impl Place {
    fn missing() -> Self {
        let parent = tempfile::tempdir().unwrap();
        let folder = parent.path().join("missing");
        Place { _parent: parent, folder }
    }

    fn appear(&self) {
        fs::create_dir(&self.folder).unwrap();
    }

    fn file(&self) -> String {
        self.folder.join("orders.db").display().to_string()
    }

    /// A pool of it in flow style, with further keys.
    fn pool(&self, name: &str, keys: &str) -> String {
        let file = self.file();
        format!("{{name: {name}, driver: sqlite, database: '{file}', min_connections: 0, {keys}}}")
    }
}

/// As if nothing were said of health.
const WATCHED: &str = "health_monitoring: {}";

const HERE: &str = "{name: here, driver: sqlite, database: ':memory:'}";

async fn unhealthy(manager: &PoolManager, pool: &str) {
    until("it is unhealthy", || manager.health().status(pool) == HealthStatus::Unhealthy).await;
}

#[tokio::test]
async fn every_pool_is_watched_unless_the_configuration_says_otherwise() {
    let tasks = || tokio::runtime::Handle::current().metrics().num_alive_tasks();
    let before = tasks();
    let manager = manager("health_monitoring: {}").await;
    assert_eq!(tasks() - before, 1, "however many pools there are");
    assert!(manager.health().is_running());
    manager.reload(config(&format!("{WATCHED}, pools: [{HERE}]"))).await.unwrap();
    until("it was checked", || manager.health().status("here") == HealthStatus::Healthy).await;
    let quiet =
        crate::support::manager(&format!("health_monitoring: {{enabled: false}}, pools: [{HERE}]")).await;
    assert!(!quiet.health().is_running());
    assert_eq!(quiet.health().report("here").unwrap().status, HealthStatus::Unknown);
    let report = quiet.health().check("here").await.unwrap();
    assert!(report.is_healthy(), "it may be asked all the same: {report}");
}

#[tokio::test]
async fn a_reload_changes_how_closely_is_watched_and_whether_at_all() {
    let manager = manager(&format!("{WATCHED}, pools: [{HERE}]")).await;
    let other = config(&format!(
        "health_monitoring: {{check_interval_ms: 1234, unhealthy_threshold: 7, slow_check_ms: 250, passive_errors: 0}},
         pools: [{HERE}]"
    ));
    manager.reload(other).await.unwrap();
    let settings = manager.health().settings();
    assert_eq!((settings.check_interval, settings.fall), (ms(1234), 7));
    assert_eq!((settings.slow_after, settings.passive_errors), (Some(ms(250)), 0));
    assert!(manager.health().is_running());
    manager.reload(config(&format!("health_monitoring: {{enabled: false}}, pools: [{HERE}]"))).await.unwrap();
    until("it stops", || !manager.health().is_running()).await;
    manager.reload(config(&format!("{WATCHED}, pools: [{HERE}]"))).await.unwrap();
    assert!(manager.health().is_running());
}

#[tokio::test]
async fn one_pool_may_be_looked_at_more_often_than_the_others_and_a_reload_changes_that() {
    let sections = |interval: &str| {
        let quick = format!("{{name: quick, driver: sqlite, database: ':memory:', {interval}}}");
        config(&format!("{WATCHED}, pools: [{HERE}, {quick}]"))
    };
    let manager = PoolManager::from_config(sections("health_check_interval_ms: 5")).await.unwrap();
    let checks = |pool: &str| manager.health().report(pool).unwrap().checks;
    until("it is checked often", || checks("quick") >= 10).await;
    assert_eq!(checks("here"), 1, "the others once a minute");
    manager.reload(sections("health_check_interval_ms: 60000")).await.unwrap();
    manager.health().check("quick").await.unwrap();
    let before = checks("quick");
    tokio::time::sleep(ms(100)).await;
    assert_eq!(checks("quick"), before);
    manager.reload(sections("health_check_interval_ms: 5")).await.unwrap();
    until("it is checked often again", || checks("quick") >= before + 5).await;
}

#[tokio::test]
async fn a_configuration_made_in_code_that_no_monitor_can_follow_is_refused() {
    let mut wrong = config("");
    wrong.health_monitoring.unhealthy_threshold = 0;
    wrong.health_monitoring.connection_timeout = ms(0);
    let error = PoolManager::from_config(wrong.clone()).await.unwrap_err();
    insta::assert_snapshot!(error, @"accept the health_monitoring settings: connection_timeout_ms = 0s must be from 1 ms to 10 years; unhealthy_threshold = 0 must be at least 1");
    let manager = manager("").await;
    let refused = manager.reload(wrong).await.unwrap_err();
    assert_eq!(refused.to_string(), error.to_string());
}

#[derive(Clone, Default)]
struct Told(Arc<Mutex<Vec<String>>>);

impl HealthObserver for Told {
    fn event(&self, pool: &str, event: &HealthEvent) {
        let told = match event {
            HealthEvent::Lost { .. } => format!("{pool} is lost"),
            HealthEvent::Recovered { .. } => format!("{pool} has recovered"),
            _ => return,
        };
        self.0.lock().unwrap().push(told);
    }
}

#[tokio::test]
async fn a_pool_that_is_lost_and_found_is_told_of_and_not_ready_meanwhile() {
    let (place, told) = (Place::missing(), Told::default());
    let pools = place.pool("orders", "connection_timeout_ms: 1000, validation_timeout_ms: 500");
    let manager = PoolManager::builder()
        .health_observer(told.clone())
        .from_config(config(&format!("{EAGER}, pools: [{pools}, {HERE}]")))
        .await
        .unwrap();
    manager.health().check("orders").await.unwrap();
    unhealthy(&manager, "orders").await;
    let readiness = manager.readiness().await;
    assert!(!readiness.is_ready());
    let missing: Vec<_> = readiness.missing().collect();
    assert_eq!(missing.len(), 1);
    let ReadyState::Unhealthy(reason) = &missing[0].state else { panic!("{readiness}") };
    assert!(
        reason.starts_with("unhealthy for ") && reason.contains("unable to open database file"),
        "{reason}"
    );

    place.appear();
    until("it has recovered", || manager.health().status("orders") == HealthStatus::Healthy).await;
    assert!(manager.readiness().await.is_ready());
    assert_eq!(*told.0.lock().unwrap(), ["orders is lost", "orders has recovered"]);
}

#[tokio::test]
async fn a_pool_that_is_not_required_may_be_unhealthy() {
    let place = Place::missing();
    let pools =
        place.pool("orders", "required: false, connection_timeout_ms: 1000, validation_timeout_ms: 500");
    let manager = manager(&format!("{EAGER}, pools: [{pools}]")).await;
    manager.health().check("orders").await.unwrap();
    unhealthy(&manager, "orders").await;
    let readiness = manager.readiness().await;
    assert!(readiness.is_ready(), "{readiness}");
    assert!(readiness.to_string().contains("orders (not required): unhealthy for "), "{readiness}");
}

#[tokio::test]
async fn with_health_switched_off_readiness_asks_for_itself() {
    let place = Place::missing();
    let pools = place.pool("orders", "connection_timeout_ms: 1000, validation_timeout_ms: 500");
    let off = "health_monitoring: {enabled: false}";
    let manager = manager(&format!("{off}, pools: [{pools}]")).await;
    let readiness = manager.readiness().await;
    assert!(matches!(readiness.pools[0].state, ReadyState::Unusable(_)), "{readiness}");
    place.appear();
    until("the pool has tried again", || manager.pool("orders").unwrap().control().outage().is_none()).await;
    assert!(manager.readiness().await.is_ready());
}

#[tokio::test]
async fn a_member_whose_pool_is_unhealthy_gets_nothing_until_it_is_well() {
    let place = Place::missing();
    let replica = place.pool("replica", "group: shop, role: replica");
    let primary = "{name: primary, driver: sqlite, database: ':memory:', group: shop}";
    let sections = format!("{EAGER}, pools: [{primary}, {replica}]");
    let manager = manager(&sections).await;
    manager.health().check("replica").await.unwrap();
    let is_left_out = || manager.group_stats()["shop"].iter().any(|member| member.unhealthy);
    until("it is left out", is_left_out).await;
    let shop = manager.sqlite_group("shop").unwrap();
    assert_eq!(shop.read().await.unwrap().pool_name(), "primary");
    let replica =
        manager.group_stats()["shop"].iter().find(|member| &*member.name == "replica").cloned().unwrap();
    assert_eq!((replica.unhealthy, replica.failures), (true, 0), "no caller had to find out");

    place.appear();
    until("it is taken back", || !is_left_out()).await;
    until("its pool is up", || manager.pool("replica").unwrap().control().outage().is_none()).await;
    assert_eq!(shop.read().await.unwrap().pool_name(), "replica");
}

#[tokio::test]
async fn who_joins_a_group_unhealthy_is_left_out_and_nobody_when_health_is_switched_off() {
    let place = Place::missing();
    let sections = |health: &str, group: &str| {
        let replica = place.pool("replica", &format!("{group}role: replica"));
        let primary = "{name: primary, driver: sqlite, database: ':memory:', group: shop}";
        config(&format!("{health}, pools: [{primary}, {replica}]"))
    };
    let manager = PoolManager::from_config(sections(EAGER, "")).await.unwrap();
    manager.health().check("replica").await.unwrap();
    unhealthy(&manager, "replica").await;
    let is_left_out = || manager.group_stats()["shop"].iter().any(|member| member.unhealthy);
    assert!(!is_left_out(), "it is no member");
    manager.reload(sections(EAGER, "group: shop, ")).await.unwrap();
    assert!(is_left_out());
    manager.reload(sections("health_monitoring: {enabled: false}", "group: shop, ")).await.unwrap();
    assert!(!is_left_out());
}

#[tokio::test]
async fn a_member_that_is_made_anew_is_not_judged_by_the_one_of_its_name_before() {
    let (place, folder) = (Place::missing(), tempfile::tempdir().unwrap());
    let sections = |file: String| {
        let replica = format!(
            "{{name: replica, driver: sqlite, database: '{file}', min_connections: 0, group: shop, role: replica}}"
        );
        let primary = "{name: primary, driver: sqlite, database: ':memory:', group: shop}";
        config(&format!("{EAGER}, pools: [{primary}, {replica}]"))
    };
    let manager = PoolManager::from_config(sections(place.file())).await.unwrap();
    manager.health().check("replica").await.unwrap();
    let is_left_out = || manager.group_stats()["shop"].iter().any(|member| member.unhealthy);
    until("it is left out", is_left_out).await;
    manager.remove("replica", PATIENCE).await.unwrap();
    manager.reload(sections(folder.path().join("orders.db").display().to_string())).await.unwrap();
    assert!(!is_left_out(), "nothing is known against it");
    assert_eq!(manager.health().status("replica"), HealthStatus::Unknown);
}

#[tokio::test]
async fn a_check_leaves_no_member_out_where_nobody_watches_for_its_return() {
    let place = Place::missing();
    let replica = place.pool("replica", "group: shop, role: replica");
    let primary = "{name: primary, driver: sqlite, database: ':memory:', group: shop}";
    let off = "health_monitoring: {enabled: false, unhealthy_threshold: 1}";
    let manager = manager(&format!("{off}, pools: [{primary}, {replica}]")).await;
    let report = manager.health().check("replica").await.unwrap();
    assert_eq!(report.status, HealthStatus::Unhealthy, "{report}");
    assert!(manager.group_stats()["shop"].iter().all(|member| !member.unhealthy));
}

#[tokio::test]
async fn who_is_left_out_comes_back_when_the_program_stops_the_watch_and_is_left_out_again_when_it_goes_on() {
    let place = Place::missing();
    let replica = place.pool("replica", "group: shop, role: replica");
    let primary = "{name: primary, driver: sqlite, database: ':memory:', group: shop}";
    let manager = manager(&format!("{EAGER}, pools: [{primary}, {replica}]")).await;
    manager.health().check("replica").await.unwrap();
    let is_left_out = || manager.group_stats()["shop"].iter().any(|member| member.unhealthy);
    until("it is left out", is_left_out).await;
    manager.health().stop().await;
    until("it is taken back", || !is_left_out()).await;
    assert_eq!(manager.health().status("replica"), HealthStatus::Unhealthy, "nobody has looked since");
    manager.health().start();
    until("it is left out again", is_left_out).await;
}

#[tokio::test]
async fn a_pool_on_demand_that_only_the_monitor_asks_goes() {
    let folder = tempfile::tempdir().unwrap();
    let often = "health_monitoring: {check_interval_ms: 3, fast_interval_ms: 3}";
    let manager = manager(&format!("{often}, default_pool: {{idle_timeout_ms: 100}}")).await;
    let target = Target::new("sqlite", folder.path().join("tenant.db").display().to_string());
    drop(manager.acquire_target(&target, None).await.unwrap());
    until("it is checked", || {
        manager.health().report(&target.to_string()).is_some_and(|report| report.checks > 0)
    })
    .await;
    until("it is gone", || manager.targets().is_empty()).await;
    assert!(manager.health().report(&target.to_string()).is_none());
}

#[tokio::test]
async fn a_pool_on_demand_that_is_lost_goes_as_well() {
    let place = Place::missing();
    let manager =
        manager(&format!("{EAGER}, default_pool: {{idle_timeout_ms: 100, connection_timeout_ms: 50}}")).await;
    let target = Target::new("sqlite", place.file());
    drop(manager.acquire_target(&target, None).await.unwrap_err());
    until("it is gone", || manager.targets().is_empty()).await;
}

#[tokio::test]
async fn a_pool_on_demand_in_use_stays_however_often_it_is_checked() {
    let folder = tempfile::tempdir().unwrap();
    let manager = manager(&format!("{EAGER}, default_pool: {{idle_timeout_ms: 20}}")).await;
    let target = Target::new("sqlite", folder.path().join("tenant.db").display().to_string());
    let held = manager.acquire_target(&target, None).await.unwrap();
    let checks = || manager.health().report(&target.to_string()).map_or(0, |report| report.checks);
    until("it was checked for long", || checks() >= 20).await;
    assert_eq!(manager.targets().len(), 1);
    drop(held);
    until("it is gone", || manager.targets().is_empty()).await;
}

#[tokio::test]
async fn a_check_that_was_given_up_does_not_hide_who_uses_a_pool_on_demand() {
    let folder = tempfile::tempdir().unwrap();
    let off = "health_monitoring: {enabled: false, connection_timeout_ms: 50}";
    let manager =
        manager(&format!("{off}, default_pool: {{max_connections: 1, idle_timeout_ms: 200}}")).await;
    let target = Target::new("sqlite", folder.path().join("tenant.db").display().to_string());
    let held = manager.acquire_target(&target, None).await.unwrap();
    timeout(ms(5), manager.health().check(&target.to_string())).await.expect_err("it waits for a connection");
    tokio::time::sleep(ms(1_000)).await;
    assert_eq!(manager.targets().len(), 1, "its connection is in use");
    drop(held);
    until("it is gone", || manager.targets().is_empty()).await;
}

#[tokio::test]
async fn a_pool_on_demand_in_use_stays_when_its_counters_are_reset() {
    let (folder, recorder) = (tempfile::tempdir().unwrap(), Recorder::default());
    let manager = PoolManager::builder()
        .manager_observer(recorder.clone())
        .from_config(config(&format!("{EAGER}, default_pool: {{idle_timeout_ms: 300}}")))
        .await
        .unwrap();
    let target = Target::new("sqlite", folder.path().join("tenant.db").display().to_string());
    let held = manager.acquire_target(&target, None).await.unwrap();
    let checks = || manager.health().report(&target.to_string()).map_or(0, |report| report.checks);
    until("it was checked more often than it is used below", || checks() >= 60).await;
    drop(held);
    manager.pool_for(&target, None).unwrap().control().reset_stats();
    for _ in 0..50 {
        tokio::time::sleep(ms(20)).await;
        drop(manager.acquire_target(&target, None).await.unwrap());
    }
    let removed: Vec<_> =
        recorder.events().into_iter().filter(|event| event.starts_with("removed")).collect();
    assert!(removed.is_empty(), "{removed:?}");
}

const BREAKER: &str =
    "circuit_breaker: {enabled: true, consecutive_failures: 2, open_ms: 60000, open_max_ms: 60000}";

#[tokio::test]
async fn pools_of_one_target_share_a_breaker_and_believe_each_other() {
    let place = Place::missing();
    let other = place.pool("other", &BREAKER.replace("consecutive_failures: 2", "consecutive_failures: 3"));
    let pools = format!("{}, {}, {other}", place.pool("first", BREAKER), place.pool("second", BREAKER));
    let off = "health_monitoring: {enabled: false}";
    let manager = manager(&format!("{off}, pools: [{pools}, {HERE}]")).await;
    assert!(manager.circuit_breaker("here").unwrap().is_none());
    assert!(manager.circuit_breaker("nobody").is_err());
    let breaker = |pool: &str| manager.circuit_breaker(pool).unwrap().unwrap();
    drop(manager.acquire("first").await.unwrap_err());
    until("it is open", || breaker("first").state() == BreakerState::Open).await;
    assert_eq!(breaker("second").state(), BreakerState::Open);
    assert_eq!(breaker("other").state(), BreakerState::Closed, "it is to be something else");
    let error = manager.acquire("second").await.unwrap_err().to_string();
    assert!(error.contains("its circuit breaker has been open for"), "{error}");
    assert!(error.contains("unable to open database file"), "with the cause: {error}");
    assert!(error.contains("orders.db"), "named by its target: {error}");
}

#[tokio::test]
async fn pools_that_connect_in_different_ways_do_not_share_a_breaker() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("orders.db").display().to_string();
    let reader = format!("{{name: reader, url: 'sqlite://{file}?mode=ro', min_connections: 0, {BREAKER}}}");
    let writer =
        format!("{{name: writer, driver: sqlite, database: '{file}', min_connections: 0, {BREAKER}}}");
    let off = "health_monitoring: {enabled: false}";
    let manager = manager(&format!("{off}, pools: [{reader}, {writer}]")).await;
    drop(manager.acquire("reader").await.unwrap_err());
    let breaker = manager.circuit_breaker("reader").unwrap().unwrap();
    until("it is open", || breaker.state() == BreakerState::Open).await;
    drop(manager.acquire("writer").await.expect("it makes the file that the other one only reads"));
}

#[tokio::test]
async fn a_reload_that_may_have_mended_a_target_has_its_breaker_probe_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let password = folder.path().join("password");
    fs::write(&password, "canary-old").unwrap();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    drop(listener);
    let sections = || {
        let file = password.display();
        config(&format!(
            "health_monitoring: {{enabled: false}}, pools: [{{name: cache, driver: redis, host: 127.0.0.1,
             port: {port}, password_file: '{file}', min_connections: 0, {BREAKER}}}]"
        ))
    };
    let manager = PoolManager::from_config(sections()).await.unwrap();
    drop(manager.acquire("cache").await.unwrap_err());
    let breaker = manager.circuit_breaker("cache").unwrap().unwrap();
    until("it is open", || breaker.state() == BreakerState::Open).await;
    assert_eq!(breaker.snapshot().opened, 1);
    fs::write(&password, "canary-new").unwrap();
    let report = manager.reload(sections()).await.unwrap();
    assert_eq!(report.drained, ["cache"]);
    until("it has probed and failed", || breaker.snapshot().opened == 2).await;
}

#[tokio::test]
async fn a_reload_gives_a_running_pool_a_breaker_and_takes_it_away() {
    let place = Place::missing();
    let off = "health_monitoring: {enabled: false}";
    let sections = |keys: &str| config(&format!("{off}, pools: [{}]", place.pool("orders", keys)));
    let manager = PoolManager::from_config(sections("")).await.unwrap();
    assert!(manager.circuit_breaker("orders").unwrap().is_none());
    let report = manager.reload(sections(BREAKER)).await.unwrap();
    assert_eq!(report.changed, ["orders"]);
    drop(manager.acquire("orders").await.unwrap_err());
    let breaker = manager.circuit_breaker("orders").unwrap().unwrap();
    until("it is open", || breaker.state() == BreakerState::Open).await;
    manager.reload(sections(&format!("{BREAKER}, max_uses: 5"))).await.unwrap();
    let same = manager.circuit_breaker("orders").unwrap().unwrap();
    assert_eq!(same.state(), BreakerState::Open, "it remembers what it knows");
    manager.reload(sections("")).await.unwrap();
    assert!(manager.circuit_breaker("orders").unwrap().is_none());
}

#[tokio::test]
async fn a_breaker_opened_by_hand_keeps_a_pool_from_connecting_and_closed_by_hand_lets_it() {
    let off = "health_monitoring: {enabled: false}";
    let pool =
        format!("{{name: orders, driver: sqlite, database: ':memory:', min_connections: 0, {BREAKER}}}");
    let manager = manager(&format!("{off}, pools: [{pool}]")).await;
    let breaker = manager.circuit_breaker("orders").unwrap().unwrap();
    breaker.force_open();
    let error = timeout(PATIENCE, manager.acquire("orders")).await.unwrap().unwrap_err().to_string();
    assert!(error.contains("(by hand)"), "{error}");
    breaker.force_closed();
    until("the pool has tried again", || manager.pool("orders").unwrap().control().outage().is_none()).await;
    drop(manager.acquire("orders").await.unwrap());
}

#[tokio::test]
async fn what_cannot_be_had_of_a_pool_made_in_code_is_refused_by_its_keys() {
    let manager = manager("").await;
    let mut pool: PoolConfig = config(&format!("pools: [{HERE}]")).pools.remove(0);
    pool.settings.circuit_breaker.enabled = true;
    pool.settings.circuit_breaker.half_open_permits = 0;
    pool.settings.circuit_breaker.half_open_max = ms(100_000_000);
    pool.settings.circuit_breaker.open_max = ms(1);
    pool.settings.health_check_interval = Some(ms(0));
    pool.settings.acquire_timeout = ms(0);
    insta::assert_snapshot!(manager.create(pool).unwrap_err(), @r"
    build the pools: 5 problems
    pool `here`: connection_timeout_ms is 0s: must be longer than zero: nothing may wait for ever, and nothing finishes in no time
      help: change the value
    pool `here`: health_check_interval_ms is 0s: must be from 1 ms to 10 years
      help: change the value
    pool `here`: circuit_breaker.half_open_permits is 0: must be at least 1
      help: change the value
    pool `here`: circuit_breaker.half_open_max_ms is 100000s: must not exceed one day; 0 is for ever
      help: change the value
    pool `here`: circuit_breaker.open_max_ms is 1ms: must not be shorter than open_ms
      help: change the value
    ");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_queue_limit_that_finds_itself_is_found_kept_by_reloads_and_given_up() {
    let sections = |keys: &str| {
        let pool = format!(
            "{{name: orders, driver: sqlite, database: ':memory:', max_connections: 1, connection_timeout_ms: 2000, {keys}}}"
        );
        config(&format!("pools: [{pool}]"))
    };
    let manager = PoolManager::from_config(sections("")).await.unwrap();
    let limit = || manager.pool("orders").unwrap().control().options().max_waiting;
    assert_eq!(limit(), 0);
    manager.reload(sections("max_waiting: auto")).await.unwrap();
    let pool = manager.sqlite("orders").unwrap();
    let work = tokio::spawn(async move {
        loop {
            let connection = pool.acquire().await.unwrap();
            tokio::time::sleep(ms(5)).await;
            drop(connection);
        }
    });
    until("it is found", || limit() > 0).await;
    manager.reload(sections("max_waiting: auto, max_uses: 100000")).await.unwrap();
    assert!(limit() > 0, "another option is no reason to begin anew");
    manager.reload(sections("max_waiting: 7")).await.unwrap();
    assert_eq!(limit(), 7);
    manager.reload(sections("max_waiting: auto")).await.unwrap();
    until("it is found again", || limit() > 7).await;
    manager.reload(sections("")).await.unwrap();
    assert_eq!(limit(), 0);
    tokio::time::sleep(ms(1_500)).await;
    assert_eq!(limit(), 0, "nobody looks for one any more");
    work.abort();
}

#[tokio::test]
async fn closing_ends_the_watch_first() {
    let manager = manager(&format!("{EAGER}, pools: [{HERE}]")).await;
    until("it is watched", || manager.health().status("here") == HealthStatus::Healthy).await;
    let report = manager.close(PATIENCE).await;
    assert!(report.is_complete(), "{report}");
    assert!(!manager.health().is_running());
    assert_ne!(manager.health().status("here"), HealthStatus::Unhealthy, "nobody took the end for an outage");
}

/// Keeps whoever closes the pool `gone` waiting.
struct Slow {
    arrived: mpsc::SyncSender<()>,
    go: Mutex<mpsc::Receiver<()>>,
}

impl Observer for Slow {
    fn event(&self, pool: &str, event: &PoolEvent) {
        if pool == "gone" && matches!(event, PoolEvent::Closing) {
            self.arrived.send(()).unwrap();
            self.go.lock().unwrap().recv().unwrap();
        }
    }
}

#[tokio::test]
async fn a_reload_that_ends_after_the_manager_was_closed_does_not_begin_the_watch_anew() {
    let ((arrived, arrives), (goes, go)) = (mpsc::sync_channel(1), mpsc::sync_channel(1));
    let gone = HERE.replace("here", "gone");
    let manager = PoolManager::builder()
        .observer(Slow { arrived, go: Mutex::new(go) })
        .from_config(config(&format!("{WATCHED}, pools: [{HERE}, {gone}]")))
        .await
        .unwrap();
    let reloading = tokio::spawn({
        let manager = manager.clone();
        async move { manager.reload(config(&format!("{WATCHED}, pools: [{HERE}]"))).await }
    });
    tokio::task::spawn_blocking(move || arrives.recv().unwrap()).await.unwrap();
    manager.close(PATIENCE).await;
    goes.send(()).unwrap();
    drop(reloading.await.unwrap());
    assert!(!manager.health().is_running());
}
