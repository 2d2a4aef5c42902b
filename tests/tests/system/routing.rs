//! A primary and two replicas of real PostgreSQL, while they die and come back under twenty readers.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use pool_config::Routing;
use pool_core::Pool;
use pool_drivers::postgres::{PgConnection, PgConnector, Role};
use pool_manager::{Group, Member, MemberStats};
use pool_tests::postgres::{PASSWORD, Postgres, SUPERUSER};
use pool_tests::process::Server;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep};

const READERS: usize = 20;
/// What a read may take in all.
const DEADLINE: Duration = Duration::from_secs(10);
/// One member's pool is enough for all readers.
const CONNECTIONS: usize = READERS;

const PRIMARY: usize = 0;
const FIRST: usize = 1;
const SECOND: usize = 2;

/// The servers, and the group of their pools.
struct Cluster {
    servers: [Server<Postgres>; 3],
    pools: [Pool<PgConnector>; 3],
    group: Group<PgConnector>,
}

async fn cluster() -> Cluster {
    let primary = Postgres::new().launch().await.unwrap();
    primary.execute("create table item (id int primary key); insert into item values (1)").await.unwrap();
    let servers =
        [Postgres::standby_of(&primary).await.unwrap(), Postgres::standby_of(&primary).await.unwrap()];
    for replica in &servers {
        replica.catch_up_with(&primary).await.unwrap();
    }
    let [first, second] = servers;
    let pool = |name: &str, server: &Server<Postgres>, role: Role| {
        let url = server.url(SUPERUSER, PASSWORD, "postgres");
        let builder = Pool::builder(PgConnector::from_url(&url).unwrap().role(role)).name(name);
        builder.max_connections(CONNECTIONS).min_connections(0).acquire_timeout(DEADLINE).build().unwrap()
    };
    let pools = [
        pool("primary", &primary, Role::Primary),
        pool("first", &first, Role::Replica),
        pool("second", &second, Role::Replica),
    ];
    let group = Group::new("orders");
    let cluster = Cluster { servers: [primary, first, second], pools, group };
    cluster.group.set_members(cluster.members());
    cluster
}

impl Cluster {
    fn members(&self) -> [Member<PgConnector>; 3] {
        let [primary, first, second] = self.pools.clone();
        [Member::primary(primary), Member::replica(first), Member::replica(second)]
    }

    /// Waits until members have so many connections open: until then some of their readers wait for one.
    async fn has_open(&self, wanted: &[(usize, usize)]) {
        let begun = Instant::now();
        let stats = |index: usize| self.pools[index].stats();
        while wanted.iter().any(|(index, count)| stats(*index).idle + stats(*index).active < *count) {
            assert!(begun.elapsed() < Duration::from_secs(60), "{wanted:?} of {:?}", self.pools);
            sleep(Duration::from_millis(10)).await;
        }
    }

    /// How much each member reads within this time.
    async fn reads_within(&self, time: Duration) -> [u64; 3] {
        let reads = |stats: Vec<MemberStats>| [stats[0].reads, stats[1].reads, stats[2].reads];
        let before = reads(self.group.stats());
        sleep(time).await;
        let after = reads(self.group.stats());
        std::array::from_fn(|index| after[index] - before[index])
    }

    /// Waits until each of these reads and the others do not.
    async fn reads_are_at(&self, members: &[usize]) -> [u64; 3] {
        let begun = Instant::now();
        loop {
            let reads = self.reads_within(Duration::from_millis(300)).await;
            let fits = (0..3).all(|index| (reads[index] > 0) == members.contains(&index));
            if fits {
                return reads;
            }
            assert!(begun.elapsed() < Duration::from_secs(60), "{reads:?}, not at {members:?}");
        }
    }
}

/// Twenty tasks that read until they are told to stop.
struct Readers {
    stop: Arc<AtomicBool>,
    done: Arc<AtomicU64>,
    tasks: Vec<JoinHandle<Duration>>,
}

impl Readers {
    fn start(group: &Group<PgConnector>) -> Self {
        let (stop, done) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let read = async |connection: &mut PgConnection| {
            let query = sqlx::query_scalar::<_, i32>("select id from item, pg_sleep(0.002) where id = 1");
            query.fetch_one(connection).await
        };
        let task = || {
            let (group, stop, done) = (group.clone(), Arc::clone(&stop), Arc::clone(&done));
            tokio::spawn(async move {
                let mut longest = Duration::ZERO;
                while !stop.load(Ordering::Relaxed) {
                    let begun = Instant::now();
                    let id = group.read_with(read).await.unwrap();
                    assert_eq!(id, 1);
                    longest = longest.max(begun.elapsed());
                    done.fetch_add(1, Ordering::Relaxed);
                }
                longest
            })
        };
        Readers { tasks: (0..READERS).map(|_| task()).collect(), stop, done }
    }

    /// Ends them. Returns how many reads there were and how long the longest took. No one has met an error.
    async fn stop(self) -> (u64, Duration) {
        self.stop.store(true, Ordering::Relaxed);
        let mut longest = Duration::ZERO;
        for task in self.tasks {
            longest = longest.max(task.await.unwrap());
        }
        (self.done.load(Ordering::Relaxed), longest)
    }
}

