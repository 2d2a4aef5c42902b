//! The groups that the configurations of pools name, kept as the pools come, go and change.

use std::any::Any;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use pool_config::{Driver, Routing};
use pool_core::{Connector, Pool};

use crate::any::AnyPool;
use crate::error::{LookupError, nearest};
use crate::registry::Entry;
use crate::routing::{Group, Member, MemberStats};

/// All groups, by name, one for each driver among the pools that name it.
///
/// A group stays as long as a pool names it or somebody has a handle of it. So a handle never goes stale: while no pool
/// names the group it has no members, and when one does again, it has.
#[derive(Default)]
pub(crate) struct Groups(BTreeMap<String, Vec<Known>>);

#[derive(Clone)]
struct Known {
    driver: Driver,
    group: Arc<dyn AnyGroup>,
}

/// A group of any driver.
trait AnyGroup: Any + Send + Sync {
    fn set(&self, entries: &[&Entry], routing: &Routing);
    fn stats(&self) -> Vec<MemberStats>;
    fn set_unhealthy(&self, pool: &str, unhealthy: bool);
    fn has_members(&self) -> bool;
    /// Whether somebody else has a handle of it.
    fn is_held(&self) -> bool;
}

impl<C: Connector> AnyGroup for Group<C> {
    fn set(&self, entries: &[&Entry], routing: &Routing) {
        let member = |entry: &&Entry| {
            let pool: &Pool<C> = entry.pool.inner()?;
            Some(Member::new(pool.clone(), entry.config.role).weight(entry.config.weight))
        };
        self.set_members(entries.iter().filter_map(member));
        self.set_routing(routing.clone());
    }

    fn stats(&self) -> Vec<MemberStats> {
        self.stats()
    }

    fn set_unhealthy(&self, pool: &str, unhealthy: bool) {
        self.set_unhealthy(pool, unhealthy);
    }

    fn has_members(&self) -> bool {
        self.has_members()
    }

    fn is_held(&self) -> bool {
        self.handles() > 1
    }
}

impl Groups {
    /// What a change of pools makes of the groups: which there are now, and who is in each.
    pub(crate) fn arrange<'a>(
        &self,
        pools: impl IntoIterator<Item = &'a Entry>,
        routing: &Routing,
    ) -> Groups {
        let mut members: BTreeMap<&str, Vec<&Entry>> = BTreeMap::new();
        for entry in pools {
            if let Some(group) = &entry.config.group {
                members.entry(group).or_default().push(entry);
            }
        }
        let mut arranged = self.0.clone();
        for (name, entries) in &members {
            let of_name = arranged.entry((*name).to_owned()).or_default();
            for Entry { pool, .. } in entries {
                let driver = pool.driver();
                if of_name.iter().all(|known| known.driver != driver) {
                    of_name.push(Known { driver, group: made_for(pool, name) });
                }
            }
        }
        arranged.retain(|name, of_name| {
            let entries = members.get(name.as_str()).map_or(&[][..], Vec::as_slice);
            of_name.retain(|known| {
                known.group.set(entries, routing);
                known.group.has_members() || known.group.is_held()
            });
            !of_name.is_empty()
        });
        Groups(arranged)
    }

    /// The group of this name, if its pools have this connector.
    pub(crate) fn typed<C: Connector>(&self, name: &str, asked: Driver) -> Result<Group<C>, LookupError> {
        let mut found = None;
        for known in of_pools(self.0.get(name)) {
            let group: &dyn Any = &*known.group;
            if let Some(group) = group.downcast_ref::<Group<C>>() {
                return Ok(group.clone());
            }
            found = Some(known.driver);
        }
        let name = name.to_owned();
        Err(match found {
            Some(found) => LookupError::GroupDriver { name, asked, found },
            None => {
                let known = self.0.iter().filter(|(_, known)| of_pools([*known]).next().is_some());
                let nearest = nearest(&name, known.map(|(name, _)| name.as_str()));
                LookupError::UnknownGroup { name, nearest }
            }
        })
    }

    /// Has each group that this pool is in leave it out, or take it back.
    pub(crate) fn set_unhealthy(&self, pool: &str, unhealthy: bool) {
        self.0.values().flatten().for_each(|known| known.group.set_unhealthy(pool, unhealthy));
    }

    /// The pools that are in a group.
    pub(crate) fn pools(&self) -> BTreeSet<String> {
        let members = self.0.values().flatten().flat_map(|known| known.group.stats());
        members.map(|member| member.name.to_string()).collect()
    }

    pub(crate) fn stats(&self) -> BTreeMap<String, Vec<MemberStats>> {
        let stats = |known: &Vec<Known>| -> Vec<_> {
            of_pools([known]).flat_map(|known| known.group.stats()).collect()
        };
        let all = self.0.iter().map(|(name, known)| (name.clone(), stats(known)));
        all.filter(|(_, members)| !members.is_empty()).collect()
    }
}

/// Those that a pool names.
fn of_pools<'a>(known: impl IntoIterator<Item = &'a Vec<Known>>) -> impl Iterator<Item = &'a Known> {
    known.into_iter().flatten().filter(|known| known.group.has_members())
}

/// A group for pools as this one.
fn made_for(pool: &AnyPool, name: &str) -> Arc<dyn AnyGroup> {
    fn made<C: Connector>(_: &Pool<C>, name: &str) -> Arc<dyn AnyGroup> {
        Arc::new(Group::<C>::new(name))
    }
    crate::any::each!(AnyPool, *pool, pool => made(pool, name))
}
