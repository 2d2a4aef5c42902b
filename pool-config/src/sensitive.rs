//! What may be a secret, and must therefore never be shown: told by the name of a key and by the shape of a text.
//!
//! Both guesses err towards hiding: a hidden value costs a look at the file, a shown one costs a password.

use std::ops::Range;

use strsim::damerau_levenshtein;

/// A name that holds one of these is that of a secret.
const PARTS: &[&str] =
    &["password", "passwd", "passphrase", "passwort", "pwd", "secret", "token", "credential", "apikey"];

/// A word of a name that is one of these but for some letters is taken for it: whoever mistypes `password` gets an
/// error that shows the line.
const MISTYPED: &[(&str, usize)] = &[("password", 2), ("secret", 1), ("token", 1)];

/// What introduces a password in SQL, besides `PASSWORD`.
const PHRASE: &str = "identified by";

/// Whether what a key of this name holds is secret.
pub(crate) fn is_secret_key(key: &str) -> bool {
    let key = key.to_lowercase();
    let letters: String = key.chars().filter(|c| c.is_alphanumeric()).collect();
    if letters == "pass" || PARTS.iter().any(|part| letters.contains(part)) {
        return true;
    }
    let mut words = key.split(|c: char| !c.is_alphanumeric());
    words.any(|word| {
        let mut known = MISTYPED.iter().filter(|(known, wrong)| known.len().abs_diff(word.len()) <= *wrong);
        known.any(|(known, wrong)| damerau_levenshtein(word, known) <= *wrong)
    })
}

/// The parts of `text` that look like credentials: those of a URL, and what follows a word such as `password=`.
///
/// In order, and without overlaps.
pub(crate) fn credentials_in(text: &str) -> Vec<Range<usize>> {
    merged(user_info_in(text).into_iter().chain(introduced_in(text)).collect())
}

/// `ranges` in order, those that overlap as one.
pub(crate) fn merged(mut ranges: Vec<Range<usize>>) -> Vec<Range<usize>> {
    ranges.retain(|range| !range.is_empty());
    ranges.sort_unstable_by_key(|range| range.start);
    ranges.dedup_by(|next, last| {
        let overlaps = next.start <= last.end;
        if overlaps {
            last.end = last.end.max(next.end);
        }
        overlaps
    });
    ranges
}

/// `user:password` of `scheme://user:password@host`, and of the same without the scheme or without the host.
///
/// The last `@` ends the credentials: a password may hold one, a host may not.
fn user_info_in(text: &str) -> Option<Range<usize>> {
    // The second is the first in double quotes, where a slash may be escaped.
    let authority = ["://", r":\/\/"].iter().find_map(|mark| Some(text.find(mark)? + mark.len()));
    let Some(at) = text.rfind('@') else {
        // What looks like a port and is no number may be a password whose host is missing.
        let start = authority?;
        let end = text[start..].find('/').map_or(text.len(), |len| start + len);
        let (_, port) = text[start..end].split_once(':')?;
        return (!port.chars().all(|c| c.is_ascii_digit())).then(|| end - port.len()..end);
    };
    match authority {
        Some(start) if start <= at => Some(start..at),
        _ => text[..at].contains(':').then_some(0..at),
    }
}

/// What follows the first name of a secret, as in `host=db password=…`, or the `IDENTIFIED BY` of SQL: everything to
/// the end, because no syntax can be trusted.
fn introduced_in(text: &str) -> Option<Range<usize>> {
    // ASCII only, so that the places are those of `text`.
    let lower = text.to_ascii_lowercase();
    let phrases = lower.match_indices(PHRASE).map(|(at, phrase)| at + phrase.len());
    let names = words(text).filter(|word| is_secret_key(&text[word.clone()])).map(|word| word.end);
    let mut starts = phrases.chain(names).filter_map(|end| {
        let value = text[end..].trim_start_matches(|c: char| c.is_whitespace() || "=:\"'".contains(c));
        let start = text.len() - value.len();
        (start > end && start < text.len()).then_some(start)
    });
    let first = starts.next()?;
    Some(starts.fold(first, usize::min)..text.len())
}

/// The words of `text` that may be names of keys.
pub(crate) fn words(text: &str) -> impl Iterator<Item = Range<usize>> {
    let is_part = |c: char| c.is_alphanumeric() || c == '_' || c == '-';
    let mut at = 0;
    std::iter::from_fn(move || {
        let start = at + text[at..].find(is_part)?;
        at = text[start..].find(|c| !is_part(c)).map_or(text.len(), |len| start + len);
        Some(start..at)
    })
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
    fn names_of_secrets_are_known() {
        for name in [
            "password",
            "PASSWORD",
            "password_env",
            "password_command",
            "client_secret",
            "clientSecret",
            "token",
            "auth-token",
            "db_pwd",
            "pass",
            "passwd",
            "credentials",
            "api_key",
            "apiKey",
        ] {
            assert!(is_secret_key(name), "{name}");
        }
    }

    #[test]
    fn mistyped_names_of_secrets_are_known() {
        for name in
            ["pasword", "passord", "passwrd", "apssword", "client_secert", "tokne", "Passwort", "pasword_env"]
        {
            assert!(is_secret_key(name), "{name}");
        }
    }

    #[test]
    fn other_names_are_not_hidden() {
        for name in
            ["name", "user", "host", "url", "passive", "database", "bypass", "health_path", "client_key", ""]
        {
            assert!(!is_secret_key(name), "{name}");
        }
    }

    #[test]
    fn the_credentials_of_a_url_end_at_its_last_at_sign() {
        assert_eq!(hidden("postgres://app:c@nary@db/orders"), "postgres://***@db/orders");
        assert_eq!(hidden("app:canary@db"), "***@db");
        assert_eq!(hidden("mail@host://x"), "mail@host://x");
        assert_eq!(hidden("postgres://db:5432/orders"), "postgres://db:5432/orders");
        assert_eq!(hidden("postgres://app:canary/orders"), "postgres://app:***/orders");
    }

    #[test]
    fn what_a_word_introduces_is_hidden_to_the_end() {
        assert_eq!(hidden("host=db Password=canary port=1"), "host=db Password=***");
        assert_eq!(hidden("ALTER ROLE a PASSWORD 'canary'"), "ALTER ROLE a PASSWORD '***");
        assert_eq!(hidden("IDENTIFIED BY \"canary\""), "IDENTIFIED BY \"***");
        assert_eq!(hidden("password/x password_of_a: canary"), "password/x password_of_a: ***");
        assert_eq!(hidden("a: b\npasword: canary"), "a: b\npasword: ***");
        assert_eq!(hidden("db://u:canary@h?password=canary"), "db://***@h?password=***");
        assert_eq!(hidden("db://password:canary@h"), "db://***");
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
    }
}
