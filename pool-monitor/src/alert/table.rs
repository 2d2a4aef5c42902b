//! Alerts as a table for people.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use super::rule::show;
use super::{Alert, AlertState};

/// Shows alerts as a table, in the order they come in.
///
/// # Examples
///
/// ```
/// # use std::time::SystemTime;
/// # use pool_monitor::{AlertManager, AlertSettings, AlertTable, DefaultRules};
/// # let alerts = AlertManager::new(DefaultRules::default().rules(), AlertSettings::default())?;
/// println!("{}", AlertTable::new(&alerts.alerts(), SystemTime::now()));
/// # Ok::<(), pool_monitor::AlertSettingsError>(())
/// ```
#[derive(Debug)]
pub struct AlertTable<'a> {
    alerts: &'a [Arc<Alert>],
    time: SystemTime,
}

const HEADINGS: [&str; 8] =
    ["severity", "state", "since", "pool", "alert", "value", "message", "acknowledged by"];

impl<'a> AlertTable<'a> {
    /// These alerts, as of `time`.
    pub fn new(alerts: &'a [Arc<Alert>], time: SystemTime) -> Self {
        AlertTable { alerts, time }
    }

    fn row(&self, alert: &Alert) -> [String; 8] {
        let value = show(alert.metric, alert.value);
        let threshold = show(alert.metric, alert.threshold);
        let cells = [
            alert.severity.to_string(),
            state(alert),
            ago(self.time.duration_since(alert.since()).unwrap_or_default()),
            alert.pool.as_deref().unwrap_or("-").to_owned(),
            alert.rule.to_string(),
            format!("{value} ({} {threshold})", alert.comparison),
            alert.message.clone(),
            alert.acknowledgement.as_ref().map_or_else(|| "-".to_owned(), |known| known.by.clone()),
        ];
        // Names and comments come from files and people: none of them steers a terminal.
        cells.map(|cell| cell.replace(char::is_control, " "))
    }
}

/// The state, and why nobody is told of it.
fn state(alert: &Alert) -> String {
    let mut state = alert.state.to_string();
    if alert.state != AlertState::Resolved {
        for (is_so, word) in [
            (!alert.silenced_by.is_empty(), "silenced"),
            (!alert.inhibited_by.is_empty(), "inhibited"),
            (alert.flapping, "flapping"),
        ] {
            if is_so {
                state = state + ", " + word;
            }
        }
    }
    state
}

/// In its two largest units.
fn ago(age: Duration) -> String {
    let seconds = age.as_secs();
    let (minutes, hours, days) = (seconds / 60, seconds / 3_600, seconds / 86_400);
    match seconds {
        0..60 => format!("{seconds}s"),
        60..3_600 => format!("{minutes}m{:02}s", seconds % 60),
        3_600..86_400 => format!("{hours}h{:02}m", minutes % 60),
        _ => format!("{days}d{:02}h", hours % 24),
    }
}

impl fmt::Display for AlertTable<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.alerts.is_empty() {
            return f.write_str("no alerts\n");
        }
        let rows: Vec<[String; 8]> = std::iter::once(HEADINGS.map(str::to_owned))
            .chain(self.alerts.iter().map(|alert| self.row(alert)))
            .collect();
        let mut widths = [0; 8];
        for row in &rows {
            for (width, cell) in widths.iter_mut().zip(row) {
                *width = (*width).max(cell.chars().count());
            }
        }
        for row in &rows {
            let mut line = String::new();
            for (width, cell) in widths.iter().zip(row) {
                line.push_str(&format!("{cell:width$}  "));
            }
            writeln!(f, "{}", line.trim_end())?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
