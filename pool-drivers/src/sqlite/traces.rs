//! What holders left behind in a connection, as far as it can be seen on the way and without I/O.

use pool_core::ErrorClass;

use super::class::classify;
use super::stop::Stop;
use super::words::{Left, left_by};

/// See the [module](self).
///
/// Invariant: whatever may make the connection differ from a new one is noted *before* SQLite learns of it,
/// so that a future dropped anywhere in between cannot hide it.
#[derive(Debug)]
pub(super) struct Traces {
    left: Left,
    /// A command was sent and its end was not seen. Commands run in order, so the end of a later one will do.
    unfinished: bool,
    /// An error said that the connection is of no more use.
    broken: bool,
    /// Somebody had the sqlx connection itself in hand, and may have done anything with it.
    lent: bool,
    read_only: bool,
    stop: Stop,
}

impl Traces {
    pub(super) fn new(stop: Stop, read_only: bool) -> Self {
        Traces { left: Left::Nothing, unfinished: false, broken: false, lent: false, read_only, stop }
    }

    /// A holder is about to run, or prepare, this text. Some pragmas take effect when they are prepared.
    pub(super) fn statement(&mut self, sql: &str) {
        self.left = self.left.max(left_by(sql));
    }

    /// A holder is about to begin a transaction by this text. sqlx counts it, so only what else the text may
    /// leave is of interest.
    pub(super) fn begin_statement(&mut self, sql: &str) {
        if left_by(sql) == Left::Session {
            self.left = Left::Session;
        }
    }

    /// A holder borrows the sqlx connection.
    pub(super) fn lend(&mut self) {
        self.lent = true;
    }

    /// A command is about to be sent.
    pub(super) fn begun(&mut self) {
        self.unfinished = true;
    }

    /// The end of a command was seen.
    pub(super) fn ended(&mut self, error: Option<&sqlx::Error>) {
        self.unfinished = false;
        let class = error.map(|error| classify(error, self.read_only));
        self.broken |= matches!(class, Some(ErrorClass::FatalThis | ErrorClass::FatalAll));
    }

    pub(super) fn is_broken(&self) -> bool {
        self.broken
    }

    pub(super) fn is_clean(&self) -> bool {
        self.left == Left::Nothing && !self.unfinished && !self.lent
    }

    /// Whether more than a transaction may have been left.
    pub(super) fn of_session(&self) -> bool {
        self.lent || self.left == Left::Session
    }

    /// Whether somebody may have installed hooks.
    pub(super) fn was_lent(&self) -> bool {
        self.lent
    }

    pub(super) fn stop(&self) -> &Stop {
        &self.stop
    }

    /// The connection is as good as new.
    pub(super) fn wipe(&mut self) {
        self.left = Left::Nothing;
        self.unfinished = false;
        self.lent = false;
    }
}
