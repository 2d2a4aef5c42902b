//! The program as a user or a script sees it: a real process on a real SQLite database.

use std::fs;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use pool_core::Pool;
use pool_drivers::sqlite::SqliteConnector;
use serde_json::Value;
use tempfile::TempDir;

use crate::schema::violations;

/// A directory of its own for each test, also for the temporary database.
struct Place(TempDir);

impl Place {
    fn new() -> Self {
        Place(tempfile::tempdir().unwrap())
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_pool-loadtest"));
        command
            .args(arguments)
            .current_dir(self.path())
            .env("TMPDIR", self.path())
            .env("LC_ALL", "C.UTF-8")
            .env_remove("RUST_LOG")
            .stdin(Stdio::null());
        command
    }

    fn run(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().unwrap()
    }

    fn write(&self, name: &str, text: &str) {
        fs::write(self.path().join(name), text).unwrap();
    }

    fn result(&self) -> Value {
        let text = fs::read_to_string(self.path().join("results.json")).unwrap();
        let document = serde_json::from_str(&text).unwrap();
        assert_eq!(violations(&document), [""; 0]);
        document
    }

    fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(self.path()).unwrap();
        let mut names: Vec<_> =
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }
}

fn stdout(output: &Output) -> &str {
    std::str::from_utf8(&output.stdout).unwrap()
}

fn stderr(output: &Output) -> &str {
    std::str::from_utf8(&output.stderr).unwrap()
}

#[test]
fn a_short_run_writes_a_valid_result_and_a_report() {
    let place = Place::new();
    let output = place.run(&["--pool-size", "4", "--threads", "8", "--duration", "1s"]);
    assert_eq!(stderr(&output), "", "it is no terminal");
    assert_eq!(output.status.code(), Some(0), "{}", stdout(&output));
    assert!(!stdout(&output).contains('\u{1b}'));
    assert!(stdout(&output).contains("\n  What this says\n"), "{}", stdout(&output));
    assert!(stdout(&output).contains("\nPASS\n"), "{}", stdout(&output));

    let result = place.result();
    let count = |key: &str| result[key].as_u64().unwrap();
    assert!(count("successfulConnections") > 0);
    assert_eq!(count("totalConnections"), count("successfulConnections") + count("failedConnections"));
    assert!(!result["connectionTimes"].as_array().unwrap().is_empty());
    for phase in ["acquireWait", "connect", "use", "release", "response"] {
        let data = result["phases"][phase]["histogram"]["data"].as_str().unwrap();
        assert!(data.starts_with("HISTFAAA"), "{phase}: {data}");
    }
    assert_eq!(result["config"]["backend"], "sqlite");
    assert_eq!(result["config"]["load"]["threads"], 8);
    assert_eq!(result["phases"]["connect"]["count"], 4);
    assert!(result["environment"]["backendVersion"].as_str().unwrap().starts_with("SQLite 3."));
    assert_eq!(result["leakCheck"]["status"], "pass");
    assert_eq!(place.names(), ["results.json"], "neither database nor half a result is left");
}

#[test]
fn json_on_standard_output_is_one_document() {
    let place = Place::new();
    let output = place.run(&["--duration", "500ms", "--format", "json"]);
    let document: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(document, place.result());
    assert_eq!(stdout(&output).lines().count(), 1);
}

#[test]
fn a_quiet_run_prints_nothing() {
    let place = Place::new();
    let output = place.run(&["--duration", "200ms", "--quiet", "--output", "other.json"]);
    assert_eq!((stdout(&output), stderr(&output)), ("", ""));
    assert_eq!(place.names(), ["other.json"]);
}

#[test]
fn without_a_unicode_locale_the_report_is_plain_ascii() {
    let place = Place::new();
    let output = place.command(&["--duration", "200ms"]).env("LC_ALL", "C").output().unwrap();
    assert!(stdout(&output).is_ascii(), "{}", stdout(&output));
}

