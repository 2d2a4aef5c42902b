//! Runs on pools without a defect: what they count, how they end, what goes wrong in them.
//!
//! Time is tokio's paused clock: ten seconds of load take as long as the machine needs for its cycles.

use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use pool_core::ErrorClass;
use pool_core::fake::FakeConnector;
use pool_loadtest::result::{LeakStatus, LoadResult, Status, VerdictStatus};
use pool_loadtest::{
    Controls, ErrorKind, Interruption, Interruptions, Phase, Plan, PoolSubject, Request, RunError, Signal,
    Subject, Witness, exit, run_on,
};
use tokio::sync::watch;
use tokio::time::{Instant, sleep};

use crate::schema::violations;
use crate::subjects::{FailAfter, Hold, Once, Then, pool};

const MS: Duration = Duration::from_millis(1);
const SECOND: Duration = Duration::from_secs(1);

/// A load of some threads for some time, each burst a single cycle.
pub(crate) fn plan(threads: usize, duration: Duration) -> Plan {
    let request = Request { threads, duration, connections_per_thread: 1, ..Request::default() };
    Plan::embedded(&request).unwrap()
}

/// Runs, and checks that the result is what the schema promises.
pub(crate) async fn run_checked<S: Subject>(plan: &Plan, subject: S, witness: &Witness) -> LoadResult {
    let result = run_on(plan, subject, witness, Controls::none()).await.unwrap();
    checked(result)
}

fn checked(result: LoadResult) -> LoadResult {
    let document = serde_json::to_value(&result).unwrap();
    assert_eq!(violations(&document), [""; 0]);
    assert_eq!(result.total_connections, result.successful_connections + result.failed_connections);
    let a = &result.attempts;
    assert_eq!(a.offered, a.ok + a.failed + a.skipped + a.still_waiting + a.still_in_use);
    assert_eq!(result.timeline.series.ok.iter().sum::<u64>(), a.ok);
    assert_eq!(result.timeline.series.failed.iter().sum::<u64>(), a.failed);
    result
}

/// Four threads share two connections for two seconds, each for 10 ms; some of them wait too long.
pub(crate) async fn short_run() -> LoadResult {
    let witness = Arc::new(Witness::new());
    let pool = pool(&FakeConnector::new(), &witness, |options| {
        (options.max_connections, options.acquire_timeout) = (2, 9 * MS);
    });
    run_checked(&plan(4, 2 * SECOND), PoolSubject::new(pool, Hold(10 * MS)), &witness).await
}

