//! A breaker as its users see it, on a paused clock.

use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::time::{advance, sleep};

use super::*;

const MS: Duration = Duration::from_millis(1);
const NANO: Duration = Duration::from_nanos(1);

fn breaker(settings: BreakerSettings) -> CircuitBreaker {
    CircuitBreaker::with_seed("orders", settings, 7).unwrap()
}

fn fail(breaker: &CircuitBreaker, times: u32) {
    for _ in 0..times {
        breaker.try_acquire().unwrap().fail_because(MS, Cause::new("connection refused"));
    }
}

fn succeed(breaker: &CircuitBreaker, times: u32) {
    (0..times).for_each(|_| breaker.try_acquire().unwrap().succeed(MS));
}

/// Open since now, and until when.
fn open(settings: BreakerSettings) -> (CircuitBreaker, Duration) {
    let breaker = breaker(settings);
    fail(&breaker, breaker.settings().consecutive_failures);
    let due = breaker.try_acquire().unwrap_err().next_probe.unwrap();
    (breaker, due)
}

#[tokio::test(start_paused = true)]
async fn failures_in_a_row_open_it_and_a_success_between_them_does_not() {
    let breaker = breaker(BreakerSettings::default());
    fail(&breaker, 4);
    succeed(&breaker, 1);
    fail(&breaker, 3);
    assert_eq!(breaker.state(), BreakerState::Closed);
    fail(&breaker, 1);
    assert_eq!(breaker.state(), BreakerState::Closed, "8 of 9 failed, and ten are needed for a rate");
    fail(&breaker, 1);
    assert_eq!(breaker.state(), BreakerState::Open);
}

#[tokio::test(start_paused = true)]
async fn a_failure_rate_opens_it_as_soon_as_it_is_reached_by_enough_calls() {
    let breaker = breaker(BreakerSettings { consecutive_failures: 0, ..BreakerSettings::default() });
    for _ in 0..4 {
        fail(&breaker, 1);
        succeed(&breaker, 1);
    }
    fail(&breaker, 1);
    assert_eq!((breaker.state(), breaker.snapshot().failure_rate), (BreakerState::Closed, None));
    succeed(&breaker, 1);
    let snapshot = breaker.snapshot();
    assert_eq!((snapshot.state, snapshot.calls), (BreakerState::Open, 0), "a new state, a new window");
}

#[tokio::test(start_paused = true)]
async fn failures_leave_the_window_with_time() {
    let breaker = breaker(BreakerSettings { consecutive_failures: 0, ..BreakerSettings::default() });
    fail(&breaker, 9);
    sleep(Duration::from_secs(29)).await;
    assert_eq!(breaker.snapshot().failed, 9);
    sleep(Duration::from_secs(1)).await;
    succeed(&breaker, 10);
    let snapshot = breaker.snapshot();
    assert_eq!((snapshot.state, snapshot.failure_rate), (BreakerState::Closed, Some(0.0)));
}

#[tokio::test(start_paused = true)]
async fn slow_calls_open_it_though_they_succeed() {
    let settings = BreakerSettings {
        window: BreakerWindow::Count(4),
        slow_call_rate: 0.5,
        slow_call_duration: Duration::from_secs(2),
        ..BreakerSettings::default()
    };
    let breaker = breaker(settings);
    succeed(&breaker, 2);
    breaker.try_acquire().unwrap().succeed(Duration::from_secs(2));
    breaker.try_acquire().unwrap().succeed(Duration::from_secs(2) - NANO);
    assert_eq!(breaker.snapshot().slow_call_rate, Some(0.25));
    breaker.try_acquire().unwrap().succeed(Duration::from_secs(3));
    assert_eq!(breaker.state(), BreakerState::Open);
}

#[tokio::test(start_paused = true)]
async fn it_is_open_to_the_nanosecond_and_then_half_open_without_anyone_calling() {
    let (breaker, due) = open(BreakerSettings::default());
    assert!((Duration::from_secs(1)..=Duration::from_secs(2)).contains(&due), "{due:?}");
    advance(due - NANO).await;
    assert_eq!(breaker.try_acquire().unwrap_err().next_probe, Some(NANO));
    advance(NANO).await;
    assert_eq!(breaker.state(), BreakerState::HalfOpen);
    let probe = breaker.try_acquire().unwrap();
    let refused = breaker.try_acquire().unwrap_err();
    assert_eq!((refused.state, refused.next_probe, refused.since), (BreakerState::HalfOpen, None, due));
    probe.succeed(MS);
    assert_eq!((breaker.state(), breaker.snapshot().attempt), (BreakerState::Closed, 0));
}

