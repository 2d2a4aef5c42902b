//! A connector that does as it is told, for tests of pools and of code that uses them.
//!
//! Present with the feature `test-util`. Every step follows a [`Script`]: queued [`Act`]s first, one for
//! each call, then the act set as the usual one. [`FakeConnector::opened`] and its kin tell what really
//! happened, counted on this side of the fence.
//!
//! # Examples
//!
//! ```
//! # use std::time::Duration;
//! use pool_core::Pool;
//! use pool_core::fake::{Act, FakeConnector};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let connector = FakeConnector::new();
//! connector.connects().next(Act::Fail("connection refused"));
//! let pool = Pool::builder(connector.clone()).min_connections(0).build()?;
//!
//! let connection = pool.acquire().await?; // the second attempt succeeds
//! assert_eq!(connector.opened(), 1);
//! # drop(connection);
//! # Ok(())
//! # }
//! ```

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::connector::{Condition, Connector, ErrorClass};
use crate::target::Target;

/// What one call does.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Act {
    /// Succeeds at once.
    Succeed,
    /// Succeeds after this long.
    Slow(Duration),
    /// Fails at once, with this text.
    Fail(&'static str),
    /// Fails at once, with this text and class.
    FailAs(ErrorClass, &'static str),
    /// Fails after this long, with this text and class.
    SlowThenFailAs(Duration, ErrorClass, &'static str),
    /// Never returns.
    Hang,
    /// Panics with this text.
    Panic(&'static str),
}

/// What the calls of one kind do.
#[derive(Debug)]
pub struct Script {
    queue: Mutex<VecDeque<Act>>,
    usual: Mutex<Act>,
    calls: AtomicU64,
}

impl Script {
    fn new() -> Self {
        Script { queue: Mutex::default(), usual: Mutex::new(Act::Succeed), calls: AtomicU64::new(0) }
    }

    /// Adds what the next call does that has no act yet.
    pub fn next(&self, act: Act) -> &Self {
        lock(&self.queue).push_back(act);
        self
    }

    /// Sets what calls do when nothing is queued.
    pub fn always(&self, act: Act) -> &Self {
        *lock(&self.usual) = act;
        self
    }

    /// How many calls were made.
    pub fn calls(&self) -> u64 {
        self.calls.load(Ordering::SeqCst)
    }

    async fn play(&self) -> Result<(), FakeError> {
        self.calls.fetch_add(1, Ordering::SeqCst);
        let queued = lock(&self.queue).pop_front();
        let act = queued.unwrap_or_else(|| lock(&self.usual).clone());
        match act {
            Act::Succeed => Ok(()),
            Act::Slow(duration) => {
                tokio::time::sleep(duration).await;
                Ok(())
            }
            Act::Fail(message) => Err(FakeError { class: ErrorClass::Transient, message }),
            Act::FailAs(class, message) => Err(FakeError { class, message }),
            Act::SlowThenFailAs(duration, class, message) => {
                tokio::time::sleep(duration).await;
                Err(FakeError { class, message })
            }
            Act::Hang => std::future::pending().await,
            Act::Panic(message) => panic!("{message}"),
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The error of a [`FakeConnector`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct FakeError {
    class: ErrorClass,
    message: &'static str,
}

impl FakeError {
    /// An error of this class.
    pub fn new(class: ErrorClass, message: &'static str) -> Self {
        FakeError { class, message }
    }
}

/// A connection of a [`FakeConnector`].
#[derive(Debug)]
pub struct FakeConnection {
    number: u64,
    broken: AtomicBool,
    all_broken: AtomicBool,
    dirty: AtomicBool,
    world: Arc<World>,
}

impl FakeConnection {
    /// Its number, counted from 1 by the connector.
    pub fn number(&self) -> u64 {
        self.number
    }

    /// Makes it broken: it is discarded when it comes back.
    pub fn break_it(&self) {
        self.broken.store(true, Ordering::SeqCst);
    }

    /// Makes it broken by something that concerns all connections of its age.
    pub fn break_all(&self) {
        self.all_broken.store(true, Ordering::SeqCst);
    }

    /// Makes it dirty: it is reset when it comes back.
    pub fn soil(&self) {
        self.dirty.store(true, Ordering::SeqCst);
    }

    /// Whether the server has ended it: what a query on it would find out.
    pub fn is_killed(&self) -> bool {
        self.number <= self.world.killed_up_to.load(Ordering::SeqCst)
    }

    /// Whether it is dirty.
    pub fn is_dirty(&self) -> bool {
        self.dirty.load(Ordering::SeqCst)
    }
}

impl Drop for FakeConnection {
    fn drop(&mut self) {
        self.world.open_now.fetch_sub(1, Ordering::SeqCst);
        self.world.closed.fetch_add(1, Ordering::SeqCst);
        if self.world.drops_panic.load(Ordering::SeqCst) && !std::thread::panicking() {
            panic!("the drop of a connection panics");
        }
    }
}

#[derive(Debug)]
struct World {
    connects: Script,
    validations: Script,
    resets: Script,
    closes: Script,
    opened: AtomicU64,
    closed: AtomicU64,
    open_now: AtomicUsize,
    open_peak: AtomicUsize,
    connecting: AtomicUsize,
    connecting_peak: AtomicUsize,
    inspections_panic: AtomicBool,
    drops_panic: AtomicBool,
    down: AtomicBool,
    killed_up_to: AtomicU64,
}

/// See the [module](self). Clones share everything, so that a test keeps one and the pool gets the other.
#[derive(Debug, Clone)]
pub struct FakeConnector(Arc<World>);

impl Default for FakeConnector {
    fn default() -> Self {
        FakeConnector::new()
    }
}

impl FakeConnector {
    /// A connector of which every call succeeds at once.
    pub fn new() -> Self {
        FakeConnector(Arc::new(World {
            connects: Script::new(),
            validations: Script::new(),
            resets: Script::new(),
            closes: Script::new(),
            opened: AtomicU64::new(0),
            closed: AtomicU64::new(0),
            open_now: AtomicUsize::new(0),
            open_peak: AtomicUsize::new(0),
            connecting: AtomicUsize::new(0),
            connecting_peak: AtomicUsize::new(0),
            inspections_panic: AtomicBool::new(false),
            drops_panic: AtomicBool::new(false),
            down: AtomicBool::new(false),
            killed_up_to: AtomicU64::new(0),
        }))
    }

    /// What `connect` does.
    pub fn connects(&self) -> &Script {
        &self.0.connects
    }

    /// What `validate` does with connections that live.
    pub fn validations(&self) -> &Script {
        &self.0.validations
    }

    /// What `reset` does.
    pub fn resets(&self) -> &Script {
        &self.0.resets
    }

    /// What `close` does.
    pub fn closes(&self) -> &Script {
        &self.0.closes
    }

    /// Connections opened so far.
    pub fn opened(&self) -> u64 {
        self.0.opened.load(Ordering::SeqCst)
    }

    /// Connections closed so far.
    pub fn closed(&self) -> u64 {
        self.0.closed.load(Ordering::SeqCst)
    }

    /// Connections open now.
    pub fn open_now(&self) -> usize {
        self.0.open_now.load(Ordering::SeqCst)
    }

    /// The most connections that were open at once.
    pub fn open_peak(&self) -> usize {
        self.0.open_peak.load(Ordering::SeqCst)
    }

    /// The most connects that were under way at once.
    pub fn connecting_peak(&self) -> usize {
        self.0.connecting_peak.load(Ordering::SeqCst)
    }

    /// Lets `condition` panic, or stops that.
    pub fn inspections_panic(&self, panic: bool) {
        self.0.inspections_panic.store(panic, Ordering::SeqCst);
    }

    /// Lets the drop of connections panic, or stops that.
    pub fn drops_panic(&self, panic: bool) {
        self.0.drops_panic.store(panic, Ordering::SeqCst);
    }

    /// The server dies: all its connections with it, and connects are refused.
    pub fn go_down(&self) {
        self.0.down.store(true, Ordering::SeqCst);
        self.kill_all();
    }

    /// The server is back. What died stays dead.
    pub fn come_back(&self) {
        self.0.down.store(false, Ordering::SeqCst);
    }

    /// The server ends every connection that exists now: validating one of them fails.
    pub fn kill_all(&self) {
        self.0.killed_up_to.store(self.opened(), Ordering::SeqCst);
    }

    fn check_panic(&self) {
        assert!(!self.0.inspections_panic.load(Ordering::SeqCst), "the inspection panics");
    }
}

/// Counts a connect under way, until it ends or is dropped.
struct Connecting<'a>(&'a World);

impl<'a> Connecting<'a> {
    fn begin(world: &'a World) -> Self {
        let now = world.connecting.fetch_add(1, Ordering::SeqCst) + 1;
        world.connecting_peak.fetch_max(now, Ordering::SeqCst);
        Connecting(world)
    }
}

impl Drop for Connecting<'_> {
    fn drop(&mut self) {
        self.0.connecting.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Connector for FakeConnector {
    type Connection = FakeConnection;
    type Error = FakeError;

    async fn connect(&self) -> Result<FakeConnection, FakeError> {
        let world = &self.0;
        let _connecting = Connecting::begin(world);
        world.connects.play().await?;
        if world.down.load(Ordering::SeqCst) {
            return Err(FakeError::new(ErrorClass::Transient, "connection refused"));
        }
        let number = world.opened.fetch_add(1, Ordering::SeqCst) + 1;
        let open = world.open_now.fetch_add(1, Ordering::SeqCst) + 1;
        world.open_peak.fetch_max(open, Ordering::SeqCst);
        Ok(FakeConnection {
            number,
            broken: AtomicBool::new(false),
            all_broken: AtomicBool::new(false),
            dirty: AtomicBool::new(false),
            world: Arc::clone(world),
        })
    }

    async fn validate(&self, connection: &mut FakeConnection) -> Result<(), FakeError> {
        self.0.validations.play().await?;
        if connection.is_killed() {
            return Err(FakeError::new(ErrorClass::Transient, "terminated by the server"));
        }
        Ok(())
    }

    async fn reset(&self, connection: &mut FakeConnection) -> Result<(), FakeError> {
        self.0.resets.play().await?;
        connection.dirty.store(false, Ordering::SeqCst);
        Ok(())
    }

    fn condition(&self, connection: &mut FakeConnection) -> Condition {
        self.check_panic();
        if connection.all_broken.load(Ordering::SeqCst) {
            Condition::AllBroken
        } else if connection.broken.load(Ordering::SeqCst) {
            Condition::Broken
        } else if connection.is_dirty() {
            Condition::Dirty
        } else {
            Condition::Clean
        }
    }

    async fn close(&self, connection: FakeConnection) {
        let outcome = self.0.closes.play().await;
        drop(connection);
        // A goodbye that the server does not hear changes nothing for us.
        drop(outcome);
    }

    fn classify(&self, error: &FakeError) -> ErrorClass {
        error.class
    }

    fn target(&self) -> Option<Target> {
        Some(Target::new("fake", "memory"))
    }
}
