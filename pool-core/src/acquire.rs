//! The future that [`Pool::acquire`](crate::Pool::acquire) returns.
//!
//! Its first poll takes a connection from the shelf if one is free: no lock, no timer, no allocation. Otherwise
//! it waits in line with one timer, and validates what it is given where that is due; every step is clipped to the
//! same deadline.

use std::future::Future;
use std::panic::Location;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::time::Instant;

use crate::connection::Owner;
use crate::connector::Connector;
use crate::engine::Taken;
use crate::error::{AcquireError, Diagnosis};
use crate::event::{Occasion, PoolEvent};
use crate::keeper::{Unready, validate};
use crate::panic::catch;
use crate::pooled::Pooled;
use crate::shared::{Resident, Shared};
use crate::state::{Admission, Claim, Effects, Failing, Lease, Left, Refusal, Request, State, WaiterId};
use crate::timer::{Ended, Timer};

/// Who goes first when callers wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum Priority {
    /// The usual.
    #[default]
    Normal,
    /// Before the usual, and from `reserve_connections` too: health checks, administration. After eight
    /// high ones in a row the oldest normal caller has its turn.
    High,
}

/// How one acquire differs from the pool's options.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct AcquireOptions {
    /// How long it may take in all; `None` = the pool's `acquire_timeout`.
    pub timeout: Option<Duration>,
    /// Who goes first. Default [`Priority::Normal`].
    pub priority: Priority,
    /// Whether the connection is validated even if it was used a moment ago. Default off.
    pub validate: bool,
}

impl AcquireOptions {
    /// The pool's own.
    pub fn new() -> Self {
        AcquireOptions::default()
    }

    /// Sets the timeout.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }

    /// Sets the priority.
    #[must_use]
    pub fn priority(mut self, priority: Priority) -> Self {
        self.priority = priority;
        self
    }

    /// Demands a validated connection.
    #[must_use]
    pub fn validated(mut self) -> Self {
        self.validate = true;
        self
    }
}

/// How many connections taken from the shelf cost one unit of tokio's cooperative budget, of which a task has 128 a
/// turn: a task that does nothing but take and give back gives way after some 8,000 of them, or 150 us. That is about as
/// long as 128 reads of a socket take, which is what a unit stands for. Not every one costs a unit, as giving way takes
/// 12 us on a runtime of several threads (2026-11-21).
const TAKES_PER_UNIT: u64 = 64;

/// Longer timeouts than this are cut: a sum of instants must not overflow.
const LONGEST: Duration = Duration::from_secs(10 * 365 * 24 * 3600);

/// Waits for a connection. Made by [`Pool::acquire`](crate::Pool::acquire) and its kin.
///
/// The deadline counts from the first poll.
///
/// # Cancel safety
///
/// Dropping it at any point loses nothing: a place in the queue is given up, a connection that was granted
/// goes to the next in line, one that was being validated is closed and replaced.
#[must_use = "futures do nothing unless awaited"]
pub struct Acquire<'a, C: Connector> {
    shared: &'a Arc<Shared<C>>,
    /// `None` = as the pool's own, which is quicker to see than to compare.
    options: Option<AcquireOptions>,
    site: &'static Location<'static>,
    is_check: bool,
    stage: Stage,
    // Both boxed, so that an acquire that finds a connection on the shelf has next to nothing to drop.
    /// What ends its wait, if the timekeeper does not.
    timer: Option<Box<Timer>>,
    /// The check of the connection that it was given. While there is one, nothing else counts.
    validation: Option<Box<Validation<C>>>,
}

#[derive(Clone, Copy)]
enum Stage {
    New,
    Waiting(WaiterId),
    Done,
}

struct Validation<C: Connector> {
    request: Request,
    check: Pin<Box<dyn Future<Output = Checked<C>> + Send>>,
}

type Checked<C> = (Unready<C>, Result<(), Failing>);

/// What an operation of the state machine means for the future.
enum Next<C: Connector> {
    Deliver(Lease<Resident<C>>),
    Check {
        lease: Lease<Resident<C>>,
        request: Request,
        limit: Duration,
        clipped: bool,
    },
    Wait {
        waiter: WaiterId,
        /// When a timer of its own ends the wait, if it needs one.
        timer: Option<Instant>,
    },
    Fail(AcquireError),
    /// `try_acquire` found nothing.
    Nothing,
}

