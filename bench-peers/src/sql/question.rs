//! What is asked of a database: one operation is to acquire a connection, to ask, and to give the connection back.

use clap::ValueEnum;
use fastrand::Rng;
use serde::Serialize;

/// How many rows the table has; its keys begin with 1.
pub(crate) const ROWS: i32 = 10_000;

/// How many times its key the price of a row is.
pub(crate) const PRICE: i32 = 3;

/// Kind of query. Both are prepared once for each connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Question {
    /// `SELECT 1`
    One,
    /// One of 10,000 rows by its primary key
    Key,
}

impl Question {
    /// Both, in the order of the tables.
    pub(crate) const ALL: [Question; 2] = [Question::One, Question::Key];

    /// Its name in tables.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Question::One => "SELECT 1",
            Question::Key => "row by key",
        }
    }

    /// The next question of a caller.
    pub(crate) fn ask(self, rng: &mut Rng) -> Asked {
        match self {
            Question::One => Asked::One,
            Question::Key => Asked::Key(rng.i32(1..=ROWS)),
        }
    }
}

/// One query.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Asked {
    One,
    Key(i32),
}

/// Why a benchmark may stop at an error.
pub(crate) const ANSWERS: &str = "the database is there and answers";
