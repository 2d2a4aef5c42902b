//! Alerts of real pools over fake connections, under a paused clock.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, SystemTime};

use pool_core::fake::{Act, FakeConnector};
use pool_core::{Pool, PoolSet};

use super::*;
use crate::alert::Notification;
use crate::alert::{AlertState, NotificationReason, Reason};
use crate::settings::MonitorSettings;
use crate::sink::{AlertSink, CallbackSink, DispatcherSettings, Resend, ResendSettings, SinkFuture};
use crate::target::{TargetHealth, TargetSource};

fn pool(name: &str) -> Pool<FakeConnector> {
    let pool = Pool::builder(FakeConnector::new()).name(name).max_connections(10).min_connections(0);
    pool.acquire_timeout(Duration::from_millis(10)).build().unwrap()
}

fn monitor(pools: &[&Pool<FakeConnector>]) -> (PoolSet, PoolMonitor) {
    let set = PoolSet::new();
    for pool in pools {
        set.insert(Pool::clone(pool)).unwrap();
    }
    let monitor = PoolMonitor::new(set.clone(), MonitorSettings::default()).unwrap();
    (set, monitor)
}

async fn take(pool: &Pool<FakeConnector>, count: usize) -> Vec<pool_core::Pooled<FakeConnector>> {
    let mut taken = Vec::new();
    for _ in 0..count {
        taken.push(pool.acquire().await.unwrap());
    }
    taken
}

async fn wait(seconds: u64) {
    tokio::time::sleep(Duration::from_secs(seconds)).await;
}

fn names(monitor: &PoolMonitor) -> Vec<String> {
    monitor.alerts().iter().map(|alert| alert.rule.to_string()).collect()
}

#[tokio::test(start_paused = true)]
async fn utilization_over_the_threshold_fires_at_the_first_collection_and_is_over_below_the_recovery_threshold()
 {
    let orders = pool("orders");
    let (_set, monitor) = monitor(&[&orders]);
    let mut held = take(&orders, 8).await;
    monitor.collect();
    assert_eq!(names(&monitor), [""; 0], "at the threshold is not over it");
    held.extend(take(&orders, 1).await);
    monitor.collect();
    assert_eq!(names(&monitor), ["PoolUtilizationHigh"]);
    let alert = &monitor.alerts()[0];
    assert_eq!(alert.message, "orders: most connections are in use: utilization is 90 % (> 80 %)");
    held.pop();
    monitor.collect();
    assert_eq!(monitor.alert(alert.id).unwrap().state, AlertState::Recovering);
    held.truncate(7);
    monitor.collect();
    assert_eq!(monitor.alert(alert.id).unwrap().state, AlertState::Resolved);
}

#[tokio::test(start_paused = true)]
async fn errors_count_only_if_there_were_enough_requests() {
    let orders = pool("orders");
    let (_set, monitor) = monitor(&[&orders]);
    let held = take(&orders, 10).await;
    monitor.collect();
    let has_fired = || names(&monitor).contains(&"PoolErrorRateHigh".to_owned());
    for _ in 0..19 {
        assert!(orders.acquire().await.is_err());
    }
    monitor.collect();
    assert!(!has_fired());
    for _ in 0..20 {
        assert!(orders.acquire().await.is_err());
    }
    monitor.collect();
    assert!(has_fired());
    drop(held);
    monitor.collect();
    assert!(!has_fired());
}

