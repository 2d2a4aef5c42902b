//! The table of families. Every metric that a rule can name can be written in PromQL with what is here.

use std::collections::BTreeMap;
use std::time::UNIX_EPOCH;

use pool_core::CloseReason;

use super::Exposition;
use super::family::FamilyKind::{Counter, Gauge, Histogram, UpDownCounter};
use super::family::{Durations, Family, FamilyKind, Put, Source};
use crate::alert::{Alert, AlertState};
use crate::sample::Sample;
use crate::target::{BreakerState, TargetHealth};

/// The label of the semantic conventions for the pool.
const POOL_NAME: &str = "db.client.connection.pool.name";
/// Ours.
const POOL: &str = "pool";

/// Ends of buckets for waits, which begin well below a millisecond.
const WAIT: &[f64] =
    &[0.00001, 0.00005, 0.0001, 0.0005, 0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 10.0, 30.0];
/// What the semantic conventions advise for `db.client.operation.duration`, and the default of the longest wait.
const CREATE: &[f64] = &[0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 10.0, 30.0];
/// The same, and minutes.
const USE: &[f64] = &[0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 10.0, 30.0, 60.0, 300.0];

pub(super) static FAMILIES: &[Family] = &[
    // The nine of OpenTelemetry.
    Family {
        name: "db.client.connection.count",
        kind: UpDownCounter,
        unit: "{connection}",
        help: "Connections that are in the state.",
        labels: &[POOL_NAME, "db.client.connection.state"],
        source: Source::Numbers(connections),
    },
    Family {
        name: "db.client.connection.idle.max",
        kind: UpDownCounter,
        unit: "{connection}",
        help: "The most idle connections that are allowed.",
        labels: &[POOL_NAME],
        source: Source::Number(|sample| sample.stats.max as f64),
    },
    Family {
        name: "db.client.connection.idle.min",
        kind: UpDownCounter,
        unit: "{connection}",
        help: "The fewest connections that are kept open.",
        labels: &[POOL_NAME],
        source: Source::Number(|sample| sample.stats.min as f64),
    },
    Family {
        name: "db.client.connection.max",
        kind: UpDownCounter,
        unit: "{connection}",
        help: "The most connections that are allowed.",
        labels: &[POOL_NAME],
        source: Source::Number(|sample| sample.stats.max as f64),
    },
    Family {
        name: "db.client.connection.pending_requests",
        kind: UpDownCounter,
        unit: "{request}",
        help: "Callers that wait for a connection.",
        labels: &[POOL_NAME],
        source: Source::Number(|sample| sample.stats.waiting as f64),
    },
    Family {
        name: "db.client.connection.timeouts",
        kind: Counter,
        unit: "{timeout}",
        help: "Waits for a connection that reached their deadline.",
        labels: &[POOL_NAME],
        source: Source::Number(|sample| sample.counters.timed_out as f64),
    },
    Family {
        name: "db.client.connection.create_time",
        kind: Histogram,
        unit: "s",
        help: "How long it took to open a connection.",
        labels: &[POOL_NAME],
        source: Source::Durations(
            |sample| Durations { histogram: &sample.histograms.connect, sum: sample.counters.connect_time },
            CREATE,
        ),
    },
    Family {
        name: "db.client.connection.wait_time",
        kind: Histogram,
        unit: "s",
        help: "How long callers waited for the connection they got.",
        labels: &[POOL_NAME],
        source: Source::Durations(
            |sample| Durations { histogram: &sample.histograms.wait, sum: sample.counters.wait_time },
            WAIT,
        ),
    },
    Family {
        name: "db.client.connection.use_time",
        kind: Histogram,
        unit: "s",
        help: "How long callers held a connection, from taking it to giving it back. Without precise_timing short uses may count as 0.",
        labels: &[POOL_NAME],
        source: Source::Durations(
            |sample| Durations { histogram: &sample.histograms.usage, sum: sample.counters.use_time },
            USE,
        ),
    },
    // Ours: what has happened.
    of_pool("pool.requests", Counter, "{request}", "Acquires begun.", |sample| {
        sample.counters.requests as f64
    }),
    Family {
        name: "pool.acquires",
        kind: Counter,
        unit: "{request}",
        help: "Acquires that ended, by how they ended.",
        labels: &[POOL, "outcome"],
        source: Source::Numbers(acquires),
    },
    of_pool("pool.connections_created", Counter, "{connection}", "Connections opened.", |sample| {
        sample.counters.created as f64
    }),
    Family {
        name: "pool.connections_closed",
        kind: Counter,
        unit: "{connection}",
        help: "Connections that ended, by the reason.",
        labels: &[POOL, "reason"],
        source: Source::Numbers(|sample, put| {
            for reason in CloseReason::ALL {
                put(&[reason.as_str()], sample.counters.closed[reason] as f64);
            }
        }),
    },
    of_pool("pool.connect_errors", Counter, "{error}", "Connects that failed or timed out.", |sample| {
        sample.counters.connect_failed as f64
    }),
    Family {
        name: "pool.validations",
        kind: Counter,
        unit: "{validation}",
        help: "Validations of connections, by how they ended.",
        labels: &[POOL, "outcome"],
        source: Source::Numbers(|sample, put| {
            outcomes(sample.counters.validations, sample.counters.validations_failed, put);
        }),
    },
    Family {
        name: "pool.resets",
        kind: Counter,
        unit: "{reset}",
        help: "Resets of connections that came back, by how they ended.",
        labels: &[POOL, "outcome"],
        source: Source::Numbers(|sample, put| {
            outcomes(sample.counters.resets, sample.counters.resets_failed, put);
        }),
    },
    of_pool("pool.leaks", Counter, "{connection}", "Connections reported as leaked.", |sample| {
        sample.counters.leaks as f64
    }),
    of_pool(
        "pool.panics",
        Counter,
        "{panic}",
        "Panics caught in connectors, observers and drops of connections.",
        |sample| sample.counters.panics as f64,
    ),
    of_pool(
        "pool.flushes",
        Counter,
        "{flush}",
        "Times that a dead connection took all idle ones with it.",
        |sample| sample.counters.flushes as f64,
    ),
    of_pool(
        "pool.recovery_exhausted",
        Counter,
        "{round}",
        "Rounds of recovery that ended without success.",
        |sample| sample.counters.recovery_exhausted as f64,
    ),
    // Ours: how it is now.
    of_pool(
        "pool.queue_oldest_wait",
        Gauge,
        "s",
        "How long the caller that waits longest has waited.",
        |sample| sample.stats.oldest_wait.as_secs_f64(),
    ),
    of_pool(
        "pool.peak_used_connections",
        Gauge,
        "{connection}",
        "The most connections in use at once since the collection before.",
        |sample| sample.peak_active as f64,
    ),
    Family {
        name: "pool.utilization",
        kind: Gauge,
        unit: "1",
        help: "The part of the most allowed connections that is in use: now, on average and at most since the collection before.",
        labels: &[POOL, "stat"],
        source: Source::Numbers(|sample, put| {
            put(&["now"], sample.stats.utilization());
            put(&["average"], sample.average_utilization);
            put(&["peak"], part_of_max(sample.peak_active, sample));
        }),
    },
    of_pool(
        "pool.leaked_connections",
        Gauge,
        "{connection}",
        "Connections that are held and were reported as leaked.",
        |sample| sample.stats.leaked as f64,
    ),
    of_pool(
        "pool.unhealthy_connections",
        Gauge,
        "{connection}",
        "Open connections that something is known against.",
        |sample| sample.stats.unhealthy as f64,
    ),
    of_pool("pool.acquire_timeout", Gauge, "s", "How long an acquire waits at most.", |sample| {
        sample.acquire_timeout.as_secs_f64()
    }),
    of_pool(
        "pool.exhausted",
        Gauge,
        "1",
        "Whether callers wait, none is idle and there are as many as there may be.",
        |sample| number_of(sample.is_exhausted()),
    ),
    of_pool(
        "pool.no_connections",
        Gauge,
        "1",
        "Whether there is no connection that works although there should be.",
        |sample| number_of(sample.has_no_connections()),
    ),
    of_pool("pool.target_down", Gauge, "1", "Whether the target is known to be down.", |sample| {
        number_of(sample.outage || sample.health == TargetHealth::Unhealthy)
    }),
    of_pool("pool.flapping", Gauge, "1", "Whether the target goes up and down too often.", |sample| {
        number_of(sample.flapping)
    }),
    Family {
        name: "pool.health_state",
        kind: Gauge,
        unit: "1",
        help: "1 for the state that the target is in, 0 for all others.",
        labels: &[POOL, "state"],
        source: Source::Numbers(|sample, put| {
            for state in TargetHealth::ALL {
                put(&[state.as_str()], number_of(state == sample.health));
            }
        }),
    },
    Family {
        name: "pool.breaker_state",
        kind: Gauge,
        unit: "1",
        help: "1 for the state that the circuit breaker is in, 0 for all others; nothing for a pool without one.",
        labels: &[POOL, "state"],
        source: Source::Numbers(|sample, put| {
            let Some(present) = sample.breaker else { return };
            for state in BreakerState::ALL {
                put(&[state.as_str()], number_of(state == present));
            }
        }),
    },
    Family {
        name: "pool.info",
        kind: Gauge,
        unit: "1",
        help: "Always 1; the labels tell what the pool connects to.",
        labels: &[POOL, "driver", "host", "port", "database"],
        source: Source::Numbers(|sample, put| {
            let Some(target) = &sample.target else { return };
            let port = target.port.map(|port| port.to_string()).unwrap_or_default();
            put(&[&target.driver, &target.host, &port, &target.database], 1.0);
        }),
    },
    of_pool("pool.uptime", Gauge, "s", "How long the pool has been counting.", |sample| {
        sample.counters.elapsed.as_secs_f64()
    }),
    of_pool(
        "pool.accounting_violated",
        Gauge,
        "1",
        "Whether the pool's numbers contradict each other, which is a defect of the pool.",
        |sample| number_of(sample.violation.is_some()),
    ),
    of_pool("pool.collection_duration", Gauge, "s", "How long the last collection took.", |sample| {
        sample.took.as_secs_f64()
    }),
    Family {
        name: "pool.last_collection_timestamp",
        kind: Gauge,
        unit: "s",
        help: "When the pool was measured last, in seconds since 1970; 0 = never.",
        labels: &[POOL],
        source: Source::Whole(|exposition, put| {
            let measured = exposition.samples.iter().map(|sample| (&sample.pool, Some(sample.measured_at)));
            let unmeasured = exposition.unmeasured.iter().map(|it| (&it.pool, it.measured_at));
            for (pool, at) in measured.chain(unmeasured) {
                let since = at.and_then(|at| at.duration_since(UNIX_EPOCH).ok()).unwrap_or_default();
                put(&[pool], since.as_secs_f64());
            }
        }),
    },
    // Ours: of all pools together.
    Family {
        name: "pool.alerts",
        kind: Gauge,
        unit: "1",
        help: "Alerts that are pending or fire.",
        labels: &["alertname", "severity", "alertstate", POOL],
        source: Source::Whole(alerts),
    },
    Family {
        name: "pool.alerts_refused",
        kind: Counter,
        unit: "{alert}",
        help: "Alerts that were not raised because their rule had as many as it may have.",
        labels: &["alertname"],
        source: Source::Whole(|exposition, put| {
            exposition.refused.iter().for_each(|refused| put(&[&refused.rule], refused.total as f64));
        }),
    },
    Family {
        name: "pool.notifications",
        kind: Counter,
        unit: "{notification}",
        help: "Notifications of alerts, by what became of them.",
        labels: &["sink", "outcome"],
        source: Source::Whole(|exposition, put| {
            for sink in exposition.sinks {
                for (outcome, count) in
                    [("delivered", sink.delivered), ("failed", sink.failed), ("dropped", sink.dropped)]
                {
                    put(&[&sink.name, outcome], count as f64);
                }
            }
        }),
    },
    Family {
        name: "pool.build_info",
        kind: Gauge,
        unit: "1",
        help: "Always 1; the label tells the version.",
        labels: &["version"],
        source: Source::Whole(|_, put| put(&[env!("CARGO_PKG_VERSION")], 1.0)),
    },
];

