//! What is found around a configuration, with certificates made for it.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::time::{Duration, SystemTime};

use pool_config::{Loader, Problem, Severity};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair, date_time_ymd};
use tempfile::TempDir;

use super::surroundings;

/// The certificates below are valid from January to December of it.
const YEAR: i32 = 2030;
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// The first of July of that year.
fn summer() -> SystemTime {
    SystemTime::UNIX_EPOCH + DAY * 22_096
}

/// A folder with an authority, and a certificate and key of it.
fn folder() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let params = |is_ca| {
        let mut params = CertificateParams::new(vec!["orders.test".to_owned()]).unwrap();
        params.is_ca = is_ca;
        params.not_before = date_time_ymd(YEAR, 1, 1);
        params.not_after = date_time_ymd(YEAR, 12, 1);
        params
    };
    let key = KeyPair::generate().unwrap();
    let authority = params(IsCa::Ca(BasicConstraints::Unconstrained));
    let ca = authority.self_signed(&key).unwrap();
    let issuer = Issuer::new(authority, key);
    let client_key = KeyPair::generate().unwrap();
    let client = params(IsCa::NoCa).signed_by(&client_key, &issuer).unwrap();
    put(folder.path(), "ca.pem", &ca.pem());
    put(folder.path(), "client.pem", &client.pem());
    put(folder.path(), "client.key", &client_key.serialize_pem());
    put(folder.path(), "other.key", &KeyPair::generate().unwrap().serialize_pem());
    folder
}

fn put(folder: &Path, name: &str, content: &str) {
    let file = folder.join(name);
    fs::write(&file, content).unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
}

/// The problems around a configuration whose paths begin at `$DIR`.
fn look(folder: &TempDir, text: &str, now: SystemTime) -> Vec<Problem> {
    let text = text.replace("$DIR", folder.path().to_str().unwrap());
    let loaded = Loader::without_variables().load_text(&text, "connection_pool.yaml");
    surroundings(&loaded.unwrap_or_else(|error| panic!("failed to {error}")), now)
}

/// The same, one line for each.
fn found(folder: &TempDir, text: &str, now: SystemTime) -> Vec<String> {
    let problems = look(folder, text, now);
    let line = |problem: &Problem| {
        let Problem { severity, line, path, found, .. } = problem;
        format!("{line} {severity} {path}: {found}").replace(folder.path().to_str().unwrap(), "$DIR")
    };
    problems.iter().map(line).collect()
}

const TLS: &str = "connection_pool:
  security:
    ssl:
      enabled: true
      ca_certificate: $DIR/ca.pem
      client_certificate: $DIR/client.pem
      client_key: $DIR/client.key
  pools:
    - {name: a, database: a}
    - {name: b, database: b}
";

#[test]
fn what_is_in_order_is_passed_over() {
    let folder = folder();
    put(folder.path(), "secret", "canary\n");
    let text = format!(
        "{TLS}    - {{name: c, driver: sqlite, database: $DIR/c.db}}
    - {{name: d, database: d, password_file: $DIR/secret}}
    - {{name: e, database: e, password_command: [sh, -c, echo canary]}}
  monitoring: {{audit_log: {{path: $DIR/audit.jsonl}}}}
"
    );
    assert_eq!(found(&folder, &text, summer()), [""; 0]);
}

#[test]
fn files_that_are_missing_are_each_named_where_they_are_written_and_once() {
    let empty = tempfile::tempdir().unwrap();
    assert_eq!(
        found(&empty, TLS, summer()),
        [
            "5 error security.ssl.ca_certificate: `$DIR/ca.pem`, which does not exist",
            "6 error security.ssl.client_certificate: `$DIR/client.pem`, which does not exist",
            "7 error security.ssl.client_key: `$DIR/client.key`, which does not exist",
        ]
    );
    let off = TLS.replace("enabled: true", "enabled: false");
    assert_eq!(found(&empty, &off, summer()), [""; 0], "nobody reads them");
    let by_one = off.replace("{name: b, database: b}", "{name: b, database: b, ssl: {enabled: true}}");
    assert_eq!(found(&empty, &by_one, summer()).len(), 3, "one pool does");
    let unused =
        TLS.replace("name: a,", "name: a, enabled: false,").replace("name: b,", "name: b, enabled: false,");
    assert_eq!(found(&empty, &unused, summer()).len(), 3, "the section says that they are in use");
}

#[test]
fn a_pool_with_files_of_its_own_is_looked_at_for_itself() {
    let folder = folder();
    let text =
        TLS.replace("{name: b, database: b}", "{name: b, database: b, ssl: {ca_certificate: $DIR/none.pem}}");
    assert_eq!(
        found(&folder, &text, summer()),
        ["10 error pools[\"b\"].ssl.ca_certificate: `$DIR/none.pem`, which does not exist"]
    );
}

