//! What is in the log: the alerts themselves, and that others could not be told of them.

use std::io;

use tracing_subscriber::fmt::MakeWriter;

use super::*;

/// Keeps what is logged on this thread.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    fn keep(&self) -> tracing::subscriber::DefaultGuard {
        let subscriber = tracing_subscriber::fmt().without_time().with_ansi(false).with_writer(self.clone());
        tracing::subscriber::set_default(subscriber.finish())
    }

    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Log {
    type Writer = Log;

    fn make_writer(&'a self) -> Log {
        self.clone()
    }
}

#[tokio::test]
async fn each_alert_of_a_notification_is_a_line_of_its_severity() {
    let log = Log::default();
    let _kept = log.keep();
    let mut warning = Alert::clone(&alert("PoolUtilizationHigh", 1, AlertState::Firing));
    warning.severity = Severity::Warning;
    let alerts = vec![
        alert("PoolErrorRateHigh", 1, AlertState::Firing),
        Arc::new(warning),
        alert("PoolExhausted", 1, AlertState::Resolved),
    ];
    let told = Notification::clone(&notification("a", alerts)).truncated_to(3);
    LogSink::new().notify(Arc::new(Notification { truncated: 2, ..told })).await.unwrap();
    insta::assert_snapshot!(log.text());
}

#[tokio::test(start_paused = true)]
async fn the_log_tells_once_that_a_sink_fails_and_once_that_it_works_again() {
    let log = Log::default();
    let _kept = log.keep();
    let sink = Scripted::new([Act::Fail(503), Act::Fail(503), Act::Fail(503)]);
    let dispatcher = start(&sink);
    dispatcher.notify(&firing("a"));
    dispatcher.notify(&firing("b"));
    dispatcher.close(Duration::from_secs(600)).await;
    insta::assert_snapshot!(log.text());
}

#[tokio::test(start_paused = true)]
async fn the_log_tells_once_that_notifications_are_dropped() {
    let log = Log::default();
    let _kept = log.keep();
    let sink = Scripted::new([Act::Hang]);
    let settings = DispatcherSettings { max_pending: 1, ..DispatcherSettings::default() };
    let dispatcher = AlertDispatcher::start([Arc::clone(&sink) as _], settings);
    for group in ["a", "b", "c", "d"] {
        dispatcher.notify(&firing(group));
    }
    insta::assert_snapshot!(log.text());
    assert_eq!(dispatcher.stats()[0].dropped, 3);
}
