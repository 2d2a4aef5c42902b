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

use crate::connection::{ConnectionId, Span};
use crate::connector::{Connector, ErrorClass};
use crate::error::ConnectError;
use crate::event::{Occasion, PoolEvent};
use crate::gate::Entered;
use crate::shared::{Resident, Shared};
use crate::shelf::Place;
use crate::state::{Failing, Failure, Lease, Ticket, Turn, Work};

/// How long a goodbye to the server may take before the connection is dropped without one.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(5);

/// How often a keeper that panics is started again.
const KEEPER_LIVES: usize = 10;

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
    // A panic in here would be a defect of ours. Housekeeping must go on all the same, but not for ever:
    // if it panics again and again, `watch` closes the pool.
    for _ in 0..KEEPER_LIVES {
        let shared = Arc::clone(&watch.shared);
        if shared.guard_async("keeper", || keep(&watch.shared)).await.is_ok() {
            watch.finished = true;
            return;
        }
        tokio::task::yield_now().await;
    }
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
                Work::Close(lease) => drop(jobs.spawn(close(Leaving { shared, lease: Some(lease) }))),
                Work::Reset(lease) => drop(jobs.spawn(reset(Unready::in_keeper(shared, lease)))),
                Work::Validate(lease, occasion) => {
                    drop(jobs.spawn(check(Unready::in_keeper(shared, lease), occasion)));
                }
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
    let Some(limit) = unborn.ticket.as_ref().map(|ticket| ticket.limit) else { return };
    let entered = match Entered::ask(&shared) {
        Ok(entered) => entered,
        Err(refused) => {
            let Some(ticket) = unborn.ticket.take() else { return };
            return shared.with(|state, now, fx| state.connect_failed(&ticket, refused, now, fx));
        }
    };
    let wants_proof = entered.wants_proof(&shared);
    let begun = Instant::now();
    let opened = match open(&shared, limit).await {
        Ok(connection) if wants_proof => prove(&shared, connection, begun + limit, limit).await,
        opened => opened,
    };
    let took = begun.elapsed();
    let Some(ticket) = unborn.ticket.take() else { return };
    match opened {
        Ok(connection) => {
            entered.succeeded(&shared, took);
            shared.with(|state, now, fx| {
                let shared = Arc::clone(&shared);
                state.connected(&ticket, Resident { connection, shared }, wants_proof, now, fx);
            });
        }
        Err(mut failure) => {
            entered.failed(&shared, took, &mut failure);
            shared.with(|state, now, fx| state.connect_failed(&ticket, failure, now, fx));
        }
    }
}

/// Has the connector connect.
async fn open<C: Connector>(shared: &Shared<C>, limit: Duration) -> Result<C::Connection, Failure> {
    Err(match timeout(limit, shared.guard_async("connect", || shared.connector.connect())).await {
        Ok(Ok(Ok(connection))) => return Ok(connection),
        Ok(Ok(Err(error))) => {
            let class = classify(shared, &error);
            let retry_after = shared.guard("retry_after", || shared.connector.retry_after(&error)).flatten();
            Failure { cause: ConnectError::Failed(Arc::new(error)), class, retry_after }
        }
        Ok(Err(message)) => Failure::new(ConnectError::Panicked(message), ErrorClass::Transient),
        Err(_) => Failure::new(ConnectError::TimedOut(limit), ErrorClass::Transient),
    })
}

/// A new connection that nobody may have yet. Its drop is user code, and may come at any await.
struct Unproven<'a, C: Connector> {
    shared: &'a Shared<C>,
    connection: Option<C::Connection>,
}

impl<C: Connector> Drop for Unproven<'_, C> {
    fn drop(&mut self) {
        if let Some(connection) = self.connection.take() {
            self.shared.guard("drop of a connection", || drop(connection));
        }
    }
}

/// Finds out whether a new connection works. The connect as a whole has `limit`, which ends at `deadline`.
async fn prove<C: Connector>(
    shared: &Shared<C>,
    connection: C::Connection,
    deadline: Instant,
    limit: Duration,
) -> Result<C::Connection, Failure> {
    let mut unproven = Unproven { shared, connection: Some(connection) };
    let patience = shared.read(|state, _| state.options().validation_timeout);
    let left = deadline.saturating_duration_since(Instant::now());
    let connection = unproven.connection.as_mut().expect("put there above, taken below");
    let outcome =
        timeout(left.min(patience), shared.guard_async("validate", || shared.connector.validate(connection)));
    let (cause, class) = match outcome.await {
        Ok(Ok(Ok(()))) => return Ok(unproven.connection.take().expect("nothing else takes it")),
        Ok(Ok(Err(error))) => (ConnectError::Unusable(shared.describe(&error)), classify(shared, &error)),
        Ok(Err(message)) => {
            (ConnectError::Unusable(format!("the connector panicked: {message}")), ErrorClass::FatalThis)
        }
        // Cut short by the connect's own limit: in time there was none, of use or not.
        Err(_) if left < patience => (ConnectError::TimedOut(limit), ErrorClass::Transient),
        Err(_) => {
            let problem = format!("no answer within {}", Span(patience));
            (ConnectError::Unusable(problem), ErrorClass::Transient)
        }
    };
    Err(Failure::new(cause, class))
}

/// A connection on its way out. Its slot is given back when the goodbye is over, or was cut short.
struct Leaving<C: Connector> {
    shared: Arc<Shared<C>>,
    lease: Option<Lease<Resident<C>>>,
}

