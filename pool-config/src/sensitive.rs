//! What may be a secret, and must therefore never be shown: told by the name of a key and by the shape of a text.
//!
//! Both guesses err towards hiding: a hidden value costs a look at the file, a shown one costs a password.

mod credentials;
mod known;
mod torn;

use std::ops::Range;

pub(crate) use credentials::credentials_in;
pub(crate) use known::{Judge, is_known_key};
pub(crate) use torn::{has_secret, may_be_torn_off};

use strsim::damerau_levenshtein;

/// A name that holds one of these is that of a secret.
const PARTS: &[&str] = &[
    "password",
    "passwd",
    "passphrase",
    "passwort",
    "requirepass",
    "pwd",
    "secret",
    "token",
    "credential",
    "apikey",
    "accesskey",
    "privatekey",
    "authorization",
    "bearer",
];

/// A name with one of these among its words is, too.
const WORDS: &[&str] = &["pass", "passw", "pw", "psw", "jwt", "dsn", "creds"];

/// Names that end as `userpass` does, and mean something else.
const NO_PASS: &[&str] = &["bypass", "compass"];

/// A word of a name that is one of these but for some letters is taken for it: whoever mistypes `password` gets an
/// error that shows the line.
const MISTYPED: &[(&str, usize)] = &[("password", 2), ("secret", 1), ("token", 1)];

/// Whether what a key of this name holds is secret.
pub(crate) fn is_secret_key(key: &str) -> bool {
    let key = key.to_lowercase();
    let letters: String = key.chars().filter(|c| c.is_alphanumeric()).collect();
    if PARTS.iter().any(|part| letters.contains(part)) {
        return true;
    }
    let mut words = key.split(|c: char| !c.is_alphanumeric());
    words.any(|word| {
        if WORDS.contains(&word) || (word.ends_with("pass") && !NO_PASS.contains(&word)) {
            return true;
        }
        let mut known = MISTYPED.iter().filter(|(known, wrong)| known.len().abs_diff(word.len()) <= *wrong);
        known.any(|(known, wrong)| damerau_levenshtein(word, known) <= *wrong)
    })
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
            "db_pass",
            "userpass",
            "passw",
            "psw",
            "DB_PW",
            "jwt",
            "dsn",
            "access_key",
            "privateKey",
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
}
