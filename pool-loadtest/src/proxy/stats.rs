//! What passed through a proxy, and over which connections.
//!
//! Each connection counts for itself; the totals are added up when somebody asks, from the open connections
//! and what the ended ones left behind.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{Notify, oneshot};
use tokio::time::Instant;

use super::fault::{Direction, Ending};

/// What passed over one connection, or over all, since its start.
///
/// Bytes are counted when the proxy has read them, before anyone else can see them: who got an answer finds it
/// counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Traffic {
    /// Bytes that the client sent.
    pub bytes_to_server: u64,
    /// Bytes that the server sent.
    pub bytes_to_client: u64,
    /// Bytes of both that never arrived, because a fault swallowed them.
    pub bytes_swallowed: u64,
    /// How often the client began to speak: at first, and whenever the server had spoken since.
    pub turns: u64,
    /// How often the client spoke and the server answered. However many packets a question or its answer has,
    /// it is one round trip; so are questions that are all asked before the first answer.
    ///
    /// Swallowed bytes count for neither. A server that speaks unasked, as with a greeting, makes no round trip.
    pub round_trips: u64,
}

impl Traffic {
    fn add(&mut self, other: Traffic) {
        self.bytes_to_server += other.bytes_to_server;
        self.bytes_to_client += other.bytes_to_client;
        self.bytes_swallowed += other.bytes_swallowed;
        self.turns += other.turns;
        self.round_trips += other.round_trips;
    }
}

/// What a proxy has done so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct ProxyStats {
    /// Connections accepted since start, also those that came to nothing.
    pub accepted: u64,
    /// Of these, how many a reset ended before they were connected with the upstream. Those that the kernel
    /// refused while [`Fault::Refuse`](super::Fault::Refuse) held are not known to anyone but the client.
    pub refused: u64,
    /// Of these, how many were reset because the upstream could not be reached.
    pub unreachable: u64,
    /// Connections open now.
    pub open: usize,
    /// What passed over all of them, since start.
    pub traffic: Traffic,
}

/// An open connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct ConnectionStats {
    /// Its number; the first is 1.
    pub number: u64,
    /// The client's address.
    pub peer: SocketAddr,
    /// When it was accepted.
    pub opened: Instant,
    /// What passed over it.
    pub traffic: Traffic,
}

/// The counts of one connection.
#[derive(Debug)]
pub(super) struct Record {
    pub(super) number: u64,
    peer: SocketAddr,
    opened: Instant,
    bytes_to_server: AtomicU64,
    bytes_to_client: AtomicU64,
    bytes_swallowed: AtomicU64,
    turns: AtomicU64,
    round_trips: AtomicU64,
    /// The client has spoken, and the server not since.
    asked: AtomicBool,
}

// Ordering: every count is written by the connection's one task, before it passes the bytes on. Who has read the
// bytes has been through the kernel since, and sees it.
impl Record {
    fn new(number: u64, peer: SocketAddr) -> Self {
        Record {
            number,
            peer,
            opened: Instant::now(),
            bytes_to_server: AtomicU64::new(0),
            bytes_to_client: AtomicU64::new(0),
            bytes_swallowed: AtomicU64::new(0),
            turns: AtomicU64::new(0),
            round_trips: AtomicU64::new(0),
            asked: AtomicBool::new(false),
        }
    }

    /// So many bytes have come, and will be passed on.
    pub(super) fn passes(&self, direction: Direction, bytes: usize) {
        match direction {
            Direction::ToServer => {
                self.bytes_to_server.fetch_add(bytes as u64, Ordering::Relaxed);
                if !self.asked.swap(true, Ordering::Relaxed) {
                    self.turns.fetch_add(1, Ordering::Relaxed);
                }
            }
            Direction::ToClient => {
                self.bytes_to_client.fetch_add(bytes as u64, Ordering::Relaxed);
                if self.asked.swap(false, Ordering::Relaxed) {
                    self.round_trips.fetch_add(1, Ordering::Relaxed);
                }
            }
        }
    }

    /// So many bytes have come, and will not be passed on.
    pub(super) fn swallows(&self, direction: Direction, bytes: usize) {
        let sent = match direction {
            Direction::ToServer => &self.bytes_to_server,
            Direction::ToClient => &self.bytes_to_client,
        };
        sent.fetch_add(bytes as u64, Ordering::Relaxed);
        self.loses(bytes);
    }

