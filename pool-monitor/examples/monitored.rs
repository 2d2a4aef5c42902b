//! A service with two pools that shows their metrics and alerts, and tells the log and an Alertmanager of what fires.
//!
//! ```sh
//! cargo run -p pool-monitor --features push --example monitored
//! curl http://127.0.0.1:8080/metrics
//! ```
//!
//! | path | what |
//! |---|---|
//! | `/` | these paths |
//! | `/metrics` | for Prometheus |
//! | `/metrics.json` | the same numbers for programs |
//! | `/alerts` | what is wrong, for people |
//! | `/api/v2/alerts` | the same for `amtool --alertmanager.url=http://127.0.0.1:8080` |
//! | POST `/busy`, `/idle` | holds nine of ten connections of the pool `orders`, and gives them back |
//!
//! | variable | what |
//! |---|---|
//! | `LISTEN` | where it listens; default `127.0.0.1:8080` |
//! | `ALERTMANAGER` | the URL of an Alertmanager that is told of alerts; default none |
//! | `ALERTMANAGER_RESEND_MS` | how often; without a further word an alert is over after four times as long. Default: a minute, four minutes |
//! | `COLLECTION_INTERVAL_MS` | how often the pools are measured; default 1000 |
//!
//! An alert is in `/alerts` at the next measurement. The log is told of it half a minute later: so long the first alert of a group waits for others,
//! unless `AlertSettings::group_wait` says otherwise. An Alertmanager is told at once.
//!
//! Ctrl-C and SIGTERM end it. The connections are make-believe; any other connector does, such as those of `pool-drivers`.

use std::error::Error;
use std::io::Write as _;
use std::process::ExitCode;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE as MEDIA_TYPE;
use axum::response::IntoResponse;
use axum::routing::{get, post};
use axum::{Json, Router};
use pool_core::fake::{Act, FakeConnector};
use pool_core::{Pool, PoolSet, Pooled};
use pool_monitor::{
    AlertDispatcher, AlertSink, AlertTable, AlertmanagerSink, CONTENT_TYPE, DispatcherSettings, Exposition,
    LogSink, MonitorSettings, PoolMonitor, ResendSettings, alertmanager_alerts_json, metrics_json,
};
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::sleep;

type Orders = Pool<FakeConnector>;

#[derive(Clone)]
struct Service {
    orders: Orders,
    monitor: PoolMonitor,
    dispatcher: Arc<AlertDispatcher>,
    /// What `/busy` holds.
    held: Arc<Mutex<Vec<Pooled<FakeConnector>>>>,
}

#[tokio::main]
async fn main() -> ExitCode {
    // Without a subscriber nobody sees what the log is told.
    tracing_subscriber::fmt().with_writer(std::io::stderr).init();
    let done = match std::env::args().nth(1).as_deref() {
        None => run().await,
        Some("--help" | "-h") => help(),
        Some(argument) => Err(format!("understand {argument}: there is only --help, and variables").into()),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!("failed to {error}");
            ExitCode::FAILURE
        }
    }
}

/// Prints the first lines of this file.
fn help() -> Result<(), Box<dyn Error>> {
    let lines = include_str!("monitored.rs").lines().map_while(|line| line.strip_prefix("//!"));
    for line in lines {
        writeln!(std::io::stdout(), "{}", line.strip_prefix(' ').unwrap_or(line))?;
    }
    Ok(())
}

async fn run() -> Result<(), Box<dyn Error>> {
    // From here on these no longer end the process by themselves.
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let pools = PoolSet::new();
    let orders = open("orders", &pools)?;
    let cache = open("cache", &pools)?;

    let settings = MonitorSettings {
        collection_interval: millis("COLLECTION_INTERVAL_MS")?.unwrap_or(Duration::from_secs(1)),
        ..MonitorSettings::default()
    };
    let monitor = PoolMonitor::new(pools, settings)?;
    let dispatcher = Arc::new(AlertDispatcher::start(sinks()?, DispatcherSettings::default()));
    monitor.set_alert_dispatcher(Some(Arc::clone(&dispatcher)));
    monitor.start();

    tokio::spawn(work(orders.clone()));
    tokio::spawn(work(cache));

    let listen = std::env::var("LISTEN").unwrap_or_else(|_| "127.0.0.1:8080".to_owned());
    let listener =
        TcpListener::bind(&listen).await.map_err(|error| format!("listen on {listen}: {error}"))?;
    let address = listener.local_addr()?;
    // In one piece: whoever started it may read the first line alone.
    std::io::stdout()
        .write_all(format!("listening on http://{address}\n{}", to_try(&address.to_string())).as_bytes())?;
    let service = Service {
        orders,
        monitor: monitor.clone(),
        dispatcher: Arc::clone(&dispatcher),
        held: Arc::default(),
    };
    let told_to_stop = async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    };
    axum::serve(listener, routes(service)).with_graceful_shutdown(told_to_stop).await?;

    monitor.stop().await;
    dispatcher.close(Duration::from_secs(5)).await;
    Ok(())
}

