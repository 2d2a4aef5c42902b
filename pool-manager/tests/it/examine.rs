//! Examinations of what can be had without a server.

use std::net::TcpListener;
use std::sync::{Arc, Mutex};

use pool_manager::{Check, Examination, Examiner, Finding, FindingStatus};
use tokio::time::Instant;

use crate::support::{config, ms};

async fn examine(sections: &str) -> Examination {
    Examiner::new().examine(&config(sections)).await
}

fn found(examination: &Examination, check: Check) -> &Finding {
    let mut findings = examination.pools.iter().flat_map(|pool| &pool.findings);
    findings.find(|finding| finding.check == check).unwrap_or_else(|| panic!("no {check} in\n{examination}"))
}

#[tokio::test]
async fn a_pool_that_works_is_well() {
    let examination = examine("pools: [{name: a, driver: sqlite, database: ':memory:'}]").await;
    assert_eq!(examination.status(), FindingStatus::Ok, "{examination}");
    let pool = &examination.pools[0];
    assert_eq!((pool.pool.as_str(), pool.target.as_deref()), ("a", Some("sqlite:///:memory:")));
    assert!(pool.server.as_deref().unwrap().starts_with("SQLite 3."));
    assert!(pool.round_trip.is_some());
}

#[tokio::test]
async fn only_what_is_enabled_is_examined() {
    let one = "{name: a, driver: sqlite, database: ':memory:'}";
    let off = "{name: b, driver: sqlite, database: '/no/such/folder/b.db', enabled: false}";
    let examination = examine(&format!("pools: [{one}, {off}]")).await;
    assert_eq!(examination.pools.iter().map(|pool| pool.pool.as_str()).collect::<Vec<_>>(), ["a"]);
    let examination = examine(&format!("enabled: false, pools: [{one}]")).await;
    assert_eq!((examination.pools.len(), examination.status()), (0, FindingStatus::Ok));
}

#[tokio::test]
async fn a_database_that_does_not_exist_is_not_created() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("orders.db");
    let pool = format!("pools: [{{name: a, driver: sqlite, database: '{}'}}]", file.display());
    let examination = examine(&pool).await;
    let finding = found(&examination, Check::Reachable);
    assert_eq!(finding.status, FindingStatus::Warning);
    assert_eq!(finding.text, "the file does not exist yet; the pool will create it");
    assert!(!file.exists());
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[tokio::test]
async fn what_cannot_be_made_ready_is_told_with_its_key() {
    let secret = "/no/such/folder/secret";
    let examination = examine(&format!("pools: [{{name: a, database: a, password_file: '{secret}'}}]")).await;
    let finding = found(&examination, Check::Configuration);
    assert_eq!(finding.status, FindingStatus::Failed);
    assert!(finding.text.starts_with("password_file is `/no/such/folder/secret`: "), "{finding}");
    assert!(finding.cure.is_some());
}

#[tokio::test]
async fn a_port_that_nobody_listens_at_is_refused() {
    // Taken, so that nobody else gets it, and not listened at.
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let port = socket.local_addr().unwrap().port();
    for driver in ["postgres", "mysql", "redis", "http", "websocket"] {
        let database = if matches!(driver, "postgres" | "mysql") { "database: a," } else { "" };
        let pool = format!("{{name: a, driver: {driver}, host: 127.0.0.1, {database} port: {port}}}");
        let examination = examine(&format!("pools: [{pool}]")).await;
        let finding = found(&examination, Check::Reachable);
        assert_eq!(finding.text, "nobody listens there (connection refused)", "{driver}");
        assert_eq!(finding.status, FindingStatus::Failed);
        assert_eq!(examination.pools[0].findings.len(), 1, "{examination}");
    }
}

/// The kernel accepts for it, and nobody says a word.
fn mute() -> (TcpListener, String) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    (listener, format!("driver: postgres, host: 127.0.0.1, port: {port}, database: a"))
}

#[tokio::test]
async fn pools_wait_for_their_turn_and_for_nothing_else() {
    let (_listener, place) = mute();
    let pools: Vec<_> = (0..4).map(|n| format!("{{name: p{n}, {place}}}")).collect();
    let config = config(&format!("pools: [{}]", pools.join(", ")));
    let seen = Arc::new(Mutex::new(Vec::new()));
    let told = Arc::clone(&seen);
    let examiner = Examiner::new().timeout(ms(200)).on_progress(move |progress| {
        told.lock().unwrap().push((progress.done, progress.total));
    });

    let begun = Instant::now();
    let examination = examiner.clone().at_once(1).examine(&config).await;
    let in_turn = begun.elapsed();
    assert!(in_turn >= ms(800), "one after the other: {in_turn:?}");
    let names: Vec<_> = examination.pools.iter().map(|pool| pool.pool.as_str()).collect();
    assert_eq!(names, ["p0", "p1", "p2", "p3"]);
    assert_eq!(*seen.lock().unwrap(), [(1, 4), (2, 4), (3, 4), (4, 4)]);
    let finding = found(&examination, Check::Reachable);
    assert!(finding.text.ends_with("accepts connections, but there was no login within 200ms"), "{finding}");

    let begun = Instant::now();
    examiner.examine(&config).await;
    assert!(begun.elapsed() < in_turn, "at the same time: {:?}", begun.elapsed());
}

#[tokio::test]
async fn no_password_is_in_a_report() {
    let (_listener, place) = mute();
    let url = "postgres://a:canary@127.0.0.1:1/a";
    let examination = Examiner::new()
        .timeout(ms(50))
        .examine(&config(&format!(
            "pools: [{{name: a, url: '{url}'}}, {{name: b, {place}, user: u, password: canary}}, \
             {{name: c, url: 'postgres://a:canary@127.0.0.1:1/a?sslmode=nonsense'}}]"
        )))
        .await;
    assert_eq!(examination.count(FindingStatus::Failed), 3);
    let told = format!("{examination} {examination:?}");
    assert!(!told.contains("canary"), "{told}");
}
