//! What holders left behind in a connection, as far as it can be seen on the way and without I/O.

use pool_core::ErrorClass;

use super::statement::Effect;

/// How the command that was sent last ended, as far as was seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Course {
    /// To its end.
    Ended,
    /// Its rows were coming.
    InRows,
    /// It was sent, or was about to be.
    Begun,
}

/// See the [module](self).
///
/// Invariant: whatever may make the connection differ from a new one is noted *before* the database learns of it,
/// so that a future dropped anywhere in between cannot hide it.
#[derive(Debug)]
pub(crate) struct Traces {
    course: Course,
    /// A transaction may be open that sqlx does not count.
    transaction: bool,
    /// If the command under way succeeds, none is.
    ends: bool,
    session: bool,
    statements: bool,
    /// What was left in the session cannot be undone.
    lasting: bool,
    /// The command under way says nothing of the transaction when it succeeds: its text has no statement, or is only
    /// prepared.
    inert: bool,
    /// The transaction of this depth has ended without its holder, and with it all inside it.
    lost: Option<usize>,
    /// How many transactions and savepoints of a holder are open, as far as sqlx counts.
    depth: usize,
    /// All transactions are meant not to write.
    born_read_only: bool,
    /// Its holder asked for transactions that may not write.
    read_only: bool,
    /// A roll-back waits in sqlx's buffer.
    owed: bool,
    /// A `BEGIN` was given up in the middle.
    abandoned: bool,
    /// Somebody had the sqlx connection itself in hand, and may have done anything with it.
    lent: bool,
    /// What the worst error meant, if it was the end of the connection.
    fatal: Option<ErrorClass>,
    /// An error went by that is worth another try of the transaction.
    retryable: bool,
    /// The last command failed, and none has succeeded since.
    failed: bool,
}

impl Traces {
    pub(crate) fn new() -> Self {
        Traces {
            course: Course::Ended,
            transaction: false,
            ends: false,
            session: false,
            statements: false,
            lasting: false,
            inert: false,
            lost: None,
            depth: 0,
            born_read_only: false,
            read_only: false,
            owed: false,
            abandoned: false,
            lent: false,
            fatal: None,
            retryable: false,
            failed: false,
        }
    }

    /// A holder is about to run a text, where sqlx counts so many transactions.
    pub(crate) fn statement(&mut self, effect: Effect, depth: usize) {
        self.transaction |= effect.begins;
        self.begin_statement(effect);
        self.ends = effect.ends;
        self.inert = effect.empty;
        self.depth = depth;
    }

    /// A holder is about to prepare a text. Some take effect then, but none ends a transaction.
    pub(crate) fn preparation(&mut self, effect: Effect, depth: usize) {
        self.statement(effect, depth);
        self.ends = false;
        self.inert = true;
    }

    /// A command of our own is about to be run.
    pub(crate) fn own_command(&mut self) {
        self.ends = false;
        self.inert = false;
    }

    /// A holder is about to begin a transaction by a text. sqlx will count it, so only what else the text may
    /// leave is of interest.
    pub(crate) fn begin_statement(&mut self, effect: Effect) {
        self.session |= effect.session;
        self.statements |= effect.statements;
        self.lasting |= effect.lasting;
        self.read_only |= effect.read_only;
    }

    /// A holder borrows the sqlx connection.
    pub(crate) fn lend(&mut self) {
        self.lent = true;
    }

    /// A command is about to be sent.
    pub(crate) fn begun(&mut self) {
        self.course = Course::Begun;
    }

    /// A row came.
    pub(crate) fn row(&mut self) {
        self.course = Course::InRows;
    }

    /// One result is complete, and another may follow.
    pub(crate) fn result(&mut self) {
        self.course = Course::Begun;
    }

    /// A command ended well.
    pub(crate) fn succeeded(&mut self) {
        self.course = Course::Ended;
        self.failed &= std::mem::take(&mut self.inert);
        self.owed = false;
        if std::mem::take(&mut self.ends) {
            self.transaction = false;
        }
    }

