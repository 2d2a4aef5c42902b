//! What is told when, of alerts that come and go.

use super::*;

/// Both clocks go on, the pool is read each ten seconds, and what is told is collected with the time since the beginning.
fn run(driven: &mut Driven, readings: impl IntoIterator<Item = f64>) -> Vec<String> {
    let start = driven.now;
    let mut told = Vec::new();
    for value in readings {
        driven.read(value);
        let at = driven.now - start;
        told.extend(driven.told().into_iter().map(|it| format!("{}s {it}", at.as_secs())));
    }
    told
}

fn for_times(value: f64, times: usize) -> impl Iterator<Item = f64> + Clone {
    std::iter::repeat_n(value, times)
}

#[tokio::test]
async fn a_group_waits_for_company_and_is_told_again_only_if_something_changes() {
    let mut driven = Driven::new(vec![busy()]);
    let told = run(&mut driven, for_times(0.9, 60).chain(for_times(0.0, 31)));
    assert_eq!(told, ["30s first notification: orders firing", "630s all alerts resolved: orders resolved"]);
}

#[tokio::test]
async fn what_fires_and_is_over_before_the_group_is_looked_at_is_not_told() {
    let mut driven = Driven::new(vec![busy()]);
    assert_eq!(run(&mut driven, [0.9, 0.0].into_iter().chain(for_times(0.0, 100))), [""; 0]);
    let told = run(&mut driven, for_times(0.9, 10).chain([0.0]).chain(for_times(0.9, 40)));
    assert_eq!(told, ["30s first notification: orders firing"], "it was away for a moment only");
}

#[tokio::test]
async fn what_goes_on_is_repeated_and_what_is_acknowledged_is_not() {
    let mut driven = Driven::with(
        vec![busy()],
        AlertSettings {
            group_interval: seconds(60),
            repeat_interval: seconds(600),
            ..AlertSettings::default()
        },
    );
    let told = run(&mut driven, for_times(0.9, 64));
    assert_eq!(
        told,
        ["30s first notification: orders firing", "630s repeat interval elapsed: orders firing"]
    );
    let end = driven.time + seconds(1_500);
    driven
        .manager
        .acknowledge(driven.only().id, Acknowledgement::new("ada", "", driven.time).until(end))
        .unwrap();
    let told = run(&mut driven, for_times(0.9, 160));
    assert_eq!(told, ["1550s repeat interval elapsed: orders firing"], "only after it has expired");
    driven.manager.acknowledge(driven.only().id, Acknowledgement::new("ada", "", driven.time)).unwrap();
    let told = run(&mut driven, for_times(0.0, 20));
    assert_eq!(told, ["10s all alerts resolved: orders resolved"], "that it is over is news all the same");
}

#[tokio::test]
async fn alerts_of_one_group_are_told_together() {
    let settings = AlertSettings { group_by: vec!["alertname".to_owned()], ..AlertSettings::default() };
    let mut driven = Driven::with(vec![busy()], settings);
    let (full, calm) = (All(Some(0.9)), All(Some(0.0)));
    let mut told = Vec::new();
    for round in 0..100 {
        let users = if (1..90).contains(&round) { full } else { calm };
        let carts = if round >= 10 { full } else { calm };
        let orders = if round < 50 { full } else { calm };
        driven.pools(&[("orders", &orders), ("users", &users), ("carts", &carts)]);
        told.extend(driven.told());
    }
    assert_eq!(
        told,
        [
            "first notification: orders firing, users firing",
            "new alerts added: carts firing, orders firing, users firing",
            "some alerts resolved: carts firing, users firing, orders resolved",
            "some alerts resolved: carts firing, users resolved",
        ]
    );
}

