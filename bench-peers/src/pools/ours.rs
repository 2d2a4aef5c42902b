//! The pool of this project.

use pool_core::{Connector, Pool, Pooled};

use crate::connection::{Conn, Never, Opener};
use crate::pool::{BenchPool, Kind};

pub(crate) struct Ours(pub(crate) Pool<Opener>);

impl Connector for Opener {
    type Connection = Conn;
    type Error = Never;

    async fn connect(&self) -> Result<Conn, Never> {
        Ok(self.open())
    }

    async fn validate(&self, _connection: &mut Conn) -> Result<(), Never> {
        Ok(())
    }
}

impl BenchPool for Ours {
    const NAME: &'static str = "ours";
    const KIND: Kind = Kind::Ours;
    const SETTINGS: &'static str = "defaults but max_connections = min_connections = size: limit of 30 s on, \
        holders tracked, validation after 500 ms idle, LIFO";

    type Guard<'a> = Pooled<Opener>;

    async fn new(size: usize) -> Self {
        let pool = Pool::builder(Opener::default())
            .name("bench")
            .max_connections(size)
            .min_connections(size)
            .build()
            .expect("the options are valid and this is inside a runtime");
        pool.warm_up().await.expect("nothing can fail to connect");
        Ours(pool)
    }

    async fn acquire(&self) -> Pooled<Opener> {
        self.0.acquire().await.expect("nothing here waits for 30 s")
    }

    fn future_bytes(&self) -> usize {
        size_of_val(&self.0.acquire())
    }
}
