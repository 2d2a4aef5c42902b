//! Reads off the text of statements what they may leave behind in a session.
//!
//! Statements are told apart and their first words compared, not parsed: quoted texts and comments are skipped, and
//! of the rest whole words are looked at. What cannot be told counts as suspicious, which costs a needless reset.

/// What running a text may leave behind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Effect {
    /// It begins a transaction, or may.
    pub(crate) begins: bool,
    /// When it has succeeded, no transaction is open.
    pub(crate) ends: bool,
    /// Settings, temporary tables, locks, listeners: anything a session has.
    pub(crate) session: bool,
    /// It meddles with prepared statements.
    pub(crate) statements: bool,
    /// It asks for a transaction that may not write.
    pub(crate) read_only: bool,
    /// What it leaves in the session cannot be undone.
    pub(crate) lasting: bool,
    /// There is no statement in it. It succeeds even in a transaction that is void.
    pub(crate) empty: bool,
}

impl Effect {
    /// This, then the other.
    #[cfg(any(feature = "mysql", feature = "postgres"))]
    pub(crate) fn then(self, next: Effect) -> Effect {
        Effect {
            begins: self.begins || next.begins,
            ends: (self.ends && !next.begins) || next.ends,
            session: self.session || next.session,
            statements: self.statements || next.statements,
            read_only: self.read_only || next.read_only,
            lasting: self.lasting || next.lasting,
            empty: self.empty && next.empty,
        }
    }
}

#[cfg(any(feature = "mysql", feature = "postgres"))]
pub(crate) use split::{Statements, Word};

#[cfg(any(feature = "mysql", feature = "postgres"))]
mod split {
    /// A word of a statement, or a sign that matters.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub(crate) struct Word<'a>(pub(crate) &'a str);

    impl Word<'_> {
        pub(crate) fn is(self, word: &str) -> bool {
            self.0.eq_ignore_ascii_case(word)
        }

        pub(crate) fn is_one_of(self, words: &[&str]) -> bool {
            words.iter().any(|word| self.is(word))
        }

        /// The word without the quotes that a name may have.
        pub(crate) fn name(self) -> Self {
            Word(self.0.trim_matches(['"', '`']))
        }

