//! Describes a pool before it exists.

use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::time::Instant;

use crate::clock::{self, Clock};
use crate::connection::ConnectionId;
use crate::connector::Connector;
use crate::engine::Engine;
use crate::error::BuildError;
use crate::event::{Callback, Observer, Observers};
use crate::gate::ConnectGate;
use crate::options::{Fairness, PoolOptions, Reuse};
use crate::pool::Pool;
use crate::shared::Shared;
use crate::shelf::Layout;
use crate::sizing::Sizing;
use crate::state::State;
use crate::timer::Timer;

/// Describes a pool; made by [`Pool::builder`].
///
/// What each option bounds, its unit and its default are told at [`PoolOptions`].
#[must_use = "a builder does nothing until `build` is called"]
pub struct PoolBuilder<C: Connector> {
    connector: C,
    name: String,
    options: PoolOptions,
    /// Whether someone chose `min_connections`; if not, the default gives way to a smaller maximum.
    min_is_chosen: bool,
    observers: Observers,
    gate: Option<Arc<dyn ConnectGate>>,
    runtime: Option<Handle>,
}

/// Setters that only store their argument under their own name.
macro_rules! setters {
    ($($option:ident: $type:ty;)*) => {
        $(
            #[doc = concat!("Sets [`", stringify!($option), "`](PoolOptions::", stringify!($option), ").")]
            pub fn $option(mut self, $option: $type) -> Self {
                self.options.$option = $option;
                self
            }
        )*
    };
}

impl<C: Connector> PoolBuilder<C> {
    pub(crate) fn new(connector: C) -> Self {
        PoolBuilder {
            connector,
            name: String::from("default"),
            options: PoolOptions::default(),
            min_is_chosen: false,
            observers: Observers::default(),
            gate: None,
            runtime: None,
        }
    }

    /// Sets the name that stands in every error, event and log line. Default `default`.
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = name.into();
        self
    }

    /// Sets all options at once.
    pub fn options(mut self, options: PoolOptions) -> Self {
        self.options = options;
        self.min_is_chosen = true;
        self
    }

    setters! {
        max_connections: usize;
        min_idle: usize;
        acquire_timeout: Duration;
        connect_timeout: Duration;
        validation_timeout: Duration;
        validate_after_idle: Duration;
        validate_on_return: bool;
        idle_timeout: Duration;
        max_lifetime: Duration;
        lifetime_jitter: f64;
        max_uses: u64;
        keepalive_interval: Duration;
        maintenance_interval: Duration;
        leak_detection_threshold: Duration;
        max_waiting: usize;
        connect_concurrency: usize;
        max_retries: u32;
        retry_delay: Duration;
        fail_fast: bool;
        reuse: Reuse;
        reserve_connections: usize;
        reset_timeout: Duration;
        fairness: Fairness;
        precise_timing: bool;
        sizing: Sizing;
    }

    /// Sets [`min_connections`](PoolOptions::min_connections). While it is not set, a smaller `max_connections`
    /// lowers its default.
    pub fn min_connections(mut self, min_connections: usize) -> Self {
        self.options.min_connections = min_connections;
        self.min_is_chosen = true;
        self
    }

    /// Adds an observer. All that were added are told of every event.
    pub fn observer(mut self, observer: impl Observer) -> Self {
        self.observers.add(Arc::new(observer));
        self
    }

    /// Adds an observer that is shared with others.
    pub fn shared_observer(mut self, observer: Arc<dyn Observer>) -> Self {
        self.observers.add(observer);
        self
    }

    /// Calls a function with pool name and connection for each connection that is handed out.
    pub fn on_acquired(self, call: impl Fn(&str, ConnectionId) + Send + Sync + 'static) -> Self {
        self.observer(Callback::Acquired(Box::new(call)))
    }

    /// Calls a function with pool name and connection for each connection that comes back.
    pub fn on_released(self, call: impl Fn(&str, ConnectionId) + Send + Sync + 'static) -> Self {
        self.observer(Callback::Released(Box::new(call)))
    }

    /// Calls a function with pool name and message for everything that goes wrong.
    pub fn on_error(self, call: impl Fn(&str, &str) + Send + Sync + 'static) -> Self {
        self.observer(Callback::Error(Box::new(call)))
    }

    /// Puts a gate before the pool's connects, such as a circuit breaker that pools of one target share. Default none.
    ///
    /// With most gates each new connection is validated before anyone may have it, at the price of a round trip: see
    /// [`ConnectPass::wants_proof`](crate::ConnectPass::wants_proof).
    pub fn gate(mut self, gate: Arc<dyn ConnectGate>) -> Self {
        self.gate = Some(gate);
        self
    }

    /// Sets the runtime on which the pool's work is done. Default: the one that `build` is called in.
    pub fn runtime(mut self, runtime: Handle) -> Self {
        self.runtime = Some(runtime);
        self
    }

    /// Checks all options and makes the pool. Waits for nothing: connections are opened in the background.
    ///
    /// # Errors
    ///
    /// Names every option that is out of its range; fails with an empty name, without a runtime, and on a
    /// runtime without timers.
    pub fn build(self) -> Result<Pool<C>, BuildError> {
        let PoolBuilder { connector, name, mut options, min_is_chosen, observers, gate, runtime } = self;
        if !min_is_chosen {
            options.min_connections = options.min_connections.min(options.max_connections);
        }
        let options = options.checked()?;
        if name.is_empty() {
            return Err(BuildError::EmptyName);
        }
        let Some(runtime) = runtime.or_else(|| Handle::try_current().ok()) else {
            return Err(BuildError::NoRuntime { pool: name });
        };
        if !Timer::works_on(&runtime) {
            return Err(BuildError::NoTimers { pool: name });
        }
        let (observed, seed) = (observers.want_uses(), fastrand::u64(..));
        let clock = Clock::new(Instant::now(), clock::is_paused());
        let layout = Layout::new(runtime.metrics().num_workers(), options.max_connections);
        let engine =
            Engine::new(clock, layout, |shelf, clock| State::new(options, observed, seed, shelf, clock));
        let shared = Arc::new(Shared::new(Arc::from(name), connector, gate, observers, runtime, engine));
        shared.with(|state, now, fx| state.open(now, fx));
        Ok(Pool::from_shared(shared))
    }
}
