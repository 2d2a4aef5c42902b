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

/// Longer words are not compared: the distance costs the product of both lengths.
const MAX_WORD: usize = 32;

/// What introduces a secret inside a text, as in `host=db password=…` or `IDENTIFIED BY '…'`.
const INTRODUCTIONS: &[&str] = &["password", "passwd", "pwd", "secret", "token", "apikey", "identified by"];

/// Whether what a key of this name holds is secret.
pub(crate) fn is_secret_key(key: &str) -> bool {
    let key = key.to_lowercase();
    let letters: String = key.chars().filter(|c| c.is_alphanumeric()).collect();
    if letters == "pass" || PARTS.iter().any(|part| letters.contains(part)) {
        return true;
    }
    let mut words = key.split(|c: char| !c.is_alphanumeric());
    words.any(|word| {
        let known = MISTYPED.iter();
        word.len() <= MAX_WORD
            && known.clone().any(|(known, wrong)| damerau_levenshtein(word, known) <= *wrong)
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

/// `user:password` of `scheme://user:password@host`, and of the same without the scheme.
///
/// The last `@` ends the credentials: a password may hold one, a host may not.
fn user_info_in(text: &str) -> Option<Range<usize>> {
    let at = text.rfind('@')?;
    match text.find("://") {
        Some(scheme) if scheme < at => Some(scheme + "://".len()..at),
        _ => text[..at].contains(':').then_some(0..at),
    }
}

/// What follows the first word that introduces a secret: everything to the end, because no syntax can be trusted.
fn introduced_in(text: &str) -> Option<Range<usize>> {
    // ASCII only, so that the places are those of `text`.
    let lower = text.to_ascii_lowercase();
    let word_ends = |word: &'static &str| lower.match_indices(word).map(move |(at, _)| at + word.len());
    let mut ends: Vec<_> = INTRODUCTIONS.iter().flat_map(word_ends).collect();
    ends.sort_unstable();
    let mut past = 0;
    for end in ends {
        // The same run of letters is not walked twice: `passwordpassword…` would cost its length squared.
        if end < past {
            continue;
        }
        let separator = text[end..].trim_start_matches(|c: char| c.is_alphanumeric() || c == '_' || c == '-');
        past = text.len() - separator.len();
        let value = separator.trim_start_matches(|c: char| c.is_whitespace() || "=:\"'".contains(c));
        if value.len() < separator.len() && !value.is_empty() {
            return Some(text.len() - value.len()..text.len());
        }
    }
    None
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
        assert_eq!(hidden("postgres://db/orders"), "postgres://db/orders");
    }

    #[test]
    fn what_a_word_introduces_is_hidden_to_the_end() {
        assert_eq!(hidden("host=db Password=canary port=1"), "host=db Password=***");
        assert_eq!(hidden("ALTER ROLE a PASSWORD 'canary'"), "ALTER ROLE a PASSWORD '***");
        assert_eq!(hidden("IDENTIFIED BY \"canary\""), "IDENTIFIED BY \"***");
        assert_eq!(hidden("password/x password_of_a: canary"), "password/x password_of_a: ***");
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
