//! A circuit breaker: stops calling what does not answer, and finds out gently when it answers again.
//!
//! The model is that of resilience4j 2: closed (calls flow and are judged by their failures and slowness), open (none flow),
//! half open (a few probes decide), and three states that are set by hand. What differs: failures in a row open it too,
//! whichever comes first; the time it stays open grows from one opening to the next and is spread by jitter; and a
//! [`Permit`] that is dropped, as by a cancelled future, is given back.
//!
//! `settings` is what may be chosen, `window` the calls that are judged, `machine` the states. This file puts a lock and a
//! clock around the machine and tells of its transitions, outside the lock.

mod gate;
mod machine;
mod settings;
mod window;

#[cfg(test)]
mod model;
#[cfg(test)]
mod tests;

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use pool_core::{ErrorClass, SettingsError, Span};
use tokio::time::Instant;

use self::machine::{Ended, Machine, Pass};
pub use self::settings::{BreakerSettings, BreakerWindow};

/// Whether calls flow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum BreakerState {
    /// Calls flow, and are judged.
    Closed,
    /// No call flows until the next probe is due.
    Open,
    /// A few calls probe the target; the others are refused.
    HalfOpen,
    /// By hand: calls flow and are not even counted.
    Disabled,
    /// By hand: no call flows, for however long.
    ForcedOpen,
    /// By hand: calls flow and are counted, whatever comes of them.
    MetricsOnly,
}

impl BreakerState {
    /// All of them.
    pub const ALL: [BreakerState; 6] = [
        BreakerState::Closed,
        BreakerState::Open,
        BreakerState::HalfOpen,
        BreakerState::Disabled,
        BreakerState::ForcedOpen,
        BreakerState::MetricsOnly,
    ];

    /// Its name in metrics and reports, such as `half_open`.
    pub fn name(self) -> &'static str {
        match self {
            BreakerState::Closed => "closed",
            BreakerState::Open => "open",
            BreakerState::HalfOpen => "half_open",
            BreakerState::Disabled => "disabled",
            BreakerState::ForcedOpen => "forced_open",
            BreakerState::MetricsOnly => "metrics_only",
        }
    }
}

impl fmt::Display for BreakerState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// What a failed call died of, as its successors are told while the breaker is open.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Cause {
    /// The error's text. It is shown to callers and in logs.
    pub text: Arc<str>,
    /// What the error means for a pool.
    pub class: ErrorClass,
}

impl Cause {
    /// A cause of class [`ErrorClass::Transient`].
    pub fn new(text: impl Into<Arc<str>>) -> Self {
        Cause { text: text.into(), class: ErrorClass::Transient }
    }

    /// The same cause, of another class.
    #[must_use]
    pub fn of_class(self, class: ErrorClass) -> Self {
        Cause { class, ..self }
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// A call was refused, because the target is known not to answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub struct BreakerOpen {
    /// The breaker's name.
    pub breaker: Arc<str>,
    /// What it was: open, half open with all probes under way, or forced open.
    pub state: BreakerState,
    /// Time since it was last closed.
    pub since: Duration,
    /// Time until the next probe is due; `None` = one is under way, or none will be (forced open).
    pub next_probe: Option<Duration>,
    /// What the last failed call died of, if it told.
    pub cause: Option<Cause>,
}

impl BreakerOpen {
    /// What the refusal means for a pool: what its cause does.
    pub fn class(&self) -> ErrorClass {
        self.cause.as_ref().map_or(ErrorClass::Transient, |cause| cause.class)
    }
}

impl fmt::Display for BreakerOpen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let BreakerOpen { breaker, state, since, next_probe, cause } = self;
        write!(f, "call `{breaker}`: its circuit breaker has been open for {}", Span(*since))?;
        match (state, next_probe) {
            (BreakerState::ForcedOpen, _) => f.write_str(" (by hand)")?,
            (_, Some(due)) => write!(f, " (next probe in {})", Span(*due))?,
            (_, None) => f.write_str(" (a probe is under way)")?,
        }
        match cause {
            Some(cause) => write!(f, ": {cause}"),
            None => Ok(()),
        }
    }
}

/// A breaker went from one state to another.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct StateChange {
    /// The breaker's name.
    pub breaker: Arc<str>,
    /// The state it left.
    pub from: BreakerState,
    /// The state it entered.
    pub to: BreakerState,
    /// What the last failed call died of, if it told.
    pub cause: Option<Cause>,
    /// Time from this transition until a call is let in: zero = at once, `None` = nobody knows.
    pub next_probe: Option<Duration>,
}

