//! The groups that the configurations of pools name, kept as the pools come, go and change.

use std::any::Any;
use std::collections::BTreeMap;
use std::sync::Arc;

use pool_config::{Driver, Routing};
use pool_core::{Connector, Pool};

use crate::any::AnyPool;
use crate::error::{LookupError, nearest};
use crate::registry::Entry;
use crate::routing::{Group, Member, MemberStats};

/// All groups, by name. A group stays as long as a pool names it; handles of it that users have stay what they are.
#[derive(Default)]
pub(crate) struct Groups(BTreeMap<String, Known>);

#[derive(Clone)]
struct Known {
    driver: Driver,
    group: Arc<dyn AnyGroup>,
}

/// A group of any driver.
trait AnyGroup: Any + Send + Sync {
    fn set(&self, entries: &[&Entry], routing: &Routing);
    fn stats(&self) -> Vec<MemberStats>;
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
        let arranged = members.into_iter().filter_map(|(name, entries)| {
            let first = &entries.first()?.pool;
            let known = self.0.get(name).filter(|known| known.driver == first.driver());
            let known = known
                .cloned()
                .unwrap_or_else(|| Known { driver: first.driver(), group: made_for(first, name) });
            known.group.set(&entries, routing);
            Some((name.to_owned(), known))
        });
        Groups(arranged.collect())
    }

    /// The group of this name, if its pools have this connector.
    pub(crate) fn typed<C: Connector>(&self, name: &str, asked: Driver) -> Result<Group<C>, LookupError> {
        let known = self.0.get(name).ok_or_else(|| LookupError::UnknownGroup {
            name: name.to_owned(),
            nearest: nearest(name, self.0.keys().map(String::as_str)),
        })?;
        let group: &dyn Any = &*known.group;
        group.downcast_ref::<Group<C>>().cloned().ok_or_else(|| LookupError::GroupDriver {
            name: name.to_owned(),
            asked,
            found: known.driver,
        })
    }

    pub(crate) fn stats(&self) -> BTreeMap<String, Vec<MemberStats>> {
        self.0.iter().map(|(name, known)| (name.clone(), known.group.stats())).collect()
    }
}

/// A group for pools as this one.
fn made_for(pool: &AnyPool, name: &str) -> Arc<dyn AnyGroup> {
    fn made<C: Connector>(_: &Pool<C>, name: &str) -> Arc<dyn AnyGroup> {
        Arc::new(Group::<C>::new(name))
    }
    crate::any::each!(AnyPool, *pool, pool => made(pool, name))
}
