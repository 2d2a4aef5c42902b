//! What a thread notes of its own cycles, and how that leaves the thread.
//!
//! A recorder belongs to one thread. It writes plain numbers into a batch of its own; nothing on the way of a
//! cycle is shared. A batch that is full, or a second old, goes to the collector.
//!
//! Why not a histogram for each thread: four of them take half a megabyte, a thousand threads would need 500 MB,
//! and adding them all up each second would stall a small machine longer than the waits it measures. A batch
//! takes 48 KB, and sorting its cycles into histograms is the collector's work, not that of the hot path.

use std::sync::Arc;

use tokio::sync::mpsc::UnboundedSender;
use tokio::time::Instant;

use crate::clock::Schedule;
use crate::failure::{ErrorKind, Failure, Phase};
use crate::turnstile::{Ticket, Turnstile};

/// A batch leaves when it has this many cycles.
const FULL: usize = 1_024;

/// A batch also leaves with the first cycle that ends in another second than the last.
const SECOND: u64 = 1_000_000_000;

/// One cycle that has ended. Instants are nanoseconds since the load began.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Cycle {
    pub(crate) begun: u64,
    /// From the call to the connection, or to the error.
    pub(crate) wait: u64,
    pub(crate) r#use: u64,
    pub(crate) release: u64,
    /// How many came later and were served before.
    pub(crate) overtaken: u64,
    pub(crate) outcome: Outcome,
}

/// How a cycle ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    Ok,
    /// It waited and got nothing.
    TimedOut,
    /// It was refused without a wait.
    Refused,
    /// The connection came and the query failed.
    QueryFailed,
}

impl Cycle {
    /// When it ended.
    pub(crate) fn ended(&self) -> u64 {
        self.begun + self.wait + self.r#use + self.release
    }
}

impl Outcome {
    pub(crate) fn was_granted(self) -> bool {
        matches!(self, Outcome::Ok | Outcome::QueryFailed)
    }
}

/// Failures of one kind. Only the first message is kept.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Failures {
    /// Whether their cycles began in the warm-up; there is at most one such after it.
    pub(crate) from_warm_up: bool,
    pub(crate) kind: ErrorKind,
    pub(crate) phase: Phase,
    pub(crate) count: u64,
    pub(crate) first: u64,
    pub(crate) last: u64,
    pub(crate) sample: String,
}

/// A cycle that was still under way when its thread ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Unfinished {
    pub(crate) begun: u64,
    /// When the connection came; `None` = still waiting for it.
    pub(crate) granted: Option<u64>,
    pub(crate) overtaken: u64,
    pub(crate) ended: u64,
}

/// What a thread has to tell since its last batch.
#[derive(Debug)]
pub(crate) struct Batch {
    pub(crate) thread: usize,
    /// Cycles begun after the warm-up.
    pub(crate) begun: u64,
    pub(crate) cycles: Vec<Cycle>,
    pub(crate) failures: Vec<Failures>,
    pub(crate) unfinished: Option<Unfinished>,
}

/// The notes of one thread. Dropping it sends what is left, the cycle under way included.
pub(crate) struct Recorder {
    schedule: Schedule,
    turnstile: Arc<Turnstile>,
    outbox: UnboundedSender<Batch>,
    batch: Batch,
    /// The second in which the last cycle ended.
    second: u64,
    current: Option<Current>,
}

#[derive(Debug, Clone, Copy)]
struct Current {
    ticket: Ticket,
    begun: u64,
    granted: Option<Granted>,
}

#[derive(Debug, Clone, Copy)]
struct Granted {
    at: u64,
    overtaken: u64,
}

impl Recorder {
    pub(crate) fn new(
        thread: usize,
        schedule: Schedule,
        turnstile: Arc<Turnstile>,
        outbox: UnboundedSender<Batch>,
    ) -> Self {
        Recorder { schedule, turnstile, outbox, batch: Batch::new(thread, 0), second: 0, current: None }
    }

    /// A cycle begins: the next thing is the call.
    pub(crate) fn begin(&mut self, now: Instant) {
        let begun = self.schedule.at(now);
        if begun >= self.schedule.measured_from() {
            self.batch.begun += 1;
        }
        self.current = Some(Current { ticket: self.turnstile.enter(), begun, granted: None });
    }

