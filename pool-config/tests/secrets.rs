//! No message holds a secret, whichever way it gets to where it does not belong.

use pool_config::{ConfigError, Loader, Problem, Severity};

/// What is reported of a file with these entries of a pool `a`, and with these variables.
fn reported(keys: &str, variables: &[(&str, &str)]) -> Vec<Problem> {
    let text = format!("connection_pool: {{pools: [{{name: a, database: a, {keys}}}]}}");
    reported_of(&text, variables)
}

fn reported_of(text: &str, variables: &[(&str, &str)]) -> Vec<Problem> {
    let variables = variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    match Loader::new().variables(variables).load_text(text, "a.yaml") {
        Ok(loaded) => loaded.warnings,
        Err(ConfigError::Invalid { problems, .. }) => problems,
        Err(other) => panic!("{other}"),
    }
}

/// Checks that something is reported, and that none of it holds a secret: neither the text of a problem nor any part of it.
fn assert_hidden(problems: &[Problem]) {
    assert!(problems.iter().any(|problem| problem.severity == Severity::Error), "nothing is wrong");
    for problem in problems {
        let Problem { path, found, expected, help, .. } = problem;
        let text = format!("{problem}\n{path}\n{found}\n{expected}\n{help}\n{problem:?}");
        let text = text.to_lowercase();
        assert!(!text.contains("canary") && !text.contains("1234567"), "{text}");
    }
}

#[test]
fn an_alias_of_a_password_is_not_shown() {
    for key in ["port", "driver", "name", "tags", "weight", "enabled", "init_sql", "lifetime_jitter", "group"]
    {
        assert_hidden(&reported(&format!("password: &q 'canary 1', {key}: *q"), &[]));
    }
    assert_hidden(&reported("password: &q 1234567, port: *q", &[]));
    assert_hidden(&reported("password: &q 1234567.5, lifetime_jitter: *q", &[]));
    assert_hidden(&reported("password: &q canary, *q : 5", &[]));
    assert_hidden(&reported("password: &q \"ca\\\"n\\tary canary\", port: *q", &[]));
    assert_hidden(&reported(&format!("password: &q canary{}, port: *q", "y".repeat(100)), &[]));
    assert_hidden(&reported("password: &q c@na://ry@canary, port: *q", &[]));
    assert_hidden(&reported("password_command: [sh, &q canary], port: *q", &[]));
}

#[test]
fn a_password_that_a_variable_holds_is_not_shown_where_another_is_the_same() {
    assert_hidden(&reported("password: '${A:-canary}', port: '${A:-canary}'", &[]));
    assert_hidden(&reported("password: '${A}', port: canary", &[("A", "canary")]));
    assert_hidden(&reported("port: canary", &[("POOL__POOLS__a__PASSWORD", "canary")]));
}

#[test]
fn a_name_of_a_pool_that_is_a_password_is_not_shown() {
    let pools = "[{name: canary1, password: canary1}, {name: canary1, port: 0, database: a}]";
    assert_hidden(&reported_of(
        &format!("connection_pool: {{pools: {pools}}}"),
        &[("POOL__POOLS__b__PORT", "1")],
    ));
}

#[test]
fn the_rest_of_a_password_with_a_comma_is_not_shown() {
    assert_hidden(&reported("password: x7,canary", &[]));
    assert_hidden(&reported("password: x7,canary,canary", &[]));
    assert_hidden(&reported("password: x7,1234567", &[]));
    assert_hidden(&reported("password: x7,CANARY: , user: b", &[]));
}

#[test]
fn a_password_that_looks_like_an_anchor_is_not_shown() {
    assert_hidden(&reported("password: &canary!1", &[]));
    assert_hidden(&reported("password: &canary, port: 0", &[]));
    assert_hidden(&reported("password: !canary x, port: 0", &[]));
    assert_hidden(&reported("password: !!canary x, port: 0", &[]));
    assert_hidden(&reported("password: *canary, port: 0", &[]));
}

#[test]
fn the_value_of_an_unknown_key_is_not_shown() {
    for key in [
        "db_pass",
        "userpass",
        "pw",
        "psw",
        "passw",
        "dsn",
        "jwt",
        "key",
        "private_key",
        "access_key",
        "mot_de_passe",
    ] {
        assert_hidden(&reported(&format!("{key}: canary"), &[]));
        assert_hidden(&reported(&format!("{key}: {{value: [canary]}}"), &[]));
        let variable = format!("POOL__POOLS__a__{key}");
        assert_hidden(&reported("port: 5", &[(&variable, "canary")]));
    }
}

#[test]
fn the_value_of_a_known_key_with_a_slip_in_it_is_shown() {
    let text = reported("max_conections: 20", &[])[0].to_string();
    assert!(text.contains("max_conections: 20"), "{text}");
    let text = reported("port: 5", &[("POOL__POOLS__a__MAX_CONECTIONS", "20")])[0].to_string();
    assert!(text.contains("MAX_CONECTIONS=20"), "{text}");
}

