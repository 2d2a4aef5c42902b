//! deadpool-postgres.

use std::time::Instant;

use deadpool::managed::{Manager, Metrics, Object, Pool, PoolError, RecycleResult, Timeouts};
use deadpool_postgres::{ClientWrapper, ManagerConfig, RecyclingMethod, Runtime};
use tokio_postgres::{Error, NoTls};

use super::tokio_postgres::{ask, config, kind};
use crate::outage::contender::{
    ACQUIRE, CHECK, CONNECT, Contender, Defaults, Failure, Link, Place, SIZE, Settings,
};
use crate::outage::dial::Dial;

/// deadpool-postgres.
#[derive(Clone)]
pub(crate) struct Deadpool(Pool<Dialing>);

/// The manager of deadpool-postgres, whose connects are noted.
pub(crate) struct Dialing {
    manager: deadpool_postgres::Manager,
    dial: Dial,
}

impl Manager for Dialing {
    type Type = Link<ClientWrapper>;
    type Error = Error;

    async fn create(&self) -> Result<Self::Type, Error> {
        self.dial.note();
        self.manager.create().await.map(Link::new)
    }

    async fn recycle(&self, link: &mut Self::Type, metrics: &Metrics) -> RecycleResult<Error> {
        self.manager.recycle(&mut link.raw, metrics).await
    }

    fn detach(&self, link: &mut Self::Type) {
        self.manager.detach(&mut link.raw);
    }
}

impl Contender for Deadpool {
    const NAME: &'static str = "deadpool";
    const DRIVER: &'static str = "tokio-postgres";
    const EQUAL: &'static str = "max_size 10, wait 2 s, create 1 s, recycle 1 s, RecyclingMethod::Verified; it has no limit for all three together";
    const DEFAULT: &'static str = "max_size 10, no limits, RecyclingMethod::Fast: hand-outs are not checked";
    const DEFAULTS: Defaults = Defaults { acquire: None };
    type Held = Object<Dialing>;

    async fn open(place: &Place) -> anyhow::Result<Self> {
        let recycling_method = match place.settings {
            Settings::Equal => RecyclingMethod::Verified,
            Settings::Default => RecyclingMethod::Fast,
        };
        let manager =
            deadpool_postgres::Manager::from_config(config(place), NoTls, ManagerConfig { recycling_method });
        let mut builder = Pool::builder(Dialing { manager, dial: place.dial.clone() })
            .max_size(SIZE)
            .runtime(Runtime::Tokio1);
        if place.settings == Settings::Equal {
            builder = builder.timeouts(Timeouts {
                wait: Some(ACQUIRE),
                create: Some(CONNECT),
                recycle: Some(CHECK),
            });
        }
        Ok(Deadpool(builder.build()?))
    }

    async fn acquire(&self) -> Result<Self::Held, Failure> {
        self.0.get().await.map_err(|error| match error {
            PoolError::Timeout(step) => Failure::unexplained(format!("acquire: timeout {step:?}")),
            PoolError::Backend(error) => Failure::explained(format!("acquire: {}", kind(&error))),
            error => Failure::explained(format!("acquire: {error}")),
        })
    }

    fn rested(held: &mut Self::Held) -> &mut Instant {
        &mut held.rested
    }

    async fn ask(held: &mut Self::Held) -> Result<(), Failure> {
        ask(&held.raw).await
    }

    async fn close(self) {
        self.0.close();
    }
}