#[tokio::test(start_paused = true)]
async fn verbs_and_thresholds_work_on_the_monitor() {
    let orders = pool("orders");
    let (_set, monitor) = monitor(&[&orders]);
    let held = take(&orders, 9).await;
    monitor.collect();
    let id = monitor.alerts()[0].id;
    let known = Acknowledgement::new("ada", "on it", SystemTime::now());
    assert!(monitor.acknowledge_alert(id, known).unwrap().is_acknowledged());
    assert_eq!(monitor.clear_alert(id), Err(VerbError::StillActive { id, state: AlertState::Firing }));
    assert!(!monitor.unacknowledge_alert(id).unwrap().is_acknowledged());
    assert_eq!(monitor.resolve_alert(id, "ada").unwrap().reason, Reason::ManualResolve);
    assert_eq!(monitor.clear_alert(id).unwrap().id, id);
    monitor.set_alert_threshold("PoolUtilizationHigh", 0.95).unwrap();
    monitor.collect();
    assert_eq!(names(&monitor), [""; 0]);
    monitor.set_alert_threshold("PoolUtilizationHigh", 0.5).unwrap();
    monitor.collect();
    assert_eq!(names(&monitor), ["PoolUtilizationHigh"]);
    monitor.set_alert_rules(Vec::new()).unwrap();
    assert_eq!(names(&monitor), [""; 0]);
    assert_eq!(monitor.clear_resolved_alerts(), 1);
    assert_eq!(monitor.all_alerts(), []);
    drop(held);
}