#[test]
fn files_that_hold_something_else_are_told_apart() {
    let folder = folder();
    put(folder.path(), "text", "hello\n");
    for (file, instead, problem) in [
        ("ca.pem", "text", "5 error security.ssl.ca_certificate: `$DIR/text`: no certificate is in it"),
        (
            "client.pem",
            "text",
            "6 error security.ssl.client_certificate: `$DIR/text`: no certificate is in it",
        ),
        (
            "client.key",
            "text",
            "7 error security.ssl.client_key: `$DIR/text`: no private key is in it, or it is encrypted",
        ),
        (
            "client.key",
            "other.key",
            "7 error security.ssl.client_key: `$DIR/other.key`: the key does not belong to the client certificate",
        ),
        ("ca.pem", "", "5 error security.ssl.ca_certificate: `$DIR/`, which is a folder"),
    ] {
        let text = TLS.replace(&format!("$DIR/{file}"), &format!("$DIR/{instead}"));
        assert_eq!(found(&folder, &text, summer()), [problem], "{file}");
    }
}

#[test]
fn certificates_are_judged_by_the_time() {
    let folder = folder();
    let both = |severity: &str, what: &str| {
        vec![
            format!("5 {severity} security.ssl.ca_certificate: `$DIR/ca.pem`, which {what}"),
            format!("6 {severity} security.ssl.client_certificate: `$DIR/client.pem`, which {what}"),
        ]
    };
    let at = |days: u32| found(&folder, TLS, SystemTime::UNIX_EPOCH + DAY * days);
    // 2030-01-01 is day 21915, 2030-12-01 is day 22249.
    assert_eq!(at(21_914), both("error", "is not valid before 2030-01-01"));
    assert_eq!(at(21_916), [""; 0]);
    assert_eq!(at(22_234), [""; 0]);
    assert_eq!(at(22_236), both("warning", "expires on 2030-12-01"));
    assert_eq!(at(22_250), both("error", "has expired on 2030-12-01"));
}

#[test]
fn a_bundle_of_authorities_is_as_good_as_the_best_of_them() {
    let folder = folder();
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    (params.not_before, params.not_after) = (date_time_ymd(2020, 1, 1), date_time_ymd(2021, 1, 1));
    let old = params.self_signed(&KeyPair::generate().unwrap()).unwrap().pem();
    let new = fs::read_to_string(folder.path().join("ca.pem")).unwrap();
    put(folder.path(), "ca.pem", &format!("{old}{new}"));
    assert_eq!(found(&folder, TLS, summer()), [""; 0]);
    put(folder.path(), "ca.pem", &old);
    assert_eq!(
        found(&folder, TLS, summer()),
        ["5 error security.ssl.ca_certificate: `$DIR/ca.pem`, which has expired on 2021-01-01"]
    );
}

#[test]
fn what_everybody_can_read_is_no_secret() {
    let folder = folder();
    put(folder.path(), "secret", "canary");
    for file in ["secret", "client.key"] {
        fs::set_permissions(folder.path().join(file), fs::Permissions::from_mode(0o644)).unwrap();
    }
    let text = format!("{TLS}    - {{name: c, database: c, password_file: $DIR/secret}}\n");
    assert_eq!(
        found(&folder, &text, summer()),
        [
            "7 warning security.ssl.client_key: `$DIR/client.key`, which everybody on this machine can read (mode 644)",
            "11 warning pools[\"c\"].password_file: `$DIR/secret`, which everybody on this machine can read (mode 644)",
        ]
    );
}

#[test]
fn secrets_that_cannot_be_had_are_told() {
    let folder = folder();
    put(folder.path(), "empty", " \n");
    let text = "connection_pool:
  pools:
    - {name: a, database: a, password_file: $DIR/none}
    - {name: b, database: b, password_file: $DIR/empty}
    - {name: c, database: c, password_env: POOLCTL_TEST_NO_SUCH_VARIABLE}
    - {name: d, database: d, password_command: [$DIR/none, --canary]}
    - {name: e, database: e, password_command: [no-such-program-of-poolctl]}
    - {name: f, database: f, password_command: [$DIR/empty]}
    - {name: g, database: g, password_file: $DIR/none, enabled: false}
    - name: h
      database: h
      ssl: {enabled: true}
      authentication: {method: oauth2, oauth2: {token_url: 'https://a.test/', client_id: a, client_secret_file: $DIR/none}}
";
    assert_eq!(
        found(&folder, text, summer()),
        [
            "3 error pools[\"a\"].password_file: `$DIR/none`, which does not exist",
            "4 error pools[\"b\"].password_file: `$DIR/empty`, which is empty",
            "5 error pools[\"c\"].password_env: `POOLCTL_TEST_NO_SUCH_VARIABLE`, which is not set",
            "6 error pools[\"d\"].password_command: `$DIR/none`, which cannot be found",
            "7 error pools[\"e\"].password_command: `no-such-program-of-poolctl`, which cannot be found",
            "8 error pools[\"f\"].password_command: `$DIR/empty`, which this user cannot run",
            "13 error pools[\"h\"].authentication.oauth2.client_secret_file: `$DIR/none`, which does not exist",
        ]
    );
}

