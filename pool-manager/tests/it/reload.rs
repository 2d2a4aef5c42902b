//! From one configuration to the next.

use std::fs;
use std::path::Path;

use pool_manager::{PoolManager, ReloadError};
use tokio::time::timeout;

use crate::support::{PATIENCE, Recorder, config, manager, ms, open, until};

fn two(folder: &Path, keys: &str) -> String {
    let folder = folder.display();
    format!(
        "pools: [
            {{name: orders, driver: sqlite, database: '{folder}/orders.db', min_connections: 0, {keys}}},
            {{name: other, driver: sqlite, database: ':memory:', min_connections: 1}}]"
    )
}

#[tokio::test]
async fn the_same_configuration_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let manager = manager(&two(folder.path(), "")).await;
    drop(manager.acquire("orders").await.unwrap());
    let before = manager.reload_stats();
    let report = manager.reload(config(&two(folder.path(), ""))).await.unwrap();
    assert!(report.is_unchanged() && report.unchanged == 2, "{report:?}");
    let after = manager.reload_stats();
    assert_eq!((after.attempts, after.unchanged, after.generation), (1, 1, 0));
    assert_eq!(after.config_hash, before.config_hash);
    assert_eq!(manager.snapshots()["orders"].counters.created, 1);
    manager.wait_applied(0).await.unwrap();
}

#[tokio::test]
async fn an_option_is_changed_under_the_users_of_a_pool() {
    let folder = tempfile::tempdir().unwrap();
    let manager = manager(&two(folder.path(), "max_connections: 4")).await;
    let held = manager.acquire("orders").await.unwrap();
    let report = manager.reload(config(&two(folder.path(), "max_connections: 2"))).await.unwrap();
    assert_eq!((report.changed.as_slice(), report.unchanged), (["orders".to_owned()].as_slice(), 1));
    assert!(report.drained.is_empty() && report.generation == 1);
    let stats = manager.snapshots()["orders"].stats;
    assert_eq!((stats.max, stats.active), (2, 1));
    timeout(PATIENCE, manager.wait_applied(1)).await.unwrap().unwrap();
    drop(held);
    assert_eq!(manager.snapshots()["orders"].stats.idle, 1, "its connection is as good as before");
    assert_eq!(manager.config().pool("orders").unwrap().settings.max_connections, 2);
}

#[tokio::test]
async fn a_resize_from_twenty_to_four_with_sixteen_busy_ends_at_four_and_ends_nobody() {
    let folder = tempfile::tempdir().unwrap();
    let manager = manager(&two(folder.path(), "max_connections: 20")).await;
    let mut held = Vec::new();
    for _ in 0..16 {
        held.push(manager.acquire("orders").await.unwrap());
    }
    manager.reload(config(&two(folder.path(), "max_connections: 4"))).await.unwrap();
    let orders = manager.pool("orders").unwrap();
    assert_eq!(open(&orders), 16, "nobody loses what he has");
    for connection in &mut held {
        connection.as_sqlite().unwrap().run("SELECT 1").await.unwrap();
    }
    drop(held);
    until("four are left", || open(&orders) == 4).await;
}

#[tokio::test]
async fn another_database_is_reached_by_new_connections_while_old_ones_end() {
    let folder = tempfile::tempdir().unwrap();
    let recorder = Recorder::default();
    let manager = PoolManager::builder()
        .manager_observer(recorder.clone())
        .from_config(config(&two(folder.path(), "")))
        .await
        .unwrap();
    let orders = manager.sqlite("orders").unwrap();
    let mut old = orders.acquire().await.unwrap();
    old.run("CREATE TABLE item (name TEXT)").await.unwrap();

    let moved = two(folder.path(), "").replace("orders.db", "moved.db");
    let report = manager.reload(config(&moved)).await.unwrap();
    assert_eq!((report.drained.as_slice(), report.generation), (["orders".to_owned()].as_slice(), 1));
    let mut new = orders.acquire().await.unwrap();
    assert!(
        new.run("SELECT name FROM item").await.is_err(),
        "the handle of before leads to the new database"
    );
    old.run("INSERT INTO item VALUES ('lamp')").await.unwrap();
    assert!(timeout(ms(50), manager.wait_applied(1)).await.is_err(), "an old connection is in use");

    drop(old);
    timeout(PATIENCE, manager.wait_applied(1)).await.unwrap().unwrap();
    drop(new);
    let counters = orders.counters();
    // On a busy machine a connect is overdue, and another one is begun.
    assert!(counters.acquired == 2 && (2..=3).contains(&counters.created), "the books go on: {counters:?}");
    assert_eq!(recorder.events(), ["added orders", "added other", "applied 1", "drained 1"]);
}

