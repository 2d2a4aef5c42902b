//! What is sent over HTTP, and what is never shown.

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use super::super::http::Endpoint;
use super::super::payload::Postable;
use super::super::push::Push;
use super::*;

fn hook() -> WebhookSink {
    // Nobody listens there: what is sent fails.
    WebhookSink::new("on-call", "http://127.0.0.1:1/").unwrap().external_url("http://pools.example.com")
}

/// What a webhook would be sent.
fn sent(hook: &WebhookSink, notification: &Notification) -> serde_json::Value {
    serde_json::to_value(hook.payload(notification)).unwrap()
}

fn replica(name: &str) -> Labels {
    Labels::new().with("replica", name)
}

#[test]
fn a_webhook_is_sent_the_payload_of_version_4() {
    let alerts = vec![
        alert("PoolErrorRateHigh", 3, AlertState::Firing),
        alert("PoolConnectFailures", 1, AlertState::Resolved),
    ];
    let notification = notification("{}:{alertname=\"PoolErrorRateHigh\"}", alerts);
    insta::assert_json_snapshot!(hook().payload(&notification));
}

#[test]
fn what_alerts_have_in_common_is_what_those_have_that_are_sent() {
    let mut own = alert("PoolErrorRateHigh", 1, AlertState::Firing);
    Arc::make_mut(&mut own).labels.set("team", "shop");
    let over = alert("PoolErrorRateHigh", 2, AlertState::Resolved);
    let told = notification("a", vec![own, over]);
    assert_eq!(sent(&hook(), &told)["commonLabels"].get("team"), None);
    for hook in [hook().max_alerts(1), hook().send_resolved(false)] {
        let sent = sent(&hook, &told);
        assert_eq!(sent["alerts"].as_array().unwrap().len(), 1);
        assert_eq!(sent["commonLabels"]["team"], "shop", "{sent}");
    }
    assert_eq!(sent(&hook().max_alerts(1), &told)["truncatedAlerts"], 1);
    assert_eq!(sent(&hook().send_resolved(false), &told)["truncatedAlerts"], 0, "it is not missing");
}

#[test]
fn external_labels_tell_processes_apart_and_an_alerts_own_win() {
    let mut own = alert("PoolErrorRateHigh", 1, AlertState::Firing);
    Arc::make_mut(&mut own).labels.set("replica", "its own");
    let plain = alert("PoolExhausted", 1, AlertState::Firing);
    let told = notification("a", vec![plain, own]);
    let of = |name| sent(&hook().external_labels(replica(name)), &told);
    let (one, other) = (of("orders-1"), of("orders-2"));
    assert_eq!(one["alerts"][0]["labels"]["replica"], "orders-1");
    assert_eq!(one["alerts"][1]["labels"]["replica"], "its own");
    assert!(one["groupLabels"]["replica"].is_null(), "it is not that of all");
    assert_eq!(one["groupKey"], r#"{}:{alertname="PoolErrorRateHigh", replica="orders-1"}"#);
    for told in [&one["alerts"][0]["fingerprint"], &one["groupKey"]] {
        assert!(*told != other["alerts"][0]["fingerprint"] && *told != other["groupKey"], "{told}");
    }
    assert_eq!(one["alerts"][1]["fingerprint"], other["alerts"][1]["fingerprint"]);
    assert_eq!(sent(&hook(), &told)["groupKey"], "a");
}

/// To an Alertmanager, or elsewhere.
#[test]
fn the_labels_of_a_group_are_those_of_its_alerts() {
    let mut own = alert("PoolErrorRateHigh", 1, AlertState::Firing);
    Arc::make_mut(&mut own).labels.set("family", "errors");
    let hook = hook().external_labels(replica("a").with("family", "shop"));
    let sent = sent(&hook, &notification("a", vec![own]));
    assert_eq!(sent["groupLabels"], serde_json::json!({"alertname": "PoolErrorRateHigh", "replica": "a"}));
    assert_eq!(sent["alerts"][0]["labels"]["family"], "errors");
}

fn push() -> Push {
    Push::new("am", "http://127.0.0.1:1/").unwrap()
}

#[test]
fn an_alertmanager_is_told_until_when_an_alert_goes_on_or_when_it_ended() {
    let until = SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_300);
    let alerts =
        [alert("PoolErrorRateHigh", 3, AlertState::Firing), alert("PoolFlapping", 1, AlertState::Resolved)];
    let push = push();
    let told: Vec<_> = alerts.iter().map(|alert| Postable::of(alert, until, &push)).collect();
    insta::assert_json_snapshot!(told);
}

