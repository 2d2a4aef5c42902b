//! bb8, r2d2's successor for tasks.

use bb8::{ManageConnection, Pool, PooledConnection};

use crate::connection::{Conn, Never, Opener};
use crate::pool::{BenchPool, Kind};

pub(crate) struct Bb8(Pool<Opener>);

impl ManageConnection for Opener {
    type Connection = Conn;
    type Error = Never;

    async fn connect(&self) -> Result<Conn, Never> {
        Ok(self.open())
    }

    async fn is_valid(&self, _connection: &mut Conn) -> Result<(), Never> {
        Ok(())
    }

    fn has_broken(&self, _connection: &mut Conn) -> bool {
        false
    }
}

impl BenchPool for Bb8 {
    const NAME: &'static str = "bb8";
    const KIND: Kind = Kind::Peer;
    const SETTINGS: &'static str = "test_on_check_out(false), no idle_timeout, no max_lifetime; its limit of 30 s \
        cannot be switched off; standard-library locks, since its default feature changes tokio's locks too";

    type Guard<'a> = PooledConnection<'a, Opener>;

    async fn new(size: usize) -> Self {
        let builder = Pool::builder()
            .max_size(u32::try_from(size).expect("pools here are small"))
            .test_on_check_out(false)
            .idle_timeout(None)
            .max_lifetime(None);
        Bb8(builder.build(Opener::default()).await.expect("nothing can fail to connect"))
    }

    async fn acquire(&self) -> PooledConnection<'_, Opener> {
        self.0.get().await.expect("nothing here waits for 30 s")
    }

    fn future_bytes(&self) -> usize {
        size_of_val(&self.0.get())
    }
}
