//! The manager as its users see it: evaluations of scripted readings, and verbs in between.

use std::time::Duration;

use super::*;
use crate::alert::{
    Acknowledgement, DefaultRules, InhibitRule, Labels, NoData, Severity, Silence, SilenceId,
};
use crate::condition::{Comparison, Condition};
use crate::metric::Metric;

mod restart;
mod told;
mod unknown;

/// A value of every metric; `None` = nothing can be read.
#[derive(Clone, Copy)]
pub(super) struct All(pub(super) Option<f64>);

impl Readings for All {
    fn read(&self, _metric: Metric, _window: Option<Duration>) -> Option<f64> {
        self.0
    }
}

/// Values of some metrics; zero of all others.
#[derive(Clone)]
pub(super) struct Some0(pub(super) Vec<(Metric, f64)>);

impl Readings for Some0 {
    fn read(&self, metric: Metric, _window: Option<Duration>) -> Option<f64> {
        Some(self.0.iter().find(|(name, _)| *name == metric).map_or(0.0, |(_, value)| *value))
    }
}

pub(super) fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// A rule that is met above 0.8, and held above 0.7.
pub(super) fn busy() -> AlertRule {
    AlertRule {
        recovery_threshold: Some(0.7),
        ..AlertRule::new(
            "Busy",
            Severity::Warning,
            Condition {
                metric: Metric::Utilization,
                window: None,
                comparison: Comparison::Above,
                threshold: 0.8,
            },
        )
        .summary("most connections are in use")
    }
}

/// A manager with a clock of its own.
pub(super) struct Driven {
    pub(super) manager: AlertManager,
    pub(super) now: Instant,
    pub(super) time: SystemTime,
}

impl Driven {
    pub(super) fn new(rules: Vec<AlertRule>) -> Self {
        Driven::with(rules, AlertSettings::default())
    }

    pub(super) fn with(rules: Vec<AlertRule>, settings: AlertSettings) -> Self {
        Driven {
            manager: AlertManager::new(rules, settings).unwrap(),
            now: Instant::now(),
            time: SystemTime::UNIX_EPOCH + seconds(1_800_000_000),
        }
    }

    pub(super) fn wait(&mut self, duration: Duration) {
        self.now += duration;
        self.time += duration;
    }

    /// Evaluates these pools, and lets ten seconds pass.
    pub(super) fn pools(&mut self, pools: &[(&str, &dyn Readings)]) -> Vec<String> {
        let events = self.manager.evaluate(self.now, self.time, pools);
        self.wait(seconds(10));
        events.iter().map(shown).collect()
    }

    /// Evaluates one pool with one value of everything.
    pub(super) fn read(&mut self, value: impl Into<Option<f64>>) -> Vec<String> {
        self.pools(&[("orders", &All(value.into()))])
    }

    /// The only alert that is not over.
    pub(super) fn only(&self) -> Arc<Alert> {
        let open: Vec<_> = self.manager.all().into_iter().filter(|alert| alert.ended_at.is_none()).collect();
        assert_eq!(open.len(), 1, "{open:?}");
        Arc::clone(&open[0])
    }

    pub(super) fn told(&mut self) -> Vec<String> {
        let notifications = self.manager.due(self.now, self.time);
        notifications
            .iter()
            .map(|it| {
                let alerts =
                    it.alerts.iter().map(|alert| format!("{} {}", alert.labels.get("pool"), alert.state));
                format!("{}: {}", it.reason, alerts.collect::<Vec<_>>().join(", "))
            })
            .collect()
    }
}

fn shown(event: &AlertEvent) -> String {
    let (kind, alert) = match event {
        AlertEvent::Triggered(alert) => ("triggered", alert),
        AlertEvent::Resolved(alert) => ("resolved", alert),
        AlertEvent::Changed(alert) => ("changed", alert),
    };
    format!("{kind} {} {} {} {}", alert.rule, alert.labels.get("pool"), alert.state, alert.reason)
}

const TRIGGERED: &str = "triggered Busy orders firing threshold";
const RESOLVED: &str = "resolved Busy orders resolved threshold";

