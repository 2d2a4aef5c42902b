//! One direction of a connection: reads from one socket, writes to the other, under what the faults say.
//!
//! While no fault concerns it, bytes go from a buffer of the pipe straight to the other socket. Otherwise, and
//! when the other side is slow, they wait in a [`Queue`]; a timer tells when the first of them is due.
//!
//! Invariant: bytes that were sent after a fault had been set pass under that fault, as the faults are looked at
//! again after every read.

use std::io;
use std::pin::pin;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

use super::fault::{Direction, Ending};
use super::faults::{Conditions, Faults, Limit};
use super::queue::{Next, Queue};
use super::socket::{Closing, Socket};
use super::stats::Record;

/// Bytes of one read.
pub(super) const BUFFER: usize = 32 * 1024;

/// How many bytes may be under way before the sender has to wait: what a fast line holds in 100 ms of latency at
/// 80 MB/s. The kernel's own buffers come on top.
const UNDER_WAY: usize = 8 * 1024 * 1024;

/// The same on a slow line, where more would only hide from the sender that it is slow.
const UNDER_WAY_SLOWLY: usize = 64 * 1024;

/// What is left of a limit.
#[derive(Debug, Clone, Copy)]
struct Allowance {
    limit: Limit,
    left: u64,
}

/// See the [module](self).
pub(super) struct Pipe<'a> {
    direction: Direction,
    from: &'a Socket,
    to: &'a Socket,
    record: &'a Record,
    faults: watch::Receiver<Faults>,
    conditions: Conditions,
    allowance: Option<Allowance>,
    queue: Queue,
    buffer: Box<[u8]>,
    jitter: fastrand::Rng,
    /// Nothing more comes.
    drained: bool,
    /// An end was sent ahead of time; what still comes is swallowed.
    finished: bool,
}

impl<'a> Pipe<'a> {
    pub(super) fn new(
        direction: Direction,
        from: &'a Socket,
        to: &'a Socket,
        record: &'a Record,
        mut faults: watch::Receiver<Faults>,
    ) -> Self {
        // Taken in by the first look.
        faults.mark_changed();
        Pipe {
            direction,
            from,
            to,
            record,
            faults,
            conditions: Conditions::default(),
            allowance: None,
            queue: Queue::new(Instant::now()),
            buffer: vec![0; BUFFER].into_boxed_slice(),
            jitter: fastrand::Rng::with_seed((record.number << 1) | direction as u64),
            drained: false,
            finished: false,
        }
    }

    /// Passes bytes until the stream has ended.
    ///
    /// # Errors
    ///
    /// When the whole connection must end, with how.
    pub(super) async fn run(mut self) -> Result<(), Closing> {
        let mut timer = pin!(sleep_until(Instant::now()));
        loop {
            // Two sides that never pause must not keep others from running.
            tokio::task::coop::consume_budget().await;
            self.look()?;
            let next = self.next();
            match next {
                Next::End(Ending::Reset) => return Err(Closing::both(Ending::Reset)),
                Next::End(Ending::Fin) => {
                    self.to.finish();
                    return Ok(());
                }
                Next::Wait(until) if timer.deadline() != until => timer.as_mut().reset(until),
                Next::Wait(_) | Next::Write(_) | Next::Nothing => {}
            }
            let reads = !self.drained && !self.conditions.stalled && self.queue.len() < self.capacity();
            tokio::select! {
                biased;
                changed = self.faults.changed() => match changed {
                    Ok(()) => self.faults.mark_changed(),
                    // The proxy is gone.
                    Err(_) => return Err(Closing::both(Ending::Fin)),
                },
                ready = self.to.writable(), if matches!(next, Next::Write(_)) => {
                    ready.map_err(|_| Closing::both(Ending::Reset))?;
                    self.write(next)?;
                }
                () = &mut timer, if matches!(next, Next::Wait(_)) => {}
                ready = self.from.readable(), if reads => {
                    ready.map_err(|_| Closing::both(Ending::Reset))?;
                    self.read()?;
                }
            }
        }
    }

