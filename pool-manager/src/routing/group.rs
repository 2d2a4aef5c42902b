//! A group of pools that serve the same data, asked as one.

use std::fmt;
use std::panic::{AssertUnwindSafe, Location, catch_unwind};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use pool_config::{Role, Routing};
use pool_core::{Condition, Connector, Pool, Pooled, Target};
use tokio::time::Instant;

use super::access::Access;
use super::ejection::Evidence;
use super::error::{Attempt, AttemptFailure, ReadError, RouteError, evidence};
use super::member::Member;
use super::router::{Entry, Look, MemberId, Router};
use super::session::Session;
use super::stats::MemberStats;

/// Deadlines further away than this are cut: a sum of instants must not overflow.
const LONGEST: Duration = Duration::from_secs(10 * 365 * 24 * 3600);

/// Pools of the same data in different roles. Clones are handles of the same group.
///
/// Reads go to the replicas, writes to the primary. Of several replicas two are drawn, and the one with the emptier pool
/// is asked; one that fails leads to the next within the same deadline, and to the primary when no replica is
/// left. A member that is down is left alone for a while, see [`Routing`]; one whose pool knows that its target is down is
/// not even tried, until the pool has reconnected by itself. `max_ejection_percent` holds for the members of each role by
/// themselves: rounded down, but one at least, and 0 for none. When all are ejected, they are asked all the same.
///
/// Finding a member of three takes about a microsecond, beside some 30 ns for a free connection of a pool that is asked
/// directly (2026-11-21); most of it are the looks at the pools.
///
/// A group has no task and no timer of its own. It holds a handle of each pool, so a pool that shall close is closed
/// with [`Pool::close`].
///
/// # Examples
///
/// ```
/// # use pool_core::{Pool, fake::{FakeConnection, FakeConnector}};
/// use pool_manager::{Group, Member};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let connector = FakeConnector::new;
/// let primary = Pool::builder(connector()).name("orders").build()?;
/// let replica = Pool::builder(connector()).name("orders-replica").build()?;
/// let orders = Group::new("orders");
/// orders.set_members([Member::primary(primary), Member::replica(replica)]);
///
/// let connection = orders.write().await?;
/// assert_eq!(connection.pool_name(), "orders");
/// let number = orders
///     .read_with(async |connection: &mut FakeConnection| Ok::<_, std::io::Error>(connection.number()))
///     .await?;
/// # assert_eq!(number, 1);
/// # drop(connection);
/// # Ok(())
/// # }
/// ```
pub struct Group<C: Connector> {
    shared: Arc<Shared<C>>,
}

struct Shared<C: Connector> {
    name: Arc<str>,
    state: Mutex<State<C>>,
}

struct State<C: Connector> {
    router: Router,
    /// In the order of the router's members.
    pools: Arc<[Place<C>]>,
    random: fastrand::Rng,
}

/// A pool under the id that the router knows it by.
struct Place<C: Connector> {
    id: MemberId,
    name: Arc<str>,
    role: Role,
    /// Where it led when it became a member: its pool may have got another one since.
    target: Option<Target>,
    pool: Pool<C>,
}

/// What a caller wants, and what it has met so far.
struct Search {
    access: Access,
    /// Who may serve it; the first is asked first.
    roles: &'static [Role],
    site: &'static Location<'static>,
    /// How long it may take in all; `None` = as long as the group says.
    timeout: Option<Duration>,
    /// When it was first polled, and its deadline.
    period: Option<(Instant, Instant)>,
    tried: Vec<MemberId>,
    attempts: Vec<Attempt>,
}

impl<C: Connector> Group<C> {
    /// A group without members, with the default [`Routing`].
    pub fn new(name: impl Into<Arc<str>>) -> Self {
        let state = State {
            router: Router::new(Routing::default()),
            pools: Arc::new([]),
            random: fastrand::Rng::new(),
        };
        Group { shared: Arc::new(Shared { name: name.into(), state: Mutex::new(state) }) }
    }

    /// The group's name.
    pub fn name(&self) -> &str {
        &self.shared.name
    }

