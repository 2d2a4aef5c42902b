//! Samples and metrics as JSON.

use std::time::Duration;

use pool_core::{Histogram, PoolCounters, PoolStats};
use serde_json::{Map, Value, json};

use super::Exposition;
use crate::alert::time;
use crate::performance::PerformanceMetrics;
use crate::sample::Sample;

/// Quantiles that are shown of a histogram.
const QUANTILES: [(&str, f64); 4] = [("p50", 0.5), ("p95", 0.95), ("p99", 0.99), ("p999", 0.999)];

pub(super) fn value(exposition: &Exposition<'_>) -> Value {
    json!({
        "version": env!("CARGO_PKG_VERSION"),
        "pools": exposition.samples.iter().map(|sample| of_pool(sample)).collect::<Vec<_>>(),
    })
}

/// Metrics as JSON, one object for each. Durations are in seconds, and `null` where there is nothing they could be of.
pub fn metrics_json(metrics: &[PerformanceMetrics]) -> Value {
    metrics.iter().map(performance).collect()
}

fn performance(metrics: &PerformanceMetrics) -> Value {
    // Every field by name, so that none is forgotten when one more comes.
    let PerformanceMetrics {
        pool,
        measured_at,
        interval,
        uptime,
        current_connections,
        active_connections,
        idle_connections,
        max_connections,
        healthy_connections,
        unhealthy_connections,
        waiting_requests,
        oldest_wait,
        utilization,
        average_utilization,
        peak_utilization,
        peak_active_connections,
        connections_per_second,
        error_rate,
        average_wait_time,
        wait_time_p99,
        average_use_time,
        connect_failure_rate,
        peak_connections,
        total_requests,
        successful_requests,
        failed_requests,
        connections_created,
        connections_destroyed,
        connections_failed,
        average_connection_time,
        average_acquire_time,
        average_lifetime,
        average_idle_time,
        last_created,
        last_destroyed,
        last_acquired,
        last_released,
    } = metrics;
    json!({
        "pool": &**pool,
        "measuredAt": time::show(*measured_at),
        "intervalSeconds": seconds(*interval),
        "uptimeSeconds": seconds(*uptime),
        "now": {
            "connections": current_connections,
            "active": active_connections,
            "idle": idle_connections,
            "max": max_connections,
            "healthy": healthy_connections,
            "unhealthy": unhealthy_connections,
            "waiting": waiting_requests,
            "oldestWaitSeconds": seconds(*oldest_wait),
            "utilization": utilization,
        },
        "inInterval": {
            "averageUtilization": average_utilization,
            "peakUtilization": peak_utilization,
            "peakActive": peak_active_connections,
            "connectionsPerSecond": connections_per_second,
            "errorRate": error_rate,
            "averageWaitSeconds": average_wait_time.map(seconds),
            "waitP99Seconds": wait_time_p99.map(seconds),
            "averageUseSeconds": average_use_time.map(seconds),
            "connectFailureRate": connect_failure_rate,
        },
        "sinceStart": {
            "peakConnections": peak_connections,
            "requests": total_requests,
            "successfulRequests": successful_requests,
            "failedRequests": failed_requests,
            "created": connections_created,
            "destroyed": connections_destroyed,
            "connectsFailed": connections_failed,
            "averageConnectSeconds": seconds(*average_connection_time),
            "averageAcquireSeconds": seconds(*average_acquire_time),
            "averageLifetimeSeconds": seconds(*average_lifetime),
            "averageIdleSeconds": seconds(*average_idle_time),
        },
        "secondsSince": {
            "created": last_created.map(seconds),
            "destroyed": last_destroyed.map(seconds),
            "acquired": last_acquired.map(seconds),
            "released": last_released.map(seconds),
        },
    })
}

fn of_pool(sample: &Sample) -> Value {
    json!({
        "name": &*sample.pool,
        "measuredAt": time::show(sample.measured_at),
        "target": sample.target.as_ref().map(ToString::to_string),
        "health": sample.health.as_str(),
        "breaker": sample.breaker.map(crate::target::BreakerState::as_str),
        "flapping": sample.flapping,
        "paused": sample.paused,
        "outage": sample.outage,
        "acquireTimeoutSeconds": seconds(sample.acquire_timeout),
        "utilization": {
            "now": sample.stats.utilization(),
            "average": sample.average_utilization,
        },
        "peakActive": sample.peak_active,
        "violation": sample.violation.map(|violation| violation.to_string()),
        "tookSeconds": seconds(sample.took),
        "connections": connections(&sample.stats),
        "totals": totals(&sample.counters),
        "waitSeconds": durations(&sample.histograms.wait, sample.counters.average_wait_time()),
        "useSeconds": durations(&sample.histograms.usage, sample.counters.average_use_time()),
        "connectSeconds": durations(&sample.histograms.connect, sample.counters.average_connect_time()),
    })
}

fn connections(stats: &PoolStats) -> Value {
    json!({
        "total": stats.total,
        "idle": stats.idle,
        "active": stats.active,
        "validating": stats.validating,
        "creating": stats.creating,
        "destroying": stats.destroying,
        "waiting": stats.waiting,
        "oldestWaitSeconds": seconds(stats.oldest_wait),
        "leaked": stats.leaked,
        "unhealthy": stats.unhealthy,
        "max": stats.max,
        "min": stats.min,
    })
}

fn totals(counters: &PoolCounters) -> Value {
    let closed: Map<String, Value> =
        counters.closed.iter().map(|(reason, count)| (reason.as_str().to_owned(), count.into())).collect();
    json!({
        "requests": counters.requests,
        "acquired": counters.acquired,
        "timedOut": counters.timed_out,
        "cancelled": counters.cancelled,
        "queueFull": counters.queue_full,
        "paused": counters.paused,
        "closedPool": counters.closed_pool,
        "unavailable": counters.unavailable,
        "noneFree": counters.none_free,
        "checksFailed": counters.checks_failed,
        "released": counters.released,
        "created": counters.created,
        "connectFailed": counters.connect_failed,
        "closed": closed,
        "validations": counters.validations,
        "validationsFailed": counters.validations_failed,
        "resets": counters.resets,
        "resetsFailed": counters.resets_failed,
        "flushes": counters.flushes,
        "leaks": counters.leaks,
        "panics": counters.panics,
        "recoveryExhausted": counters.recovery_exhausted,
        "elapsedSeconds": seconds(counters.elapsed),
    })
}

/// Since the pool was built.
fn durations(histogram: &Histogram, mean: Duration) -> Value {
    let mut all = Map::new();
    all.insert("count".to_owned(), histogram.count().into());
    all.insert("mean".to_owned(), seconds(mean).into());
    for (name, share) in QUANTILES {
        all.insert(name.to_owned(), seconds(histogram.quantile(share)).into());
    }
    Value::Object(all)
}

fn seconds(duration: Duration) -> f64 {
    duration.as_secs_f64()
}
