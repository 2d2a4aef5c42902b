//! Reads off a statement's text whether it may leave something behind in the connection.
//!
//! Whole words are compared, not parsed: a column called `begin` costs one needless reset, a statement that
//! hides its verb does not exist in SQL. The quotes around a name end a word like anything else that is no
//! letter, digit or underscore, so `"temp".item` is seen.

use crate::sql::Effect;

const NOTHING: Effect = Effect {
    begins: false,
    ends: false,
    session: false,
    statements: false,
    read_only: false,
    lasting: false,
    empty: false,
};
/// A transaction.
const TRANSACTION: Effect = Effect { begins: true, ..NOTHING };
/// Anything a session has: settings, attached databases, temporary tables, a transaction.
const SESSION: Effect = Effect { begins: true, session: true, ..NOTHING };

/// The words, in capitals, and what each may leave.
const WORDS: [(&[u8], Effect); 7] = [
    (b"BEGIN", TRANSACTION),
    (b"SAVEPOINT", TRANSACTION),
    (b"PRAGMA", SESSION),
    (b"ATTACH", SESSION),
    (b"DETACH", SESSION),
    (b"TEMP", SESSION),
    (b"TEMPORARY", SESSION),
];

/// What this statement, or these, may leave behind.
pub(super) fn left_by(sql: &str) -> Effect {
    let found = sql
        .as_bytes()
        .split(|byte| !byte.is_ascii_alphanumeric() && *byte != b'_')
        // None of the words is shorter or longer.
        .filter(|word| (4..=9).contains(&word.len()))
        .flat_map(|word| WORDS.iter().filter(|(known, _)| word.eq_ignore_ascii_case(known)))
        .map(|(_, effect)| *effect);
    found.fold(NOTHING, |all, effect| Effect {
        begins: all.begins || effect.begins,
        session: all.session || effect.session,
        ..NOTHING
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_statements_leave_nothing() {
        for sql in [
            "",
            "SELECT 1",
            "INSERT INTO item (beginning, temperature) VALUES (?, ?)",
            "UPDATE pragmas SET attachment = 'x' WHERE template = 3",
            "COMMIT",
            "ROLLBACK TO inner_point",
        ] {
            assert_eq!(left_by(sql), NOTHING, "{sql}");
        }
    }

    #[test]
    fn transactions_are_seen_in_any_spelling() {
        for sql in ["BEGIN", "begin immediate", "/* x */Begin;", "SELECT 1;\nsavepoint a", "--é\nBEGIN"] {
            assert_eq!(left_by(sql), TRANSACTION, "{sql}");
        }
    }

    #[test]
    fn what_changes_the_session_is_seen_even_beside_a_transaction() {
        for sql in [
            "PRAGMA foreign_keys=OFF",
            "BEGIN; pragma query_only=1; COMMIT",
            "ATTACH 'x.db' AS x",
            "DETACH x",
            "CREATE TEMP TABLE t (a)",
            "create temporary view v AS SELECT 1",
            "CREATE TABLE \"temp\".t (a)",
            "CREATE TABLE temp.t (a)",
        ] {
            assert_eq!(left_by(sql), SESSION, "{sql}");
        }
    }
}