    /// The connection is here.
    pub(crate) fn granted(&mut self, now: Instant) {
        let at = self.schedule.at(now);
        if let Some(current) = &mut self.current {
            current.granted = Some(Granted { at, overtaken: self.turnstile.leave(current.ticket) });
        }
    }

    /// There is no connection.
    pub(crate) fn refused(&mut self, now: Instant, failure: Failure) {
        let Some(Current { ticket, begun, .. }) = self.current.take() else { return };
        let now = self.schedule.at(now);
        let overtaken = self.turnstile.leave(ticket);
        let outcome = if failure.waited { Outcome::TimedOut } else { Outcome::Refused };
        self.fail(now, begun, failure);
        self.push(now, Cycle { begun, wait: now - begun, r#use: 0, release: 0, overtaken, outcome });
    }

    /// The connection was used and given back.
    pub(crate) fn finish(&mut self, used: Instant, released: Instant, outcome: Result<(), Failure>) {
        let Some(Current { begun, granted: Some(granted), .. }) = self.current.take() else { return };
        let (used, released) = (self.schedule.at(used), self.schedule.at(released));
        let cycle = Cycle {
            begun,
            wait: granted.at - begun,
            r#use: used - granted.at,
            release: released - used,
            overtaken: granted.overtaken,
            outcome: if outcome.is_ok() { Outcome::Ok } else { Outcome::QueryFailed },
        };
        if let Err(failure) = outcome {
            self.fail(used, begun, failure);
        }
        self.push(released, cycle);
    }

    fn fail(&mut self, now: u64, begun: u64, failure: Failure) {
        let measured_from = self.schedule.measured_from();
        if now < measured_from {
            return;
        }
        let from_warm_up = begun < measured_from;
        let Failure { kind, phase, message, .. } = failure;
        let same = |known: &&mut Failures| known.kind == kind && known.from_warm_up == from_warm_up;
        match self.batch.failures.iter_mut().find(same) {
            Some(failures) => {
                failures.count += 1;
                failures.last = now;
            }
            None => {
                let (count, first, last) = (1, now, now);
                self.batch.failures.push(Failures {
                    from_warm_up,
                    kind,
                    phase,
                    count,
                    first,
                    last,
                    sample: message,
                });
            }
        }
    }

    fn push(&mut self, now: u64, cycle: Cycle) {
        self.batch.cycles.push(cycle);
        let second = now / SECOND;
        if self.batch.cycles.len() >= FULL || second != self.second {
            self.second = second;
            self.send();
        }
    }

    fn send(&mut self) {
        let next = Batch::new(self.batch.thread, self.batch.cycles.len());
        let batch = std::mem::replace(&mut self.batch, next);
        // The collector outlives all recorders, unless the run itself was dropped: then nobody wants to know.
        drop(self.outbox.send(batch));
    }
}

impl Batch {
    fn new(thread: usize, expected: usize) -> Self {
        Batch {
            thread,
            begun: 0,
            cycles: Vec::with_capacity(expected),
            failures: Vec::new(),
            unfinished: None,
        }
    }
}

impl Drop for Recorder {
    fn drop(&mut self) {
        let ended = self.schedule.now();
        if let Some(Current { ticket, begun, granted }) = self.current {
            if std::thread::panicking() {
                let phase = if granted.is_some() { Phase::Use } else { Phase::Acquire };
                let now = Instant::now();
                match granted {
                    Some(_) => self.finish(now, now, Err(Failure::panicked(phase))),
                    None => self.refused(now, Failure::panicked(phase)),
                }
            } else {
                let overtaken =
                    granted.map_or_else(|| self.turnstile.overtaken(ticket), |granted| granted.overtaken);
                let granted = granted.map(|granted| granted.at);
                self.batch.unfinished = Some(Unfinished { begun, granted, overtaken, ended });
            }
        }
        self.send();
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
    use tokio::time::advance;

    use super::*;

    const MS: u64 = 1_000_000;

    fn recorder() -> (Recorder, UnboundedReceiver<Batch>) {
        let schedule = Schedule::new(Instant::now(), Duration::from_secs(1), Duration::from_secs(10));
        let (outbox, inbox) = unbounded_channel();
        (Recorder::new(3, schedule, Arc::default(), outbox), inbox)
    }

    async fn cycle(recorder: &mut Recorder, wait: u64, used: u64) {
        recorder.begin(Instant::now());
        advance(Duration::from_millis(wait)).await;
        recorder.granted(Instant::now());
        advance(Duration::from_millis(used)).await;
        recorder.finish(Instant::now(), Instant::now(), Ok(()));
    }

    #[tokio::test(start_paused = true)]
    async fn each_step_has_its_own_time() {
        let (mut recorder, mut inbox) = recorder();
        advance(Duration::from_secs(1)).await;
        cycle(&mut recorder, 3, 5).await;
        drop(recorder);
        let batch = inbox.recv().await.unwrap();
        assert_eq!((batch.thread, batch.begun), (3, 1));
        let expected = Cycle {
            begun: 1_000 * MS,
            wait: 3 * MS,
            r#use: 5 * MS,
            release: 0,
            overtaken: 0,
            outcome: Outcome::Ok,
        };
        assert_eq!(batch.cycles, [expected]);
    }

    #[tokio::test(start_paused = true)]
    async fn batches_leave_when_full_and_each_second() {
        let (mut recorder, mut inbox) = recorder();
        for _ in 0..FULL + 1 {
            cycle(&mut recorder, 0, 0).await;
        }
        assert_eq!(inbox.try_recv().unwrap().cycles.len(), FULL);
        assert!(inbox.try_recv().is_err(), "the last one is still in the recorder");
        advance(Duration::from_secs(1)).await;
        cycle(&mut recorder, 0, 0).await;
        assert_eq!(inbox.try_recv().unwrap().cycles.len(), 2);
    }

    #[tokio::test(start_paused = true)]
    async fn failures_of_one_kind_are_counted_under_the_first_message() {
        let (mut recorder, mut inbox) = recorder();
        recorder.begin(Instant::now());
        recorder.refused(Instant::now(), Failure::of_use(ErrorKind::Busy, "while warming up"));
        for message in ["first", "second"] {
            advance(Duration::from_millis(1_000)).await;
            recorder.begin(Instant::now());
            recorder.granted(Instant::now());
            recorder.finish(Instant::now(), Instant::now(), Err(Failure::of_use(ErrorKind::Busy, message)));
        }
        drop(recorder);
        let mut found = Vec::new();
        while let Ok(batch) = inbox.try_recv() {
            found.extend(batch.failures);
        }
        assert_eq!(found.len(), 2, "one in each second: {found:?}");
        assert_eq!((found[0].count, found[0].first, found[0].sample.as_str()), (1, 1_000 * MS, "first"));
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_under_way_at_the_end_is_told() {
        let (mut waiting, mut inbox) = recorder();
        waiting.begin(Instant::now());
        advance(Duration::from_millis(7)).await;
        drop(waiting);
        let unfinished = inbox.recv().await.unwrap().unfinished.unwrap();
        assert_eq!(unfinished, Unfinished { begun: 0, granted: None, overtaken: 0, ended: 7 * MS });

        let (mut using, mut inbox) = recorder();
        using.begin(Instant::now());
        advance(Duration::from_millis(2)).await;
        using.granted(Instant::now());
        drop(using);
        let unfinished = inbox.recv().await.unwrap().unfinished.unwrap();
        assert_eq!(unfinished.granted, Some(2 * MS));
    }

    #[tokio::test]
    async fn a_panic_makes_the_cycle_a_failed_one() {
        let (mut recorder, mut inbox) = recorder();
        recorder.schedule = Schedule::new(Instant::now(), Duration::ZERO, Duration::from_secs(1));
        let task = tokio::spawn(async move {
            recorder.begin(Instant::now());
            recorder.granted(Instant::now());
            panic!("planted");
        });
        task.await.unwrap_err();
        let batch = inbox.recv().await.unwrap();
        assert_eq!((batch.begun, batch.cycles.len(), batch.unfinished), (1, 1, None));
        assert_eq!((batch.failures[0].kind, batch.failures[0].phase), (ErrorKind::Other, Phase::Use));
    }
}
