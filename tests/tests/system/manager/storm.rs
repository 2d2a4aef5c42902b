//! "It must show" 2: two thousand edits of the file, good and bad, while fifty tasks acquire.
//!
//! Nobody may see an error because of an edit. What was refused has changed nothing. A pool that no edit names keeps its
//! connections and its books.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use pool_core::{CloseReason, PoolControl, PoolSnapshot};
use pool_manager::{AnyConnection, PoolManager};
use pool_tests::postgres::Postgres;
use pool_tests::process::Server;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use super::{PATIENCE, until, until_one_stays, uses};

const EDITS: u32 = 2_000;
const TASKS: usize = 50;

/// What the file says now, as far as edits change it.
#[derive(Clone, PartialEq)]
struct State {
    orders: Pool,
    stock: Pool,
    /// Pools that come and go, and that nobody uses.
    extra: Vec<u32>,
    health_interval: u32,
}

#[derive(Clone, PartialEq)]
struct Pool {
    max: u32,
    idle_timeout: u32,
    /// Which of the two places: what drains.
    place: usize,
    name: u32,
}

/// The servers and files that the file names.
struct World {
    servers: [Server<Postgres>; 2],
    folder: tempfile::TempDir,
}

impl World {
    fn file(&self) -> PathBuf {
        self.folder.path().join("connection_pool.yaml")
    }

    fn secret(&self) -> PathBuf {
        self.folder.path().join("password")
    }

    fn text(&self, state: &State) -> String {
        let State { orders, stock, extra, health_interval } = state;
        let extra: String = extra
            .iter()
            .map(|number| format!("\n    - {{name: extra-{number}, driver: sqlite, database: ':memory:'}}"))
            .collect();
        format!(
            "connection_pool:
  reload: {{grace_ms: 20000, watch: 'off'}}
  health_monitoring: {{check_interval_ms: {health_interval}}}
  default_pool: {{min_connections: 1, connect_concurrency: 4}}
  pools:
    - {{name: orders, host: 127.0.0.1, port: {}, database: app, user: app, password_file: '{}',
       max_connections: {}, idle_timeout_ms: {}, application_name: orders-{}}}
    - {{name: stock, driver: sqlite, database: '{}/stock-{}.db', max_connections: {}, idle_timeout_ms: {}}}
    - {{name: steady, host: 127.0.0.1, port: {}, database: app, user: steady, password: canary-steady,
       max_connections: 3}}{extra}
",
            self.servers[orders.place].port(),
            self.secret().display(),
            orders.max,
            orders.idle_timeout,
            orders.name,
            self.folder.path().display(),
            stock.place,
            stock.max,
            stock.idle_timeout,
            self.servers[0].port(),
        )
    }

    /// Changes the password of the user, and the file that holds it.
    async fn change_password(&self, number: u32) {
        let password = format!("canary-{number}");
        for server in &self.servers {
            server.execute(&format!("ALTER ROLE app PASSWORD '{password}'")).await.unwrap();
        }
        fs::write(self.secret(), password).unwrap();
    }
}

/// A good edit.
fn edit(state: &State, random: &mut fastrand::Rng, number: u32) -> State {
    let mut state = state.clone();
    match random.u32(..100) {
        0..35 => state.orders.max = *random.choice(&[4, 8, 20]).unwrap(),
        35..45 => state.orders.idle_timeout = random.u32(50_000..400_000),
        45..55 => state.stock.max = random.u32(1..12),
        55..60 => state.stock.place = 1 - state.stock.place,
        60..64 => state.orders.place = 1 - state.orders.place,
        64..68 => state.orders.name = number,
        68..78 => state.extra.push(number),
        78..88 => drop(state.extra.pop()),
        _ => state.health_interval = random.u32(1_000..100_000),
    }
    state
}

