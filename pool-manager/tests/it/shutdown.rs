//! Closing, readiness, warming up.

use pool_manager::ReadyState;
use tokio::time::sleep;

use crate::support::{PATIENCE, Recorder, config, manager, ms, until};

const TWO: &str = "pools: [
    {name: orders, driver: sqlite, database: ':memory:', min_connections: 1},
    {name: archive, driver: sqlite, database: ':memory:', min_connections: 1}]";

#[tokio::test]
async fn a_shutdown_waits_for_holders_and_names_those_that_do_not_end() {
    let manager = manager(TWO).await;
    let brief = manager.acquire("orders").await.unwrap();
    let _held = manager.acquire("archive").await.unwrap();
    tokio::spawn(async move {
        sleep(ms(50)).await;
        drop(brief);
    });
    let report = manager.close(ms(300)).await;
    assert!(!report.is_complete());
    let held: Vec<_> = report.still_held().collect();
    assert_eq!(held.len(), 1);
    assert_eq!(held[0].0, "archive");
    assert!(held[0].1.site.file().ends_with("shutdown.rs"));
    let text = report.to_string();
    assert!(text.starts_with("closed 1 of 2 pools in "), "{text}");
    assert!(text.contains("pool `archive` closed in") && text.contains("shutdown.rs"), "{text}");
}

#[tokio::test]
async fn whoever_waits_is_told_at_once_that_all_is_closed() {
    let manager = manager(&TWO.replace("min_connections: 1", "max_connections: 1")).await;
    let held = manager.acquire("orders").await.unwrap();
    let waiting = tokio::spawn(manager.acquire("orders"));
    let orders = manager.pool("orders").unwrap();
    until("somebody waits", || orders.control().stats().waiting == 1).await;
    let closing = tokio::spawn({
        let manager = manager.clone();
        async move { manager.close(PATIENCE).await }
    });
    let error = waiting.await.unwrap().unwrap_err();
    assert!(error.acquire().is_some_and(|error| error.is_closed()) && !error.is_retryable(), "{error}");
    assert!(!closing.is_finished());
    drop(held);
    assert!(closing.await.unwrap().is_complete());

    // Closed it stays, and says so; a second call has nothing to wait for.
    assert!(manager.is_closed());
    assert!(manager.close(PATIENCE).await.is_complete());
    assert!(manager.acquire("orders").await.unwrap_err().acquire().unwrap().is_closed());
    let target = pool_core::Target::new("sqlite", ":memory:");
    assert_eq!(
        manager.pool_for(&target, None).unwrap_err().to_string(),
        "create a pool: the manager is closed"
    );
    let error = manager.reload(config(TWO)).await.unwrap_err();
    assert_eq!(error.to_string(), "reload the configuration: the manager is closed");
    assert_eq!(manager.snapshots()["orders"].counters.acquired, 1, "the books can still be read");
}

#[tokio::test]
async fn dropping_the_future_of_a_shutdown_leaves_no_pool_open() {
    let manager = manager(TWO).await;
    let _held = manager.acquire("archive").await.unwrap();
    {
        let close = std::pin::pin!(manager.close(PATIENCE));
        assert!(futures_poll(close).is_none());
    }
    for pool in manager.pools().pools() {
        assert!(pool.is_closed(), "{}", pool.name());
    }
}

fn futures_poll<F: Future>(future: std::pin::Pin<&mut F>) -> Option<F::Output> {
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    match future.poll(&mut context) {
        std::task::Poll::Ready(output) => Some(output),
        std::task::Poll::Pending => None,
    }
}

#[tokio::test]
async fn a_service_is_ready_when_its_required_pools_can_deliver() {
    let recorder = Recorder::default();
    let manager = pool_manager::PoolManager::builder()
        .manager_observer(recorder.clone())
        .from_config(config(
            "default_pool: {connection_timeout_ms: 5000, min_connections: 0}, pools: [
                {name: open, driver: sqlite, database: ':memory:', min_connections: 1},
                {name: reachable, driver: sqlite, database: ':memory:'},
                {name: optional, driver: redis, host: 127.0.0.1, port: 1, required: false}]",
        ))
        .await
        .unwrap();
    manager.warm_up().await.unwrap();
    let readiness = manager.readiness().await;
    assert!(readiness.is_ready(), "{readiness}");
    insta::assert_snapshot!(readiness, @r"
    ready
      open: 1 connection is open
      optional (not required): no connection is open
      reachable: reachable
    ");

    let mut described = manager.config().pool("optional").unwrap().clone();
    (described.name, described.required) = ("down".to_owned(), true);
    manager.create(described).unwrap();
    let readiness = manager.readiness().await;
    assert!(!readiness.is_ready());
    let missing: Vec<_> = readiness.missing().collect();
    assert_eq!(missing.len(), 1);
    let ReadyState::Unusable(reason) = &missing[0].state else { panic!("{readiness}") };
    assert!(reason.contains("connect to `127.0.0.1` at 127.0.0.1:1"), "{reason}");
    assert!(
        readiness.to_string().starts_with("not ready\n  down: failed to acquire a connection"),
        "{readiness}"
    );
}

