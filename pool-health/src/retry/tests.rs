//! Retries as their users see them, on a paused clock.

use std::cell::{Cell, RefCell};

use super::*;

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
enum Fault {
    #[error("connection reset")]
    Reset,
    #[error("duplicate key")]
    Duplicate,
}

fn retry(settings: RetrySettings) -> Retry {
    Retry::with_seed(settings, RetryBudget::default(), 7).unwrap()
}

fn patient(max_attempts: u32) -> RetrySettings {
    RetrySettings { max_attempts, ..RetrySettings::default() }
}

const LONG: Duration = Duration::from_secs(3_600);

fn passes(fault: &Fault) -> bool {
    *fault == Fault::Reset
}

#[tokio::test(start_paused = true)]
async fn an_operation_is_tried_until_it_succeeds() {
    let (retry, tries) = (retry(patient(5)), Cell::new(0));
    let outcome = retry
        .run(LONG, passes, || async {
            tries.set(tries.get() + 1);
            if tries.get() < 4 { Err(Fault::Reset) } else { Ok(tries.get()) }
        })
        .await;
    assert_eq!(outcome, Ok(4));
    let BudgetSnapshot { in_flight, repeating, granted, .. } = retry.budget().snapshot();
    assert_eq!((in_flight, repeating, granted), (0, 0, 3));
}