#[tokio::test(start_paused = true)]
async fn callbacks_are_called_once_for_each_beginning_and_end_and_may_panic_and_call_back() {
    let orders = pool("orders");
    let (_set, monitor) = monitor(&[&orders]);
    let (triggered, resolved) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    monitor.on_alert_triggered(|_| panic!("a user's mistake"));
    let (count, again) = (Arc::clone(&triggered), monitor.clone());
    monitor.on_alert_triggered(move |alert| {
        assert!(again.alert(alert.id).is_some());
        count.fetch_add(1, Ordering::Relaxed);
    });
    let count = Arc::clone(&resolved);
    monitor.on_alert_resolved(move |alert| {
        assert_eq!(alert.state, AlertState::Resolved);
        count.fetch_add(1, Ordering::Relaxed);
    });
    let held = take(&orders, 9).await;
    monitor.collect();
    monitor.collect();
    drop(held);
    monitor.collect();
    assert_eq!((triggered.load(Ordering::Relaxed), resolved.load(Ordering::Relaxed)), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn sinks_are_told_when_it_is_due_and_not_only_at_collections() {
    let orders = pool("orders");
    let (_set, monitor) = monitor(&[&orders]);
    monitor
        .set_alert_settings(AlertSettings { group_wait: Duration::from_secs(3), ..AlertSettings::default() })
        .unwrap();
    let begun = Instant::now();
    let told = Arc::new(Mutex::new(Vec::new()));
    let list = Arc::clone(&told);
    let sink = CallbackSink::new("list", move |notification| {
        let at = begun.elapsed().as_secs();
        list.lock().unwrap().push((at, notification.reason, notification.alerts.len()));
    });
    let dispatcher = AlertDispatcher::start([Arc::new(sink) as _], DispatcherSettings::default());
    assert!(monitor.set_alert_dispatcher(Some(Arc::new(dispatcher))).is_none());
    let held = take(&orders, 9).await;
    monitor.start();
    wait(20).await;
    let first = told.lock().unwrap().clone();
    let [(at, NotificationReason::First, 1)] = first[..] else { panic!("{first:?}") };
    assert!((3..=4).contains(&at), "{at} s after the first collection, and seven before the next");
    drop(held);
    wait(320).await;
    assert_eq!(told.lock().unwrap()[1].1, NotificationReason::AllResolved);
    monitor.stop().await;
}

#[tokio::test(start_paused = true)]
async fn who_comes_later_is_told_of_what_fires() {
    let orders = pool("orders");
    let (_set, monitor) = monitor(&[&orders]);
    let _held = take(&orders, 9).await;
    monitor.start();
    wait(600).await;
    let told = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&told);
    let sink = CallbackSink::new("count", move |_| {
        count.fetch_add(1, Ordering::Relaxed);
    });
    let dispatcher = AlertDispatcher::start([Arc::new(sink) as _], DispatcherSettings::default());
    monitor.set_alert_dispatcher(Some(Arc::new(dispatcher)));
    wait(60).await;
    assert_eq!(told.load(Ordering::Relaxed), 1);
    monitor.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_target_that_is_down_mutes_the_rest_and_a_pool_that_leaves_takes_its_alerts_along() {
    struct Down;
    impl TargetSource for Down {
        fn health(&self, _pool: &str) -> TargetHealth {
            TargetHealth::Unhealthy
        }
    }
    let orders = pool("orders");
    let (set, monitor) = monitor(&[&orders]);
    monitor.set_target_source(Arc::new(Down));
    let held = take(&orders, 9).await;
    monitor.collect();
    let told: Vec<_> = monitor.alerts().into_iter().filter(|alert| !alert.is_suppressed()).collect();
    assert_eq!(told.iter().map(|alert| &*alert.rule).collect::<Vec<_>>(), ["PoolTargetDown"]);
    assert_eq!(names(&monitor).len(), 2);
    drop(held);
    set.remove("orders").unwrap();
    monitor.collect();
    assert_eq!(names(&monitor), [""; 0]);
    assert!(monitor.all_alerts().iter().all(|alert| alert.reason == Reason::PoolRemoved));
}

#[tokio::test(start_paused = true)]
async fn an_alert_about_a_target_says_where_that_is_and_what_is_wrong_with_it() {
    /// Says that the target is down, as long as there is an error.
    struct Checks(Arc<Mutex<Option<String>>>);
    impl TargetSource for Checks {
        fn health(&self, _pool: &str) -> TargetHealth {
            let is_down = self.0.lock().unwrap().is_some();
            if is_down { TargetHealth::Unhealthy } else { TargetHealth::Healthy }
        }

        fn last_error(&self, _pool: &str) -> Option<String> {
            self.0.lock().unwrap().clone()
        }
    }
    let orders = pool("orders");
    let (_set, monitor) = monitor(&[&orders]);
    let error = Arc::new(Mutex::new(Some("connection\nrefused\u{1b}[2J".to_owned())));
    monitor.set_target_source(Arc::new(Checks(Arc::clone(&error))));
    let triggered = Arc::new(Mutex::new(Vec::new()));
    let messages = Arc::clone(&triggered);
    monitor.on_alert_triggered(move |alert| messages.lock().unwrap().push(alert.message.clone()));
    let _held = take(&orders, 9).await;
    monitor.collect();
    let place = orders.target().unwrap().database;
    assert_eq!(
        *triggered.lock().unwrap(),
        [
            "orders: most connections are in use: utilization is 90 % (> 80 %)".to_owned(),
            format!("orders: the target is down: {place}: connection refused [2J"),
        ],
        "from the beginning, in one line, and of targets alone"
    );
    let down = || monitor.all_alerts().into_iter().find(|alert| &*alert.rule == "PoolTargetDown").unwrap();
    assert_eq!(down().annotations.get("summary"), "the target is down");
    assert_eq!(down().annotations.get("description"), format!("{place}: connection refused [2J"));

    *error.lock().unwrap() = Some("x".repeat(1_000));
    monitor.collect();
    assert!(down().message.ends_with(&format!("down: {place}: {}…", "x".repeat(300))), "{}", down().message);

    *error.lock().unwrap() = Some(String::new());
    monitor.collect();
    assert_eq!(down().message, format!("orders: the target is down: {place}"), "nobody knows why");

    *error.lock().unwrap() = None;
    monitor.collect();
    assert_eq!(down().state, AlertState::Resolved);
    assert_eq!(down().annotations.get("description"), place, "of what it was");
}

#[tokio::test(start_paused = true)]
async fn where_nobody_checks_the_pool_tells_what_its_connects_die_of() {
    let connector = FakeConnector::new();
    connector.connects().always(Act::Fail("connection refused"));
    let orders = Pool::builder(connector).name("orders").max_connections(10).build().unwrap();
    let (_set, monitor) = monitor(&[&orders]);
    assert!(orders.acquire().await.is_err());
    monitor.collect();
    let alerts = monitor.alerts();
    let down = alerts.iter().find(|alert| &*alert.rule == "PoolTargetDown").unwrap();
    assert_eq!(down.message, "orders: the target is down: memory: connection refused");
}

#[tokio::test(start_paused = true)]
async fn what_is_known_of_alerts_goes_from_one_monitor_to_the_next() {
    let orders = pool("orders");
    let (set, first) = monitor(&[&orders]);
    let _held = take(&orders, 9).await;
    first.collect();
    let id = first.alerts()[0].id;
    first.acknowledge_alert(id, Acknowledgement::new("ada", "on it", SystemTime::now())).unwrap();
    let text = first.alert_snapshot().to_json();
    drop(first);
    let second = PoolMonitor::new(set, MonitorSettings::default()).unwrap();
    assert_eq!(second.restore_alerts(AlertSnapshot::from_json(&text).unwrap()), 1);
    second.collect();
    assert_eq!(second.alerts()[0].id, id);
    assert!(second.alerts()[0].is_acknowledged());
}

#[tokio::test(start_paused = true)]
async fn a_pool_that_cannot_be_measured_any_more_is_told_of_and_its_other_alerts_stay() {
    let (orders, users) = (pool("orders"), pool("users"));
    let (_set, monitor) = monitor(&[&orders, &users]);
    let _held = take(&orders, 9).await;
    monitor.collect();
    // As if the collections from here on did not get through with one of them.
    {
        let mut state = monitor.shared.state();
        state.collected_at += Duration::from_secs(10);
        let collected_at = state.collected_at;
        if let Some(watched) = state.watched.get_mut("users") {
            watched.measured_at = collected_at;
        }
    }
    for _ in 0..3 {
        monitor.shared.judge();
        assert_eq!(names(&monitor), ["PoolUtilizationHigh"]);
        wait(10).await;
    }
    monitor.shared.judge();
    assert_eq!(names(&monitor), ["PoolMetricsStale", "PoolUtilizationHigh"]);
    monitor.collect();
    assert_eq!(names(&monitor), ["PoolUtilizationHigh"]);
}

#[tokio::test(start_paused = true)]
async fn who_takes_the_place_of_others_at_once_is_told_of_what_fires() {
    let orders = pool("orders");
    let (_set, monitor) = monitor(&[&orders]);
    let _held = take(&orders, 9).await;
    let counting = || {
        let told = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&told);
        let sink = CallbackSink::new("count", move |_| {
            count.fetch_add(1, Ordering::Relaxed);
        });
        (told, Arc::new(AlertDispatcher::start([Arc::new(sink) as _], DispatcherSettings::default())))
    };
    let (first, dispatcher) = counting();
    assert!(monitor.set_alert_dispatcher(Some(dispatcher)).is_none());
    monitor.start();
    wait(60).await;
    assert_eq!(first.load(Ordering::Relaxed), 1);
    // As a reload does it: nothing is collected in between.
    let (second, dispatcher) = counting();
    assert!(monitor.set_alert_dispatcher(None).is_some());
    assert!(monitor.set_alert_dispatcher(Some(dispatcher)).is_none());
    wait(60).await;
    assert_eq!((first.load(Ordering::Relaxed), second.load(Ordering::Relaxed)), (1, 1));
    monitor.stop().await;
}

#[tokio::test(start_paused = true)]
async fn who_takes_alerts_one_by_one_hears_of_the_end_of_those_that_are_not_kept() {
    for keep_none in [true, false] {
        let orders = pool("orders");
        let (_set, monitor) = monitor(&[&orders]);
        let max_alert_history = if keep_none { 0 } else { 1_000 };
        monitor.set_alert_settings(AlertSettings { max_alert_history, ..AlertSettings::default() }).unwrap();
        let held = take(&orders, 9).await;
        let told = Arc::new(AtomicUsize::new(0));
        let sink = Arc::new(Resent(Arc::clone(&told)));
        let dispatcher = AlertDispatcher::start([sink as _], DispatcherSettings::default());
        monitor.set_alert_dispatcher(Some(Arc::new(dispatcher)));
        monitor.start();
        wait(5).await;
        assert_eq!(told.load(Ordering::Relaxed), 1);
        let id = monitor.alerts()[0].id;
        drop(held);
        if !keep_none {
            // Over, and off the list before anybody was told.
            monitor.resolve_alert(id, "ada").unwrap();
            monitor.clear_resolved_alerts();
        }
        wait(10).await;
        assert_eq!((told.load(Ordering::Relaxed), monitor.all_alerts().len()), (2, 0));
        wait(3_600).await;
        assert_eq!(told.load(Ordering::Relaxed), 17, "each minute for a quarter of an hour");
        monitor.stop().await;
    }
}

#[tokio::test(start_paused = true)]
async fn alerts_that_are_not_raised_are_in_the_log_once_and_in_what_is_exported() {
    let (orders, users) = (pool("orders"), pool("users"));
    let (_set, monitor) = monitor(&[&orders, &users]);
    monitor.set_alert_settings(AlertSettings { max_active_per_rule: 1, ..AlertSettings::default() }).unwrap();
    let _held = (take(&orders, 9).await, take(&users, 9).await);
    let log = tempfile::NamedTempFile::new().unwrap();
    let writer = Mutex::new(log.reopen().unwrap());
    let subscriber = tracing_subscriber::fmt().without_time().with_ansi(false).with_writer(writer);
    let kept = tracing::subscriber::set_default(subscriber.finish());
    for _ in 0..3 {
        monitor.collect();
    }
    drop(kept);
    insta::assert_snapshot!(std::fs::read_to_string(log.path()).unwrap(), @r#" WARN pool_monitor::monitor::alerting: alerts are not raised: their rule has as many as it may have rule="PoolUtilizationHigh" refused=1 limit=1"#);
    let refused = monitor.refused_alerts();
    let text = crate::Exposition::of(&[]).refused(&refused).prometheus_text();
    assert!(text.contains("pool_alerts_refused_total{alertname=\"PoolUtilizationHigh\"} 1\n"), "{text}");
    assert!(text.contains("pool_alerts_refused_total{alertname=\"PoolExhausted\"} 0\n"), "{text}");
}

/// Takes alerts one by one, and counts how often.
struct Resent(Arc<AtomicUsize>);

impl AlertSink for Resent {
    fn name(&self) -> &str {
        "resent"
    }

    fn notify(&self, _notification: Arc<Notification>) -> SinkFuture<'_> {
        Box::pin(std::future::ready(Ok(())))
    }

    fn resends(&self) -> Option<ResendSettings> {
        Some(ResendSettings::default())
    }

    fn resend(&self, resend: Resend) -> SinkFuture<'_> {
        self.0.fetch_add(resend.alerts.len(), Ordering::Relaxed);
        Box::pin(std::future::ready(Ok(())))
    }
}