    /// Replaces the members. One whose pool has a name that was there before keeps its counts and, if the pool leads to
    /// the same target as when this was last called, its ejection. Callers that are asking a member go on with it.
    pub fn set_members(&self, members: impl IntoIterator<Item = Member<C>>) {
        let members: Vec<_> = members.into_iter().collect();
        // Asked before the lock: the connector answers.
        let targets: Vec<_> = members.iter().map(|member| member.pool.target()).collect();
        let old = self.places();
        let same_place = |member: &Member<C>, target: &Option<Target>| {
            let before = old.iter().find(|place| &*place.name == member.pool.name());
            before.is_none_or(|before| before.target == *target)
        };
        let entries: Vec<_> = members
            .iter()
            .zip(&targets)
            .map(|(member, target)| Entry {
                name: Arc::from(member.pool.name()),
                role: member.role,
                weight: member.weight,
                same_place: same_place(member, target),
            })
            .collect();
        let names: Vec<_> = entries.iter().map(|entry| Arc::clone(&entry.name)).collect();
        let mut state = self.lock();
        let ids = state.router.set_members(entries);
        let places = ids.into_iter().zip(names).zip(targets).zip(members);
        let places = places.map(|(((id, name), target), Member { pool, role, .. })| Place {
            id,
            name,
            role,
            target,
            pool,
        });
        let replaced = std::mem::replace(&mut state.pools, places.collect());
        drop(state);
        // After the lock: the last handle of a pool closes it, which runs user code.
        drop((replaced, old));
    }

    /// The present members.
    pub fn members(&self) -> Vec<Member<C>> {
        let places = self.places();
        let stats = self.stats();
        let weight = |place: &Place<C>| {
            stats.iter().find(|member| member.name == place.name).map_or(Member::<C>::WEIGHT, |m| m.weight)
        };
        places.iter().map(|place| Member::new(place.pool.clone(), place.role).weight(weight(place))).collect()
    }

    /// Says whether the target of the member with this name was found unhealthy. Such a member is left out at once, and let
    /// back when it no longer is. The cap on members that are left out counts it with those that failed callers.
    /// [`PoolManager`](crate::PoolManager) does that for its own groups.
    pub fn set_unhealthy(&self, pool: &str, unhealthy: bool) {
        if !self.lock().router.set_unhealthy(pool, unhealthy) {
            return;
        }
        let group = &*self.shared.name;
        match unhealthy {
            true => tracing::warn!(group, pool, "a member is left out: its target is unhealthy"),
            false => tracing::info!(group, pool, "a member is no longer left out as unhealthy"),
        }
    }

    pub(crate) fn has_members(&self) -> bool {
        !self.lock().pools.is_empty()
    }

    /// How many handles of the group there are, this one included.
    pub(crate) fn handles(&self) -> usize {
        Arc::strong_count(&self.shared)
    }

    /// Replaces the rules. Ejections under way keep their length.
    pub fn set_routing(&self, routing: Routing) {
        self.lock().router.set_rules(routing);
    }

    /// The present rules.
    pub fn routing(&self) -> Routing {
        self.lock().router.rules().clone()
    }

    /// What each member was given to do, and whether it is left out now.
    pub fn stats(&self) -> Vec<MemberStats> {
        self.lock().router.stats(Instant::now())
    }