        #[cfg(feature = "postgres")]
        pub(crate) fn begins_with(self, start: &str) -> bool {
            self.0.get(..start.len()).is_some_and(|head| head.eq_ignore_ascii_case(start))
        }
    }

    /// The words of a text, and `;` where a statement ends. `@` stands before the name of a user's variable of
    /// MySQL, `!` for a comment that MySQL runs.
    ///
    /// `"names"` of PostgreSQL and `` `names` `` of MySQL keep their quotes, which tells them from words of the language.
    pub(crate) struct Statements<'a> {
        rest: &'a str,
        /// Backslashes escape quotes, and `#` begins a comment: MySQL.
        backslashes: bool,
    }

    impl<'a> Statements<'a> {
        #[cfg(any(test, feature = "postgres"))]
        pub(crate) fn of_postgres(sql: &'a str) -> Self {
            Statements { rest: sql, backslashes: false }
        }

        #[cfg(any(test, feature = "mysql"))]
        pub(crate) fn of_mysql(sql: &'a str) -> Self {
            Statements { rest: sql, backslashes: true }
        }

        /// Skips to behind the first `end`, or to the end of all.
        fn skip_behind(&mut self, end: &str) {
            self.rest = self.rest.find(end).map_or("", |at| &self.rest[at + end.len()..]);
        }

        /// Skips a quoted text, whose first quote is still there.
        fn skip_quoted(&mut self, quote: u8, escapes: bool) -> &'a str {
            let bytes = self.rest.as_bytes();
            let mut at = 1;
            while at < bytes.len() {
                at += match bytes[at] {
                    byte if byte == quote && bytes.get(at + 1) != Some(&quote) => break,
                    byte if byte == quote || (escapes && byte == b'\\') => 2,
                    _ => 1,
                };
            }
            let (quoted, rest) = self.rest.split_at_checked(at + 1).unwrap_or((self.rest, ""));
            self.rest = rest;
            quoted
        }

        /// Skips `'…'` of `E'…'`, and what continues it after a line break: backslashes escape there, too.
        fn skip_escaped(&mut self) {
            loop {
                self.skip_quoted(b'\'', true);
                let next = self.rest.trim_ascii_start();
                let between = &self.rest[..self.rest.len() - next.len()];
                if !(next.starts_with('\'') && between.contains(['\n', '\r'])) {
                    return;
                }
                self.rest = next;
            }
        }

        /// Skips to the end of the line.
        fn skip_line(&mut self) {
            // A carriage return ends a comment of PostgreSQL.
            let ends: &[char] = if self.backslashes { &['\n'] } else { &['\n', '\r'] };
            self.rest = self.rest.find(ends).map_or("", |at| &self.rest[at + 1..]);
        }

        /// Skips `$tag$ … $tag$`. Returns whether there was one.
        fn skip_dollar_quoted(&mut self) -> bool {
            let tag = self.rest[1..].find('$').map(|end| &self.rest[..end + 2]);
            let is_tag = |tag: &&str| {
                let tag = &tag.as_bytes()[1..tag.len() - 1];
                tag.iter().copied().all(is_word_byte) && !tag.first().is_some_and(u8::is_ascii_digit)
            };
            let Some(tag) = tag.filter(is_tag) else { return false };
            self.rest = &self.rest[tag.len()..];
            self.skip_behind(tag);
            true
        }

        /// Skips a comment, with those inside it, whose beginning is still there.
        fn skip_comment(&mut self) {
            let bytes = self.rest.as_bytes();
            let (mut at, mut depth) = (2, 1);
            while depth > 0 && at < bytes.len() {
                match &bytes[at..(at + 2).min(bytes.len())] {
                    b"*/" => (at, depth) = (at + 2, depth - 1),
                    // MySQL's do not nest.
                    b"/*" if !self.backslashes => (at, depth) = (at + 2, depth + 1),
                    _ => at += 1,
                }
            }
            self.rest = self.rest.get(at..).unwrap_or("");
        }
    }

    fn is_word_byte(byte: u8) -> bool {
        byte.is_ascii_alphanumeric() || byte == b'_' || byte >= 0x80
    }

    impl<'a> Iterator for Statements<'a> {
        type Item = Word<'a>;

        fn next(&mut self) -> Option<Word<'a>> {
            loop {
                let bytes = self.rest.as_bytes();
                let second = bytes.get(1).copied();
                match *bytes.first()? {
                    byte if is_word_byte(byte) => {
                        // `$` is part of a name, but not of a number.
                        let in_word =
                            |other: u8| is_word_byte(other) || (other == b'$' && !byte.is_ascii_digit());
                        let end = bytes.iter().position(|byte| !in_word(*byte)).unwrap_or(bytes.len());
                        let (word, rest) = self.rest.split_at(end);
                        // E'…': backslashes escape in it.
                        if word.eq_ignore_ascii_case("E") && rest.starts_with('\'') {
                            self.rest = rest;
                            self.skip_escaped();
                            continue;
                        }
                        self.rest = rest;
                        return Some(Word(word));
                    }
                    quote @ (b'\'' | b'"') if self.backslashes || quote == b'\'' => {
                        self.skip_quoted(quote, self.backslashes);
                    }
                    b'"' => return Some(Word(self.skip_quoted(b'"', false))),
                    b'`' if self.backslashes => return Some(Word(self.skip_quoted(b'`', false))),
                    b'$' if !self.backslashes && self.skip_dollar_quoted() => {}
                    // To MySQL `1--1` is 1 less -1.
                    b'-' if second == Some(b'-')
                        && !(self.backslashes && bytes.get(2).is_some_and(|third| *third > b' ')) =>
                    {
                        self.skip_line();
                    }
                    b'#' if self.backslashes => self.skip_line(),
                    b'/' if second == Some(b'*') => {
                        let runs = self.backslashes
                            && (self.rest[2..].starts_with('!') || self.rest[2..].starts_with("M!"));
                        self.skip_comment();
                        if runs {
                            return Some(Word("!"));
                        }
                    }
                    b'@' if second == Some(b'@') => self.rest = &self.rest[2..],
                    sign @ (b';' | b'@') => {
                        self.rest = &self.rest[1..];
                        return Some(Word(if sign == b';' { ";" } else { "@" }));
                    }
                    _ => self.rest = &self.rest[1..],
                }
            }
        }
    }

    #[cfg(test)]
    mod tests {
        use super::*;

        fn words(sql: &str) -> Vec<&str> {
            Statements::of_postgres(sql).map(|word| word.0).collect()
        }

        fn words_of_mysql(sql: &str) -> Vec<&str> {
            Statements::of_mysql(sql).map(|word| word.0).collect()
        }

        #[test]
        fn texts_names_and_comments_are_skipped() {
            assert_eq!(words("SELECT 'a; SET b', \"x;y\" -- BEGIN\n, c"), ["SELECT", "\"x;y\"", "c"]);
            assert_eq!(words("/* a /* nested; */ b */ SELECT 1"), ["SELECT", "1"]);
            assert_eq!(words("SELECT E'it\\'s; SET x' , 'it''s; SET' ; x"), ["SELECT", ";", "x"]);
            assert_eq!(words("DO $$ BEGIN SET x; END $$; DO $a$ $$ ; $a$"), ["DO", ";", "DO"]);
            assert_eq!(words("SELECT $1, $2"), ["SELECT", "1", "2"]);
            assert_eq!(words("SELECT $1$2$1$ a"), ["SELECT", "1", "2", "1", "a"]);
            assert_eq!(words("SELECT a$b$, c$b$"), ["SELECT", "a$b$", "c$b$"]);
            assert_eq!(words("SELECT E'it''s \\'; x', a"), ["SELECT", "a"]);
            assert_eq!(words("SELECT E'a'\n '\\'; x', a"), ["SELECT", "a"]);
            assert_eq!(words("SELECT 'a\\', a -- b\r, c"), ["SELECT", "a", "c"]);
            assert_eq!(words("SELECT 'caf\u{e9}', caf\u{e9}"), ["SELECT", "caf\u{e9}"]);
        }

        #[test]
        fn mysql_has_comments_and_variables_of_its_own() {
            assert_eq!(words_of_mysql("SELECT 'it\\'s; SET' # BEGIN\n, `a;b`"), ["SELECT", "`a;b`"]);
            assert_eq!(words_of_mysql("SELECT 5--2, a -- b\n, c --"), ["SELECT", "5", "2", "a", "c"]);
            assert_eq!(words_of_mysql("/*!50000 SET x */ SELECT @a, @@b"), ["!", "SELECT", "@", "a", "b"]);
            assert_eq!(words_of_mysql("/* plain /* */ SELECT 1"), ["SELECT", "1"]);
        }

        #[test]
        fn what_is_cut_off_ends_quietly() {
            for sql in ["'", "\"a", "/*", "/* /*", "--", "$a$", "$", "E'\\", "'\\", "`", "@", "/", "\u{e9}'"]
            {
                let (_, _) = (words(sql), words_of_mysql(sql));
            }
        }
    }
}
