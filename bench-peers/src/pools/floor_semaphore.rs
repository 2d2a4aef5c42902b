//! The floor of a fair pool: tokio's semaphore in front of a stack.

use std::ops::Deref;

use parking_lot::Mutex;
use tokio::sync::{Semaphore, SemaphorePermit};

use crate::connection::{Conn, Opener};
use crate::pool::{BenchPool, Kind};

pub(crate) struct FloorSemaphore {
    permits: Semaphore,
    idle: Mutex<Vec<Conn>>,
}

/// Puts its connection back on the stack, then lets the next one in.
pub(crate) struct Permitted<'a> {
    pool: &'a FloorSemaphore,
    connection: Option<Conn>,
    // Invariant: declared last, so that it is released after the drop below has put the connection back.
    _permit: SemaphorePermit<'a>,
}

impl FloorSemaphore {
    async fn take(&self) -> Permitted<'_> {
        let permit = self.permits.acquire().await.expect("it is never closed");
        let connection = self.idle.lock().pop();
        Permitted { pool: self, connection, _permit: permit }
    }
}

impl Deref for Permitted<'_> {
    type Target = Conn;

    fn deref(&self) -> &Conn {
        self.connection.as_ref().expect("there are as many connections as permits")
    }
}

impl Drop for Permitted<'_> {
    fn drop(&mut self) {
        self.pool.idle.lock().extend(self.connection.take());
    }
}

impl BenchPool for FloorSemaphore {
    const NAME: &'static str = "floor-semaphore";
    const KIND: Kind = Kind::Floor;
    const SETTINGS: &'static str =
        "tokio::sync::Semaphore in front of parking_lot::Mutex<Vec>, the guard borrows";

    type Guard<'a> = Permitted<'a>;

    async fn new(size: usize) -> Self {
        let opener = Opener::default();
        let idle = (0..size).map(|_| opener.open()).collect();
        FloorSemaphore { permits: Semaphore::new(size), idle: Mutex::new(idle) }
    }

    async fn acquire(&self) -> Permitted<'_> {
        self.take().await
    }

    fn future_bytes(&self) -> usize {
        size_of_val(&self.take())
    }
}
