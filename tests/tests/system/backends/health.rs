//! What the health monitor says of servers that are down, come back, flap, say nothing, or are merely slow.
//!
//! Its own timing is proved on a paused clock, in its own tests; here it meets real servers. So nothing is said of when,
//! only of what, and in which order.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use pool_core::PoolSet;
use pool_health::{HealthEvent, HealthMonitor, HealthObserver, HealthSettings, HealthStatus, Issue};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

use super::backend::{Backend, Hindrance, PoolOf};
use super::wired::{Service, Wired};
use super::{PATIENCE, open, pool_of, until};

/// A pool of a backend under watch.
struct Watched<B: Backend> {
    backend: B,
    pool: PoolOf<B>,
    health: HealthMonitor,
    told: Arc<Told>,
}

/// What was told, in order.
#[derive(Default)]
struct Told(Mutex<Vec<String>>);

impl HealthObserver for Told {
    fn event(&self, _pool: &str, event: &HealthEvent) {
        let line = match event {
            HealthEvent::StatusChanged { to, .. } => to.to_string(),
            HealthEvent::Lost { .. } => "lost".to_owned(),
            HealthEvent::Recovered { .. } => "recovered".to_owned(),
            _ => return,
        };
        self.0.lock().unwrap().push(line);
    }
}

impl Told {
    fn take(&self) -> Vec<String> {
        std::mem::take(&mut self.0.lock().unwrap())
    }

    fn count(&self, line: &str) -> usize {
        self.0.lock().unwrap().iter().filter(|told| *told == line).count()
    }
}

impl<B: Backend> Watched<B> {
    async fn start() -> Self {
        Watched::with(Duration::from_millis(100)).await
    }

    /// Checked so often, while it is well or in doubt.
    async fn with(interval: Duration) -> Self {
        let backend = B::start().await;
        let settings = HealthSettings {
            check_interval: interval,
            fast_interval: interval,
            down_interval: interval,
            // A busy machine may take its time, a server that says nothing takes all of it.
            timeout: Duration::from_secs(3),
            ..HealthSettings::default()
        };
        let (pools, told) = (PoolSet::new(), Arc::new(Told::default()));
        let health = HealthMonitor::new(pools.clone(), settings).unwrap();
        health.subscribe(told.clone());
        let pool = pool_of(&backend, 4)
            .min_connections(1)
            .acquire_timeout(Duration::from_secs(5))
            .validation_timeout(Duration::from_secs(2))
            .observer(health.observer())
            .build()
            .unwrap();
        pools.insert(pool.clone()).unwrap();
        open::<B>(&pool, 3).await;
        health.start();
        let watched = Watched { backend, pool, health, told };
        watched.becomes(HealthStatus::Healthy).await;
        watched
    }

    async fn becomes(&self, status: HealthStatus) {
        let begun = Instant::now();
        while self.health.status("orders") != status {
            let (report, outage) = (self.health.report("orders"), self.pool.outage());
            assert!(
                begun.elapsed() < PATIENCE,
                "waited too long until it is {status}: {report:#?}, {outage:?}"
            );
            sleep(Duration::from_millis(5)).await;
        }
    }

    fn issues(&self) -> Vec<Issue> {
        self.health.report("orders").unwrap().issues
    }
}

/// H1, H2, F5.
pub(super) async fn a_stopped_server_is_lost_and_recovers_without_a_caller<B: Backend>() {
    let watched = Watched::<B>::start().await;
    watched.told.take();
    watched.backend.stop().await;
    watched.becomes(HealthStatus::Unhealthy).await;
    assert!(!watched.issues().is_empty());
    until("it is told", async || watched.told.count("lost") == 1).await;
    watched.backend.start_again().await;
    watched.becomes(HealthStatus::Healthy).await;
    until("it is told", async || watched.told.count("recovered") == 1).await;
    let told = watched.told.take();
    assert_eq!(told.iter().filter(|line| *line == "lost" || *line == "recovered").count(), 2, "{told:?}");
    assert_eq!(watched.issues(), []);
    until("it has its minimum", async || watched.pool.stats().idle >= 1).await;
}

/// H4. Ten times up and down, each for long enough to be noticed.
pub(super) async fn a_flapping_server_is_told_of_no_more_than_twice<B: Backend>() {
    let watched = Watched::<B>::start().await;
    watched.told.take();
    for _ in 0..5 {
        watched.backend.shut().await;
        watched.becomes(HealthStatus::Unhealthy).await;
        watched.backend.mend().await;
        until("it works", async || {
            matches!(watched.health.status("orders"), HealthStatus::Recovering | HealthStatus::Healthy)
        })
        .await;
        sleep(Duration::from_millis(300)).await;
    }
    let told = watched.told.take();
    let count = |line: &str| told.iter().filter(|told| *told == line).count();
    assert!((1..=2).contains(&count("lost")), "{told:?}");
    assert!(count("recovered") <= 1, "{told:?}");
    assert!(watched.issues().iter().any(|issue| matches!(issue, Issue::Flapping { .. })), "{told:?}");
    watched.becomes(HealthStatus::Healthy).await;
}

/// H10.
pub(super) async fn a_full_pool_is_degraded_and_its_target_is_not_blamed<B: Backend>() {
    let watched = Watched::<B>::start().await;
    watched.told.take();
    let mut held = Vec::new();
    for _ in 0..4 {
        held.push(watched.pool.acquire().await.unwrap());
    }
    let mut callers = JoinSet::new();
    for _ in 0..3 {
        let pool = watched.pool.clone();
        callers.spawn(async move { pool.acquire_timeout(Duration::from_millis(300)).await.is_err() });
    }
    assert!(callers.join_all().await.into_iter().all(|was_refused| was_refused));
    watched.becomes(HealthStatus::Degraded).await;
    assert!(matches!(&watched.issues()[..], [Issue::Exhausted { .. }, ..]), "{:?}", watched.issues());
    drop(held);
    watched.becomes(HealthStatus::Healthy).await;
    assert_eq!(watched.told.count("lost"), 0);
}

/// H3.
pub(super) async fn a_black_hole_is_called_unhealthy<S: Service>() {
    let watched = Watched::<Wired<S>>::start().await;
    watched.backend.hinder(Hindrance::Blackhole).await;
    watched.becomes(HealthStatus::Unhealthy).await;
    watched.backend.mend().await;
    watched.becomes(HealthStatus::Healthy).await;
}

/// H5.
pub(super) async fn a_slow_server_is_called_degraded_and_no_worse<S: Service>() {
    let watched = Watched::<Wired<S>>::with(Duration::from_millis(20)).await;
    let checks = || watched.health.report("orders").unwrap().checks;
    until("it is known what is usual", async || checks() > 20).await;
    watched.told.take();
    watched.backend.hinder(Hindrance::Latency(Duration::from_millis(150))).await;
    watched.becomes(HealthStatus::Degraded).await;
    assert!(
        watched.issues().iter().any(|issue| matches!(issue, Issue::Slow { .. })),
        "{:?}",
        watched.issues()
    );
    let before = checks();
    until("it was checked more often", async || checks() > before + 10).await;
    assert_eq!(watched.told.count("lost"), 0);
    watched.backend.mend().await;
    watched.becomes(HealthStatus::Healthy).await;
}
