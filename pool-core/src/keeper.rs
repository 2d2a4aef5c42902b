//! The pool's own task: it opens, resets, validates and closes connections, and keeps house.
//!
//! It runs while there is a connection to keep and stops when there is none, so a pool that is not used
//! costs no task. Whoever finds work for it rings the bell, or starts it if it had stopped.
//!
//! Each job is a task of its own under a timeout: a hung connect or close delays nothing else. A job owns
//! its slot through a value whose drop gives the slot back, so a job that is aborted, because the pool
//! closes or its runtime goes away, leaves no slot behind.

use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until, timeout};

use crate::connection::{CloseReason, Span};
use crate::connector::{Connector, ErrorClass};
use crate::error::{Chain, ConnectError};
use crate::event::PoolEvent;
use crate::panic::catch_async;
use crate::shared::Shared;
use crate::state::{Failing, Lease, Ticket, Turn, Work};

/// How long a goodbye to the server may take before the connection is dropped without one.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(5);

/// Starts the keeper. The state machine has noted already that it runs.
pub(crate) fn start<C: Connector>(shared: Arc<Shared<C>>) {
    let runtime = shared.runtime.clone();
    let watch = Watch { shared, finished: false };
    // On a runtime that has shut down the future is dropped unpolled, and `watch` with it.
    runtime.spawn(supervise(watch));
}

/// Notices when the keeper is dropped before it has finished: its runtime is gone.
struct Watch<C: Connector> {
    shared: Arc<Shared<C>>,
    finished: bool,
}

impl<C: Connector> Drop for Watch<C> {
    fn drop(&mut self) {
        if !self.finished {
            self.shared.with(|state, now, fx| state.lose_runtime(now, fx));
        }
    }
}

async fn supervise<C: Connector>(mut watch: Watch<C>) {
    // A panic in here would be a defect of ours. Housekeeping must go on all the same.
    while let Err(caught) = catch_async("keeper", || keep(&watch.shared)).await {
        watch.shared.report(caught);
    }
    watch.finished = true;
}

async fn keep<C: Connector>(shared: &Arc<Shared<C>>) {
    let (mut connects, mut jobs) = (JoinSet::new(), JoinSet::new());
    loop {
        let busy = !connects.is_empty() || !jobs.is_empty();
        let turn = shared.with(|state, now, fx| state.keeper_turn(busy, now, fx));
        let Turn { work, wake_at, drop_connects, stop } = turn;
        if drop_connects {
            connects.abort_all();
        }
        for work in work {
            let shared = Arc::clone(shared);
            match work {
                Work::Connect(ticket) => {
                    drop(connects.spawn(connect(Unborn { shared, ticket: Some(ticket) })));
                }
                Work::Close(lease) => drop(jobs.spawn(close(shared, lease))),
                Work::Reset(lease) => drop(jobs.spawn(reset(Unready::in_keeper(shared, lease)))),
                Work::Validate(lease) => drop(jobs.spawn(check(Unready::in_keeper(shared, lease)))),
            }
        }
        if stop {
            return;
        }
        tokio::select! {
            () = shared.bell.notified() => {}
            () = tick(wake_at) => {}
            Some(_) = connects.join_next() => {}
            Some(_) = jobs.join_next() => {}
        }
    }
}

async fn tick(at: Option<Instant>) {
    match at {
        Some(at) => sleep_until(at).await,
        None => std::future::pending().await,
    }
}

/// A connect under way.
struct Unborn<C: Connector> {
    shared: Arc<Shared<C>>,
    ticket: Option<Ticket>,
}

impl<C: Connector> Drop for Unborn<C> {
    fn drop(&mut self) {
        if let Some(ticket) = self.ticket.take() {
            self.shared.with(|state, now, fx| state.connect_abandoned(&ticket, now, fx));
        }
    }
}

async fn connect<C: Connector>(mut unborn: Unborn<C>) {
    let shared = Arc::clone(&unborn.shared);
    let limit = shared.read(|state, _| state.options().connect_timeout);
    let outcome = timeout(limit, catch_async("connect", || shared.connector.connect())).await;
    let Some(ticket) = unborn.ticket.take() else { return };
    let (cause, class) = match outcome {
        Ok(Ok(Ok(connection))) => {
            return shared.with(|state, now, fx| state.connected(&ticket, connection, now, fx));
        }
        Ok(Ok(Err(error))) => {
            let class = classify(&shared, &error);
            (ConnectError::Failed(Arc::new(error)), class)
        }
        Ok(Err(caught)) => (ConnectError::Panicked(shared.report(caught)), ErrorClass::Transient),
        Err(_) => (ConnectError::TimedOut(limit), ErrorClass::Transient),
    };
    shared.with(|state, now, fx| state.connect_failed(&ticket, cause, class, now, fx));
}

/// Gives a slot back when the goodbye is over, or was cut short.
struct Leaving<C: Connector> {
    shared: Arc<Shared<C>>,
    slot: u32,
    id: crate::connection::ConnectionId,
}