    /// How many bytes may be under way.
    fn capacity(&self) -> usize {
        if self.conditions.bandwidth.is_some() { UNDER_WAY_SLOWLY } else { UNDER_WAY }
    }

    fn next(&mut self) -> Next {
        let Conditions { stalled, blackhole, bandwidth, .. } = self.conditions;
        if self.finished && self.drained {
            Next::End(Ending::Fin)
        } else if stalled || blackhole || self.finished {
            Next::Nothing
        } else {
            self.queue.next(Instant::now(), bandwidth)
        }
    }

    /// Takes in what has changed of the faults.
    fn look(&mut self) -> Result<(), Closing> {
        if !self.faults.has_changed().unwrap_or(false) {
            return Ok(());
        }
        let reset = {
            let faults = self.faults.borrow_and_update();
            let before = self.conditions;
            self.conditions = faults.conditions(self.record.number, self.direction);
            let now = Instant::now();
            if before.latency != self.conditions.latency {
                let longest = self.conditions.latency.map_or(Duration::ZERO, |set| set.delay + set.jitter);
                self.queue.hasten(now + longest);
            }
            if before.bandwidth != self.conditions.bandwidth {
                self.queue.change_speed(now);
            }
            faults.reset(self.record.number)
        };
        if let Some(closing) = reset {
            return Err(closing);
        }
        self.allowance = self.conditions.limit.map(|limit| match self.allowance {
            Some(known) if known.limit == limit => known,
            _ => Allowance { limit, left: limit.bytes },
        });
        if self.conditions.half_closed && !self.finished {
            self.finished = true;
            self.to.finish();
        }
        if self.conditions.blackhole || self.finished {
            self.record.loses(self.queue.clear());
        }
        Ok(())
    }

    /// Reads what is there, and passes it on, queues or swallows it.
    fn read(&mut self) -> Result<(), Closing> {
        let bytes = match self.from.try_read(&mut self.buffer) {
            Ok(0) => return self.drain(Ending::Fin),
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
            Err(_) => return self.drain(Ending::Reset),
        };
        self.look()?;
        if self.conditions.blackhole || self.finished {
            self.record.swallows(self.direction, bytes);
            return Ok(());
        }
        self.record.passes(self.direction, bytes);
        let mut passed = 0;
        if self.conditions.is_plain() && self.queue.is_empty() {
            passed = match self.to.try_write(&self.buffer[..bytes]) {
                Ok(passed) => passed,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => 0,
                Err(_) => return Err(Closing::both(Ending::Reset)),
            };
        }
        if passed < bytes {
            let due = self.due();
            self.queue.push(due, &self.buffer[passed..bytes]);
        }
        Ok(())
    }

    /// Nothing more comes; the end takes the way of the bytes before it.
    fn drain(&mut self, ending: Ending) -> Result<(), Closing> {
        self.look()?;
        self.drained = true;
        let due = self.due();
        self.queue.end(due, ending);
        Ok(())
    }

    /// When what comes now is due.
    fn due(&mut self) -> Instant {
        let wait = self
            .conditions
            .latency
            .map_or(Duration::ZERO, |latency| latency.delay + latency.jitter.mul_f64(self.jitter.f64()));
        Instant::now() + wait
    }

    /// Writes as much of the front as is due and allowed.
    fn write(&mut self, next: Next) -> Result<(), Closing> {
        let Next::Write(most) = next else { return Ok(()) };
        let allowed = self
            .allowance
            .map_or(most, |allowance| most.min(usize::try_from(allowance.left).unwrap_or(usize::MAX)));
        let written = match self.to.try_write(&self.queue.front()[..allowed]) {
            Ok(written) => written,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
            Err(_) => return Err(Closing::both(Ending::Reset)),
        };
        self.queue.advance(written);
        if let Some(allowance) = &mut self.allowance {
            allowance.left -= written as u64;
            if allowance.left == 0 {
                return Err(Closing::both(allowance.limit.ending));
            }
        }
        Ok(())
    }
}