#[tokio::test(start_paused = true)]
async fn once_it_is_stopped_nobody_is_told_that_an_alert_goes_on() {
    let orders = pool("orders");
    let (_set, monitor) = monitor(&[&orders]);
    let _held = take(&orders, 9).await;
    let told = Arc::new(AtomicUsize::new(0));
    let sink = Arc::new(Resent(Arc::clone(&told)));
    let dispatcher = AlertDispatcher::start([sink as _], DispatcherSettings::default());
    monitor.set_alert_dispatcher(Some(Arc::new(dispatcher)));
    monitor.start();
    wait(125).await;
    assert_eq!(told.load(Ordering::Relaxed), 3, "at once and each minute");
    monitor.stop().await;
    wait(3_600).await;
    assert_eq!(told.load(Ordering::Relaxed), 3);
    monitor.start();
    wait(5).await;
    assert_eq!(told.load(Ordering::Relaxed), 4, "it goes on, as is known again");
    monitor.stop().await;
}

#[tokio::test(start_paused = true)]
async fn an_alert_that_is_judged_no_more_is_not_told_to_go_on_for_ever() {
    let orders = pool("orders");
    let (_set, monitor) = monitor(&[&orders]);
    let _held = take(&orders, 9).await;
    let told = Arc::new(AtomicUsize::new(0));
    let sink = Arc::new(Resent(Arc::clone(&told)));
    let dispatcher = AlertDispatcher::start([sink as _], DispatcherSettings::default());
    monitor.set_alert_dispatcher(Some(Arc::new(dispatcher)));
    // One collection, and no other after it, as when a callback never returns. Somebody may still ask what is to be told.
    monitor.collect();
    for _ in 0..60 {
        wait(60).await;
        monitor.shared.tell_due();
    }
    assert_eq!(told.load(Ordering::Relaxed), 4, "at once and each minute, for four minutes");
}

