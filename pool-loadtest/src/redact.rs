//! Takes secrets out of texts that go into a result: a result is sent around.

/// The longest message that is kept; the rest is cut off.
const LONGEST: usize = 400;

/// Words after which a secret stands, as `word=secret`.
const SECRETS: [&str; 6] = ["password=", "passwd=", "pwd=", "secret=", "token=", "apikey="];

/// The text on one line, at most 400 characters of it, with passwords in URLs and after `password=` masked.
pub(crate) fn redact(text: &str) -> String {
    let mut line: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    mask_urls(&mut line);
    mask_assignments(&mut line);
    if let Some((cut, _)) = line.char_indices().nth(LONGEST) {
        line.truncate(cut);
        line.push('…');
    }
    line
}

/// `scheme://user:secret@host` becomes `scheme://user:***@host`.
fn mask_urls(line: &mut String) {
    let mut from = 0;
    while let Some(found) = line[from..].find("://") {
        let start = from + found + "://".len();
        let end = line[start..].find(ends_value).map_or(line.len(), |end| start + end);
        let path = line[start..end].find('/').map_or(end, |path| start + path);
        // A password may itself hold an `@`, and an unescaped `/`; the host begins after the last `@`.
        let at = line[start..path].rfind('@').or_else(|| line[start..end].rfind('@'));
        let secret = at.and_then(|at| {
            let colon = line[start..start + at].find(':')?;
            Some(start + colon + 1..start + at)
        });
        if let Some(secret) = secret {
            line.replace_range(secret, "***");
        }
        from = start;
    }
}

/// `password=secret` becomes `password=***`, wherever it stands.
fn mask_assignments(line: &mut String) {
    for word in SECRETS {
        let mut from = 0;
        while let Some(found) = line[from..].to_ascii_lowercase().find(word) {
            let start = from + found + word.len();
            let end = line[start..].find(|c| ends_value(c) || c == '&' || c == ';');
            let end = end.map_or(line.len(), |end| start + end);
            line.replace_range(start..end, "***");
            from = start;
        }
    }
}

fn ends_value(c: char) -> bool {
    c.is_whitespace() || matches!(c, '"' | '\'' | '`' | ')' | ',')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_in_urls_are_masked() {
        for (text, expected) in [
            ("postgres://app:hunter2@db:5432/orders", "postgres://app:***@db:5432/orders"),
            (
                "connect to mysql://a:b@h, then redis://:c@i",
                "connect to mysql://a:***@h, then redis://:***@i",
            ),
            ("postgres://app:p@ss@db/x", "postgres://app:***@db/x"),
            ("postgres://app:p/a@db/x", "postgres://app:***@db/x"),
            ("postgres://app@db/orders", "postgres://app@db/orders"),
            ("see https://example.org:8080/a", "see https://example.org:8080/a"),
        ] {
            assert_eq!(redact(text), expected);
        }
    }

    #[test]
    fn assigned_secrets_are_masked_even_at_the_end() {
        assert_eq!(redact("host=db Password=hunter2"), "host=db Password=***");
        assert_eq!(redact("?user=a&password=b&ssl=on"), "?user=a&password=***&ssl=on");
    }

    #[test]
    fn the_text_is_one_short_line() {
        assert_eq!(redact("a\nb\u{1b}[31m"), "a b [31m");
        assert_eq!(redact(&"é".repeat(500)).chars().count(), LONGEST + 1);
    }
}
