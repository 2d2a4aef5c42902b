//! Pools to put load on: a right one, and one for each defect that the load tester must find.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use pool_core::fake::{FakeConnection, FakeConnector, FakeError};
use pool_core::{ErrorClass, Pool, PoolControl, PoolOptions};
use pool_loadtest::{Description, ErrorKind, Failure, PoolSubject, Subject, Witness, Workload};
use tokio::sync::oneshot;
use tokio::time::sleep;

/// A pool of connections that lead nowhere, seen by a witness.
pub(crate) fn pool(
    connector: &FakeConnector,
    witness: &Arc<Witness>,
    change: impl FnOnce(&mut PoolOptions),
) -> Pool<FakeConnector> {
    let mut options = PoolOptions::default();
    change(&mut options);
    let (connector, witness) = (connector.clone(), Arc::clone(witness));
    Pool::builder(connector).name("fake").options(options).shared_observer(witness).build().unwrap()
}

/// Holds a connection for a while.
pub(crate) struct Hold(pub(crate) Duration);

impl Workload<FakeConnector> for Hold {
    async fn run(&self, _: &mut FakeConnection) -> Result<(), FakeError> {
        sleep(self.0).await;
        Ok(())
    }

    fn description(&self) -> Description {
        description()
    }
}

/// What a made-up pool says of itself.
pub(crate) fn description() -> Description {
    Description {
        backend: "stub",
        url: String::from("stub://"),
        version: String::from("1"),
        settings: BTreeMap::new(),
        fds_per_connection: 0,
        threads_per_connection: 0,
    }
}

/// Works a number of times; then every query fails with this class.
pub(crate) struct FailAfter {
    pub(crate) good: AtomicU64,
    pub(crate) class: ErrorClass,
}

impl Workload<FakeConnector> for FailAfter {
    async fn run(&self, _: &mut FakeConnection) -> Result<(), FakeError> {
        let left = self.good.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1));
        left.map(drop).map_err(|_| FakeError::new(self.class, "out of order, says db://app:hunter2@host"))
    }

    fn kind(&self, _: &FakeError) -> ErrorKind {
        ErrorKind::ConnectionLost
    }

    fn description(&self) -> Description {
        description()
    }
}

/// The first query works; from then on each panics, or never ends.
pub(crate) enum Then {
    Panic,
    Hang,
}

pub(crate) struct Once(pub(crate) AtomicU64, pub(crate) Then);

impl Workload<FakeConnector> for Once {
    async fn run(&self, _: &mut FakeConnection) -> Result<(), FakeError> {
        if self.0.fetch_add(1, Ordering::Relaxed) == 0 {
            return Ok(());
        }
        match self.1 {
            Then::Panic => panic!("planted"),
            Then::Hang => std::future::pending().await,
        }
    }

    fn description(&self) -> Description {
        description()
    }
}

/// What a defective pool does when a connection is given back.
#[derive(Clone, Copy)]
pub(crate) enum Return {
    /// Forgets each one of so many.
    Forget(u64),
    /// Gives each one of so many back only after a while.
    Late(u64, Duration),
    /// Leaves a file open with each one of so many.
    OpenFile(u64),
}

/// A pool that does not take all connections back.
pub(crate) struct Careless<W> {
    pub(crate) inner: PoolSubject<FakeConnector, W>,
    pub(crate) how: Return,
    pub(crate) returned: AtomicU64,
}

impl<W: Workload<FakeConnector>> Subject for Careless<W> {
    type Lease = <PoolSubject<FakeConnector, W> as Subject>::Lease;

    async fn acquire(&self) -> Result<Self::Lease, Failure> {
        self.inner.acquire().await
    }

    async fn work(&self, lease: &mut Self::Lease) -> Result<(), Failure> {
        self.inner.work(lease).await
    }

    fn release(&self, lease: Self::Lease) {
        let returned = self.returned.fetch_add(1, Ordering::Relaxed) + 1;
        match self.how {
            Return::Forget(n) if returned.is_multiple_of(n) => std::mem::forget(lease),
            Return::Late(n, late) if returned.is_multiple_of(n) => {
                drop(tokio::spawn(async move {
                    sleep(late).await;
                    drop(lease);
                }));
            }
            Return::OpenFile(n) if returned.is_multiple_of(n) => {
                std::mem::forget(std::fs::File::open("/dev/null").unwrap());
            }
            _ => drop(lease),
        }
    }

    fn control(&self) -> &dyn PoolControl {
        self.inner.control()
    }

    fn description(&self) -> Description {
        self.inner.description()
    }
}

/// A pool that serves whoever came last: the best figures of all, for those who are served.
pub(crate) struct LastComeFirstServed {
    pub(crate) inner: PoolSubject<FakeConnector, Hold>,
    pub(crate) line: Arc<Line>,
}

/// Who waits, and how many connections are free.
pub(crate) struct Line(Mutex<(usize, Vec<oneshot::Sender<Turn>>)>);

impl Line {
    pub(crate) fn new(free: usize) -> Arc<Self> {
        Arc::new(Line(Mutex::new((free, Vec::new()))))
    }

    fn pass(self: &Arc<Self>) {
        let mut line = self.0.lock().unwrap();
        match line.1.pop() {
            Some(last) => {
                // A waiter that has gone drops the turn, which passes it on: not under the lock.
                drop(line);
                drop(last.send(Turn(Arc::clone(self))));
            }
            None => line.0 += 1,
        }
    }
}

/// The right to a connection; passed on when dropped.
pub(crate) struct Turn(Arc<Line>);

impl Drop for Turn {
    fn drop(&mut self) {
        self.0.pass();
    }
}

impl Subject for LastComeFirstServed {
    type Lease = (<PoolSubject<FakeConnector, Hold> as Subject>::Lease, Turn);

    async fn acquire(&self) -> Result<Self::Lease, Failure> {
        let waiting = {
            let mut line = self.line.0.lock().unwrap();
            if line.0 > 0 {
                line.0 -= 1;
                None
            } else {
                let (sender, receiver) = oneshot::channel();
                line.1.push(sender);
                Some(receiver)
            }
        };
        let turn = match waiting {
            None => Turn(Arc::clone(&self.line)),
            Some(receiver) => receiver.await.expect("the line outlives its waiters"),
        };
        Ok((self.inner.acquire().await?, turn))
    }

    async fn work(&self, lease: &mut Self::Lease) -> Result<(), Failure> {
        self.inner.work(&mut lease.0).await
    }

    fn control(&self) -> &dyn PoolControl {
        self.inner.control()
    }

    fn description(&self) -> Description {
        self.inner.description()
    }
}

/// A pool that loses a permit which no gauge shows: from the first query on it hands out one connection fewer.
pub(crate) struct LosesAPermit {
    pub(crate) inner: PoolSubject<FakeConnector, Hold>,
    pub(crate) permits: tokio::sync::Semaphore,
}

impl Subject for LosesAPermit {
    type Lease = <PoolSubject<FakeConnector, Hold> as Subject>::Lease;

    async fn acquire(&self) -> Result<Self::Lease, Failure> {
        self.permits.acquire().await.expect("it is never closed").forget();
        self.inner.acquire().await
    }

    async fn work(&self, lease: &mut Self::Lease) -> Result<(), Failure> {
        self.inner.work(lease).await
    }

    fn release(&self, lease: Self::Lease) {
        drop(lease);
        self.permits.add_permits(1);
    }

    fn control(&self) -> &dyn PoolControl {
        self.inner.control()
    }

    fn description(&self) -> Description {
        self.inner.description()
    }
}