#[tokio::test(start_paused = true)]
async fn of_two_sinks_one_of_which_is_replaced_each_is_told_once_that_an_alert_fires_and_that_it_is_over() {
    let orders = pool("orders");
    let (_set, monitor) = monitor(&[&orders]);
    let held = take(&orders, 9).await;
    let hearing = || {
        let heard = Arc::new(Mutex::new(Vec::new()));
        let list = Arc::clone(&heard);
        let sink = CallbackSink::new("ear", move |notification| {
            list.lock().unwrap().push(notification.reason.as_str());
        });
        (heard, Arc::new(sink) as Arc<dyn AlertSink>)
    };
    let ((stays, staying), (_, going), (comes, coming)) = (hearing(), hearing(), hearing());
    assert!(monitor.replace_alert_sinks([Arc::clone(&coming)]).is_none(), "nobody is told of anything");
    let dispatcher = AlertDispatcher::start([Arc::clone(&staying), going], DispatcherSettings::default());
    monitor.set_alert_dispatcher(Some(Arc::new(dispatcher)));
    monitor.start();
    wait(60).await;
    assert!(monitor.replace_alert_sinks([coming, staying]).is_some());
    wait(60).await;
    drop(held);
    wait(600).await;
    let heard = ["first notification", "all alerts resolved"];
    assert_eq!((&stays.lock().unwrap()[..], &comes.lock().unwrap()[..]), (&heard[..], &heard[..]));
    monitor.stop().await;
}

