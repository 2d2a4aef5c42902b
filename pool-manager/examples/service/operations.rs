//! What those who run the service ask.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use pool_core::PoolSnapshot;
use pool_manager::PoolManager;
use pool_monitor::{CONTENT_TYPE, alerts_json};
use serde_json::{Value, json};

/// Whether the process works. Never a question to a database: a restart of the service would not mend that.
pub(crate) async fn healthy() -> &'static str {
    "ok"
}

/// Whether requests should be sent here: whether the pools that are required can deliver; if not, which, and why.
pub(crate) async fn ready(State(manager): State<PoolManager>) -> (StatusCode, String) {
    let readiness = manager.readiness().await;
    let status = if readiness.is_ready() { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, readiness.to_string())
}

/// How all pools are, and what became of reloads.
pub(crate) async fn stats(State(manager): State<PoolManager>) -> Json<Value> {
    let pools: BTreeMap<_, _> =
        manager.snapshots().into_iter().map(|(name, pool)| (name, numbers(&pool))).collect();
    let reloads = manager.reload_stats();
    Json(json!({
        "pools": pools,
        "configuration": {
            "generation": reloads.generation,
            "refused": reloads.refused,
            "last_error": reloads.last_error,
        },
    }))
}

/// The same and more for a Prometheus.
pub(crate) async fn metrics(State(manager): State<PoolManager>) -> impl IntoResponse {
    ([(header::CONTENT_TYPE, CONTENT_TYPE)], manager.prometheus_text())
}

/// What is wrong now, the worst first. The log is told of it `group_wait_ms` later.
pub(crate) async fn alerts(State(manager): State<PoolManager>) -> Json<Value> {
    Json(json!({ "alerts": alerts_json(&manager.monitor().alerts()) }))
}

fn numbers(PoolSnapshot { stats, counters, .. }: &PoolSnapshot) -> Value {
    json!({
        "max": stats.max,
        "open": stats.open(),
        "idle": stats.idle,
        "active": stats.active,
        "waiting": stats.waiting,
        "acquired": counters.acquired,
        "timed_out": counters.timed_out,
        "unavailable": counters.unavailable,
        "created": counters.created,
    })
}
