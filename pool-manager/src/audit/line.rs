//! One operation, and the line that is made of it.

use std::panic::Location;
use std::time::{Duration, SystemTime};

use pool_config::AuditEvent;
use pool_core::PoolEvent;
use serde::Serialize;

use super::date::utc;

type Site = &'static Location<'static>;

/// Something that is to be written.
#[derive(Debug)]
pub(super) struct Record {
    pub(super) time: SystemTime,
    pub(super) pool: Option<Box<str>>,
    pub(super) operation: Operation,
}

/// What happened.
#[derive(Debug)]
pub(super) enum Operation {
    Acquire { connection: u64, wait: Duration, site: Site },
    Release { connection: u64, usage: Duration },
    Create { connection: u64, took: Duration },
    Close { connection: u64, reason: &'static str, age: Duration },
    Error(Trouble),
    Reload { applied: bool, message: String },
    Lost { count: u64 },
}

/// An event that means trouble.
#[derive(Debug)]
pub(super) struct Trouble {
    kind: &'static str,
    connection: Option<u64>,
    wait: Option<Duration>,
    site: Option<Site>,
    message: String,
}

impl Operation {
    /// What is to be written of an event, if that kind is wanted. The message of a trouble is made here, where the error
    /// lives.
    pub(super) fn of(event: &PoolEvent, wanted: impl Fn(AuditEvent) -> bool) -> Option<Self> {
        let (kind, operation) = match event {
            PoolEvent::Acquired { connection, waited, site } => (
                AuditEvent::Acquire,
                Operation::Acquire { connection: connection.as_u64(), wait: *waited, site },
            ),
            PoolEvent::Released { connection, used } => {
                (AuditEvent::Release, Operation::Release { connection: connection.as_u64(), usage: *used })
            }
            PoolEvent::Created { connection, took } => {
                (AuditEvent::Create, Operation::Create { connection: connection.as_u64(), took: *took })
            }
            PoolEvent::Closed { connection, reason, age } => (
                AuditEvent::Close,
                Operation::Close { connection: connection.as_u64(), reason: reason.as_str(), age: *age },
            ),
            event if wanted(AuditEvent::Error) => (AuditEvent::Error, Operation::Error(Trouble::of(event)?)),
            _ => return None,
        };
        wanted(kind).then_some(operation)
    }
}

impl Trouble {
    fn of(event: &PoolEvent) -> Option<Self> {
        let message = event.trouble()?;
        let mut trouble = Trouble { kind: "other", connection: None, wait: None, site: None, message };
        match event {
            PoolEvent::AcquireFailed { error } => {
                trouble.kind = "acquire_failed";
                trouble.wait = Some(error.diagnosis().waited);
            }
            PoolEvent::ConnectFailed { .. } => trouble.kind = "connect_failed",
            PoolEvent::ValidationCompleted { connection, .. } => {
                trouble.kind = "validation_failed";
                trouble.connection = Some(connection.as_u64());
            }
            PoolEvent::ResetFailed { connection, .. } => {
                trouble.kind = "reset_failed";
                trouble.connection = Some(connection.as_u64());
            }
            PoolEvent::Leaked { holder } => {
                trouble.kind = "leaked";
                trouble.connection = Some(holder.connection.as_u64());
                trouble.site = Some(holder.site);
            }
            PoolEvent::NestedAcquire { site, holds, .. } => {
                trouble.kind = "nested_acquire";
                trouble.connection = Some(holds.connection.as_u64());
                trouble.site = Some(site);
            }
            PoolEvent::Flushed { dead, .. } => {
                trouble.kind = "flushed";
                trouble.connection = Some(dead.as_u64());
            }
            PoolEvent::OutageStarted { .. } => trouble.kind = "outage_started",
            PoolEvent::RecoveryExhausted { .. } => trouble.kind = "recovery_exhausted",
            PoolEvent::Starved { .. } => trouble.kind = "starved",
            PoolEvent::Panicked { .. } => trouble.kind = "panicked",
            _ => {}
        }
        Some(trouble)
    }
}

/// The keys of a line, in this order.
#[derive(Debug, Default, Serialize)]
struct Line<'a> {
    time: String,
    event: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pool: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    kind: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    connection: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    wait_ms: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    usage_ms: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    connect_ms: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    age_ms: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    site: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    applied: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    count: Option<u64>,
}

impl Record {
    /// A line that stands for this many that are not there; none for none.
    pub(super) fn lost(count: u64) -> Option<Self> {
        let operation = Operation::Lost { count };
        (count > 0).then(|| Record { time: SystemTime::now(), pool: None, operation })
    }

    pub(super) fn is_loss(&self) -> bool {
        matches!(self.operation, Operation::Lost { .. })
    }

    /// How many operations nobody would know of without this line.
    pub(super) fn stands_for(&self) -> u64 {
        if let Operation::Lost { count } = self.operation { count } else { 1 }
    }

    /// Adds the line to what is to be written.
    pub(super) fn write(&self, lines: &mut Vec<u8>) {
        let line = Line { time: utc(self.time), pool: self.pool.as_deref(), ..Line::default() };
        let line = match &self.operation {
            Operation::Acquire { connection, wait, site } => Line {
                event: "acquire",
                connection: Some(*connection),
                wait_ms: Some(millis(*wait)),
                site: Some(shown(site)),
                ..line
            },
            Operation::Release { connection, usage } => Line {
                event: "release",
                connection: Some(*connection),
                usage_ms: Some(millis(*usage)),
                ..line
            },
            Operation::Create { connection, took } => Line {
                event: "create",
                connection: Some(*connection),
                connect_ms: Some(millis(*took)),
                ..line
            },
            Operation::Close { connection, reason, age } => Line {
                event: "close",
                connection: Some(*connection),
                age_ms: Some(millis(*age)),
                reason: Some(reason),
                ..line
            },
            Operation::Error(Trouble { kind, connection, wait, site, message }) => Line {
                event: "error",
                kind: Some(kind),
                connection: *connection,
                wait_ms: wait.map(millis),
                site: site.map(shown),
                message: Some(message),
                ..line
            },
            Operation::Reload { applied, message } => {
                Line { event: "reload", applied: Some(*applied), message: Some(message), ..line }
            }
            Operation::Lost { count } => Line { event: "lost", count: Some(*count), ..line },
        };
        serde_json::to_writer(&mut *lines, &line).expect("a line is plain data, and memory takes it");
        lines.push(b'\n');
    }
}

/// Milliseconds, to the microsecond.
fn millis(duration: Duration) -> f64 {
    duration.as_micros() as f64 / 1_000.0
}

fn shown(site: Site) -> String {
    format!("{}:{}", site.file(), site.line())
}