#[tokio::test]
async fn the_pool_of_a_configuration_is_tested_and_its_tables_are_left_alone() {
    let place = Place::new();
    let database = place.path().join("orders.db");
    // One connection only: the last one to close a file in WAL mode is the one that writes it all back.
    let pool = Pool::builder(SqliteConnector::file(&database)).max_connections(1).build().unwrap();
    pool.acquire()
        .await
        .unwrap()
        .run("CREATE TABLE item (name TEXT); INSERT INTO item VALUES ('lamp')")
        .await
        .unwrap();
    pool.close(Duration::from_secs(1)).await;
    let before = fs::read(&database).unwrap();
    place.write(
        "pools.yaml",
        "connection_pool:\n  pools:\n    - {name: first, driver: sqlite, database: \":memory:\"}\n    \
         - {name: orders, driver: sqlite, database: orders.db, max_connections: 9, min_connections: 3, \
         connection_timeout_ms: 7000}\n",
    );

    let arguments = ["--config", "pools.yaml", "--duration", "300ms"];
    let output = place.run(&[&arguments[..], &["--pool", "orders"]].concat());
    assert_eq!(output.status.code(), Some(0), "{}{}", stdout(&output), stderr(&output));
    let result = place.result();
    assert_eq!(result["config"]["pool"]["size"], 9);
    assert_eq!(result["config"]["pool"]["acquireTimeoutMs"], 7000.0);
    assert_eq!(result["config"]["url"], "sqlite://orders.db");
    assert_eq!(fs::read(&database).unwrap(), before);

    let output = place.run(&[&arguments[..], &["--pool", "orders", "--pool-size", "2"]].concat());
    assert!(
        stdout(&output).contains("note: min_connections lowered from 3 to 2 by --pool-size 2"),
        "{}",
        stdout(&output)
    );
    assert_eq!(place.result()["config"]["pool"]["size"], 2);

    let output = place.run(&arguments);
    assert!(stdout(&output).contains("sqlite (in memory) · pool 10"), "the first one: {}", stdout(&output));
}

#[test]
fn those_whom_a_configuration_has_told_of_alerts_are_neither_told_nor_needed() {
    let place = Place::new();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let address = listener.local_addr().unwrap();
    place.write(
        "pools.yaml",
        &format!(
            "connection_pool:\n  pools: [{{name: orders, driver: sqlite, database: ':memory:', max_connections: 1}}]\n  \
             monitoring: {{alerts: {{group_wait_ms: 0, state_file: none/alerts.json, receivers: [\n    \
             {{name: chat, type: webhook, url: 'http://{address}/canary'}}, \
             {{name: alertmanager, type: alertmanager, url_file: none/url}}]}}}}\n"
        ),
    );
    let output = place.run(&["--config", "pools.yaml", "--threads", "8", "--duration", "1000ms", "--alerts"]);
    assert_eq!(output.status.code(), Some(0), "{}{}", stdout(&output), stderr(&output));
    assert!(stdout(&output).contains("PoolUtilizationHigh"), "{}", stdout(&output));
    let nobody = listener.accept().map(|_| ()).unwrap_err();
    assert_eq!(nobody.kind(), std::io::ErrorKind::WouldBlock);
}

/// The message and the code of a run that must not even begin.
fn refused(place: &Place, arguments: &[&str]) -> (i32, String) {
    let output = place.run(arguments);
    assert_eq!(stdout(&output), "");
    assert!(!place.names().iter().any(|name| name.starts_with("results.json")), "{:?}", place.names());
    (output.status.code().unwrap(), stderr(&output).replace(place.path().to_str().unwrap(), "DIR"))
}

#[test]
fn an_unknown_flag_is_wrong_usage() {
    let (code, message) = refused(&Place::new(), &["--sweeep"]);
    assert_eq!(code, 2);
    assert!(message.starts_with("error: unexpected argument '--sweeep' found"), "{message}");
}

#[test]
fn a_duration_of_nothing_is_wrong_usage() {
    let (code, message) = refused(&Place::new(), &["--duration", "0"]);
    assert_eq!(code, 2);
    assert!(message.contains("`0` is out of range: from 1ms to a year"), "{message}");
}

#[test]
fn a_broken_configuration_is_told_with_its_place() {
    let place = Place::new();
    place.write("pools.yaml", "connection_pool:\n  pools:\n    - name: a\n      databse: b\n");
    let (code, message) = refused(&place, &["--config", "pools.yaml"]);
    assert_eq!(code, 2);
    assert!(message.starts_with("error: failed to load pools.yaml: "), "{message}");
    assert!(message.contains("pools.yaml:4:7"), "{message}");

    let (code, message) = refused(&place, &["--config", "none.yaml"]);
    assert_eq!(
        (code, message.as_str()),
        (2, "error: failed to read none.yaml: No such file or directory (os error 2)\n")
    );
}

#[test]
fn a_pool_that_cannot_be_run_is_refused() {
    let place = Place::new();
    place
        .write("pools.yaml", "connection_pool: {pools: [{name: orders, driver: mysql, database: orders}]}\n");
    let (code, message) = refused(&place, &["--config", "pools.yaml"]);
    insta::assert_snapshot!(message, @"error: failed to run pool `orders`: its driver is mysql, and this program supports only sqlite");
    assert_eq!(code, 3);
    let (code, message) = refused(&place, &["--config", "pools.yaml", "--pool", "order"]);
    insta::assert_snapshot!(message, @"error: failed to plan the run: the configuration has no pool `order`; it has `orders`");
    assert_eq!(code, 2);
}

