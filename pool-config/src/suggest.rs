//! "Did you mean": the known word nearest to one that is not known.

/// Longer words are not compared: the distance costs the product of both lengths, and no key is this long.
const MAX_LEN: usize = 64;

/// Keys of other pools and of secrets, with what to write instead.
///
/// They come before the nearest word, which would mislead: `acquire_timeout_ms` is near `idle_timeout_ms`.
const FOREIGN: &[(&str, &str)] = &[
    ("acquire_timeout_ms", "the time an acquire may take is called `connection_timeout_ms`"),
    ("pool_size", "the size of a pool is called `max_connections`"),
    ("maximum_pool_size", "the size of a pool is called `max_connections`"),
    ("minimum_idle", "write `min_connections` for the size a pool never shrinks below, or `min_idle`"),
    ("max_waiters", "the most callers that may wait are called `max_waiting`"),
    ("queue_order", "which idle connection is handed out next is called `reuse`"),
    ("command", "the program that prints the password is called `password_command`"),
    ("username", "whom to connect as is called `user`"),
    ("reset_query", "drivers clean a session by themselves, and only when it needs it; remove the key"),
];

/// What to write instead of `key`, which is none of the `known` keys, if that can be guessed.
pub(crate) fn help_for_unknown(key: &str, known: &[&str]) -> Option<String> {
    let word = normal(key);
    match FOREIGN.iter().find(|(foreign, _)| *foreign == word) {
        Some((_, help)) => Some((*help).to_owned()),
        None => nearest(key, known).map(|known| format!("did you mean `{known}`?")),
    }
}

/// The word of `known` that `word` most likely means, if one is near enough: a third of its letters may differ.
pub(crate) fn nearest<'a>(word: &str, known: &[&'a str]) -> Option<&'a str> {
    if word.len() > MAX_LEN {
        return None;
    }
    let word = normal(word);
    let allowed = (word.chars().count() / 3).max(1);
    known
        .iter()
        .map(|known| (strsim::damerau_levenshtein(&word, known), *known))
        .filter(|(distance, _)| *distance <= allowed)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, known)| known)
}

/// `maxConnections` and `max-connections` as `max_connections`.
fn normal(word: &str) -> String {
    let mut normal = String::with_capacity(word.len());
    let mut after_small = false;
    for c in word.chars() {
        if c.is_uppercase() && after_small {
            normal.push('_');
        }
        after_small = c.is_lowercase();
        normal.extend(c.to_lowercase().map(|c| if c == '-' { '_' } else { c }));
    }
    normal
}

#[cfg(test)]
mod tests {
    use super::*;

    const KNOWN: &[&str] = &["max_connections", "min_connections", "idle_timeout_ms", "host"];

    #[test]
    fn a_misspelt_word_finds_its_neighbour() {
        assert_eq!(nearest("max_conections", KNOWN), Some("max_connections"));
        assert_eq!(nearest("idle_timeout", KNOWN), Some("idle_timeout_ms"));
        assert_eq!(nearest("hots", KNOWN), Some("host"));
        assert_eq!(nearest("hostid", KNOWN), Some("host"));
    }

    #[test]
    fn another_case_style_finds_its_neighbour() {
        assert_eq!(nearest("minConnections", KNOWN), Some("min_connections"));
        assert_eq!(nearest("MAX-CONNECTIONS", KNOWN), Some("max_connections"));
    }

    #[test]
    fn a_word_far_from_all_finds_nothing() {
        assert_eq!(nearest("colour", KNOWN), None);
        assert_eq!(nearest("hint", KNOWN), None);
        assert_eq!(nearest("", KNOWN), None);
    }

    #[test]
    fn a_word_too_long_to_compare_finds_nothing() {
        let padded = format!("max_connections{}", "_".repeat(MAX_LEN));
        assert_eq!(nearest(&padded, &[padded.as_str()]), None);
    }

    #[test]
    fn the_words_of_other_pools_are_translated() {
        let help = |key| help_for_unknown(key, KNOWN).unwrap();
        assert!(help("maximumPoolSize").contains("`max_connections`"));
        assert!(help("acquire_timeout_ms").contains("`connection_timeout_ms`"));
    }
}
