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

#[cfg(unix)]
#[tokio::test]
async fn what_cannot_hold_a_log_is_named_and_never_waited_for() {
    use rustix::fs::{CWD, FileType, Mode, mknodat};

    let folder = tempfile::tempdir().unwrap();
    let (subfolder, pipe) = (folder.path().join("folder"), folder.path().join("pipe"));
    fs::create_dir(&subfolder).unwrap();
    mknodat(CWD, &pipe, FileType::Fifo, Mode::RWXU, 0).unwrap();
    for (path, kind) in [(subfolder, "it is a folder; name a regular file"), (pipe, "it is a pipe; name a")] {
        let sections = format!("monitoring: {{audit_log: {{path: '{}'}}}}", path.display());
        let error = PoolManager::from_config(config(&sections)).await.unwrap_err();
        assert!(matches!(error, StartError::Audit(_)) && error.to_string().contains(kind), "{error}");
    }
}

/// A terminal that nobody reads stands for a disk that hangs.
#[cfg(target_os = "linux")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_log_that_nobody_reads_does_not_keep_the_manager_from_closing() {
    use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};

    let reader = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
    grantpt(&reader).unwrap();
    unlockpt(&reader).unwrap();
    let terminal = ptsname(&reader, Vec::new()).unwrap().into_string().unwrap();
    // Or opening it might make it the terminal of this process.
    let _open = rustix::fs::open(
        terminal.as_str(),
        rustix::fs::OFlags::RDWR | rustix::fs::OFlags::NOCTTY,
        rustix::fs::Mode::empty(),
    )
    .unwrap();
    let manager = manager(&format!(
        "monitoring: {{audit_log: {{path: '{terminal}'}}}}, pools: [{{name: a, driver: sqlite, database: ':memory:'}}]"
    ))
    .await;
    for _ in 0..2_000 {
        drop(manager.acquire("a").await.unwrap());
    }
    let closing = tokio::time::timeout(PATIENCE, manager.close(std::time::Duration::from_millis(100)));
    assert!(closing.await.is_ok_and(|report| report.is_complete()), "the log keeps it");
}