#[test]
fn a_database_that_cannot_be_opened_is_told_with_its_cause() {
    let place = Place::new();
    place.write(
        "pools.yaml",
        "connection_pool: {pools: [{name: orders, driver: sqlite, database: none/orders.db}]}\n",
    );
    let (code, message) = refused(&place, &["--config", "pools.yaml"]);
    assert_eq!(code, 3);
    let error = message.lines().last().unwrap();
    assert!(
        error.starts_with("error: failed to warm up pool `orders`: no connection could be opened"),
        "{message}"
    );
    assert!(error.contains("its directory `DIR/none` does not exist"), "{message}");
}

#[test]
fn an_output_that_cannot_be_written_is_refused_before_the_run() {
    let place = Place::new();
    let begun = std::time::SystemTime::now();
    let (code, message) = refused(&place, &["--output", "none/results.json"]);
    assert_eq!(
        (code, message.as_str()),
        (2, "error: failed to write to none/results.json: No such file or directory (os error 2)\n")
    );
    let (code, message) = refused(&place, &["--output", "."]);
    assert_eq!((code, message.as_str()), (2, "error: failed to write to .: it is a directory\n"));
    assert!(begun.elapsed().unwrap() < Duration::from_secs(30), "a run would have taken twice a minute");
}

/// A run that has begun to be measured.
async fn running(place: &Place) -> Child {
    let child = place
        .command(&["--duration", "60", "--threads", "4"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // The connections open after the program listens to signals; the load begins soon after that.
    let database_is_open = || {
        let names = place.names();
        names.iter().any(|name| place.path().join(name).join("loadtest.db-wal").exists())
    };
    while !database_is_open() {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    tokio::time::sleep(Duration::from_millis(2_500)).await;
    child
}

fn send(signal: &str, child: &Child) {
    let sent = Command::new("kill").args([signal, &child.id().to_string()]).status().unwrap();
    assert!(sent.success());
}

#[tokio::test]
async fn an_interrupted_run_writes_what_it_measured() {
    for (signal, code) in [("-INT", 130), ("-TERM", 143)] {
        let place = Place::new();
        let child = running(&place).await;
        send(signal, &child);
        let output = child.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(code), "{}{}", stdout(&output), stderr(&output));
        assert!(stdout(&output).contains("\nINTERRUPTED\n"), "{}", stdout(&output));
        let result = place.result();
        assert_eq!(result["run"]["status"], "interrupted");
        assert_eq!(result["run"]["exitCode"], code);
        assert!(result["totalConnections"].as_u64().unwrap() > 0);
        assert!(result["run"]["measuredMs"].as_f64().unwrap() < 30_000.0);
        assert_eq!(result["leakCheck"]["status"], "pass");
        assert_eq!(place.names(), ["results.json"]);
    }
}

#[test]
fn the_help_tells_every_flag_and_exit_code() {
    let output = Place::new().run(&["--help"]);
    assert_eq!(output.status.code(), Some(0));
    insta::assert_snapshot!(stdout(&output), @r#"
    Puts load on a connection pool, measures it, and writes the result as JSON

    Usage: pool-loadtest [OPTIONS]

    Options:
          --pool-size <N>               The most connections [default: as configured, else 20]
          --threads <N>                 Threads that compete for connections [default: 10]
          --duration <TIME>             Seconds to run, or 500ms, 10s, 1m30s [default: 60]
          --connections-per-thread <N>  Size of a thread's burst [default: 100]
          --output <FILE>               Where the result goes, as JSON [default: results.json]
          --config <FILE>               Test a pool of this connection_pool.yaml
          --pool <NAME>                 Which pool of the configuration [default: the first]
          --alerts                      Watch the pool with a monitor, and list the alerts that the load
                                        raises
          --format <FORMAT>             What to print: a report, or the same JSON as in the file
                                        [default: text] [possible values: text, json]
          --quiet                       Print neither progress nor report; JSON is still printed if
                                        asked for
      -h, --help                        Print help
      -V, --version                     Print version

    A thread is a task of the runtime. It makes bursts of cycles (acquire a connection, run one query,
    give it back) with a pause of 1 ms after each burst, and begins a cycle only when its last one has
    ended (a closed loop). The query counts to a hundred and touches no table. The first second is not
    measured, unless the run is shorter than three.

    With --alerts a monitor looks at the pool each second, or ten times in a shorter run, and judges it
    by the rules of the configuration, or else by those that are built in. Alerts change no exit code.

    Without --config the pool leads to an embedded SQLite database in a temporary file, and opens all
    its connections beforehand. With it, the pool's options are those of the file, and what is given
    here wins.

    Ctrl-C or SIGTERM ends the load and reports what was measured; a second one skips waiting and the
    leak check; a third one ends the program at once. RUST_LOG sets how much is logged to standard
    error (default: warn).

    Exit codes:
        0  finished, and no defect was found; cycles may have failed, the report tells how many
        1  internal error
        2  wrong command line, configuration file or output file
        3  could not start, or not one cycle succeeded
        5  the pool has a defect: a leak, an account that does not add up, starvation
      130  interrupted by SIGINT; 143 by SIGTERM (the result was written if the load had begun)
    "#);
}
