//! Pools with a planted defect: the load tester must find each, or it proves nothing about the others.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use pool_core::fake::FakeConnector;
use pool_loadtest::result::{LeakStatus, LoadResult, VerdictStatus};
use pool_loadtest::{PoolSubject, Witness, exit};
use tokio::sync::Semaphore;

use crate::runs::{plan, run_checked};
use crate::subjects::{Careless, Hold, LastComeFirstServed, Line, LosesAPermit, Return, pool};

const MS: Duration = Duration::from_millis(1);
const SECOND: Duration = Duration::from_secs(1);

fn assert_defect(result: &LoadResult, reason: &str) {
    assert_eq!(result.run.exit_code, exit::DEFECT);
    assert_eq!(result.verdict.status, VerdictStatus::Fail);
    let reasons = &result.verdict.reasons;
    assert!(reasons.iter().any(|found| found.contains(reason)), "{reason}: {reasons:#?}");
}

pub(crate) async fn careless(how: Return) -> LoadResult {
    let witness = Arc::new(Witness::new());
    let pool = pool(&FakeConnector::new(), &witness, |options| options.max_connections = 20);
    let inner = PoolSubject::new(pool, Hold(MS));
    let subject = Careless { inner, how, returned: AtomicU64::new(0) };
    let mut plan = plan(10, 4 * SECOND);
    plan.alone_in_process = matches!(how, Return::OpenFile(_));
    run_checked(&plan, subject, &witness).await
}

#[tokio::test(start_paused = true)]
async fn one_connection_forgotten_in_a_thousand_is_a_leak() {
    let result = careless(Return::Forget(1_000)).await;
    let forgotten = result.leak_check.outstanding_handles;
    assert!(forgotten >= 1, "{:?}", result.leak_check);
    assert_eq!(result.leak_check.status, LeakStatus::Fail);
    assert!(!result.leak_check.ledger_balanced);
    assert_defect(&result, "not given back when all threads had ended");
    assert_defect(&result, &format!("only {} of 20 connections could be taken at once", 20 - forgotten));
    assert_defect(&result, "left after the pool was closed");
    // Who forgot it, and where, is in the last of them.
    assert_defect(&result, "subject.rs");
}

#[tokio::test(start_paused = true)]
async fn a_pool_that_is_leaked_empty_is_a_leak_and_not_a_slow_target() {
    let result = careless(Return::Forget(2)).await;
    assert_eq!(result.leak_check.outstanding_handles, 20);
    assert_eq!(result.successful_connections, 0, "all were gone within the warm-up");
    assert_defect(&result, "20 connections were not given back");
    assert!(result.attempts.still_waiting > 0);
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_comes_back_late_is_a_leak() {
    let result = careless(Return::Late(10, 300 * MS)).await;
    assert_defect(&result, "given back only some time after all threads had ended");
    assert!(result.leak_check.outstanding_handles > 0);
}

#[tokio::test(start_paused = true)]
async fn a_file_left_open_is_a_leak() {
    // Other tests open files meanwhile; not hundreds.
    let result = careless(Return::OpenFile(50)).await;
    assert_defect(&result, "file descriptors grew from");
    assert_eq!(result.leak_check.outstanding_handles, 0);
}

#[tokio::test(start_paused = true)]
async fn a_permit_lost_out_of_sight_is_found() {
    let witness = Arc::new(Witness::new());
    let pool = pool(&FakeConnector::new(), &witness, |options| options.max_connections = 8);
    let subject = LosesAPermit { inner: PoolSubject::new(pool, Hold(MS)), permits: Semaphore::new(7) };
    let result = run_checked(&plan(4, SECOND), subject, &witness).await;
    assert_eq!(result.leak_check.outstanding_handles, 0, "no gauge shows it");
    assert!(result.leak_check.ledger_balanced);
    assert_defect(&result, "only 7 of 8 connections could be taken at once");
}

/// A load on a pool that serves whoever came last.
pub(crate) async fn unfair_run() -> LoadResult {
    let witness = Arc::new(Witness::new());
    let pool = pool(&FakeConnector::new(), &witness, |options| {
        (options.max_connections, options.acquire_timeout) = (4, SECOND);
    });
    let subject = LastComeFirstServed { inner: PoolSubject::new(pool, Hold(MS)), line: Line::new(4) };
    run_checked(&plan(32, 5 * SECOND), subject, &witness).await
}

#[tokio::test(start_paused = true)]
async fn a_pool_that_serves_the_last_first_is_flagged_however_good_its_percentiles() {
    let result = unfair_run().await;
    assert!(
        result.phases.acquire_wait.p99.unwrap() < 10_000.0,
        "the figures of those who are served are fine"
    );
    assert!(result.fairness.starved_threads > 10, "{:?}", result.fairness);
    assert!(result.fairness.overtakes.max > 320);
    assert!(result.phases.acquire_wait.max.unwrap() > 4_000_000.0, "who waited to the end is in the figures");
    assert_defect(&result, "threads got no connection for too long");
}

#[tokio::test(start_paused = true)]
async fn the_same_load_in_order_of_arrival_is_fair() {
    let witness = Arc::new(Witness::new());
    let pool = pool(&FakeConnector::new(), &witness, |options| {
        (options.max_connections, options.acquire_timeout) = (4, SECOND);
    });
    let result = run_checked(&plan(32, 5 * SECOND), PoolSubject::new(pool, Hold(MS)), &witness).await;
    assert_eq!((result.run.exit_code, result.fairness.starved_threads), (exit::OK, 0));
    assert!(result.fairness.overtakes.max <= 8, "{:?}", result.fairness);
    assert!(result.fairness.jain.unwrap() > 0.99);
}
