//! The monitor of the pools of a manager: measurements, history and alerts, as the configuration wants them.

mod receivers;
mod rules;
mod state_file;
mod targets;

use std::fmt;
use std::path::PathBuf;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::task::{Context, Waker};
use std::time::Duration;

use pool_config::{Alerts, Inhibition, Monitoring};
use pool_core::PoolSet;
use pool_monitor::{
    AlertDispatcher, AlertEvent, AlertRule, AlertSettings, AlertSink, DefaultRules, DispatcherSettings,
    Exposition, InhibitRule, MatchOperator, Matcher, MonitorSettings, PoolMonitor, SinkStats, TierSettings,
};

use crate::manager::{PoolManager, Shared};
use receivers::{Addressee, Telling};
use state_file::StateFile;
use targets::Targets;

/// How long receivers that a reload has replaced get for what was under way to them.
const LAST_WORDS: Duration = Duration::from_secs(10);

/// What `monitoring` says of collecting and of history, as settings of a monitor.
pub fn monitor_settings(config: &Monitoring) -> MonitorSettings {
    let Monitoring { collection_interval, retention_period, max_memory_bytes, .. } = *config;
    let tier = |tier: &pool_config::HistoryTier| TierSettings { step: tier.step, retention: tier.retention };
    MonitorSettings {
        collection_interval,
        retention_period,
        tiers: config.history_tiers().iter().map(tier).collect(),
        max_memory_bytes: usize::try_from(max_memory_bytes).unwrap_or(usize::MAX),
    }
}

/// The rules by which `monitoring` raises alerts: those that are built in, as it changes them, and its own. None with
/// `enable_alerts: false`.
pub fn alert_rules(config: &Monitoring) -> Vec<AlertRule> {
    if !config.enable_alerts {
        return Vec::new();
    }
    let by_default = DefaultRules::default();
    let built_in = DefaultRules {
        utilization_threshold: config.connection_utilization_threshold,
        utilization_recovery_threshold: config.utilization_recovery_threshold,
        error_rate_threshold: config.error_rate_threshold,
        error_rate_recovery_threshold: config.error_rate_recovery_threshold,
        error_rate_min_requests: config.error_rate_min_requests,
        stale_after: by_default.stale_after.max(3 * config.collection_interval),
        hold: config.alerts.hold,
        keep_firing: config.alerts.keep_firing,
        ..by_default
    };
    rules::rules(built_in.rules(), &config.alerts)
}

/// What `monitoring.alerts` says of keeping and telling alerts.
pub fn alert_settings(config: &Monitoring) -> AlertSettings {
    let Alerts { retention, max_history, group_wait, group_interval, repeat_interval, .. } = config.alerts;
    let by_default = AlertSettings::default();
    let own = config.alerts.inhibit.iter().filter_map(inhibit_rule);
    AlertSettings {
        max_alert_history: max_history,
        alert_retention: retention,
        group_by: config.alerts.group_by.clone(),
        group_wait,
        group_interval,
        repeat_interval,
        inhibit: by_default.inhibit.iter().cloned().chain(own).collect(),
        ..by_default
    }
}

/// `None` if the configuration was made in code and has a label that is none.
fn inhibit_rule(config: &Inhibition) -> Option<InhibitRule> {
    let matchers = |labels: &std::collections::BTreeMap<String, String>| {
        let matcher =
            |(name, value): (&String, &String)| Matcher::new(name, MatchOperator::Equal, value).ok();
        labels.iter().map(matcher).collect::<Option<Vec<_>>>()
    };
    let equal = config.equal.clone();
    Some(InhibitRule { source: matchers(&config.source)?, target: matchers(&config.target)?, equal })
}

/// `config` for a program that looks at pools for a while, and tells nobody but its user: it collects ten times in that while,
/// though each second at least and twenty times a second at most, and no receiver and no file is told of an alert. `max_memory_bytes`
/// grows with what that takes.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
///
/// use pool_config::Monitoring;
/// use pool_manager::for_a_while;
///
/// let monitoring = for_a_while(&Monitoring::default(), Duration::from_secs(5));
/// assert_eq!(monitoring.collection_interval, Duration::from_millis(500)); // 10 s in a service
/// ```
#[must_use]
pub fn for_a_while(config: &Monitoring, duration: Duration) -> Monitoring {
    let mut monitoring = config.clone();
    let often = (duration / 10).clamp(Duration::from_millis(50), Duration::from_secs(1));
    if monitoring.collection_interval > often {
        monitoring.collection_interval = often;
        // Their steps are multiples of what the interval was.
        monitoring.tiers.clear();
    }
    // Older than this nothing will be.
    let longest = (2 * duration).max(4 * monitoring.collection_interval);
    monitoring.retention_period = monitoring.retention_period.min(longest);
    // More measurements of as many pools as before.
    let (before, now) = (config.history_bytes_per_pool().max(1), monitoring.history_bytes_per_pool());
    let memory = u128::from(config.max_memory_bytes) * u128::from(now.max(before)) / u128::from(before);
    monitoring.max_memory_bytes = memory.try_into().unwrap_or(u64::MAX);
    monitoring.alerts.receivers.clear();
    monitoring.alerts.state_file = None;
    monitoring
}

