use proptest::prelude::*;

use super::*;

/// Every line of a file with this text as it is shown; a line that is not shown is empty.
fn shown(text: &str) -> String {
    let sources = Sources::of("a.yaml", text);
    let mut excerpts = Excerpts::new(&sources);
    let mut lines = Vec::new();
    let mut start = 0;
    for line in text.split('\n') {
        let place = Place { start, end: start, ..Place::START };
        lines.push(excerpts.line_of(place).map_or_else(String::new, |line| line.text().to_owned()));
        start += u32::try_from(line.len()).unwrap() + 1;
    }
    lines.join("\n")
}

/// The excerpt of `text` at the first `<` to the first `>`, which are not part of it.
fn excerpt(marked: &str) -> Option<Excerpt> {
    let start = marked.find('<').unwrap();
    let end = marked.find('>').unwrap() - 1;
    let text = marked.replacen('<', "", 1).replacen('>', "", 1);
    let sources = Sources::of("a.yaml", &text);
    let line = u32::try_from(text[..start].matches('\n').count() + 1).unwrap();
    let (start, end) = (u32::try_from(start).unwrap(), u32::try_from(end).unwrap());
    Excerpts::new(&sources).at(Place { line, start, end, ..Place::START })
}

fn rendered(marked: &str) -> String {
    excerpt(marked).unwrap().render(Severity::Error, "mend it", false)
}

