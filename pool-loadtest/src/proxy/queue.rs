//! Bytes under way: in the order in which they came, each piece with the time when it is due.
//!
//! Pure: whoever calls brings the time.

use std::collections::VecDeque;
use std::num::NonZeroU64;
use std::time::Duration;

use tokio::time::Instant;

use super::fault::Ending;

/// A slow line passes its bytes in this many slices a second at most: often enough to look steady, and many
/// times rarer than a timer can tick.
const SLICES_PER_SECOND: u64 = 50;

#[derive(Debug)]
struct Piece {
    due: Instant,
    bytes: Vec<u8>,
    /// How many of them have been passed on.
    passed: usize,
}

/// The slice that a slow line is passing.
#[derive(Debug, Clone, Copy)]
struct Slice {
    /// When its last byte is through.
    through: Instant,
    left: usize,
}

/// What is to be done next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Next {
    /// Nothing, until more comes.
    Nothing,
    /// Nothing, until then.
    Wait(Instant),
    /// So many bytes of the front are to be written.
    Write(usize),
    /// The stream ends.
    End(Ending),
}

/// See the [module](self).
///
/// Invariant: what is due never decreases from front to back, and the end is due last.
#[derive(Debug)]
pub(super) struct Queue {
    pieces: VecDeque<Piece>,
    len: usize,
    end: Option<(Instant, Ending)>,
    last_due: Instant,
    slice: Option<Slice>,
    /// When the last slice of a slow line was through.
    through: Instant,
}

impl Queue {
    pub(super) fn new(now: Instant) -> Self {
        Queue { pieces: VecDeque::new(), len: 0, end: None, last_due: now, slice: None, through: now }
    }

    /// How many bytes are under way.
    pub(super) fn len(&self) -> usize {
        self.len
    }

    pub(super) fn is_empty(&self) -> bool {
        self.len == 0
    }

    pub(super) fn push(&mut self, due: Instant, bytes: &[u8]) {
        self.last_due = self.last_due.max(due);
        self.len += bytes.len();
        self.pieces.push_back(Piece { due: self.last_due, bytes: bytes.to_vec(), passed: 0 });
    }

    /// Nothing comes after this.
    pub(super) fn end(&mut self, due: Instant, ending: Ending) {
        self.last_due = self.last_due.max(due);
        self.end = Some((self.last_due, ending));
    }

    /// Forgets all bytes, and returns how many. The end stays.
    pub(super) fn clear(&mut self) -> usize {
        self.pieces.clear();
        self.slice = None;
        std::mem::take(&mut self.len)
    }

    /// Nothing under way is due later than this any more.
    pub(super) fn hasten(&mut self, latest: Instant) {
        for piece in &mut self.pieces {
            piece.due = piece.due.min(latest);
        }
        if let Some((due, _)) = &mut self.end {
            *due = (*due).min(latest);
        }
        self.last_due = self.last_due.min(latest);
    }

    /// The line has another speed from now on.
    pub(super) fn change_speed(&mut self, now: Instant) {
        self.slice = None;
        self.through = now;
    }

    /// What is to be done next, on a line of this speed.
    pub(super) fn next(&mut self, now: Instant, bandwidth: Option<NonZeroU64>) -> Next {
        let Some(piece) = self.pieces.front() else {
            return match self.end {
                Some((due, ending)) if due <= now => Next::End(ending),
                Some((due, _)) => Next::Wait(due),
                None => Next::Nothing,
            };
        };
        let left = piece.bytes.len() - piece.passed;
        let Some(speed) = bandwidth else {
            return if piece.due <= now { Next::Write(left) } else { Next::Wait(piece.due) };
        };
        let (due, last) = (piece.due, self.through);
        let slice = self.slice.get_or_insert_with(|| {
            let most = usize::try_from(speed.get() / SLICES_PER_SECOND).unwrap_or(usize::MAX).max(1);
            let left = left.min(most);
            // From when the line was free, not from now: a late timer must not make it slower.
            Slice { through: due.max(last) + transmission(left, speed), left }
        });
        if slice.through <= now { Next::Write(slice.left) } else { Next::Wait(slice.through) }
    }