/// Everything in the section `monitoring` that cannot be had. Nothing was opened, or changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub struct MonitoringErrors {
    /// Every problem found; never empty.
    pub problems: Vec<MonitoringProblem>,
}

/// One thing in the section `monitoring` that cannot be had.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct MonitoringProblem {
    /// The key of the configuration, such as `monitoring.max_memory_bytes`.
    pub key: String,
    /// Its value; `***` for a secret.
    pub value: String,
    /// What is wrong with it.
    pub problem: String,
    /// What to do about it.
    pub help: String,
}

impl fmt::Display for MonitoringErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let count = self.problems.len();
        write!(f, "set up the monitoring: {count} problem{}", if count == 1 { "" } else { "s" })?;
        self.problems.iter().try_for_each(|problem| write!(f, "\n{problem}"))
    }
}

/// Two lines: what is wrong where, and what to do.
impl fmt::Display for MonitoringProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { key, value, problem, help } = self;
        write!(f, "{key} is {value}: {problem}\n  help: {help}")
    }
}

impl MonitoringErrors {
    /// What a configuration made in code may hold, and a file may not.
    fn of_settings(key: &str, value: String, problem: String) -> Self {
        let help = "change the value".to_owned();
        MonitoringErrors { problems: vec![MonitoringProblem { key: key.to_owned(), value, problem, help }] }
    }
}

/// A configuration of the monitor that can be had, with what the files hold that it names.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Prepared {
    is_enabled: bool,
    settings: MonitorSettings,
    alert_settings: AlertSettings,
    rules: Vec<AlertRule>,
    addressees: Vec<Addressee>,
}

impl Prepared {
    /// Reads the files that the configuration names.
    ///
    /// # Errors
    ///
    /// Names what cannot be had.
    pub(crate) fn of(config: &Monitoring) -> Result<Self, MonitoringErrors> {
        let addressees = receivers::addressees(config)?;
        check_state_file(config)?;
        let prepared = Prepared {
            is_enabled: config.enabled,
            settings: monitor_settings(config),
            alert_settings: alert_settings(config),
            // Nobody judges what is not measured.
            rules: if config.enabled { alert_rules(config) } else { Vec::new() },
            addressees,
        };
        prepared.settings.check().map_err(|error| {
            let problem = |found: &pool_monitor::SettingProblem| MonitoringProblem {
                key: format!("monitoring.{}", Monitoring::key_of(found.setting).unwrap_or(found.setting)),
                value: found.value.clone(),
                problem: found.rule.clone(),
                help: "change the value".to_owned(),
            };
            MonitoringErrors { problems: error.problems.iter().map(problem).collect() }
        })?;
        prepared.alert_settings.check().map_err(|error| {
            MonitoringErrors::of_settings(
                "monitoring.alerts",
                "not allowed".to_owned(),
                error.problems.join("; "),
            )
        })?;
        for rule in &prepared.rules {
            rule.check().map_err(|error| {
                let key = format!("monitoring.alerts.rules[{:?}]", rule.name);
                MonitoringErrors::of_settings(&key, "not allowed".to_owned(), error.problems.join("; "))
            })?;
        }
        Ok(prepared)
    }

    /// The files whose content it depends on. The state file is none: only the process itself writes it.
    pub(crate) fn files(config: &Monitoring) -> impl Iterator<Item = &PathBuf> {
        let receivers = config.alerts.receivers.iter().filter(|receiver| receiver.url.is_none());
        receivers.filter_map(|receiver| receiver.url_file.as_ref())
    }
}

/// Looks whether the state of alerts can be kept where the configuration says, before the first alert.
fn check_state_file(config: &Monitoring) -> Result<(), MonitoringErrors> {
    let path = config.alerts.state_file.as_ref();
    let Some((path, (problem, help))) = path.and_then(|path| Some((path, state_file::unwritable(path)?)))
    else {
        return Ok(());
    };
    let (key, value) = ("monitoring.alerts.state_file".to_owned(), path.display().to_string());
    Err(MonitoringErrors { problems: vec![MonitoringProblem { key, value, problem, help: help.to_owned() }] })
}

