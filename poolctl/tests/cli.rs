//! The program as it is run: what it prints, and how it exits.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value as Json;

/// What a run left behind.
struct Ran {
    code: i32,
    out: String,
    err: String,
}

fn poolctl(arguments: &[&str], variables: &[(&str, &str)]) -> Ran {
    let mut command = Command::new(env!("CARGO_BIN_EXE_poolctl"));
    command.args(arguments).current_dir(root()).env_clear().envs(variables.iter().copied());
    let output = command.output().expect("the program is built before its tests");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("the program prints UTF-8");
    Ran { code: output.status.code().unwrap_or(-1), out: text(output.stdout), err: text(output.stderr) }
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn with_file<T>(text: &str, run: impl FnOnce(&str) -> T) -> T {
    let folder = tempfile::tempdir().expect("there is room for temporary files");
    let path = folder.path().join("connection_pool.yaml");
    fs::write(&path, text).expect("the folder was made just now");
    run(path.to_str().expect("temporary folders have plain names"))
}

/// The output of `check`, with the file named without its folder.
fn check(text: &str, more: &[&str]) -> Ran {
    with_file(text, |path| {
        let mut ran = poolctl(&[&["check", path][..], more].concat(), &[]);
        ran.out = ran.out.replace(path, "connection_pool.yaml");
        ran
    })
}

const THREE_MISTAKES: &str = "\
connection_pool:
  default_pool:
    max_conections: 20
  pools:
    - name: orders
      database: orders
      driver: postgress
  monitoring:
    error_rate_threshold: 5
";

const WARNING: &str = "connection_pool: {default_pool: {max_lifetime_ms: 0}}";

#[test]
fn the_help_is_complete() {
    insta::assert_snapshot!(poolctl(&["--help"], &[]).out);
    for command in [
        "check",
        "schema",
        "diff",
        "show",
        "doctor",
        "health",
        "alerts",
        "metrics",
        "rules",
        "completions",
        "man",
    ] {
        let ran = poolctl(&[command, "--help"], &[]);
        assert_eq!(ran.code, 0);
        insta::assert_snapshot!(format!("{command}_help"), ran.out);
    }
}

#[test]
fn every_command_about_a_file_takes_it_with_and_without_config() {
    with_file(WELL, |path| {
        for command in ["check", "show", "doctor", "health", "alerts", "metrics", "rules"] {
            let run = |arguments: &[&str]| poolctl(&[&[command], arguments].concat(), &[]);
            let enough: &[&str] =
                if ["alerts", "metrics"].contains(&command) { &["--for", "20ms"] } else { &[] };
            for file in [&[path][..], &["--config", path]] {
                let ran = run(&[file, enough].concat());
                assert_eq!((ran.code, ran.err.as_str()), (0, ""), "{command} {file:?}: {}", ran.out);
            }
            for (wrong, problem) in [
                (&[path, "--config", path][..], "cannot be used with"),
                (&["--config", path, "--config", path], "cannot be used multiple times"),
                (&[], "required arguments were not provided"),
            ] {
                let ran = run(wrong);
                assert_eq!((ran.code, ran.out.as_str()), (2, ""), "{command} {wrong:?}");
                assert!(ran.err.contains(problem), "{command} {wrong:?}: {}", ran.err);
            }
        }
    });
}

#[test]
fn three_mistakes_are_told_in_one_go_each_underlined() {
    let ran = check(THREE_MISTAKES, &[]);
    assert_eq!(ran.code, 1);
    insta::assert_snapshot!(ran.out);
}

#[test]
fn what_is_checked_can_be_read_by_programs() {
    let ran = check(THREE_MISTAKES, &["--format", "json"]);
    assert_eq!(ran.code, 1);
    let json: Json = serde_json::from_str(&ran.out).unwrap();
    let file = &json["files"][0];
    assert_eq!((&file["valid"], &file["errors"], &file["warnings"]), (&false.into(), &3.into(), &0.into()));
    let problem = &file["problems"][0];
    assert_eq!(
        (&problem["severity"], &problem["line"], &problem["column"]),
        (&"error".into(), &3.into(), &5.into())
    );
    assert_eq!(problem["help"], "did you mean `max_connections`?");
}

#[test]
fn the_exit_code_tells_valid_invalid_usage_and_warnings_apart() {
    assert_eq!(check("connection_pool:", &[]).code, 0);
    assert_eq!(check("connection_pool: {enabled: maybe}", &[]).code, 1);
    assert_eq!(check(WARNING, &[]).code, 0);
    assert_eq!(check(WARNING, &["--lint"]).code, 3);
    assert_eq!(check("connection_pool:", &["--lint"]).code, 0);
    assert_eq!(poolctl(&["check"], &[]).code, 2);
    assert_eq!(poolctl(&["check", "--no-such-flag", "a.yaml"], &[]).code, 2);
    let missing = poolctl(&["check", "no/such/file.yaml"], &[]);
    assert_eq!(missing.code, 2);
    assert_eq!(
        missing.out,
        "no/such/file.yaml: failed to read no/such/file.yaml: No such file or directory (os error 2)\n"
    );
}

#[test]
fn each_of_several_files_is_judged() {
    let ran = poolctl(
        &["check", "--syntax-only", "config/connection_pool.yaml", "pool-config/tests/fixtures/seed.yaml"],
        &[],
    );
    assert_eq!((ran.code, ran.err.as_str()), (0, ""));
    assert_eq!(
        ran.out,
        "config/connection_pool.yaml: valid, 1 pool\npool-config/tests/fixtures/seed.yaml: valid, 2 pools\n"
    );
}

#[test]
fn a_file_that_cannot_be_read_does_not_hide_what_is_wrong_with_the_others() {
    with_file("connection_pool: {enabled: maybe}", |path| {
        let ran = poolctl(&["check", "no/such/file.yaml", path], &[]);
        assert_eq!(ran.code, 2);
        assert!(
            ran.out.contains("No such file") && ran.out.contains("expected true or false"),
            "{}",
            ran.out
        );
        let ran = poolctl(&["check", "--format", "json", "no/such/file.yaml", path], &[]);
        let json: Json = serde_json::from_str(&ran.out).expect("it prints JSON in any case");
        assert_eq!((&json["files"][0]["valid"], &json["files"][1]["errors"]), (&false.into(), &1.into()));
    });
}

#[test]
fn errors_beyond_those_that_are_listed_are_counted() {
    let keys: String = (0..1_200).map(|n| format!("  key_{n}: 1\n")).collect();
    let ran = check(&format!("connection_pool:\n{keys}"), &["--format", "json"]);
    let json: Json = serde_json::from_str(&ran.out).expect("it prints JSON");
    assert_eq!(json["files"][0]["errors"], 1_200);
    let ran = check(&format!("connection_pool:\n{keys}"), &[]);
    assert!(ran.out.ends_with("… and 200 more\n\nconnection_pool.yaml: invalid, 1200 errors\n"));
}

#[test]
fn the_shipped_configuration_is_valid_in_each_of_its_environments() {
    for environment in ["development", "production", "test"] {
        let ran = poolctl(&["check", "--lint", "--env", environment, "config/connection_pool.yaml"], &[]);
        assert_eq!(
            (ran.code, ran.out.as_str()),
            (0, "config/connection_pool.yaml: valid, 1 pool\n"),
            "{environment}"
        );
        let variables = [("POOL_ENV", environment)];
        assert_eq!(poolctl(&["check", "--lint", "config/connection_pool.yaml"], &variables).code, 0);
    }
    let ran = poolctl(&["check", "--env", "staging", "config/connection_pool.yaml"], &[]);
    assert_eq!(ran.code, 2);
    assert!(ran.out.contains("config/connection_pool.staging.yaml"), "{}", ran.out);
    let ran = poolctl(&["show", "--env", "staging", "config/connection_pool.yaml"], &[]);
    assert_eq!(ran.code, 2);
}

#[test]
fn the_schema_beside_the_example_is_the_one_that_is_printed() {
    let printed = poolctl(&["schema"], &[]).out;
    let shipped = fs::read_to_string(root().join("config/connection_pool.schema.json")).unwrap();
    assert!(printed == shipped, "run `cargo run -p poolctl -- schema > config/connection_pool.schema.json`");
}

#[test]
fn the_reference_is_the_one_that_is_printed() {
    let printed = poolctl(&["schema", "--format", "markdown"], &[]).out;
    let shipped = fs::read_to_string(root().join("docs/configuration.md")).unwrap();
    assert!(
        printed == shipped,
        "run `cargo run -p poolctl -- schema --format markdown > docs/configuration.md`"
    );
}

#[test]
fn a_difference_says_what_a_reload_would_do() {
    let old = "connection_pool: {pools: [{name: a, database: a, password: canary1}, {name: b, database: b}]}";
    let new = "connection_pool: {pools: [{name: a, database: a, password: canary2, max_connections: 4}], reload: {watch: 'off'}}";
    let ran = with_file(old, |old| with_file(new, |new| poolctl(&["diff", old, new], &[])));
    assert_eq!(ran.code, 0, "{}", ran.err);
    insta::assert_snapshot!(ran.out, @r#"
    pool "a" changed
      password: *** -> *** (drain)
      max_connections: 10 -> 4 (live)
    pool "b" removed
    reload.watch: "poll" -> "off" (restart)
    a reload would be refused: 1 of these changes need a restart
    "#);
    let json =
        with_file(old, |old| with_file(new, |new| poolctl(&["diff", "--format", "json", old, new], &[]).out));
    let json: Json = serde_json::from_str(&json).unwrap();
    assert_eq!(json["pools"][0]["keys"][1]["new"], "4");
    assert_eq!((&json["pools"][0]["class"], &json["needsRestart"]), (&"drain".into(), &true.into()));
    let same = with_file(old, |old| poolctl(&["diff", old, old], &[]));
    assert_eq!((same.code, same.out.as_str()), (0, "no difference\n"));
}

#[test]
fn an_invalid_file_cannot_be_compared_or_shown() {
    let ran = with_file(THREE_MISTAKES, |path| poolctl(&["show", path], &[]));
    assert_eq!((ran.code, ran.out.as_str()), (1, ""));
    assert!(ran.err.contains("3 problems"), "{}", ran.err);
}

#[test]
fn a_configuration_is_shown_as_it_is_understood() {
    let text = "connection_pool: {default_pool: {max_connections: 20}, pools: [{name: a, database: a, password: canary}]}";
    let variables = [("POOL__POOLS__a__MAX_USES", "7")];
    let (written, all) = with_file(text, |path| {
        let run = |more: &[&str]| {
            let ran = poolctl(&[&["show", path][..], more].concat(), &variables);
            assert_eq!((ran.code, ran.err.as_str()), (0, ""));
            ran.out.replace(path, "connection_pool.yaml")
        };
        (run(&["--origin"]), run(&["--resolved", "--origin", "--format", "json"]))
    });
    insta::assert_snapshot!(written, @r#"
    connection_pool:
      default_pool:
        max_connections: 20  # connection_pool.yaml:1:51
      pools:
        - name: "a"  # connection_pool.yaml:1:71
          database: "a"  # connection_pool.yaml:1:84
          password: "***"  # connection_pool.yaml:1:97
          max_uses: 7  # environment variable POOL__POOLS__a__MAX_USES
    "#);
    let all: Json = serde_json::from_str(&all).unwrap();
    let values = all["values"].as_array().unwrap();
    let value = |path: &str| values.iter().find(|value| value["path"] == path).unwrap_or(&Json::Null);
    let inherited = value(r#"pools["a"].max_connections"#);
    assert_eq!(
        (&inherited["value"], &inherited["origin"]),
        (&20.into(), &"connection_pool.yaml:1:51".into())
    );
    assert_eq!(value(r#"pools["a"].fail_fast"#)["origin"], "built in");
    assert!(!all.to_string().contains("canary"));
}

#[test]
fn completions_and_the_manual_name_every_command() {
    for shell in ["bash", "zsh", "fish"] {
        let ran = poolctl(&["completions", shell], &[]);
        assert_eq!(ran.code, 0);
        assert!(ran.out.contains("syntax-only"), "{shell}");
    }
    let manual = poolctl(&["man"], &[]).out;
    assert!(manual.starts_with(".ie"), "{}", &manual[..40]);
    for command in ["check", "schema", "diff", "show", "doctor", "health", "alerts", "metrics", "rules"] {
        assert!(manual.contains(command), "{command}");
    }
}

#[test]
fn colours_are_for_terminals_only() {
    assert!(!check(THREE_MISTAKES, &[]).out.contains('\u{1b}'));
}

#[test]
fn the_seed_is_valid_and_names_certificates_that_this_machine_does_not_have() {
    let seed = "pool-config/tests/fixtures/seed.yaml";
    assert_eq!(poolctl(&["check", "--syntax-only", seed], &[]).code, 0);
    let ran = poolctl(&["check", seed], &[]);
    assert_eq!(ran.code, 1);
    insta::assert_snapshot!(ran.out);
}

#[test]
fn a_warning_about_the_surroundings_is_one_for_lint() {
    let folder = tempfile::tempdir().unwrap();
    let secret = folder.path().join("secret");
    fs::write(&secret, "canary").unwrap();
    let text = format!(
        "connection_pool: {{pools: [{{name: a, database: a, password_file: {}}}]}}",
        secret.display()
    );
    let ran = check(&text, &["--lint"]);
    assert_eq!(ran.code, 3, "{}", ran.out);
    assert!(ran.out.contains("everybody on this machine can read (mode 644)"), "{}", ran.out);
    assert!(!ran.out.contains("canary"), "{}", ran.out);
    assert_eq!(check(&text, &[]).code, 0);
    assert_eq!(check(&text, &["--lint", "--syntax-only"]).code, 0);
}

/// The output of `doctor`, with the file named without its folder and times left out.
fn doctor(text: &str, more: &[&str]) -> Ran {
    with_file(text, |path| {
        let mut ran = poolctl(&[&["doctor", path][..], more].concat(), &[]);
        ran.out = ran.out.replace(path, "connection_pool.yaml");
        ran
    })
}

const WELL: &str = "connection_pool: {pools: [{name: orders, driver: sqlite, database: ':memory:'}]}";

/// Port 1 of this machine: nobody listens there.
const REFUSED: &str = "connection_pool:
  pools:
    - {name: orders, driver: sqlite, database: ':memory:'}
    - {name: stock, host: 127.0.0.1, port: 1, database: stock, user: app, password: canary}
";

#[test]
fn the_doctor_tells_pool_by_pool_what_is_wrong_and_what_helps() {
    let ran = doctor(REFUSED, &[]);
    assert_eq!((ran.code, ran.err.as_str()), (1, ""), "no progress where nobody watches");
    let lines: Vec<_> = ran.out.lines().map(without_times).collect();
    insta::assert_snapshot!(lines.join("\n"));
}

/// Times and versions differ from run to run: the number before `ms`, and the one after the name of a server.
fn without_times(line: &str) -> String {
    let words: Vec<_> = line.split(' ').collect();
    let differs =
        |index: usize| words.get(index + 1) == Some(&"ms") || (index > 0 && words[index - 1] == "SQLite");
    let shown: Vec<_> =
        (0..words.len()).map(|index| if differs(index) { "[…]" } else { words[index] }).collect();
    shown.join(" ")
}

#[test]
fn the_exit_code_of_the_doctor_tells_well_failed_usage_and_warnings_apart() {
    let ran = doctor(WELL, &["--lint"]);
    assert_eq!(ran.code, 0, "{}", ran.out);
    assert!(ran.out.ends_with("connection_pool.yaml: 1 pool, 1 ok\n"), "{}", ran.out);
    assert_eq!(doctor(REFUSED, &["--timeout", "2s"]).code, 1);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("orders.db");
    let new =
        format!("connection_pool: {{pools: [{{name: a, driver: sqlite, database: {}}}]}}", file.display());
    assert_eq!(doctor(&new, &[]).code, 0);
    let ran = doctor(&new, &["--lint"]);
    assert_eq!(ran.code, 3, "{}", ran.out);
    assert!(!file.exists());
    assert_eq!(doctor(THREE_MISTAKES, &[]).code, 1);
    assert_eq!(doctor(WELL, &["--timeout", "soon"]).code, 2);
    assert_eq!(poolctl(&["doctor", "no/such/file.yaml"], &[]).code, 2);
    let ran = doctor("connection_pool: {enabled: false}", &[]);
    assert_eq!((ran.code, ran.out.as_str()), (0, "connection_pool.yaml: 0 pools\n"));
}

#[test]
fn what_the_doctor_finds_can_be_read_by_programs() {
    let ran = doctor(REFUSED, &["--format", "json"]);
    assert_eq!(ran.code, 1);
    assert!(!ran.out.contains("canary"), "{}", ran.out);
    let mut json: Json = serde_json::from_str(&ran.out).unwrap();
    assert_eq!((&json["status"], &json["environment"]), (&"failed".into(), &Json::Null));
    assert!(json["tookMs"].as_f64().unwrap() > 0.0);
    let well = &json["pools"][0];
    assert_eq!((&well["name"], &well["status"]), (&"orders".into(), &"ok".into()));
    assert!(well["roundTripMs"].as_f64().unwrap() > 0.0);
    assert!(well["server"].as_str().unwrap().starts_with("SQLite 3."));
    let mut failed = json["pools"][1].take();
    failed["tookMs"].take();
    insta::assert_snapshot!(format!("{failed:#}"), @r#"
    {
      "driver": "postgres",
      "findings": [
        {
          "check": "reachable",
          "cure": "start the server, or correct `host` and `port`; it must listen on this address",
          "status": "failed",
          "text": "nobody listens there (connection refused)"
        }
      ],
      "name": "stock",
      "roundTripMs": null,
      "server": null,
      "status": "failed",
      "target": "postgres://app@127.0.0.1:1/stock",
      "tookMs": null
    }
    "#);
}

/// A pool that works, and one of a server that is not there.
fn one_of_two(port: u16) -> String {
    format!(
        "connection_pool:
  default_pool: {{min_connections: 0, connection_timeout_ms: 2000, validation_timeout_ms: 1000}}
  pools:
    - {{name: embedded, driver: sqlite, database: ':memory:'}}
    - {{name: cache, driver: redis, host: 127.0.0.1, port: {port}, password: canary}}
"
    )
}

/// A port on which nobody listens.
fn free_port() -> u16 {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("there is a free port");
    listener.local_addr().expect("it is bound").port()
}

fn health(text: &str, more: &[&str]) -> Ran {
    with_file(text, |path| {
        let mut ran = poolctl(&[&["health", path][..], more].concat(), &[]);
        ran.out = ran.out.replace(path, "connection_pool.yaml");
        ran
    })
}

/// The lines of a table, with a space between two columns and `TIME` for what differs from run to run.
fn table_without_times(table: &str) -> String {
    let word = |word: &str| {
        let number = word.trim_end_matches(|c: char| c.is_ascii_alphabetic() || c == 'µ');
        let is_time = number.len() < word.len() && number.parse::<f64>().is_ok();
        if is_time { "TIME".to_owned() } else { word.to_owned() }
    };
    let line = |line: &str| line.split_whitespace().map(word).collect::<Vec<_>>().join(" ") + "\n";
    table.lines().map(line).collect()
}

#[test]
fn health_tells_of_each_pool_how_it_is_and_why() {
    let port = free_port();
    let ran = health(&one_of_two(port), &[]);
    assert_eq!((ran.code, ran.err.as_str()), (1, ""));
    insta::assert_snapshot!(table_without_times(&ran.out).replace(&port.to_string(), "PORT"));
}

#[test]
fn health_asks_nothing_of_those_who_are_told_of_alerts() {
    let receiver =
        "monitoring: {alerts: {receivers: [{name: chat, type: webhook, url_file: /there/is/none}]}}";
    let file = format!(
        "connection_pool:\n  pools: [{{name: here, driver: sqlite, database: ':memory:'}}]\n  {receiver}\n"
    );
    let ran = health(&file, &[]);
    assert_eq!((ran.code, ran.err.as_str()), (0, ""), "{}", ran.out);
}

#[test]
fn health_can_be_read_by_programs() {
    let port = free_port();
    let ran = health(&one_of_two(port), &["--format", "json", "--for", "50ms"]);
    assert_eq!(ran.code, 1);
    assert!(!ran.out.contains("canary"), "{}", ran.out);
    let mut json: Json = serde_json::from_str(&ran.out).unwrap();
    assert!(json["watchedMs"].take().as_f64().is_some_and(|watched| watched >= 50.0));
    let change = &mut json["changes"][0];
    assert!(change["afterMs"].take().is_number(), "{change}");
    let pools = json["pools"].as_array_mut().expect("there are two");
    for pool in pools {
        for (key, value) in pool.as_object_mut().expect("it is one") {
            if key.ends_with("Ms")
                || ["checks", "failedChecks", "consecutiveFailures"].contains(&key.as_str())
            {
                assert!(value.is_number() || value.is_null(), "{key}: {value}");
                *value = "some number".into();
            }
        }
    }
    insta::assert_snapshot!(format!("{json:#}").replace(&port.to_string(), "PORT"));
}

/// A service that answers `WELL` requests, then breaks the connections of `BROKEN`, and then answers again.
#[cfg(unix)]
mod service {
    use std::io::{BufRead as _, BufReader, Write as _};
    use std::net::{TcpListener, TcpStream};
    use std::sync::atomic::{AtomicU32, Ordering};
    use std::sync::{Arc, mpsc};

    const WELL: u32 = 5;
    const BROKEN: u32 = 12;

    /// Starts it on a port of its own. It tells when it has answered so often again that everybody must have noticed.
    pub(super) fn start() -> (u16, mpsc::Receiver<()>) {
        let listener = TcpListener::bind("127.0.0.1:0").expect("there is a free port");
        let port = listener.local_addr().expect("it is bound").port();
        let (asked, (tell, told)) = (Arc::new(AtomicU32::new(0)), mpsc::channel());
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (asked, tell) = (Arc::clone(&asked), tell.clone());
                std::thread::spawn(move || serve(&stream, &asked, &tell));
            }
        });
        (port, told)
    }

    fn serve(mut stream: &TcpStream, asked: &AtomicU32, tell: &mpsc::Sender<()>) {
        let mut lines = BufReader::new(stream).lines().map_while(Result::ok);
        while lines.by_ref().any(|line| line.is_empty()) {
            let number = asked.fetch_add(1, Ordering::SeqCst);
            if (WELL..WELL + BROKEN).contains(&number) {
                return;
            }
            if number == WELL + BROKEN + 50 {
                tell.send(()).expect("the test waits for it");
            }
            if stream.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").is_err() {
                return;
            }
        }
    }
}

/// Watches the service until it is well again, and then interrupts.
#[cfg(unix)]
fn watched_while_it_was_lost(more: &[&str]) -> Ran {
    use rustix::process::{Pid, Signal, kill_process};

    let (port, well_again) = service::start();
    let text = format!(
        "connection_pool:
  health_monitoring: {{fast_interval_ms: 5, unhealthy_threshold: 1, healthy_threshold: 1, slow_check_ms: 5000}}
  pools:
    - {{name: api, driver: http, host: 127.0.0.1, port: {port}, health_path: /health}}
"
    );
    with_file(&text, |path| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_poolctl"));
        command.args(["health", path, "--for", "60m"]).args(more).env_clear();
        command.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped());
        let child = command.spawn().expect("the program is built before its tests");
        let is_well_again = well_again.recv_timeout(std::time::Duration::from_secs(60));
        let id = i32::try_from(child.id()).ok().and_then(Pid::from_raw).expect("it is one of a process");
        kill_process(id, Signal::INT).expect("it runs");
        let output = child.wait_with_output().expect("it ends");
        is_well_again.unwrap_or_else(|_| panic!("it is asked again and again: {output:?}"));
        let out = String::from_utf8_lossy(&output.stdout).replace(&port.to_string(), "PORT");
        let err = String::from_utf8_lossy(&output.stderr).into_owned();
        Ran { code: output.status.code().unwrap_or(-1), out, err }
    })
}

#[cfg(unix)]
#[test]
fn health_tells_what_was_lost_and_found_meanwhile() {
    let ran = watched_while_it_was_lost(&["--format", "json"]);
    assert_eq!((ran.code, ran.err.as_str()), (1, ""), "{}", ran.out);
    let json: Json = serde_json::from_str(&ran.out).unwrap();
    assert_eq!(json["pools"][0]["status"], "healthy", "in the end: {json:#}");
    assert_eq!(json["unhealthyMeanwhile"], serde_json::json!(["api"]));
    let changes = json["changes"].as_array().expect("they are a list");
    let statuses: Vec<_> = changes.iter().map(|change| [&change["from"], &change["to"]]).collect();
    assert!(statuses.len() >= 2, "{json:#}");
    assert_eq!((statuses[0][0], statuses[statuses.len() - 1][1]), (&"healthy".into(), &"healthy".into()));
    assert!(
        statuses.windows(2).all(|two| two[0][1] == two[1][0]),
        "each begins where the last one ended: {json:#}"
    );
    let lost = changes.iter().find(|change| change["to"] == "unhealthy").expect("it was lost");
    assert!(!lost["issues"].as_array().expect("they are a list").is_empty(), "with the reason: {json:#}");
    let times: Vec<_> = changes.iter().map(|change| change["afterMs"].as_f64().expect("a time")).collect();
    assert!(times.is_sorted() && times[0] > 0.0 && times[0] < json["watchedMs"].as_f64().expect("a time"));
}

#[cfg(unix)]
#[test]
fn health_lists_what_was_lost_in_a_table_of_its_own() {
    let ran = watched_while_it_was_lost(&[]);
    assert_eq!((ran.code, ran.err.as_str()), (1, ""), "{}", ran.out);
    let table = table_without_times(&ran.out);
    assert!(table.contains("\n\nAFTER POOL FROM TO REASON\nTIME api healthy "), "{table}");
    assert!(table.contains(" unhealthy "), "{table}");
    assert!(table.ends_with(": 1 pool, 1 healthy; unhealthy meanwhile: api\n"), "{table}");
}

#[test]
fn health_opens_one_connection_of_each_pool() {
    let sqlite = "connection_pool: {pools: [{name: embedded, driver: sqlite, database: ':memory:',
        min_connections: 5, min_idle: 3, max_connections: 7}]}";
    let ran = health(sqlite, &["--format", "json", "--for", "50ms"]);
    let json: Json = serde_json::from_str(&ran.out).unwrap();
    assert_eq!((&json["pools"][0]["open"], &json["pools"][0]["max"]), (&1.into(), &7.into()), "{json:#}");
}

