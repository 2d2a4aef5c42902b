//! What the tests share: configurations from a few lines, and patience.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use pool_config::{Config, Loader};
use pool_manager::{AnyPool, ManagerEvent, ManagerObserver, PoolManager};
use tokio::time::{Instant, sleep};

/// What must happen is waited for this long; on an idle machine it takes much less.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// What is said for tests that say nothing of it themselves.
const QUIET: [(&str, &str); 2] = [
    ("health_monitoring", "health_monitoring: {enabled: false}, "),
    (" monitoring", " monitoring: {enabled: false}, "),
];

pub(crate) fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// A configuration: what stands below `connection_pool`, without the variables of this process. Unless it says something of
/// health, nobody watches it: checks are callers, and would be counted with those of the test. Nor is anything measured that the
/// test does not ask for: tasks are counted, too.
pub(crate) fn config(sections: &str) -> Config {
    let is_said = |section: &str| format!(" {sections}").contains(section);
    let quiet: String =
        QUIET.iter().filter(|(section, _)| !is_said(section)).map(|(_, text)| *text).collect();
    let text = format!("connection_pool: {{{quiet}{sections}}}");
    let loaded = Loader::without_variables().load_text(&text, "connection_pool.yaml");
    loaded.unwrap_or_else(|error| panic!("failed to {error}")).config
}

/// A manager of such a configuration.
pub(crate) async fn manager(sections: &str) -> PoolManager {
    PoolManager::from_config(config(sections)).await.unwrap()
}

/// Counts the connections that are open.
pub(crate) fn open(pool: &AnyPool) -> usize {
    pool.control().stats().open()
}

pub(crate) async fn until(what: &str, reached: impl Fn() -> bool) {
    let begun = Instant::now();
    while !reached() {
        assert!(begun.elapsed() < PATIENCE, "waited too long until {what}");
        sleep(ms(2)).await;
    }
}

/// Remembers every event, in short.
#[derive(Clone, Default)]
pub(crate) struct Recorder(Arc<Mutex<Vec<String>>>);

impl Recorder {
    pub(crate) fn events(&self) -> Vec<String> {
        self.0.lock().unwrap().clone()
    }
}

impl ManagerObserver for Recorder {
    fn event(&self, event: &ManagerEvent) {
        let short = match event {
            ManagerEvent::PoolAdded { pool } => format!("added {pool}"),
            ManagerEvent::PoolRemoved { pool } => format!("removed {pool}"),
            ManagerEvent::ReloadApplied { report } => format!("applied {}", report.generation),
            ManagerEvent::ReloadUnchanged => "unchanged".to_owned(),
            ManagerEvent::ReloadRefused { .. } => "refused".to_owned(),
            ManagerEvent::Drained { generation } => format!("drained {generation}"),
            ManagerEvent::Abandoned { pool, .. } => format!("abandoned {pool}"),
            ManagerEvent::Closed { .. } => "closed".to_owned(),
            other => format!("{other:?}"),
        };
        self.0.lock().unwrap().push(short);
    }
}