    /// A command ended with an error of this class.
    pub(crate) fn failed(&mut self, class: ErrorClass, retryable: bool) {
        self.course = Course::Ended;
        self.failed = true;
        self.ends = false;
        self.retryable |= retryable;
        match class {
            ErrorClass::FatalAll => self.fatal = Some(class),
            ErrorClass::FatalThis | ErrorClass::Auth => {
                self.fatal.get_or_insert(ErrorClass::FatalThis);
            }
            _ => {}
        }
    }

    /// sqlx has queued a roll-back.
    pub(crate) fn owe(&mut self) {
        self.owed = true;
    }

    /// A `BEGIN` is about to be sent that sqlx does not take back.
    pub(crate) fn abandon_begin(&mut self, abandoned: bool) {
        self.abandoned = abandoned;
    }

    /// The database has ended all that is open, by itself.
    pub(crate) fn lose_all(&mut self) {
        if self.depth > 0 {
            self.lost = Some(1);
        }
    }

    /// sqlx ends what is open at this depth, unless what is about to be sent goes well.
    pub(crate) fn lose(&mut self, depth: Option<usize>) {
        self.lost = depth;
    }

    /// The holder has let go of the transaction of this depth.
    pub(crate) fn let_go(&mut self, depth: usize) {
        if self.lost.is_some_and(|lost| depth <= lost) {
            self.lost = None;
        }
    }

    /// Whether the transaction that a holder believes to be in has ended without him.
    pub(crate) fn is_lost(&self) -> bool {
        self.lost.is_some()
    }

    #[cfg(any(feature = "mysql", feature = "postgres"))]
    /// What the holder has asked for up to now, of transactions that may not write, all others want as well.
    pub(crate) fn keep_read_only(&mut self) {
        self.born_read_only = self.read_only;
    }

    /// Whether a transaction may be open that nobody asked for.
    pub(crate) fn begin_is_abandoned(&self) -> bool {
        self.abandoned
    }

    /// Takes note of a new attempt at a transaction, and returns whether the last one failed for a reason that may
    /// have gone.
    pub(crate) fn take_retryable(&mut self) -> bool {
        std::mem::take(&mut self.retryable)
    }

    /// What the worst error meant, if it was the end of the connection.
    pub(crate) fn fatal(&self) -> Option<ErrorClass> {
        self.fatal
    }

    /// Whether its holder asked for transactions that may not write.
    pub(crate) fn asked_read_only(&self) -> bool {
        self.read_only
    }

    /// That the last command failed has had no consequence.
    pub(crate) fn pardon(&mut self) {
        self.failed = false;
    }

    /// Whether the last command failed.
    pub(crate) fn has_failed(&self) -> bool {
        self.failed
    }

    /// Whether sqlx may still have something to do that a holder gave up.
    pub(crate) fn is_behind(&self) -> bool {
        self.owed || self.is_unfinished()
    }

    /// Whether the end of a command was not seen.
    pub(crate) fn is_unfinished(&self) -> bool {
        self.course != Course::Ended
    }

    /// Whether a command was given up before its first row or its end.
    pub(crate) fn is_cut_off(&self) -> bool {
        self.course == Course::Begun
    }

    pub(crate) fn is_clean(&self) -> bool {
        self.course == Course::Ended
            && !(self.transaction
                || self.session
                || self.statements
                || self.owed
                || self.abandoned
                || self.lent)
    }

    /// Whether a transaction may be open that sqlx does not count.
    pub(crate) fn of_transaction(&self) -> bool {
        self.transaction || self.abandoned || self.lent
    }

    /// Whether more than a transaction may have been left.
    pub(crate) fn of_session(&self) -> bool {
        self.lent || self.session || self.statements
    }

    /// Whether what was left in the session cannot be undone.
    pub(crate) fn is_lasting(&self) -> bool {
        self.lasting
    }

    #[cfg(feature = "postgres")]
    /// Whether the prepared statements may not be those that sqlx knows.
    pub(crate) fn of_statements(&self) -> bool {
        self.lent || self.statements
    }

    /// Whether somebody had the sqlx connection itself in hand.
    pub(crate) fn was_lent(&self) -> bool {
        self.lent
    }

    /// The connection is as good as new.
    pub(crate) fn wipe(&mut self) {
        *self = Traces {
            fatal: self.fatal,
            born_read_only: self.born_read_only,
            read_only: self.born_read_only,
            ..Traces::new()
        };
    }
}
