//! sqlx's pool, over a database that does nothing.

pub(crate) mod hollow;
mod noop;

use sqlx_core::pool::{Pool, PoolConnection, PoolOptions};

use crate::pool::{BenchPool, Kind};
use noop::{Noop, NoopOptions};

pub(crate) struct Sqlx(Pool<Noop>);

impl BenchPool for Sqlx {
    const NAME: &'static str = "sqlx";
    const KIND: Kind = Kind::Peer;
    const SETTINGS: &'static str = "its own pool over a database without I/O; test_before_acquire(false), no \
        idle_timeout, no max_lifetime; its limit of 30 s cannot be switched off; it pings on every release, which \
        costs no I/O here, and releases in a task of its own";

    type Guard<'a> = PoolConnection<Noop>;

    async fn new(size: usize) -> Self {
        let options = PoolOptions::new()
            .max_connections(u32::try_from(size).expect("pools here are small"))
            .test_before_acquire(false)
            .idle_timeout(None)
            .max_lifetime(None);
        Sqlx(options.connect_lazy_with(NoopOptions::default()))
    }

    async fn acquire(&self) -> PoolConnection<Noop> {
        self.0.acquire().await.expect("nothing here waits for 30 s")
    }

    fn future_bytes(&self) -> usize {
        size_of_val(&self.0.acquire())
    }
}
