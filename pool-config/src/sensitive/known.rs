//! The keys of the schema, and whether what stands under a key may be shown.
//!
//! Nobody knows what an unknown key holds: `pw`, `dsn` and `jwt` are secrets, and the next word for one is not thought of
//! yet. So its value is hidden, unless the key is a known one with a slip in it: then the message is of use only with the
//! line as it is.

use std::collections::BTreeSet;
use std::sync::OnceLock;

use crate::description::{Content, SectionKeys};
use crate::path::MAIN_SECTION;
use crate::sensitive::is_secret_key;
use crate::suggest::nearest;

/// The most unknown keys of one text that are compared with the known ones: each costs a hundred comparisons, and a text
/// can hold a hundred thousand. The values of the rest are hidden.
const MAX_GUESSES: usize = 100;

/// Whether any section has a key of this name.
pub(crate) fn is_known_key(key: &str) -> bool {
    names().contains(key)
}

/// The known keys that an unknown one may be meant for, if its value is to be shown.
fn candidates() -> &'static [&'static str] {
    static CANDIDATES: OnceLock<Vec<&'static str>> = OnceLock::new();
    CANDIDATES.get_or_init(|| names().iter().copied().filter(|name| !is_secret_key(name)).collect())
}

/// Every name that a key has anywhere, in order.
fn names() -> &'static BTreeSet<&'static str> {
    static NAMES: OnceLock<BTreeSet<&'static str>> = OnceLock::new();
    NAMES.get_or_init(|| {
        let mut names = BTreeSet::from([MAIN_SECTION]);
        add_names(&SectionKeys::config(), &mut names);
        names
    })
}

fn add_names(section: &SectionKeys, names: &mut BTreeSet<&'static str>) {
    for key in &section.keys {
        names.insert(key.name);
        match &key.content {
            Content::Value(_) => {}
            Content::Section(inner) | Content::Inheriting(inner) | Content::Sections(inner) => {
                add_names(inner, names);
            }
        }
    }
}

/// Decides for one text which keys have values that may be shown.
#[derive(Debug)]
pub(crate) struct Judge {
    guesses_left: usize,
}

impl Judge {
    pub(crate) fn new() -> Self {
        Self { guesses_left: MAX_GUESSES }
    }

    /// Whether the key is known and not that of a secret, or nearly so.
    pub(crate) fn shows_value_of(&mut self, key: &str) -> bool {
        if is_secret_key(key) {
            return false;
        }
        if is_known_key(key) {
            return true;
        }
        let Some(left) = self.guesses_left.checked_sub(1) else { return false };
        self.guesses_left = left;
        nearest(key, candidates()).is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_of_known_keys_and_of_slips_in_them_are_shown() {
        for key in
            ["connection_pool", "max_connections", "max_conections", "maxConnections", "hots", "client_key"]
        {
            assert!(Judge::new().shows_value_of(key), "{key}");
        }
    }

    #[test]
    fn values_of_other_keys_are_not() {
        for key in [
            "password",
            "pasword",
            "pw",
            "dsn",
            "key",
            "access_key",
            "private_key",
            "userpass",
            "jwt",
            "x",
            "",
        ] {
            assert!(!Judge::new().shows_value_of(key), "{key}");
        }
    }

    #[test]
    fn a_text_full_of_unknown_keys_gets_no_more_guesses() {
        let mut judge = Judge::new();
        for _ in 0..MAX_GUESSES {
            assert!(judge.shows_value_of("max_conections"));
        }
        assert!(!judge.shows_value_of("max_conections"));
        assert!(judge.shows_value_of("max_connections"));
    }
}