#[tokio::test]
async fn a_notification_says_what_its_alerts_have_in_common() {
    let settings = AlertSettings { group_by: vec!["severity".to_owned()], ..AlertSettings::default() };
    let idle = AlertRule { name: "Idle".to_owned(), ..busy() };
    let mut driven = Driven::with(vec![busy(), idle], settings);
    driven.read(0.9);
    driven.wait(seconds(20));
    assert_eq!(driven.manager.next_due(driven.now), Some(driven.now));
    let [notification] = &driven.manager.due(driven.now, driven.time)[..] else { panic!("one is due") };
    assert_eq!(notification.group_key, r#"{}:{severity="warning"}"#);
    assert_eq!(notification.group_labels.to_string(), r#"{severity="warning"}"#);
    assert_eq!(notification.common_labels.to_string(), r#"{pool="orders", severity="warning"}"#);
    assert_eq!(notification.common_annotations.get("summary"), "most connections are in use");
    assert_eq!(notification.status, crate::alert::NotificationStatus::Firing);
    let cut = notification.clone().truncated_to(1);
    assert_eq!((cut.alerts.len(), cut.truncated), (1, 1));
    assert_eq!(notification.clone().truncated_to(0), *notification);
    assert_eq!(driven.manager.next_due(driven.now), Some(driven.now + seconds(300)));
}

#[tokio::test]
async fn a_silenced_alert_is_not_told_until_the_silence_ends() {
    let mut driven = Driven::new(vec![busy()]);
    let silence = Silence {
        id: SilenceId(0),
        matchers: vec!["pool=orders".parse().unwrap()],
        starts_at: driven.time,
        ends_at: driven.time + seconds(600),
        created_by: "ada".to_owned(),
        comment: String::new(),
        updated_at: driven.time,
    };
    driven.manager.silence(silence, driven.time).unwrap();
    let told = run(&mut driven, for_times(0.9, 100));
    assert_eq!(told, ["630s first notification: orders firing"]);
}

#[tokio::test]
async fn an_alert_that_comes_and_goes_is_told_of_twice_and_not_each_time() {
    let settings =
        AlertSettings { group_wait: Duration::ZERO, group_interval: seconds(1), ..AlertSettings::default() };
    let mut driven = Driven::with(vec![busy()], settings);
    let up_and_down = (0..40).map(|at| if at % 2 == 0 { 0.9 } else { 0.0 });
    let told = run(&mut driven, up_and_down.chain(for_times(0.0, 30)));
    insta::assert_snapshot!(told.join("\n"), @r#"
        10s first notification: orders firing
        20s all alerts resolved: orders resolved
        30s first notification: orders firing
        40s all alerts resolved: orders resolved
        50s first notification: orders firing
        60s flapping started: orders resolved
        550s flapping ended: orders resolved
        "#);
    assert!(driven.manager.all().iter().all(|alert| !alert.is_active()));
    assert_eq!(run(&mut driven, for_times(0.9, 3)), ["10s first notification: orders firing"]);
}

#[tokio::test]
async fn an_alert_that_ends_its_flapping_while_it_fires_is_told_to_be_over_later() {
    let settings =
        AlertSettings { group_wait: Duration::ZERO, group_interval: seconds(1), ..AlertSettings::default() };
    let mut driven = Driven::with(vec![busy()], settings);
    let up_and_down = (0..11).map(|at| if at % 2 == 0 { 0.9 } else { 0.0 });
    let told = run(&mut driven, up_and_down.chain(for_times(0.9, 30)).chain([0.0]));
    insta::assert_snapshot!(told.join("\n"), @r#"
        10s first notification: orders firing
        20s all alerts resolved: orders resolved
        30s first notification: orders firing
        40s all alerts resolved: orders resolved
        50s first notification: orders firing
        60s flapping started: orders resolved
        260s flapping ended: orders firing
        420s all alerts resolved: orders resolved
        "#);
}

#[tokio::test]
async fn a_pool_that_is_removed_while_its_alert_flaps_leaves_nobody_in_doubt() {
    let settings =
        AlertSettings { group_wait: Duration::ZERO, group_interval: seconds(1), ..AlertSettings::default() };
    let mut driven = Driven::with(vec![busy()], settings);
    run(&mut driven, (0..11).map(|at| if at % 2 == 0 { 0.9 } else { 0.0 }));
    driven.pools(&[]);
    assert_eq!(driven.told(), ["flapping ended: orders resolved"]);
}

/// An alert that comes and goes until it flaps, then stays as it is.
fn up_and_down(times: usize) -> impl Iterator<Item = f64> + Clone {
    (0..times).map(|at| if at % 2 == 0 { 0.9 } else { 0.0 })
}

fn at_once() -> AlertSettings {
    AlertSettings { group_wait: Duration::ZERO, group_interval: seconds(1), ..AlertSettings::default() }
}

fn silence_orders(driven: &mut Driven, from: Duration, to: Duration) {
    silence(driven, "pool=orders", from, to);
}

fn silence(driven: &mut Driven, matcher: &str, from: Duration, to: Duration) {
    let silence = Silence {
        id: SilenceId(0),
        matchers: vec![matcher.parse().unwrap()],
        starts_at: driven.time + from,
        ends_at: driven.time + to,
        created_by: "ada".to_owned(),
        comment: String::new(),
        updated_at: driven.time,
    };
    driven.manager.silence(silence, driven.time).unwrap();
}

#[tokio::test]
async fn of_flapping_that_begins_and_ends_while_the_alert_is_muted_nothing_is_told() {
    let mut driven = Driven::with(vec![busy()], at_once());
    silence_orders(&mut driven, Duration::ZERO, seconds(600));
    assert_eq!(run(&mut driven, up_and_down(8).chain(for_times(0.0, 80))), [""; 0]);
}

#[tokio::test]
async fn flapping_that_goes_on_when_the_alert_is_muted_no_longer_is_told_with_its_end() {
    let mut driven = Driven::with(vec![busy()], at_once());
    silence_orders(&mut driven, Duration::ZERO, seconds(200));
    let told = run(&mut driven, up_and_down(24).chain(for_times(0.0, 40)));
    assert_eq!(told, ["200s flapping started: orders resolved", "390s flapping ended: orders resolved"]);
}

#[tokio::test]
async fn the_end_of_flapping_that_was_told_is_told_when_the_alert_is_muted_no_longer() {
    let mut driven = Driven::with(vec![busy()], at_once());
    silence_orders(&mut driven, seconds(75), seconds(500));
    let told = run(&mut driven, up_and_down(8).chain(for_times(0.9, 60)));
    assert_eq!(
        told[told.len() - 2..],
        ["60s flapping started: orders resolved", "500s flapping ended: orders firing"]
    );
}

#[tokio::test]
async fn the_end_of_flapping_is_told_though_nothing_is_kept_of_what_is_over() {
    let settings = AlertSettings { max_alert_history: 0, ..at_once() };
    let mut driven = Driven::with(vec![busy()], settings);
    let told = run(&mut driven, up_and_down(8).chain(for_times(0.0, 30)));
    let ended = told.iter().filter(|it| it.contains("flapping")).collect::<Vec<_>>();
    assert_eq!(ended, ["60s flapping started: orders resolved", "230s flapping ended: orders resolved"]);
}

#[tokio::test]
async fn who_switches_the_detection_off_is_told_that_flapping_has_ended() {
    let mut driven = Driven::with(vec![busy()], at_once());
    run(&mut driven, up_and_down(8));
    driven
        .manager
        .set_settings(AlertSettings { flapping_detection: false, ..at_once() }, driven.now)
        .unwrap();
    assert_eq!(run(&mut driven, [0.0]), ["10s flapping ended: orders resolved"]);
    assert!(!driven.manager.all()[0].flapping);
}

#[tokio::test]
async fn without_the_detection_each_coming_and_going_is_told() {
    let settings = AlertSettings {
        group_wait: Duration::ZERO,
        group_interval: seconds(1),
        flapping_detection: false,
        ..AlertSettings::default()
    };
    let mut driven = Driven::with(vec![busy()], settings);
    let told = run(&mut driven, (0..20).map(|at| if at % 2 == 0 { 0.9 } else { 0.0 }));
    assert_eq!(told.len(), 20);
}

#[tokio::test]
async fn grouping_by_other_labels_tells_nobody_what_they_know() {
    let mut driven = Driven::new(vec![busy()]);
    run(&mut driven, for_times(0.9, 10));
    let settings = AlertSettings { group_by: vec!["...".to_owned()], ..AlertSettings::default() };
    driven.manager.set_settings(settings, driven.now).unwrap();
    assert_eq!(run(&mut driven, for_times(0.9, 60)), [""; 0]);
    assert_eq!(run(&mut driven, for_times(0.0, 31)).len(), 1);
}

#[tokio::test]
async fn what_changes_between_two_evaluations_is_an_event_of_the_next_one() {
    let mut driven = Driven::new(vec![busy()]);
    driven.read(0.9);
    let known = Acknowledgement::new("ada", "", driven.time).until(driven.time + seconds(5));
    driven.manager.acknowledge(driven.only().id, known).unwrap();
    driven.wait(seconds(6));
    assert_eq!(driven.told(), [""; 0]);
    assert!(!driven.only().is_acknowledged(), "it has expired");
    assert_eq!(driven.read(0.9), ["changed Busy orders firing threshold"]);
    assert_eq!(driven.read(0.9), [""; 0]);
}

/// That the target is down, by the name that mutes the others.
fn down() -> AlertRule {
    let condition = Condition {
        metric: Metric::TargetDown,
        window: None,
        comparison: Comparison::AtLeast,
        threshold: 1.0,
    };
    AlertRule::new("PoolTargetDown", Severity::Critical, condition)
}

#[tokio::test]
async fn the_end_of_what_was_told_is_told_though_it_was_muted_when_it_ended() {
    let mut driven = Driven::new(vec![busy()]);
    silence_orders(&mut driven, seconds(60), seconds(120));
    let told = run(&mut driven, for_times(0.9, 8).chain(for_times(0.0, 60)));
    assert_eq!(told, ["30s first notification: orders firing", "330s all alerts resolved: orders resolved"]);

    let mut driven = Driven::new(vec![busy(), down()]);
    let full = Some0(vec![(Metric::Utilization, 0.9)]);
    let out = Some0(vec![(Metric::Utilization, 0.9), (Metric::TargetDown, 1.0)]);
    let mut told = Vec::new();
    for readings in [full, out, Some0(vec![])] {
        for _ in 0..40 {
            driven.pools(&[("orders", &readings)]);
            told.extend(driven.told());
        }
    }
    told.sort();
    assert_eq!(
        told,
        [
            "all alerts resolved: orders resolved",
            "all alerts resolved: orders resolved",
            "first notification: orders firing",
            "first notification: orders firing",
        ],
        "that it is busy and that it is down were both told, and are both over"
    );
}

#[tokio::test]
async fn the_end_of_what_was_told_waits_until_nothing_mutes_it() {
    let mut driven = Driven::new(vec![busy()]);
    silence_orders(&mut driven, seconds(60), seconds(3_000));
    let told = run(&mut driven, for_times(0.9, 8).chain(for_times(0.0, 400)));
    assert_eq!(told, ["30s first notification: orders firing", "3030s all alerts resolved: orders resolved"]);
    assert_eq!(driven.manager.next_due(driven.now), None, "nothing is left of it");
}

#[tokio::test]
async fn what_was_told_and_fires_again_before_its_end_could_be_told_is_no_news() {
    let mut driven = Driven::new(vec![busy()]);
    silence_orders(&mut driven, seconds(60), seconds(3_000));
    let again = for_times(0.9, 8).chain(for_times(0.0, 100)).chain(for_times(0.9, 300));
    assert_eq!(run(&mut driven, again), ["30s first notification: orders firing"]);
    let told = run(&mut driven, for_times(0.0, 40));
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(told[0].ends_with("all alerts resolved: orders resolved"));
}

#[tokio::test]
async fn the_end_of_what_was_told_is_told_though_it_flapped_while_it_was_muted() {
    let settings = AlertSettings { group_interval: seconds(60), ..at_once() };
    let mut driven = Driven::with(vec![busy()], settings);
    silence_orders(&mut driven, seconds(25), seconds(1_000));
    let told = run(&mut driven, for_times(0.9, 3).chain(up_and_down(12)).chain(for_times(0.0, 100)));
    assert_eq!(told, ["10s first notification: orders firing", "1020s all alerts resolved: orders resolved"]);
}

#[tokio::test]
async fn of_ends_that_wait_to_be_told_the_latest_are_kept() {
    let settings = AlertSettings { max_active_per_rule: 0, ..at_once() };
    let mut driven = Driven::with(vec![busy()], settings);
    let names: Vec<String> = (0..10_003).map(|name| format!("orders{name}")).collect();
    let (full, calm) = (All(Some(0.9)), All(Some(0.0)));
    // The first three end before the others.
    for (all, first) in [(&full, &full), (&full, &calm), (&calm, &calm)] {
        let reading = |index: usize| if index < 3 { first } else { all } as &dyn Readings;
        let pools: Vec<_> =
            names.iter().enumerate().map(|(index, name)| (name.as_str(), reading(index))).collect();
        driven.pools(&pools);
        driven.told();
        if driven.manager.silences().is_empty() {
            silence(&mut driven, "pool=~orders.*", Duration::ZERO, seconds(1_000));
        }
    }
    driven.wait(seconds(1_000));
    let told = driven.told();
    assert_eq!(told.len(), 10_000);
    assert!(!told.iter().any(|it| ["orders0 ", "orders1 ", "orders2 "].iter().any(|pool| it.contains(pool))));
}
