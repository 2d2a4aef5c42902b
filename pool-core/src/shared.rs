//! What all handles, guards and tasks of one pool share: a lock around the state machine.
//!
//! [`Shared::with`] is the only way to change it. It takes the lock, reads the clock, runs one operation of
//! [`State`], releases the lock, and then carries out what the operation left in [`Effects`]. No user code
//! runs under the lock, so none can block the pool, poison it, or lock it twice.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::task::Poll;

use tokio::runtime::Handle;
use tokio::sync::Notify;
use tokio::time::Instant;

use crate::connector::Connector;
use crate::engine::Engine;
use crate::error::Chain;
use crate::event::{Observers, PoolEvent};
use crate::gate::ConnectGate;
use crate::keeper;
use crate::panic::{Caught, catch};
use crate::pool_id::PoolId;
use crate::shelf::Housed;
use crate::state::{Effects, State};
use crate::timekeeper;

pub(crate) struct Shared<C: Connector> {
    pub(crate) id: PoolId,
    pub(crate) name: Arc<str>,
    pub(crate) connector: C,
    pub(crate) gate: Option<Arc<dyn ConnectGate>>,
    pub(crate) observers: Observers,
    /// Where the keeper runs and where timers tick.
    pub(crate) runtime: Handle,
    pub(crate) engine: Engine<Resident<C>>,
    /// Rung when the keeper has work.
    pub(crate) bell: Notify,
    /// Rung when the timekeeper is to look earlier than it meant to.
    pub(crate) alarm: Notify,
    /// Tells `warm_up` and `close` that connections came or went.
    pub(crate) changed: Notify,
    /// Handles of the user. The keeper and the guards hold this struct, but are no handles.
    pub(crate) handles: AtomicUsize,
}

impl<C: Connector> Shared<C> {
    pub(crate) fn new(
        name: Arc<str>,
        connector: C,
        gate: Option<Arc<dyn ConnectGate>>,
        observers: Observers,
        runtime: Handle,
        engine: Engine<Resident<C>>,
    ) -> Self {
        Shared {
            id: PoolId::unique(),
            name,
            connector,
            gate,
            observers,
            runtime,
            engine,
            bell: Notify::new(),
            alarm: Notify::new(),
            changed: Notify::new(),
            handles: AtomicUsize::new(1),
        }
    }

    /// Runs one operation under the lock, and afterwards what follows from it.
    pub(crate) fn with<R>(
        self: &Arc<Self>,
        operate: impl FnOnce(&mut State<Resident<C>>, Instant, &mut Effects<Resident<C>>) -> R,
    ) -> R {
        self.report_left();
        let ((result, start), effects) = self.engine.with(|state, now, fx| {
            let result = operate(state, now, fx);
            let start = Start {
                keeper: fx.ring && state.start_keeper(),
                timekeeper: fx.alarm && state.start_timekeeper(),
            };
            (result, start)
        });
        self.carry_out(effects, start);
        result
    }

    /// Looks at the state without changing it.
    pub(crate) fn read<R>(&self, look: impl FnOnce(&State<Resident<C>>, Instant) -> R) -> R {
        self.report_left();
        self.engine.read(look)
    }

    /// Reports panics that were caught where this pool could not be told of them.
    fn report_left(&self) {
        for caught in self.id.find() {
            self.report(caught);
        }
    }

    /// Every piece of user code is guarded: a panic must not keep the rest from being done.
    fn carry_out(self: &Arc<Self>, effects: Effects<Resident<C>>, start: Start) {
        let Effects { wake, forget, abort, orphans, causes, events, ring, alarm, changed } = effects;
        for waker in wake {
            self.guard("wake", || waker.wake());
        }
        for waker in forget {
            self.guard("drop of a waker", || drop(waker));
        }
        if start.keeper {
            keeper::start(Arc::clone(self));
        } else if ring {
            self.bell.notify_one();
        }
        if start.timekeeper {
            timekeeper::start(Arc::clone(self));
        } else if alarm {
            self.alarm.notify_one();
        }
        for event in events {
            self.tell(&event);
            self.guard("drop of an error", || drop(event));
        }
        for lease in abort {
            let id = lease.id();
            let (place, connection) = lease.vacate();
            self.guard("drop of a connection", || drop(connection));
            self.with(|state, now, fx| state.gone(place, id, now, fx));
        }
        for connection in orphans {
            self.guard("drop of a connection", || drop(connection));
        }
        if changed {
            self.changed.notify_waiters();
        }
        for cause in causes {
            self.guard("drop of an error", || drop(cause));
        }
    }

    /// Logs an event and tells the observers.
    pub(crate) fn tell(&self, event: &PoolEvent) {
        for message in self.observers.tell(self.id, &self.name, event) {
            self.engine.count_panic();
            let panicked = PoolEvent::Panicked { place: "observer", message };
            // One that panics here as well was counted already.
            self.observers.tell(self.id, &self.name, &panicked);
        }
    }

    /// Runs user code, and reports its panic.
    pub(crate) fn guard<R>(&self, place: &'static str, code: impl FnOnce() -> R) -> Option<R> {
        catch(place, code).map_err(|caught| self.report(caught)).ok()
    }

    /// Makes a future of user code and runs it to its end. A panic in making, polling or dropping it is
    /// reported, and its message returned.
    pub(crate) async fn guard_async<F: Future>(
        &self,
        place: &'static str,
        make: impl FnOnce() -> F,
    ) -> Result<F::Output, String> {
        let made = catch(place, make).map_err(|caught| self.report(caught))?;
        let mut running = Running { shared: self, place, future: Some(Box::pin(made)) };
        let polled = std::future::poll_fn(|context| {
            let future = running.future.as_mut().expect("present until dropped").as_mut();
            match catch(place, || future.poll(context)) {
                Ok(Poll::Ready(output)) => Poll::Ready(Ok(output)),
                Ok(Poll::Pending) => Poll::Pending,
                Err(caught) => Poll::Ready(Err(caught)),
            }
        });
        polled.await.map_err(|caught| self.report(caught))
    }

    /// An error and its sources in one line.
    pub(crate) fn describe(&self, error: &C::Error) -> String {
        self.guard("display of an error", || Chain(error).to_string())
            .unwrap_or_else(|| String::from("(its text could not be made)"))
    }

    /// Counts a caught panic and tells of it.
    pub(crate) fn report(&self, caught: Caught) -> String {
        self.engine.count_panic();
        let Caught { place, message } = caught;
        self.tell(&PoolEvent::Panicked { place, message: message.clone() });
        message
    }
}

/// Which tasks are to be started.
#[derive(Clone, Copy)]
struct Start {
    keeper: bool,
    timekeeper: bool,
}

/// A connection, and what keeps its pool alive: each connection has a share in the pool from its birth to its end, so
/// that handing it out and giving it back counts no references.
pub(crate) struct Resident<C: Connector> {
    pub(crate) connection: C::Connection,
    pub(crate) shared: Arc<Shared<C>>,
}

impl<C: Connector> Housed for Resident<C> {
    #[inline]
    fn engine(&self) -> &Engine<Self> {
        &self.shared.engine
    }
}

/// A future of user code whose drop may panic.
struct Running<'a, C: Connector, F> {
    shared: &'a Shared<C>,
    place: &'static str,
    future: Option<Pin<Box<F>>>,
}

impl<C: Connector, F> Drop for Running<'_, C, F> {
    fn drop(&mut self) {
        let future = self.future.take();
        self.shared.guard(self.place, || drop(future));
    }
}