/// See the [module](self).
pub(crate) struct Measuring {
    pub(crate) monitor: PoolMonitor,
    /// What it does now.
    // Lock: held for moments, and never while something of a user's runs.
    followed: Mutex<Prepared>,
    /// What has become of alerts by a change of the rules, and nobody was called with yet.
    untold: Mutex<Vec<AlertEvent>>,
    // Lock: held for moments.
    telling: Mutex<Option<TellingAll>>,
    state_file: Option<StateFile>,
}

/// Who is told of alerts.
struct TellingAll {
    dispatcher: Arc<AlertDispatcher>,
    /// The sinks of the dispatcher.
    each: Vec<Telling>,
}

impl Measuring {
    /// A monitor that does not run yet.
    ///
    /// # Errors
    ///
    /// If the configuration was made in code and holds what a file may not hold, or names a file that cannot be had.
    pub(crate) fn new(pools: PoolSet, config: &Monitoring) -> Result<Self, MonitoringErrors> {
        let prepared = Prepared::of(config)?;
        let monitor =
            PoolMonitor::new(pools, prepared.settings.clone()).expect("the settings have been checked");
        let state_file = config.alerts.state_file.clone().map(StateFile::new);
        let followed = Mutex::new(prepared);
        let (untold, telling) = (Mutex::default(), Mutex::default());
        Ok(Measuring { monitor, followed, untold, telling, state_file })
    }

    /// Begins: with what the configuration says, what is known of earlier alerts, and what others know of the targets.
    pub(crate) fn begin(&self, shared: &Weak<Shared>) {
        let prepared = self.followed().clone();
        self.monitor.set_target_source(Arc::new(Targets(Weak::clone(shared))));
        self.take_up(&prepared);
        if let Some(file) = &self.state_file {
            file.restore(&self.monitor);
            file.keep(&self.monitor);
        }
        self.set_running(&prepared);
        self.call_back();
    }

    /// Has the monitor do what the configuration says. What is as it was before is left alone, and so is what somebody has set by
    /// hand instead. One at a time; whoever calls has to [call back](Self::call_back) once the next one may begin.
    pub(crate) fn follow(&self, prepared: &Prepared) {
        let mut followed = self.followed();
        if *followed == *prepared {
            return;
        }
        *followed = prepared.clone();
        drop(followed);
        self.take_up(prepared);
        self.set_addressees(&prepared.addressees);
        self.set_running(prepared);
    }

    /// Calls whoever wants to know of alerts that rules have ended which are gone. They may do as they like: a reload as well.
    pub(crate) fn call_back(&self) {
        let untold = std::mem::take(&mut *self.untold.lock().unwrap_or_else(PoisonError::into_inner));
        self.monitor.call_back(&untold);
    }

    /// Whether this is other than what is followed.
    pub(crate) fn differs_from(&self, prepared: &Prepared) -> bool {
        *self.followed() != *prepared
    }

    fn take_up(&self, prepared: &Prepared) {
        let Prepared { settings, alert_settings, rules, .. } = prepared;
        if self.monitor.settings() != *settings
            && let Err(error) = self.monitor.set_settings(settings.clone())
        {
            tracing::error!("failed to {error}");
        }
        let set = self.monitor.set_alert_settings(alert_settings.clone());
        match set.and_then(|()| self.monitor.replace_alert_rules(rules.clone())) {
            Ok(events) => self.untold.lock().unwrap_or_else(PoisonError::into_inner).extend(events),
            Err(error) => tracing::error!("failed to {error}"),
        }
    }

    fn set_running(&self, prepared: &Prepared) {
        if !prepared.is_enabled {
            self.stop();
            self.tell_the_rest();
            return;
        }
        let mut telling = self.telling();
        if telling.is_none() {
            let each = receivers::telling(&prepared.addressees, &[]);
            let started = AlertDispatcher::start(sinks(&each), DispatcherSettings::default());
            let dispatcher = Arc::new(started);
            drop(self.monitor.set_alert_dispatcher(Some(Arc::clone(&dispatcher))));
            *telling = Some(TellingAll { dispatcher, each });
        }
        drop(telling);
        self.monitor.start();
    }

    /// Has these told of alerts, if anybody is. Who was told and is not among them gets what is under way; who is among them goes on
    /// undisturbed.
    fn set_addressees(&self, addressees: &[Addressee]) {
        let mut telling = self.telling();
        let Some(TellingAll { dispatcher, each }) = &mut *telling else { return };
        if each.iter().map(|(addressee, _)| addressee).eq(addressees) {
            return;
        }
        *each = receivers::telling(addressees, each);
        // One that the program has put in its place holds until now.
        drop(self.monitor.set_alert_dispatcher(Some(Arc::clone(dispatcher))));
        let gone = self.monitor.replace_alert_sinks(sinks(each));
        drop(telling);
        if let Some(gone) = gone {
            tokio::spawn(async move { gone.close(LAST_WORDS).await });
        }
    }

