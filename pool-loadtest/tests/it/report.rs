//! The report, as people see it.

use pool_loadtest::result::{BeforeAfter, LeakStatus, LoadResult};
use pool_loadtest::{Charset, write_text};

use crate::defects::{careless, unfair_run};
use crate::runs::{interrupted_run, short_run};
use crate::subjects::Return;

/// The report of a result, without what differs from machine to machine.
fn report(mut result: LoadResult) -> String {
    result.run.tool.profile = "release";
    for error in result.errors.by_kind.values_mut() {
        // It goes on to name tasks by numbers that differ from run to run.
        error.sample.truncate(error.sample.find("; oldest holders").unwrap_or(error.sample.len()));
    }
    result.environment.generator.saturated = false;
    result.leak_check.open_fds = BeforeAfter { before: 20, after: 20 };
    result.leak_check.os_threads = BeforeAfter { before: 5, after: 5 };
    let mut page = Vec::new();
    write_text(&mut page, &result, Charset::Unicode).unwrap();
    String::from_utf8(page).unwrap()
}

#[tokio::test(start_paused = true)]
async fn failures_are_told_and_not_judged() {
    insta::assert_snapshot!(report(short_run().await), @r#"
    pool-loadtest 0.1.0 · stub · pool 2 · 4 threads · closed loop · 2s

      Succeeded  382 of 764 (50 %)      191 per second
      acquireTimeout  382, from 9ms to 2.00s into the run
          acquire a connection from pool `fake`: none within 9ms (waited 9ms; total 2 of 2, active 2,
          idle 0, creating 0, waiting 0)

                        p50      p90      p99    p99.9      max
      acquire wait       0s      9ms        –        –      9ms
      in use           10ms     10ms        –        –     10ms
      release            0s       0s        –        –       0s
      whole cycle      10ms     10ms        –        –     10ms
      connect            0s on average, 0s at most (2 connections opened)

      Fairness   Jain 1.000 · no starved thread · longest gap 31ms
      Pool       1.9 of 2 in use on average, 2 at most · queue mean 1.7, max 2
      Leaks      none (383 acquired, 383 released; file descriptors 20 → 20, threads 5 → 5)

      What this says
      • 382 callers got no connection in time; add connections, or use each for less time.
      • Closed loop: callers slow down with the pool, so these percentiles cannot show an outage; no 1s
        passed without a success.

    NO VERDICT
      382 of 764 cycles failed, and no limit says how many may
    "#);
}

#[tokio::test(start_paused = true)]
async fn an_interrupted_run_says_so() {
    insta::assert_snapshot!(report(interrupted_run().await), @r#"
    pool-loadtest 0.1.0 · stub · pool 2 · 2 threads · closed loop · 2.99s + 1s warm-up

      Succeeded  600 of 600 (100 %)      201 per second

                        p50      p90      p99    p99.9      max
      acquire wait       0s       0s        –        –       0s
      in use            9ms      9ms        –        –      9ms
      release            0s       0s        –        –       0s
      whole cycle       9ms      9ms        –        –      9ms
      connect            0s on average, 0s at most (2 connections opened)

      Fairness   Jain 1.000 · no starved thread · longest gap 10ms
      Pool       0.0 of 2 in use on average, 0 at most · queue mean 0.0, max 0
      Leaks      none (801 acquired, 801 released; file descriptors 20 → 20, threads 5 → 5)

      What this says
      • Hardly anyone waits: the pool is large enough. By its rate and the time each is used, this load
        needs 1.8 connections at any moment, and has 2.
      • Closed loop: callers slow down with the pool, so these percentiles cannot show an outage; no 1s
        passed without a success.

    INTERRUPTED
      interrupted by SIGINT after 3.99s of 60s
    "#);
}

#[tokio::test(start_paused = true)]
async fn an_unfair_pool_is_called_one() {
    insta::assert_snapshot!(report(unfair_run().await), @r#"
    pool-loadtest 0.1.0 · stub · pool 4 · 32 threads · closed loop · 4s + 1s warm-up

      Succeeded  16,024 of 16,024 (100 %)      4,006 ± 6 per second

                        p50      p90      p99    p99.9      max
      acquire wait       0s       0s       0s    5.00s    5.00s
      in use            1ms      1ms      1ms      1ms      1ms
      release            0s       0s       0s       0s       0s
      whole cycle    1.00ms   1.00ms   1.00ms    5.00s    5.01s
      connect            0s on average, 0s at most (4 connections opened)

      Fairness   Jain 0.250 · 24 threads starved · longest gap 4s
      Pool       4.0 of 4 in use on average, 4 at most · queue mean 0.0, max 0
      Leaks      none (20,025 acquired, 20,025 released; file descriptors 20 → 20, threads 5 → 5)

      What this says
      • Callers wait 7.5× as long as they work, and all 4 connections are in use: the pool is the
        bottleneck; add connections, or use each for less time. How many this load could use cannot be
        read from a saturated run.
      • 24 of 32 threads went without a connection for too long; waits that never ended are in no
        percentile. A caller was overtaken by up to 20,019 that came later.
      • Closed loop: callers slow down with the pool, so these percentiles cannot show an outage; no 1s
        passed without a success.
      • The pool's gauge says that 0.0 were waiting on average, rate and time say 30.0: one of them is
        wrong, or the samples were taken at bad moments.

    FAIL
      starvation: 24 of 32 threads got no connection for too long, while up to 20019 callers that came
      later were served
    "#);
}

#[tokio::test(start_paused = true)]
async fn a_leak_is_told_with_its_holders() {
    let report = report(careless(Return::Forget(1_000)).await);
    let leaks = report.split_once("\nFAIL\n").expect("it fails").1;
    assert!(leaks.starts_with("  leak: "), "{report}");
}

/// What the report says of an interrupted run that was changed a little.
async fn says(change: impl FnOnce(&mut LoadResult)) -> String {
    let mut result = interrupted_run().await;
    result.run.tool.profile = "release";
    result.environment.generator.saturated = false;
    result.pool.in_use_mean = Some(1.8);
    change(&mut result);
    let mut page = Vec::new();
    write_text(&mut page, &result, Charset::Ascii).unwrap();
    let page = String::from_utf8(page).unwrap();
    assert!(page.is_ascii());
    page.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[tokio::test(start_paused = true)]
async fn a_stall_is_told_from_unfairness_by_who_overtakes() {
    let stalled = |result: &mut LoadResult| {
        result.pool.in_use_mean = Some(2.0);
        result.fairness.wait_tail_ratio = Some(7.5);
        result.phases.acquire_wait.p99 = Some(5_000.0);
    };
    let text = says(stalled).await;
    assert!(
        text.contains("over 7.5x the usual one: callers are served in order, so something stalls"),
        "{text}"
    );
    let unfair = |result: &mut LoadResult| {
        stalled(result);
        result.fairness.overtakes.p99 = 40;
    };
    let text = says(unfair).await;
    assert!(text.contains("over 7.5x the usual one: callers are served out of order."), "{text}");
    let text = says(|_| {}).await;
    assert!(!text.contains("the usual one"), "{text}");
}

#[tokio::test(start_paused = true)]
async fn a_second_without_a_success_is_an_outage_if_somebody_wanted_one() {
    let frozen = |result: &mut LoadResult| {
        let series = &mut result.timeline.series;
        (series.ok[1], series.pending[1]) = (0, Some(3));
    };
    let text = says(frozen).await;
    assert!(text.contains("1 interval of 1s passed without a success although there was work"), "{text}");
    let idle = |result: &mut LoadResult| {
        let series = &mut result.timeline.series;
        (series.ok[1], series.pending[1], series.in_use[1]) = (0, Some(0), Some(0));
    };
    let text = says(idle).await;
    assert!(text.contains("no 1s passed without a success"), "{text}");
}

#[tokio::test(start_paused = true)]
async fn a_gauge_that_contradicts_the_clock_is_doubted() {
    let doubtful = |result: &mut LoadResult| {
        result.run.measured_ms = 3_000.0;
        result.queue.depth_mean = 5.0;
    };
    let text = says(doubtful).await;
    assert!(
        text.contains("The pool's gauge says that 5.0 were waiting on average, rate and time say 0.0"),
        "{text}"
    );
    let text = says(|result| result.run.measured_ms = 3_000.0).await;
    assert!(!text.contains("gauge"), "{text}");
}

#[tokio::test(start_paused = true)]
async fn what_shaped_the_figures_from_outside_is_told() {
    let text = says(|result| {
        result.environment.generator.saturated = true;
        result.environment.generator.cpu_util_pct = 93.4;
        result.run.tool.profile = "debug";
    });
    let text = text.await;
    assert!(
        text.contains("The load tester used 93 % of its processors: the figures tell of this machine"),
        "{text}"
    );
    assert!(text.contains("This is a debug build"), "{text}");
    let text = says(|result| result.leak_check.status = LeakStatus::NotPerformed).await;
    assert!(text.contains("Leaks not checked"), "{text}");
}