/// A bad edit: of a good text, or instead of one.
fn spoil(text: &str, random: &mut fastrand::Rng) -> String {
    match random.u32(..8) {
        0 => text[..random.usize(60..text.len() - 20)].trim_end().to_owned() + " {",
        1 => text.replace("max_connections", "max_conections"),
        2 => text.replace("max_connections: 3", "max_connections: 0"),
        3 => text.replace("driver: sqlite", "driver: oracle"),
        4 => text.replace("reload: {grace_ms", "reload: {interval_ms: 1234, grace_ms"),
        5 => text
            .replace("user: steady", "user: steady, ssl: {enabled: true, ca_certificate: /nowhere/ca.pem}"),
        6 => text.replace(
            "name: stock, driver: sqlite, database",
            "name: stock, driver: http, host: h, x-database",
        ),
        _ => "connection_pool: [".to_owned(),
    }
}

/// Fifty tasks that use the three pools that are always there.
struct Callers {
    over: Arc<AtomicBool>,
    served: Arc<AtomicU64>,
    tasks: JoinSet<()>,
}

impl Callers {
    fn of(manager: &PoolManager) -> Self {
        let (over, served) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let mut tasks = JoinSet::new();
        for task in 0..TASKS {
            let (manager, over, served) = (manager.clone(), Arc::clone(&over), Arc::clone(&served));
            let mut random = fastrand::Rng::with_seed(task as u64);
            tasks.spawn(async move {
                while !over.load(Ordering::SeqCst) {
                    let name = *random.choice(&["orders", "orders", "stock", "steady"]).unwrap();
                    let mut connection = match manager.acquire(name).await {
                        Ok(connection) => connection,
                        Err(error) => panic!("failed to {error}"),
                    };
                    ask(&mut connection).await;
                    served.fetch_add(1, Ordering::SeqCst);
                    sleep(Duration::from_micros(random.u64(0..2_000))).await;
                    drop(connection);
                    sleep(Duration::from_millis(random.u64(0..20))).await;
                }
            });
        }
        Callers { over, served, tasks }
    }

    async fn stop(mut self) -> u64 {
        self.over.store(true, Ordering::SeqCst);
        while let Some(outcome) = self.tasks.join_next().await {
            outcome.unwrap();
        }
        self.served.load(Ordering::SeqCst)
    }
}

async fn ask(connection: &mut AnyConnection) {
    if let Some(postgres) = connection.as_postgres() {
        postgres.run("SELECT 1").await.unwrap();
    } else if let Some(sqlite) = connection.as_sqlite() {
        sqlite.run("SELECT 1").await.unwrap();
    }
}