#[test]
fn a_message_keeps_its_words_when_a_password_is_one_of_them() {
    let problems = reported("password: text, user: 5, port: 'x text'", &[]);
    let user = problems.iter().find(|problem| problem.path.ends_with("user")).expect("the user is reported");
    assert_eq!((user.found.as_str(), user.expected.as_str()), ("5", "text"));
    let port = problems.iter().find(|problem| problem.path.ends_with("port")).expect("the port is reported");
    assert_eq!(port.found, "\"x ***\"");
    let problems = reported("password: 65535, port: 70000", &[]);
    let port = problems.iter().find(|problem| problem.path.ends_with("port")).expect("the port is reported");
    assert_eq!(
        (port.expected.as_str(), port.help.as_str()),
        ("a whole number from 1 to 65535", "use 65535 or less")
    );
}

#[test]
fn where_a_password_is_stays_to_be_seen() {
    let loaded = Loader::without_variables()
        .load_text(
            "connection_pool: {pools: [{name: a, database: a, password_file: /run/canary1}]}",
            "a.yaml",
        )
        .expect("nothing is wrong with it");
    let path = "pools[\"a\"].password_file";
    let problem = loaded.problem(Severity::Error, path, "no file /run/canary1", "a file", "write it");
    assert_eq!(problem.expect("a problem").found, "no file /run/canary1");
}

#[test]
fn what_others_report_of_a_configuration_is_searched_for_its_secrets() {
    let text = "connection_pool: {pools: [{name: a, driver: sqlite, database: '${A}'}, {name: b, database: b, password: '${A}'}]}";
    let loaded = Loader::new()
        .variables([("A".to_owned(), "canary/1".to_owned())])
        .load_text(text, "a.yaml")
        .expect("nothing is wrong with it");
    let problem =
        loaded.problem(Severity::Error, "pools[\"a\"].database", "no folder canary/1", "a folder", "make it");
    assert_eq!(problem.expect("a problem").found, "no folder ***");
}

#[test]
fn no_control_character_of_a_name_reaches_the_terminal() {
    let name = "a\u{1b}[31m\u{9b}31m.yaml";
    let error = Loader::without_variables().load_text("connection_pool: {versoin: 2}", name).unwrap_err();
    let missing = Loader::without_variables().load(name).unwrap_err();
    for text in [error.to_string(), error.render(false), missing.to_string()] {
        assert!(!text.contains(|c: char| c.is_control() && c != '\n'), "{text:?}");
        assert!(text.contains("a␛[31m�31m.yaml"), "{text:?}");
    }
}

/// Whoever knows the path of a webhook may post to it.
#[test]
fn no_part_of_the_url_of_a_receiver_is_shown() {
    let of = |receiver: &str| {
        format!("connection_pool: {{monitoring: {{alerts: {{receivers: [{{name: chat, {receiver}}}]}}}}}}")
    };
    let url = "url: 'https://chat.example/hooks/canary'";
    for receiver in [
        format!("type: webhook, {url}, resend_ms: 1"),
        format!("type: slack, {url}"),
        format!("type: webhook, {url}, max_alerts: https://chat.example/hooks/canary"),
        "type: webhook, url: canary".to_owned(),
        "type: webhook, url: {canary: 1}".to_owned(),
        "type: webhook, url: 'https://canary:1234567@chat.example', max_alerts: x".to_owned(),
        format!("type: webhook, x-url: {url}, {url}, max_alerts: -1"),
        format!("type: webhook, {url}, max_alerts: [}}"),
    ] {
        assert_hidden(&reported_of(&of(&receiver), &[]));
    }
    let variable = "POOL__MONITORING__ALERTS__RECEIVERS";
    let value = format!("[{{name: chat, type: slack, {url}}}]");
    assert_hidden(&reported_of("connection_pool:", &[(variable, &value)]));
    let broken = "connection_pool:\n  monitoring:\n    alerts:\n      receivers:\n        - url: https://chat.example/canary\n     bad";
    assert_hidden(&reported_of(broken, &[]));
}

#[test]
fn the_url_of_a_receiver_is_shown_up_to_its_host() {
    let of = |url: &str| {
        let text = format!(
            "connection_pool: {{monitoring: {{alerts: {{receivers: [{{name: chat, type: webhook, url: '{url}'}}]}}}}}}"
        );
        let loaded =
            Loader::without_variables().load_text(&text, "a.yaml").expect("nothing is wrong with it");
        let listing = loaded.listing(false).to_yaml(false);
        assert!(!listing.contains("canary"), "{listing}");
        assert!(!format!("{:?}", loaded.config).contains("canary"));
        listing.lines().find_map(|line| line.trim().strip_prefix("url: ")).expect("it is written").to_owned()
    };
    assert_eq!(of("https://chat.example/hooks/canary?token=canary"), r#""https://chat.example/***""#);
    assert_eq!(of("https://me:canary@chat.example"), r#""https://***@chat.example""#);
    assert_eq!(of("http://localhost:9093/"), r#""http://localhost:9093""#);
    assert_eq!(of("https://me:canary/1@chat.example"), r#""https://***""#, "who knows where it ends");
}