#[tokio::test]
async fn over_the_threshold_it_fires_at_the_first_evaluation_and_is_over_below_the_recovery_threshold() {
    let mut driven = Driven::new(vec![busy()]);
    assert_eq!(driven.read(0.8), [""; 0]);
    assert_eq!(driven.read(0.81), [TRIGGERED]);
    assert_eq!(driven.read(0.75), ["changed Busy orders recovering threshold"]);
    assert_eq!(driven.read(0.9), ["changed Busy orders firing threshold"]);
    assert_eq!(driven.read(0.7), [RESOLVED]);
    assert_eq!(driven.read(0.75), [""; 0]);
    assert_eq!(driven.manager.alerts(), []);
}

#[tokio::test]
async fn an_alert_tells_all_about_itself() {
    let mut driven = Driven::new(vec![AlertRule {
        hold: seconds(10),
        labels: Labels::new().with("team", "core"),
        annotations: Labels::new().with("description", "{{ $labels.team }}: {{ $value }}"),
        ..busy()
    }]);
    let begin = driven.time;
    assert_eq!(driven.read(0.9), ["changed Busy orders pending threshold"]);
    assert_eq!(driven.read(0.95), [TRIGGERED]);
    let alert = driven.only();
    assert_eq!(alert.id.to_string(), format!("{}-1", alert.labels.fingerprint()));
    assert_eq!(
        alert.labels.to_string(),
        r#"{alertname="Busy", pool="orders", severity="warning", team="core"}"#
    );
    assert_eq!(alert.annotations.get("description"), "core: 0.95");
    assert_eq!(alert.message, "orders: utilization is 95 % (> 80 %)");
    assert_eq!((alert.value, alert.threshold, alert.recovery_threshold), (0.95, 0.8, Some(0.7)));
    assert_eq!((alert.active_at, alert.started_at), (begin, Some(begin + seconds(10))));
    assert_eq!((alert.occurrences, alert.pool.as_deref()), (1, Some("orders")));
    let steps: Vec<_> = alert.transitions.iter().map(|step| (step.from, step.to, step.value)).collect();
    assert_eq!(
        steps,
        [(None, AlertState::Pending, Some(0.9)), (Some(AlertState::Pending), AlertState::Firing, Some(0.95))]
    );
}

#[tokio::test]
async fn each_episode_has_a_number_and_each_that_fires_is_counted() {
    let mut driven = Driven::new(vec![AlertRule { hold: seconds(10), ..busy() }]);
    for value in [0.9, 0.9, 0.0, 0.9, 0.0, 0.9, 0.9] {
        driven.read(value);
    }
    let alert = driven.only();
    assert_eq!((alert.id.episode, alert.occurrences), (2, 2), "the one between was never told of");
    let all = driven.manager.all();
    assert_eq!(all.iter().map(|alert| alert.id.episode).collect::<Vec<_>>(), [2, 1]);
}

#[tokio::test]
async fn what_cannot_be_read_keeps_the_last_verdict_unless_the_rule_says_otherwise() {
    let mut driven = Driven::new(vec![busy()]);
    assert_eq!(driven.read(0.9), [TRIGGERED]);
    assert_eq!(driven.read(None), [""; 0]);
    assert_eq!(driven.only().value, 0.9, "what was read last");
    assert_eq!(driven.read(0.0), [RESOLVED]);
    assert_eq!(driven.read(None), [""; 0]);

    let mut driven = Driven::new(vec![AlertRule { on_no_data: NoData::Resolve, ..busy() }]);
    driven.read(0.9);
    assert_eq!(driven.read(None), ["resolved Busy orders resolved no_data"]);

    let mut driven = Driven::new(vec![AlertRule { on_no_data: NoData::Firing, ..busy() }]);
    assert_eq!(driven.read(None), ["triggered Busy orders firing no_data"]);
    assert_eq!(driven.only().message, "orders: most connections are in use: utilization cannot be read");
    assert_eq!(driven.read(0.1), [RESOLVED]);
}