#[tokio::test]
async fn what_is_held_for_longer_than_the_grace_is_written_off() {
    let folder = tempfile::tempdir().unwrap();
    let recorder = Recorder::default();
    let manager = PoolManager::builder()
        .manager_observer(recorder.clone())
        .from_config(config(&two(folder.path(), "max_connections: 1")))
        .await
        .unwrap();
    let mut forgotten = manager.acquire("orders").await.unwrap();
    let moved = format!(
        "reload: {{grace_ms: 100}}, {}",
        two(folder.path(), "max_connections: 1").replace("orders.db", "moved.db")
    );
    manager.reload(config(&moved)).await.unwrap();
    timeout(PATIENCE, manager.wait_applied(1)).await.unwrap().unwrap();
    assert!(recorder.events().contains(&"abandoned orders".to_owned()), "{:?}", recorder.events());
    // It counts no longer, so the pool of one has room; and whoever held it may still end what he does.
    drop(manager.acquire("orders").await.unwrap());
    forgotten.as_sqlite().unwrap().run("SELECT 1").await.unwrap();
}

#[tokio::test]
async fn pools_come_and_go_with_the_configuration() {
    let manager = manager("pools: [{name: a, driver: sqlite, database: ':memory:'}]").await;
    let (a, held) = (manager.pool("a").unwrap(), manager.acquire("a").await.unwrap());
    let report =
        manager.reload(config("pools: [{name: b, driver: sqlite, database: ':memory:'}]")).await.unwrap();
    assert_eq!((report.added, report.removed), (vec!["b".to_owned()], vec!["a".to_owned()]));
    assert_eq!(manager.names(), ["b"]);
    assert_eq!(manager.pools().names(), ["b"]);
    manager.acquire("b").await.unwrap();
    assert!(a.acquire().await.unwrap_err().is_closed());
    assert!(timeout(ms(50), manager.wait_applied(1)).await.is_err(), "a connection of it is in use");
    drop(held);
    timeout(PATIENCE, manager.wait_applied(1)).await.unwrap().unwrap();

    let disabled = "pools: [{name: b, driver: sqlite, database: ':memory:', enabled: false}]";
    let report = manager.reload(config(disabled)).await.unwrap();
    assert_eq!(report.removed, ["b"]);
    assert!(manager.pool("b").unwrap_err().to_string().contains("it is disabled"));
}

#[tokio::test]
async fn what_is_refused_has_changed_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let manager = manager(&two(folder.path(), "")).await;
    drop(manager.acquire("orders").await.unwrap());
    let before = manager.reload_stats();

    // One pool that is new and good, one that differs, and one that cannot be had.
    let file = folder.path().join("new.db").display().to_string();
    let bad = format!(
        "pools: [
            {{name: orders, driver: sqlite, database: '{}/moved.db', max_connections: 2}},
            {{name: new, driver: sqlite, database: '{file}', min_connections: 1}},
            {{name: bad, driver: redis, password_file: /nowhere/password}}]",
        folder.path().display()
    );
    let error = manager.reload(config(&bad)).await.unwrap_err();
    assert!(matches!(&error, ReloadError::Build(errors) if errors.problems.len() == 1), "{error}");
    assert_eq!(manager.names(), ["orders", "other"]);
    let snapshot = &manager.snapshots()["orders"];
    assert_eq!((snapshot.stats.max, snapshot.stats.idle), (10, 1));
    assert!(!Path::new(&file).exists());

    // A key that takes a restart.
    let other_driver =
        two(folder.path(), "").replace("driver: sqlite, database: ':memory:'", "driver: redis");
    let error =
        manager.reload(config(&format!("reload: {{interval_ms: 1}}, {other_driver}"))).await.unwrap_err();
    insta::assert_snapshot!(error, @r#"
    change what takes a restart:
      pool `other`: driver: "sqlite" -> "redis" (restart)
      reload.interval_ms: 15000 -> 1 (restart)
    "#);

    let after = manager.reload_stats();
    assert_eq!((after.attempts, after.refused, after.generation), (2, 2, 0));
    assert_eq!(after.config_hash, before.config_hash);
    assert!(after.last_error.unwrap().starts_with("change what takes a restart"));
}

