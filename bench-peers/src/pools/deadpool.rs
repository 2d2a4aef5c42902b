//! deadpool, the most used managed pool.

use deadpool::managed::{Manager, Metrics, Object, Pool, RecycleResult};

use crate::connection::{Conn, Never, Opener};
use crate::pool::{BenchPool, Kind};

pub(crate) struct Deadpool(Pool<Opener>);

impl Manager for Opener {
    type Type = Conn;
    type Error = Never;

    async fn create(&self) -> Result<Conn, Never> {
        Ok(self.open())
    }

    async fn recycle(&self, _connection: &mut Conn, _metrics: &Metrics) -> RecycleResult<Never> {
        Ok(())
    }
}

impl BenchPool for Deadpool {
    const NAME: &'static str = "deadpool";
    const KIND: Kind = Kind::Peer;
    const SETTINGS: &'static str = "managed, its defaults: no time limits, FIFO; recycle does nothing";

    type Guard<'a> = Object<Opener>;

    async fn new(size: usize) -> Self {
        let pool = Pool::builder(Opener::default()).max_size(size);
        Deadpool(pool.build().expect("without time limits it needs no runtime"))
    }

    async fn acquire(&self) -> Object<Opener> {
        self.0.get().await.expect("nothing can fail to connect")
    }

    fn future_bytes(&self) -> usize {
        size_of_val(&self.0.get())
    }
}