fn open(name: &str, pools: &PoolSet) -> Result<Orders, Box<dyn Error>> {
    let connector = FakeConnector::new();
    connector.connects().always(Act::Slow(Duration::from_millis(20)));
    let pool = Pool::builder(connector).name(name).max_connections(10).build()?;
    pools.insert(pool.clone())?;
    Ok(pool)
}

/// Where alerts are told.
fn sinks() -> Result<Vec<Arc<dyn AlertSink>>, Box<dyn Error>> {
    let mut sinks: Vec<Arc<dyn AlertSink>> = vec![Arc::new(LogSink::new())];
    if let Ok(url) = std::env::var("ALERTMANAGER") {
        let mut resends = ResendSettings::default();
        if let Some(interval) = millis("ALERTMANAGER_RESEND_MS")? {
            (resends.interval, resends.lifetime) = (interval, 4 * interval);
        }
        sinks.push(Arc::new(AlertmanagerSink::new("alertmanager", &url)?.resends(resends)));
    }
    Ok(sinks)
}

/// Uses a connection now and then.
async fn work(pool: Orders) {
    while let Ok(connection) = pool.acquire().await {
        sleep(Duration::from_millis(15)).await;
        drop(connection);
        sleep(Duration::from_millis(10)).await;
    }
}

/// What to ask it, and in what order.
fn to_try(address: &str) -> String {
    format!(
        "  curl http://{address}/metrics
  curl -X POST http://{address}/busy   # and a moment later
  curl http://{address}/alerts         # PoolUtilizationHigh; the log tells of it after half a minute (group_wait)
  curl -X POST http://{address}/idle   # it is over
"
    )
}

const PATHS: &str = "\
GET  /metrics        for Prometheus
GET  /metrics.json   the same numbers for programs
GET  /alerts         what is wrong, for people; the log is told half a minute later (group_wait)
GET  /api/v2/alerts  the same for amtool
POST /busy           holds nine of ten connections of the pool `orders`
POST /idle           gives them back
";

fn routes(service: Service) -> Router {
    Router::new()
        .route("/", get(|| async { PATHS }))
        .route("/metrics", get(metrics))
        .route("/metrics.json", get(json))
        .route("/alerts", get(alerts))
        .route("/api/v2/alerts", get(alertmanager_alerts))
        .route("/busy", post(busy))
        .route("/idle", post(idle))
        .with_state(service)
}

async fn metrics(State(service): State<Service>) -> impl IntoResponse {
    let (samples, alerts) = (service.monitor.samples(), service.monitor.all_alerts());
    let (refused, sinks) = (service.monitor.refused_alerts(), service.dispatcher.stats());
    let unmeasured = service.monitor.unmeasured();
    let text = Exposition::of(&samples)
        .unmeasured(&unmeasured)
        .alerts(&alerts)
        .refused(&refused)
        .sinks(&sinks)
        .prometheus_text();
    ([(MEDIA_TYPE, CONTENT_TYPE)], text)
}

async fn json(State(service): State<Service>) -> Json<serde_json::Value> {
    Json(metrics_json(&service.monitor.all_metrics()))
}

async fn alerts(State(service): State<Service>) -> String {
    AlertTable::new(&service.monitor.alerts(), SystemTime::now()).to_string()
}

async fn alertmanager_alerts(State(service): State<Service>) -> Json<serde_json::Value> {
    // An Alertmanager's, after which it takes an alert for over.
    const RESOLVE_TIMEOUT: Duration = Duration::from_secs(300);
    Json(alertmanager_alerts_json(&service.monitor.alerts(), &["log"], RESOLVE_TIMEOUT))
}

async fn busy(State(service): State<Service>) -> Result<(), StatusCode> {
    for _ in 0..9 {
        let connection = service.orders.acquire().await.map_err(|_| StatusCode::SERVICE_UNAVAILABLE)?;
        service.held.lock().unwrap_or_else(PoisonError::into_inner).push(connection);
    }
    Ok(())
}

async fn idle(State(service): State<Service>) {
    service.held.lock().unwrap_or_else(PoisonError::into_inner).clear();
}

/// A variable that holds milliseconds.
fn millis(name: &str) -> Result<Option<Duration>, Box<dyn Error>> {
    let Ok(text) = std::env::var(name) else { return Ok(None) };
    let millis = text.parse().map_err(|error| format!("read {name}: {error}"))?;
    Ok(Some(Duration::from_millis(millis)))
}