#[tokio::test]
async fn pools_of_the_program_stay_and_their_names_are_its_own() {
    let manager = manager("pools: []").await;
    let mut own = config("pools: [{name: own, driver: sqlite, database: ':memory:'}]").pools.remove(0);
    manager.create(own.clone()).unwrap();
    drop(manager.acquire("own").await.unwrap());
    manager.reload(config("default_pool: {max_connections: 3}, pools: []")).await.unwrap();
    assert_eq!(manager.snapshots()["own"].counters.acquired, 1);
    own.settings.max_connections = 2;
    let error = manager
        .reload(config("pools: [{name: own, driver: sqlite, database: ':memory:'}]"))
        .await
        .unwrap_err();
    insta::assert_snapshot!(error, @"make pool `own`: the program has made one of this name itself; remove that, or choose another name");
}

#[tokio::test]
async fn a_pool_that_the_program_removed_comes_back_with_the_next_reload() {
    let sections = "pools: [{name: orders, driver: sqlite, database: ':memory:'}]";
    let manager = manager(sections).await;
    manager.remove("orders", PATIENCE).await.unwrap();
    let report = manager.reload(config(sections)).await.unwrap();
    assert_eq!(report.added, ["orders"]);
    manager.acquire("orders").await.unwrap();
}

#[tokio::test]
async fn a_database_in_memory_keeps_its_data() {
    let sections = |keys: &str| format!("pools: [{{name: m, driver: sqlite, database: ':memory:', {keys}}}]");
    let manager = manager(&sections("max_connections: 2")).await;
    manager.sqlite("m").unwrap().acquire().await.unwrap().run("CREATE TABLE kept (a)").await.unwrap();
    manager.reload(config(&sections("max_connections: 3"))).await.unwrap();
    manager.sqlite("m").unwrap().acquire().await.unwrap().run("SELECT a FROM kept").await.unwrap();
}

#[tokio::test]
async fn a_secret_that_was_replaced_on_disk_drains_although_the_configuration_is_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let secret = folder.path().join("password");
    fs::write(&secret, "canary-one").unwrap();
    let sections = format!(
        "pools: [
            {{name: a, driver: redis, port: 1, password_file: '{}', min_connections: 0}},
            {{name: b, driver: redis, port: 1, min_connections: 0}}]",
        secret.display()
    );
    let manager = manager(&sections).await;
    assert_eq!(manager.files(), [secret.as_path()]);
    fs::write(&secret, "canary-one").unwrap();
    assert!(manager.reload(config(&sections)).await.unwrap().is_unchanged(), "written anew, and the same");
    fs::write(&secret, "canary-two").unwrap();
    let report = manager.reload(config(&sections)).await.unwrap();
    assert_eq!((report.drained.as_slice(), report.unchanged), (["a".to_owned()].as_slice(), 1));
    fs::remove_file(&secret).unwrap();
    let error = manager.reload(config(&sections)).await.unwrap_err();
    assert!(error.to_string().contains("password_file is `"), "{error}");
    assert!(!format!("{error:?} {:?}", manager.reload_stats()).contains("canary"));
}

#[tokio::test]
async fn pools_on_demand_follow_the_defaults() {
    let folder = tempfile::tempdir().unwrap();
    let manager = manager("default_pool: {max_connections: 5}").await;
    let target = pool_core::Target::new("sqlite", folder.path().join("tenant.db").display().to_string());
    let pool = manager.pool_for(&target, None).unwrap();
    let report = manager.reload(config("default_pool: {max_connections: 7}")).await.unwrap();
    assert_eq!(report.changed, [target.to_string()]);
    assert_eq!(pool.control().options().max_connections, 7);
    assert_eq!(manager.pool_for(&target, None).unwrap().control().options().max_connections, 7);
    assert_eq!(manager.targets().len(), 1);
}

