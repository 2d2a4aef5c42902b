//! bb8-postgres.

use std::time::{Duration, Instant};

use bb8::{ManageConnection, Pool, PooledConnection, RunError};
use bb8_postgres::PostgresConnectionManager;
use tokio_postgres::{Client, Error, NoTls};

use super::tokio_postgres::{ask, config, kind};
use crate::outage::contender::{ACQUIRE, Contender, Defaults, Failure, Link, Place, SIZE, Settings};
use crate::outage::dial::{Dial, DialError};

/// bb8-postgres.
#[derive(Clone)]
pub(crate) struct Bb8(Pool<Dialing>);

/// The manager of bb8-postgres, whose connects are noted, and limited: bb8 has no such limit, and waits for ever.
pub(crate) struct Dialing {
    manager: PostgresConnectionManager<NoTls>,
    dial: Dial,
}

impl ManageConnection for Dialing {
    type Connection = Link<Client>;
    type Error = DialError<Error>;

    async fn connect(&self) -> Result<Self::Connection, Self::Error> {
        self.dial.limited(self.manager.connect()).await.map(Link::new)
    }

    async fn is_valid(&self, link: &mut Self::Connection) -> Result<(), Self::Error> {
        self.manager.is_valid(&mut link.raw).await.map_err(DialError::Failed)
    }

    fn has_broken(&self, link: &mut Self::Connection) -> bool {
        self.manager.has_broken(&mut link.raw)
    }
}

impl Contender for Bb8 {
    const NAME: &'static str = "bb8";
    const DRIVER: &'static str = "tokio-postgres";
    const EQUAL: &'static str = "min_idle = max_size = 10, connection_timeout 2 s, test_on_check_out, connect 1 s by its manager, no idle \
        timeout, no maximum lifetime";
    const DEFAULT: &'static str = "max_size 10, connection_timeout 30 s, test_on_check_out";
    const DEFAULTS: Defaults = Defaults { acquire: Some(Duration::from_secs(30)) };
    type Held = PooledConnection<'static, Dialing>;

    async fn open(place: &Place) -> anyhow::Result<Self> {
        let size = u32::try_from(SIZE)?;
        let mut builder = Pool::builder().max_size(size);
        if place.settings == Settings::Equal {
            builder = builder
                .min_idle(size)
                .connection_timeout(ACQUIRE)
                .test_on_check_out(true)
                .idle_timeout(None)
                .max_lifetime(None);
        }
        let manager = PostgresConnectionManager::new(config(place), NoTls);
        Ok(Bb8(builder.build_unchecked(Dialing { manager, dial: place.dial.clone() })))
    }

    async fn acquire(&self) -> Result<Self::Held, Failure> {
        self.0.get_owned().await.map_err(|error| match error {
            RunError::TimedOut => Failure::unexplained("acquire: timeout"),
            RunError::User(DialError::Failed(error)) => {
                Failure::explained(format!("acquire: {}", kind(&error)))
            }
            RunError::User(error) => Failure::explained(format!("acquire: {error}")),
        })
    }

    fn rested(held: &mut Self::Held) -> &mut Instant {
        &mut held.rested
    }

    async fn ask(held: &mut Self::Held) -> Result<(), Failure> {
        ask(&held.raw).await
    }

    /// It cannot be closed; it ends with its last handle.
    async fn close(self) {}
}
