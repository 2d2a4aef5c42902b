//! A manager that reloads by itself when its file changes.

use std::fs;
use std::path::Path;

use pool_manager::PoolManager;

use crate::support::{PATIENCE, Recorder, config, until};

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
    // A moment after its pools.
    until("it is noted", || manager.reload_stats().applied == 2).await;
    assert_eq!(manager.reload_stats().refused, 1);
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
    fs::write(&file, "connection_pool: {reload: {watch: 'off'}, health_monitoring: {enabled: false}, monitoring: {enabled: false}}")
        .unwrap();
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
    let recorder = Recorder::default();
    let builder = PoolManager::builder().reload_on_hangup(true).manager_observer(recorder.clone());
    let manager = builder.from_file(&file).await.unwrap();
    fs::write(&file, text(4)).unwrap();
    let rotated = folder.path().join("audit.1.jsonl");
    fs::rename(&log, &rotated).unwrap();
    kill_process(getpid(), Signal::HUP).unwrap();
    // A moment after the change is in force, and after the log was told of it.
    until("the reload is told of", || recorder.events().contains(&"applied 1".to_owned())).await;
    assert_eq!(size(&manager), 4);
    assert!(manager.close(PATIENCE).await.is_complete());
    let written = fs::read_to_string(&log).unwrap();
    assert!(written.contains(r#""event":"reload""#), "{written}");
}

#[tokio::test]
async fn what_the_program_has_brought_into_force_stays_while_the_file_is_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let (file, secret) = (folder.path().join("connection_pool.yaml"), folder.path().join("password"));
    fs::write(&secret, "canary-one").unwrap();
    let sections = |size: usize| {
        format!(
            "reload: {{interval_ms: 20, debounce_ms: 5}}, default_pool: {{min_connections: 0}},
             pools: [{{name: a, driver: redis, port: 1, max_connections: {size}, password_file: '{}'}}]",
            secret.display()
        )
    };
    fs::write(&file, format!("connection_pool: {{{}}}", sections(3))).unwrap();
    let manager = PoolManager::from_file(&file).await.unwrap();
    manager.reload(config(&sections(7))).await.unwrap();
    // The watcher begins after that. Another secret tells that it is at work.
    fs::write(&secret, "canary-two").unwrap();
    until("the secret is noticed", || manager.reload_stats().applied == 2).await;
    assert_eq!(size(&manager), 7);
    fs::write(&file, format!("connection_pool: {{{}}}", sections(5))).unwrap();
    until("another file is in force", || size(&manager) == 5).await;
}

#[tokio::test]
async fn a_secret_that_is_replaced_before_it_is_watched_is_noticed() {
    let folder = tempfile::tempdir().unwrap();
    let (file, secret) = (folder.path().join("connection_pool.yaml"), folder.path().join("password"));
    fs::write(&secret, "canary-one").unwrap();
    let text = format!(
        "connection_pool: {{reload: {{interval_ms: 20, debounce_ms: 5}}, default_pool: {{min_connections: 0}},
         pools: [{{name: a, driver: redis, port: 1, password_file: '{}'}}]}}",
        secret.display()
    );
    fs::write(&file, text).unwrap();
    let manager = PoolManager::from_file(&file).await.unwrap();
    // On this runtime of one thread, the watcher has not begun.
    fs::write(&secret, "canary-two").unwrap();
    until("the reload", || manager.reload_stats().applied == 1).await;
}

#[tokio::test]
async fn a_file_that_was_refused_is_in_force_when_the_secret_that_it_names_is_there() {
    let folder = tempfile::tempdir().unwrap();
    let (file, secret) = (folder.path().join("connection_pool.yaml"), folder.path().join("password"));
    let text = |more: &str| {
        format!(
            "connection_pool: {{reload: {{interval_ms: 20, debounce_ms: 5}}, default_pool: {{min_connections: 0}},
             pools: [{{name: a, driver: redis, port: 1{more}}}]}}"
        )
    };
    fs::write(&file, text("")).unwrap();
    let manager = PoolManager::from_file(&file).await.unwrap();
    fs::write(&file, text(&format!(", password_file: '{}'", secret.display()))).unwrap();
    until("it is refused", || manager.reload_stats().refused == 1).await;
    assert!(manager.files().contains(&secret), "{:?}", manager.files());
    fs::write(&secret, "canary").unwrap();
    until("it is in force", || manager.reload_stats().applied == 1).await;
    assert_eq!(manager.files(), [file, secret]);
}

/// In a process of its own: whoever has listened to a signal once does so to its end.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_manager_without_a_file_leaves_hangups_alone() {
    const CHILD: &str = "POOL_TEST_OF_HANGUPS";
    let name = "watching::a_manager_without_a_file_leaves_hangups_alone";
    if std::env::var_os(CHILD).is_some() {
        let builder = PoolManager::builder().reload_on_hangup(true);
        let _manager = builder.from_config(config("pools: []")).await.unwrap();
        let status = fs::read_to_string("/proc/self/status").unwrap();
        let caught = status.lines().find_map(|line| line.strip_prefix("SigCgt:")).unwrap();
        let caught = u64::from_str_radix(caught.trim(), 16).unwrap();
        assert_eq!(caught & 1, 0, "SIGHUP is the first one");
        return;
    }
    let child = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", name])
        .env(CHILD, "1")
        .output()
        .unwrap();
    let output = String::from_utf8_lossy(&child.stdout);
    assert!(child.status.success() && output.contains("1 passed"), "{output}");
}