impl<'a, C: Connector> Acquire<'a, C> {
    pub(crate) fn new(
        shared: &'a Arc<Shared<C>>,
        options: Option<AcquireOptions>,
        site: &'static Location<'static>,
    ) -> Self {
        Acquire { shared, options, site, is_check: false, stage: Stage::New, timer: None, validation: None }
    }

    /// Makes it a check: that it fails is no failure of a caller's.
    pub(crate) fn for_check(mut self) -> Self {
        self.is_check = true;
        self
    }

    /// Puts the acquire down to another line of code than the one that called, in errors and reports of leaks: for
    /// libraries that acquire on behalf of their own callers.
    pub fn at(mut self, site: &'static Location<'static>) -> Self {
        self.site = site;
        self
    }

    /// Takes a connection from the shelf, if one is there that needs no second look.
    #[inline]
    fn take(&self, context: &mut Context<'_>) -> Result<Poll<Pooled<C>>, Option<Lease<Resident<C>>>> {
        if let Some(AcquireOptions { timeout, priority, validate }) = self.options
            && (priority != Priority::Normal || validate || timeout == Some(Duration::ZERO))
        {
            return Err(None);
        }
        let may_proceed = |uses: u64| !uses.is_multiple_of(TAKES_PER_UNIT) || proceeds(context);
        match self.shared.engine.take(Owner::current(), self.site, may_proceed) {
            Taken::Ready(lease) => Ok(Poll::Ready(Pooled::new(lease))),
            Taken::Doubtful(lease) => Err(Some(lease)),
            Taken::Refused(lease) => {
                self.put_back(Some(lease));
                Ok(Poll::Pending)
            }
            Taken::Nothing => Err(None),
        }
    }

    #[inline(never)]
    fn put_back(&self, found: Option<Lease<Resident<C>>>) {
        if let Some(lease) = found {
            self.shared.with(|state, now, fx| state.put_back(lease, now, fx));
        }
    }

    fn request(&self, owner: Owner, state: &State<Resident<C>>, now: Instant) -> Request {
        let AcquireOptions { timeout, priority, validate } = self.options.clone().unwrap_or_default();
        let timeout = timeout.unwrap_or(state.options().acquire_timeout).min(LONGEST);
        let (site, is_check) = (self.site, self.is_check);
        Request { owner, site, priority, begun: now, deadline: Some(now + timeout), validate, is_check }
    }

    /// Asks under the lock; `found` is what must not simply be taken.
    fn ask(&self, found: Option<Lease<Resident<C>>>, context: &Context<'_>) -> Next<C> {
        // Cloned before the lock: a waker is user code.
        let mut waker = context.waker().clone();
        let owner = Owner::current();
        if found.is_none() {
            match self.shared.engine.queue(
                self.options.as_ref().and_then(|options| options.timeout),
                |state, now| self.request(owner, state, now),
                waker,
            ) {
                Ok(waiter) => return Next::Wait { waiter, timer: None },
                Err(unused) => waker = unused,
            }
        }
        step(self.shared, |state, now, fx| {
            if let Some(lease) = found {
                state.put_aside(lease, now, fx);
            }
            let request = self.request(owner, state, now);
            let admission = state.acquire(request, Some(waker), now, fx);
            (request, admission)
        })
    }

    /// Enters the stage that follows, or ends.
    fn proceed(&mut self, next: Next<C>) -> Option<Result<Pooled<C>, AcquireError>> {
        (self.stage, self.timer) = (Stage::Done, None);
        match next {
            Next::Deliver(lease) => return Some(Ok(Pooled::new(lease))),
            Next::Fail(error) => return Some(Err(error)),
            Next::Wait { waiter, timer } => {
                self.stage = Stage::Waiting(waiter);
                self.timer = timer.map(|at| Box::new(Timer::new(&self.shared.runtime, at)));
            }
            Next::Check { lease, request, limit, clipped } => {
                let mut unready = Unready::in_caller(Arc::clone(self.shared), lease);
                let check = Box::pin(async move {
                    let result = validate(&mut unready, limit, clipped, Occasion::Acquire).await;
                    (unready, result)
                });
                self.validation = Some(Box::new(Validation { request, check }));
            }
            Next::Nothing => unreachable!("only an acquire without deadline finds nothing"),
        }
        None
    }
}

