//! mobc, a pool after the model of Go's `database/sql`.

use mobc::{Connection, Manager, Pool, async_trait};

use crate::connection::{Conn, Never, Opener};
use crate::pool::{BenchPool, Kind};

pub(crate) struct Mobc(Pool<Opener>);

#[async_trait]
impl Manager for Opener {
    type Connection = Conn;
    type Error = Never;

    async fn connect(&self) -> Result<Conn, Never> {
        Ok(self.open())
    }

    async fn check(&self, connection: Conn) -> Result<Conn, Never> {
        Ok(connection)
    }
}

impl BenchPool for Mobc {
    const NAME: &'static str = "mobc";
    const KIND: Kind = Kind::Peer;
    const SETTINGS: &'static str = "get_timeout(None), test_on_check_out(false), max_idle = max_open = size (its \
        default of 2 would close and open connections all the time), no lifetimes";

    type Guard<'a> = Connection<Opener>;

    async fn new(size: usize) -> Self {
        let pool = Pool::builder()
            .max_open(size as u64)
            .max_idle(size as u64)
            .get_timeout(None)
            .test_on_check_out(false)
            .max_lifetime(None)
            .max_idle_lifetime(None);
        Mobc(pool.build(Opener::default()))
    }

    async fn acquire(&self) -> Connection<Opener> {
        let Ok(connection) = self.0.get().await else { unreachable!("nothing can fail to connect") };
        connection
    }

    fn future_bytes(&self) -> usize {
        size_of_val(&self.0.get())
    }
}
