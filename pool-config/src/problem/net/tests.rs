use proptest::prelude::*;

use super::*;
use crate::shown::shown;
use crate::source::SourceId;
use crate::yaml::parse;

fn net(secrets: &[&str]) -> Net {
    let mut net = Net::default();
    secrets.iter().for_each(|secret| net.add(secret));
    net.close();
    net
}

/// Everything that is collected from `yaml`.
fn collected(yaml: &str) -> Vec<String> {
    let mut net = Net::default();
    net.add_document(&parse(yaml, SourceId::FIRST).unwrap());
    net.close();
    net.sorted
}

#[test]
fn what_stands_under_the_key_of_a_secret_is_collected() {
    assert_eq!(
        collected("{password: canary1, user: a, pools: [{token: {a: [canary2]}}]}"),
        ["canary1", "canary2"]
    );
    assert_eq!(collected("{password: 1234567, client_secret: 1234.5, token: true}"), ["1234.5", "1234567"]);
    assert_eq!(collected("password_command: [/bin/program, -c, 'echo canary']"), ["echo canary"]);
    assert_eq!(collected("{password: x7,canary, user: }"), ["canary"]);
    assert_eq!(collected("password: a@canary://x@y"), ["***@y", "a@canary://x@y"]);
}

#[test]
fn what_only_tells_where_a_secret_is_is_not() {
    assert_eq!(
        collected("{password_env: DB_PASSWORD, password_file: /run/x, token_url: 'https://x'}"),
        [""; 0]
    );
    assert_eq!(collected("password: ${DB_PASSWORD}"), [""; 0]);
    assert_eq!(collected("my_password_env: canary"), ["canary"]);
    assert_eq!(collected("password: ${A:-canary}"), ["${A:-canary}"]);
}

#[test]
fn a_short_secret_is_not_searched_for() {
    assert_eq!(collected("{password: abc, token: 123, client_secret: äbcd}"), ["äbcd"]);
}

#[test]
fn in_quotes_every_secret_is_masked() {
    let net = net(&["canary", "ca\"na\nry\u{7}", "text"]);
    assert_eq!(net.message("\"canary\"", false), "\"***\"");
    assert_eq!(
        net.message("unknown key \"x-canary-y\" beside \"a\\tb\"", false),
        "unknown key \"x-***-y\" beside \"a\\tb\""
    );
    assert_eq!(net.message(&shown("ca\"na\nry\u{7}"), false), "\"***\"");
    assert_eq!(net.message("found \"text\", which is no text", false), "found \"***\", which is no text");
}

#[test]
fn outside_quotes_words_of_ours_stay() {
    let net = net(&["text", "Canary1", "10000", "line"]);
    assert_eq!(net.message("text on line 5", false), "text on line 5");
    assert_eq!(net.message("write one of a, Canary1", false), "write one of a, ***");
    assert_eq!(net.message("from 1 to 10000", false), "from 1 to 10000");
}

#[test]
fn a_number_that_is_found_is_masked_there_and_in_the_help() {
    let net = net(&["12345", "12.5"]);
    let (found, help) = net.found_and_help("12345", "use 1 or more");
    assert_eq!((found.as_str(), help.as_str()), ("***", "use 1 or more"));
    let (found, help) = net.found_and_help("12.5", "80 % is written 0.8, so 12.5 % is 0.125");
    assert_eq!((found.as_str(), help.as_str()), ("***", "80 % is written 0.8, so *** % is 0.125"));
    let (found, help) = net.found_and_help("112345", "use 12345 or less");
    assert_eq!((found.as_str(), help.as_str()), ("112345", "use 12345 or less"));
}

#[test]
fn a_secret_that_is_cut_is_masked() {
    let long = format!("canary{}", "y".repeat(100));
    let net = net(&[&long]);
    assert_eq!(net.message(&shown(&long), false), "\"***…\"");
    assert_eq!(
        net.message(&shown(&format!("{}{long}", "x".repeat(50))), false),
        format!("\"{}***…\"", "x".repeat(50))
    );
    assert_eq!(
        net.message(&shown(&format!("{}{long}", "x".repeat(57))), false),
        format!("\"{}can…\"", "x".repeat(57))
    );
}

#[test]
fn a_path_loses_its_secrets_and_keeps_its_known_keys() {
    let net = net(&["canary", "tags", "pools", "12345"]);
    assert_eq!(net.path("pools[\"my-canary\"].tags.canary"), "pools[\"my-***\"].tags.***");
    assert_eq!(net.path("pools[12345].12345"), "pools[12345].***");
    assert_eq!(net.path("pools[\"a.b\"].x.my_canary"), "pools[\"a.b\"].x.***");
}

#[test]
fn of_several_secrets_the_longest_is_masked() {
    let net = net(&["canary", "canary2", "canaryXYZ", "cana"]);
    assert_eq!(net.message("\"canary2\" \"canaryX\" \"canarz\"", false), "\"***\" \"***X\" \"***rz\"");
}

#[test]
fn a_net_does_not_show_what_is_in_it() {
    assert_eq!(format!("{:?}", net(&["canary"])), "Net { .. }");
}

#[test]
fn many_secrets_are_searched_for_in_short() {
    let secrets: Vec<_> = (0..100_000).map(|n| format!("canary{n}")).collect();
    let net = net(&secrets.iter().map(String::as_str).collect::<Vec<_>>());
    let message = shown(&"canarz".repeat(10));
    for _ in 0..1_000 {
        assert_eq!(net.message(&message, false), message);
    }
}

proptest! {
    #[test]
    fn no_secret_stays_in_quotes(secrets in prop::collection::vec("[ab\"\\\\é\n]{4,6}", 1..6), text in "[ab\"\\\\é\n]{0,40}") {
        let net = net(&secrets.iter().map(String::as_str).collect::<Vec<_>>());
        let message = net.message(&format!("found {text:?}, expected x"), false);
        let inside = unescaped(message.strip_prefix("found \"").unwrap().strip_suffix("\", expected x").unwrap());
        for secret in &secrets {
            prop_assert!(!inside.contains(secret.as_str()), "{secret:?} in {inside:?}");
        }
        if secrets.iter().all(|secret| !text.contains(secret.as_str())) {
            prop_assert_eq!(inside, text);
        }
    }
}