#[tokio::test(start_paused = true)]
async fn who_comes_later_is_told_what_others_were_told_and_nothing_that_is_muted() {
    let orders = pool("orders");
    let (_set, monitor) = monitor(&[&orders]);
    let held = take(&orders, 9).await;
    monitor.set_alert_dispatcher(Some(Arc::new(AlertDispatcher::start([], DispatcherSettings::default()))));
    let known = || monitor.shared.alerting.manager().known();
    monitor.start();
    wait(5).await;
    assert_eq!(known(), [], "its group still waits, and will be told to all");
    wait(60).await;
    let [notification] = &known()[..] else { panic!("{:?}", known()) };
    assert_eq!(notification.alerts[0].rule.as_ref(), "PoolUtilizationHigh");
    assert_eq!(known().len(), 1, "to ask changes nothing");

    let now = SystemTime::now();
    let silence = Silence {
        id: SilenceId(0),
        matchers: vec!["pool=orders".parse().unwrap()],
        starts_at: now,
        ends_at: now + Duration::from_secs(3_600),
        created_by: "ada".to_owned(),
        comment: "on it".to_owned(),
        updated_at: now,
    };
    let silence = monitor.silence_alerts(silence).unwrap();
    wait(10).await;
    assert_eq!(known(), []);
    monitor.expire_silence(silence).unwrap();
    wait(10).await;
    assert_eq!(known().len(), 1);
    drop(held);
    wait(10).await;
    assert_eq!(known(), [], "it is over");
    monitor.stop().await;
}

/// What a receiver has heard.
type Told = Arc<Mutex<Vec<String>>>;

/// A receiver that is down for a while, and notes what it hears after that.
struct DownUntil {
    up_at: Instant,
    told: Told,
}

