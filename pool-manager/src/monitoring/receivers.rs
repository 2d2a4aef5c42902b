//! Who is told of alerts, as a configuration says it.

use std::sync::Arc;

use pool_config::{AlertReceiver, ReceiverType};
use pool_monitor::{AlertSink, LogSink};

use super::{MonitoringErrors, MonitoringProblem};
use crate::regular_file;

/// A receiver with all that it takes to tell it something. Equal ones need no other sink.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Addressee {
    receiver: AlertReceiver,
    /// What its file holds.
    url: Option<pool_config::Secret>,
}

/// The receivers of a configuration, with what their files hold now.
///
/// # Errors
///
/// Names every receiver that cannot be told anything, with the cause. No URL is shown.
pub(super) fn addressees(receivers: &[AlertReceiver]) -> Result<Vec<Addressee>, MonitoringErrors> {
    let (mut found, mut problems) = (Vec::new(), Vec::new());
    for receiver in receivers {
        match Addressee::of(receiver) {
            Ok(addressee) => found.push(addressee),
            Err(problem) => problems.push(problem),
        }
    }
    if problems.is_empty() { Ok(found) } else { Err(MonitoringErrors { problems }) }
}

/// What tells them; without any the log.
pub(super) fn sinks(addressees: &[Addressee]) -> Vec<Arc<dyn AlertSink>> {
    if addressees.is_empty() {
        return vec![Arc::new(LogSink::new())];
    }
    // Whoever is among them has been tried.
    addressees.iter().filter_map(|addressee| addressee.sink().ok()).collect()
}

impl Addressee {
    fn of(receiver: &AlertReceiver) -> Result<Self, MonitoringProblem> {
        let objection = |key: &str, value: String, problem: String, help: &str| MonitoringProblem {
            key: format!("monitoring.alerts.receivers[{:?}].{key}", receiver.name),
            value,
            problem,
            help: help.to_owned(),
        };
        if let Some(kind) = not_compiled_in(receiver.kind) {
            let problem = "this program was built without the feature that it takes".to_owned();
            let help = "enable the feature `push` of the crate `pool-manager`";
            return Err(objection("type", kind.to_owned(), problem, help));
        }
        let url = match (&receiver.url, &receiver.url_file) {
            (None, Some(path)) => {
                let refuse = |problem| {
                    objection("url_file", path.display().to_string(), problem, "write the URL into this file")
                };
                let content = regular_file::read(path).map_err(|error| refuse(error.to_string()))?;
                let text = String::from_utf8(content).map_err(|_| refuse("it is no text".to_owned()))?;
                Some(pool_config::Secret::new(text.trim()))
            }
            (url, _) => url.clone(),
        };
        let addressee = Addressee { receiver: receiver.clone(), url };
        addressee.sink().map_err(|problem| {
            let (key, value) = match &receiver.url_file {
                Some(path) => ("url_file", path.display().to_string()),
                None => ("url", "***".to_owned()),
            };
            objection(key, value, problem, "write it as `https://host/path`")
        })?;
        Ok(addressee)
    }

    #[cfg(feature = "push")]
    fn sink(&self) -> Result<Arc<dyn AlertSink>, String> {
        use pool_monitor::{AlertmanagerSink, WebhookSink};

        let Addressee { receiver, url } = self;
        let AlertReceiver { name, resend, max_alerts, send_resolved, .. } = receiver;
        let url = url.as_ref().map_or("", |url| url.expose());
        Ok(match receiver.kind {
            ReceiverType::Log => Arc::new(LogSink::new()),
            ReceiverType::Alertmanager => {
                let sink = AlertmanagerSink::new(name, url).map_err(|error| error.problem.to_owned())?;
                Arc::new(resend.map_or(sink.clone(), |interval| sink.resend_interval(interval)))
            }
            ReceiverType::Webhook => {
                let sink = WebhookSink::new(name, url).map_err(|error| error.problem.to_owned())?;
                Arc::new(
                    sink.max_alerts(max_alerts.unwrap_or(0)).send_resolved(send_resolved.unwrap_or(true)),
                )
            }
        })
    }

    /// Others than the log have been refused.
    #[cfg(not(feature = "push"))]
    fn sink(&self) -> Result<Arc<dyn AlertSink>, String> {
        Ok(Arc::new(LogSink::new()))
    }
}

/// The name of this type if nobody of it can be told without a feature that is missing.
fn not_compiled_in(kind: ReceiverType) -> Option<&'static str> {
    match kind {
        _ if cfg!(feature = "push") => None,
        ReceiverType::Log => None,
        ReceiverType::Alertmanager => Some("alertmanager"),
        ReceiverType::Webhook => Some("webhook"),
    }
}