/// How a breaker is, and what has happened to it.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct BreakerSnapshot {
    /// Its state now.
    pub state: BreakerState,
    /// Time since it entered that state.
    pub lasted: Duration,
    /// The share of the calls in the window that failed, from 0 to 1; `None` while they are fewer than `minimum_calls`.
    pub failure_rate: Option<f64>,
    /// The share of them that was slow; `None` as above.
    pub slow_call_rate: Option<f64>,
    /// Calls in the window now. Every transition begins a new window.
    pub calls: u64,
    /// Those of them that failed.
    pub failed: u64,
    /// Those of them that were slow, failed or not.
    pub slow: u64,
    /// Those of them that were slow and failed.
    pub slow_failed: u64,
    /// The last so many of them failed.
    pub consecutive_failures: u32,
    /// Probes under way now.
    pub probes_out: u32,
    /// Calls refused since start or [`reset`](CircuitBreaker::reset).
    pub not_permitted: u64,
    /// How often it opened since start or [`reset`](CircuitBreaker::reset).
    pub opened: u64,
    /// How often it opened since it was last closed.
    pub attempt: u32,
    /// Time until a call is let in: zero = now; `None` = nobody knows.
    pub next_probe: Option<Duration>,
    /// What the last failed call died of, if it told; kept when the breaker is closed.
    pub cause: Option<Cause>,
    /// Time since that call failed.
    pub cause_age: Option<Duration>,
}

type OnChange = Arc<dyn Fn(&StateChange) + Send + Sync>;

/// Stops calling what does not answer. Clones are handles of the same breaker.
///
/// One breaker stands for one target: pools and clients of the same server share it. It needs no task and no timer; what
/// time brings is noticed by whoever next looks or calls.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use pool_health::{BreakerSettings, Cause, CircuitBreaker};
///
/// # fn main() -> Result<(), pool_health::SettingsError> {
/// let settings = BreakerSettings { consecutive_failures: 2, ..BreakerSettings::default() };
/// let breaker = CircuitBreaker::new("orders", settings)?;
/// for _ in 0..2 {
///     let permit = breaker.try_acquire().expect("it is closed");
///     permit.fail_because(Duration::from_millis(3), Cause::new("connection refused"));
/// }
/// let refused = breaker.try_acquire().expect_err("it is open");
/// assert!(refused.to_string().ends_with(": connection refused"));
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct CircuitBreaker(Arc<Shared>);

struct Shared {
    name: Arc<str>,
    // Lock: never held while code of others runs.
    machine: Mutex<Machine>,
    // Lock: held only to copy the list or add to it.
    listeners: Mutex<Vec<OnChange>>,
}

impl CircuitBreaker {
    /// A closed breaker. The name is shown in errors; that of the target is best.
    ///
    /// # Errors
    ///
    /// Names every setting that is out of its range.
    pub fn new(name: impl Into<Arc<str>>, settings: BreakerSettings) -> Result<Self, SettingsError> {
        CircuitBreaker::with_seed(name, settings, fastrand::u64(..))
    }

    /// The same with the seed of its jitter, for tests and simulations that must repeat themselves.
    ///
    /// # Errors
    ///
    /// As [`new`](CircuitBreaker::new).
    pub fn with_seed(
        name: impl Into<Arc<str>>,
        settings: BreakerSettings,
        seed: u64,
    ) -> Result<Self, SettingsError> {
        settings.check()?;
        let name = name.into();
        let machine = Machine::new(Arc::clone(&name), settings, seed, Instant::now());
        Ok(CircuitBreaker(Arc::new(Shared {
            name,
            machine: Mutex::new(machine),
            listeners: Mutex::default(),
        })))
    }

    /// Calls `listener` after each change of state from now on.
    ///
    /// It is called without a lock, on the thread that noticed the change, so it may use the breaker, and must not block.
    /// A panic in it is caught and logged. Changes that different threads notice may be told out of order.
    pub fn on_state_change(&self, listener: impl Fn(&StateChange) + Send + Sync + 'static) {
        lock(&self.0.listeners).push(Arc::new(listener));
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.0.name
    }

    /// Its settings.
    pub fn settings(&self) -> BreakerSettings {
        lock(&self.0.machine).settings().clone()
    }

    /// Its state now.
    pub fn state(&self) -> BreakerState {
        self.with(Machine::state)
    }

    /// How it is, and what has happened to it.
    pub fn snapshot(&self) -> BreakerSnapshot {
        self.with(Machine::snapshot)
    }

    /// Asks to make a call, whose outcome the permit is then to be told.
    ///
    /// # Errors
    ///
    /// [`BreakerOpen`] if the target is known not to answer, with what its last call died of.
    pub fn try_acquire(&self) -> Result<Permit, BreakerOpen> {
        let pass = self.with(Machine::acquire)?;
        Ok(Permit { breaker: self.clone(), pass: Some(pass) })
    }

