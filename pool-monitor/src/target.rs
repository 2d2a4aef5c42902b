//! What is known of the targets of pools by those who check them.
//!
//! This crate measures pools and knows nothing of health checks or circuit breakers. Whoever has both, such as an integration
//! layer, tells by a [`TargetSource`] how each target is.

/// How the target of a pool is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum TargetHealth {
    /// Nobody checks, or nothing is known yet.
    #[default]
    Unknown,
    /// It works.
    Healthy,
    /// It works, and something is wrong.
    Degraded,
    /// It does not work.
    Unhealthy,
    /// It works again, not yet for long.
    Recovering,
}

impl TargetHealth {
    /// Every one, in the order of their declaration.
    pub const ALL: [TargetHealth; 5] = [
        TargetHealth::Unknown,
        TargetHealth::Healthy,
        TargetHealth::Degraded,
        TargetHealth::Unhealthy,
        TargetHealth::Recovering,
    ];

    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            TargetHealth::Unknown => "unknown",
            TargetHealth::Healthy => "healthy",
            TargetHealth::Degraded => "degraded",
            TargetHealth::Unhealthy => "unhealthy",
            TargetHealth::Recovering => "recovering",
        }
    }
}

/// How the circuit breaker before a pool's connects is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum BreakerState {
    /// Connects go through.
    Closed,
    /// Connects are refused.
    Open,
    /// A few connects are let through to find out.
    HalfOpen,
}

impl BreakerState {
    /// Every one, in the order of their declaration.
    pub const ALL: [BreakerState; 3] = [BreakerState::Closed, BreakerState::Open, BreakerState::HalfOpen];

    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            BreakerState::Closed => "closed",
            BreakerState::Open => "open",
            BreakerState::HalfOpen => "half_open",
        }
    }
}

/// Tells how the targets of pools are. Every method does nothing unless implemented.
///
/// Called by the monitor at each collection, once for each pool and without a lock. It must not block.
pub trait TargetSource: Send + Sync + 'static {
    /// How the target of the pool of this name is.
    fn health(&self, pool: &str) -> TargetHealth {
        let _ = pool;
        TargetHealth::Unknown
    }

    /// How the pool's circuit breaker is; `None` = it has none.
    fn breaker(&self, pool: &str) -> Option<BreakerState> {
        let _ = pool;
        None
    }

    /// What the last connect or check of the target died of, for people; `None` if that went well, or nobody knows. Alerts about the
    /// target say it, so it must hold no secret.
    fn last_error(&self, pool: &str) -> Option<String> {
        let _ = pool;
        None
    }

    /// Whether it goes up and down so often that it must stay well for longer to count as recovered.
    fn is_flapping(&self, pool: &str) -> bool {
        let _ = pool;
        false
    }
}
