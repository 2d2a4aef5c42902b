//! The audit log, as a configuration asks for it.

use std::fs;

use pool_manager::{PoolManager, StartError};

use crate::support::{PATIENCE, config, manager};

#[tokio::test]
async fn what_happens_to_pools_and_to_the_configuration_is_written_down() {
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("audit.jsonl");
    let sections = |size: usize| {
        format!(
            "monitoring: {{audit_log: {{path: '{}'}}}},
             pools: [{{name: a, driver: sqlite, database: ':memory:', max_connections: {size}, min_connections: 0}}]",
            log.display()
        )
    };
    let manager = manager(&sections(3)).await;
    drop(manager.acquire("a").await.unwrap());
    manager.reload(config(&sections(4))).await.unwrap();
    manager.reload(config("pools: [{name: a, driver: redis}]")).await.unwrap_err();
    assert!(manager.close(PATIENCE).await.is_complete());
    let written = fs::read_to_string(&log).unwrap();
    for event in ["create", "acquire", "release", "close", "reload"] {
        assert!(written.contains(&format!(r#""event":"{event}""#)), "{event}: {written}");
    }
    let reloads: Vec<_> = written.lines().filter(|line| line.contains(r#""event":"reload""#)).collect();
    assert_eq!(reloads.len(), 2, "{written}");
    assert!(
        reloads[0].contains(r#""applied":true"#) && reloads[1].contains(r#""applied":false"#),
        "{reloads:?}"
    );
}

#[tokio::test]
async fn a_log_that_cannot_be_written_stops_the_start() {
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("no/such/folder/audit.jsonl");
    let error = PoolManager::from_config(config(&format!(
        "monitoring: {{audit_log: {{path: '{}'}}}}",
        log.display()
    )))
    .await
    .unwrap_err();
    assert!(matches!(error, StartError::Audit(_)), "{error}");
    assert!(error.to_string().contains("see that its folder exists"), "{error}");
}
