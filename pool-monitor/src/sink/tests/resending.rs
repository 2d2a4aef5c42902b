//! Alerts one by one: at once, again and again, and that they have ended.

use super::*;

const FIRES: &str = "PoolExhausted firing";
const ENDED: &str = "PoolExhausted resolved";

fn with_resends(script: impl IntoIterator<Item = Act>) -> (Arc<Scripted>, AlertDispatcher) {
    with(ResendSettings::default(), script)
}

fn with(resends: ResendSettings, script: impl IntoIterator<Item = Act>) -> (Arc<Scripted>, AlertDispatcher) {
    let sink = Scripted {
        resends: Some(resends),
        script: Mutex::new(script.into_iter().collect()),
        ..Scripted::default()
    };
    let sink = Arc::new(sink);
    let dispatcher = start(&sink);
    (sink, dispatcher)
}

/// As a monitor does that goes on.
fn publish(dispatcher: &AlertDispatcher, alerts: &[Arc<Alert>]) {
    dispatcher.publish(alerts, Instant::now() + Duration::from_secs(7 * 24 * 3_600));
}

fn exhausted(episode: u32, state: AlertState) -> Arc<Alert> {
    alert("PoolExhausted", episode, state)
}

#[tokio::test(start_paused = true)]
async fn an_alert_is_told_at_once_then_each_interval_and_that_it_has_ended_for_a_while() {
    let (sink, dispatcher) = with_resends([]);
    let begun = Instant::now();
    publish(&dispatcher, &[exhausted(1, AlertState::Pending)]);
    pass(5).await;
    assert_eq!(sink.calls().len(), 0);
    for _ in 0..13 {
        // The state is said at each collection; that alone tells nobody again.
        publish(&dispatcher, &[exhausted(1, AlertState::Firing)]);
        pass(10).await;
    }
    assert_eq!(sink.times(begun), [5, 65, 125]);
    publish(&dispatcher, &[exhausted(1, AlertState::Resolved)]);
    pass(3_600).await;
    let times = sink.times(begun);
    assert_eq!(times[3], 135);
    // For 15 minutes, each minute.
    assert_eq!(times[4..], (1..=15).map(|minute| 135 + 60 * minute).collect::<Vec<_>>());
    let calls = sink.calls();
    assert_eq!((&calls[2][..], &calls[3][..]), (&[FIRES.to_owned()][..], &[ENDED.to_owned()][..]));
}

#[tokio::test(start_paused = true)]
async fn one_that_ended_before_it_was_told_is_not_told() {
    let (sink, dispatcher) = with_resends([]);
    publish(&dispatcher, &[exhausted(1, AlertState::Resolved)]);
    pass(3_600).await;
    assert_eq!(sink.calls().len(), 0);
}

#[tokio::test(start_paused = true)]
async fn an_earlier_episode_is_not_told_once_the_alert_fires_again() {
    let (sink, dispatcher) = with_resends([]);
    publish(&dispatcher, &[exhausted(1, AlertState::Firing)]);
    pass(1).await;
    publish(&dispatcher, &[exhausted(1, AlertState::Resolved)]);
    pass(1).await;
    publish(&dispatcher, &[exhausted(1, AlertState::Resolved), exhausted(2, AlertState::Firing)]);
    pass(121).await;
    assert_eq!(sink.calls(), [[FIRES], [ENDED], [FIRES], [FIRES], [FIRES]]);
}

#[tokio::test(start_paused = true)]
async fn after_a_failure_it_is_told_as_it_is_then() {
    let (sink, dispatcher) = with_resends([Act::Fail(503); 3]);
    publish(&dispatcher, &[exhausted(1, AlertState::Firing)]);
    pass(100).await;
    let stats = &dispatcher.stats()[0];
    assert_eq!((stats.retries, stats.failed, &stats.last_error), (3, 0, &None));
    assert!(stats.delivered > 0);
    assert!(sink.calls().iter().all(|call| call == &[FIRES]));
}

