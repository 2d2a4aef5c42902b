//! One reload: what is to be done, and the doing of it.

use std::collections::{BTreeMap, BTreeSet};
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

#[cfg(feature = "sqlite")]
use pool_config::Driver;
use pool_config::{Changes, Config, PoolConfig, ReloadClass, diff};
use pool_core::{BuildError, PoolOptions, Target};

use super::drain::Draining;
use super::{ReloadError, ReloadReport, hash_of};
use crate::any::AnyPool;
use crate::blueprint::{Blueprint, BuildProblem, Gate, pool_options};
use crate::event::ManagerEvent;
use crate::health::Health;
use crate::manager::shedding::{self, QueueLimit};
use crate::manager::{Shared, config_of, described};
use crate::monitoring::Prepared;
use crate::registry::{Entry, OnDemand, Origin, Registry};

/// What a reload is going to do. Everything in it can be had.
struct Plan {
    config: Config,
    changes: Changes,
    added: Vec<(Arc<PoolConfig>, Blueprint)>,
    changed: Vec<Change>,
    removed: BTreeSet<String>,
    left_alone: Vec<BuildProblem>,
    unchanged: usize,
    /// What the monitor is to do, if that is other than what it does.
    monitoring: Option<Prepared>,
}

/// A pool that stays, and is to be different.
struct Change {
    pool: AnyPool,
    which: Which,
    before: Arc<PoolConfig>,
    config: Arc<PoolConfig>,
    blueprint: Blueprint,
    /// What has decided so far whether the pool connects.
    gate: Arc<Gate>,
    /// Who has said so far how long its queue may be.
    limit: Arc<QueueLimit>,
    /// The options, if they differ.
    options: Option<PoolOptions>,
    /// Whether further connections are opened by the new connector.
    renews: bool,
    /// Whether connections of before have to go.
    drains: bool,
}

/// Where a pool stands in the registry.
enum Which {
    Named(String),
    OnDemand(Target),
}

/// What a reload finds.
struct Before {
    config: Config,
    entries: BTreeMap<String, Entry>,
    on_demand: Vec<(Target, Entry, PoolConfigOf)>,
}

/// Makes the configuration of a pool on demand, by another configuration as a whole.
type PoolConfigOf = Box<dyn Fn(&Config) -> Option<PoolConfig>>;

impl Shared {
    /// Makes a configuration the one in force, or tells why not. One at a time; on a runtime, on a thread that may block.
    pub(super) fn apply(self: &Arc<Self>, config: Config) -> Result<ReloadReport, ReloadError> {
        let config_hash = hash_of(&config);
        match self.try_to_apply(config) {
            Ok(report) if report.is_unchanged() => {
                self.reloads.note(|stats| stats.unchanged(config_hash));
                self.tell(&ManagerEvent::ReloadUnchanged);
                Ok(report)
            }
            Ok(report) => {
                self.reloads.note(|stats| stats.applied(report.generation, config_hash));
                for pool in report.added.iter().cloned() {
                    self.tell(&ManagerEvent::PoolAdded { pool });
                }
                for pool in report.removed.iter().cloned() {
                    self.tell(&ManagerEvent::PoolRemoved { pool });
                }
                self.tell(&ManagerEvent::ReloadApplied { report: Arc::new(report.clone()) });
                Ok(report)
            }
            Err(error) => self.refused(error),
        }
    }