/// What must only grow, and what must not happen, in a pool that no edit names.
fn check_steady(before: &PoolSnapshot, now: &PoolSnapshot) {
    assert!(now.counters.acquired >= before.counters.acquired, "the books were begun anew");
    assert!(now.counters.created >= before.counters.created);
    assert_eq!(now.counters.closed[CloseReason::Evicted], 0, "its connections were replaced");
    assert_eq!((now.stats.max, now.counters.failed()), (3, 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_thousand_edits_under_fifty_callers_cost_nobody_an_error() {
    let world = World {
        servers: [Postgres::new().launch().await.unwrap(), Postgres::new().launch().await.unwrap()],
        folder: tempfile::tempdir().unwrap(),
    };
    for server in &world.servers {
        server.create_user("app", "canary-first").await.unwrap();
    }
    world.servers[0].create_user("steady", "canary-steady").await.unwrap();
    world.servers[0].execute("GRANT CONNECT ON DATABASE app TO steady").await.unwrap();
    fs::write(world.secret(), "canary-first").unwrap();
    let pool = |place| Pool { max: 8, idle_timeout: 300_000, place, name: 0 };
    let mut state = State { orders: pool(0), stock: pool(0), extra: Vec::new(), health_interval: 60_000 };
    let write = |path: &Path, text: &str| fs::write(path, text).unwrap();
    write(&world.file(), &world.text(&state));

    let manager = PoolManager::from_file(world.file()).await.unwrap();
    let orders = manager.pool("orders").unwrap();
    let orders: &dyn PoolControl = orders.control();
    let callers = Callers::of(&manager);
    let seed = fastrand::u64(..);
    let mut random = fastrand::Rng::with_seed(seed);
    let (mut good, mut bad, mut same, mut passwords) = (0, 0, 0, 0);
    let mut steady = manager.snapshots()["steady"].clone();
    // The uses of the connections of `orders` after it was drained last.
    let mut drained = uses(orders);

    for number in 0..EDITS {
        let told = |what: &str| format!("edit {number} of seed {seed}: {what}");
        let before = (manager.reload_stats(), manager.config());
        if random.u32(..100) < 35 {
            bad += 1;
            write(&world.file(), &spoil(&world.text(&state), &mut random));
            let error = manager.reload_from_file().await.map(drop).expect_err(&told("it was accepted"));
            let after = manager.reload_stats();
            assert_eq!(after.config_hash, before.0.config_hash, "{}", told("it was refused"));
            assert_eq!(after.generation, before.0.generation);
            assert!(*manager.config() == *before.1, "{}", told("it was refused"));
            assert_eq!(after.last_error, Some(error.to_string()));
            write(&world.file(), &world.text(&state));
        } else {
            let next = edit(&state, &mut random, number);
            let changes_password = random.u32(..100) < 2;
            if changes_password {
                // The operator's part: while nothing else is changed, and with a connection there to go on with.
                until_one_stays(orders, &drained).await;
                world.change_password(number).await;
                passwords += 1;
            }
            write(&world.file(), &world.text(&next));
            let served = orders.counters().acquired;
            let report = manager
                .reload_from_file()
                .await
                .unwrap_or_else(|error| panic!("{}", told(&error.to_string())));
            assert_eq!(report.is_unchanged(), next == state && !changes_password, "{}", told("what it did"));
            assert!(
                !report.drained.contains(&"steady".to_owned())
                    && !report.changed.contains(&"steady".to_owned())
            );
            if report.drained.contains(&"orders".to_owned()) {
                drained = uses(orders);
                // Edits that drain faster than a server can be connected to would keep everybody waiting.
                until("somebody is served", async || orders.counters().acquired > served + 4).await;
            }
            if report.is_unchanged() {
                same += 1;
            } else {
                good += 1;
            }
            state = next;
            assert_eq!(orders.options().max_connections, state.orders.max as usize);
        }
        let now = manager.snapshots()["steady"].clone();
        check_steady(&steady, &now);
        steady = now;
    }

    let stats = manager.reload_stats();
    assert_eq!((stats.applied, stats.refused, stats.unchanged), (good, bad, same));
    timeout(PATIENCE, manager.wait_applied(stats.generation)).await.unwrap().unwrap();
    let served = callers.stop().await;
    assert!(good > 900 && bad > 500 && passwords > 5 && served > 10_000, "{good} {bad} {passwords} {served}");
    for (name, snapshot) in manager.snapshots() {
        assert_eq!(snapshot.counters.failed(), 0, "{name}: {snapshot:?}");
        assert_eq!(snapshot.counters.closed[CloseReason::Abandoned], 0, "{name}: nobody held one for long");
    }
    assert_eq!(manager.names().len(), 3 + state.extra.len());
    until("orders has shrunk", async || orders.stats().open() <= state.orders.max as usize).await;

    let report = manager.close(PATIENCE).await;
    assert!(report.is_complete(), "{report}");
    for server in &world.servers {
        let mut witness = server.connect().await.unwrap();
        let query = "SELECT count(*) FROM pg_stat_activity WHERE usename <> 'postgres'";
        let left: i64 = sqlx::query_scalar(query).fetch_one(&mut witness).await.unwrap();
        assert_eq!(left, 0);
    }
}
