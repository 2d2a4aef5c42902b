//! What a statement of MySQL or MariaDB may leave behind in its session.

use crate::sql::{Effect, Statements, Word};

/// What this text may leave behind.
pub(super) fn left_by(sql: &str) -> Effect {
    let mut words = Statements::of_mysql(sql).peekable();
    let mut effect = Effect::default();
    // `SET TRANSACTION` is for the transaction that begins next, whoever begins it.
    let mut for_the_next = false;
    while let Some(first) = words.next() {
        if first.is(";") {
            continue;
        }
        if first.is("SET") && words.peek().is_some_and(|second| second.is("TRANSACTION")) {
            for_the_next = true;
            while words.next_if(|word| !word.is(";")).is_some() {}
            continue;
        }
        let rest = std::iter::from_fn(|| words.next_if(|word| !word.is(";")));
        let next = left_by_statement(first, rest);
        for_the_next &= !next.begins;
        effect = effect.then(next);
    }
    effect.session |= for_the_next;
    effect
}

fn left_by_statement<'a>(first: Word<'a>, rest: impl Iterator<Item = Word<'a>>) -> Effect {
    let mut effect = Effect { session: is_of_session(first), ..Effect::default() };
    let (mut second, mut last) = (None, first);
    let (mut chained, mut to_savepoint) = (false, false);
    for word in rest {
        second.get_or_insert(word);
        effect.session |= is_of_session(word);
        effect.read_only |= word.is("ONLY") && last.is("READ");
        chained |= word.is("CHAIN") && !last.is("NO");
        to_savepoint |= word.is("TO");
        last = word;
    }
    let starts = first.is("START") && second.is_some_and(|second| second.is("TRANSACTION"));
    if first.is_one_of(&["BEGIN", "XA"]) || starts {
        effect.begins = true;
    } else if first.is_one_of(&["COMMIT", "ROLLBACK"]) {
        effect.ends = !chained && !to_savepoint;
    } else if first.is_one_of(&[
        "SET",
        "USE",
        "LOCK",
        "FLUSH",
        "PREPARE",
        "EXECUTE",
        "DEALLOCATE",
        "HANDLER",
        "CALL",
        "DO",
        "BACKUP",
        // The end of a compound statement, such as `BEGIN NOT ATOMIC … END`. Nobody reads what is inside.
        "END",
        "!",
    ]) {
        effect.session = true;
    }
    effect.read_only &= effect.begins || first.is("SET");
    effect
}

/// Variables of the user, comments that are run, temporary tables, locks by name.
fn is_of_session(word: Word<'_>) -> bool {
    word.is_one_of(&["@", "!", "TEMPORARY"]) || word.name().is("GET_LOCK")
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
        for sql in [
            "",
            "SELECT @@version",
            "UPDATE item SET a = 'SET @x', `temporary` = 1 -- BEGIN",
            "SAVEPOINT a; ROLLBACK TO a; RELEASE SAVEPOINT a",
            "START SLAVE",
        ] {
            assert_eq!(left_by(sql), NOTHING, "{sql}");
        }
    }

    #[test]
    fn transactions_are_followed_through_a_text() {
        let begun = Effect { begins: true, ..NOTHING };
        for (sql, effect) in [
            ("BEGIN", begun),
            ("start transaction read only", Effect { read_only: true, ..begun }),
            ("SET TRANSACTION ISOLATION LEVEL SERIALIZABLE; START TRANSACTION", begun),
            ("COMMIT", Effect { ends: true, ..NOTHING }),
            ("COMMIT AND CHAIN", NOTHING),
            ("ROLLBACK; BEGIN", begun),
        ] {
            assert_eq!(left_by(sql), effect, "{sql}");
        }
    }

    #[test]
    fn what_changes_the_session_is_seen() {
        for sql in [
            "SET NAMES latin1",
            "SET TRANSACTION READ ONLY",
            "START TRANSACTION; SET TRANSACTION READ ONLY; COMMIT",
            "SELECT @a := 1",
            "SELECT 1 INTO @a",
            "CREATE TEMPORARY TABLE t (a INT)",
            "SELECT GET_LOCK('a', 1)",
            "LOCK TABLES t READ",
            "USE other",
            "/*!50000 SET x = 1 */",
            "PREPARE p FROM 'SELECT 1'",
            "CALL anything()",
            "SELECT 5--2, GET_LOCK('a', 0)",
            "SELECT `GET_LOCK`('a', 0)",
            "BEGIN NOT ATOMIC SET lock_wait_timeout = 77; END",
            "IF 1 THEN SET lock_wait_timeout = 77; END IF",
            "BACKUP STAGE START",
        ] {
            assert!(left_by(sql).session, "{sql}");
        }
    }
}
