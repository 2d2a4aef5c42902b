//! Alerts for the tests of what shows them.

use super::super::{AlertManager, AlertSettings, DefaultRules};
use super::*;
use crate::condition::Readings;
use crate::metric::Metric;
use tokio::time::Instant;

struct Busy(f64);

impl Readings for Busy {
    fn read(&self, metric: Metric, _window: Option<Duration>) -> Option<f64> {
        Some(match metric {
            Metric::Utilization => self.0,
            Metric::NoConnections => 1.0,
            Metric::OldestWaitShare if self.0 > 0.85 => 0.75,
            _ => 0.0,
        })
    }
}

/// One of each state, and when it is.
pub(crate) fn samples() -> (Vec<Arc<Alert>>, SystemTime) {
    let mut manager = AlertManager::new(DefaultRules::default().rules(), AlertSettings::default()).unwrap();
    let (start, beginning) = (Instant::now(), SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000));
    let mut evaluate = |seconds, value| {
        let age = Duration::from_secs(seconds);
        manager.evaluate(start + age, beginning + age, &[("localhost:5432/app", &Busy(value))]);
        manager.all()
    };
    evaluate(0, 0.93);
    let all = evaluate(5, 0.75);
    let id = all.iter().find(|alert| &*alert.rule == "PoolUtilizationHigh").unwrap().id;
    let at = beginning + Duration::from_secs(65);
    manager.acknowledge(id, Acknowledgement::new("ada", "on it", at)).unwrap();
    (manager.all(), at)
}
