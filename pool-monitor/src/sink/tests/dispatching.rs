//! Notifications: in order, again when they fail, bounded, and drained.

use super::*;

const LONG: Duration = Duration::from_secs(3_600);

#[tokio::test(start_paused = true)]
async fn notifications_are_told_in_their_order() {
    let sink = Scripted::new([]);
    let dispatcher = start(&sink);
    for group in ["a", "b", "c"] {
        dispatcher.notify(&firing(group));
    }
    let stats = dispatcher.close(LONG).await;
    assert_eq!(sink.calls(), [["a"], ["b"], ["c"]]);
    assert_eq!((stats[0].delivered, stats[0].pending, &stats[0].last_error), (3, 0, &None));
}

#[tokio::test(start_paused = true)]
async fn what_may_succeed_later_is_tried_again_and_later_ones_wait_for_it() {
    let sink = Scripted::new([Act::Fail(503), Act::Fail(500), Act::Succeed]);
    let dispatcher = start(&sink);
    dispatcher.notify(&firing("a"));
    dispatcher.notify(&firing("b"));
    let stats = dispatcher.close(LONG).await;
    assert_eq!(sink.calls(), [["a"], ["a"], ["a"], ["b"]]);
    assert_eq!((stats[0].delivered, stats[0].retries, stats[0].failed), (2, 2, 0));
    assert_eq!(stats[0].last_error, None);
}

#[tokio::test(start_paused = true)]
async fn what_is_refused_is_not_tried_again() {
    let sink = Scripted::new([Act::Fail(400), Act::Fail(404)]);
    let dispatcher = start(&sink);
    for group in ["a", "b"] {
        dispatcher.notify(&firing(group));
    }
    let stats = dispatcher.close(LONG).await;
    assert_eq!(sink.calls(), [["a"], ["b"]]);
    assert_eq!((stats[0].failed, stats[0].retries), (2, 0));
    assert_eq!(stats[0].last_error.as_deref(), Some("deliver to hook:80: it answered 404"));
}

#[tokio::test(start_paused = true)]
async fn one_notification_is_not_tried_for_ever() {
    let sink = Scripted::new([Act::Fail(500); 1_000]);
    let dispatcher = start(&sink);
    let begun = Instant::now();
    dispatcher.notify(&firing("a"));
    let stats = dispatcher.close(LONG).await;
    let settings = DispatcherSettings::default();
    assert_eq!((stats[0].failed, stats[0].pending), (1, 0));
    assert!(begun.elapsed() <= settings.give_up_after, "{:?}", begun.elapsed());
    // Delays double up to a minute: far fewer attempts than seconds.
    assert!((5..100).contains(&sink.calls().len()), "{}", sink.calls().len());
}

#[tokio::test(start_paused = true)]
async fn a_sink_that_hangs_delays_no_other() {
    let (hanging, other) = (Scripted::new([Act::Hang; 100]), Scripted::new([]));
    let sinks = [Arc::clone(&hanging) as Arc<dyn AlertSink>, Arc::clone(&other) as _];
    let dispatcher = AlertDispatcher::start(sinks, DispatcherSettings::default());
    let begun = Instant::now();
    dispatcher.notify(&firing("a"));
    dispatcher.notify(&firing("b"));
    pass(1).await;
    assert_eq!((other.calls().len(), hanging.calls().len()), (2, 1));
    assert_eq!(other.times(begun), [0, 0]);
    // The attempt that hangs ends by its timeout, and another one follows.
    pass(20).await;
    assert!(hanging.calls().len() > 1);
    let stats = dispatcher.stats();
    assert_eq!(stats[0].last_error.as_deref(), Some("deliver within 10s"));
    assert_eq!([&*stats[0].name, &*stats[1].name], ["scripted", "scripted-2"]);
}

