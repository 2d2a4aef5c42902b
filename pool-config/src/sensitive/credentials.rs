//! The parts of a text that look like credentials, whatever key it stands under.

use std::net::IpAddr;
use std::ops::Range;

use super::{is_secret_key, merged, words};

/// Words before a colon that begin a path, not a login.
const SCHEMES_OF_FILES: &[&str] = &["sqlite", "file"];

/// What introduces a password in SQL, besides `PASSWORD`: followed by `BY`, or by `WITH` and more.
const IDENTIFIED: &str = "identified";

/// The parts of `text` that look like credentials: those of a URL with all of its query, and what follows a word such
/// as `password=`.
///
/// In order, and without overlaps.
pub(crate) fn credentials_in(text: &str) -> Vec<Range<usize>> {
    let found = [login_in(text), query_in(text), introduced_in(text)];
    merged(found.into_iter().flatten().collect())
}

/// `user:password` of `scheme://user:password@host`, and of the same without the scheme or without the host.
///
/// The last `@` ends the credentials: a password may hold one, a host may not. Nor may a host hold a `/`, but the password
/// of somebody who does not escape it may.
fn login_in(text: &str) -> Option<Range<usize>> {
    // The second is the first in double quotes, where a slash may be escaped.
    let marks = ["://", r":\/\/"].into_iter().filter_map(|mark| Some((text.find(mark)?, mark)));
    let Some((at, mark)) = marks.min() else { return login_without_slashes(text) };
    let start = at + mark.len();
    match text.rfind('@') {
        Some(end) if start <= end => Some(start_of_login(text, at, start)..end),
        Some(end) => text[..end].contains(':').then_some(0..end),
        None => password_as_port(text, start),
    }
}

/// Where the login begins that stands around or after the `://` at `mark`: in `app:x://y@host` that belongs to the
/// password.
fn start_of_login(text: &str, mark: usize, after_mark: usize) -> usize {
    let word = text[..mark].rfind(char::is_whitespace).map_or(0, |at| text.ceil_char_boundary(at + 1));
    if text[word..mark].contains([':', '@']) { word } else { after_mark }
}

/// What looks like a port and is no number may be a password whose host is missing. It may hold anything, so that it ends
/// with the text.
fn password_as_port(text: &str, start: usize) -> Option<Range<usize>> {
    // The address in brackets is full of colons.
    let host = if text[start..].starts_with('[') { text[start..].find(']').unwrap_or(0) } else { 0 };
    let port = start + host + text[start + host..].find(':')? + 1;
    let path = text[start..port].find(['/', '?', '#']);
    (path.is_none() && !is_port(&text[port..])).then_some(port..text.len())
}

/// Whether a text begins with a number that ends where a port ends, or holds nothing.
fn is_port(text: &str) -> bool {
    let rest = text.trim_start_matches(|c: char| c.is_ascii_digit());
    let ends = rest.starts_with(|c: char| c.is_whitespace() || "/?#\"',]})".contains(c));
    rest.is_empty() || (ends && rest.len() < text.len())
}

/// `user:password@host`, `user:password` or `scheme:password`, but not `host:port`.
fn login_without_slashes(text: &str) -> Option<Range<usize>> {
    if let Some(at) = text.rfind('@') {
        return text[..at].contains(':').then_some(0..at);
    }
    let word = text.trim_matches(['"', '\'']);
    let (user, password) = word.split_once(':')?;
    let is_name = |c: char| c.is_ascii_alphanumeric() || "+-._".contains(c);
    let is_login = user.len() > 1
        && user.starts_with(|c: char| c.is_ascii_alphabetic())
        && user.chars().all(is_name)
        && !SCHEMES_OF_FILES.contains(&user.to_ascii_lowercase().as_str())
        && !word.contains(char::is_whitespace)
        && !password.starts_with('/')
        && !is_port(password)
        && word.parse::<IpAddr>().is_err();
    let start = text.find(':')? + 1;
    is_login.then(|| start..start + password.len())
}

/// Everything after the `?` or the `#` of a URL or a path: `?sig=…` and `?auth=…` are secrets too, and what a service calls
/// its own cannot be known.
fn query_in(text: &str) -> Option<Range<usize>> {
    let begins = match text.find("://").or_else(|| text.find(r":\/\/")) {
        Some(mark) => mark,
        None if text.contains(char::is_whitespace) => return None,
        None => text.find([':', '/'])?,
    };
    let mark = begins + text[begins..].find(['?', '#'])?;
    Some(mark + 1..text.len())
}

/// What follows the first name of a secret, as in `host=db password=…`, or the `IDENTIFIED BY` of SQL: everything to
/// the end, because no syntax can be trusted.
fn introduced_in(text: &str) -> Option<Range<usize>> {
    let names = words(text).filter(|word| is_secret_key(&text[word.clone()])).map(|word| word.end);
    let mut starts = identified_in(text).into_iter().chain(names).filter_map(|end| {
        let is_between = |c: char| c.is_whitespace() || "=:\"'`(".contains(c);
        let value = text[end..].trim_start_matches(is_between);
        let start = text.len() - value.len();
        (start > end && start < text.len()).then_some(start)
    });
    let first = starts.next()?;
    Some(starts.fold(first, usize::min)..text.len())
}

