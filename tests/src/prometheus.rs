//! Prometheus.
//!
//! It scrapes what it was told to, keeps what it got in its own folder, and can be asked for it in PromQL.

use std::net::SocketAddr;
use std::time::Duration;

use rustix::process::Signal;
use serde_json::Value;

use crate::ask;
use crate::process::{Kind, Place, Server, ServerError, encode};

/// The settings of a Prometheus.
#[derive(Debug, Clone)]
pub struct Prometheus {
    interval: Duration,
    jobs: Vec<(String, SocketAddr)>,
    rules: Vec<String>,
}

impl Prometheus {
    /// Scrapes nobody.
    pub fn new() -> Self {
        Prometheus { interval: Duration::from_secs(1), jobs: Vec::new(), rules: Vec::new() }
    }

    /// How often it scrapes, and evaluates rules; whole milliseconds. 1 s if nothing is said.
    pub fn interval(mut self, interval: Duration) -> Self {
        self.interval = interval;
        self
    }

    /// Scrapes `/metrics` there.
    pub fn scrape(mut self, job: impl Into<String>, address: SocketAddr) -> Self {
        self.jobs.push((job.into(), address));
        self
    }

    /// One more file of rules, by its text.
    pub fn rules(mut self, yaml: impl Into<String>) -> Self {
        self.rules.push(yaml.into());
        self
    }

    /// Starts a Prometheus with these settings and waits until it answers.
    ///
    /// # Errors
    ///
    /// Prometheus is not installed, or does not start.
    ///
    /// # Cancel safety
    ///
    /// Nothing stays behind.
    pub async fn launch(self) -> Result<Server<Self>, ServerError> {
        Server::launch(self).await
    }
}

impl Default for Prometheus {
    fn default() -> Self {
        Self::new()
    }
}

impl Kind for Prometheus {
    const PROGRAM: &'static str = "prometheus";
    const USER: Option<&'static str> = None;
    const STOP: Signal = Signal::TERM;

    async fn create(&self, _place: &Place) -> Result<(), ServerError> {
        Ok(())
    }

    fn configure(&self, place: &Place) -> Result<Vec<String>, ServerError> {
        let interval = self.interval.as_millis();
        let mut file = format!(
            "global:\n  scrape_interval: {interval}ms\n  scrape_timeout: {interval}ms\n  evaluation_interval: {interval}ms\n"
        );
        file.push_str("rule_files:\n");
        for (number, rules) in self.rules.iter().enumerate() {
            let path = place.write(&format!("rules-{number}.yml"), rules)?;
            file.push_str(&format!("- {}\n", path.display()));
        }
        file.push_str("scrape_configs:\n");
        for (job, address) in &self.jobs {
            let target = format!("- job_name: {job}\n  static_configs:\n  - targets: ['{address}']\n");
            file.push_str(&target);
        }
        Ok(vec![
            format!("--config.file={}", place.write("prometheus.yml", &file)?.display()),
            format!("--storage.tsdb.path={}", place.path("data").display()),
            format!("--web.listen-address=127.0.0.1:{}", place.port()),
        ])
    }

    async fn answers(&self, place: &Place) -> Result<(), String> {
        ready(place.port()).await
    }
}

impl Server<Prometheus> {
    /// The result of a query for now: one element for each series.
    ///
    /// # Panics
    ///
    /// It does not answer, or the query is none.
    pub async fn query(&self, promql: &str) -> Vec<Value> {
        let answer = self.api(&format!("/api/v1/query?query={}", encode(promql))).await;
        answer["data"]["result"].as_array().cloned().unwrap_or_else(|| panic!("no result: {answer}"))
    }

    /// The number that a query results in for now; `None` if it results in nothing.
    ///
    /// # Panics
    ///
    /// It does not answer, the query is none, or it results in more than one series.
    pub async fn number(&self, promql: &str) -> Option<f64> {
        let result = self.query(promql).await;
        assert!(result.len() < 2, "{promql} is {result:?}");
        let number = result.first()?["value"][1].as_str()?.parse();
        Some(number.unwrap_or_else(|error| panic!("{error}: {result:?}")))
    }

    /// What its API answers to a GET.
    ///
    /// # Panics
    ///
    /// It does not answer, or not with success.
    pub async fn api(&self, path: &str) -> Value {
        let answer =
            ask::get(self.address(), path).await.unwrap_or_else(|error| panic!("{error}\n{}", self.log()));
        assert_eq!(answer.status, 200, "{path}: {answer:?}");
        answer.json()
    }
}

/// Whether a server of this family is ready.
pub(crate) async fn ready(port: u16) -> Result<(), String> {
    match ask::get(SocketAddr::from(([127, 0, 0, 1], port)), "/-/ready").await {
        Ok(answer) if answer.status == 200 => Ok(()),
        Ok(answer) => Err(format!("{answer:?}")),
        Err(error) => Err(error.to_string()),
    }
}