    /// So many bytes that were to be passed on are lost.
    pub(super) fn loses(&self, bytes: usize) {
        self.bytes_swallowed.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    fn traffic(&self) -> Traffic {
        Traffic {
            bytes_to_server: self.bytes_to_server.load(Ordering::Relaxed),
            bytes_to_client: self.bytes_to_client.load(Ordering::Relaxed),
            bytes_swallowed: self.bytes_swallowed.load(Ordering::Relaxed),
            turns: self.turns.load(Ordering::Relaxed),
            round_trips: self.round_trips.load(Ordering::Relaxed),
        }
    }
}

#[derive(Debug)]
struct Open {
    record: Arc<Record>,
    /// Tells the connection's task to end it; taken when that has been done.
    end: Option<oneshot::Sender<Ending>>,
}

#[derive(Debug, Default)]
struct State {
    open: BTreeMap<u64, Open>,
    accepted: u64,
    refused: u64,
    unreachable: u64,
    /// What the connections that have ended had counted.
    ended: Traffic,
}

/// All connections of a proxy.
#[derive(Debug, Default)]
pub(super) struct Table {
    state: Mutex<State>,
    /// Told whenever a connection has gone.
    gone: Notify,
}

impl Table {
    /// Enters a connection that was accepted.
    pub(super) fn enter(self: &Arc<Self>, peer: SocketAddr) -> (Entry, oneshot::Receiver<Ending>) {
        let mut state = self.lock();
        state.accepted += 1;
        let number = state.accepted;
        let record = Arc::new(Record::new(number, peer));
        let (end, told) = oneshot::channel();
        state.open.insert(number, Open { record: Arc::clone(&record), end: Some(end) });
        (Entry { table: Arc::clone(self), record }, told)
    }

    pub(super) fn accepted(&self) -> u64 {
        self.lock().accepted
    }

    pub(super) fn stats(&self) -> ProxyStats {
        let state = self.lock();
        let mut traffic = state.ended;
        state.open.values().for_each(|open| traffic.add(open.record.traffic()));
        ProxyStats {
            accepted: state.accepted,
            refused: state.refused,
            unreachable: state.unreachable,
            open: state.open.len(),
            traffic,
        }
    }

    pub(super) fn connections(&self) -> Vec<ConnectionStats> {
        let stats = |open: &Open| ConnectionStats {
            number: open.record.number,
            peer: open.record.peer,
            opened: open.record.opened,
            traffic: open.record.traffic(),
        };
        self.lock().open.values().map(stats).collect()
    }

    /// Tells all open connections to end. Returns their numbers.
    pub(super) fn end_all(&self, ending: Ending) -> Vec<u64> {
        let mut state = self.lock();
        let tell = |(&number, open): (&u64, &mut Open)| {
            if let Some(end) = open.end.take() {
                // One that ends just now needs not be told.
                end.send(ending).ok();
            }
            number
        };
        state.open.iter_mut().map(tell).collect()
    }

    /// Waits until all of these have gone.
    pub(super) async fn without(&self, numbers: &[u64]) {
        self.until(|state| !numbers.iter().any(|number| state.open.contains_key(number))).await;
    }

    /// Waits until so many are open.
    pub(super) async fn at_most(&self, most: usize) {
        self.until(|state| state.open.len() <= most).await;
    }

    async fn until(&self, reached: impl Fn(&State) -> bool) {
        loop {
            // Before looking, or the last one could go unnoticed in between.
            let gone = self.gone.notified();
            if reached(&self.lock()) {
                return;
            }
            gone.await;
        }
    }

    // A panic under the lock is impossible: nothing there calls anyone.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A connection's place in the table; it leaves when this is dropped.
#[derive(Debug)]
pub(super) struct Entry {
    table: Arc<Table>,
    pub(super) record: Arc<Record>,
}

impl Entry {
    pub(super) fn refused(&self) {
        self.table.lock().refused += 1;
    }

    pub(super) fn unreachable(&self) {
        self.table.lock().unreachable += 1;
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        let mut state = self.table.lock();
        state.open.remove(&self.record.number);
        state.ended.add(self.record.traffic());
        drop(state);
        self.table.gone.notify_waiters();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table() -> (Arc<Table>, Entry) {
        let table = Arc::new(Table::default());
        let (entry, _) = table.enter(SocketAddr::from(([127, 0, 0, 1], 1)));
        (table, entry)
    }

    #[test]
    fn a_question_and_its_answer_are_one_round_trip_in_however_many_pieces() {
        use Direction::{ToClient, ToServer};
        let (table, entry) = table();
        for (direction, expected) in [
            (ToClient, (0, 0)), // a greeting
            (ToServer, (1, 0)),
            (ToServer, (1, 0)),
            (ToClient, (1, 1)),
            (ToClient, (1, 1)),
            (ToServer, (2, 1)),
            (ToClient, (2, 2)),
            (ToServer, (3, 2)), // a farewell
        ] {
            entry.record.passes(direction, 1);
            let traffic = table.stats().traffic;
            assert_eq!((traffic.turns, traffic.round_trips), expected);
        }
    }

    #[test]
    fn what_is_swallowed_was_sent_and_is_no_turn() {
        let (table, entry) = table();
        entry.record.swallows(Direction::ToServer, 5);
        let traffic = table.stats().traffic;
        assert_eq!((traffic.bytes_to_server, traffic.bytes_swallowed, traffic.turns), (5, 5, 0));
    }

    #[test]
    fn totals_keep_what_a_connection_counted_when_it_has_gone() {
        let (table, entry) = table();
        entry.record.passes(Direction::ToServer, 3);
        let before = table.stats();
        assert_eq!((before.open, before.traffic.bytes_to_server), (1, 3));
        drop(entry);
        assert_eq!(table.stats(), ProxyStats { open: 0, ..before });
        assert_eq!(table.connections(), []);
    }
}