#[tokio::test]
async fn the_alerts_of_a_pool_that_is_gone_are_over_and_one_of_its_name_begins_anew() {
    let mut driven = Driven::new(vec![busy()]);
    driven.pools(&[("orders", &All(Some(0.9))), ("users", &All(Some(0.9)))]);
    assert_eq!(driven.pools(&[("users", &All(Some(0.9)))]), ["resolved Busy orders resolved pool_removed"]);
    assert_eq!(driven.pools(&[]), ["resolved Busy users resolved pool_removed"]);
    assert_eq!(driven.read(0.9), [TRIGGERED]);
    assert_eq!(driven.only().id.episode, 2, "ids do not come twice");
}

#[tokio::test]
async fn an_id_is_of_one_episode_though_its_pool_was_away_for_longer_than_anybody_remembers_it() {
    let mut driven = Driven::with(
        vec![busy()],
        AlertSettings { alert_retention: seconds(60), ..AlertSettings::default() },
    );
    driven.read(0.9);
    driven.pools(&[]);
    driven.wait(seconds(3_600));
    driven.pools(&[]);
    assert_eq!(driven.manager.to_publish(), []);
    driven.read(0.9);
    assert_eq!(driven.only().id.episode, 2);
}

#[tokio::test]
async fn the_last_episode_is_told_to_be_over_though_it_was_cleared_and_an_earlier_one_was_not() {
    let mut driven = Driven::new(vec![busy()]);
    for value in [0.9, 0.0, 0.9, 0.0] {
        driven.read(value);
    }
    let last = driven.manager.all()[0].id;
    driven.manager.clear(last).unwrap();
    let published = driven.manager.to_publish();
    assert_eq!(published.iter().map(|alert| alert.id.episode).collect::<Vec<_>>(), [1, 2]);
    driven.manager.clear_resolved();
    let published = driven.manager.to_publish();
    assert_eq!(published.iter().map(|alert| alert.id.episode).collect::<Vec<_>>(), [2]);
}

#[tokio::test]
async fn a_rule_is_for_the_pools_it_names() {
    let mut driven = Driven::new(vec![AlertRule { pools: vec!["users".to_owned()], ..busy() }]);
    let events = driven.pools(&[("orders", &All(Some(0.9))), ("users", &All(Some(0.9)))]);
    assert_eq!(events, ["triggered Busy users firing threshold"]);
}

#[tokio::test]
async fn a_name_that_comes_twice_is_judged_once() {
    let mut driven = Driven::new(vec![busy()]);
    assert_eq!(driven.pools(&[("orders", &All(Some(0.9))), ("orders", &All(Some(0.1)))]), [TRIGGERED]);
    assert_eq!(driven.manager.alerts().len(), 1);
}