#[test]
fn an_alertmanager_is_never_told_of_an_end_before_the_start() {
    // The clock was set back by an hour after the alert had begun, and then the alert ended.
    let since = SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_020);
    let hour_before = since - Duration::from_secs(3_600);
    let firing = alert("PoolErrorRateHigh", 3, AlertState::Firing);
    let mut over = alert("PoolFlapping", 1, AlertState::Resolved);
    Arc::make_mut(&mut over).ended_at = Some(hour_before);
    for alert in [firing, over] {
        assert_eq!(alert.since(), since);
        let told = serde_json::to_value(Postable::of(&alert, hour_before, &push())).unwrap();
        assert_eq!(told["startsAt"], told["endsAt"], "{told}");
    }
}

#[test]
fn nothing_shows_more_of_a_url_than_host_and_port() {
    let url = "https://app:canary@hooks.example.com/services/canary?token=canary";
    let sinks = [
        format!("{:?}", WebhookSink::new("hook", url).unwrap().bearer_token("canary").unwrap()),
        format!("{:?}", AlertmanagerSink::new("am", url).unwrap()),
    ];
    for shown in &sinks {
        assert!(shown.contains("https://hooks.example.com:443/…") && !shown.contains("canary"), "{shown}");
    }
    let errors = [
        SinkError::Connect {
            host: "hooks.example.com:443".to_owned(),
            source: std::io::ErrorKind::NotFound.into(),
        },
        SinkError::Status { host: "hooks.example.com:443".to_owned(), status: 500 },
        SinkError::Timeout { after: Duration::from_secs(10) },
        SinkError::Panicked,
    ];
    let shown: Vec<_> =
        errors.iter().map(|error| format!("failed to {error}; again: {}", error.is_retryable())).collect();
    insta::assert_snapshot!(shown.join("\n"), @r"
    failed to connect to hooks.example.com:443; again: true
    failed to deliver to hooks.example.com:443: it answered 500; again: true
    failed to deliver within 10s; again: true
    failed to deliver: the sink panicked; again: false
    ");
}

#[test]
fn what_is_no_url_is_refused_without_being_shown() {
    let urls = [
        "canary",
        "ftp://canary@host/",
        "http:///canary",
        "http://host:99999/canary",
        "http://ho st/canary",
        "/canary",
    ];
    let shown = urls.map(|url| match WebhookSink::new("hook", url) {
        Ok(sink) => format!("{sink:?}"),
        Err(error) => format!("failed to {error}"),
    });
    insta::assert_snapshot!(shown.join("\n"));
    assert!(WebhookSink::new("hook", "http://host/").unwrap().ca_certificate("no PEM").is_err());
    assert!(WebhookSink::new("hook", "https://host/").unwrap().ca_certificate("no PEM").is_err());
}

/// A server for one request: answers with `status` and returns what it was sent.
async fn one_request(status: &'static str) -> (SocketAddr, tokio::task::JoinHandle<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let served = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut request = Vec::new();
        while !request.ends_with(b"]") && !request.ends_with(b"}") {
            assert!(stream.read_buf(&mut request).await.unwrap() > 0, "it ended too early");
        }
        let answer = format!("HTTP/1.1 {status}\r\ncontent-length: 6\r\n\r\ncanary");
        stream.write_all(answer.as_bytes()).await.unwrap();
        String::from_utf8(request).unwrap()
    });
    (address, served)
}