impl<C: Connector> Drop for Leaving<C> {
    fn drop(&mut self) {
        self.shared.with(|state, now, fx| state.gone(self.slot, self.id, now, fx));
    }
}

async fn close<C: Connector>(shared: Arc<Shared<C>>, lease: Lease<C::Connection>) {
    // Declared first, dropped last: by then the connection is gone.
    let leaving = Leaving { shared: Arc::clone(&shared), slot: lease.slot, id: lease.id };
    let goodbye = catch_async("close", || shared.connector.close(lease.connection));
    if let Ok(Err(caught)) = timeout(CLOSE_TIMEOUT, goodbye).await {
        shared.report(caught);
    }
    drop(leaving);
}

async fn reset<C: Connector>(mut unready: Unready<C>) {
    let shared = Arc::clone(&unready.shared);
    let limit = shared.read(|state, _| state.options().reset_timeout);
    let connection = unready.connection();
    let problem = match timeout(limit, catch_async("reset", || shared.connector.reset(connection))).await {
        Ok(Ok(Ok(()))) => None,
        Ok(Ok(Err(error))) => Some(Chain(&error).to_string()),
        Ok(Err(caught)) => Some(format!("the connector panicked: {}", shared.report(caught))),
        Err(_) => Some(format!("no answer within {}", Span(limit))),
    };
    let lease = unready.take();
    shared.with(|state, now, fx| state.reset_done(lease, problem.map_or(Ok(()), Err), now, fx));
}

async fn check<C: Connector>(mut unready: Unready<C>) {
    let limit = unready.shared.read(|state, _| state.options().validation_timeout);
    let result = validate(&mut unready, limit, false).await;
    let (shared, lease) = (Arc::clone(&unready.shared), unready.take());
    shared.with(|state, now, fx| state.check_done(lease, result, now, fx));
}

/// A connection that is being validated or reset. Dropped before its time, it drops the connection: that
/// may be in the middle of an exchange.
pub(crate) struct Unready<C: Connector> {
    pub(crate) shared: Arc<Shared<C>>,
    lease: Option<Lease<C::Connection>>,
    /// The caller who waits for it, or the keeper.
    by_caller: bool,
}

impl<C: Connector> Unready<C> {
    pub(crate) fn in_caller(shared: Arc<Shared<C>>, lease: Lease<C::Connection>) -> Self {
        Unready { shared, lease: Some(lease), by_caller: true }
    }

    fn in_keeper(shared: Arc<Shared<C>>, lease: Lease<C::Connection>) -> Self {
        Unready { shared, lease: Some(lease), by_caller: false }
    }

    fn lease(&mut self) -> &mut Lease<C::Connection> {
        self.lease.as_mut().expect("taken only by value or at the end")
    }

    fn connection(&mut self) -> &mut C::Connection {
        &mut self.lease().connection
    }

    /// Hands the connection on.
    pub(crate) fn take(&mut self) -> Lease<C::Connection> {
        self.lease.take().expect("taken once, at the end")
    }
}

impl<C: Connector> Drop for Unready<C> {
    fn drop(&mut self) {
        let Some(lease) = self.lease.take() else { return };
        self.shared.with(|state, now, fx| {
            if self.by_caller {
                state.validation_cancelled(lease, now, fx);
            } else {
                state.upkeep_cancelled(lease, CloseReason::PoolClosed, now, fx);
            }
        });
    }
}

/// Asks the server whether a connection works.
pub(crate) async fn validate<C: Connector>(
    unready: &mut Unready<C>,
    limit: Duration,
    clipped: bool,
) -> Result<(), Failing> {
    let shared = Arc::clone(&unready.shared);
    let id = unready.lease().id;
    let connection = unready.connection();
    let begun = Instant::now();
    let outcome = timeout(limit, catch_async("validate", || shared.connector.validate(connection))).await;
    let result = match outcome {
        Ok(Ok(Ok(()))) => Ok(()),
        Ok(Ok(Err(error))) => {
            let class = classify(&shared, &error);
            Err(Failing { problem: Chain(&error).to_string(), class, clipped: false })
        }
        Ok(Err(caught)) => {
            let problem = format!("the connector panicked: {}", shared.report(caught));
            Err(Failing { problem, class: ErrorClass::FatalThis, clipped: false })
        }
        Err(_) => {
            let problem = format!("no answer within {}", Span(limit));
            Err(Failing { problem, class: ErrorClass::Transient, clipped })
        }
    };
    shared.tell(&PoolEvent::ValidationCompleted {
        connection: id,
        took: begun.elapsed(),
        problem: result.as_ref().err().map(|failing| failing.problem.clone()),
    });
    result
}

fn classify<C: Connector>(shared: &Shared<C>, error: &C::Error) -> ErrorClass {
    shared.guard("classify", || shared.connector.classify(error)).unwrap_or(ErrorClass::Transient)
}
