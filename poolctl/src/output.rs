//! Standard output: in one piece, and with colours where somebody sees them. Notes about it go to standard error.

use std::io::{self, IsTerminal, Write};

use anyhow::Context as _;
use serde_json::Value as Json;

use crate::exit::{Failure, USAGE, WELL};

/// Prints `text`; returns the exit code.
pub(crate) fn print(text: &str) -> Result<u8, Failure> {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        // `| head` has seen enough.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(WELL),
        printed => printed.map(|()| WELL).context("print").map_err(Failure::with(USAGE)),
    }
}

/// Prints `json`, indented.
pub(crate) fn print_json(json: &Json) -> Result<u8, Failure> {
    print(&format!("{json:#}\n"))
}

/// Says on standard error what is to be known of what is printed.
pub(crate) fn print_notes(notes: &[String]) {
    for note in notes {
        // Nobody is left to tell when standard error is closed.
        drop(writeln!(io::stderr(), "note: {note}"));
    }
}

/// Whether standard output is to be coloured: on a terminal, unless `NO_COLOR` is set (no-color.org).
pub(crate) fn is_coloured() -> bool {
    io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}
