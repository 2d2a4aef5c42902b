//! How text of the file appears in a message: one short line, and never with a password.

use crate::sensitive::credentials_in;

/// What stands for text that must not be shown.
pub(crate) const MASK: &str = "***";

/// Longer text is cut; a message is read in a terminal.
const MAX_CHARS: usize = 60;

/// `text` in double quotes: escaped, cut to a readable length, and with [`MASK`] for what looks like credentials.
pub(crate) fn shown(text: &str) -> String {
    let masked = masked(text);
    let mut cut: String = masked.chars().take(MAX_CHARS).collect();
    if masked.chars().nth(MAX_CHARS).is_some() {
        cut.push('…');
    }
    format!("{cut:?}")
}

/// `text` with [`MASK`] for what looks like credentials.
pub(crate) fn masked(text: &str) -> String {
    let mut masked = text.to_owned();
    for range in credentials_in(text).into_iter().rev() {
        masked.replace_range(range, MASK);
    }
    masked
}

/// `text` with another sign for each character that a terminal obeys instead of showing it: control characters but tabs,
/// and those that turn the direction of writing.
pub(crate) fn printable(text: &str) -> String {
    text.chars().map(|c| if c == '\t' { c } else { sign_for(c) }).collect()
}

/// The character itself, or for one of the old control characters the sign that Unicode has for it.
fn sign_for(c: char) -> char {
    match c {
        '\0'..='\u{1F}' => char::from_u32(0x2400 + u32::from(c)).unwrap_or(char::REPLACEMENT_CHARACTER),
        '\u{7F}'..='\u{9F}' | '\u{200E}' | '\u{200F}' | '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}' => {
            char::REPLACEMENT_CHARACTER
        }
        c => c,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_quoted_and_escaped() {
        assert_eq!(shown("a\tb"), r#""a\tb""#);
    }

    #[test]
    fn long_text_is_cut() {
        assert_eq!(shown(&"ä".repeat(61)), format!("\"{}…\"", "ä".repeat(60)));
        assert_eq!(shown(&"ä".repeat(60)), format!("\"{}\"", "ä".repeat(60)));
    }

    #[test]
    fn the_credentials_of_a_url_are_masked() {
        assert_eq!(shown("postgres://app:c@nary@db/orders"), r#""postgres://***@db/orders""#);
        assert_eq!(shown("mail@host://x"), r#""mail@host://x""#);
    }

    #[test]
    fn a_password_beside_other_words_is_masked() {
        assert_eq!(shown("host=db password=canary"), r#""host=db password=***""#);
    }

    #[test]
    fn what_a_terminal_would_obey_is_shown_as_a_sign() {
        assert_eq!(printable("a\tb\u{1b}[31m\r\u{9b}31m\u{7f}\u{202e}é"), "a\tb␛[31m␍�31m��é");
    }
}