#[tokio::test(start_paused = true)]
async fn a_panic_of_a_sink_ends_nothing_but_that_attempt() {
    let sink = Scripted::new([Act::Panic]);
    let dispatcher = start(&sink);
    dispatcher.notify(&firing("a"));
    dispatcher.notify(&firing("b"));
    let stats = dispatcher.close(LONG).await;
    assert_eq!(sink.calls(), [["a"], ["b"]]);
    assert_eq!((stats[0].delivered, stats[0].failed), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn when_a_sink_is_too_far_behind_the_oldest_give_way_and_are_counted() {
    let sink = Scripted::new([Act::Hang]);
    let settings = DispatcherSettings { max_pending: 2, ..DispatcherSettings::default() };
    let dispatcher = AlertDispatcher::start([Arc::clone(&sink) as _], settings);
    dispatcher.notify(&firing("a"));
    pass(1).await; // `a` hangs
    for group in ["b", "c", "d", "e"] {
        dispatcher.notify(&firing(group));
    }
    let stats = dispatcher.stats();
    assert_eq!((stats[0].dropped, stats[0].pending), (2, 3));
    dispatcher.close(LONG).await;
    assert_eq!(sink.calls(), [["a"], ["a"], ["d"], ["e"]]);
}

#[tokio::test(start_paused = true)]
async fn closing_waits_no_longer_than_its_limit_and_says_what_was_not_told() {
    let sink = Scripted::new([Act::Hang; 100]);
    let dispatcher = start(&sink);
    dispatcher.notify(&firing("a"));
    dispatcher.notify(&firing("b"));
    let begun = Instant::now();
    let stats = dispatcher.close(Duration::from_secs(3)).await;
    assert_eq!(begun.elapsed(), Duration::from_secs(3));
    assert_eq!((stats[0].delivered, stats[0].pending), (0, 2));
    // Closed is closed, and once more does no harm.
    dispatcher.notify(&firing("c"));
    assert_eq!(dispatcher.close(LONG).await[0].pending, 2);
}

#[tokio::test(start_paused = true)]
async fn dropping_the_dispatcher_ends_its_tasks() {
    let sink = Scripted::new([Act::Hang; 100]);
    let dispatcher = start(&sink);
    dispatcher.notify(&firing("a"));
    pass(1).await;
    drop(dispatcher);
    pass(100).await;
    assert_eq!(sink.calls().len(), 1);
    assert_eq!(Arc::strong_count(&sink), 1);
}

#[tokio::test(start_paused = true)]
async fn a_callback_is_called_with_each_notification() {
    let heard = Arc::new(Mutex::new(Vec::new()));
    let sink = CallbackSink::new("ours", {
        let heard = Arc::clone(&heard);
        move |notification: &Notification| heard.lock().unwrap().push(notification.group_key.clone())
    });
    let dispatcher = AlertDispatcher::start([Arc::new(sink) as _], DispatcherSettings::default());
    dispatcher.notify(&firing("a"));
    assert_eq!(dispatcher.close(LONG).await[0].delivered, 1);
    assert_eq!(*heard.lock().unwrap(), ["a"]);
}

#[tokio::test(start_paused = true)]
async fn one_that_stays_goes_on_and_one_that_comes_is_told_what_holds() {
    let (stays, goes, comes) =
        (Scripted::new([Act::Fail(503)]), Scripted::new([Act::Hang]), Scripted::new([]));
    let sink = |sink: &Arc<Scripted>| Arc::clone(sink) as Arc<dyn AlertSink>;
    let dispatcher = AlertDispatcher::start([sink(&goes), sink(&stays)], DispatcherSettings::default());
    dispatcher.notify(&firing("a"));
    dispatcher.notify(&firing("b"));
    tokio::task::yield_now().await;
    let gone = dispatcher.replace([sink(&comes), sink(&stays)], &[firing("known")]);
    dispatcher.notify(&firing("c"));
    let stats = dispatcher.stats();
    assert_eq!([&*stats[0].name, &*stats[1].name], ["scripted", "scripted-2"], "its statistics go on");
    let stats = dispatcher.close(LONG).await;
    assert_eq!(stays.calls(), [["a"], ["a"], ["b"], ["c"]], "nothing is lost, and nothing is told twice");
    assert_eq!((stats[1].delivered, stats[1].retries), (3, 1));
    assert_eq!(comes.calls(), [["known"], ["c"]]);
    assert_eq!(gone.close(LONG).await[0].delivered, 2);
    assert_eq!(goes.calls(), [["a"], ["a"], ["b"]], "what was under way to it, it tells");
}

#[tokio::test(start_paused = true)]
async fn one_that_comes_after_the_end_tells_nothing() {
    let (first, late) = (Scripted::new([]), Scripted::new([]));
    let dispatcher = start(&first);
    dispatcher.close(LONG).await;
    drop(dispatcher.replace([Arc::clone(&late) as _], &[]));
    dispatcher.notify(&firing("a"));
    pass(1).await;
    assert_eq!(late.calls().len(), 0);
    assert_eq!(Arc::strong_count(&late), 2, "its task is over");
}

#[tokio::test(start_paused = true)]
async fn what_was_given_up_or_dropped_is_told_again_as_it_is_then() {
    let sink = Scripted::new([Act::Fail(400), Act::Fail(404), Act::Fail(400), Act::Succeed]);
    let settings = DispatcherSettings { max_pending: 3, ..DispatcherSettings::default() };
    let dispatcher = AlertDispatcher::start([Arc::clone(&sink) as _], settings);
    let of = |group: &str, state| notification(group, vec![alert(group, 1, state)]);
    // The first is dropped, three are refused, the last one is told.
    for group in ["dropped", "firing", "muted"] {
        dispatcher.notify(&of(group, AlertState::Firing));
    }
    dispatcher.notify(&of("over", AlertState::Resolved));
    pass(1).await;
    dispatcher.notify(&of("told", AlertState::Firing));
    pass(1).await;
    assert_eq!(sink.calls().concat(), ["firing", "muted", "over", "told"]);
    let after = Duration::from_secs(60);
    let again = |muted: bool| {
        let current = |fingerprint| {
            let all = ["firing", "muted"].map(|group| alert(group, 1, AlertState::Firing));
            let mut found = all.into_iter().find(|alert| alert.fingerprint() == fingerprint)?;
            if &*found.rule == "muted" && muted {
                Arc::make_mut(&mut found).inhibited_by.push(fingerprint);
            }
            Some(found)
        };
        dispatcher.notify_missed(Instant::now(), after, current);
    };
    again(true);
    pass(1).await;
    assert_eq!(sink.calls().len(), 4, "not yet");
    pass(60).await;
    again(true);
    again(true);
    pass(1).await;
    assert_eq!(sink.calls().concat()[4..], ["firing", "over"], "what was dropped is over, and its end comes");
    again(false);
    pass(1).await;
    assert_eq!(sink.calls().concat()[6..], ["muted"]);
    pass(120).await;
    again(false);
    pass(1).await;
    assert_eq!(sink.calls().len(), 7, "all of it is told");
}

#[tokio::test(start_paused = true)]
async fn what_was_given_up_is_not_told_again_when_something_newer_was() {
    let sink = Scripted::new([Act::Fail(400), Act::Succeed]);
    let dispatcher = start(&sink);
    let of = |state| notification("a", vec![alert("a", 1, state)]);
    dispatcher.notify(&of(AlertState::Resolved));
    dispatcher.notify(&of(AlertState::Firing));
    pass(120).await;
    let current = |_| Some(alert("a", 1, AlertState::Firing));
    dispatcher.notify_missed(Instant::now(), Duration::from_secs(60), current);
    pass(1).await;
    assert_eq!(sink.calls().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn that_an_alert_flaps_is_told_again_in_the_same_words() {
    let sink = Scripted::new([Act::Fail(400), Act::Succeed]);
    let dispatcher = start(&sink);
    let mut flaps = notification("a", vec![alert("a", 1, AlertState::Firing)]);
    Arc::make_mut(&mut flaps).reason = NotificationReason::FlappingStarted;
    dispatcher.notify(&flaps);
    pass(120).await;
    dispatcher.notify_missed(Instant::now(), Duration::from_secs(60), |_| None);
    pass(1).await;
    assert_eq!(sink.calls(), [["a"], ["a"]]);
}