impl<C: Connector> Future for Acquire<'_, C> {
    type Output = Result<Pooled<C>, AcquireError>;

    #[inline]
    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let mut found = None;
        if let Stage::New = self.stage {
            match self.take(context) {
                Ok(taken) => {
                    let pooled = ready!(taken);
                    self.stage = Stage::Done;
                    return Poll::Ready(Ok(pooled));
                }
                Err(doubtful) => found = doubtful,
            }
        }
        self.go_on(found, context)
    }
}

impl<C: Connector> Acquire<'_, C> {
    /// All that is not taking a free connection from the shelf. `found` was there, and must not simply be taken.
    #[inline(never)]
    fn go_on(
        &mut self,
        mut found: Option<Lease<Resident<C>>>,
        context: &mut Context<'_>,
    ) -> Poll<Result<Pooled<C>, AcquireError>> {
        loop {
            let first = matches!(self.stage, Stage::New);
            let next = match self.stage {
                Stage::New => {
                    // A task that always finds a connection must let others run now and then.
                    if !proceeds(context) {
                        self.put_back(found);
                        return Poll::Pending;
                    }
                    self.ask(found.take(), context)
                }
                Stage::Waiting(waiter) => {
                    if let Some(lease) = self.shared.engine.collect(waiter, Owner::current(), self.site) {
                        self.stage = Stage::Done;
                        return Poll::Ready(Ok(Pooled::new(lease)));
                    }
                    ready!(self.wait(waiter, context))
                }
                Stage::Done => match self.validation.take() {
                    Some(validation) => ready!(self.check(validation, context)),
                    None => panic!("`Acquire` polled after it was ready"),
                },
            };
            if let Some(result) = self.proceed(next) {
                return Poll::Ready(result);
            }
            if first && matches!(self.stage, Stage::Waiting(_)) && self.timer.is_none() {
                // It joined with its waker, and has no timer to be polled.
                return Poll::Pending;
            }
        }
    }

    /// Looks whether its turn has come, or its time is over.
    fn wait(&mut self, waiter: WaiterId, context: &mut Context<'_>) -> Poll<Next<C>> {
        loop {
            // Cloned before the lock: a waker is user code.
            let waker = context.waker().clone();
            let claimed = step_if(self.shared, |state, now, fx| match state.claim(waiter, waker, now, fx) {
                Claim::Waiting => None,
                Claim::Over(request, admission) => Some((request, admission)),
            });
            if let Some(next) = claimed {
                return Poll::Ready(next);
            }
            let Some(timer) = &mut self.timer else { return Poll::Pending };
            match ready!(Pin::new(timer).poll(context)) {
                Ended::Due => {
                    let ended = step(self.shared, |state, now, fx| state.expire(waiter, now, fx));
                    return Poll::Ready(ended);
                }
                Ended::RuntimeGone => self.shared.with(State::lose_runtime),
            }
        }
    }

    /// Goes on with the check of a connection.
    fn check(&mut self, mut validation: Box<Validation<C>>, context: &mut Context<'_>) -> Poll<Next<C>> {
        let polled = {
            // Timers of the validation belong to the pool's runtime, whatever polls us.
            let _context = self.shared.runtime.enter();
            catch("validation", || validation.check.as_mut().poll(context))
        };
        let request = validation.request;
        let (mut unready, result) = match polled {
            Ok(Poll::Pending) => {
                self.validation = Some(validation);
                return Poll::Pending;
            }
            Ok(Poll::Ready(checked)) => checked,
            // User code in it is guarded, so this was its timer: the runtime is gone.
            Err(_) => {
                drop(validation);
                self.shared.with(State::lose_runtime);
                let diagnosis =
                    self.shared.read(|state, now| state.diagnose(&self.shared.name, &request, now));
                return Poll::Ready(Next::Fail(AcquireError::Closed(diagnosis)));
            }
        };
        let lease = unready.take();
        Poll::Ready(step(self.shared, |state, now, fx| {
            let admission = match result {
                Ok(()) => state.validated(lease, request, now, fx),
                Err(failing) => state.validation_failed(lease, request, failing, now, fx),
            };
            (request, admission)
        }))
    }
}

