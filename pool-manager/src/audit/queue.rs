//! What waits to be written, and the thread that writes it.
//!
//! The thread takes all that is there at once. So while something is lost, nothing has been taken since, and the count of
//! what was lost belongs behind all that is in the queue.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;

use super::AuditStats;
use super::file::LogFile;
use super::line::Record;

/// See the module's first lines.
pub(super) struct Queue {
    capacity: usize,
    state: Mutex<State>,
    /// Rung when there is something to do.
    bell: Condvar,
}

#[derive(Default)]
struct State {
    todo: Todo,
    closed: bool,
    /// How many records the thread has taken and not dealt with.
    in_hand: usize,
    /// The thread has gone; nobody will ever do anything.
    ended: bool,
    written: u64,
    lost: u64,
    failure: Option<String>,
}

/// What the thread has to do.
#[derive(Default)]
struct Todo {
    records: Vec<Record>,
    /// Records that did not fit behind these.
    lost: u64,
    reopen: bool,
    /// Who waits until it is done. Dropping one tells him as well.
    flushes: Vec<oneshot::Sender<()>>,
}

impl Todo {
    fn is_nothing(&self) -> bool {
        self.records.is_empty() && self.lost == 0 && !self.reopen && self.flushes.is_empty()
    }
}

impl Queue {
    pub(super) fn new(capacity: usize) -> Self {
        Queue { capacity, state: Mutex::default(), bell: Condvar::new() }
    }

    /// Adds a record, or counts it if there is no room. Does nothing once closed.
    pub(super) fn push(&self, record: Record) {
        let mut state = self.lock();
        if state.closed {
            return;
        }
        // Once full it stays so until the thread takes everything, so nothing overtakes what is lost.
        if state.todo.records.len() < self.capacity {
            state.todo.records.push(record);
        } else {
            state.todo.lost += 1;
            state.lost += 1;
        }
        drop(state);
        self.bell.notify_one();
    }

    pub(super) fn reopen(&self) {
        self.lock().todo.reopen = true;
        self.bell.notify_one();
    }

    /// Tells `done` when all that is there now has been dealt with.
    pub(super) fn flush(&self, done: oneshot::Sender<()>) {
        let mut state = self.lock();
        if !state.ended {
            state.todo.flushes.push(done);
        }
        drop(state);
        self.bell.notify_one();
    }

    /// Takes nothing more; what is there will be written.
    pub(super) fn close(&self) {
        self.lock().closed = true;
        self.bell.notify_one();
    }

    pub(super) fn stats(&self) -> AuditStats {
        let state = self.lock();
        AuditStats {
            written: state.written,
            lost: state.lost,
            waiting: state.in_hand + state.todo.records.len(),
            failure: state.failure.clone(),
        }
    }

    /// Waits for something to do; `None` when there will never be anything again.
    fn next(&self) -> Option<Todo> {
        let mut state = self.lock();
        while state.todo.is_nothing() && !state.closed {
            state = self.bell.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        if state.todo.is_nothing() {
            state.ended = true;
            return None;
        }
        state.in_hand = state.todo.records.len();
        Some(std::mem::take(&mut state.todo))
    }

    fn done(&self, written: u64, lost: u64, failure: Option<String>) {
        let mut state = self.lock();
        state.written += written;
        state.lost += lost;
        state.failure = failure;
        state.in_hand = 0;
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Writes what comes into the queue, to its end. Runs on a thread of its own, as it waits for the disk.
pub(super) fn write_all_of(queue: &Queue, mut file: LogFile) {
    // Operations that are gone and that no line in the file tells of yet.
    let mut untold = 0;
    while let Some(todo) = queue.next() {
        let before = Record::lost(untold);
        let after = Record::lost(todo.lost);
        let records: Vec<_> = before.iter().chain(&todo.records).chain(&after).collect();
        let outcome = file.append(&records, todo.reopen);
        let unwritten = &records[outcome.written..];
        untold = unwritten.iter().map(|record| record.stands_for()).sum();
        // What a line of losses stands for was counted when it was lost.
        let lost = unwritten.iter().filter(|record| !record.is_loss()).count();
        queue.done(outcome.written as u64, lost as u64, outcome.failure);
        for done in todo.flushes {
            // Whoever no longer waits need not be told.
            done.send(()).unwrap_or(());
        }
    }
}
