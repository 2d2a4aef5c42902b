//! How a connector makes way for another one while its pool runs.
//!
//! A pool keeps its connector for life, and with it its name, its statistics and the handles that callers have. What it
//! connects to may change all the same: the password, the host, the certificates. So a connector can have a successor,
//! which opens all further connections; those that are open keep what they were opened with until they end.

use std::sync::{Arc, PoisonError, RwLock};

use pool_core::Connector;

/// A connector that another one can succeed while a pool uses it. All connectors of this crate are.
///
/// # Examples
///
/// ```
/// # #[cfg(feature = "sqlite")]
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use pool_drivers::Replaceable as _;
/// use pool_drivers::sqlite::{SqliteConnector, SqlitePool};
///
/// # let folder = tempfile::tempdir()?;
/// # let (old, new) = (folder.path().join("old.db"), folder.path().join("new.db"));
/// let pool = SqlitePool::from(pool_core::Pool::builder(SqliteConnector::file(&old)).build()?);
/// pool.warm_up().await?;
///
/// pool.connector().replace_with(SqliteConnector::file(&new));
/// let first_new = pool.evict_all();
/// assert!(pool.acquire().await?.id() >= first_new);
/// assert_eq!(pool.target().map(|target| target.database), new.to_str().map(String::from));
/// # Ok(())
/// # }
/// # #[cfg(not(feature = "sqlite"))]
/// # fn main() {}
/// ```
pub trait Replaceable: Connector + Clone {
    /// Makes `next` the one that opens connections from now on, and whose [`target`](Connector::target) is told.
    ///
    /// A connect that is under way goes on as it was begun. Connections that are open are used further: who wants them
    /// to go calls [`evict_all`](pool_core::Pool::evict_all) afterwards. A later call replaces `next` in its turn.
    ///
    /// Clones that were made before know nothing of it; those made afterwards are clones of `next`.
    fn replace_with(&self, next: Self);
}

/// The connector that has succeeded another one, if any has.
pub(crate) struct Successor<C>(RwLock<Option<Arc<C>>>);

impl<C> Successor<C> {
    /// Puts a successor in the place of the one there was. It must have none of its own: it would not be asked.
    pub(crate) fn set(&self, next: C) {
        let before = self.0.write().unwrap_or_else(PoisonError::into_inner).replace(Arc::new(next));
        // Not under the lock: what a connector holds, such as a provider of credentials, is a user's.
        drop(before);
    }

    /// The successor, which stays in use by whoever has asked, also when there is a next one.
    pub(crate) fn get(&self) -> Option<Arc<C>> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Asks the connector that is in force: the successor, or `own` if there is none.
    pub(crate) fn ask<R>(&self, own: &C, question: impl FnOnce(&C) -> R) -> R {
        match self.get() {
            Some(next) => question(&next),
            None => question(own),
        }
    }
}

impl<C> Default for Successor<C> {
    fn default() -> Self {
        Successor(RwLock::default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_latest_successor_is_asked_and_before_there_is_one_its_owner() {
        let successor = Successor::default();
        assert_eq!(successor.ask(&1, |number| *number), 1);
        successor.set(2);
        let kept = successor.get();
        successor.set(3);
        assert_eq!(successor.ask(&1, |number| *number), 3);
        assert_eq!(kept.as_deref(), Some(&2), "whoever has it keeps it");
    }
}