#[tokio::test(start_paused = true)]
async fn what_is_refused_is_told_again_no_sooner_than_what_was_accepted() {
    let (sink, dispatcher) = with_resends([Act::Fail(400)]);
    let begun = Instant::now();
    publish(&dispatcher, &[exhausted(1, AlertState::Firing)]);
    pass(61).await;
    assert_eq!(sink.times(begun), [0, 60]);
    assert_eq!(dispatcher.stats()[0].failed, 1);
}

#[tokio::test(start_paused = true)]
async fn many_are_told_in_batches() {
    let (sink, dispatcher) = with_resends([]);
    let many: Vec<_> =
        (0..600).map(|number| alert(&format!("Rule{number}"), 1, AlertState::Firing)).collect();
    publish(&dispatcher, &many);
    pass(1).await;
    assert_eq!(sink.calls().iter().map(Vec::len).collect::<Vec<_>>(), [256, 256, 88]);
}

#[tokio::test(start_paused = true)]
async fn closing_tells_what_is_new_and_waits_for_nothing_else() {
    let (sink, dispatcher) = with_resends([]);
    publish(&dispatcher, &[exhausted(1, AlertState::Firing)]);
    pass(1).await;
    publish(&dispatcher, &[exhausted(1, AlertState::Resolved)]);
    let begun = Instant::now();
    dispatcher.close(Duration::from_secs(5)).await;
    assert_eq!(begun.elapsed(), Duration::ZERO);
    assert_eq!(sink.calls(), [[FIRES], [ENDED]]);
}

#[tokio::test(start_paused = true)]
async fn settings_beyond_all_bounds_neither_flood_the_sink_nor_end_its_task() {
    let (sink, dispatcher) = with(ResendSettings::every(Duration::ZERO), []);
    publish(&dispatcher, &[exhausted(1, AlertState::Firing)]);
    pass(10).await;
    let calls = sink.calls().len();
    assert!((95..=101).contains(&calls), "ten times in a second: {calls}");
    let (sink, dispatcher) = with(ResendSettings::every(Duration::MAX), []);
    publish(&dispatcher, &[exhausted(1, AlertState::Firing)]);
    pass(1).await;
    publish(&dispatcher, &[exhausted(1, AlertState::Resolved)]);
    pass(1).await;
    assert_eq!(sink.calls(), [[FIRES], [ENDED]]);
}

#[tokio::test(start_paused = true)]
async fn such_a_sink_gets_no_notifications_and_others_no_alerts() {
    let (sink, dispatcher) = with_resends([]);
    dispatcher.notify(&firing("a"));
    pass(1).await;
    assert_eq!(sink.calls().len(), 0);
    let other = Scripted::new([]);
    let dispatcher = start(&other);
    publish(&dispatcher, &[exhausted(1, AlertState::Firing)]);
    pass(1).await;
    assert_eq!(other.calls().len(), 0);
}

#[test]
fn an_alert_outlives_three_words_that_were_lost_and_four_minutes() {
    let seconds = |interval| ResendSettings::every(Duration::from_secs(interval)).lifetime.as_secs();
    assert_eq!([seconds(10), seconds(60), seconds(300)], [240, 240, 1_200]);
}

#[tokio::test(start_paused = true)]
async fn what_nobody_judges_any_more_is_not_told_to_go_on_and_what_is_over_is_told_all_the_same() {
    let (sink, dispatcher) = with_resends([]);
    let begun = Instant::now();
    let firing = [exhausted(1, AlertState::Firing), alert("PoolFlapping", 1, AlertState::Firing)];
    publish(&dispatcher, &firing);
    pass(1).await;
    let mixed = [exhausted(1, AlertState::Resolved), Arc::clone(&firing[1])];
    dispatcher.publish(&mixed, begun + Duration::from_secs(240));
    pass(3_600).await;
    let told = |word: &str| sink.calls().iter().flatten().filter(|call| *call == word).count();
    assert_eq!(told("PoolFlapping firing"), 4, "at 0, 60, 120 and 180 s");
    assert_eq!(told(ENDED), 16, "at once, and each minute for 15");
    publish(&dispatcher, &firing[1..]);
    pass(1).await;
    assert_eq!(told("PoolFlapping firing"), 5, "at once, when somebody knows again");
}