impl<C: Connector> Drop for Leaving<C> {
    fn drop(&mut self) {
        // Not said goodbye to, not even begun: the runtime went away.
        if let Some(lease) = self.lease.take() {
            let id = lease.id();
            let (place, connection) = lease.vacate();
            self.shared.guard("drop of a connection", || drop(connection));
            self.shared.with(|state, now, fx| state.gone(place, id, now, fx));
        }
    }
}

/// Gives a slot back when it is dropped itself.
struct Gone<C: Connector> {
    shared: Arc<Shared<C>>,
    place: Option<Place>,
    id: ConnectionId,
}

impl<C: Connector> Drop for Gone<C> {
    fn drop(&mut self) {
        if let Some(place) = self.place.take() {
            self.shared.with(|state, now, fx| state.gone(place, self.id, now, fx));
        }
    }
}

async fn close<C: Connector>(mut leaving: Leaving<C>) {
    let Some(lease) = leaving.lease.take() else { return };
    let id = lease.id();
    let (place, connection) = lease.vacate();
    let shared = Arc::clone(&leaving.shared);
    // Declared before the goodbye, so dropped after it: by then the connection is gone.
    let gone = Gone { shared: Arc::clone(&shared), place: Some(place), id };
    let goodbye = shared.guard_async("close", || shared.connector.close(connection.connection));
    // Too late or panicked: the connection was dropped either way.
    drop(timeout(CLOSE_TIMEOUT, goodbye).await);
    drop(gone);
}

async fn reset<C: Connector>(mut unready: Unready<C>) {
    let shared = Arc::clone(&unready.shared);
    let limit = shared.read(|state, _| state.options().reset_timeout);
    let connection = unready.connection();
    let outcome = timeout(limit, shared.guard_async("reset", || shared.connector.reset(connection))).await;
    let result = match outcome {
        Ok(Ok(Ok(()))) => Ok(()),
        Ok(Ok(Err(error))) => Err(shared.describe(&error)),
        Ok(Err(message)) => Err(format!("the connector panicked: {message}")),
        Err(_) => Err(format!("no answer within {}", Span(limit))),
    };
    let lease = unready.take();
    shared.with(|state, now, fx| state.reset_done(lease, result, now, fx));
}

async fn check<C: Connector>(mut unready: Unready<C>, occasion: Occasion) {
    let limit = unready.shared.read(|state, _| state.options().validation_timeout);
    let result = validate(&mut unready, limit, false, occasion).await;
    let (shared, lease) = (Arc::clone(&unready.shared), unready.take());
    shared.with(|state, now, fx| state.check_done(lease, result, now, fx));
}

/// A connection that is being validated or reset. Dropped before its time, it drops the connection: that
/// may be in the middle of an exchange.
pub(crate) struct Unready<C: Connector> {
    pub(crate) shared: Arc<Shared<C>>,
    lease: Option<Lease<Resident<C>>>,
    /// The caller who waits for it, or the keeper.
    by_caller: bool,
}

impl<C: Connector> Unready<C> {
    pub(crate) fn in_caller(shared: Arc<Shared<C>>, lease: Lease<Resident<C>>) -> Self {
        Unready { shared, lease: Some(lease), by_caller: true }
    }

    fn in_keeper(shared: Arc<Shared<C>>, lease: Lease<Resident<C>>) -> Self {
        Unready { shared, lease: Some(lease), by_caller: false }
    }

    fn lease(&mut self) -> &mut Lease<Resident<C>> {
        self.lease.as_mut().expect("taken only by value or at the end")
    }

    fn connection(&mut self) -> &mut C::Connection {
        &mut self.lease().connection_mut().connection
    }

    /// Hands the connection on.
    pub(crate) fn take(&mut self) -> Lease<Resident<C>> {
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
                state.upkeep_cancelled(lease, now, fx);
            }
        });
    }
}

/// Asks the server whether a connection works.
pub(crate) async fn validate<C: Connector>(
    unready: &mut Unready<C>,
    limit: Duration,
    clipped: bool,
    occasion: Occasion,
) -> Result<(), Failing> {
    let shared = Arc::clone(&unready.shared);
    let id = unready.lease().id();
    let connection = unready.connection();
    let begun = Instant::now();
    let validation = shared.guard_async("validate", || shared.connector.validate(connection));
    let outcome = timeout(limit, validation).await;
    let result = match outcome {
        Ok(Ok(Ok(()))) => Ok(()),
        Ok(Ok(Err(error))) => {
            let class = classify(&shared, &error);
            Err(Failing { problem: shared.describe(&error), class, clipped: false })
        }
        Ok(Err(message)) => {
            let problem = format!("the connector panicked: {message}");
            Err(Failing { problem, class: ErrorClass::FatalThis, clipped: false })
        }
        Err(_) => {
            let problem = format!("no answer within {}", Span(limit));
            Err(Failing { problem, class: ErrorClass::Transient, clipped })
        }
    };
    shared.tell(&PoolEvent::ValidationCompleted {
        connection: id,
        occasion,
        took: begun.elapsed(),
        problem: result.as_ref().err().map(|failing| failing.problem.clone()),
    });
    result
}

fn classify<C: Connector>(shared: &Shared<C>, error: &C::Error) -> ErrorClass {
    shared.guard("classify", || shared.connector.classify(error)).unwrap_or(ErrorClass::Transient)
}
