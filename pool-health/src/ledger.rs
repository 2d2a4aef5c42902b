//! What was seen of single connections: their last validations, and those that ended badly.
//!
//! Kept from the events of a pool, in memory bounded by its connections.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use pool_core::{CloseReason, ConnectionId, ConnectionInfo, ConnectionState, Occasion, PoolEvent};
use tokio::time::Instant;

use crate::report::ConnectionHealth;

/// How many of the connections that ended badly are remembered.
const REMEMBERED: usize = 32;

/// The last validation of a connection.
#[derive(Debug, Clone)]
pub(crate) struct Validated {
    pub(crate) at: Instant,
    pub(crate) took: Duration,
    pub(crate) occasion: Occasion,
    pub(crate) problem: Option<String>,
}

/// See the module's first lines.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    /// Of connections that live.
    validated: HashMap<ConnectionId, Validated>,
    /// Those that ended badly, oldest first.
    gone: VecDeque<(ConnectionId, Option<Validated>, CloseReason)>,
}

impl Ledger {
    pub(crate) fn note(&mut self, event: &PoolEvent, now: Instant) {
        match event {
            PoolEvent::ValidationCompleted { connection, occasion, took, problem, .. } => {
                let validated =
                    Validated { at: now, took: *took, occasion: *occasion, problem: problem.clone() };
                self.validated.insert(*connection, validated);
            }
            PoolEvent::Closed { connection, reason, .. } => {
                let last = self.validated.remove(connection);
                if is_bad(*reason) {
                    if self.gone.len() == REMEMBERED {
                        self.gone.pop_front();
                    }
                    self.gone.push_back((*connection, last, *reason));
                }
            }
            _ => {}
        }
    }

    /// The last validation of a connection that lives.
    pub(crate) fn validated(&self, connection: ConnectionId) -> Option<&Validated> {
        self.validated.get(&connection)
    }

    /// What the last validation that failed since then had to say.
    pub(crate) fn last_problem(&self, since: Instant) -> Option<&str> {
        let gone = self.gone.iter().rev().filter_map(|(_, last, _)| last.as_ref());
        gone.filter(|last| last.at >= since).filter_map(|last| last.problem.as_deref()).next()
    }

    /// The connections that live, by id.
    pub(crate) fn live(
        &self,
        pool: &str,
        connections: Vec<ConnectionInfo>,
        idle_timeout: Duration,
        now: Instant,
    ) -> Vec<ConnectionHealth> {
        let health = |info: ConnectionInfo| {
            let last = self.validated.get(&info.id);
            let mut health = health(pool, info.id, last, now);
            health.state = Some(info.state);
            health.is_expired = info.is_expired(idle_timeout);
            if info.state == ConnectionState::Error {
                health.error.get_or_insert_with(|| "its holder reported an error".to_owned());
            }
            health.is_healthy = health.error.is_none();
            health
        };
        connections.into_iter().map(health).collect()
    }

    /// Those that ended badly, oldest first.
    pub(crate) fn gone(&self, pool: &str, now: Instant) -> impl Iterator<Item = ConnectionHealth> {
        self.gone.iter().map(move |(id, last, reason)| {
            let mut health = health(pool, *id, last.as_ref(), now);
            health.error.get_or_insert_with(|| reason.to_string());
            health
        })
    }
}

fn health(pool: &str, id: ConnectionId, last: Option<&Validated>, now: Instant) -> ConnectionHealth {
    ConnectionHealth {
        pool: pool.to_owned(),
        id,
        is_healthy: false,
        state: None,
        error: last.and_then(|last| last.problem.clone()),
        last_check: last.map(|last| now.saturating_duration_since(last.at)),
        occasion: last.map(|last| last.occasion),
        response_time: last.map(|last| last.took),
        is_expired: false,
    }
}

/// Whether a connection that ended so had something wrong with it.
pub(crate) fn is_bad(reason: CloseReason) -> bool {
    matches!(
        reason,
        CloseReason::Broken
            | CloseReason::ValidationFailed
            | CloseReason::ResetFailed
            | CloseReason::Discarded
    )
}