#[tokio::test]
async fn a_webhook_is_posted_to_its_path_with_its_credentials() {
    let (address, served) = one_request("200 OK").await;
    let hook = WebhookSink::new("hook", &format!("http://app:can%61ry@{address}/hook?to=us")).unwrap();
    hook.notify(firing("a")).await.unwrap();
    let request = served.await.unwrap().to_lowercase();
    assert!(request.starts_with("post /hook?to=us http/1.1\r\n"), "{request}");
    assert!(request.contains(&format!("\r\nhost: {address}\r\n")), "{request}");
    // app:canary
    assert!(request.contains("\r\nauthorization: basic yxbwomnhbmfyeq==\r\n"), "{request}");
    assert!(request.contains("\r\ncontent-type: application/json\r\n"), "{request}");
    assert!(request.contains(r#""groupkey":"a""#), "{request}");
}

#[tokio::test]
async fn an_alertmanager_is_posted_to_below_its_path() {
    let (address, served) = one_request("200 OK").await;
    let sink = AlertmanagerSink::new("am", &format!("http://{address}/prefix/")).unwrap();
    let sink = sink.external_labels(replica("orders-1"));
    let resend = Resend {
        alerts: vec![alert("PoolExhausted", 1, AlertState::Firing)],
        valid_until: SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000),
    };
    sink.resend(resend).await.unwrap();
    let request = served.await.unwrap();
    assert!(request.starts_with("POST /prefix/api/v2/alerts HTTP/1.1\r\n"), "{request}");
    assert!(request.contains(r#""replica":"orders-1""#), "{request}");
    assert!(request.ends_with(r#""endsAt":"2027-01-15T08:00:00.000Z"}]"#), "{request}");
}

#[tokio::test]
async fn what_is_answered_decides_whether_it_is_tried_again_and_is_never_shown() {
    for (status, again) in [("400 Bad Request", false), ("302 Found", false), ("503 Unavailable", true)] {
        let (address, served) = one_request(status).await;
        let hook = WebhookSink::new("hook", &format!("http://{address}/")).unwrap();
        let error = hook.notify(firing("a")).await.unwrap_err();
        assert_eq!(error.is_retryable(), again, "{error}");
        assert_eq!(error.to_string(), format!("deliver to {address}: it answered {}", &status[..3]));
        served.await.unwrap();
    }
}

#[tokio::test]
async fn nobody_there_is_worth_another_attempt() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let hook = WebhookSink::new("hook", &format!("http://{address}/canary")).unwrap();
    let error = hook.notify(firing("a")).await.unwrap_err();
    assert!(error.is_retryable());
    assert_eq!(error.to_string(), format!("connect to {address}"));
}

#[tokio::test]
async fn without_resolved_ones_a_notification_of_no_other_news_is_not_sent() {
    let hook = hook().send_resolved(false);
    let over = notification("a", vec![alert("PoolExhausted", 1, AlertState::Resolved)]);
    hook.notify(over).await.unwrap();
    let both = vec![
        alert("PoolErrorRateHigh", 1, AlertState::Firing),
        alert("PoolExhausted", 1, AlertState::Resolved),
    ];
    let some = Notification {
        reason: NotificationReason::SomeResolved,
        ..Notification::clone(&notification("a", both.clone()))
    };
    hook.notify(Arc::new(some)).await.unwrap();
    assert!(hook.notify(firing("a")).await.is_err());
    let new = sent(&hook, &notification("a", both));
    assert_eq!(new["alerts"].as_array().unwrap().len(), 1, "{new}");
}

#[test]
fn the_query_of_a_url_stays_behind_what_is_added_to_its_path() {
    let mut endpoint = Endpoint::parse("http://host/prefix/?a=b").unwrap();
    endpoint.join("/api");
    assert_eq!(endpoint.path(), "/prefix/api?a=b");
}
