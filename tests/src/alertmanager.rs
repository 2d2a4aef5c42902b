//! Alertmanager.
//!
//! It takes alerts over its API, and tells them to the receivers of its configuration.

use std::time::Duration;

use rustix::process::Signal;
use serde_json::Value;

use crate::ask;
use crate::process::{Kind, Place, Server, ServerError};
use crate::prometheus::ready;

/// The settings of an Alertmanager.
#[derive(Debug, Clone)]
pub struct Alertmanager {
    webhook: Option<String>,
    group_by: Vec<String>,
    group_wait: Duration,
    group_interval: Duration,
}

impl Alertmanager {
    /// Tells nobody. It waits 1 s for a group to be complete, and 1 s until it looks at it again.
    pub fn new() -> Self {
        Alertmanager {
            webhook: None,
            group_by: Vec::new(),
            group_wait: Duration::from_secs(1),
            group_interval: Duration::from_secs(1),
        }
    }

    /// Tells everything to this URL.
    pub fn webhook(mut self, url: impl Into<String>) -> Self {
        self.webhook = Some(url.into());
        self
    }

    /// The labels by which alerts are a group. None if nothing is said: all are one.
    pub fn group_by(mut self, labels: &[&str]) -> Self {
        self.group_by = labels.iter().map(|label| (*label).to_owned()).collect();
        self
    }

    /// Starts an Alertmanager with these settings and waits until it answers.
    ///
    /// # Errors
    ///
    /// Alertmanager is not installed, or does not start.
    ///
    /// # Cancel safety
    ///
    /// Nothing stays behind.
    pub async fn launch(self) -> Result<Server<Self>, ServerError> {
        Server::launch(self).await
    }
}

impl Default for Alertmanager {
    fn default() -> Self {
        Self::new()
    }
}

impl Kind for Alertmanager {
    /// As Debian calls it.
    const PROGRAM: &'static str = "prometheus-alertmanager";
    const USER: Option<&'static str> = None;
    const STOP: Signal = Signal::TERM;

    async fn create(&self, _place: &Place) -> Result<(), ServerError> {
        Ok(())
    }

    fn configure(&self, place: &Place) -> Result<Vec<String>, ServerError> {
        let hook = self.webhook.iter().map(|url| format!("  webhook_configs:\n  - url: '{url}'\n"));
        let file = format!(
            "route:\n  receiver: all\n  group_by: [{}]\n  group_wait: {}ms\n  group_interval: {}ms\nreceivers:\n- name: all\n{}",
            self.group_by.join(", "),
            self.group_wait.as_millis(),
            self.group_interval.as_millis(),
            hook.collect::<String>(),
        );
        Ok(vec![
            format!("--config.file={}", place.write("alertmanager.yml", &file)?.display()),
            format!("--storage.path={}", place.path("data").display()),
            format!("--web.listen-address=127.0.0.1:{}", place.port()),
            // No other Alertmanager is looked for.
            "--cluster.listen-address=".to_owned(),
        ])
    }

    async fn answers(&self, place: &Place) -> Result<(), String> {
        ready(place.port()).await
    }
}

impl Server<Alertmanager> {
    /// Its URL.
    pub fn url(&self) -> String {
        format!("http://{}", self.address())
    }

    /// The alerts that it has, and that are not over.
    ///
    /// # Panics
    ///
    /// It does not answer, or not with success.
    pub async fn alerts(&self) -> Vec<Value> {
        let asked = ask::get(self.address(), "/api/v2/alerts").await;
        let answer = asked.unwrap_or_else(|error| panic!("{error}\n{}", self.log()));
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.json().as_array().cloned().unwrap_or_else(|| panic!("no alerts: {answer:?}"))
    }
}
