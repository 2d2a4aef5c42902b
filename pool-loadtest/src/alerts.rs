//! The alerts that a load raises: a monitor that watches the pool meanwhile.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use pool_config::Monitoring;
use pool_core::{PoolControl, PoolSet};
use pool_manager::{alert_rules, alert_settings, monitor_settings};
use pool_monitor::{Alert, PoolMonitor};

use crate::clock::millis;
use crate::result::RaisedAlert;

/// A monitor that watches one pool.
pub(crate) struct Watch {
    monitor: PoolMonitor,
    begun: SystemTime,
}

impl Watch {
    /// Begins to watch.
    ///
    /// # Errors
    ///
    /// If the configuration was made in code and holds what a file may not hold.
    pub(crate) fn begin(pool: impl PoolControl, config: &Monitoring) -> Result<Self, WatchError> {
        let set = PoolSet::new();
        set.insert(pool).map_err(WatchError::new)?;
        let monitor = PoolMonitor::new(set, monitor_settings(config)).map_err(WatchError::new)?;
        monitor.set_alert_settings(alert_settings(config)).map_err(WatchError::new)?;
        monitor.set_alert_rules(alert_rules(config)).map_err(WatchError::new)?;
        monitor.start();
        Ok(Watch { monitor, begun: SystemTime::now() })
    }

    /// Looks once more and ends. What was raised is returned in the order in which it was.
    pub(crate) async fn end(self) -> Vec<RaisedAlert> {
        self.monitor.stop().await;
        self.monitor.collect();
        let mut alerts: Vec<_> =
            self.monitor.all_alerts().iter().filter_map(|alert| self.raised(alert)).collect();
        alerts.sort_by(|a, b| a.raised_at_ms.total_cmp(&b.raised_at_ms).then_with(|| a.id.cmp(&b.id)));
        alerts
    }

    /// `None` for one that has not fired.
    fn raised(&self, alert: &Arc<Alert>) -> Option<RaisedAlert> {
        let since_begun =
            |time: SystemTime| millis(time.duration_since(self.begun).unwrap_or(Duration::ZERO));
        Some(RaisedAlert {
            id: alert.id.to_string(),
            alertname: alert.rule.to_string(),
            severity: alert.severity.as_str(),
            raised_at_ms: since_begun(alert.started_at?),
            cleared_at_ms: alert.ended_at.map(since_begun),
            value: Some(alert.value).filter(|value| value.is_finite()),
            limit: alert.threshold,
            message: alert.message.clone(),
        })
    }
}

/// Why there is no monitor.
#[derive(Debug, thiserror::Error)]
#[error("watch the pool for alerts")]
pub struct WatchError(#[source] Box<dyn std::error::Error + Send + Sync>);

impl WatchError {
    fn new(source: impl std::error::Error + Send + Sync + 'static) -> Self {
        WatchError(Box::new(source))
    }
}