#[tokio::test]
async fn warming_up_names_each_pool_that_cannot() {
    let manager = manager(
        "default_pool: {connection_timeout_ms: 5000, min_connections: 1}, pools: [
            {name: open, driver: sqlite, database: ':memory:'},
            {name: a, driver: redis, host: 127.0.0.1, port: 1},
            {name: b, driver: redis, host: 127.0.0.1, port: 1}]",
    )
    .await;
    let error = manager.warm_up().await.unwrap_err();
    let names: Vec<_> = error.pools.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["a", "b"]);
    let text = error.to_string();
    assert!(text.contains("pool `a`") && text.contains("pool `b`"), "{text}");
}

#[tokio::test]
async fn a_shutdown_waits_for_holders_of_pools_that_were_removed_before() {
    let manager = manager(TWO).await;
    let by_reload = manager.acquire("orders").await.unwrap();
    let by_program = manager.acquire("archive").await.unwrap();
    assert!(!manager.remove("archive", ms(1)).await.unwrap().is_complete());
    manager.reload(config("pools: []")).await.unwrap();
    assert!(manager.names().is_empty());

    // One more of the name of a pool that is still ending.
    manager.create(config(TWO).pools[1].clone()).unwrap();
    let report = manager.close(ms(20)).await;
    let held: Vec<_> = report.still_held().map(|(pool, _)| pool.to_owned()).collect();
    assert_eq!(held, ["archive", "orders"], "{report}");
    assert!(report.to_string().starts_with("closed 1 of 3 pools in "), "{report}");

    drop((by_reload, by_program));
    assert!(manager.close(PATIENCE).await.is_complete());
    let report = manager.close(PATIENCE).await;
    assert_eq!(report.pools.len(), 1, "those that have ended are forgotten: {report}");
}

#[tokio::test]
async fn a_shutdown_meets_pools_of_one_name() {
    let manager = manager("pools: []").await;
    let target = pool_core::Target::new("sqlite", ":memory:");
    let pool = manager.pool_for(&target, None).unwrap();
    let name = pool.control().name().to_owned();
    // The set is for looking, but nothing keeps a program from this.
    drop(manager.pools().remove(&name));
    let mut other = config("pools: [{name: a, driver: sqlite, database: ':memory:'}]").pools[0].clone();
    other.name = name;
    manager.create(other).unwrap();
    let report = manager.close(PATIENCE).await;
    assert!(report.is_complete());
    assert_eq!(report.pools.len(), 2);
    assert!(pool.control().is_closed());
}

#[tokio::test]
async fn observers_are_told_once_that_all_is_closed() {
    let recorder = Recorder::default();
    let manager = pool_manager::PoolManager::builder()
        .manager_observer(recorder.clone())
        .from_config(config("pools: []"))
        .await
        .unwrap();
    tokio::join!(manager.close(ms(10)), manager.close(ms(10)));
    manager.close(ms(10)).await;
    assert_eq!(recorder.events(), ["closed"]);
}

#[tokio::test]
async fn a_service_is_not_ready_while_a_required_pool_is_paused_closed_or_missing() {
    let text = TWO.replace("archive, ", "archive, required: false, ");
    let manager = manager(&text).await;
    manager.warm_up().await.unwrap();
    let orders = manager.pool("orders").unwrap();
    orders.control().pause();
    manager.remove("archive", PATIENCE).await.unwrap();
    insta::assert_snapshot!(manager.readiness().await, @r"
    not ready
      archive (not required): missing: the configuration has it, and it was removed
      orders: paused
    ");
    orders.control().resume();
    assert!(manager.readiness().await.is_ready());
    let _held = orders.acquire().await.unwrap();
    orders.control().close(ms(1)).await;
    let readiness = manager.readiness().await;
    assert!(!readiness.is_ready() && readiness.missing().any(|pool| pool.state == ReadyState::Closed));
    manager.remove("orders", ms(1)).await.unwrap();
    let readiness = manager.readiness().await;
    assert!(!readiness.is_ready());
    assert_eq!(readiness.missing().map(|pool| &*pool.pool).collect::<Vec<_>>(), ["orders"]);
}

#[tokio::test]
async fn a_closed_manager_is_not_ready_even_without_pools() {
    let manager = manager("pools: []").await;
    assert!(manager.readiness().await.is_ready());
    manager.close(ms(1)).await;
    let readiness = manager.readiness().await;
    assert!(!readiness.is_ready());
    assert_eq!(readiness.to_string(), "not ready: the manager is closed");
}