#[tokio::test(start_paused = true)]
async fn it_stays_open_longer_each_time_until_it_is_closed() {
    let (breaker, mut due) = open(BreakerSettings::default());
    let mut times = vec![due.as_secs()];
    for _ in 0..6 {
        advance(due).await;
        fail(&breaker, 1);
        due = breaker.snapshot().next_probe.unwrap();
        times.push(due.as_secs());
    }
    for (seconds, least) in times.iter().zip([1, 2, 4, 8, 15, 15, 15]) {
        assert!((least..=2 * least).contains(seconds), "{times:?}");
    }
    assert_eq!((breaker.snapshot().attempt, breaker.snapshot().opened), (7, 7));
    advance(due).await;
    succeed(&breaker, 1);
    fail(&breaker, 5);
    assert!(breaker.snapshot().next_probe.unwrap() <= Duration::from_secs(2), "it begins anew");
}

#[tokio::test(start_paused = true)]
async fn of_several_probes_the_rate_decides() {
    let settings = BreakerSettings { half_open_permits: 3, ..BreakerSettings::default() };
    for (verdicts, expected) in [
        ([true, true, false], BreakerState::Closed),
        ([true, false, false], BreakerState::Open),
        ([false, true, true], BreakerState::Closed),
    ] {
        let (breaker, due) = open(settings.clone());
        advance(due).await;
        let probes = [(); 3].map(|()| breaker.try_acquire().unwrap());
        assert!(breaker.try_acquire().is_err());
        for (probe, good) in probes.into_iter().zip(verdicts) {
            assert_eq!(breaker.state(), BreakerState::HalfOpen);
            if good { probe.succeed(MS) } else { probe.fail(MS) }
        }
        assert_eq!(breaker.state(), expected, "{verdicts:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_cancelled_probe_gives_its_permit_back() {
    let (breaker, due) = open(BreakerSettings::default());
    advance(due).await;
    for _ in 0..100 {
        let call = async {
            let _permit = breaker.try_acquire().unwrap();
            std::future::pending::<()>().await;
        };
        assert!(tokio::time::timeout(MS, call).await.is_err());
        assert_eq!(breaker.snapshot().probes_out, 0);
    }
    breaker.try_acquire().unwrap().ignore();
    assert_eq!((breaker.state(), breaker.snapshot().calls), (BreakerState::HalfOpen, 0));
}

#[tokio::test(start_paused = true)]
async fn probing_that_takes_too_long_opens_it_again_and_lets_no_second_probe_in() {
    let (breaker, due) = open(BreakerSettings::default());
    advance(due + Duration::from_secs(60)).await;
    assert_eq!(breaker.state(), BreakerState::HalfOpen, "nobody probes: there is no hurry");
    let hung = breaker.try_acquire().unwrap();
    advance(Duration::from_secs(10) - NANO).await;
    assert_eq!(breaker.state(), BreakerState::HalfOpen);
    advance(NANO).await;
    let snapshot = breaker.snapshot();
    assert_eq!((snapshot.state, snapshot.attempt, snapshot.probes_out), (BreakerState::Open, 2, 1));
    advance(Duration::from_secs(4)).await;
    assert!(breaker.try_acquire().is_err(), "the first probe is still out");
    hung.succeed(Duration::from_secs(14));
    assert_eq!(breaker.state(), BreakerState::HalfOpen, "its verdict is of another time");
    assert!(breaker.try_acquire().is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_target_that_answered_all_probes_is_not_called_down_because_nobody_sent_more() {
    let settings = BreakerSettings { half_open_permits: 3, ..BreakerSettings::default() };
    let (breaker, due) = open(settings);
    advance(due).await;
    succeed(&breaker, 1);
    advance(Duration::from_secs(10) - NANO).await;
    assert_eq!(breaker.state(), BreakerState::HalfOpen);
    advance(NANO).await;
    assert_eq!((breaker.state(), breaker.snapshot().attempt), (BreakerState::Closed, 0));

    let (breaker, due) = open(BreakerSettings { half_open_permits: 3, ..BreakerSettings::default() });
    advance(due).await;
    let hangs = breaker.try_acquire().unwrap();
    succeed(&breaker, 1);
    advance(Duration::from_secs(10)).await;
    assert_eq!(breaker.state(), BreakerState::Open, "one was not answered");
    drop(hangs);
}

#[tokio::test(start_paused = true)]
async fn who_knows_that_a_target_may_be_back_has_it_probed_at_once() {
    let (breaker, due) = open(BreakerSettings::default());
    assert!(due > MS);
    breaker.probe_now();
    breaker.probe_now();
    let probe = breaker.try_acquire().unwrap();
    assert!(breaker.try_acquire().is_err(), "one probe as ever");
    probe.fail(MS);
    let snapshot = breaker.snapshot();
    assert_eq!((snapshot.state, snapshot.attempt), (BreakerState::Open, 2), "and longer than before");
    breaker.force_open();
    breaker.probe_now();
    assert_eq!(breaker.state(), BreakerState::ForcedOpen);
    breaker.force_closed();
    breaker.probe_now();
    assert_eq!(breaker.state(), BreakerState::Closed);
}

#[tokio::test(start_paused = true)]
async fn calls_from_before_a_transition_do_not_count_after_it() {
    let breaker = breaker(BreakerSettings::default());
    let early: Vec<_> = (0..20).map(|_| breaker.try_acquire().unwrap()).collect();
    breaker.force_closed();
    assert_eq!(breaker.state(), BreakerState::Closed);
    early.into_iter().for_each(|permit| permit.fail(MS));
    let snapshot = breaker.snapshot();
    assert_eq!((snapshot.state, snapshot.calls), (BreakerState::Closed, 0));
}

#[tokio::test(start_paused = true)]
async fn states_set_by_hand_stay() {
    let breaker = breaker(BreakerSettings::default());
    breaker.force_open();
    sleep(Duration::from_secs(3_600)).await;
    let refused = breaker.try_acquire().unwrap_err();
    assert_eq!((refused.state, refused.next_probe), (BreakerState::ForcedOpen, None));
    breaker.metrics_only();
    fail(&breaker, 100);
    let snapshot = breaker.snapshot();
    assert_eq!((snapshot.state, snapshot.failure_rate), (BreakerState::MetricsOnly, Some(1.0)));
    breaker.disable();
    fail(&breaker, 100);
    let snapshot = breaker.snapshot();
    assert_eq!((snapshot.state, snapshot.calls), (BreakerState::Disabled, 0));
    breaker.reset();
    let snapshot = breaker.snapshot();
    assert_eq!((snapshot.state, snapshot.not_permitted, snapshot.cause), (BreakerState::Closed, 0, None));
    fail(&breaker, 5);
    assert_eq!(breaker.state(), BreakerState::Open, "it works again");
    breaker.force_closed();
    assert_eq!((breaker.state(), breaker.snapshot().opened), (BreakerState::Closed, 1));
}

#[tokio::test(start_paused = true)]
async fn a_refusal_tells_the_cause_and_when_to_come_again() {
    let (breaker, due) = open(BreakerSettings::default());
    advance(Duration::from_millis(500)).await;
    let refused = breaker.try_acquire().unwrap_err();
    insta::assert_snapshot!(
        refused,
        @"call `orders`: its circuit breaker has been open for 500ms (next probe in 1.27s): connection refused"
    );
    advance(due).await;
    let probe = breaker.try_acquire().unwrap();
    insta::assert_snapshot!(
        breaker.try_acquire().unwrap_err(),
        @"call `orders`: its circuit breaker has been open for 2.27s (a probe is under way): connection refused"
    );
    drop(probe);
    breaker.force_open();
    insta::assert_snapshot!(
        breaker.try_acquire().unwrap_err(),
        @"call `orders`: its circuit breaker has been open for 2.27s (by hand): connection refused"
    );
    breaker.reset();
    breaker.force_open();
    insta::assert_snapshot!(
        breaker.try_acquire().unwrap_err(),
        @"call `orders`: its circuit breaker has been open for 0s (by hand)"
    );
}

#[tokio::test(start_paused = true)]
async fn listeners_are_told_of_each_change_may_use_the_breaker_and_may_panic() {
    let breaker = breaker(BreakerSettings::default());
    let told = Arc::new(Mutex::new(Vec::new()));
    breaker.on_state_change(|_| panic!("a listener panics"));
    breaker.on_state_change({
        let (breaker, told) = (breaker.clone(), Arc::clone(&told));
        move |change| told.lock().unwrap().push((change.clone(), breaker.snapshot().state))
    });
    fail(&breaker, 5);
    advance(Duration::from_secs(2)).await;
    succeed(&breaker, 1);
    breaker.reset();
    let told = told.lock().unwrap();
    use BreakerState::{Closed, HalfOpen, Open};
    let edges: Vec<_> = told.iter().map(|(change, seen)| (change.from, change.to, *seen)).collect();
    assert_eq!(edges, [(Closed, Open, Open), (Open, HalfOpen, HalfOpen), (HalfOpen, Closed, Closed)]);
    assert_eq!(told[0].0.cause.as_ref().unwrap().to_string(), "connection refused");
    assert!(told[0].0.next_probe.unwrap() >= Duration::from_secs(1));
}

#[test]
fn threads_that_probe_and_vanish_are_never_too_many() {
    let settings = BreakerSettings {
        half_open_permits: 3,
        open_base: MS,
        open_max: MS,
        consecutive_failures: 1,
        max_half_open: Duration::from_millis(2),
        ..BreakerSettings::default()
    };
    let breaker = breaker(settings);
    fail(&breaker, 1);
    let (out, peak, probes) = (AtomicUsize::new(0), AtomicUsize::new(0), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        for seed in 0..4 {
            let (breaker, out, peak, probes) = (breaker.clone(), &out, &peak, &probes);
            scope.spawn(move || {
                let mut rng = fastrand::Rng::with_seed(seed);
                while probes.load(Ordering::SeqCst) < 4_000 {
                    let Ok(permit) = breaker.try_acquire() else { continue };
                    let now = out.fetch_add(1, Ordering::SeqCst) + 1;
                    peak.fetch_max(now, Ordering::SeqCst);
                    probes.fetch_add(1, Ordering::SeqCst);
                    out.fetch_sub(1, Ordering::SeqCst);
                    // Never a success: it stays open or half open all the time.
                    if rng.u8(..) < 10 { permit.fail(MS) } else { drop(permit) }
                }
            });
        }
    });
    assert!(peak.into_inner() <= 3);
    assert_eq!(breaker.snapshot().probes_out, 0);
}

/// The times, in whole seconds since the heal, at which a thousand clients reach a target that was down for 30 s.
#[tokio::test(start_paused = true)]
async fn a_thousand_clients_do_not_storm_a_target_that_is_back() {
    let heal = Duration::from_secs(30);
    let settings = BreakerSettings::default();
    let begun = Instant::now();
    let clients: Vec<_> = (0..1_000)
        .map(|seed| {
            tokio::spawn({
                let breaker = CircuitBreaker::with_seed("orders", settings.clone(), seed).unwrap();
                async move {
                    let mut reached = Vec::new();
                    loop {
                        match breaker.try_acquire() {
                            Ok(permit) => {
                                reached.push(begun.elapsed());
                                if begun.elapsed() >= heal {
                                    permit.succeed(MS);
                                    return reached;
                                }
                                permit.fail(MS);
                            }
                            Err(refused) => sleep(refused.next_probe.unwrap_or(MS)).await,
                        }
                    }
                }
            })
        })
        .collect();
    let mut after = [0_u32; 31];
    let mut in_the_outage = 0;
    for client in clients {
        for at in client.await.unwrap() {
            match at.checked_sub(heal) {
                Some(late) => after[usize::try_from(late.as_secs()).unwrap()] += 1,
                None => in_the_outage += 1,
            }
        }
    }
    assert_eq!(after.iter().sum::<u32>(), 1_000);
    // Each comes once within the time it stays open, 15 to 30 s by then: at most 1,000 / 15 s, and a half more for luck.
    let peak = *after.iter().max().unwrap();
    assert!(peak <= 100, "{after:?}");
    assert!(in_the_outage <= 10 * 1_000, "five to open it, and hardly as many probes: {in_the_outage}");
}
