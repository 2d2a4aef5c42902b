//! Requests that come by a schedule, whether the ones before have been answered or not.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use fastrand::Rng;
use tokio::runtime::Handle;
use tokio::task::AbortHandle;
use tokio::time::timeout;

use super::contender::{Contender, Failure, QUERY_LIMIT};
use super::record::{Outcome, Record, Ticket};
use crate::clock;

/// When requests come: so many in a second, each at a moment of its own slot that chance has decided.
///
/// Why not at random altogether: then a second's share would differ by more than the five percent that are to be seen.
#[derive(Debug, Clone)]
pub(crate) struct Schedule {
    slot: Duration,
    next: u32,
    rng: Rng,
}

impl Schedule {
    /// The same seed makes the same schedule.
    pub(crate) fn new(per_second: u32, seed: u64) -> Self {
        Schedule { slot: Duration::from_secs(1) / per_second, next: 0, rng: Rng::with_seed(seed) }
    }
}

impl Iterator for Schedule {
    type Item = Duration;

    fn next(&mut self) -> Option<Duration> {
        let at = self.slot * self.next + self.slot.mul_f64(self.rng.f64());
        self.next = self.next.checked_add(1)?;
        Some(at)
    }
}

/// Requests that are coming. They come from a thread of their own, which no task of a pool can delay.
pub(crate) struct Arrivals {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<Vec<AbortHandle>>,
}

impl Arrivals {
    /// Lets requests come from now on, each in a task of the runtime, at most so many at a time.
    pub(crate) fn start<C: Contender>(
        pool: C,
        record: Arc<Record>,
        schedule: Schedule,
        most: usize,
        runtime: Handle,
    ) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let thread = thread::spawn(move || {
            let start = record.now();
            let mut tasks = Vec::new();
            for at in schedule {
                let due = start + at;
                clock::pass(due.saturating_sub(record.now()));
                // Ordering: the join afterwards synchronises.
                if stopped.load(Ordering::Relaxed) {
                    break;
                }
                if let Some(ticket) = record.admit(due, most) {
                    tasks.push(runtime.spawn(request(pool.clone(), ticket)).abort_handle());
                }
            }
            tasks
        });
        Arrivals { stop, thread }
    }

    /// Lets no more come. Those that have come have so long to end; then they are cut off.
    pub(crate) fn stop(self, record: &Record, patience: Duration) {
        self.stop.store(true, Ordering::Relaxed);
        let tasks = self.thread.join().expect("it calls nobody's code");
        wait_for_none(record, patience);
        tasks.iter().for_each(AbortHandle::abort);
        wait_for_none(record, patience);
    }
}

/// How often it is looked whether requests have ended.
const LOOK: Duration = Duration::from_millis(5);

fn wait_for_none(record: &Record, patience: Duration) {
    let deadline = record.now() + patience;
    while record.in_flight() > 0 && record.now() < deadline {
        clock::pass(LOOK);
    }
}

/// What an application does: it acquires a connection, asks, and gives the connection back.
async fn request<C: Contender>(pool: C, mut ticket: Ticket) {
    ticket.begins();
    let mut held = match pool.acquire().await {
        Ok(held) => held,
        Err(failure) => return ticket.ends(Outcome::NotAcquired(failure)),
    };
    ticket.got(*C::rested(&mut held));
    // Until it has ended: a request that is cut off now has a connection and no answer.
    ticket.ends(Outcome::NotAnswered(Failure::unexplained("query: cut off")));
    let outcome = match timeout(QUERY_LIMIT, C::ask(&mut held)).await {
        Ok(Ok(())) => Outcome::Done,
        Ok(Err(failure)) => Outcome::NotAnswered(failure),
        Err(_) => Outcome::NotAnswered(Failure::unexplained("query: no answer")),
    };
    ticket.ends(outcome);
    *C::rested(&mut held) = clock::now();
    // Before the connection is given back, which is not the request's time.
    drop(ticket);
    drop(held);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_schedule_has_the_same_number_in_each_second_and_is_that_of_its_seed() {
        let times: Vec<_> = Schedule::new(200, 7).take(2_000).collect();
        for second in 0..10 {
            let within = times.iter().filter(|at| at.as_secs() == second).count();
            assert!((199..=201).contains(&within), "{within} in second {second}");
        }
        assert!(times.is_sorted());
        assert!(times.iter().copied().eq(Schedule::new(200, 7).take(2_000)));
        assert!(!times.iter().copied().eq(Schedule::new(200, 8).take(2_000)));
    }
}