#[tokio::test]
async fn too_many_alerts_of_one_rule_are_counted_and_none_that_fires_is_let_go_of() {
    let mut driven =
        Driven::with(vec![busy()], AlertSettings { max_active_per_rule: 2, ..AlertSettings::default() });
    let full = All(Some(0.9));
    let pools: Vec<(&str, &dyn Readings)> =
        ["a", "b", "c", "d"].map(|name| (name, &full as &dyn Readings)).into();
    assert_eq!(driven.pools(&pools).len(), 2);
    let refused = |driven: &Driven| {
        driven.manager.refused().iter().map(|it| (it.rule.to_string(), it.now, it.total)).collect::<Vec<_>>()
    };
    assert_eq!(refused(&driven), [("Busy".to_owned(), 2, 2)]);
    driven.pools(&pools);
    assert_eq!(refused(&driven), [("Busy".to_owned(), 2, 2)], "they are the same");
    let firing = |driven: &Driven| {
        driven.manager.alerts().iter().map(|alert| alert.labels.get("pool").to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(firing(&driven), ["a", "b"]);
    let calm = All(Some(0.0));
    driven.pools(&[("a", &calm), ("b", &full), ("c", &full), ("d", &calm)]);
    assert_eq!(firing(&driven), ["b", "c"], "there is room again");
    assert_eq!(refused(&driven), [("Busy".to_owned(), 0, 2)]);
    driven.manager.set_rules(vec![busy()], driven.now, driven.time).unwrap();
    driven.pools(&pools);
    assert_eq!(refused(&driven), [("Busy".to_owned(), 2, 4)]);
}

#[tokio::test]
async fn that_alerts_are_refused_is_news_once_for_as_long_as_it_lasts() {
    let mut driven =
        Driven::with(vec![busy()], AlertSettings { max_active_per_rule: 1, ..AlertSettings::default() });
    let (full, calm) = (All(Some(0.9)), All(Some(0.0)));
    let mut news = Vec::new();
    for more in [false, true, true, false, true] {
        let second = if more { full } else { calm };
        driven.pools(&[("a", &full), ("b", &second)]);
        news.push(driven.manager.take_newly_refused().len());
        news.push(driven.manager.take_newly_refused().len());
    }
    assert_eq!(news, [0, 0, 1, 0, 0, 0, 0, 0, 1, 0]);
}

#[tokio::test]
async fn of_what_is_over_only_so_much_is_kept_and_not_for_ever() {
    let settings =
        AlertSettings { max_alert_history: 2, alert_retention: seconds(60), ..AlertSettings::default() };
    let mut driven = Driven::with(vec![busy()], settings);
    for value in [0.9, 0.0, 0.9, 0.0, 0.9, 0.0] {
        driven.read(value);
    }
    let episodes = |driven: &Driven| driven.manager.all().iter().map(|it| it.id.episode).collect::<Vec<_>>();
    assert_eq!(episodes(&driven), [3, 2]);
    driven.wait(seconds(40));
    driven.read(0.0);
    assert_eq!(episodes(&driven), [3]);
    driven.read(0.0);
    driven.read(0.0);
    assert_eq!(episodes(&driven), [0; 0]);
}

#[tokio::test]
async fn what_is_over_is_published_though_it_is_not_kept_and_no_number_comes_twice() {
    let settings = AlertSettings { max_alert_history: 1, ..AlertSettings::default() };
    let mut driven = Driven::with(vec![busy()], settings);
    let full = All(Some(0.9));
    driven.pools(&[("a", &full), ("b", &full), ("c", &full)]);
    driven.pools(&[]);
    let published = |driven: &Driven| {
        let mut ids: Vec<_> = driven
            .manager
            .to_publish()
            .iter()
            .map(|it| (it.labels.get("pool").to_owned(), it.id.episode))
            .collect();
        ids.sort();
        ids
    };
    let all = [("a".to_owned(), 1), ("b".to_owned(), 1), ("c".to_owned(), 1)];
    assert_eq!((driven.manager.all().len(), published(&driven)), (1, all.to_vec()));
    driven.manager.clear_resolved();
    assert_eq!((driven.manager.all().len(), published(&driven)), (0, all.to_vec()));
    driven.pools(&[("a", &full)]);
    driven.pools(&[]);
    driven.manager.clear(driven.manager.all()[0].id).unwrap();
    assert_eq!(published(&driven)[0], ("a".to_owned(), 2), "the last episode alone");
    assert_eq!(published(&driven).len(), 3);
    driven.wait(History::UNLISTED_FOR);
    driven.pools(&[]);
    assert_eq!(published(&driven), []);
}

#[tokio::test]
async fn an_acknowledgement_stays_with_the_episode() {
    let mut driven = Driven::new(vec![busy()]);
    driven.read(0.9);
    let id = driven.only().id;
    let known = Acknowledgement::new("ada", "on it", driven.time);
    let alert = driven.manager.acknowledge(id, known.clone()).unwrap();
    assert_eq!(alert.acknowledgement, Some(known.clone()));
    driven.wait(seconds(60));
    let again = Acknowledgement { at: driven.time, ..known.clone() };
    assert_eq!(driven.manager.acknowledge(id, again).unwrap().acknowledgement, Some(known), "it is the same");
    driven.read(0.95);
    assert!(driven.only().is_acknowledged() && driven.only().is_active());
    driven.read(0.0);
    let over = Acknowledgement::new("ada", "on it", driven.time);
    assert_eq!(driven.manager.acknowledge(id, over), Err(VerbError::Over(id)));
    driven.read(0.9);
    assert!(!driven.only().is_acknowledged(), "a new episode is news");
    let unknown = AlertId { episode: 9, ..id };
    assert_eq!(driven.manager.unacknowledge(unknown), Err(VerbError::NotFound(unknown)));
    assert!(driven.manager.unacknowledge(unknown).unwrap_err().is_not_found());
}

#[tokio::test]
async fn an_acknowledgement_that_is_not_sticky_ends_when_the_alert_gets_worse_again() {
    for (sticky, survives) in [(false, false), (true, true)] {
        let mut driven = Driven::new(vec![busy()]);
        driven.read(0.9);
        let known = Acknowledgement { sticky, ..Acknowledgement::new("ada", "", driven.time) };
        driven.manager.acknowledge(driven.only().id, known).unwrap();
        driven.read(0.75);
        assert!(driven.only().is_acknowledged());
        driven.read(0.9);
        assert_eq!(driven.only().is_acknowledged(), survives);
    }
}

#[tokio::test]
async fn an_acknowledgement_may_have_an_end_and_be_taken_back() {
    let mut driven = Driven::new(vec![busy()]);
    driven.read(0.9);
    let id = driven.only().id;
    let end = driven.time + seconds(10);
    driven.manager.acknowledge(id, Acknowledgement::new("ada", "", driven.time).until(end)).unwrap();
    assert_eq!(driven.read(0.9), [""; 0]);
    assert_eq!(driven.read(0.9), ["changed Busy orders firing threshold"]);
    assert!(!driven.only().is_acknowledged());
    driven.manager.acknowledge(id, Acknowledgement::new("ada", "", driven.time).sticky()).unwrap();
    assert!(!driven.manager.unacknowledge(id).unwrap().is_acknowledged());
    assert!(!driven.manager.unacknowledge(id).unwrap().is_acknowledged(), "once more is the same");
}

#[tokio::test]
async fn who_resolves_an_alert_by_hand_gets_a_new_one_if_nothing_has_changed() {
    let mut driven = Driven::new(vec![AlertRule { hold: seconds(10), ..busy() }]);
    driven.read(0.9);
    driven.read(0.9);
    let id = driven.only().id;
    let over = driven.manager.resolve(id, "ada", driven.now, driven.time).unwrap();
    assert_eq!((over.state, over.reason), (AlertState::Resolved, Reason::ManualResolve));
    assert_eq!(over.annotations.get("resolved_by"), "ada");
    let again = driven.manager.resolve(id, "ada", driven.now, driven.time);
    assert_eq!(again, Err(VerbError::Over(id)));
    assert_eq!(driven.read(0.9), ["changed Busy orders pending threshold"], "with hold from the beginning");
    assert_eq!(driven.only().id.episode, 2);
    driven.manager.resolve(driven.only().id, "ada", driven.now, driven.time).unwrap();
    assert_eq!(driven.manager.all().len(), 1, "what was pending has vanished");
}

#[tokio::test]
async fn only_what_is_over_is_cleared() {
    let mut driven = Driven::new(vec![busy()]);
    driven.read(0.9);
    let id = driven.only().id;
    let error = driven.manager.clear(id).unwrap_err();
    assert_eq!(error, VerbError::StillActive { id, state: AlertState::Firing });
    assert_eq!(
        error.to_string(),
        format!("clear the alert {id}: it is still firing; only resolved alerts are cleared")
    );
    driven.read(0.75);
    assert_eq!(driven.manager.clear(id), Err(VerbError::StillActive { id, state: AlertState::Recovering }));
    driven.read(0.0);
    assert_eq!(driven.manager.clear(id).unwrap().id, id);
    assert_eq!(driven.manager.clear(id), Err(VerbError::NotFound(id)));
    driven.read(0.9);
    driven.read(0.0);
    driven.read(0.9);
    assert_eq!(driven.manager.clear_resolved(), 1);
    assert_eq!(driven.manager.all().len(), 1, "what fires stays");
}

#[tokio::test]
async fn a_threshold_is_changed_while_alerts_are_there() {
    let mut driven = Driven::new(vec![busy()]);
    assert_eq!(driven.read(0.5), [""; 0]);
    driven.manager.set_threshold("Busy", 0.4).unwrap();
    assert_eq!(driven.read(0.5), [TRIGGERED]);
    assert_eq!(driven.only().recovery_threshold, Some(0.35));
    driven.manager.set_threshold("Busy", 0.8).unwrap();
    assert_eq!(driven.read(0.5), [RESOLVED]);
    assert_eq!(driven.manager.set_threshold("Idle", 0.1), Err(VerbError::NoRule("Idle".to_owned())));
    assert!(matches!(driven.manager.set_threshold("Busy", f64::NAN), Err(VerbError::Threshold(_))));
    assert_eq!(driven.manager.rules().next().unwrap().threshold(), 0.8);
}

#[tokio::test]
async fn a_threshold_of_zero_does_not_lose_the_proportion_of_the_recovery_threshold() {
    let mut driven = Driven::new(vec![busy()]);
    for (threshold, recovery) in [(0.0, 0.0), (0.4, 0.35), (0.0, 0.0), (0.8, 0.7)] {
        driven.manager.set_threshold("Busy", threshold).unwrap();
        let rule = driven.manager.rules().next().unwrap();
        assert_eq!((rule.threshold(), rule.recovery_threshold), (threshold, Some(recovery)));
    }
}

#[tokio::test]
async fn a_rule_that_has_the_same_name_and_labels_goes_on_whatever_else_is_new() {
    let mut driven = Driven::new(vec![busy()]);
    driven.read(0.9);
    let before = driven.only();
    let softer = AlertRule { keep_firing: seconds(60), recovery_threshold: None, ..busy() }.summary("busy");
    let events = driven.manager.set_rules(vec![softer], driven.now, driven.time).unwrap();
    assert_eq!(events, []);
    assert_eq!(driven.only().id, before.id);
    assert_eq!(driven.only().message, "orders: busy: utilization is 90 % (> 80 %)");
    assert_eq!(driven.read(0.75), ["changed Busy orders recovering threshold"]);
}

#[tokio::test]
async fn an_alert_of_a_rule_that_has_become_more_patient_is_pending_again() {
    let mut driven = Driven::new(vec![busy()]);
    driven.read(0.9);
    driven.read(0.9);
    let begin = driven.only().active_at;
    let patient = AlertRule { hold: seconds(30), ..busy() };
    let events = driven.manager.set_rules(vec![patient], driven.now, driven.time).unwrap();
    assert_eq!(events.iter().map(shown).collect::<Vec<_>>(), ["resolved Busy orders resolved rule_changed"]);
    assert_eq!((driven.only().state, driven.only().active_at), (AlertState::Pending, begin));
    driven.read(0.9);
    assert_eq!(driven.read(0.9), [TRIGGERED], "thirty seconds after it began, not after the change");
    assert_eq!(driven.only().id.episode, 2);
}

#[tokio::test]
async fn the_alerts_of_a_rule_that_is_gone_or_another_one_are_over() {
    for after in [
        vec![],
        vec![AlertRule { severity: Severity::Error, ..busy() }],
        vec![AlertRule { pools: vec!["users".to_owned()], ..busy() }],
    ] {
        let mut driven = Driven::new(vec![busy()]);
        driven.read(0.9);
        let events = driven.manager.set_rules(after, driven.now, driven.time).unwrap();
        assert_eq!(
            events.iter().map(shown).collect::<Vec<_>>(),
            ["resolved Busy orders resolved rule_changed"]
        );
        assert_eq!(driven.manager.alerts(), []);
    }
}

#[tokio::test]
async fn rules_that_are_refused_change_nothing() {
    let mut driven = Driven::new(vec![busy()]);
    driven.read(0.9);
    let twice = driven.manager.set_rules(vec![busy(), busy()], driven.now, driven.time);
    insta::assert_snapshot!(twice.unwrap_err(), @"accept the alert rules: Busy: two rules have this name");
    assert!(driven.only().is_active());
}

#[tokio::test]
async fn a_target_that_is_down_and_a_critical_alert_mute_what_follows_from_them() {
    let mut driven = Driven::new(DefaultRules::default().rules());
    let down = Some0(vec![(Metric::TargetDown, 1.0), (Metric::Utilization, 1.0), (Metric::TimedOut, 3.0)]);
    let full =
        Some0(vec![(Metric::Utilization, 1.0), (Metric::AverageUtilization, 1.0), (Metric::TimedOut, 3.0)]);
    driven.pools(&[("down", &down), ("full", &full)]);
    let mut muted: Vec<String> = driven
        .manager
        .alerts()
        .iter()
        .map(|alert| format!("{} {} {}", alert.labels.get("pool"), alert.rule, alert.is_suppressed()))
        .collect();
    muted.sort();
    assert_eq!(
        muted,
        [
            "down PoolAcquireTimeouts true",
            "down PoolTargetDown false",
            "down PoolUtilizationHigh true",
            "full PoolAcquireTimeouts false",
            "full PoolUtilizationCritical false",
            "full PoolUtilizationHigh true",
        ]
    );
    let up = Some0(vec![(Metric::Utilization, 1.0)]);
    driven.pools(&[("down", &up)]);
    assert!(driven.manager.alerts().iter().all(|alert| !alert.is_suppressed()));
}

#[tokio::test]
async fn an_alert_that_matches_both_sides_mutes_itself_no_more_than_its_like() {
    let all = || vec!["pool=~\".+\"".parse().unwrap()];
    let inhibit = vec![InhibitRule { source: all(), target: all(), equal: vec![] }];
    let mut driven = Driven::with(vec![busy()], AlertSettings { inhibit, ..AlertSettings::default() });
    driven.pools(&[("a", &All(Some(0.9))), ("b", &All(Some(0.9)))]);
    assert!(driven.manager.alerts().iter().all(|alert| !alert.is_suppressed()));
}

#[tokio::test]
async fn a_silence_mutes_also_what_comes_later_and_ends_by_itself() {
    let mut driven = Driven::new(vec![busy()]);
    let silence = Silence {
        id: SilenceId(0),
        matchers: vec!["pool=orders".parse().unwrap()],
        starts_at: driven.time,
        ends_at: driven.time + seconds(20),
        created_by: "ada".to_owned(),
        comment: "maintenance".to_owned(),
        updated_at: driven.time,
    };
    let id = driven.manager.silence(silence, driven.time).unwrap();
    driven.pools(&[("orders", &All(Some(0.9))), ("users", &All(Some(0.9)))]);
    let silenced = |driven: &Driven| {
        driven.manager.alerts().iter().map(|alert| alert.silenced_by.clone()).collect::<Vec<_>>()
    };
    assert_eq!(silenced(&driven), [vec![id], vec![]]);
    driven.wait(seconds(10));
    assert_eq!(driven.read(0.9)[1], "changed Busy orders firing threshold");
    assert_eq!(silenced(&driven), [vec![]]);
    driven.wait(AlertSettings::default().alert_retention);
    driven.read(0.9);
    assert_eq!(driven.manager.silences(), [], "long over and forgotten");
}

#[tokio::test]
async fn a_clock_that_is_set_changes_nothing_but_what_is_shown() {
    let mut driven = Driven::new(vec![AlertRule { hold: seconds(20), keep_firing: seconds(20), ..busy() }]);
    driven.read(0.9);
    driven.time -= seconds(7 * 86_400);
    driven.read(0.9);
    driven.time += seconds(30 * 86_400);
    assert_eq!(driven.read(0.9), [TRIGGERED]);
    driven.read(0.0);
    driven.time = SystemTime::UNIX_EPOCH;
    assert_eq!(driven.read(0.0), [""; 0]);
    assert_eq!(driven.read(0.0), [RESOLVED]);
}
