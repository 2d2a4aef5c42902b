//! What the tests share: short names, a recording observer, and checks of a pool at rest.

use std::future::Future;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use pool_core::fake::FakeConnector;
use pool_core::{CloseReason, Observer, Pool, PoolBuilder, PoolEvent, PoolSnapshot, Pooled};
use tokio::time::Instant;

pub(crate) type FakePool = Pool<FakeConnector>;
pub(crate) type Guard = Pooled<FakeConnector>;

pub(crate) fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

pub(crate) fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// A pool of at most `max` connections that opens none before it is asked, and its connector.
pub(crate) fn lazy(max: usize) -> (PoolBuilder<FakeConnector>, FakeConnector) {
    let connector = FakeConnector::new();
    let builder = Pool::builder(connector.clone()).name("test").max_connections(max).min_connections(0);
    (builder, connector)
}

/// Lets every task that can run do so, without letting time pass.
pub(crate) async fn settle() {
    for _ in 0..50 {
        tokio::task::yield_now().await;
    }
}

/// Lets this much time pass on the paused clock; timers fire in their order.
pub(crate) async fn pass(duration: Duration) {
    tokio::time::sleep(duration).await;
    settle().await;
}

/// Runs a future as a task and lets it come as far as it can.
pub(crate) async fn start<F>(future: F) -> tokio::task::JoinHandle<F::Output>
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    let task = tokio::spawn(future);
    settle().await;
    task
}

/// A task that acquires and keeps what it got.
pub(crate) async fn start_acquire(
    pool: &FakePool,
) -> tokio::task::JoinHandle<Result<Guard, pool_core::AcquireError>> {
    let pool = pool.clone();
    start(async move { pool.acquire().await }).await
}

/// Takes `count` connections, one after another, and holds them all.
pub(crate) async fn hold(pool: &FakePool, count: usize) -> Vec<Guard> {
    let mut guards = Vec::new();
    for _ in 0..count {
        guards.push(pool.acquire().await.unwrap());
    }
    guards
}

/// The most deaths that any window of this length saw, its ends included.
pub(crate) fn most_within(window: Duration, deaths: &[Duration]) -> usize {
    let within = |first: Duration| deaths.iter().filter(|at| (first..=first + window).contains(at)).count();
    deaths.iter().map(|at| within(*at)).max().unwrap_or(0)
}

/// Remembers every event.
#[derive(Clone, Default)]
pub(crate) struct Recorder(Arc<Mutex<Vec<PoolEvent>>>);

impl Recorder {
    pub(crate) fn events(&self) -> Vec<PoolEvent> {
        self.0.lock().unwrap().clone()
    }

    /// How many events `pick` picks.
    pub(crate) fn count(&self, pick: impl Fn(&PoolEvent) -> bool) -> usize {
        self.0.lock().unwrap().iter().filter(|event| pick(event)).count()
    }
}

impl Observer for Recorder {
    fn event(&self, _pool: &str, event: &PoolEvent) {
        self.0.lock().unwrap().push(event.clone());
    }
}

/// Remembers every event with its time, counted from the making of the timeline.
#[derive(Clone)]
pub(crate) struct Timeline {
    begun: Instant,
    events: Arc<Mutex<Vec<(Duration, PoolEvent)>>>,
}

impl Timeline {
    pub(crate) fn new() -> Self {
        Timeline { begun: Instant::now(), events: Arc::default() }
    }

    /// When the events happened that `pick` picks.
    pub(crate) fn times(&self, pick: impl Fn(&PoolEvent) -> bool) -> Vec<Duration> {
        self.pick(|event| pick(event).then_some(())).into_iter().map(|(at, ())| at).collect()
    }

    /// What `pick` makes of the events, and when each happened.
    pub(crate) fn pick<T>(&self, pick: impl Fn(&PoolEvent) -> Option<T>) -> Vec<(Duration, T)> {
        let events = self.events.lock().unwrap();
        events.iter().filter_map(|(at, event)| pick(event).map(|picked| (*at, picked))).collect()
    }

    /// When connections ended for this reason.
    pub(crate) fn closed(&self, why: CloseReason) -> Vec<Duration> {
        self.times(|event| matches!(event, PoolEvent::Closed { reason, .. } if *reason == why))
    }
}

impl Observer for Timeline {
    fn event(&self, _pool: &str, event: &PoolEvent) {
        self.events.lock().unwrap().push((self.begun.elapsed(), event.clone()));
    }
}

/// What must hold of every snapshot.
#[track_caller]
pub(crate) fn check_snapshot(snapshot: &PoolSnapshot) {
    let (stats, counters) = (&snapshot.stats, &snapshot.counters);
    assert_eq!(
        stats.total,
        stats.idle + stats.active + stats.validating + stats.creating + stats.destroying,
        "{stats:?}"
    );
    assert!(stats.total <= stats.max, "never over the limit: {stats:?}");
    assert_eq!(
        counters.requests,
        counters.finished() + stats.pending as u64,
        "every request is finished or pending: {snapshot:?}"
    );
    assert_eq!(
        counters.created - counters.closed.total(),
        stats.open() as u64,
        "opened less closed is what is open: {snapshot:?}"
    );
}

/// Everything was given back, nothing is under way, and the connector agrees with the books.
#[track_caller]
pub(crate) fn check_at_rest(pool: &FakePool, connector: &FakeConnector) {
    let snapshot = pool.snapshot();
    check_snapshot(&snapshot);
    let stats = snapshot.stats;
    assert_eq!(
        (stats.active, stats.validating, stats.creating, stats.destroying, stats.pending),
        (0, 0, 0, 0, 0),
        "{stats:?}"
    );
    assert_eq!(stats.idle, connector.open_now(), "the connector counts the same: {stats:?}");
}

/// Runs a test, given by its full name, in a process of its own, where it may end badly: no panic on any thread, no
/// crash, and no hang.
pub(crate) fn alone(test: &str, body: impl FnOnce() + Send + 'static) {
    const MARK: &str = "POOL_CORE_TEST_ALONE";
    if std::env::var_os(MARK).is_some() {
        let (over, ended) = std::sync::mpsc::channel();
        std::thread::spawn(move || {
            body();
            over.send(()).unwrap();
        });
        ended.recv_timeout(secs(20)).expect("it neither hangs nor panics");
        return;
    }
    let output = std::process::Command::new(std::env::current_exe().unwrap())
        .args([test, "--exact", "--nocapture"])
        .env(MARK, "1")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    // One that goes wrong may do so very often.
    let said = said.get(..2_000).unwrap_or(&said);
    assert!(output.status.success() && !said.contains("panicked"), "{}: {said}", output.status);
    assert!(String::from_utf8_lossy(&output.stdout).contains("1 passed"), "no test of this name");
}
