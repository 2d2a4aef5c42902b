//! asyncband's bounded pool, the fastest of the peers without contention.

use std::sync::Arc;

use asyncband::pool::bounded::{Object, Pool, PoolConfig};
use asyncband::pool::{ManageObject, ObjectStatus};

use crate::connection::{Conn, Never, Opener};
use crate::pool::{BenchPool, Kind};

pub(crate) struct Asyncband(Arc<Pool<Opener>>);

impl ManageObject for Opener {
    type Object = Conn;
    type Error = Never;

    async fn create(&self) -> Result<Conn, Never> {
        Ok(self.open())
    }

    async fn is_recyclable(&self, _connection: &mut Conn, _status: &ObjectStatus) -> Result<(), Never> {
        Ok(())
    }
}

impl BenchPool for Asyncband {
    const NAME: &'static str = "asyncband";
    const KIND: Kind = Kind::Peer;
    const SETTINGS: &'static str =
        "pool::bounded, PoolConfig::new(size), its defaults: FIFO; it has no time limit";

    type Guard<'a> = Object<Opener>;

    async fn new(size: usize) -> Self {
        Asyncband(Pool::new(PoolConfig::new(size), Opener::default()))
    }

    async fn acquire(&self) -> Object<Opener> {
        let Ok(connection) = self.0.get().await;
        connection
    }

    fn future_bytes(&self) -> usize {
        size_of_val(&self.0.get())
    }
}
