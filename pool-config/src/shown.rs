//! How text of the file appears in a message: one short line, and never with a password.

/// Longer text is cut; a message is read in a terminal.
const MAX_CHARS: usize = 60;

/// What stands where something must not be seen.
pub(crate) const MASK: &str = "***";

/// `text` in double quotes: escaped, cut to a readable length, and with the credentials of a URL masked.
pub(crate) fn shown(text: &str) -> String {
    let masked = masked(text);
    let mut cut: String = masked.chars().take(MAX_CHARS).collect();
    if masked.chars().nth(MAX_CHARS).is_some() {
        cut.push('…');
    }
    format!("{cut:?}")
}

/// `scheme://user:password@host` as `scheme://***@host`.
///
/// The last `@` ends the credentials: a password may hold one, a host may not.
pub(crate) fn masked(text: &str) -> String {
    match (text.find("://"), text.rfind('@')) {
        (Some(scheme), Some(at)) if scheme < at => format!("{}://***{}", &text[..scheme], &text[at..]),
        _ => text.to_owned(),
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
        assert_eq!(shown("postgres://app:s@cret@db/orders"), r#""postgres://***@db/orders""#);
        assert_eq!(shown("mail@host://x"), r#""mail@host://x""#);
    }
}