    fn try_to_apply(self: &Arc<Self>, config: Config) -> Result<ReloadReport, ReloadError> {
        let mut plan = self.plan(config)?;
        let before = self.reloads.progress.borrow().generation;
        let is_unchanged = plan.changes.is_empty()
            && plan.changed.is_empty()
            && plan.added.is_empty()
            && plan.monitoring.is_none();
        let generation = if is_unchanged { before } else { before + 1 };
        let names = |changes: &[&Change]| changes.iter().map(|change| change.name()).collect::<Vec<_>>();
        let (drained, changed): (Vec<_>, Vec<_>) = plan.changed.iter().partition(|change| change.drains);
        let mut report = ReloadReport {
            generation,
            changes: plan.changes.clone(),
            added: plan.added.iter().map(|(config, _)| config.name.clone()).collect(),
            removed: plan.removed.iter().cloned().collect(),
            changed: names(&changed),
            drained: names(&drained),
            left_alone: plan.left_alone.clone(),
            unchanged: plan.unchanged,
        };
        for problem in &plan.left_alone {
            tracing::warn!("a pool made on demand stays as it was: {problem}");
        }
        let grace = plan.config.reload.grace;
        let added =
            plan.added.iter().map(|(config, _)| (config.name.clone(), config.settings.health_check_interval));
        let intervals: Vec<_> = added.collect();
        let monitoring = plan.monitoring.take();
        let (removed, changed) = self.swap(plan)?;
        report.removed.retain(|name| removed.iter().any(|pool| pool.control().name() == name));
        let mut draining: Vec<_> = changed.into_iter().filter_map(|change| change.carry_out(self)).collect();
        if !report.drained.is_empty() {
            // Once more: the groups see only now that a pool leads elsewhere.
            let groups = self.write().regroup();
            drop(groups);
        }
        for pool in removed {
            begin_to_close(&pool);
            draining.push(Draining::Removed(pool));
        }
        self.forget_ended();
        for (name, interval) in intervals {
            self.health.set_interval(&name, interval);
        }
        let in_force = Arc::clone(&self.read().config);
        self.health.follow(&in_force.health_monitoring);
        if let Some(monitoring) = monitoring {
            self.measuring.follow(&monitoring);
        }
        if self.read().is_closed {
            // Meanwhile. Whoever closes notes that first and then ends the watch, so one of the two comes after the other.
            self.health.stop();
            self.measuring.stop();
        }
        self.judge_members();
        shedding::call(self);
        if !is_unchanged {
            self.drain(generation, draining, grace);
        }
        Ok(report)
    }

    /// Whether this configuration would not be refused.
    pub(super) fn can_have(&self, config: &Config) -> bool {
        self.plan(config.clone()).is_ok()
    }

    /// Whether a pool would differ although the configuration is the one in force: for what its files hold.
    pub(super) fn has_other_files(&self) -> bool {
        let in_force = Config::clone(&self.read().config);
        self.plan(in_force).is_ok_and(|plan| !plan.changed.is_empty() || plan.monitoring.is_some())
    }

    fn before(&self) -> Result<Before, ReloadError> {
        let registry = self.read();
        if registry.is_closed {
            return Err(ReloadError::Closed);
        }
        let entries = registry.named.clone();
        let of_configuration = entries.values().filter(|entry| entry.origin == Origin::Configuration);
        // One that somebody has closed is as good as not there, here and below.
        let of_configuration = of_configuration.filter(|entry| !entry.is_closed());
        let pools = of_configuration.map(|entry| PoolConfig::clone(&entry.config)).collect();
        let remake = |on_demand: &OnDemand| -> PoolConfigOf {
            let (asked, password) = (on_demand.asked.clone(), on_demand.password.clone());
            Box::new(move |config| config_of(&asked, password.clone(), config).ok())
        };
        let on_demand = registry.on_demand.iter().filter(|(_, on_demand)| !on_demand.entry.is_closed());
        let on_demand = on_demand
            .map(|(key, on_demand)| (key.clone(), on_demand.entry.clone(), remake(on_demand)))
            .collect();
        Ok(Before { config: Config { pools, ..Config::clone(&registry.config) }, entries, on_demand })
    }

    /// Finds out what is to be done, and makes it ready. Changes nothing.
    fn plan(&self, config: Config) -> Result<Plan, ReloadError> {
        Health::check(&config.health_monitoring)?;
        let monitoring = Prepared::of(&config.monitoring)?;
        let Before { config: before, entries, on_demand } = self.before()?;
        let changes = diff(&before, &config);
        let keys: Vec<_> =
            changes.restart_only().map(|(pool, change)| (pool.map(str::to_owned), change.clone())).collect();
        if !keys.is_empty() {
            return Err(ReloadError::Restart { keys });
        }
        let open = |name: &str| entries.get(name).filter(|entry| !entry.is_closed());
        let of_program =
            |pool: &&PoolConfig| open(&pool.name).is_some_and(|entry| entry.origin == Origin::Program);
        if let Some(taken) = described(&config).find(of_program) {
            return Err(ReloadError::Taken { name: taken.name.clone() });
        }
        let mut wanted: Vec<(Option<(Which, Entry)>, PoolConfig)> = Vec::new();
        for pool in described(&config) {
            let known = open(&pool.name);
            let known = known.map(|entry| (Which::Named(pool.name.clone()), entry.clone()));
            wanted.push((known, pool.clone()));
        }
        let mut blueprints = Blueprint::draw_all(wanted.iter().map(|(_, pool)| pool), &self.kit)?;
        let mut left_alone = Vec::new();
        for (key, entry, remake) in on_demand {
            let Some(made) = remake(&config) else { continue };
            let made = PoolConfig { name: entry.config.name.clone(), ..made };
            match Blueprint::draw_all([&made], &self.kit) {
                Ok(drawn) => {
                    blueprints.extend(drawn);
                    wanted.push((Some((Which::OnDemand(key), entry)), made));
                }
                Err(errors) => left_alone.extend(errors.problems),
            }
        }

        let mut plan = Plan {
            changes,
            added: Vec::new(),
            changed: Vec::new(),
            removed: removed(&entries, &config),
            left_alone,
            unchanged: 0,
            monitoring: self.measuring.differs_from(&monitoring).then_some(monitoring),
            config,
        };
        for ((known, pool), blueprint) in wanted.into_iter().zip(blueprints) {
            match known {
                None => plan.added.push((Arc::new(pool), blueprint)),
                Some((which, entry)) => match Change::between(which, entry, pool, blueprint) {
                    Some(change) => plan.changed.push(change),
                    None => plan.unchanged += 1,
                },
            }
        }
        Ok(plan)
    }

