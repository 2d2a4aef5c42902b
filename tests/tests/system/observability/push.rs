//! Alerts over HTTP, to an endpoint that is not always well, and over TLS.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use pool_monitor::{
    AlertDispatcher, AlertManager, AlertRule, AlertSettings, AlertSink, Comparison, Condition,
    DispatcherSettings, Metric, Notification, Readings, Severity, WebhookSink,
};
use pool_tests::ca::{Ca, Tls};
use pool_tests::inbox::Inbox;
use pool_tests::local::server_config;
use tokio::time::{Instant, timeout};

use super::PATIENCE;

/// Every metric of this pool is 1.
struct Ones;

impl Readings for Ones {
    fn read(&self, _metric: Metric, _window: Option<Duration>) -> Option<f64> {
        Some(1.0)
    }
}

/// A notification as a manager makes it.
fn notification() -> Arc<Notification> {
    let condition = Condition {
        metric: Metric::Utilization,
        window: None,
        comparison: Comparison::Above,
        threshold: 0.8,
    };
    let rule = AlertRule::new("PoolUtilizationHigh", Severity::Warning, condition);
    let settings = AlertSettings { group_wait: Duration::ZERO, ..AlertSettings::default() };
    let mut manager = AlertManager::new(vec![rule], settings).unwrap();
    let now = Instant::now();
    manager.evaluate(now, SystemTime::now(), &[("orders", &Ones)]);
    Arc::new(manager.due(now, SystemTime::now()).remove(0))
}

#[tokio::test]
async fn a_webhook_is_told_again_until_it_takes_it() {
    let inbox = Inbox::new().launch().unwrap();
    inbox.answer(&[503, 500]);
    let hook = WebhookSink::new("on-call", &format!("{}/canary", inbox.url())).unwrap();
    let hook = hook.bearer_token("canary-token").unwrap();
    let mut settings = DispatcherSettings::default();
    settings.retry_delay = Duration::from_millis(10);
    let dispatcher = AlertDispatcher::start([Arc::new(hook) as Arc<dyn AlertSink>], settings);
    dispatcher.notify(&notification());
    let stats = dispatcher.close(PATIENCE).await;
    assert_eq!((stats[0].delivered, stats[0].retries, stats[0].pending), (1, 2, 0), "{stats:?}");
    let letters = inbox.letters();
    assert_eq!(letters.len(), 3);
    for letter in letters {
        assert_eq!(
            (&*letter.path, letter.authorization.as_deref()),
            ("/canary", Some("Bearer canary-token"))
        );
        assert_eq!(letter.json["alerts"][0]["labels"]["pool"], "orders", "{letter:?}");
        assert_eq!(letter.json["status"], "firing");
    }
}

#[tokio::test]
async fn over_tls_only_who_can_prove_who_they_are_is_told() {
    let ca = Ca::new();
    let identity = ca.local_server();
    let config = server_config(&Tls::required(&ca, &identity));
    let inbox = Inbox::new().tls(config).launch().unwrap();
    let url = format!("https://localhost:{}/hook", inbox.address().port());
    let trusted = WebhookSink::new("hook", &url).unwrap().ca_certificate(ca.certificate_pem()).unwrap();
    timeout(PATIENCE, trusted.notify(notification())).await.unwrap().unwrap();
    assert_eq!(inbox.letters().len(), 1);

    let other = Ca::new();
    let suspicious = WebhookSink::new("hook", &url).unwrap().ca_certificate(other.certificate_pem()).unwrap();
    let error = timeout(PATIENCE, suspicious.notify(notification())).await.unwrap().unwrap_err();
    assert_eq!(error.to_string(), format!("connect to localhost:{}", inbox.address().port()));
    assert!(error.is_retryable());
    // And so it is with those that the system trusts: ours is not among them.
    let public = WebhookSink::new("hook", &url).unwrap();
    assert!(timeout(PATIENCE, public.notify(notification())).await.unwrap().is_err());
    assert_eq!(inbox.letters().len(), 1);
}

#[tokio::test]
async fn one_that_accepts_connections_and_says_nothing_is_given_up_by_its_timeout() {
    let inbox = Inbox::new().launch().unwrap();
    inbox.freeze();
    let hook = WebhookSink::new("hook", &inbox.url()).unwrap();
    let mut settings = DispatcherSettings::default();
    (settings.timeout, settings.give_up_after) = (Duration::from_millis(50), Duration::ZERO);
    let dispatcher = AlertDispatcher::start([Arc::new(hook) as Arc<dyn AlertSink>], settings);
    dispatcher.notify(&notification());
    let stats = dispatcher.close(PATIENCE).await;
    assert_eq!((stats[0].delivered, stats[0].failed), (0, 1), "{stats:?}");
    assert_eq!(stats[0].last_error.as_deref(), Some("deliver within 50ms"));
}