    /// Waits for a connection to read with: of a replica, or of the primary when none has one.
    ///
    /// The deadline is the longest `acquire_timeout` of the members; [`acquire_timeout`](Group::acquire_timeout) sets
    /// another. What is left of it is divided among the members not asked yet, so one that hangs does not use it up.
    ///
    /// # Errors
    ///
    /// [`RouteError`] names the members that were asked, and what each of them said.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future at any point loses nothing.
    #[track_caller]
    pub fn read(&self) -> impl Future<Output = Result<Pooled<C>, RouteError>> + Send + use<'_, C> {
        self.serve(self.search(Access::Read, None))
    }

    /// Waits for a connection to write with: of the primary.
    ///
    /// # Errors
    ///
    /// As [`read`](Group::read).
    ///
    /// # Cancel safety
    ///
    /// Dropping the future at any point loses nothing.
    #[track_caller]
    pub fn write(&self) -> impl Future<Output = Result<Pooled<C>, RouteError>> + Send + use<'_, C> {
        self.serve(self.search(Access::Write, None))
    }

    /// Waits for a connection to read much with: of an analytics member, or else as [`read`](Group::read).
    ///
    /// # Errors
    ///
    /// As [`read`](Group::read).
    ///
    /// # Cancel safety
    ///
    /// Dropping the future at any point loses nothing.
    #[track_caller]
    pub fn analytics(&self) -> impl Future<Output = Result<Pooled<C>, RouteError>> + Send + use<'_, C> {
        self.serve(self.search(Access::Analytics, None))
    }

    /// Waits for a connection for whatever is wanted.
    ///
    /// # Errors
    ///
    /// As [`read`](Group::read).
    ///
    /// # Cancel safety
    ///
    /// Dropping the future at any point loses nothing.
    #[track_caller]
    pub fn acquire(
        &self,
        access: Access,
    ) -> impl Future<Output = Result<Pooled<C>, RouteError>> + Send + use<'_, C> {
        self.serve(self.search(access, None))
    }

    /// Waits for a connection for whatever is wanted, for at most `timeout` in all.
    ///
    /// # Errors
    ///
    /// As [`read`](Group::read).
    ///
    /// # Cancel safety
    ///
    /// Dropping the future at any point loses nothing.
    #[track_caller]
    pub fn acquire_timeout(
        &self,
        access: Access,
        timeout: Duration,
    ) -> impl Future<Output = Result<Pooled<C>, RouteError>> + Send + use<'_, C> {
        self.serve(self.search(access, Some(timeout)))
    }

    /// Runs `work` on a connection to read with, and runs it again on that of another member if the connection breaks in
    /// the middle.
    ///
    /// Whether it broke is asked of the connector, after `work` has failed: see [`Connector::condition`]. No member is
    /// tried twice, and none is begun with after the deadline, which is that of [`read`](Group::read) and
    /// does not cut off work under way. So `work` must be fit to be run several times, and only read.
    ///
    /// # Errors
    ///
    /// With the error of `work` if the connection is as good as before; otherwise names the members that were tried.
    ///
    /// # Panics
    ///
    /// If `work` panics; the connection is closed then.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses nothing; what becomes of a statement under way is told by the driver.
    #[track_caller]
    pub fn read_with<T, E: fmt::Display>(
        &self,
        work: impl AsyncFnMut(&mut C::Connection) -> Result<T, E>,
    ) -> impl Future<Output = Result<T, ReadError<E>>> {
        self.repeat(self.search(Access::Read, None), |_| false, work)
    }

    /// [`read_with`](Group::read_with) that takes the connection for broken as well if `lost` says so of the error. It
    /// is closed then.
    ///
    /// So a server that accepts and never answers can be left for another: with a `work` that gives up by a timeout of its
    /// own, and a `lost` that knows its error.
    ///
    /// # Errors
    ///
    /// As [`read_with`](Group::read_with).
    ///
    /// # Panics
    ///
    /// As [`read_with`](Group::read_with).
    ///
    /// # Cancel safety
    ///
    /// As [`read_with`](Group::read_with).
    #[track_caller]
    pub fn read_with_lost_if<T, E: fmt::Display>(
        &self,
        lost: impl Fn(&E) -> bool,
        work: impl AsyncFnMut(&mut C::Connection) -> Result<T, E>,
    ) -> impl Future<Output = Result<T, ReadError<E>>> {
        self.repeat(self.search(Access::Read, None), lost, work)
    }

    /// Begins a session, whose reads go to the primary for a while after its writes; see
    /// [`Routing::read_your_writes`].
    pub fn session(&self) -> Session<C> {
        Session::new(self.clone())
    }

    /// Waits for a connection of the primary, to read what was just written.
    #[track_caller]
    pub(super) fn read_primary(
        &self,
    ) -> impl Future<Output = Result<Pooled<C>, RouteError>> + Send + use<'_, C> {
        let search = Search { roles: Access::Write.roles(), ..self.search(Access::Read, None) };
        self.serve(search)
    }

    #[track_caller]
    fn search(&self, access: Access, timeout: Option<Duration>) -> Search {
        Search {
            access,
            roles: access.roles(),
            site: Location::caller(),
            timeout,
            period: None,
            tried: Vec::new(),
            attempts: Vec::new(),
        }
    }

    async fn serve(&self, mut search: Search) -> Result<Pooled<C>, RouteError> {
        let (place, guard) = self.find(&mut search).await?;
        self.lock().router.succeeded(place.id, Instant::now());
        Ok(guard)
    }

    async fn repeat<T, E: fmt::Display>(
        &self,
        mut search: Search,
        lost: impl Fn(&E) -> bool,
        mut work: impl AsyncFnMut(&mut C::Connection) -> Result<T, E>,
    ) -> Result<T, ReadError<E>> {
        loop {
            let (place, mut guard) = self.find(&mut search).await.map_err(ReadError::Route)?;
            let outcome = work(&mut guard).await;
            let now = Instant::now();
            let Err(error) = outcome else {
                self.lock().router.succeeded(place.id, now);
                return outcome.map_err(ReadError::Work);
            };
            let evidence = match condition(&place.pool, &mut guard) {
                Condition::AllBroken => Evidence::Down,
                Condition::Broken => Evidence::Doubt,
                _ if lost(&error) => {
                    guard.discard();
                    Evidence::Doubt
                }
                _ => {
                    self.lock().router.succeeded(place.id, now);
                    return Err(ReadError::Work(error));
                }
            };
            self.failed(&mut search, &place, evidence, AttemptFailure::Broken(error.to_string()));
        }
    }

    /// Asks one member after another until one has a connection.
    async fn find(&self, search: &mut Search) -> Result<(Place<C>, Pooled<C>), RouteError> {
        // The deadline counts from the first poll, as that of a pool.
        let (begun, deadline) = *search.period.get_or_insert_with(|| {
            let timeout = search.timeout.unwrap_or_else(|| self.longest_timeout());
            let begun = Instant::now();
            (begun, begun + timeout.min(LONGEST))
        });
        while let Some((place, left)) = self.choose(search) {
            let remaining = deadline.saturating_duration_since(Instant::now());
            if remaining.is_zero() && !search.attempts.is_empty() {
                break;
            }
            search.tried.push(place.id);
            // The last one has all that is left.
            let limit = remaining / left.max(1);
            match place.pool.acquire_timeout(limit).at(search.site).await {
                Ok(guard) => {
                    self.lock().router.served(place.id, search.access);
                    return Ok((place, guard));
                }
                Err(error) => {
                    let evidence = evidence(&error);
                    self.failed(search, &place, evidence, AttemptFailure::Acquire(error));
                }
            }
        }
        Err(self.unserved(search, begun.elapsed()))
    }

    /// The member to ask next, and how many are left with it.
    fn choose(&self, search: &Search) -> Option<(Place<C>, u32)> {
        let places = self.places();
        // Lock: the pools have locks of their own, which are not taken under this one.
        let looks: Vec<_> = places
            .iter()
            .filter(|place| search.roles.contains(&place.role) && !search.tried.contains(&place.id))
            .map(Place::look)
            .collect();
        let mut state = self.lock();
        let State { router, random, .. } = &mut *state;
        let choice = router.choose(search.roles, &search.tried, &looks, Instant::now(), random)?;
        drop(state);
        let place = places.iter().find(|place| place.id == choice.member)?;
        Some((place.clone(), choice.left))
    }

    /// Notes that a member failed a caller.
    fn failed(&self, search: &mut Search, place: &Place<C>, evidence: Evidence, reason: AttemptFailure) {
        let attempt = Attempt { member: Arc::clone(&place.name), role: place.role, reason };
        let mut state = self.lock();
        let State { router, random, .. } = &mut *state;
        let ejected = router.failed(place.id, evidence, Instant::now(), random);
        drop(state);
        if let Some(time) = ejected {
            let millis = time.as_millis() as u64;
            tracing::warn!(
                group = &*self.shared.name,
                ejected_ms = millis,
                "a member is left out: {attempt}"
            );
        }
        search.attempts.push(attempt);
    }

    fn unserved(&self, search: &mut Search, waited: Duration) -> RouteError {
        let (group, access) = (Arc::clone(&self.shared.name), search.access);
        let tried = std::mem::take(&mut search.attempts);
        if tried.is_empty() {
            RouteError::NoMember { group, access }
        } else {
            RouteError::Unserved { group, access, waited, tried }
        }
    }

    /// Asked of the pools each time: their options may have been replaced.
    fn longest_timeout(&self) -> Duration {
        let timeouts = self.places().iter().map(|place| place.pool.options().acquire_timeout).max();
        timeouts.unwrap_or_default()
    }

    fn places(&self) -> Arc<[Place<C>]> {
        Arc::clone(&self.lock().pools)
    }

    // Lock: held for a few operations on plain data, never over user code or a pool's lock.
    fn lock(&self) -> MutexGuard<'_, State<C>> {
        self.shared.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<C: Connector> Place<C> {
    /// What the pool says of itself.
    fn look(&self) -> Look {
        let stats = self.pool.stats();
        let up = self.pool.outage().is_none() && !self.pool.is_closed() && !self.pool.is_paused();
        let fill = (stats.active + stats.waiting) as f64 / stats.max.max(1) as f64;
        Look { member: self.id, fill, up }
    }
}

/// What can be seen of a connection. A connector that panics when asked has a broken one.
fn condition<C: Connector>(pool: &Pool<C>, guard: &mut Pooled<C>) -> Condition {
    catch_unwind(AssertUnwindSafe(|| pool.connector().condition(guard))).unwrap_or(Condition::Broken)
}

impl<C: Connector> Clone for Group<C> {
    fn clone(&self) -> Self {
        Group { shared: Arc::clone(&self.shared) }
    }
}

impl<C: Connector> Clone for Place<C> {
    fn clone(&self) -> Self {
        Place {
            id: self.id,
            name: Arc::clone(&self.name),
            role: self.role,
            target: self.target.clone(),
            pool: self.pool.clone(),
        }
    }
}

/// Shows the names of the members, never their connectors: these may hold secrets.
impl<C: Connector> fmt::Debug for Group<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Group")
            .field("name", &self.shared.name)
            .field("members", &self.stats())
            .finish_non_exhaustive()
    }
}