#[test]
fn places_to_write_must_be_there() {
    let folder = folder();
    put(folder.path(), "file", "");
    let text = "connection_pool:
  monitoring: {audit_log: {path: $DIR/none/audit.jsonl}}
  pools:
    - {name: a, driver: sqlite, database: $DIR/none/a.db}
    - {name: b, driver: sqlite, database: $DIR/file/b.db}
    - {name: c, driver: sqlite, database: $DIR}
    - {name: d, driver: sqlite, url: 'sqlite://$DIR/none.db?mode=ro'}
    - {name: e, driver: sqlite, database: ':memory:'}
    - {name: f, driver: sqlite, url: 'sqlite://$DIR/none/f.db?mode=rwc'}
";
    assert_eq!(
        found(&folder, text, summer()),
        [
            "2 error monitoring.audit_log.path: `$DIR/none/audit.jsonl`, whose folder does not exist",
            "4 error pools[\"a\"].database: `$DIR/none/a.db`, whose folder does not exist",
            "5 error pools[\"b\"].database: `$DIR/file/b.db`, whose folder is a file",
            "6 error pools[\"c\"].database: `$DIR`, which is a folder",
            "7 error pools[\"d\"].url: `$DIR/none.db`, which does not exist",
            "9 error pools[\"f\"].url: `$DIR/none/f.db`, whose folder does not exist",
        ]
    );
}

#[test]
fn what_alerts_need_is_looked_at_and_no_url_is_shown() {
    let folder = folder();
    for (name, content) in [("hook", "https://chat.test/canary\n"), ("open", "http://chat.test/canary")] {
        put(folder.path(), name, content);
    }
    for (name, content) in [("empty", ""), ("text", "the hook of canary"), ("file", "")] {
        put(folder.path(), name, content);
    }
    fs::set_permissions(folder.path().join("open"), fs::Permissions::from_mode(0o644)).unwrap();
    let text = "connection_pool:
  monitoring:
    alerts:
      state_file: $DIR/none/alerts.json
      receivers:
        - {name: well, type: webhook, url_file: $DIR/hook}
        - {name: none, type: webhook, url_file: $DIR/none}
        - {name: folder, type: alertmanager, url_file: $DIR}
        - {name: empty, type: alertmanager, url_file: $DIR/empty}
        - {name: text, type: webhook, url_file: $DIR/text}
        - {name: open, type: webhook, url_file: $DIR/open}
";
    let lost = |name: &str| format!("monitoring.alerts.receivers[{name:?}].url_file: `$DIR");
    let expected = vec![
        "4 error monitoring.alerts.state_file: `$DIR/none/alerts.json`, whose folder does not exist"
            .to_owned(),
        format!("7 error {}/none`, which does not exist", lost("none")),
        format!("8 error {}`, which is a folder", lost("folder")),
        format!("9 error {}/empty`, which holds no URL of a receiver: it is not a URL", lost("empty")),
        format!("10 error {}/text`, which holds no URL of a receiver: it is not a URL", lost("text")),
        format!("11 warning {}/open`, which everybody on this machine can read (mode 644)", lost("open")),
    ];
    assert_eq!(found(&folder, text, summer()), expected);
    for problem in look(&folder, text, summer()) {
        let text = problem.to_string();
        assert!(text.contains("help: ") && text.contains("^^^") && !text.contains("canary"), "{text}");
    }

    let in_order =
        "connection_pool: {monitoring: {enable_alerts: false, alerts: {state_file: $DIR/alerts.json,
        receivers: [{name: well, type: webhook, url_file: $DIR/hook}]}}}";
    assert_eq!(found(&folder, in_order, summer()), [""; 0]);
    let off = in_order.replace("$DIR/hook", "$DIR/none");
    assert_eq!(found(&folder, &off, summer()).len(), 1, "a service does not start without it");
}

#[test]
fn each_problem_has_a_cure_and_its_line_underlined() {
    let empty = tempfile::tempdir().unwrap();
    for problem in look(&empty, TLS, summer()) {
        assert_eq!(problem.severity, Severity::Error);
        assert!(!problem.help.is_empty());
        assert!(problem.to_string().contains("^^^"), "{problem}");
    }
}
