//! What became of each request: written down by the request itself, also by one that is cut off.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::contender::Failure;
use crate::clock;

/// How a request ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// The query was answered.
    Done,
    /// There was no connection.
    NotAcquired(Failure),
    /// There was a connection, and the query failed over it.
    NotAnswered(Failure),
    /// It still waited for a connection when the run was over.
    CutOff,
}

/// One request. All times are since the start of the run.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    /// When it was to arrive.
    pub(crate) scheduled: Duration,
    /// When it asked for a connection.
    pub(crate) began: Duration,
    /// When it got one, or was told that there is none, or was cut off.
    pub(crate) acquired: Duration,
    /// When it was over.
    pub(crate) ended: Duration,
    /// For how long nobody had used the connection it got.
    pub(crate) idle: Option<Duration>,
    pub(crate) outcome: Outcome,
}

/// All requests of a run.
#[derive(Debug)]
pub(crate) struct Record {
    epoch: Instant,
    ended: Mutex<Vec<Request>>,
    turned_away: Mutex<Vec<Duration>>,
    in_flight: AtomicUsize,
}

impl Record {
    /// An empty one, of a run that began at `epoch`.
    pub(crate) fn new(epoch: Instant) -> Self {
        Record {
            epoch,
            ended: Mutex::default(),
            turned_away: Mutex::default(),
            in_flight: AtomicUsize::new(0),
        }
    }

    /// The time of the run.
    pub(crate) fn now(&self) -> Duration {
        clock::now().saturating_duration_since(self.epoch)
    }

    /// How many requests are under way.
    pub(crate) fn in_flight(&self) -> usize {
        // Ordering: a number of its own; it decides when to stop waiting, and nothing else hangs on it.
        self.in_flight.load(Ordering::Relaxed)
    }

    /// A request begins, unless so many are under way already; then it is turned away.
    pub(crate) fn admit(self: &Arc<Self>, scheduled: Duration, most: usize) -> Option<Ticket> {
        if self.in_flight() >= most {
            lock(&self.turned_away).push(scheduled);
            return None;
        }
        self.in_flight.fetch_add(1, Ordering::Relaxed);
        Some(Ticket { record: Arc::clone(self), scheduled, began: None, got: None, outcome: Outcome::CutOff })
    }

    /// Looks at the requests that have ended.
    pub(crate) fn look<T>(&self, look: impl FnOnce(&[Request]) -> T) -> T {
        look(&lock(&self.ended))
    }

    /// When the requests were to arrive that found too many under way.
    pub(crate) fn turned_away(&self) -> Vec<Duration> {
        lock(&self.turned_away).clone()
    }
}

/// A request under way. What it knows when it is dropped is written down.
#[derive(Debug)]
pub(crate) struct Ticket {
    record: Arc<Record>,
    scheduled: Duration,
    began: Option<Duration>,
    /// When it got a connection, and for how long that had been idle.
    got: Option<(Duration, Duration)>,
    outcome: Outcome,
}

impl Ticket {
    /// It asks for a connection.
    pub(crate) fn begins(&mut self) {
        self.began = Some(self.record.now());
    }

    /// It got a connection that nobody had used since.
    pub(crate) fn got(&mut self, rested: Instant) {
        self.got = Some((self.record.now(), clock::now().saturating_duration_since(rested)));
    }

    /// It is over.
    pub(crate) fn ends(&mut self, outcome: Outcome) {
        self.outcome = outcome;
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        let ended = self.record.now();
        let (acquired, idle) = self.got.map_or((ended, None), |(at, idle)| (at, Some(idle)));
        let request = Request {
            scheduled: self.scheduled,
            began: self.began.unwrap_or(ended),
            acquired,
            ended,
            idle,
            outcome: std::mem::replace(&mut self.outcome, Outcome::CutOff),
        };
        lock(&self.record.ended).push(request);
        self.record.in_flight.fetch_sub(1, Ordering::Relaxed);
    }
}

// A panic under these locks is impossible but for want of memory.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_comes_while_too_many_are_under_way_is_turned_away() {
        let record = Arc::new(Record::new(clock::now()));
        let first = record.admit(Duration::from_millis(1), 1).unwrap();
        assert!(record.admit(Duration::from_millis(2), 1).is_none());
        drop(first);
        assert!(record.admit(Duration::from_millis(3), 1).is_some());
        assert_eq!(record.turned_away(), [Duration::from_millis(2)]);
    }

    #[test]
    fn a_request_that_is_cut_off_is_written_down() {
        let record = Arc::new(Record::new(clock::now()));
        let mut ticket = record.admit(Duration::ZERO, 1).unwrap();
        ticket.begins();
        drop(ticket);
        record.look(|requests| {
            assert_eq!((requests.len(), &requests[0].outcome), (1, &Outcome::CutOff));
            assert!(requests[0].began <= requests[0].acquired);
        });
        assert_eq!(record.in_flight(), 0);
    }
}