impl<C: Connector> Drop for Acquire<'_, C> {
    fn drop(&mut self) {
        // A validation looks after itself: see `Unready`.
        let Stage::Waiting(waiter) = self.stage else { return };
        match self.shared.engine.give_up(waiter) {
            Some(Left { wake, forget }) => {
                if let Some(waker) = wake {
                    self.shared.guard("wake", || waker.wake());
                }
                if let Some(waker) = forget {
                    self.shared.guard("drop of a waker", || drop(waker));
                }
            }
            None => self.shared.with(|state, now, fx| state.cancel(waiter, now, fx)),
        }
    }
}

/// Whether the task may go on, by tokio's cooperative budget. If not, it will be woken.
fn proceeds(context: &mut Context<'_>) -> bool {
    match tokio::task::coop::poll_proceed(context) {
        Poll::Ready(unit) => {
            unit.made_progress();
            true
        }
        Poll::Pending => false,
    }
}

/// Takes a connection if one is free, without waiting for anything.
pub(crate) fn try_acquire<C: Connector>(
    shared: &Arc<Shared<C>>,
    site: &'static Location<'static>,
) -> Result<Option<Pooled<C>>, AcquireError> {
    let owner = Owner::current();
    let found = match shared.engine.take(owner, site, |_| true) {
        Taken::Ready(lease) => return Ok(Some(Pooled::new(lease))),
        Taken::Doubtful(lease) | Taken::Refused(lease) => Some(lease),
        Taken::Nothing => None,
    };
    let next = step(shared, |state, now, fx| {
        if let Some(lease) = found {
            state.put_aside(lease, now, fx);
        }
        let priority = Priority::Normal;
        let (deadline, validate, is_check) = (None, false, false);
        let request = Request { owner, site, priority, begun: now, deadline, validate, is_check };
        let admission = state.acquire(request, None, now, fx);
        (request, admission)
    });
    match next {
        Next::Deliver(lease) => Ok(Some(Pooled::new(lease))),
        Next::Nothing => Ok(None),
        Next::Fail(error) => Err(error),
        Next::Wait { .. } | Next::Check { .. } => unreachable!("an acquire without deadline never waits"),
    }
}

fn step<C: Connector>(
    shared: &Arc<Shared<C>>,
    operate: impl FnOnce(
        &mut State<Resident<C>>,
        Instant,
        &mut Effects<Resident<C>>,
    ) -> (Request, Admission<Resident<C>>),
) -> Next<C> {
    step_if(shared, |state, now, fx| Some(operate(state, now, fx)))
        .expect("the operation always has an outcome")
}

/// Runs one operation; what the caller is to be told of a refusal is gathered under the same lock.
fn step_if<C: Connector>(
    shared: &Arc<Shared<C>>,
    operate: impl FnOnce(
        &mut State<Resident<C>>,
        Instant,
        &mut Effects<Resident<C>>,
    ) -> Option<(Request, Admission<Resident<C>>)>,
) -> Option<Next<C>> {
    let observed = !shared.observers.is_empty();
    shared.with(|state, now, fx| {
        let (request, admission) = operate(state, now, fx)?;
        Some(match admission {
            Admission::Granted { lease, check: false } => Next::Deliver(lease),
            Admission::Granted { lease, check: true } => {
                let limit = state.validation_budget(&request, now);
                let clipped = limit < state.options().validation_timeout;
                Next::Check { lease, request, limit, clipped }
            }
            Admission::Queued(joined) => {
                let timer = if joined.timed { None } else { request.deadline };
                Next::Wait { waiter: joined.waiter, timer }
            }
            Admission::Refused(Refusal::NoneFree) => Next::Nothing,
            Admission::Refused(refusal) => {
                let error = explain(refusal, state.diagnose(&shared.name, &request, now));
                if observed && !request.is_check {
                    fx.events.push(PoolEvent::AcquireFailed { error: error.clone() });
                }
                Next::Fail(error)
            }
        })
    })
}

fn explain(refusal: Refusal, diagnosis: Box<Diagnosis>) -> AcquireError {
    match refusal {
        Refusal::Timeout | Refusal::NoneFree => AcquireError::Timeout(diagnosis),
        Refusal::Unavailable => AcquireError::Unavailable(diagnosis),
        Refusal::QueueFull => AcquireError::QueueFull(diagnosis),
        Refusal::Paused => AcquireError::Paused(diagnosis),
        Refusal::Closed => AcquireError::Closed(diagnosis),
    }
}
