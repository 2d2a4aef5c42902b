//! A pool and its place in a group.

use std::fmt;

use pool_config::Role;
use pool_core::{Connector, Pool};

/// A pool that is to join a [`Group`](super::Group), and what it does there.
///
/// # Examples
///
/// ```
/// # use pool_core::{Pool, fake::FakeConnector};
/// use pool_manager::Member;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let (first, second) = (FakeConnector::new(), FakeConnector::new());
/// let primary = Member::primary(Pool::builder(first).name("orders").build()?);
/// let replica = Member::replica(Pool::builder(second).name("orders-replica").build()?).weight(200);
/// # drop((primary, replica));
/// # Ok(())
/// # }
/// ```
pub struct Member<C: Connector> {
    pub(super) pool: Pool<C>,
    pub(super) role: Role,
    pub(super) weight: u32,
}

impl<C: Connector> Member<C> {
    /// How large a share of the reads is unless said otherwise.
    pub const WEIGHT: u32 = 100;

    /// A pool in this role, of the usual weight.
    pub fn new(pool: Pool<C>, role: Role) -> Self {
        Member { pool, role, weight: Self::WEIGHT }
    }

    /// The pool that takes writes.
    pub fn primary(pool: Pool<C>) -> Self {
        Member::new(pool, Role::Primary)
    }

    /// A pool that takes reads.
    pub fn replica(pool: Pool<C>) -> Self {
        Member::new(pool, Role::Replica)
    }

    /// A pool that takes long reads.
    pub fn analytics(pool: Pool<C>) -> Self {
        Member::new(pool, Role::Analytics)
    }

    /// How large its share of the reads shall be, compared with the others of its role. Default 100; 0 counts as 1.
    #[must_use]
    pub fn weight(mut self, weight: u32) -> Self {
        self.weight = weight;
        self
    }
}

impl<C: Connector> Clone for Member<C> {
    fn clone(&self) -> Self {
        Member { pool: self.pool.clone(), role: self.role, weight: self.weight }
    }
}

/// Shows the name of the pool, never its connector: that may hold secrets.
impl<C: Connector> fmt::Debug for Member<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Member")
            .field("pool", &self.pool.name())
            .field("role", &self.role)
            .field("weight", &self.weight)
            .finish()
    }
}