impl AlertSink for DownUntil {
    fn name(&self) -> &str {
        "down"
    }

    fn notify(&self, notification: Arc<Notification>) -> SinkFuture<'_> {
        Box::pin(async move {
            if Instant::now() < self.up_at {
                return Err(crate::sink::SinkError::Transient { source: "down".into() });
            }
            let states: Vec<_> = notification.alerts.iter().map(|alert| alert.state.as_str()).collect();
            self.told.lock().unwrap().push(format!("{}: {}", notification.reason, states.join(", ")));
            Ok(())
        })
    }
}

/// Has the alerts of the first default rule told to receivers that are down for these seconds.
fn tell_down(monitor: &PoolMonitor, seconds: &[u64]) -> Vec<Told> {
    let mut rules = monitor.alert_rules();
    rules.truncate(1);
    monitor.set_alert_rules(rules).unwrap();
    let sinks: Vec<_> = seconds
        .iter()
        .map(|seconds| {
            let up_at = Instant::now() + Duration::from_secs(*seconds);
            Arc::new(DownUntil { up_at, told: Arc::default() })
        })
        .collect();
    let told = sinks.iter().map(|sink| Arc::clone(&sink.told)).collect();
    let sinks = sinks.into_iter().map(|sink| sink as Arc<dyn AlertSink>);
    let dispatcher = AlertDispatcher::start(sinks, DispatcherSettings::default());
    monitor.set_alert_dispatcher(Some(Arc::new(dispatcher)));
    told
}

const FIRST: &str = "first notification: firing";
const OVER: &str = "all alerts resolved: resolved";

fn heard(told: &Told) -> Vec<String> {
    told.lock().unwrap().clone()
}

#[tokio::test(start_paused = true)]
async fn a_receiver_that_was_down_for_long_is_told_of_what_fires_and_the_others_are_not_told_again() {
    let orders = pool("orders");
    let (_set, monitor) = monitor(&[&orders]);
    let told = tell_down(&monitor, &[660, 0]);
    let held = take(&orders, 9).await;
    monitor.start();
    wait(3_600).await;
    for told in &told {
        assert_eq!(heard(told), [FIRST]);
    }
    drop(held);
    wait(360).await;
    for told in &told {
        assert_eq!(heard(told), [FIRST, OVER]);
    }
    monitor.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_receiver_that_was_down_for_hours_is_told_of_an_end_and_not_of_what_is_over() {
    let orders = pool("orders");
    let (_set, monitor) = monitor(&[&orders]);
    let told = tell_down(&monitor, &[7_200]);
    let held = take(&orders, 9).await;
    monitor.start();
    wait(3_600).await;
    drop(held);
    wait(7_200).await;
    assert_eq!(heard(&told[0]), [OVER]);
    monitor.stop().await;
}

#[tokio::test(start_paused = true)]
async fn what_a_receiver_has_not_heard_is_told_after_a_restart() {
    let orders = pool("orders");
    let (set, first) = monitor(&[&orders]);
    tell_down(&first, &[86_400]);
    let held = take(&orders, 9).await;
    first.start();
    // While it is tried, and after it was given up.
    for seconds in [60, 660] {
        wait(seconds).await;
        let second = PoolMonitor::new(set.clone(), MonitorSettings::default()).unwrap();
        let told = tell_down(&second, &[0]);
        assert_eq!(second.restore_alerts(first.alert_snapshot()), 1);
        second.start();
        wait(60).await;
        assert_eq!(heard(&told[0]), [FIRST]);
        second.stop().await;
    }
    // The same of the end.
    drop(held);
    wait(600).await;
    first.stop().await;
    let second = PoolMonitor::new(set, MonitorSettings::default()).unwrap();
    let told = tell_down(&second, &[0]);
    assert_eq!(second.restore_alerts(first.alert_snapshot()), 0);
    second.start();
    wait(60).await;
    assert_eq!(heard(&told[0]), [OVER]);
    second.stop().await;
}
