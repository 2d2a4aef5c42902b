//! A real Alertmanager is told of alerts by the example.

use std::time::Duration;

use pool_tests::alertmanager::Alertmanager;
use pool_tests::inbox::{Inbox, Letter};
use serde_json::Value;
use tokio::time::timeout;

use super::{Monitored, PATIENCE, tool, until};

/// The example pushes to it this often, so an alert of which it says nothing more is over after four times as long.
const RESEND: Duration = Duration::from_millis(1_000);

async fn letters(
    inbox: &pool_tests::local::LocalServer<Inbox>,
    fits: impl Fn(&Letter) -> bool,
) -> Vec<Letter> {
    timeout(PATIENCE, inbox.until_letters(1, fits))
        .await
        .unwrap_or_else(|_| panic!("only {:?}", inbox.letters()))
}

fn names(alerts: &[Value]) -> Vec<String> {
    alerts.iter().map(|alert| alert["labels"]["alertname"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn an_alert_is_grouped_told_and_resolved_and_ends_by_itself_when_we_die() {
    let inbox = Inbox::new().launch().unwrap();
    let hook = format!("{}/hook", inbox.url());
    let alertmanager =
        Alertmanager::new().webhook(hook).group_by(&["alertname", "pool"]).launch().await.unwrap();
    let variables = [
        ("ALERTMANAGER", alertmanager.url()),
        ("ALERTMANAGER_RESEND_MS", RESEND.as_millis().to_string()),
        ("COLLECTION_INTERVAL_MS", "200".to_owned()),
    ];
    let example = Monitored::start(&variables).await;

    // It fires, and comes to the receiver in the group it belongs to.
    example.post("/busy").await;
    let is_high = |letter: &Letter, status: &str| {
        letter.json["status"] == status && letter.json["groupLabels"]["alertname"] == "PoolUtilizationHigh"
    };
    let told = letters(&inbox, |letter| is_high(letter, "firing")).await;
    assert_eq!(told[0].json["groupLabels"]["pool"], "orders", "{told:?}");
    assert_eq!(told[0].json["version"], "4");
    let alert = &told[0].json["alerts"][0];
    assert_eq!(
        (&alert["labels"]["severity"], &alert["status"]),
        (&"warning".into(), &"firing".into()),
        "{alert}"
    );
    assert!(alert["annotations"]["summary"].is_string(), "{alert}");

    // It outlives its lifetime many times, because it is told again.
    let mut starts = Vec::new();
    for _ in 0..3 {
        tokio::time::sleep(RESEND * 2).await; // not waited for anything: time passes while it goes on
        let alerts = alertmanager.alerts().await;
        let high = alerts.iter().find(|alert| alert["labels"]["alertname"] == "PoolUtilizationHigh");
        starts.push(high.unwrap_or_else(|| panic!("gone: {alerts:?}"))["startsAt"].clone());
    }
    assert!(starts.windows(2).all(|pair| pair[0] == pair[1]), "one episode, and not several: {starts:?}");

    // amtool reads the same from the real one and from ours.
    let ours = Inbox::new().launch().unwrap();
    ours.page(example.get("/api/v2/alerts").await);
    let url = |server: String| format!("--alertmanager.url={server}");
    for server in [alertmanager.url(), ours.url()] {
        let verdict = tool(
            "amtool",
            &["alert", "query", &url(server), "alertname=PoolUtilizationHigh", "--output=json"],
            "",
        )
        .await;
        assert!(verdict.is_content, "{}", verdict.text);
        let alerts: Vec<Value> = serde_json::from_str(&verdict.text).unwrap();
        assert!(names(&alerts).contains(&"PoolUtilizationHigh".to_owned()), "{}", verdict.text);
    }

    // It ends, which is told as well.
    example.post("/idle").await;
    letters(&inbox, |letter| is_high(letter, "resolved")).await;
    until(
        "resolved",
        || alertmanager.alerts(),
        |alerts| !names(alerts).contains(&"PoolUtilizationHigh".to_owned()),
    )
    .await;

    // It fires again, and then we are no more.
    example.post("/busy").await;
    until(
        "fires again",
        || alertmanager.alerts(),
        |alerts| names(alerts).contains(&"PoolUtilizationHigh".to_owned()),
    )
    .await;
    let before = inbox.letters().iter().filter(|letter| is_high(letter, "resolved")).count();
    example.kill().await;
    until("ends by itself", || alertmanager.alerts(), Vec::is_empty).await;
    timeout(PATIENCE, inbox.until_letters(before + 1, |letter| is_high(letter, "resolved")))
        .await
        .expect("nobody was told");
}
