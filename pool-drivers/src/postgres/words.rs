//! What a statement of PostgreSQL may leave behind in its session.

use crate::sql::{Effect, Statements, Word};

/// Functions that change the session, wherever they are called; the locks of those with `xact` end with the
/// transaction.
const FUNCTIONS: [&str; 4] = ["pg_advisory_lock", "pg_try_advisory_lock", "set_config", "lo_open"];

/// Functions whose doing lasts as long as the session.
const LASTING: [&str; 2] = ["dblink_connect", "pg_replication_origin_session_setup"];

/// What this text may leave behind.
pub(super) fn left_by(sql: &str) -> Effect {
    let mut words = Statements::of_postgres(sql).peekable();
    let mut effect = Effect { empty: true, ..Effect::default() };
    // `BEGIN ATOMIC … END` is the body of a function. What looks like its statements is none of ours.
    let mut in_body = false;
    while let Some(first) = words.next() {
        if first.is(";") {
            continue;
        }
        let mut last = first;
        let rest = std::iter::from_fn(|| {
            let word = words.next_if(|word| !word.is(";"))?;
            in_body |= word.is("ATOMIC") && last.is("BEGIN");
            last = word;
            Some(word)
        });
        let next = left_by_statement(first, rest);
        effect = effect.then(Effect { ends: next.ends && !in_body, ..next });
    }
    effect
}

fn left_by_statement<'a>(first: Word<'a>, rest: impl Iterator<Item = Word<'a>>) -> Effect {
    let mut effect = Effect::default();
    let mut second = None;
    let (mut chained, mut holds, mut to_savepoint) = (false, false, false);
    let mut last = first;
    let mut session_word = is_of_session(first);
    for word in rest {
        second.get_or_insert(word);
        session_word |= is_of_session(word);
        effect.lasting |= LASTING.iter().any(|function| word.name().begins_with(function));
        effect.read_only |=
            word.name().is_one_of(&["transaction_read_only", "default_transaction_read_only"]);
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
    } else if first.is_one_of(&["RESET", "LISTEN", "UNLISTEN", "DO", "CALL"]) {
        // `RESET` may undo what `init_sql` has set.
        effect.session = true;
    } else if first.is("LOAD") {
        effect.lasting = true;
    } else if first.is("DECLARE") {
        effect.session = holds;
    }
    effect.read_only &= effect.begins || first.is("SET");
    effect.session |= session_word || effect.lasting;
    effect
}

/// Temporary things, functions that change the session, and the view through which settings can be updated.
fn is_of_session(word: Word<'_>) -> bool {
    let name = word.name();
    word.is_one_of(&["TEMP", "TEMPORARY"])
        || name.is_one_of(&["pg_temp", "pg_settings"])
        || FUNCTIONS.iter().any(|function| name.begins_with(function))
        // `U&"…"`: spelled so that nobody can read it.
        || (word.0.starts_with('"') && word.0.contains('\\'))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOTHING: Effect = Effect {
        begins: false,
        ends: false,
        session: false,
        statements: false,
        read_only: false,
        lasting: false,
        empty: false,
    };

    #[test]
    fn plain_statements_leave_nothing() {
        for sql in ["", ";;", "-- nothing"] {
            assert_eq!(left_by(sql), Effect { empty: true, ..NOTHING }, "{sql}");
        }
        for sql in [
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
            ("CREATE FUNCTION f() RETURNS int BEGIN ATOMIC SELECT 1; SELECT 2; END", NOTHING),
            ("SET LOCAL transaction_read_only = on", Effect { read_only: true, ..NOTHING }),
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
            "RESET ROLE",
            "CREATE FUNCTION pg_temp.f() RETURNS int LANGUAGE sql AS 'SELECT 1'",
            "CREATE TABLE \"pg_temp\".t (a int)",
            "SELECT \"pg_catalog\".\"set_config\"('a.b', 'c', false)",
            "SELECT U&\"set\\005fconfig\"('a.b', 'c', false)",
            "UPDATE pg_settings SET setting = '9MB' WHERE name = 'work_mem'",
        ] {
            assert_eq!(left_by(sql), Effect { session: true, ..NOTHING }, "{sql}");
        }
        for sql in ["SELECT dblink_connect('a', 'b')", "LOAD 'auto_explain'"] {
            assert_eq!(left_by(sql), Effect { session: true, lasting: true, ..NOTHING }, "{sql}");
        }
        for sql in ["PREPARE a AS SELECT 1", "DEALLOCATE ALL", "DISCARD ALL"] {
            assert_eq!(left_by(sql), Effect { statements: true, ..NOTHING }, "{sql}");
        }
    }
}