// Issue 5, case 4.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn readers_notice_nothing_while_replicas_die_and_come_back() {
    let cluster = cluster().await;
    let readers = Readers::start(&cluster.group);

    // Both alike: half each.
    cluster.has_open(&[(FIRST, 10), (SECOND, 10)]).await;
    let reads = cluster.reads_within(Duration::from_secs(2)).await;
    let share = reads[FIRST] as f64 / (reads[FIRST] + reads[SECOND]) as f64;
    println!("both replicas: {reads:?}, the first has {:.1} %", share * 100.0);
    assert!((share - 0.5).abs() < 0.08, "{reads:?}");

    cluster.servers[FIRST].kill().await.unwrap();
    let reads = cluster.reads_are_at(&[SECOND]).await;
    println!("one replica killed: {reads:?}");
    assert!(cluster.group.stats()[FIRST].ejections > 0 || cluster.pools[FIRST].outage().is_some());

    cluster.servers[SECOND].kill().await.unwrap();
    let reads = cluster.reads_are_at(&[PRIMARY]).await;
    println!("both replicas killed: {reads:?}");

    cluster.servers[FIRST].start().await.unwrap();
    let begun = Instant::now();
    let reads = cluster.reads_are_at(&[FIRST]).await;
    println!("one replica back: {reads:?} after {:?}", begun.elapsed());

    cluster.servers[SECOND].start().await.unwrap();
    cluster.reads_are_at(&[FIRST, SECOND]).await;
    cluster.has_open(&[(FIRST, 10), (SECOND, 10)]).await;
    let reads = cluster.reads_within(Duration::from_secs(2)).await;
    let share = reads[SECOND] as f64 / (reads[FIRST] + reads[SECOND]) as f64;
    println!("both back: {reads:?}, the second has {:.1} %", share * 100.0);
    assert!((share - 0.5).abs() < 0.08, "{reads:?}");

    let (all, longest) = readers.stop().await;
    println!("{all} reads, the longest took {longest:?}");
    assert!(longest <= DEADLINE + Duration::from_millis(50), "{longest:?}");
    assert_eq!(cluster.group.stats().iter().map(|member| member.writes).sum::<u64>(), 0);
    assert!(cluster.pools.iter().all(|pool| pool.stats().active == 0), "{:?}", cluster.group);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn shares_follow_weights_while_replicas_are_busy() {
    let cluster = cluster().await;
    let [primary, first, second] = cluster.members();
    cluster.group.set_members([primary, first.weight(100), second.weight(300)]);
    let readers = Readers::start(&cluster.group);
    cluster.has_open(&[(FIRST, 5), (SECOND, 15)]).await;
    let reads = cluster.reads_within(Duration::from_secs(3)).await;
    let share = reads[SECOND] as f64 / (reads[FIRST] + reads[SECOND]) as f64;
    println!("weights 100 and 300: {reads:?}, the second has {:.1} %", share * 100.0);
    assert!((share - 0.75).abs() < 0.08, "{reads:?}");
    readers.stop().await;
}

// The kernel goes on accepting for a frozen process, which then answers nothing.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replica_that_is_frozen_keeps_new_readers_only_for_its_share_of_the_deadline() {
    let cluster = cluster().await;
    for _ in 0..20 {
        drop(cluster.group.read().await.unwrap());
    }
    cluster.servers[FIRST].freeze().await.unwrap();
    // Longer than connections are trusted without a question.
    sleep(Duration::from_secs(1)).await;
    let mut slow = 0;
    for _ in 0..40 {
        let begun = Instant::now();
        let guard = cluster.group.acquire_timeout(pool_manager::Access::Read, Duration::from_secs(3)).await;
        assert_ne!(guard.unwrap().pool_name(), "first");
        assert!(begun.elapsed() <= Duration::from_secs(3), "{:?}", begun.elapsed());
        slow += u32::from(begun.elapsed() > Duration::from_millis(500));
    }
    assert!(slow <= 4, "{slow} of 40 readers had to wait for it");
    cluster.servers[FIRST].thaw();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_reads_on_the_primary_what_a_replica_does_not_have_yet() {
    let cluster = cluster().await;
    let rules = Routing { read_your_writes: Duration::from_secs(30), ..Routing::default() };
    cluster.group.set_routing(rules);
    // The replicas receive what is written, and do not apply it.
    for replica in &cluster.servers[FIRST..] {
        replica.execute("select pg_wal_replay_pause()").await.unwrap();
    }
    let session = cluster.group.session();
    let mut write = session.write().await.unwrap();
    sqlx::query("insert into item values (2)").execute(&mut *write).await.unwrap();
    drop(write);
    let count = async |connection: &mut PgConnection| {
        sqlx::query_scalar::<_, i64>("select count(*) from item").fetch_one(connection).await.unwrap()
    };
    assert_eq!(count(&mut session.read().await.unwrap()).await, 2);
    assert_eq!(count(&mut cluster.group.read().await.unwrap()).await, 1, "others see it late");
}