#[tokio::test]
async fn the_file_is_read_again_with_its_overlay() {
    let folder = tempfile::tempdir().unwrap();
    let (file, overlay) =
        (folder.path().join("connection_pool.yaml"), folder.path().join("connection_pool.production.yaml"));
    // Nobody else is to look at the file meanwhile.
    let quiet = "reload: {watch: 'off'}";
    let pools = "pools: [{name: a, driver: sqlite, database: ':memory:'}]";
    fs::write(&file, format!("connection_pool: {{{quiet}, {pools}}}")).unwrap();
    fs::write(&overlay, "connection_pool: {pools: [{name: a, max_connections: 3}]}").unwrap();
    let manager = PoolManager::builder().environment("production").from_file(&file).await.unwrap();
    assert_eq!(manager.pool("a").unwrap().control().options().max_connections, 3);
    assert_eq!(manager.files(), [file.as_path(), overlay.as_path()]);

    fs::write(&overlay, "connection_pool: {pools: [{name: a, max_connections: 4}]}").unwrap();
    assert_eq!(manager.reload_from_file().await.unwrap().changed, ["a"]);
    fs::write(&overlay, "connection_pool: {pools: [{name: a, max_conections: 4}]}").unwrap();
    let error = manager.reload_from_file().await.unwrap_err();
    assert!(error.to_string().contains("did you mean `max_connections`?"), "{error}");
    fs::remove_file(&overlay).unwrap();
    assert!(manager.reload_from_file().await.is_err());
    assert_eq!(manager.pool("a").unwrap().control().options().max_connections, 4);
    let stats = manager.reload_stats();
    assert_eq!((stats.attempts, stats.applied, stats.refused), (3, 1, 2));
    assert!(stats.last_error.is_some());
}

#[tokio::test]
async fn without_a_file_there_is_none_to_read_again() {
    let manager = manager("pools: []").await;
    let error = manager.reload_from_file().await.unwrap_err();
    insta::assert_snapshot!(error, @"reload the file: the manager was not made from one; give the new configuration to `reload`");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn reloads_take_turns_and_the_last_one_counts() {
    let folder = tempfile::tempdir().unwrap();
    let manager = manager(&two(folder.path(), "max_connections: 1")).await;
    let mut reloads = tokio::task::JoinSet::new();
    for size in 2..40 {
        let (manager, sections) = (manager.clone(), two(folder.path(), &format!("max_connections: {size}")));
        reloads.spawn(async move { manager.reload(config(&sections)).await.unwrap() });
    }
    let reports = reloads.join_all().await;
    let mut generations: Vec<_> = reports.iter().map(|report| report.generation).collect();
    generations.sort_unstable();
    assert_eq!(generations, (1..39).collect::<Vec<_>>());
    let size = manager.config().pool("orders").unwrap().settings.max_connections;
    assert_eq!(manager.pool("orders").unwrap().control().options().max_connections, size);
    let last = reports.iter().max_by_key(|report| report.generation).unwrap();
    assert!(last.changes.to_string().contains(&format!("-> {size} (live)")), "{}", last.changes);
}

#[tokio::test]
async fn a_reload_goes_on_when_nobody_waits_for_it() {
    let folder = tempfile::tempdir().unwrap();
    let manager = manager(&two(folder.path(), "max_connections: 4")).await;
    {
        let mut reload = std::pin::pin!(manager.reload(config(&two(folder.path(), "max_connections: 2"))));
        let mut context = std::task::Context::from_waker(std::task::Waker::noop());
        // Ready or not: a fast machine may be done already.
        drop(reload.as_mut().poll(&mut context));
    }
    until("it is in force", || manager.reload_stats().applied == 1).await;
    assert_eq!(manager.pool("orders").unwrap().control().options().max_connections, 2);
}

#[cfg(unix)]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_has_no_end_is_no_secret_and_no_certificate_and_keeps_no_reload_waiting() {
    use rustix::fs::{CWD, FileType, Mode, mknodat};

    let folder = tempfile::tempdir().unwrap();
    let pipe = folder.path().join("pipe");
    mknodat(CWD, &pipe, FileType::Fifo, Mode::RWXU, 0).unwrap();
    let pipe = pipe.display();
    let manager = manager("pools: []").await;
    let bad = format!(
        "pools: [
            {{name: a, driver: redis, password_file: '{pipe}'}},
            {{name: b, driver: redis, password_file: /dev/zero}},
            {{name: c, driver: redis, ssl: {{enabled: true, ca_certificate: '{pipe}'}}}},
            {{name: d, driver: redis, ssl: {{enabled: true, ca_certificate: /dev/zero}}}},
            {{name: e, database: e, authentication: {{method: oauth2, oauth2: {{
                token_url: 'https://tokens.example/token', client_id: e, client_secret_file: '{pipe}',
                ca_certificate: '{pipe}'}}}}}}]"
    );
    let refused = timeout(PATIENCE, manager.reload(config(&bad))).await.expect("it is not waited for");
    let Err(ReloadError::Build(errors)) = refused else { panic!("{refused:?}") };
    assert_eq!(errors.problems.len(), 6, "{errors}");
    assert!(errors.problems.iter().all(|problem| problem.problem.contains("no regular file")), "{errors}");
    timeout(PATIENCE, manager.reload(config("pools: []"))).await.unwrap().unwrap();
}