#[test]
fn health_says_what_it_does_not_watch_and_what_a_service_would_not() {
    let pool = "driver: sqlite, database: ':memory:'";
    let files = [
        "pools: []".to_owned(),
        format!("enabled: false, pools: [{{name: a, {pool}}}]"),
        format!("pools: [{{name: a, enabled: false, {pool}}}]"),
        format!("pools: [{{name: a, enabled: false, {pool}}}, {{name: b, {pool}}}]"),
        format!("health_monitoring: {{enabled: false}}, pools: [{{name: b, {pool}}}]"),
    ];
    let mut said = String::new();
    for sections in files {
        let ran = health(&format!("connection_pool: {{{sections}}}"), &[]);
        let notes: Vec<_> = ran
            .out
            .lines()
            .filter(|line| line.contains("connection_pool.yaml:") || line.starts_with("note: "))
            .collect();
        said += &format!("{sections}\n  {} {}\n", ran.code, notes.join("\n  "));
    }
    insta::assert_snapshot!(said, @r"
    pools: []
      0 connection_pool.yaml: 0 pools
      note: nothing is watched: the file describes no pool
    enabled: false, pools: [{name: a, driver: sqlite, database: ':memory:'}]
      0 connection_pool.yaml: 0 pools
      note: nothing is watched: `enabled: false` switches all pools off
    pools: [{name: a, enabled: false, driver: sqlite, database: ':memory:'}]
      0 connection_pool.yaml: 0 pools
      note: nothing is watched: `enabled: false` switches each pool off
    pools: [{name: a, enabled: false, driver: sqlite, database: ':memory:'}, {name: b, driver: sqlite, database: ':memory:'}]
      0 connection_pool.yaml: 1 pool, 1 healthy
      note: not watched, because of `enabled: false`: a
    health_monitoring: {enabled: false}, pools: [{name: b, driver: sqlite, database: ':memory:'}]
      0 connection_pool.yaml: 1 pool, 1 healthy
      note: a service with this file does not watch by itself: `health_monitoring.enabled` is false
    ");
    let none = "connection_pool: {pools: []}";
    assert_eq!(health(none, &["--lint"]).code, 3);
    assert_eq!(health(none, &["--for", "60m"]).code, 0, "at once: nobody waits for nothing");
    let json: Json = serde_json::from_str(&health(none, &["--format", "json"]).out).unwrap();
    assert_eq!(json["notes"], serde_json::json!(["nothing is watched: the file describes no pool"]));
}

#[test]
fn health_is_well_when_all_pools_are() {
    let sqlite = "connection_pool: {pools: [{name: embedded, driver: sqlite, database: ':memory:'}]}";
    assert_eq!(health(sqlite, &[]).code, 0);
    assert_eq!(health(sqlite, &["--lint", "--for", "20ms"]).code, 0);
    assert_eq!(health("connection_pool: {enabled: maybe}", &[]).code, 1);
    assert_eq!(poolctl(&["health", "--config", "no/such/file.yaml"], &[]).code, 2);
    assert_eq!(poolctl(&["health"], &[]).code, 2);
}

/// A pool with a database that is there, and one whose folder is not.
fn watched(folder: &Path, keys: &str) -> String {
    let there = folder.join("a.db").display().to_string();
    format!(
        "connection_pool:\n  health_monitoring: {{unhealthy_threshold: 1}}\n  monitoring: {{{keys}}}\n  pools:\n    \
         - {{name: here, driver: sqlite, database: '{there}', min_connections: 1, max_connections: 2}}\n    \
         - {{name: lost, driver: sqlite, database: /nowhere/b.db, min_connections: 1, connection_timeout_ms: 200}}\n"
    )
}

fn in_a_folder<T>(keys: &str, run: impl FnOnce(&str) -> T) -> T {
    let folder = tempfile::tempdir().expect("there is room for temporary files");
    with_file(&watched(folder.path(), keys), run)
}

#[test]
fn alerts_lists_what_fires_and_exits_by_the_worst_of_it() {
    let (table, json) = in_a_folder("", |path| {
        let run = |format: &str| poolctl(&["alerts", path, "--for", "1s", "--format", format], &[]);
        (run("table"), run("json"))
    });
    assert_eq!((table.code, table.err.as_str()), (1, ""), "{}", table.out);
    assert!(table.out.contains("PoolTargetDown") && table.out.contains("critical"), "{}", table.out);
    assert!(!table.out.contains("\nhere"), "{}", table.out);
    assert_eq!(json.code, 1);
    let document: Json = serde_json::from_str(&json.out).expect("it is JSON");
    let alerts = document["alerts"].as_array().expect("a list");
    assert!(alerts.iter().any(|alert| alert["alertname"] == "PoolTargetDown" && alert["pool"] == "lost"));
    assert!(
        alerts.iter().all(|alert| alert["state"] == "firing" || alert["state"] == "recovering"),
        "{}",
        json.out
    );
}

#[test]
fn alerts_that_are_switched_off_do_not_fire_and_receivers_are_not_told() {
    let keys = "enable_alerts: false, alerts: {receivers: [{name: hook, type: webhook, url: 'http://127.0.0.1:1/canary'}]}";
    let ran = in_a_folder(keys, |path| poolctl(&["alerts", path, "--for", "500ms", "--all"], &[]));
    assert_eq!((ran.code, ran.err.as_str()), (0, ENABLE_ALERTS), "{}", ran.out);
    assert!(ran.out.ends_with(": 0 alerts\n"), "{}", ran.out);
}

const ENABLE_ALERTS: &str = "note: no alert is raised: `monitoring.enable_alerts` is false\n";

#[test]
fn what_raises_no_alert_or_would_raise_none_in_a_service_is_noted() {
    let pool = "driver: sqlite, database: ':memory:'";
    let files = [
        "pools: []".to_owned(),
        format!("enabled: false, pools: [{{name: a, {pool}}}]"),
        format!("pools: [{{name: a, enabled: false, {pool}}}, {{name: b, {pool}}}]"),
        format!("monitoring: {{enabled: false}}, pools: [{{name: a, {pool}}}]"),
        format!("monitoring: {{enabled: false, enable_alerts: false}}, pools: [{{name: a, {pool}}}]"),
        format!("health_monitoring: {{enabled: false}}, pools: [{{name: a, {pool}}}]"),
    ];
    let mut said = String::new();
    for sections in files {
        let file = format!("connection_pool: {{{sections}}}");
        said += &format!("{sections}\n");
        for command in ["alerts", "metrics", "rules"] {
            let enough: &[&str] = if command == "rules" { &[] } else { &["--for", "20ms"] };
            let ran = with_file(&file, |path| poolctl(&[&[command, path], enough].concat(), &[]));
            assert!(ran.code == 0 && !ran.out.contains("note: "), "{command}: {} {}", ran.code, ran.out);
            for note in ran.err.lines() {
                said += &format!("  {command}: {note}\n");
            }
        }
    }
    insta::assert_snapshot!(said, @"
    pools: []
      alerts: note: nothing is watched: the file describes no pool
      metrics: note: nothing is watched: the file describes no pool
    enabled: false, pools: [{name: a, driver: sqlite, database: ':memory:'}]
      alerts: note: nothing is watched: `enabled: false` switches all pools off
      metrics: note: nothing is watched: `enabled: false` switches all pools off
    pools: [{name: a, enabled: false, driver: sqlite, database: ':memory:'}, {name: b, driver: sqlite, database: ':memory:'}]
      alerts: note: not watched, because of `enabled: false`: a
      metrics: note: not watched, because of `enabled: false`: a
    monitoring: {enabled: false}, pools: [{name: a, driver: sqlite, database: ':memory:'}]
      alerts: note: a service with this file raises no alerts: `monitoring.enabled` is false
      metrics: note: a service with this file measures nothing: `monitoring.enabled` is false
      rules: note: a service with this file does not judge by these rules: `monitoring.enabled` is false
    monitoring: {enabled: false, enable_alerts: false}, pools: [{name: a, driver: sqlite, database: ':memory:'}]
      alerts: note: no alert is raised: `monitoring.enable_alerts` is false
      metrics: note: a service with this file measures nothing: `monitoring.enabled` is false
      rules: note: there are no rules: `monitoring.enable_alerts` is false
    health_monitoring: {enabled: false}, pools: [{name: a, driver: sqlite, database: ':memory:'}]
      alerts: note: a service with this file checks no targets: `health_monitoring.enabled` is false
    ");
    let none = "connection_pool: {pools: []}";
    let json =
        with_file(none, |path| poolctl(&["alerts", path, "--for", "60m", "--format", "json"], &[]).out);
    let json: Json = serde_json::from_str(&json).expect("it is JSON, at once: nobody waits for nothing");
    assert_eq!(json["notes"], serde_json::json!(["nothing is watched: the file describes no pool"]));
    let ran = with_file(none, |path| poolctl(&["metrics", path, "--for", "60m"], &[]));
    assert_eq!(ran.code, 0, "at once, too");
}

#[test]
fn a_warning_alone_is_told_by_lint() {
    let keys = "alerts: {rules: [{name: Idle, metric: idle, comparison: '>=', threshold: 0, pools: [here]},
        {name: PoolTargetDown, enabled: false}, {name: PoolNoConnections, enabled: false},
        {name: PoolConnectFailures, enabled: false}, {name: PoolErrorRateHigh, enabled: false}]}";
    let (plain, lint) = in_a_folder(keys, |path| {
        let run = |more: &[&str]| poolctl(&[&["alerts", path, "--for", "500ms"][..], more].concat(), &[]);
        (run(&[]), run(&["--lint", "--watch"]))
    });
    assert_eq!(plain.code, 0, "{}", plain.out);
    assert_eq!(lint.code, 3, "{}", lint.out);
    assert!(lint.out.starts_with("firing warning Idle: here: idle is "), "{}", lint.out);
}

