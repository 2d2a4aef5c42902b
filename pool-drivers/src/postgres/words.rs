//! What a statement of PostgreSQL may leave behind in its session.

use crate::sql::{Effect, Statements, Word};

/// Functions that change the session, wherever they are called; the locks of those with `xact` end with the
/// transaction.
const FUNCTIONS: [&str; 5] =
    ["pg_advisory_lock", "pg_try_advisory_lock", "set_config", "dblink_connect", "lo_open"];

/// What this text may leave behind.
pub(super) fn left_by(sql: &str) -> Effect {
    let mut words = Statements::of_postgres(sql).peekable();
    let mut effect = Effect::default();
    while let Some(first) = words.next() {
        if first.is(";") {
            continue;
        }
        let rest = std::iter::from_fn(|| words.next_if(|word| !word.is(";")));
        effect = effect.then(left_by_statement(first, rest));
    }
    effect
}

fn left_by_statement<'a>(first: Word<'a>, rest: impl Iterator<Item = Word<'a>>) -> Effect {
    let mut effect = Effect::default();
    let mut second = None;
    let (mut chained, mut holds, mut to_savepoint) = (false, false, false);
    let mut last = first;
    let mut session_word = is_session_function(first);
    for word in rest {
        second.get_or_insert(word);
        session_word |= word.is_one_of(&["TEMP", "TEMPORARY"]) || is_session_function(word);
        chained |= word.is("CHAIN") && !last.is("NO");
        holds |= word.is("HOLD") && last.is("WITH");
        to_savepoint |= word.is("TO");
        effect.read_only |= word.is("ONLY") && last.is("READ");
        last = word;
    }
    let second_is = |words: &[&str]| second.is_some_and(|second| second.is_one_of(words));
    if first.is_one_of(&["BEGIN", "START"]) {
        effect.begins = true;
    } else if first.is_one_of(&["COMMIT", "END", "ROLLBACK", "ABORT"]) {
        // `ROLLBACK TO` stays in the transaction; `COMMIT PREPARED` is of another one.
        effect.ends = !chained && !to_savepoint && !second_is(&["PREPARED"]);
    } else if first.is("PREPARE") && second_is(&["TRANSACTION"]) {
        effect.ends = true;
    } else if first.is_one_of(&["PREPARE", "DEALLOCATE", "DISCARD"]) {
        effect.statements = true;
    } else if first.is("SET") {
        let of_transaction = second_is(&["LOCAL", "TRANSACTION", "CONSTRAINTS"]);
        effect.session = !of_transaction;
    } else if first.is_one_of(&["LISTEN", "LOAD", "DO", "CALL"]) {
        effect.session = true;
    } else if first.is("DECLARE") {
        effect.session = holds;
    }
    effect.read_only &= effect.begins || first.is("SET");
    effect.session |= session_word;
    effect
}

fn is_session_function(word: Word<'_>) -> bool {
    FUNCTIONS.iter().any(|function| word.begins_with(function))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOTHING: Effect =
        Effect { begins: false, ends: false, session: false, statements: false, read_only: false };

    #[test]
    fn plain_statements_leave_nothing() {
        for sql in [
            "",
            ";;",
            "SELECT 1",
            "UPDATE item SET begin = 1, temp_celsius = 2",
            "SELECT 'SET x; BEGIN', \"temp\"",
            "INSERT INTO item VALUES ($1) RETURNING id",
            "SET LOCAL statement_timeout = 5",
            "SET TRANSACTION ISOLATION LEVEL SERIALIZABLE",
            "DECLARE c CURSOR FOR SELECT 1",
            "SAVEPOINT a; RELEASE a; ROLLBACK TO a",
            "SELECT pg_advisory_xact_lock(1)",
            "COMMIT PREPARED 'a'",
        ] {
            assert_eq!(left_by(sql), NOTHING, "{sql}");
        }
    }

    #[test]
    fn transactions_are_followed_through_a_text() {
        let begun = Effect { begins: true, ..NOTHING };
        let ended = Effect { ends: true, ..NOTHING };
        for (sql, effect) in [
            ("BEGIN", begun),
            ("/* x */ start transaction", begun),
            ("BEGIN; SELECT 1", begun),
            ("BEGIN; SELECT 1; COMMIT", Effect { begins: true, ends: true, ..NOTHING }),
            ("COMMIT; BEGIN", begun),
            ("COMMIT", ended),
            ("end work", ended),
            ("ABORT", ended),
            ("ROLLBACK", ended),
            ("PREPARE TRANSACTION 'a'", ended),
            ("COMMIT AND NO CHAIN", ended),
            ("COMMIT AND CHAIN", NOTHING),
            ("BEGIN READ ONLY", Effect { read_only: true, ..begun }),
        ] {
            assert_eq!(left_by(sql), effect, "{sql}");
        }
    }

    #[test]
    fn what_changes_the_session_is_seen() {
        for sql in [
            "SET search_path = x",
            "set session authorization bob",
            "SELECT set_config('a.b', 'c', false)",
            "LISTEN orders",
            "SELECT pg_advisory_lock(1)",
            "SELECT pg_try_advisory_lock_shared(1)",
            "CREATE TEMP TABLE t (a int)",
            "create temporary view v as select 1",
            "SELECT 1 INTO TEMP t",
            "DECLARE c CURSOR WITH HOLD FOR SELECT 1",
            "DO $$ BEGIN PERFORM 1; END $$",
            "CALL anything()",
            "SELECT 1; SET x = 1; SELECT 2",
        ] {
            assert_eq!(left_by(sql), Effect { session: true, ..NOTHING }, "{sql}");
        }
        for sql in ["PREPARE a AS SELECT 1", "DEALLOCATE ALL", "DISCARD ALL"] {
            assert_eq!(left_by(sql), Effect { statements: true, ..NOTHING }, "{sql}");
        }
    }
}
