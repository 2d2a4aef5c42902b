//! From `connection_pool.yaml` to a pool, and through the load tester to checked JSON.

use std::process::Command;
use std::time::Duration;

use pool_config::{Config, Driver};
use pool_drivers::sqlite::SqliteConnector;
use pool_loadtest::{Controls, Plan, Request};

use crate::root;

#[tokio::test]
async fn the_shipped_configuration_opens_its_first_pool() {
    let config = Config::from_file(root().join("config/connection_pool.yaml")).unwrap();
    let described = &config.pools[0];
    assert_eq!((described.name.as_str(), described.driver), ("embedded", Driver::Sqlite));
    let database = described.database.as_deref().unwrap();
    let pool = pool_core::Pool::builder(SqliteConnector::from_database(database))
        .name(&described.name)
        .max_connections(described.settings.max_connections)
        .min_connections(described.settings.min_connections)
        .acquire_timeout(described.settings.acquire_timeout)
        .build()
        .unwrap();
    pool.warm_up().await.unwrap();
    assert_eq!(pool.stats().idle, described.settings.min_connections);
}

/// Runs a program of the project and returns what it printed, if it succeeded.
fn run(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).current_dir(root()).output().unwrap();
    let (stdout, stderr) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{program} {arguments:?}: {}\n{stdout}\n{stderr}", output.status);
    stdout.into_owned()
}

/// What the README's first command does, through the library, and what the scripts make of it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_load_test_from_the_configuration_gives_a_result_that_the_scripts_accept() {
    let config = Config::from_file(root().join("config/connection_pool.yaml")).unwrap();
    let request = Request { threads: 32, duration: Duration::from_secs(2), ..Request::default() };
    let plan = Plan::configured(&config, None, &request).unwrap();
    let result = pool_loadtest::run(&plan, Controls::none()).await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("results.json");
    pool_loadtest::write_json(std::fs::File::create(&path).unwrap(), &result).unwrap();

    let json: serde_json::Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    let number = |key: &str| json[key].as_u64().unwrap();
    assert_eq!(number("totalConnections"), number("successfulConnections") + number("failedConnections"));
    assert!(number("totalConnections") > 1_000);
    assert!(!json["connectionTimes"].as_array().unwrap().is_empty());
    assert_eq!(json["leakCheck"]["status"], "pass", "{}", json["leakCheck"]);

    let path = path.to_str().unwrap();
    run("python3", &["scripts/validate_result.py", path]);
    let analysis = run("python3", &["scripts/analyze_load_test.py", path, "--check", "leaks:count==0"]);
    assert!(analysis.contains("acquire wait"), "{analysis}");
}
