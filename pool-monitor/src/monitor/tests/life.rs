//! Pools that come and go, memory that ends, and users' code that behaves badly.

use super::*;
use crate::condition::Readings;
use crate::target::TargetSource;

#[tokio::test(start_paused = true)]
async fn a_pool_that_left_or_closed_is_forgotten() {
    let (orders, users) = (pool("orders", 4), pool("users", 4));
    let set = set_of(&[&orders, &users]);
    let monitor = monitor_of(&set, MonitorSettings::default());
    monitor.collect();
    assert_eq!(monitor.all_metrics().len(), 2);
    orders.close(SECOND).await;
    assert!(monitor.metrics("orders").is_none(), "at once");
    assert_eq!(monitor.samples().len(), 1);
    drop(set.remove("users"));
    assert!(monitor.metrics("users").is_none() && monitor.window("users", SECOND).is_none());
    monitor.collect();
    monitor.shared.with_readings(|_, _, pools| assert!(pools.next().is_none()));
}

#[tokio::test(start_paused = true)]
async fn a_monitor_keeps_no_pool_open_and_no_task_alive() {
    let set = set_of(&[]);
    let connector = FakeConnector::new();
    let only = Pool::builder(connector.clone()).name("only").min_connections(1).build().unwrap();
    only.warm_up().await.unwrap();
    set.insert(only).unwrap();
    let monitor = monitor_of(&set, MonitorSettings::default());
    monitor.start();
    pass(15).await;
    drop(set.remove("only"));
    pass(1).await;
    assert_eq!(connector.open_now(), 0, "its last handle is gone");

    let shared = Arc::downgrade(&monitor.shared);
    let clone = monitor.clone();
    drop(monitor);
    assert!(clone.is_running());
    drop(clone);
    pass(1).await;
    assert_eq!(shared.strong_count(), 0);
}

#[test]
fn a_runtime_without_timers_is_told_by_a_panic_of_start() {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let _entered = runtime.enter();
    let monitor = PoolMonitor::new(PoolSet::new(), MonitorSettings::default()).unwrap();
    assert!(std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| monitor.start())).is_err());
    assert!(!monitor.is_running());
}