    /// Puts the new configuration in the place of the old one. Returns the pools that are no longer there, and those to be
    /// changed that still are.
    fn swap(&self, plan: Plan) -> Result<(Vec<AnyPool>, Vec<Change>), ReloadError> {
        let Plan { config, added, mut changed, removed, .. } = plan;
        let mut registry = self.write();
        if registry.is_closed {
            return Err(ReloadError::Closed);
        }
        // The program may have been at work since the plan was made.
        let is_taken = |pool: &&(Arc<PoolConfig>, Blueprint)| {
            registry.named.get(&pool.0.name).is_some_and(|entry| !entry.is_closed())
                || self.set.get(&pool.0.name).is_some_and(|pool| !pool.is_closed())
        };
        if let Some((taken, _)) = added.iter().find(is_taken) {
            return Err(ReloadError::Taken { name: taken.name.clone() });
        }
        let opened = match self.open_all(added) {
            Ok(opened) => opened,
            Err((error, opened)) => {
                drop(registry);
                drop(opened);
                return Err(error.into());
            }
        };
        let mut gone = Vec::new();
        for name in removed {
            let is_ours = |entry: &Entry| entry.origin == Origin::Configuration;
            if registry.named.get(&name).is_some_and(is_ours)
                && let Some(entry) = registry.named.remove(&name)
            {
                self.set.remove(&name);
                self.health.forget(&name);
                registry.ending.push(entry.pool.clone());
                gone.push(entry.pool);
            }
        }
        for (name, entry) in opened {
            if entry.pool.insert_into(&self.set).is_err() {
                tracing::warn!(pool = %name, "the set of all pools has one of this name that is not ours");
            }
            registry.put(name, entry);
        }
        changed.retain(|change| change.note(&mut registry));
        registry.config = Arc::new(config);
        let groups = registry.regroup();
        drop(registry);
        drop(groups);
        Ok((gone, changed))
    }

    /// Opens the pools that are new. If one cannot be, gives back those that were, to be dropped without the lock.
    #[expect(clippy::type_complexity, reason = "the two outcomes of one step")]
    fn open_all(
        &self,
        added: Vec<(Arc<PoolConfig>, Blueprint)>,
    ) -> Result<Vec<(String, Entry)>, (BuildError, Vec<(String, Entry)>)> {
        let mut opened = Vec::new();
        for (config, blueprint) in added {
            let (fingerprint, gate) = (blueprint.fingerprint, Arc::clone(&blueprint.gate));
            match blueprint.open(&self.observers) {
                Ok(pool) => {
                    let name = config.name.clone();
                    let entry = Entry::new(pool, config, gate, fingerprint, Origin::Configuration);
                    opened.push((name, entry));
                }
                Err(error) => return Err((error, opened)),
            }
        }
        Ok(opened)
    }
}

/// The pools of the configuration before that the next one does not have.
fn removed(entries: &BTreeMap<String, Entry>, config: &Config) -> BTreeSet<String> {
    let kept: BTreeSet<_> = described(config).map(|pool| pool.name.as_str()).collect();
    let of_configuration = entries.iter().filter(|(_, entry)| entry.origin == Origin::Configuration);
    of_configuration.map(|(name, _)| name).filter(|name| !kept.contains(name.as_str())).cloned().collect()
}