    /// The bytes of the front that have not been passed on.
    pub(super) fn front(&self) -> &[u8] {
        self.pieces.front().map_or(&[], |piece| &piece.bytes[piece.passed..])
    }

    /// So many bytes of the front have been passed on.
    pub(super) fn advance(&mut self, bytes: usize) {
        if let Some(slice) = &mut self.slice {
            slice.left -= bytes.min(slice.left);
            if slice.left == 0 {
                self.through = slice.through;
                self.slice = None;
            }
        }
        if let Some(piece) = self.pieces.front_mut() {
            piece.passed += bytes;
            self.len -= bytes;
            if piece.passed == piece.bytes.len() {
                self.pieces.pop_front();
            }
        }
    }
}

/// How long so many bytes take.
fn transmission(bytes: usize, speed: NonZeroU64) -> Duration {
    Duration::from_secs_f64(bytes as f64 / speed.get() as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn a_piece_that_is_due_earlier_waits_for_the_one_before_it() {
        let now = Instant::now();
        let mut queue = Queue::new(now);
        queue.push(now + 50 * MS, b"first");
        queue.push(now + 10 * MS, b"second");
        queue.end(now, Ending::Fin);
        assert_eq!(queue.next(now, None), Next::Wait(now + 50 * MS));
        assert_eq!(queue.next(now + 50 * MS, None), Next::Write(5));
        queue.advance(5);
        assert_eq!(queue.front(), b"second");
        assert_eq!(queue.next(now + 50 * MS, None), Next::Write(6));
        queue.advance(6);
        assert_eq!(queue.next(now + 50 * MS, None), Next::End(Ending::Fin));
    }

    #[test]
    fn what_is_written_in_parts_is_passed_on_once() {
        let now = Instant::now();
        let mut queue = Queue::new(now);
        queue.push(now, b"abcdef");
        queue.advance(4);
        assert_eq!((queue.front(), queue.len()), (&b"ef"[..], 2));
        assert_eq!(queue.next(now, None), Next::Write(2));
        queue.advance(2);
        assert!(queue.is_empty());
        assert_eq!(queue.next(now, None), Next::Nothing);
    }

    #[test]
    fn bytes_under_way_come_at_once_when_the_latency_is_lifted() {
        let now = Instant::now();
        let mut queue = Queue::new(now);
        queue.push(now + 500 * MS, b"late");
        queue.hasten(now);
        assert_eq!(queue.next(now, None), Next::Write(4));
        queue.push(now, b"x");
        queue.advance(4);
        assert_eq!(queue.next(now, None), Next::Write(1), "nor do later ones wait for the old time");
    }

    #[test]
    fn a_slow_line_is_exactly_as_slow_as_told_even_when_looked_at_late() {
        let now = Instant::now();
        let speed = NonZeroU64::new(1_000);
        let mut queue = Queue::new(now);
        queue.push(now, &[0; 100]);
        let mut time = now;
        let mut waited = 0;
        loop {
            match queue.next(time, speed) {
                // Each look comes 3 ms late.
                Next::Wait(until) => {
                    time = until + 3 * MS;
                    waited += 1;
                }
                Next::Write(bytes) => queue.advance(bytes),
                Next::Nothing => break,
                Next::End(_) => unreachable!("it has no end"),
            }
        }
        assert_eq!(time - now, 103 * MS, "100 bytes at 1000 bytes per second, and the last look late");
        assert_eq!(waited, 5, "slices of 20 ms");
    }

    #[test]
    fn a_line_that_was_idle_does_not_save_up_for_a_burst() {
        let now = Instant::now();
        let mut queue = Queue::new(now);
        let later = now + 10_000 * MS;
        queue.push(later, &[0; 10]);
        assert_eq!(queue.next(later, NonZeroU64::new(1_000)), Next::Wait(later + 10 * MS));
    }

    #[test]
    fn cleared_bytes_are_counted_and_the_end_stays() {
        let now = Instant::now();
        let mut queue = Queue::new(now);
        queue.push(now, b"gone");
        queue.end(now, Ending::Reset);
        assert_eq!(queue.clear(), 4);
        assert_eq!(queue.next(now, None), Next::End(Ending::Reset));
    }
}
