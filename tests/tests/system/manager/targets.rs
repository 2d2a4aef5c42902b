//! Pools on demand, on a real server.

use pool_config::{Secret, SecretSource};
use pool_core::Target;
use pool_tests::postgres::Postgres;
use tokio::task::JoinSet;

use super::{PATIENCE, manager, until};

/// It must show 3.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_who_ask_for_one_new_database_share_one_pool_and_each_user_has_his_own() {
    let server = Postgres::new().launch().await.unwrap();
    let users = ["alice", "bob", "carol"];
    for user in users {
        server.create_user(user, &format!("canary-{user}")).await.unwrap();
    }
    let manager =
        manager("default_pool: {max_connections: 2, idle_timeout_ms: 300, maintenance_interval_ms: 20}")
            .await;
    let mut asking = JoinSet::new();
    for number in 0..60 {
        let (manager, user) = (manager.clone(), users[number % users.len()]);
        let target = Target::new("postgres", user).at("127.0.0.1", server.port()).as_user(user);
        let password = SecretSource::Text(Secret::new(format!("canary-{user}")));
        asking.spawn(async move {
            let connection = manager.acquire_target(&target, Some(password)).await.unwrap();
            let mut connection = connection.into_postgres().unwrap();
            let query = "SELECT current_user::text";
            let found: String = sqlx::query_scalar(query).fetch_one(&mut *connection).await.unwrap();
            assert_eq!(found, user);
        });
    }
    while let Some(outcome) = asking.join_next().await {
        outcome.unwrap();
    }
    let snapshots = manager.snapshots();
    assert_eq!(snapshots.len(), 3, "{:?}", manager.targets());
    for (key, snapshot) in &snapshots {
        // And the monitor, perhaps.
        assert!(snapshot.counters.acquired >= 20, "{key}");
        assert!(snapshot.counters.created <= 2, "{key}");
    }
    assert!(!format!("{snapshots:?}").contains("canary"));

    until("nobody needs them any more", async || manager.targets().is_empty()).await;
    let sessions = async || {
        let mut witness = server.connect().await.unwrap();
        let query = "SELECT count(*) FROM pg_stat_activity WHERE usename <> 'postgres'";
        sqlx::query_scalar::<_, i64>(query).fetch_one(&mut witness).await.unwrap()
    };
    until("the server has no session of theirs", async || sessions().await == 0).await;
    assert!(manager.close(PATIENCE).await.is_complete());
}