/// The end of the first `IDENTIFIED BY`, `IDENTIFIED WITH` or the like, however the two words are separated.
fn identified_in(text: &str) -> Option<usize> {
    let mut words = words(text);
    words.find(|word| text[word.clone()].eq_ignore_ascii_case(IDENTIFIED))?;
    words.next().map(|word| word.end)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hidden(text: &str) -> String {
        let mut hidden = text.to_owned();
        for range in credentials_in(text).into_iter().rev() {
            hidden.replace_range(range, "***");
        }
        hidden
    }

    #[test]
    fn the_credentials_of_a_url_end_at_its_last_at_sign() {
        assert_eq!(hidden("postgres://app:c@nary@db/orders"), "postgres://***@db/orders");
        assert_eq!(hidden("app:canary@db"), "***@db");
        assert_eq!(hidden("mail@host://x"), "mail@host://x");
        assert_eq!(hidden("postgres://db:5432/orders"), "postgres://db:5432/orders");
        assert_eq!(hidden("postgres://app:canary/orders"), "postgres://app:***");
    }

    #[test]
    fn a_password_may_hold_what_a_url_should_escape() {
        assert_eq!(hidden("app:ca/nary@h"), "***@h");
        assert_eq!(hidden("postgres://app:ca/nary@h"), "postgres://***@h");
        assert_eq!(hidden("postgres://app:ca?nary@h/x"), "postgres://***");
        assert_eq!(hidden("app:ca://nary@h"), "***@h");
        assert_eq!(hidden("a b app:ca://nary@h"), "a b ***@h");
        assert_eq!(hidden("postgres://app:5/canary"), "postgres://app:5/canary");
        assert_eq!(hidden("postgres://app:5canary/x"), "postgres://app:***");
        assert_eq!(hidden("postgres://app:ca/nary"), "postgres://app:***");
    }

    #[test]
    fn a_login_without_a_host_is_hidden() {
        assert_eq!(hidden("redis:canary"), "redis:***");
        assert_eq!(hidden("'app:canary'"), "'app:***'");
        assert_eq!(hidden("app:5canary"), "app:***");
    }

    #[test]
    fn hosts_ports_paths_and_addresses_are_shown() {
        for text in [
            "db:5432",
            "\"db:5432\"",
            "db:5432/orders",
            "localhost",
            ":memory:",
            "sqlite:orders.db",
            "sqlite::memory:",
            "C:\\data\\orders.db",
            "fe80::1",
            "2001:db8::1",
            "http://[::1]:80/x",
            "http://[::1]/x",
            "SELECT 'a:b'",
            "12:30",
            "host:",
            "what? never",
        ] {
            assert_eq!(hidden(text), text);
        }
    }

    #[test]
    fn the_query_of_a_url_is_hidden_as_a_whole() {
        assert_eq!(hidden("https://h/x?auth=canary"), "https://h/x?***");
        assert_eq!(hidden("postgres://h/x?options=-c%20a%3Dcanary"), "postgres://h/x?***");
        assert_eq!(hidden("postgres://u:canary@h/x?sig=canary&key=canary"), "postgres://***@h/x?***");
        assert_eq!(hidden("https://h/x#canary"), "https://h/x#***");
        assert_eq!(hidden("/health?key=canary"), "/health?***");
        assert_eq!(hidden("sqlite:a.db?key=canary"), "sqlite:a.db?***");
        assert_eq!(hidden(r"https:\/\/h\/x?key=canary"), r"https:\/\/h\/x?***");
    }

    #[test]
    fn what_a_word_introduces_is_hidden_to_the_end() {
        assert_eq!(hidden("host=db Password=canary port=1"), "host=db Password=***");
        assert_eq!(hidden("ALTER ROLE a PASSWORD 'canary'"), "ALTER ROLE a PASSWORD '***");
        assert_eq!(hidden("VALUES (PASSWORD('canary'))"), "VALUES (PASSWORD('***");
        assert_eq!(hidden("password/x password_of_a: canary"), "password/x password_of_a: ***");
        assert_eq!(hidden("a: b\npasword: canary"), "a: b\npasword: ***");
        assert_eq!(hidden("db://u:canary@h?password=canary"), "db://***@h?***");
        assert_eq!(hidden("db://password:canary@h"), "db://***");
    }

    #[test]
    fn what_sql_identifies_by_is_hidden() {
        assert_eq!(hidden("IDENTIFIED BY \"canary\""), "IDENTIFIED BY \"***");
        assert_eq!(hidden("identified  by\n'canary'"), "identified  by\n'***");
        assert_eq!(hidden("IDENTIFIED WITH caching_sha2 BY 'canary'"), "IDENTIFIED WITH ***");
        assert_eq!(hidden("identified"), "identified");
    }

    #[test]
    fn a_word_that_introduces_nothing_is_shown() {
        assert_eq!(hidden("password"), "password");
        assert_eq!(hidden("password_env"), "password_env");
        assert_eq!(hidden("secret:"), "secret:");
    }

    #[test]
    fn a_megabyte_of_words_is_searched_once() {
        assert_eq!(credentials_in(&"password".repeat(1 << 17)), []);
        assert_eq!(credentials_in(&"identified ".repeat(1 << 17)).len(), 1);
    }
}
