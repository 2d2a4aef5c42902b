//! A manager that reloads by itself when its file changes.

use std::fs;
use std::path::Path;

use pool_manager::PoolManager;

use crate::support::{PATIENCE, Recorder, until};

fn write(path: &Path, size: usize) {
    let text = format!(
        "connection_pool:
  reload: {{interval_ms: 20, debounce_ms: 5}}
  pools: [{{name: a, driver: sqlite, database: ':memory:', max_connections: {size}}}]
"
    );
    let beside = path.with_extension("new");
    fs::write(&beside, text).unwrap();
    fs::rename(&beside, path).unwrap();
}

fn size(manager: &PoolManager) -> usize {
    manager.pool("a").unwrap().control().options().max_connections
}

#[tokio::test]
async fn a_changed_file_is_in_force_soon() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("connection_pool.yaml");
    write(&file, 3);
    let recorder = Recorder::default();
    let manager = PoolManager::builder().manager_observer(recorder.clone()).from_file(&file).await.unwrap();
    assert_eq!(size(&manager), 3);
    write(&file, 4);
    until("the change is in force", || size(&manager) == 4).await;

    fs::write(&file, "connection_pool: {pools: [{name: a").unwrap();
    until("the broken file is refused", || recorder.events().contains(&"refused".to_owned())).await;
    assert_eq!(size(&manager), 4);
    write(&file, 5);
    until("the mended file is in force", || size(&manager) == 5).await;
    let stats = manager.reload_stats();
    assert_eq!((stats.applied, stats.refused), (2, 1));
}

#[tokio::test]
async fn a_secret_with_other_content_replaces_the_connections() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("connection_pool.yaml");
    let secret = folder.path().join("password");
    fs::write(&secret, "canary-one").unwrap();
    let text = format!(
        "connection_pool: {{reload: {{interval_ms: 20, debounce_ms: 5}}, default_pool: {{min_connections: 0}},
         pools: [{{name: a, driver: redis, port: 1, password_file: '{}'}}]}}",
        secret.display()
    );
    fs::write(&file, text).unwrap();
    let manager = PoolManager::from_file(&file).await.unwrap();
    // What the watcher read first must be what was there first.
    tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    fs::write(&secret, "canary-two").unwrap();
    until("the reload", || manager.reload_stats().applied == 1).await;
    assert_eq!(manager.reload_stats().generation, 1);
}

#[tokio::test]
async fn nothing_watches_a_manager_that_is_closed_or_dropped() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("connection_pool.yaml");
    write(&file, 3);
    let tasks = || tokio::runtime::Handle::current().metrics().num_alive_tasks();
    let before = tasks();
    let closed = PoolManager::from_file(&file).await.unwrap();
    let dropped = PoolManager::from_file(&file).await.unwrap();
    assert!(tasks() > before);
    assert!(closed.close(PATIENCE).await.is_complete());
    drop(dropped);
    until("no task is left", || tasks() == before).await;
}

#[tokio::test]
async fn a_file_that_nobody_shall_watch_is_not() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("connection_pool.yaml");
    fs::write(&file, "connection_pool: {reload: {watch: 'off'}}").unwrap();
    let tasks = || tokio::runtime::Handle::current().metrics().num_alive_tasks();
    let before = tasks();
    let manager = PoolManager::from_file(&file).await.unwrap();
    assert_eq!(tasks(), before);
    drop(manager);
}

#[cfg(unix)]
#[tokio::test]
async fn a_hangup_reloads_the_file_and_opens_the_audit_log_again() {
    use rustix::process::{Signal, getpid, kill_process};

    let folder = tempfile::tempdir().unwrap();
    let (file, log) = (folder.path().join("connection_pool.yaml"), folder.path().join("audit.jsonl"));
    let text = |size: usize| {
        format!(
            "connection_pool: {{reload: {{watch: 'off'}}, monitoring: {{audit_log: {{path: '{}'}}}},
             pools: [{{name: a, driver: sqlite, database: ':memory:', max_connections: {size}}}]}}",
            log.display()
        )
    };
    fs::write(&file, text(3)).unwrap();
    let manager = PoolManager::builder().reload_on_hangup(true).from_file(&file).await.unwrap();
    fs::write(&file, text(4)).unwrap();
    let rotated = folder.path().join("audit.1.jsonl");
    fs::rename(&log, &rotated).unwrap();
    kill_process(getpid(), Signal::HUP).unwrap();
    until("the change is in force", || size(&manager) == 4).await;
    assert!(manager.close(PATIENCE).await.is_complete());
    let written = fs::read_to_string(&log).unwrap();
    assert!(written.contains(r#""event":"reload""#), "{written}");
}