#[tokio::test(start_paused = true)]
async fn every_cycle_is_counted_and_timed() {
    let witness = Arc::new(Witness::new());
    let pool = pool(&FakeConnector::new(), &witness, |options| options.max_connections = 2);
    let result = run_checked(&plan(2, 10 * SECOND), PoolSubject::new(pool, Hold(9 * MS)), &witness).await;
    // A cycle takes 9 ms and the pause 1 ms: 900 in the nine measured seconds, for each of two threads. The timer
    // rounds up, so it may be fewer.
    assert!((1_600..=1_800).contains(&result.successful_connections), "{}", result.successful_connections);
    assert_eq!(result.failed_connections, 0);
    assert_eq!((result.run.warmup_ms, result.run.measured_ms), (1_000.0, 9_000.0));
    assert_eq!(result.phases.r#use.min, Some(9_000.0));
    assert_eq!(result.phases.acquire_wait.max, Some(0.0), "nobody has to wait");
    assert_eq!(result.phases.connect.count, 2);
    assert_eq!(result.connection_times.len() as u64, result.successful_connections);
    assert_eq!(result.timeline.series.t_ms.first(), Some(&1_000.0));
    assert_eq!(result.timeline.series.t_ms.len(), 9);
    assert_eq!(result.fairness.starved_threads, 0);
    assert!(result.fairness.jain.unwrap() > 0.999);
    assert_eq!(result.leak_check.status, LeakStatus::Pass);
    assert_eq!((result.run.exit_code, result.verdict.status), (exit::OK, VerdictStatus::Pass));
    let counters = &result.pool.counters;
    assert_eq!(counters.acquired, counters.released);
}

#[tokio::test(start_paused = true)]
async fn a_timeout_is_a_failure_and_a_wait() {
    let result = short_run().await;
    let timeouts = &result.errors.by_kind[&ErrorKind::AcquireTimeout];
    assert_eq!(timeouts.count, result.failed_connections);
    assert_eq!(timeouts.phase, Phase::Acquire);
    assert!(
        timeouts.sample.contains("acquire a connection from pool `fake`: none within 9ms"),
        "{}",
        timeouts.sample
    );
    assert!(timeouts.first_at_ms <= timeouts.last_at_ms && timeouts.last_at_ms <= 2_100.0);
    assert_eq!(result.phases.acquire_wait.count, result.total_connections);
    assert!(result.phases.acquire_wait.max.unwrap() >= 9_000.0);
    assert_eq!(result.phases.r#use.count, result.successful_connections);
    assert_eq!((result.run.status, result.run.exit_code), (Status::Completed, exit::OK));
    assert_eq!(result.verdict.status, VerdictStatus::None, "nothing says how many may fail");
    assert_eq!(result.leak_check.status, LeakStatus::Pass);
}

#[tokio::test(start_paused = true)]
async fn who_still_waits_when_the_run_ends_is_not_forgotten() {
    let witness = Arc::new(Witness::new());
    let pool = pool(&FakeConnector::new(), &witness, |options| options.max_connections = 2);
    let once = Once(AtomicU64::new(0), Then::Hang);
    let result = run_checked(&plan(5, 10 * SECOND), PoolSubject::new(pool, once), &witness).await;
    assert_eq!((result.attempts.still_waiting, result.attempts.still_in_use), (3, 2));
    assert_eq!(result.phases.acquire_wait.count, 0);
    let censored = result.phases.acquire_wait.censored;
    // Since the load began, through ten seconds of it and five of draining.
    assert_eq!((censored.count, censored.max_so_far), (3, Some(15_000_000.0)));
    assert_eq!(result.run.drain_ms, 5_000.0);
    assert_eq!(result.fairness.starved_threads, 5);
    assert_eq!((result.run.status, result.run.exit_code), (Status::Failed, exit::NOT_STARTED));
    assert_eq!(result.verdict.reasons, ["not one of 5 cycles succeeded: 5 never ended"]);
    assert_eq!(result.leak_check.status, LeakStatus::Pass, "what was under way gave its connection back");
}

#[tokio::test(start_paused = true)]
async fn a_run_without_a_success_is_not_ok_and_says_why() {
    let witness = Arc::new(Witness::new());
    let pool = pool(&FakeConnector::new(), &witness, |_| {});
    let fails = FailAfter { good: AtomicU64::new(1), class: ErrorClass::Transient };
    let result = run_checked(&plan(2, SECOND), PoolSubject::new(pool, fails), &witness).await;
    assert_eq!(result.successful_connections, 0);
    assert_eq!((result.run.status, result.run.exit_code), (Status::Failed, exit::NOT_STARTED));
    let lost = &result.errors.by_kind[&ErrorKind::ConnectionLost];
    assert_eq!((lost.count, lost.phase), (result.failed_connections, Phase::Use));
    assert_eq!(lost.sample, "out of order, says db://app:***@host");
    assert!(result.verdict.reasons[0].ends_with(&lost.sample), "{:?}", result.verdict.reasons);
    assert_eq!(result.throughput.mean, 0.0);
    assert_eq!(result.phases.response.p50, None);
}

#[tokio::test(start_paused = true)]
async fn an_outage_is_classified_and_told_as_events() {
    let witness = Arc::new(Witness::new());
    let connector = FakeConnector::new();
    let pool = pool(&connector, &witness, |options| {
        (options.max_connections, options.validate_after_idle) = (2, Duration::ZERO);
    });
    tokio::spawn(async move {
        sleep(4 * SECOND).await;
        connector.go_down();
        sleep(2 * SECOND).await;
        connector.come_back();
    });
    let result = run_checked(&plan(4, 10 * SECOND), PoolSubject::new(pool, Hold(MS)), &witness).await;
    let kinds: Vec<&str> = result.events.iter().map(|event| event.kind).collect();
    for kind in ["connectFailed", "outageStarted", "outageEnded"] {
        assert!(kinds.contains(&kind), "{kinds:?}");
    }
    let refused = &result.errors.by_kind[&ErrorKind::Other];
    assert_eq!(refused.phase, Phase::Connect);
    assert!(refused.sample.contains("connection refused"), "{}", refused.sample);
    assert!(refused.first_at_ms >= 4_000.0 && refused.last_at_ms < 7_500.0, "{refused:?}");
    // Refusals are no waits; and nobody asks a hundred thousand times a second.
    assert_eq!(result.phases.acquire_wait.count, result.successful_connections);
    assert!(result.failed_connections < 10_000, "{}", result.failed_connections);
    assert_eq!(result.run.exit_code, exit::OK);
    assert!(result.fairness.overtakes.p99 <= 8, "{:?}", result.fairness);
}

#[tokio::test(start_paused = true)]
async fn a_target_that_is_down_from_the_start_gives_no_result() {
    let witness = Arc::new(Witness::new());
    let connector = FakeConnector::new();
    connector.go_down();
    let pool = pool(&connector, &witness, |_| {});
    let error = run_on(&plan(2, SECOND), PoolSubject::new(pool, Hold(MS)), &witness, Controls::none()).await;
    let error = error.unwrap_err();
    assert!(matches!(error, RunError::WarmUp(_)));
    assert_eq!(error.exit_code(), exit::NOT_STARTED);
    assert!(error.to_string().contains("connection refused"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn a_query_that_never_works_gives_no_result() {
    let witness = Arc::new(Witness::new());
    let pool = pool(&FakeConnector::new(), &witness, |_| {});
    let fails = FailAfter { good: AtomicU64::new(0), class: ErrorClass::Transient };
    let error = run_on(&plan(2, SECOND), PoolSubject::new(pool, fails), &witness, Controls::none()).await;
    let error = error.unwrap_err();
    assert_eq!(error.to_string(), "make the first cycle: out of order, says db://app:***@host");
    assert_eq!(error.exit_code(), exit::NOT_STARTED);
}

/// Signals at these times.
fn signals(at: Vec<(Duration, Interruption)>) -> Controls {
    let (sender, receiver) = watch::channel(Interruption::None);
    tokio::spawn(async move {
        let begun = Instant::now();
        for (after, interruption) in at {
            tokio::time::sleep_until(begun + after).await;
            sender.send_replace(interruption);
        }
        std::future::pending::<()>().await;
    });
    Controls { interruptions: Interruptions::new(receiver), watcher: None }
}

/// Two threads of which nobody waits, until a signal after four of sixty seconds.
pub(crate) async fn interrupted_run() -> LoadResult {
    let witness = Arc::new(Witness::new());
    let pool = pool(&FakeConnector::new(), &witness, |options| options.max_connections = 2);
    let controls = signals(vec![(4 * SECOND, Interruption::Stop(Signal::Interrupt))]);
    let result =
        run_on(&plan(2, 60 * SECOND), PoolSubject::new(pool, Hold(9 * MS)), &witness, controls).await;
    checked(result.unwrap())
}

#[tokio::test(start_paused = true)]
async fn an_interrupted_run_reports_what_it_measured() {
    let result = interrupted_run().await;
    assert_eq!((result.run.status, result.run.exit_code), (Status::Interrupted, 130));
    assert_eq!(result.run.warmup_ms, 1_000.0);
    // The signal's clock began with the first cycle, before the load.
    assert!((2_950.0..=3_000.0).contains(&result.run.measured_ms), "{}", result.run.measured_ms);
    assert_eq!(result.timeline.series.ok.len(), 3);
    assert!((150.0..=205.0).contains(&result.throughput.mean), "{}", result.throughput.mean);
    assert_eq!(result.leak_check.status, LeakStatus::Pass);
    assert_eq!(result.verdict.reasons, ["interrupted by SIGINT after 3.99s of 60s"]);
}

#[tokio::test(start_paused = true)]
async fn a_run_interrupted_in_its_warm_up_measured_nothing() {
    let witness = Arc::new(Witness::new());
    let pool = pool(&FakeConnector::new(), &witness, |_| {});
    let controls = signals(vec![(500 * MS, Interruption::Stop(Signal::Terminate))]);
    let result =
        run_on(&plan(2, 60 * SECOND), PoolSubject::new(pool, Hold(9 * MS)), &witness, controls).await;
    let result = checked(result.unwrap());
    assert_eq!((result.run.status, result.run.exit_code), (Status::Interrupted, 143));
    assert!((450.0..=500.0).contains(&result.run.warmup_ms), "{}", result.run.warmup_ms);
    assert_eq!(result.run.measured_ms, 0.0);
    assert_eq!(result.total_connections, 0);
    assert!(result.timeline.series.ok.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_second_signal_waits_for_nothing() {
    let witness = Arc::new(Witness::new());
    let pool = pool(&FakeConnector::new(), &witness, |options| options.max_connections = 2);
    let once = Once(AtomicU64::new(0), Then::Hang);
    let stop = Interruption::Stop(Signal::Interrupt);
    let abandon = Interruption::Abandon(Signal::Interrupt);
    let controls = signals(vec![(4 * SECOND, stop), (5 * SECOND, abandon)]);
    let result = run_on(&plan(3, 60 * SECOND), PoolSubject::new(pool, once), &witness, controls).await;
    let result = checked(result.unwrap());
    assert_eq!(result.run.drain_ms, 1_000.0);
    assert_eq!((result.leak_check.performed, result.leak_check.status), (false, LeakStatus::NotPerformed));
    assert_eq!((result.run.status, result.run.exit_code), (Status::Interrupted, 130));
    assert_eq!(result.attempts.still_in_use, 2);
}

#[tokio::test(start_paused = true)]
async fn a_signal_before_the_load_gives_no_result() {
    let witness = Arc::new(Witness::new());
    let connector = FakeConnector::new();
    connector.connects().always(pool_core::fake::Act::Hang);
    let pool = pool(&connector, &witness, |options| options.acquire_timeout = 300 * SECOND);
    let controls = signals(vec![(SECOND, Interruption::Stop(Signal::Interrupt))]);
    let error = run_on(&plan(2, SECOND), PoolSubject::new(pool, Hold(MS)), &witness, controls).await;
    assert_eq!(error.unwrap_err().exit_code(), 130);
}

#[tokio::test(start_paused = true)]
async fn the_watcher_is_told_each_second() {
    let witness = Arc::new(Witness::new());
    let pool = pool(&FakeConnector::new(), &witness, |options| options.max_connections = 2);
    let told = Arc::new(Mutex::new(Vec::new()));
    let watcher = Arc::clone(&told);
    let controls = Controls {
        watcher: Some(Box::new(move |progress| watcher.lock().unwrap().push(*progress))),
        ..Controls::none()
    };
    run_on(&plan(4, 5 * SECOND), PoolSubject::new(pool, Hold(9 * MS)), &witness, controls).await.unwrap();
    let told = told.lock().unwrap();
    let seconds: Vec<_> = told.iter().map(|progress| progress.elapsed.as_secs()).collect();
    assert_eq!(seconds, [0, 1, 2, 3, 4]);
    assert!(told[0].warming_up && !told[1].warming_up);
    assert_eq!(told[1].rate, None, "no second is over yet");
    let last = told[4];
    assert!((150.0..=225.0).contains(&last.rate.unwrap()), "{last:?}");
    assert_eq!((last.in_use, last.max, last.failed), (2, 2, 0));
    assert!(last.wait_p99_us.is_some() && last.ok > 300, "{last:?}");
}

#[tokio::test(start_paused = true)]
async fn a_panicking_thread_is_the_load_testers_own_defect() {
    let witness = Arc::new(Witness::new());
    let pool = pool(&FakeConnector::new(), &witness, |_| {});
    let once = Once(AtomicU64::new(0), Then::Panic);
    let result = run_checked(&plan(2, SECOND), PoolSubject::new(pool, once), &witness).await;
    assert_eq!(result.run.exit_code, exit::INTERNAL);
    assert_eq!(result.verdict.reasons[0], "2 of the load's threads panicked");
    assert_eq!(result.failed_connections, 2);
}
