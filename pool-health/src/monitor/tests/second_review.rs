//! What a second review found.

use super::scripted::quiet_control;
use super::*;

/// A word for each event of one pool, in order.
fn words(health: &HealthMonitor) -> Arc<Mutex<Vec<&'static str>>> {
    let words = Arc::new(Mutex::new(Vec::new()));
    let noted = Arc::clone(&words);
    health.on(move |_, event| {
        noted.lock().unwrap().push(match event {
            HealthEvent::CheckStarted => "started",
            HealthEvent::CheckCompleted { .. } => "completed",
            HealthEvent::CheckAbandoned => "abandoned",
            _ => return,
        });
    });
    words
}

fn take(words: &Mutex<Vec<&'static str>>) -> Vec<&'static str> {
    std::mem::take(&mut words.lock().unwrap())
}

/// Both have a connection number one.
#[tokio::test(start_paused = true)]
async fn what_an_outgoing_pool_finds_is_not_held_against_the_connections_of_its_successor() {
    let place = Place::new(exact());
    let outgoing = place.pool(|pool| pool.min_connections(1));
    place.pools.remove("orders");
    let successor = Pool::builder(FakeConnector::new()).name("orders").min_connections(1);
    let successor = successor.observer(place.health.observer()).build().unwrap();
    place.pools.insert(successor.clone()).unwrap();
    place.health.refresh();
    seconds(1).await;
    place.connector.validations().next(Act::Fail("terminated by the server"));
    drop(outgoing.acquire_with(AcquireOptions::new().validated()).await.unwrap());
    assert_eq!(outgoing.counters().validations_failed, 1);
    let unhealthy = place.health.unhealthy_connections();
    assert!(unhealthy.is_empty(), "{unhealthy:?}");
    assert_eq!(place.health.connections("orders")[0].last_check, None);
    drop(successor.acquire_with(AcquireOptions::new().validated()).await.unwrap());
    assert!(place.health.connections("orders")[0].last_check.is_some(), "its own are heard");
}

/// He would have had one if he had waited for it to be opened.
#[tokio::test(start_paused = true)]
async fn a_caller_with_a_tiny_timeout_does_not_exhaust_a_pool() {
    let place = Place::new(exact());
    let pool = place.pool(|pool| pool.max_connections(10).min_connections(1));
    seconds(1).await;
    assert!(place.health.check("orders").await.unwrap().is_healthy());
    place.connector.connects().always(Act::Slow(Duration::from_millis(100)));
    let held = hold(&pool, pool.stats().idle).await;
    assert!(pool.acquire_timeout(Duration::from_millis(1)).await.unwrap_err().is_timeout());
    seconds(1).await;
    drop(held);
    let report = place.health.check("orders").await.unwrap();
    assert!(report.is_healthy(), "{report}");
}

/// The check itself had its connection from the reserve, and saw nothing amiss.
#[tokio::test(start_paused = true)]
async fn a_pool_is_full_when_only_its_reserve_is_left() {
    let place = Place::new(exact());
    let pool = place.pool(|pool| pool.max_connections(3).reserve_connections(1));
    let held = hold(&pool, 2).await;
    let waiting = pool.clone();
    let waiting =
        tokio::spawn(async move { waiting.acquire_timeout(Duration::from_secs(600)).await.map(drop) });
    seconds(1).await;
    for expected in [HealthStatus::Healthy, HealthStatus::Degraded] {
        assert_eq!(place.health.check("orders").await.unwrap().status, expected);
    }
    insta::assert_snapshot!(place.report().issues[0], @"pool exhausted: 2 in use, 1 waiting, 0 refused or too late");
    drop(held);
    waiting.await.unwrap().unwrap();
    assert!(place.health.check("orders").await.unwrap().is_healthy());
}

#[tokio::test(start_paused = true)]
async fn every_check_that_begins_is_told_the_end_of() {
    let place = Place::new(exact());
    let words = words(&place.health);
    let pool = place.pool(|pool| pool.min_connections(1));
    place.health.check("orders").await.unwrap();
    assert_eq!(take(&words), ["started", "completed"]);

    place.connector.validations().always(Act::Hang);
    let forced = place.health.clone();
    let forced = tokio::spawn(async move { forced.check("orders").await.map(drop) });
    sleep(Duration::from_millis(1)).await;
    forced.abort();
    assert!(forced.await.is_err());
    assert_eq!(take(&words), ["started", "abandoned"], "nobody wants to know any more");

    place.health.start();
    seconds(61).await;
    place.health.stop().await;
    assert_eq!(take(&words), ["started", "abandoned"], "the monitor was stopped");

    place.health.start();
    seconds(60).await;
    pool.close(Duration::ZERO).await;
    seconds(6).await;
    assert_eq!(take(&words), ["started", "abandoned"], "the pool was closed");
}

/// It stood until another connect succeeded, which nobody needed.
#[tokio::test(start_paused = true)]
async fn a_server_that_was_full_once_is_not_called_so_for_ever() {
    let place = Place::new(exact());
    let pool = place.pool(|pool| pool.max_connections(3).min_connections(1));
    assert!(place.health.check("orders").await.unwrap().is_healthy());
    seconds(1).await;
    let held = hold(&pool, pool.stats().idle).await;
    place.connector.connects().always(Act::FailAs(ErrorClass::Capacity, "too many clients"));
    drop(pool.acquire_timeout(Duration::from_secs(1)).await.unwrap_err());
    drop(held);
    seconds(60).await;
    let report = place.health.check("orders").await.unwrap();
    assert!(report.to_string().contains("too many clients"), "it was so since the last check: {report}");
    seconds(1).await;
    let report = place.health.check("orders").await.unwrap();
    assert!(report.is_healthy(), "{report}");
}

#[tokio::test(start_paused = true)]
async fn an_interval_is_kept_for_a_pool_to_come_but_not_for_ever() {
    let place = Place::new(exact());
    let wished = Some(Duration::from_secs(3));
    place.health.set_interval("orders", wished).unwrap();
    place.health.set_interval("nobody's", wished).unwrap();
    place.health.start();
    seconds(1_800).await;
    let pool = place.pool(|pool| pool.min_connections(1));
    let kept = || place.health.shared.state().intervals.keys().cloned().collect::<Vec<_>>();
    seconds(7_200).await;
    assert_eq!(kept(), ["orders"]);
    assert!(place.report().checks > 2_000, "{}", place.report().checks);
    drop((place.pools.remove("orders"), pool));
    seconds(3_000).await;
    assert_eq!(kept(), ["orders"], "it may come back");
    seconds(700).await;
    assert!(kept().is_empty());
}

/// A target that is checked twice a second was checked every five when it was down.
#[tokio::test(start_paused = true)]
async fn what_is_watched_closely_is_watched_no_less_while_it_is_down() {
    let place = Place::new(exact());
    let pool = place.pool(|pool| pool.min_connections(1));
    place.health.set_interval("orders", Some(Duration::from_millis(500))).unwrap();
    place.health.start();
    seconds(1).await;
    place.connector.go_down();
    drop(pool.acquire_with(AcquireOptions::new().validated()).await.unwrap_err());
    assert_eq!(place.status(), HealthStatus::Unhealthy);
    let checks = place.report().checks;
    sleep(Duration::from_millis(900)).await;
    assert_eq!(place.report().checks - checks, 1, "the first one, too");
    seconds(60).await;
    let checks = place.report().checks - checks;
    assert!((118..=122).contains(&checks), "{checks}");
}

/// One that is told of events takes his time: what happens meanwhile is counted, and told to him once.
#[test]
fn an_observer_that_blocks_costs_so_much_memory_and_no_more() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let health = runtime.block_on(async {
        let pools = PoolSet::new();
        let (report, ..) = scripted::results().await;
        pools.insert(quiet_control(move |_| Box::pin(std::future::ready(Ok(report.clone())))).await).unwrap();
        HealthMonitor::new(pools, exact()).unwrap()
    });
    let told = Arc::new(Mutex::new((0u64, 0u64)));
    health.on({
        let told = Arc::clone(&told);
        move |_, event| {
            let mut told = told.lock().unwrap();
            match event {
                HealthEvent::Missed { events } => told.1 += events,
                _ => told.0 += 1,
            }
        }
    });
    // As if somebody were telling, and did not come back.
    let telling = health.shared.telling.lock().unwrap();
    runtime.block_on(async {
        for _ in 0..5_000 {
            health.check("orders").await.unwrap();
        }
    });
    drop(telling);
    health.shared.tell_untold();
    let (heard, missed) = *told.lock().unwrap();
    // Each begins and ends, and the first one changes the status.
    assert_eq!(heard + missed, 10_001);
    assert!(heard < 5_000, "{heard}");
}
