//! The floor of floors: a mutex around a stack. It cannot wait, so it spins.

use std::ops::Deref;

use parking_lot::Mutex;

use crate::connection::{Conn, Opener};
use crate::pool::{BenchPool, Kind};

pub(crate) struct FloorMutex(Mutex<Vec<Conn>>);

/// Puts its connection back on the stack.
pub(crate) struct Popped<'a> {
    pool: &'a FloorMutex,
    connection: Option<Conn>,
}

impl FloorMutex {
    async fn pop(&self) -> Popped<'_> {
        loop {
            let connection = self.0.lock().pop();
            if connection.is_some() {
                return Popped { pool: self, connection };
            }
            tokio::task::yield_now().await;
        }
    }
}

impl Deref for Popped<'_> {
    type Target = Conn;

    fn deref(&self) -> &Conn {
        self.connection.as_ref().expect("it leaves only in drop")
    }
}

impl Drop for Popped<'_> {
    fn drop(&mut self) {
        self.pool.0.lock().extend(self.connection.take());
    }
}

impl BenchPool for FloorMutex {
    const NAME: &'static str = "floor-mutex";
    const KIND: Kind = Kind::Floor;
    const SETTINGS: &'static str = "parking_lot::Mutex<Vec>, the guard borrows; no queue: spins with yield_now where \
        others wait";

    type Guard<'a> = Popped<'a>;

    async fn new(size: usize) -> Self {
        let opener = Opener::default();
        FloorMutex(Mutex::new((0..size).map(|_| opener.open()).collect()))
    }

    async fn acquire(&self) -> Popped<'_> {
        self.pop().await
    }

    fn future_bytes(&self) -> usize {
        size_of_val(&self.pop())
    }
}