#[test]
fn metrics_prints_what_a_prometheus_would_be_told() {
    let ran = in_a_folder("", |path| poolctl(&["metrics", path, "--for", "500ms"], &[]));
    assert_eq!((ran.code, ran.err.as_str()), (0, ""), "{}", ran.out);
    assert!(
        ran.out.contains("db_client_connection_max{db_client_connection_pool_name=\"here\"} 2"),
        "{}",
        ran.out
    );
    assert!(ran.out.contains("pool_target_down{pool=\"lost\"} 1"), "{}", ran.out);
}

#[test]
fn rules_prints_the_rules_of_the_file_for_a_prometheus() {
    let keys = "collection_interval_ms: 5000, alerts: {rules: [{name: Slow, metric: wait_p99, threshold: 0.5}, {name: PoolExhausted, enabled: false}]}";
    let ran = in_a_folder(keys, |path| poolctl(&["rules", path], &[]));
    assert_eq!((ran.code, ran.err.as_str()), (0, ""), "{}", ran.out);
    assert!(
        ran.out.contains("Slow") && ran.out.contains("PoolTargetDown") && !ran.out.contains("PoolExhausted"),
        "{}",
        ran.out
    );
    let requests = |out: &str| out.contains("pool_requests_total[1m]") && !out.contains("[2m]");
    assert!(requests(&ran.out), "{}", ran.out);
    let ran = in_a_folder("collection_interval_ms: 30000", |path| poolctl(&["rules", path], &[]));
    assert!(ran.out.contains("pool_requests_total[2m]"), "four samples: {}", ran.out);
}
