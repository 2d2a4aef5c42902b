//! Who is told of alerts, as a configuration says it.

use std::collections::BTreeMap;
use std::sync::Arc;

use pool_config::{AlertReceiver, Monitoring, ReceiverType};
use pool_monitor::{AlertSink, LogSink};

use super::{MonitoringErrors, MonitoringProblem};
use crate::regular_file;

/// A receiver with all that it takes to tell it something. Equal ones need no other sink.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Addressee {
    receiver: AlertReceiver,
    /// What its file holds.
    url: Option<pool_config::Secret>,
    /// What alerts are labelled with besides, where they are pushed.
    external_labels: BTreeMap<String, String>,
}

/// What tells an addressee.
pub(super) type Telling = (Addressee, Arc<dyn AlertSink>);

/// The receivers of a configuration, with what their files hold now; without any the log.
///
/// # Errors
///
/// Names every receiver that cannot be told anything, with the cause. No URL is shown.
pub(super) fn addressees(config: &Monitoring) -> Result<Vec<Addressee>, MonitoringErrors> {
    let log = [AlertReceiver { name: "log".to_owned(), kind: ReceiverType::Log, ..AlertReceiver::default() }];
    let receivers = match &config.alerts.receivers[..] {
        [] => &log,
        receivers => receivers,
    };
    let (mut found, mut problems) = (Vec::new(), Vec::new());
    for receiver in receivers {
        match Addressee::of(receiver, &config.external_labels) {
            Ok(addressee) => found.push(addressee),
            Err(problem) => problems.push(problem),
        }
    }
    if problems.is_empty() { Ok(found) } else { Err(MonitoringErrors { problems }) }
}

/// What tells them: for those that are among `before` what has told them.
pub(super) fn telling(addressees: &[Addressee], before: &[Telling]) -> Vec<Telling> {
    let telling = |addressee: &Addressee| {
        let known = before.iter().find(|(known, _)| known == addressee);
        // Whoever is among them has been tried.
        let sink = known.map(|(_, sink)| Arc::clone(sink)).or_else(|| addressee.sink().ok())?;
        Some((addressee.clone(), sink))
    };
    addressees.iter().filter_map(telling).collect()
}

impl Addressee {
    fn of(
        receiver: &AlertReceiver,
        external_labels: &BTreeMap<String, String>,
    ) -> Result<Self, MonitoringProblem> {
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
        // The log is told of nobody else's alerts, and does not change with them.
        let is_pushed = receiver.kind != ReceiverType::Log;
        let external_labels = if is_pushed { external_labels.clone() } else { BTreeMap::new() };
        let addressee = Addressee { receiver: receiver.clone(), url, external_labels };
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
        use pool_monitor::{AlertmanagerSink, Labels, WebhookSink};

        let Addressee { receiver, url, external_labels } = self;
        let AlertReceiver { name, resend, max_alerts, send_resolved, .. } = receiver;
        let url = url.as_ref().map_or("", |url| url.expose());
        let labels: Labels =
            external_labels.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        Ok(match receiver.kind {
            ReceiverType::Log => Arc::new(LogSink::new()),
            ReceiverType::Alertmanager => {
                let sink = AlertmanagerSink::new(name, url).map_err(|error| error.problem.to_owned())?;
                let sink = sink.external_labels(labels);
                Arc::new(resend.map_or(sink.clone(), |interval| sink.resend_interval(interval)))
            }
            ReceiverType::Webhook => {
                let sink = WebhookSink::new(name, url).map_err(|error| error.problem.to_owned())?;
                let sink = sink.external_labels(labels);
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