/// A family of one number for each pool.
const fn of_pool(
    name: &'static str,
    kind: FamilyKind,
    unit: &'static str,
    help: &'static str,
    read: fn(&Sample) -> f64,
) -> Family {
    Family { name, kind, unit, help, labels: &[POOL], source: Source::Number(read) }
}

fn connections(sample: &Sample, put: &mut Put<'_>) {
    let stats = &sample.stats;
    // `idle` and `used` are the conventions' own words; they leave it to others to name further states.
    let states = [
        ("idle", stats.idle),
        ("used", stats.active),
        ("creating", stats.creating),
        ("validating", stats.validating),
        ("closing", stats.destroying),
    ];
    for (state, count) in states {
        put(&[state], count as f64);
    }
}

fn acquires(sample: &Sample, put: &mut Put<'_>) {
    let counters = &sample.counters;
    let outcomes = [
        ("acquired", counters.acquired),
        ("timed_out", counters.timed_out),
        ("cancelled", counters.cancelled),
        ("queue_full", counters.queue_full),
        ("paused", counters.paused),
        ("closed_pool", counters.closed_pool),
        ("unavailable", counters.unavailable),
        ("none_free", counters.none_free),
        ("check_failed", counters.checks_failed),
    ];
    for (outcome, count) in outcomes {
        put(&[outcome], count as f64);
    }
}

fn outcomes(all: u64, failed: u64, put: &mut Put<'_>) {
    put(&["ok"], all.saturating_sub(failed) as f64);
    put(&["failed"], failed as f64);
}

fn part_of_max(connections: usize, sample: &Sample) -> f64 {
    if sample.stats.max == 0 { 0.0 } else { connections as f64 / sample.stats.max as f64 }
}

fn number_of(is_so: bool) -> f64 {
    if is_so { 1.0 } else { 0.0 }
}

/// A rule may have several alerts in a pool, told apart by labels of its own, which may have any name. They are counted.
fn alerts(exposition: &Exposition<'_>, put: &mut Put<'_>) {
    let mut counts = BTreeMap::<_, u32>::new();
    let present = exposition.alerts.iter().filter(|alert| alert.state != AlertState::Resolved);
    for Alert { rule, severity, state, pool, .. } in present.map(|alert| &**alert) {
        let pool = pool.as_deref().unwrap_or_default();
        *counts.entry([rule, severity.as_str(), state.as_str(), pool]).or_default() += 1;
    }
    for (labels, count) in counts {
        put(&labels, f64::from(count));
    }
}
