//! Measures pools over time, keeps what it measured, and raises alerts.

mod alert;
mod collector;
mod columns;
mod condition;
mod export;
mod history;
mod metric;
mod monitor;
mod performance;
mod sample;
mod settings;
mod sink;
mod target;
mod timeline;

pub use alert::{
    Acknowledgement, Alert, AlertEvent, AlertId, AlertIdError, AlertManager, AlertRule, AlertSettings,
    AlertSettingsError, AlertSnapshot, AlertState, AlertTable, DefaultRules, Fingerprint, FingerprintError,
    InhibitRule, Labels, MatchOperator, Matcher, MatcherError, NoData, Notification, NotificationReason,
    NotificationStatus, Reason, RefusedAlerts, RulesFile, RulesFileSettings, Severity, Silence, SilenceError,
    SilenceId, SilenceState, SnapshotError, Transition, VerbError, alertmanager_alerts_json, alerts_json,
    prometheus_alerts_json,
};
pub use condition::{Comparison, Condition, Readings};
#[cfg(feature = "otel")]
pub use export::OtelExporter;
pub use export::{CONTENT_TYPE, Exposition, Family, FamilyKind, metrics_json};
pub use history::{HistoryPoint, MetricsHistory, MetricsWindow, Trend};
pub use metric::{Metric, MetricKind};
pub use monitor::{PoolMonitor, WeakPoolMonitor};
pub use performance::PerformanceMetrics;
pub use pool_core::{SettingProblem, SettingsError};
pub use sample::{Sample, Unmeasured, Violation};
pub use settings::{MonitorSettings, TierSettings};
pub use sink::{
    AlertDispatcher, AlertSink, CallbackSink, DispatcherSettings, LogSink, Resend, ResendSettings, SinkError,
    SinkFuture, SinkStats,
};
#[cfg(feature = "push")]
pub use sink::{AlertmanagerSink, PushUrlError, WebhookSink};
pub use target::{BreakerState, TargetHealth, TargetSource};