    /// Goes on telling those who were told that alerts fire which have been ended, until nothing is left to tell.
    fn tell_the_rest(&self) {
        if self.telling().is_none() {
            return;
        }
        let monitor = self.monitor.downgrade();
        tokio::spawn(async move {
            let next = || monitor.upgrade().filter(|monitor| !monitor.is_running())?.tell_alerts();
            while let Some(next) = next() {
                tokio::time::sleep_until(next).await;
            }
        });
    }

    /// Ends all collecting. What is under way ends by itself.
    pub(crate) fn stop(&self) {
        let mut stop = pin!(self.monitor.stop());
        // It stops with the first poll; what is left is to wait until nobody notices it any more.
        let _is_over = stop.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_ready();
    }

    /// Ends it for good: keeps what is known of alerts, and gives those who are to be told of them so much time.
    pub(crate) async fn close(&self, limit: Duration) {
        self.monitor.stop().await;
        self.save_last().await;
        let dispatcher = self.telling().as_ref().map(|telling| Arc::clone(&telling.dispatcher));
        if let Some(dispatcher) = dispatcher {
            for sink in dispatcher.close(limit).await.iter().filter(|sink| sink.pending > 0) {
                tracing::warn!("{} was not told of {} alerts", sink.name, sink.pending);
            }
            // Once more: what was told by now is not to be told again.
            self.save_last().await;
        }
        drop(self.monitor.set_alert_dispatcher(None));
    }

    async fn save_last(&self) {
        if let Some(file) = &self.state_file {
            file.save_last(&self.monitor).await;
        }
    }

    pub(crate) fn sink_stats(&self) -> Vec<SinkStats> {
        self.telling().as_ref().map(|telling| telling.dispatcher.stats()).unwrap_or_default()
    }

    fn telling(&self) -> MutexGuard<'_, Option<TellingAll>> {
        self.telling.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn followed(&self) -> MutexGuard<'_, Prepared> {
        self.followed.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn sinks(each: &[Telling]) -> impl Iterator<Item = Arc<dyn AlertSink>> {
    each.iter().map(|(_, sink)| Arc::clone(sink))
}

impl PoolManager {
    /// The monitor that measures all pools, those made on demand included: metrics, history and alerts. It does what
    /// `monitoring` says, from reload to reload. With `enabled: false` it does not run and has no rules: alerts that fired are
    /// over. It may still be [asked](PoolMonitor::collect).
    ///
    /// Thresholds and rules that are set by hand hold until a reload changes `monitoring`.
    ///
    /// A callback that holds a clone of the monitor or of the manager keeps it in memory: [`PoolMonitor::downgrade`] does not.
    /// [`close`](Self::close) ends what both do in any case.
    ///
    /// # Examples
    ///
    /// ```
    /// # #[cfg(feature = "sqlite")]
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let text = "connection_pool: {pools: [{name: orders, driver: sqlite, database: \":memory:\"}]}";
    /// # let config = pool_config::Config::from_yaml(text, "connection_pool.yaml")?;
    /// # let manager = pool_manager::PoolManager::from_config(config).await?;
    /// manager.monitor().on_alert_triggered(|alert| eprintln!("page somebody: {}", alert.message));
    ///
    /// manager.monitor().collect(); // or wait for the next interval
    /// let metrics = manager.monitor().metrics("orders").expect("it was measured");
    /// assert_eq!(metrics.error_rate, 0.0);
    /// assert!(manager.monitor().alerts().is_empty());
    /// # Ok(())
    /// # }
    /// # #[cfg(not(feature = "sqlite"))]
    /// # fn main() {}
    /// ```
    pub fn monitor(&self) -> &PoolMonitor {
        &self.shared.measuring.monitor
    }

    /// What a Prometheus wants to be answered: the metrics of all pools as of the last collection, their alerts, and what became of
    /// notifications. Of a pool that this could not measure, only when it was measured last. Its media type is [`CONTENT_TYPE`](pool_monitor::CONTENT_TYPE).
    pub fn prometheus_text(&self) -> String {
        let monitor = self.monitor();
        let (samples, alerts, refused) = (monitor.samples(), monitor.all_alerts(), monitor.refused_alerts());
        let sinks = self.shared.measuring.sink_stats();
        // Who wants no monitoring misses no measurement.
        let is_wanted = self.shared.measuring.followed().is_enabled;
        let unmeasured = if is_wanted { monitor.unmeasured() } else { Vec::new() };
        Exposition::of(&samples)
            .unmeasured(&unmeasured)
            .alerts(&alerts)
            .refused(&refused)
            .sinks(&sinks)
            .prometheus_text()
    }
}

#[cfg(test)]
mod tests;