#[test]
fn the_line_of_the_place_is_shown_with_the_place_underlined() {
    insta::assert_snapshot!(rendered("port: 1\nssl:\n  role: <twenty>\n"), @r"
      |
    3 |   role: twenty
      |         ^^^^^^
      |
      = help: mend it
    ");
}

#[test]
fn a_place_without_text_is_a_point() {
    insta::assert_snapshot!(rendered("a: 1\nb:<>\n"), @r"
      |
    2 | b:
      |   ^
      |
      = help: mend it
    ");
}

#[test]
fn wide_letters_and_tabs_do_not_move_the_underlining() {
    insta::assert_snapshot!(rendered("{'名前':, name:\t<四つ>} # x\n"), @r"
      |
    1 | {'名前':, name:    四つ} 
      |                    ^^^^
      |
      = help: mend it
    ");
}

#[test]
fn of_a_value_over_several_lines_the_first_is_shown() {
    insta::assert_snapshot!(rendered("name: <one\n  two\n  three>\n"), @r"
      |
    1 | name: one
      |       ^^^
      |
      = help: mend it
    ");
}

#[test]
fn a_secret_is_underlined_as_its_mask() {
    insta::assert_snapshot!(rendered("ssl: {port: 1, password: <canary>, role: 2}\n"), @r"
      |
    1 | ssl: {port: 1, password: ***, role: 2}
      |                          ^^^
      |
      = help: mend it
    ");
}

#[test]
fn what_follows_a_secret_on_its_line_is_underlined_in_its_place() {
    insta::assert_snapshot!(rendered("ssl: {password: canary, <role>: 2}\n"), @r"
      |
    1 | ssl: {password: ***, role: 2}
      |                      ^^^^
      |
      = help: mend it
    ");
}

#[test]
fn a_long_line_is_cut_around_the_place() {
    let list = |n: usize| vec!["'x'"; n].join(", ");
    insta::assert_snapshot!(rendered(&format!("events: [{}, <here>, {}]", list(50_000), list(10_000))), @r"
      |
    1 | …'x', 'x', 'x', 'x', 'x', 'x', 'x', 'x', here, 'x', 'x', 'x', 'x', 'x', 'x', 'x', 'x', 'x', 'x', 'x',…
      |                                          ^^^^
      |
      = help: mend it
    ");
}

#[test]
fn a_long_value_is_underlined_as_far_as_it_is_shown() {
    let excerpt = excerpt(&format!("name: <{}>", "x".repeat(1 << 20))).unwrap();
    assert_eq!(excerpt.text.chars().count(), MAX_CHARS + 1);
    assert_eq!(&excerpt.text[excerpt.place.clone()], "x".repeat(MAX_CHARS - 6));
}

#[test]
fn an_empty_line_is_not_worth_showing() {
    assert_eq!(excerpt("a: 1\n<>\n"), None);
    assert_eq!(excerpt("a: 1\n<>"), None);
}

#[test]
fn colours_are_only_for_terminals() {
    let excerpt = excerpt("port: <1>").unwrap();
    assert!(!excerpt.render(Severity::Error, "x", false).contains('\u{1b}'));
    assert!(excerpt.render(Severity::Error, "x", true).contains('\u{1b}'));
}

#[test]
fn control_characters_do_not_reach_the_terminal() {
    insta::assert_snapshot!(rendered("name: x\u{9b}1m<\u{1b}[31m\u{202e}> y\n"), @r"
      |
    1 | name: x�1m␛[31m� y
      |           ^^^^^^
      |
      = help: mend it
    ");
}

#[test]
fn keys_values_and_punctuation_are_shown_and_comments_are_not() {
    let yaml = "port: &y 1\nssl: &x {events: [1, 'two'], \"role\": *y} # note\n# note\npools:\n- ? name\n  : |-\n    t#t # t\n- !!str 5\n";
    assert_eq!(
        shown(yaml),
        "port: &y 1\nssl: &x {events: [1, 'two'], \"role\": *y} \n\npools:\n- ? name\n  : |-\n    t#t # t\n- !!str 5\n"
    );
}

#[test]
fn a_variable_is_shown_with_its_value_unless_that_is_a_secret() {
    let mut sources = Sources::default();
    let (name, value) = sources.add_variable("POOL__ENABLED", "5s", false);
    let (secret_name, secret) = sources.add_variable("POOL__PASSWORD", "canary", true);
    let (_, url) = sources.add_variable("POOL__URL", "db://u:canary@h", false);
    let mut excerpts = Excerpts::new(&sources);
    let mut at = |place| {
        let excerpt = excerpts.at(place).unwrap();
        (excerpt.text.clone(), excerpt.text[excerpt.place].to_owned())
    };
    assert_eq!(at(name), ("POOL__ENABLED=5s".to_owned(), "POOL__ENABLED".to_owned()));
    assert_eq!(at(value), ("POOL__ENABLED=5s".to_owned(), "5s".to_owned()));
    assert_eq!(at(secret_name), ("POOL__PASSWORD=***".to_owned(), "POOL__PASSWORD".to_owned()));
    assert_eq!(at(secret), ("POOL__PASSWORD=***".to_owned(), "***".to_owned()));
    assert_eq!(at(url), ("POOL__URL=db://***@h".to_owned(), "db://***@h".to_owned()));
}

/// Texts with `canary` wherever a secret can stand.
const SECRETS: &[&str] = &[
    "password: canary",
    "password:   canary   # canary",
    "password: 'can''t canary'",
    "password: \"\\\"canary\\x41\"",
    "'password': canary",
    "\"pass\\x77ord\": canary",
    "? password\n: canary",
    "? password\n:\n  - canary",
    "password: |\n  canary\n  canary\n\n  canary\nuser: a",
    "password: |2-\n   canary\nuser: a",
    "password: >-\n  canary\n  canary\n",
    "password:\n  canary\n  canary\nuser: a",
    "password: canary\n  canary",
    "password:\n<<: canary",
    "pw: canary\nb: [",
    "{name: a, pin: canary, user: b",
    "{\"pin\":\"canary\", ",
    "pin:\n  - canary\nb: [",
    "password: \"canary\n  canary\n  user: canary\"\nuser: a",
    "password: 'canary\n\n  canary'",
    "{password: canary, user: a}",
    "{user: a, password: canary}",
    "{user: a, password: {b: canary, c: [canary]}, d: e}",
    "{user: a, password:\n canary\n ,\n b: c}",
    "{user: a, \"password\":\"canary\"}",
    "a: {b: [{password: canary}, {token: 'canary'}]}",
    "pools:\n- name: a\n  password: canary\n  user: b\n- {name: b, password: canary}",
    "pools:\n  - password: canary\n    name: a",
    "password_command: [sh, -c, 'echo canary']\nuser: a",
    "password_command:\n  - sh\n  - canary\nuser: a",
    "password_command:\n- sh\n- canary\nuser: a",
    "oauth2: {client_secret: canary}\nx-api-token: canary",
    "x-secret: &s canary\npassword: *s\nuser: a",
    "{<<: {password: canary}, password: b}",
    "a: {<<: [{password: canary}, {password: canary}], password: b}",
    "{1: a, password: canary, password: b}",
    "password: canary\npassword: canary",
    "url: postgres://app:canary@db/a",
    "url: 'postgres://app:canary@db/a' # postgres://app:canary@db/a",
    "url: \"postgres:\\/\\/app:canary\\x40db/a\"",
    "{url: postgres://app:canary@db/a, user: a@b}",
    "url: postgres://db/a?user=a&password=canary",
    "url: >-\n  postgres://app:\n  canary@db/a",
    "connection_pool: host=db password=canary",
    "init_sql: [\"ALTER ROLE a PASSWORD 'canary'\", x]",
    "init_sql:\n  - ALTER USER a IDENTIFIED BY 'canary'\n  - SET a = 1",
    "pasword: canary",
    "passwrd: {a: canary}",
    "Password: canary",
    "dbPassword: canary",
    "client-secret: canary",
    "pwd: canary",
    "passwort: canary",
    "# the password is canary\na: b",
    "a: b # canary",
    "a: b\n  # canary\nc: d",
    "--- # canary\npassword: canary\n...\n# canary\n",
    "password: ${X:-canary}",
    "password: !!str canary",
    "password: !canary",
    "password: *canary",
    "password: @canary",
    "password: %canary",
    "password: `canary",
    "password: 'canary",
    "password: \"canary\nuser: canary\n",
    "password: canary: canary",
    "password: 'a' canary",
    "password: |x canary\n  canary",
    "password: [canary\nuser: a",
    "password: {canary\ncanary: canary\n",
    "a: {password: canary\nb: canary}}",
    "\tpassword: canary",
    "a:\n\tpassword: canary",
    "'\npasword: canary\n'\n",
    "password = canary\nb: c",
    "password:canary\nb: c",
    "password canary\nb: c",
    "password\n  canary\nb: [",
    "a: b\npassword: canary\r\n  canary\r\nuser: a\r\n",
];

/// The same, where only what follows tells that it is a secret.
const TOLD_BY_THEIR_END: &[&str] = &[
    "x-note: &s canary\npassword: *s",
    "x-note: &s\n  canary\npassword: *s",
    "x-note: {a: &s canary}\nb: {password: *s, c: d}",
    "x-note: &m {a: canary}\npassword: *m",
    "x-note: &m {a: canary}\npassword: {<<: *m, b: c}",
    "url: \"postgres://app:c@nary@canary@db/a\"",
    "app:canary@db",
    "? password\n: canary\ncanary: canary\n x: [",
    "? password\nuser: canary\ncanary\n  - ]",
    "? password # of canary\nuser: canary\ncanary\n  - ]",
    "password:\n  canary: [\n<<: canary\n",
    "\"password\"\n: &a canary\nuser: canary: canary",
    "password: !!str &canary\nuser: canary: canary",
    "{name: a, password: x7,canary}",
    "{name: a, password: x7,canary: , canary}",
    "{name: a, password: x7,[canary]}",
    "{name: a, password: x7,&canary}",
    "{name: a, password: x7,&canary host}",
    "password: &canary",
    "password: &canary!1 b",
    "password: !!canary",
    "password: [&canary x, &canary y]",
    "dsn_of_mine: canary",
    "{db_pass: canary, userpass: canary, pw: canary, psw: canary, passw: canary}",
    "{dsn: canary, jwt: canary, key: canary, private_key: canary, access_key: canary}",
    "{vault: {name: canary, user: [canary]}}",
    "x-pw: canary",
    "x-defaults: {max_connections: 5, pin: canary}",
    "x-defaults: [canary]",
    "pools: [{tags: {pw: canary}}]",
    "? [canary]\n: canary",
    "host: redis:canary",
    "host: app:ca/nary@h",
    "url: https://h/x?sig=canary",
    "host: app:canary@db",
];

fn assert_hidden(text: &str) {
    let shown = shown(text);
    assert!(!shown.contains("canar"), "of {text:?} this is shown: {shown:?}");
}

#[test]
fn secrets_are_not_shown_wherever_they_stand() {
    for text in SECRETS.iter().chain(TOLD_BY_THEIR_END) {
        assert_hidden(text);
        assert_hidden(&format!("connection_pool:\n  default_pool: {{max_connections: 5}}\n{text}\n"));
    }
}

/// Whoever is about to write a secret saves half a file.
#[test]
fn secrets_are_not_shown_when_the_text_ends_early_or_begins_late() {
    for text in SECRETS {
        for (at, _) in text.char_indices() {
            assert_hidden(&text[..at]);
            for junk in ["[", "}", "\"", "'", "\n\t", ": ", "*x ", "!y ", "|", "&"] {
                assert_hidden(&format!("{}{junk}{}", &text[..at], after_secrets_name(&text[at..])));
            }
        }
    }
}

/// `text`, if what it holds of a secret still follows the name of one; otherwise the lines after.
///
/// Junk inside a name makes it another name, and what follows it is then no secret.
fn after_secrets_name(text: &str) -> &str {
    match text.find("canary") {
        Some(_) => "",
        None => text,
    }
}

#[test]
fn what_is_not_secret_is_shown_beside_it() {
    assert_eq!(shown("{user: a, password: canary, host: b}"), "{user: a, password: ***, host: b}");
    assert_eq!(shown("password: |\n  canary\nuser: a"), "password: |\n  ***\nuser: a");
    assert_eq!(shown("url: postgres://app:canary@db/a"), "url: postgres://***@db/a");
    assert_eq!(shown("user: &s canary\npassword: *s\nport: 1"), "user: &s ***\npassword: ***\nport: 1");
}

#[test]
fn of_broken_text_is_shown_what_cannot_belong_to_a_secret() {
    assert_eq!(shown("port: 1\npassword: canary\n  canary\nssl: [\n"), "port: 1\npassword***\n\nssl: [\n");
    assert_eq!(
        shown("- password: |\n    canary\n  user: a\n- ssl: ]"),
        "- password***\n\n  user: a\n- ssl: ]"
    );
    assert_eq!(shown("port: [1, 2"), "port: [1, 2");
}

/// A value in one of the ways it can be written, which may be broken.
fn written(secret: String) -> impl Strategy<Value = String> {
    prop::sample::select(vec![
        "{}",
        "'{}'",
        "\"{}\"",
        "|\n      {}\n      {}",
        ">-\n      {}",
        "\n      {}",
        "[{}, {}]",
        "{k: {}}",
        "&a {}",
        "!!str {}",
        "\"{}",
        "'{}",
        "[{}",
        "{k: {}",
        "|x {}",
        "{} # {}",
        "{}: {}",
        "@{}",
        "!{}",
        "*{}",
        "- {}",
        "${X:-{}}",
    ])
    .prop_map(move |style| style.replace("{}", &secret))
}

fn line() -> impl Strategy<Value = String> {
    let secret = prop_oneof![
        Just("canary".to_owned()),
        "[a-z0-9 ,.;:#@!?{}-]{0,3}".prop_map(|junk| format!("{junk}canary"))
    ];
    let key = prop::sample::select(vec![
        "password",
        "Password",
        "\"password\"",
        "client_secret",
        "token",
        "pasword",
        "password_command",
        "? password\n    ",
    ]);
    let secret_line = (key, secret.prop_flat_map(written)).prop_map(|(key, value)| format!("{key}: {value}"));
    let other_line = prop::sample::select(vec![
        "name: a", "host: b", "x: {", "y: ]", "max: 5", "'", "- z", "", "# n", "u: *a",
    ]);
    prop_oneof![2 => secret_line, 3 => other_line.prop_map(str::to_owned)]
}

proptest! {
    #[test]
    fn no_secret_is_shown_of_any_text(lines in prop::collection::vec((0_usize..3, line()), 1..8)) {
        let text: String = lines.iter().map(|(depth, line)| format!("{}{line}\n", "  ".repeat(*depth))).collect();
        assert_hidden(&text);
    }

    #[test]
    fn any_place_in_any_text_can_be_shown(text in "[a-zé: \\[\\]{}\n\r\t#'\"-]{0,60}", start in 0_u32..70, len in 0_u32..70) {
        let sources = Sources::of("a.yaml", &text);
        let mut excerpts = Excerpts::new(&sources);
        if let Some(excerpt) = excerpts.at(Place { start, end: start + len, ..Place::START }) {
            excerpt.render(Severity::Warning, "x", false);
        }
    }
}