    /// Refuses all calls until another of these methods is called.
    pub fn force_open(&self) {
        self.force(BreakerState::ForcedOpen);
    }

    /// Closes it, with an empty window. It may open again.
    pub fn force_closed(&self) {
        self.force(BreakerState::Closed);
    }

    /// Lets a probe in now, if it is open, instead of when one is due. For who knows that the target may be back: its
    /// address or a password has changed. One that was opened by hand stays open.
    pub fn probe_now(&self) {
        self.with(Machine::probe_now);
    }

    /// Lets all calls through and counts none, until another of these methods is called.
    pub fn disable(&self) {
        self.force(BreakerState::Disabled);
    }

    /// Lets all calls through and counts them, until another of these methods is called.
    pub fn metrics_only(&self) {
        self.force(BreakerState::MetricsOnly);
    }

    /// Replaces its settings. The window begins anew; how long it is still open, and whether by hand, stays.
    ///
    /// # Errors
    ///
    /// Names every setting that is out of its range; nothing is changed then.
    pub fn set_settings(&self, settings: BreakerSettings) -> Result<(), SettingsError> {
        settings.check()?;
        self.with(|machine, now| machine.set_settings(settings, now));
        Ok(())
    }

    /// Closes it and forgets what has happened: the window, the totals, the cause.
    pub fn reset(&self) {
        self.with(Machine::reset);
    }

    fn force(&self, state: BreakerState) {
        self.with(|machine, now| machine.force(state, now));
    }

    fn end(&self, pass: Pass, ended: Ended) {
        self.with(|machine, now| machine.end(pass, ended, now));
    }

    /// Runs an operation of the machine, then tells what it changed.
    fn with<R>(&self, operation: impl FnOnce(&mut Machine, Instant) -> R) -> R {
        let mut machine = lock(&self.0.machine);
        // Under the lock, so that time never runs backwards for the machine.
        let result = operation(&mut machine, Instant::now());
        let changes = machine.take_changes();
        drop(machine);
        if !changes.is_empty() {
            self.tell(&changes);
        }
        result
    }

    fn tell(&self, changes: &[StateChange]) {
        let listeners = lock(&self.0.listeners).clone();
        for change in changes {
            let StateChange { breaker, from, to, cause, .. } = change;
            let cause = cause.as_ref().map_or("", |cause| &*cause.text);
            match to {
                BreakerState::Open if *from == BreakerState::Closed => {
                    tracing::warn!(%breaker, cause, "circuit breaker opened");
                }
                // Once for each probe, as long as an outage lasts.
                BreakerState::Open | BreakerState::HalfOpen => {
                    tracing::debug!(%breaker, %from, %to, cause, "circuit breaker changed its state");
                }
                _ => tracing::info!(%breaker, %from, %to, "circuit breaker changed its state"),
            }
            for listener in &listeners {
                if catch_unwind(AssertUnwindSafe(|| listener(change))).is_err() {
                    tracing::error!(%breaker, "caught a panic in a listener of a circuit breaker");
                }
            }
        }
    }
}

impl fmt::Debug for CircuitBreaker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CircuitBreaker").field("name", &self.0.name).finish_non_exhaustive()
    }
}

/// Leave to make one call. Whoever has it tells it how the call ended; dropped without that, it is given back as if the
/// call had not been made.
///
/// A probe that never ends keeps its permit for ever: put calls under a timeout.
#[must_use = "dropping a permit gives it back"]
pub struct Permit {
    breaker: CircuitBreaker,
    pass: Option<Pass>,
}

impl Permit {
    /// The call succeeded after `took`.
    pub fn succeed(self, took: Duration) {
        self.end(Ended::Succeeded(took));
    }

    /// The call failed after `took`. Those who are refused later are told the cause of an earlier failure, if there is one.
    pub fn fail(self, took: Duration) {
        self.end(Ended::Failed(took, None));
    }

    /// The call failed after `took` for this reason, which those are told who are refused later.
    pub fn fail_because(self, took: Duration, cause: Cause) {
        self.end(Ended::Failed(took, Some(cause)));
    }

    /// The call tells nothing about the target: the caller's own mistake, a target that is merely full.
    pub fn ignore(self) {
        drop(self);
    }

    fn end(mut self, ended: Ended) {
        if let Some(pass) = self.pass.take() {
            self.breaker.end(pass, ended);
        }
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        if let Some(pass) = self.pass.take() {
            self.breaker.end(pass, Ended::Ignored);
        }
    }
}

impl fmt::Debug for Permit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Permit").field("breaker", &self.breaker.0.name).finish_non_exhaustive()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