impl Change {
    /// What is to be changed about a pool; `None` if it is as it should be.
    fn between(which: Which, entry: Entry, config: PoolConfig, mut blueprint: Blueprint) -> Option<Change> {
        let has_other_files = entry.fingerprint.is_outdated_by(&blueprint.fingerprint);
        if *entry.config == config && !has_other_files {
            return None;
        }
        let alone = |pool: &PoolConfig| Config { pools: vec![pool.clone()], ..Config::default() };
        let changes = diff(&alone(&entry.config), &alone(&config));
        let class = changes.pools.first().map_or(ReloadClass::Live, |change| change.class());
        // A database in memory that stays the same would begin empty.
        let may_renew = !stays_in_memory(&entry.config, &config);
        let drains = (class >= ReloadClass::Drain || has_other_files) && may_renew;
        // How long credentials may take is bounded by it, which is the connector's business.
        let has_other_patience = entry.config.settings.connect_timeout != config.settings.connect_timeout;
        let renews = drains || (has_other_patience && may_renew);
        if !drains {
            blueprint.fingerprint = entry.fingerprint.kept(blueprint.fingerprint);
        }
        let options = Some(blueprint.options.clone())
            .filter(|options| *options != pool_options(&entry.config.settings));
        let Entry { pool, config: before, gate, limit, .. } = entry;
        let config = Arc::new(config);
        Some(Change { pool, which, before, config, blueprint, gate, limit, options, renews, drains })
    }

    fn name(&self) -> String {
        self.config.name.clone()
    }

    /// Notes in the registry what the pool will be. Returns whether the pool is still there.
    fn note(&self, registry: &mut Registry) -> bool {
        let entry = match &self.which {
            Which::Named(name) => registry.named.get_mut(name),
            Which::OnDemand(key) => registry.on_demand.get_mut(key).map(|on_demand| &mut on_demand.entry),
        };
        // The program may have removed it, and made another one of the same name.
        let is_same = |entry: &&mut Entry| Arc::ptr_eq(&entry.config, &self.before);
        let Some(entry) = entry.filter(is_same) else { return false };
        entry.config = Arc::clone(&self.config);
        entry.fingerprint = self.blueprint.fingerprint;
        true
    }

    /// Changes the pool. Returns it if connections of before have to go.
    fn carry_out(self, shared: &Shared) -> Option<Draining> {
        let Change { pool, before, config, blueprint, gate, limit, options, renews, drains, .. } = self;
        let max_waiting = config.settings.max_waiting;
        // A queue without a limit, and one whose limit is to be found, are alike in the options.
        let is_other_limit = max_waiting != before.settings.max_waiting;
        let options = options.or_else(|| is_other_limit.then(|| blueprint.options.clone()));
        if let Some(options) = options
            && let Err(error) = limit.set_options(pool.control(), options, max_waiting)
        {
            // They were checked when the blueprint was drawn.
            tracing::error!(pool = pool.control().name(), "failed to {error}");
        }
        gate.follow(&blueprint.gate);
        shared.health.set_interval(pool.control().name(), config.settings.health_check_interval);
        if renews {
            // It may connect in another way now, or with what a file holds now.
            gate.probe_now();
            blueprint.connector.succeed_in(&pool);
        }
        if !drains {
            return None;
        }
        let first_new = pool.control().evict_all();
        Some(Draining::Changed(pool, first_new))
    }
}

#[cfg(feature = "sqlite")]
fn stays_in_memory(before: &PoolConfig, after: &PoolConfig) -> bool {
    use crate::blueprint::{is_in_memory, memory_name};

    let is_sqlite = before.driver == Driver::Sqlite && after.driver == Driver::Sqlite;
    let are_in_memory = is_in_memory(before) && is_in_memory(after);
    is_sqlite && are_in_memory && memory_name(before) == memory_name(after)
}

#[cfg(not(feature = "sqlite"))]
fn stays_in_memory(_before: &PoolConfig, _after: &PoolConfig) -> bool {
    false
}

/// Closes a pool to new callers. That it is to be waited for, somebody else sees to.
fn begin_to_close(pool: &AnyPool) {
    let mut close = pin!(pool.control().close(Duration::ZERO));
    // Closing begins with the first poll, and there is nothing to wait for.
    let polled = close.as_mut().poll(&mut Context::from_waker(Waker::noop()));
    debug_assert!(matches!(polled, Poll::Ready(_)), "a deadline of zero has passed");
}