#[tokio::test(start_paused = true)]
async fn attempts_are_as_far_apart_as_the_back_off_says() {
    for seed in 0..50 {
        let settings = RetrySettings { max_attempts: 20, ..RetrySettings::default() };
        let retry = Retry::with_seed(settings.clone(), RetryBudget::default(), seed).unwrap();
        let times = RefCell::new(Vec::new());
        let operation = || async {
            times.borrow_mut().push(Instant::now());
            Err::<(), _>(Fault::Reset)
        };
        let error = retry.run(LONG, passes, operation).await.unwrap_err();
        assert_eq!((error.attempts, error.reason, error.last), (20, GaveUp::Attempts, Some(Fault::Reset)));
        for pair in times.into_inner().windows(2) {
            let apart = pair[1] - pair[0];
            // A timer is exact to a millisecond, and never early.
            assert!(apart >= settings.base && apart <= settings.cap + Duration::from_millis(1), "{apart:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn what_does_not_pass_is_not_tried_again() {
    let error = retry(patient(9)).run(LONG, passes, || async { Err::<(), _>(Fault::Duplicate) }).await;
    let error = error.unwrap_err();
    assert_eq!((error.attempts, error.reason), (1, GaveUp::NotRetryable));
    insta::assert_snapshot!(error, @"complete the operation: 1 attempt in 0s, the error is none that passes");
    assert_eq!(std::error::Error::source(&error).unwrap().to_string(), "duplicate key");
}

#[tokio::test(start_paused = true)]
async fn all_of_it_ends_within_the_deadline() {
    for seed in 0..100 {
        let settings = RetrySettings { max_attempts: u32::MAX, ..RetrySettings::default() };
        let retry = Retry::with_seed(settings, RetryBudget::default(), seed).unwrap();
        let (deadline, begun) = (Duration::from_secs(5), Instant::now());
        let failing = || async { Err::<(), _>(Fault::Reset) };
        let error = retry.run(deadline, passes, failing).await.unwrap_err();
        assert!(error.is_timeout() && error.last == Some(Fault::Reset), "{error}");
        assert!(begun.elapsed() <= deadline && error.took <= deadline, "{:?}", begun.elapsed());
        assert!(
            error.took >= deadline - Duration::from_secs(2),
            "no wait is begun that leads beyond it, and no other left out"
        );

        let begun = Instant::now();
        let error = retry.run(deadline, passes, std::future::pending::<Result<(), Fault>>).await.unwrap_err();
        assert_eq!((error.attempts, error.reason, error.last), (1, GaveUp::Deadline, None));
        assert_eq!(begun.elapsed(), deadline);
    }
    let error =
        retry(patient(3)).run(Duration::ZERO, passes, std::future::pending::<Result<(), Fault>>).await;
    insta::assert_snapshot!(error.unwrap_err(), @"complete the operation: 1 attempt in 0s, no time is left");
    assert_eq!(
        retry(patient(3)).run(Duration::MAX, passes, || async { Ok(7) }).await,
        Ok::<_, RetryError<Fault>>(7)
    );
}

#[tokio::test(start_paused = true)]
async fn an_outage_is_not_multiplied_by_those_who_try_again() {
    let retry = retry(patient(3));
    let tries = Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let mut callers = tokio::task::JoinSet::new();
    for _ in 0..100 {
        let (retry, tries) = (retry.clone(), Arc::clone(&tries));
        callers.spawn(async move {
            let operation = || async {
                tries.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
                sleep(Duration::from_millis(10)).await;
                Err::<(), _>(Fault::Reset)
            };
            retry.run(LONG, passes, operation).await.unwrap_err().reason
        });
    }
    let reasons = callers.join_all().await;
    let refused = reasons.iter().filter(|reason| **reason == GaveUp::Budget).count();
    let snapshot = retry.budget().snapshot();
    // Without a budget it would be 300.
    let tries = tries.load(std::sync::atomic::Ordering::SeqCst);
    assert!((110..=145).contains(&tries) && refused >= 75, "{tries} tries, {refused} refused");
    assert_eq!((snapshot.in_flight, snapshot.repeating), (0, 0));
    assert_eq!(100 + snapshot.granted, tries as u64);
}

#[tokio::test(start_paused = true)]
async fn an_abandoned_retry_gives_everything_back() {
    let retry = retry(patient(50));
    for millis in 0..200 {
        let operation = || async {
            sleep(Duration::from_millis(7)).await;
            Err::<(), _>(Fault::Reset)
        };
        let run = retry.run(LONG, passes, operation);
        assert!(tokio::time::timeout(Duration::from_millis(millis), run).await.is_err());
        let BudgetSnapshot { in_flight, repeating, .. } = retry.budget().snapshot();
        assert_eq!((in_flight, repeating), (0, 0), "dropped after {millis} ms");
    }
    assert!(retry.budget().snapshot().granted > 100, "it was dropped while it repeated");
}

#[tokio::test(start_paused = true)]
async fn a_pool_is_asked_again_while_its_target_is_down() {
    use pool_core::fake::FakeConnector;
    use pool_core::{AcquireError, Pool};

    let connector = FakeConnector::new();
    let pool = Pool::builder(connector.clone()).min_connections(0).build().unwrap();
    connector.go_down();
    let healing = tokio::spawn(async move {
        sleep(Duration::from_secs(3)).await;
        connector.come_back();
    });
    let retry = retry(patient(100));
    assert!(pool.acquire().await.unwrap_err().is_unavailable());
    let begun = Instant::now();
    retry.run(Duration::from_secs(10), AcquireError::is_retryable, || pool.acquire()).await.unwrap();
    assert!(begun.elapsed() <= Duration::from_secs(6), "{:?}", begun.elapsed());
    healing.await.unwrap();

    pool.close(Duration::ZERO).await;
    let error = retry.run(LONG, AcquireError::is_retryable, || pool.acquire()).await.unwrap_err();
    assert_eq!((error.attempts, error.reason), (1, GaveUp::NotRetryable));
}

#[tokio::test(start_paused = true)]
async fn a_retry_may_run_in_a_task_of_its_own() {
    let retry = retry(patient(2));
    let task =
        tokio::spawn(async move { retry.run(LONG, passes, || async { Err::<(), _>(Fault::Reset) }).await });
    assert_eq!(task.await.unwrap().unwrap_err().attempts, 2);
}

#[test]
fn there_is_one_budget_for_the_process() {
    let _in_flight = RetryBudget::of_process().enter();
    assert_eq!(RetryBudget::of_process().snapshot().in_flight, 1);
}

#[test]
fn every_bad_setting_is_named_at_once() {
    assert_eq!(RetrySettings::default().check(), Ok(()));
    let settings = RetrySettings { max_attempts: 0, base: Duration::ZERO, cap: Duration::from_secs(90_000) };
    insta::assert_snapshot!(
        settings.check().unwrap_err(),
        @"accept the retry settings: max_attempts = 0 must be at least 1; base = 0s must be at least 1 ms; cap = 90000s must not exceed one day"
    );
    let settings = RetrySettings { cap: Duration::from_millis(1), ..RetrySettings::default() };
    insta::assert_snapshot!(
        Retry::new(settings, RetryBudget::default()).unwrap_err(),
        @"accept the retry settings: cap = 1ms must not be shorter than base"
    );
}

#[tokio::test(start_paused = true)]
async fn one_who_repeats_needs_no_second_share_to_repeat_again() {
    let retry = Retry::with_seed(patient(6), RetryBudget::new(0.0, 1), 7).unwrap();
    let error = retry.run(LONG, passes, || async { Err::<(), _>(Fault::Reset) }).await.unwrap_err();
    assert_eq!((error.attempts, error.reason), (6, GaveUp::Attempts));
    let BudgetSnapshot { repeating, granted, refused, .. } = retry.budget().snapshot();
    assert_eq!((repeating, granted, refused), (0, 5, 0));
}