#[tokio::test]
async fn a_longer_connect_timeout_gives_a_command_more_time_for_its_password() {
    // It takes connections and never answers.
    let server = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = server.local_addr().unwrap().port();
    let folder = tempfile::tempdir().unwrap();
    let ran = folder.path().join("ran");
    let sections = |timeout: u32| {
        format!(
            "pools: [{{name: a, driver: redis, host: 127.0.0.1, port: {port}, min_connections: 0,
                connect_timeout_ms: {timeout}, connection_timeout_ms: 60000,
                password_command: [sh, -c, 'sleep 1; touch \"$0\"; echo canary', '{}']}}]",
            ran.display()
        )
    };
    let manager = manager(&sections(200)).await;
    let report = manager.reload(config(&sections(20_000))).await.unwrap();
    assert_eq!((report.changed.as_slice(), report.drained.len()), (["a".to_owned()].as_slice(), 0));
    let waiting = tokio::spawn(manager.acquire("a"));
    until("the command has had its time", || ran.exists()).await;
    waiting.abort();
}

#[tokio::test]
async fn a_pool_on_demand_that_cannot_be_had_any_more_refuses_nobody_a_reload() {
    let folder = tempfile::tempdir().unwrap();
    let secret = folder.path().join("password");
    fs::write(&secret, "canary").unwrap();
    let sections = |size: usize| format!("default_pool: {{max_connections: {size}}}");
    let manager = manager(&sections(5)).await;
    let target = pool_core::Target::new("redis", "0").at("127.0.0.1", 1);
    let other = pool_core::Target::new("redis", "1").at("127.0.0.1", 1);
    let password = pool_config::SecretSource::File(secret.clone());
    let pool = manager.pool_for(&target, Some(password)).unwrap();
    let beside = manager.pool_for(&other, None).unwrap();
    fs::remove_file(&secret).unwrap();
    let report = manager.reload(config(&sections(7))).await.unwrap();
    assert_eq!(report.changed, [other.to_string()]);
    let left: Vec<_> = report.left_alone.iter().map(|problem| (&*problem.pool, &*problem.key)).collect();
    assert_eq!(left, [("redis://127.0.0.1:1/0", "password_file")]);
    let sizes = [&pool, &beside].map(|pool| pool.control().options().max_connections);
    assert_eq!(sizes, [5, 7]);

    fs::write(&secret, "canary").unwrap();
    let report = manager.reload(config(&sections(7))).await.unwrap();
    assert!(report.left_alone.is_empty(), "{report:?}");
    assert_eq!(pool.control().options().max_connections, 7, "it follows as soon as it can");
}