#[tokio::test(start_paused = true)]
async fn a_callback_may_ask_the_monitor_and_does_not_keep_it_alive() {
    let orders = pool("orders", 4);
    let set = set_of(&[&orders]);
    let monitor = monitor_of(&set, MonitorSettings::default());
    let (weak, asked) = (monitor.downgrade(), Arc::new(AtomicUsize::new(0)));
    let count = Arc::clone(&asked);
    monitor.on_metrics_updated(move |metrics| {
        let monitor = weak.upgrade().expect("it is collecting");
        assert!(monitor.metrics(&metrics.pool).is_some());
        count.fetch_add(1, Ordering::Relaxed);
    });
    monitor.start();
    pass(15).await;
    assert_eq!(asked.load(Ordering::Relaxed), 2);

    let (shared, weak) = (Arc::downgrade(&monitor.shared), monitor.downgrade());
    drop(monitor);
    assert!(weak.upgrade().is_none());
    pass(1).await;
    assert_eq!(shared.strong_count(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_pool_too_many_is_measured_and_has_no_history() {
    let pools = [pool("a", 1), pool("b", 1), pool("c", 1)];
    let set = set_of(&[&pools[0], &pools[1], &pools[2]]);
    let needed = MonitorSettings::default().memory_per_pool();
    let settings = MonitorSettings { max_memory_bytes: 2 * needed, ..MonitorSettings::default() };
    let monitor = monitor_of(&set, settings.clone());
    monitor.collect();
    let with_history = || -> Vec<bool> {
        ["a", "b", "c"].iter().map(|pool| monitor.window(pool, INTERVAL).is_some()).collect()
    };
    assert_eq!((monitor.all_metrics().len(), with_history()), (3, vec![true, true, false]));
    drop(set.remove("a"));
    // Its room is known to be free after the collection that misses it.
    monitor.collect();
    monitor.collect();
    assert_eq!(with_history(), [false, true, true]);

    let less = MonitorSettings { max_memory_bytes: needed, ..settings };
    monitor.set_settings(less).unwrap();
    assert_eq!(with_history(), [false, true, false]);
}

#[tokio::test(start_paused = true)]
async fn bad_callbacks_harm_nobody() {
    struct Bad;
    impl TargetSource for Bad {
        fn health(&self, _pool: &str) -> TargetHealth {
            panic!("a bad source")
        }
    }
    let orders = pool("orders", 4);
    let monitor = monitor_of(&set_of(&[&orders]), MonitorSettings::default());
    let told = Arc::new(AtomicUsize::new(0));
    let (count, again) = (Arc::clone(&told), Arc::downgrade(&monitor.shared));
    monitor.on_metrics_updated(|_| panic!("a bad callback"));
    monitor.on_metrics_updated(move |_| {
        let again = again.upgrade().unwrap();
        again.collect();
        assert!(again.ask("orders", |_, _| ()).is_some(), "what is told can be asked");
        count.fetch_add(1, Ordering::Relaxed);
    });
    monitor.set_target_source(Arc::new(Bad));
    monitor.collect();
    monitor.collect();
    assert_eq!(told.load(Ordering::Relaxed), 2);
    assert_eq!(monitor.samples()[0].health, TargetHealth::Unknown);
}

#[tokio::test(start_paused = true)]
async fn what_others_know_of_a_target_is_in_the_sample() {
    struct Checks;
    impl TargetSource for Checks {
        fn health(&self, pool: &str) -> TargetHealth {
            assert_eq!(pool, "orders");
            TargetHealth::Unhealthy
        }
        fn breaker(&self, _pool: &str) -> Option<BreakerState> {
            Some(BreakerState::HalfOpen)
        }
        fn is_flapping(&self, _pool: &str) -> bool {
            true
        }
    }
    let orders = pool("orders", 4);
    let monitor = monitor_of(&set_of(&[&orders]), MonitorSettings::default());
    monitor.collect();
    let read = |metric| monitor.read("orders", metric, None);
    assert_eq!((read(Metric::TargetDown), read(Metric::BreakerOpen)), (Some(0.0), Some(0.0)));
    monitor.set_target_source(Arc::new(Checks));
    monitor.collect();
    assert_eq!((read(Metric::TargetDown), read(Metric::BreakerOpen)), (Some(1.0), Some(1.0)));
    assert_eq!(read(Metric::Flapping), Some(1.0));
}

#[tokio::test(start_paused = true)]
async fn rules_see_every_pool_by_name() {
    let (orders, users) = (pool("orders", 4), pool("users", 2));
    let monitor = monitor_of(&set_of(&[&users, &orders]), MonitorSettings::default());
    let _held = users.acquire().await.unwrap();
    pass(10).await;
    monitor.collect();
    let seen = monitor.shared.with_readings(|_, time, pools| {
        assert_eq!(time, at(10));
        let read = |readings: &dyn Readings, metric, window| readings.read(metric, window);
        pools
            .map(|(name, readings)| {
                let now = read(&readings, Metric::Utilization, None);
                (name.to_owned(), now, read(&readings, Metric::Active, Some(INTERVAL)))
            })
            .collect::<Vec<_>>()
    });
    let expected = [("orders".to_owned(), Some(0.0), Some(0.0)), ("users".to_owned(), Some(0.5), Some(1.0))];
    assert_eq!(seen, expected);
}

#[tokio::test(start_paused = true)]
async fn an_exhausted_pool_and_one_without_connections_are_seen() {
    let orders = pool("orders", 1);
    let monitor = monitor_of(&set_of(&[&orders]), MonitorSettings::default());
    let held = orders.acquire().await.unwrap();
    let waiter = tokio::spawn({
        let orders = orders.clone();
        async move { orders.acquire().await.map(drop) }
    });
    pass(3).await;
    monitor.collect();
    let read = |metric| monitor.read("orders", metric, None).unwrap();
    assert_eq!((read(Metric::Exhausted), read(Metric::Waiting), read(Metric::OldestWait)), (1.0, 1.0, 3.0));
    assert_eq!(read(Metric::OldestWaitShare), 0.1, "of thirty seconds");
    assert_eq!(read(Metric::NoConnections), 0.0);
    drop(held);
    waiter.await.unwrap().unwrap();

    let down = FakeConnector::new();
    down.go_down();
    let users = Pool::builder(down).name("users").min_connections(1).build().unwrap();
    let monitor = monitor_of(&set_of(&[&users]), MonitorSettings::default());
    pass(5).await;
    monitor.collect();
    let read = |metric| monitor.read("users", metric, None).unwrap();
    assert_eq!((read(Metric::NoConnections), read(Metric::TargetDown)), (1.0, 1.0));
    assert_eq!(read(Metric::ConnectFailureRate), 1.0);
}
