//! One line on a terminal that is written over once per second.
//!
//! It uses a carriage return and blanks, no escape codes, so there is nothing that `NO_COLOR` would have to
//! switch off.

use std::io::{self, Write};

use crate::collector::Progress;
use crate::duration::shown_us;

/// No wider than the narrowest terminal that is still used.
const WIDTH: usize = 79;

/// A line that shows how a load goes.
#[derive(Debug)]
pub struct ProgressLine<W> {
    out: W,
}

impl<W: Write> ProgressLine<W> {
    /// On `out`, which should be a terminal.
    pub fn new(out: W) -> Self {
        ProgressLine { out }
    }

    /// Shows how it goes now.
    ///
    /// # Errors
    ///
    /// Those of `out`.
    pub fn show(&mut self, progress: &Progress) -> io::Result<()> {
        let line: String = line(progress).chars().take(WIDTH).collect();
        write!(self.out, "\r{line:<WIDTH$}")?;
        self.out.flush()
    }

    /// Makes the line empty again.
    ///
    /// # Errors
    ///
    /// Those of `out`.
    pub fn clear(&mut self) -> io::Result<()> {
        write!(self.out, "\r{:WIDTH$}\r", "")?;
        self.out.flush()
    }
}

fn line(progress: &Progress) -> String {
    let &Progress { elapsed, planned, warming_up, ok, failed, rate, wait_p99_us, in_use, max, waiting } =
        progress;
    let time = format!("{:.0}/{}s", elapsed.as_secs_f64(), planned.as_secs_f64());
    let pool = format!("in use {in_use}/{max}  waiting {waiting}");
    if warming_up {
        return format!("{time}  warming up  {pool}");
    }
    let rate = rate.map_or_else(|| String::from("-"), |rate| format!("{rate:.0}"));
    let wait = wait_p99_us.map_or_else(|| String::from("-"), |micros| shown_us(micros).replace('µ', "u"));
    format!("{time}  {ok} ok  {failed} failed  {rate}/s  wait p99 {wait}  {pool}")
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn progress() -> Progress {
        Progress {
            elapsed: Duration::from_millis(4_200),
            planned: Duration::from_secs(10),
            warming_up: false,
            ok: 9_731,
            failed: 2,
            rate: Some(2_431.4),
            wait_p99_us: Some(14_200.0),
            in_use: 8,
            max: 8,
            waiting: 24,
        }
    }

    #[test]
    fn the_line_tells_time_outcome_and_pool() {
        insta::assert_snapshot!(line(&progress()), @"4/10s  9731 ok  2 failed  2431/s  wait p99 14.2ms  in use 8/8  waiting 24");
        let none = Progress { rate: None, wait_p99_us: None, ..progress() };
        insta::assert_snapshot!(line(&none), @"4/10s  9731 ok  2 failed  -/s  wait p99 -  in use 8/8  waiting 24");
        let warming_up = Progress { warming_up: true, ..progress() };
        insta::assert_snapshot!(line(&warming_up), @"4/10s  warming up  in use 8/8  waiting 24");
    }

    #[test]
    fn the_line_is_rewritten_without_escape_codes() {
        let mut out = Vec::new();
        let mut line = ProgressLine::new(&mut out);
        line.show(&progress()).unwrap();
        line.clear().unwrap();
        let text = String::from_utf8(out).unwrap();
        assert!(text.is_ascii() && !text.contains('\u{1b}') && !text.contains('\n'));
        assert_eq!(text.split('\r').map(str::len).collect::<Vec<_>>(), [0, WIDTH, WIDTH, 0]);
    }
}