#[tokio::test]
async fn other_secrets_have_another_hash_and_none_is_shown() {
    let of = async |password: &str| {
        let sections =
            format!("pools: [{{name: a, driver: redis, min_connections: 0, password: {password}}}]");
        manager(&sections).await.reload_stats().config_hash
    };
    assert_ne!(of("canary-one").await, of("canary-two").await);
    assert_eq!(of("canary-one").await, of("canary-one").await);
    let of = async |host: &str| {
        let sections =
            format!("pools: [{{name: a, driver: redis, min_connections: 0, url: 'redis://{host}'}}]");
        manager(&sections).await.reload_stats().config_hash
    };
    assert_ne!(of("one.example").await, of("two.example").await);
}

#[tokio::test]
async fn another_database_in_memory_is_another_one() {
    let named = |name: &str| {
        format!("pools: [{{name: m, driver: sqlite, url: 'sqlite:file:{name}?mode=memory&cache=shared'}}]")
    };
    let manager = manager("pools: [{name: m, driver: sqlite, database: ':memory:'}]").await;
    manager.sqlite("m").unwrap().acquire().await.unwrap().run("CREATE TABLE kept (a)").await.unwrap();
    let reads = async || {
        let mut connection = manager.sqlite("m").unwrap().acquire().await.unwrap();
        connection.run("SELECT a FROM kept").await.is_ok()
    };
    manager.reload(config("pools: [{name: m, driver: sqlite, url: 'sqlite::memory:'}]")).await.unwrap();
    assert!(reads().await, "the same one, written otherwise");
    let report = manager.reload(config(&named("other"))).await.unwrap();
    assert_eq!(report.drained, ["m"]);
    assert!(!reads().await);
}

#[tokio::test]
async fn whether_certificates_matter_may_change_without_replacing_connections() {
    let folder = tempfile::tempdir().unwrap();
    let authority = folder.path().join("ca.pem");
    fs::write(&authority, include_str!("ca.pem")).unwrap();
    let sections = |minds: bool| {
        format!(
            "pools: [{{name: a, driver: redis, port: 1, min_connections: 0, ssl: {{
                enabled: true, ca_certificate: '{}', reload_on_change: {minds}}}}}]",
            authority.display()
        )
    };
    let manager = manager(&sections(true)).await;
    for minds in [false, true, false] {
        let report = manager.reload(config(&sections(minds))).await.unwrap();
        assert!(report.drained.is_empty() && report.changed == ["a"], "{report}");
    }
    fs::write(&authority, format!("{}\n", include_str!("ca.pem"))).unwrap();
    assert!(manager.reload(config(&sections(false))).await.unwrap().is_unchanged(), "nobody minds");
    let report = manager.reload(config(&sections(true))).await.unwrap();
    assert_eq!(report.drained, ["a"], "connections were opened with the one of before");
}

#[tokio::test]
async fn whoever_waits_for_what_cannot_come_any_more_is_told() {
    let manager = manager("pools: []").await;
    let mut waiting = std::pin::pin!(manager.wait_applied(1));
    assert!(timeout(ms(20), &mut waiting).await.is_err());
    manager.close(ms(1)).await;
    let error = timeout(PATIENCE, waiting).await.unwrap().unwrap_err();
    insta::assert_snapshot!(error, @"wait for configuration 1: the manager is closed, and it was not in force by then");
    timeout(PATIENCE, manager.wait_applied(2)).await.unwrap().unwrap_err();
    timeout(PATIENCE, manager.wait_applied(0)).await.unwrap().unwrap();
}

#[tokio::test]
async fn a_reload_makes_a_pool_anew_that_somebody_has_closed() {
    let text = "pools: [{name: a, driver: sqlite, database: ':memory:'}]";
    let manager = manager(text).await;
    let held = manager.acquire("a").await.unwrap();
    manager.pool("a").unwrap().control().close(ms(1)).await;
    let report = manager.reload(config(text)).await.unwrap();
    assert_eq!(report.added, ["a"]);
    assert!(!report.is_unchanged());
    manager.acquire("a").await.unwrap();
    assert!(!manager.pools().get("a").unwrap().is_closed());
    assert!(manager.reload(config(text)).await.unwrap().is_unchanged());
    let report = manager.close(ms(1)).await;
    assert_eq!(report.still_held().count(), 1, "of the one before: {report}");
    drop(held);
}
