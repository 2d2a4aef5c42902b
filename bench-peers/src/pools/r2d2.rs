//! r2d2, the pool for threads: the only one here whose callers block.

use r2d2::{ManageConnection, Pool, PooledConnection};

use crate::connection::{Conn, Never, Opener};
use crate::pool::BlockingPool;

pub(crate) struct R2d2(Pool<Opener>);

impl ManageConnection for Opener {
    type Connection = Conn;
    type Error = Never;

    fn connect(&self) -> Result<Conn, Never> {
        Ok(self.open())
    }

    fn is_valid(&self, _connection: &mut Conn) -> Result<(), Never> {
        Ok(())
    }

    fn has_broken(&self, _connection: &mut Conn) -> bool {
        false
    }
}

impl BlockingPool for R2d2 {
    const NAME: &'static str = "r2d2";
    const SETTINGS: &'static str = "operating-system threads in place of tasks, thread::yield_now as the hold; \
        test_on_check_out(false), no idle_timeout, no max_lifetime; its limit of 30 s cannot be switched off";

    type Guard = PooledConnection<Opener>;

    fn new(size: usize) -> Self {
        let builder = Pool::builder()
            .max_size(u32::try_from(size).expect("pools here are small"))
            .test_on_check_out(false)
            .idle_timeout(None)
            .max_lifetime(None);
        R2d2(builder.build(Opener::default()).expect("nothing can fail to connect"))
    }

    fn acquire(&self) -> PooledConnection<Opener> {
        self.0.get().expect("nothing here waits for 30 s")
    }
}
