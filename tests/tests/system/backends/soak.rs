//! Half a minute of faults in random order, on all backends at once.
//!
//! The order depends on a seed that every failure names; with `POOL_SOAK_SEED` it is the same again.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use pool_tests::http::Http;
use pool_tests::local::LocalServer;
use pool_tests::mariadb::MariaDb;
use pool_tests::postgres::Postgres;
use pool_tests::process::Server;
use pool_tests::redis::Redis;
use pool_tests::websocket::WebSocket;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};

use super::backend::{Backend, Hindrance, PoolOf};
use super::sqlite::SqliteFile;
use super::wired::Wired;
use super::{PATIENCE, open, pool_of, settles, until_it_answers};

const LENGTH: Duration = Duration::from_secs(30);
const TASKS: usize = 20;
const CONNECTIONS: usize = 6;

/// How long a task waits for a connection, and then for its answer.
const LIMIT: Duration = Duration::from_secs(2);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn thirty_seconds_of_faults_leave_no_wrong_answer_and_no_session() {
    let given = std::env::var("POOL_SOAK_SEED").ok().map(|seed| seed.parse().expect("a number"));
    let seed = given.unwrap_or_else(|| fastrand::u64(..));
    tokio::join!(
        soak::<Wired<Server<Postgres>>>("PostgreSQL", seed),
        soak::<Wired<Server<MariaDb>>>("MariaDB", seed),
        soak::<Wired<Server<Redis>>>("Redis", seed),
        soak::<Wired<LocalServer<Http>>>("HTTP", seed),
        soak::<Wired<LocalServer<WebSocket>>>("WebSocket", seed),
        soak::<SqliteFile>("SQLite", seed),
    );
}

/// What goes wrong for a while.
#[derive(Debug, Clone, Copy)]
enum Trouble {
    Kill,
    Reset,
    Blackhole,
    Latency,
    Refuse,
    Freeze,
    Restart,
}

impl Trouble {
    const ALL: [Trouble; 7] = [
        Trouble::Kill,
        Trouble::Reset,
        Trouble::Blackhole,
        Trouble::Latency,
        Trouble::Refuse,
        Trouble::Freeze,
        Trouble::Restart,
    ];

    /// Makes it, and mends it.
    async fn happens_to<B: Backend>(self, backend: &B) {
        let hindrance = match self {
            Trouble::Kill => return backend.kill_sessions().await,
            Trouble::Reset => return backend.reset().await,
            Trouble::Restart => {
                backend.stop().await;
                return backend.start_again().await;
            }
            Trouble::Freeze => {
                backend.freeze().await;
                sleep(Duration::from_millis(500)).await;
                return backend.thaw().await;
            }
            Trouble::Blackhole => Hindrance::Blackhole,
            Trouble::Latency => Hindrance::Latency(Duration::from_millis(20)),
            Trouble::Refuse => Hindrance::Refuse,
        };
        backend.hinder(hindrance).await;
        sleep(Duration::from_millis(500)).await;
        backend.mend().await;
    }
}

/// What the tasks saw.
#[derive(Debug, Default)]
struct Seen {
    right: AtomicU64,
    wrong: AtomicU64,
    failed: AtomicU64,
    given_up: AtomicU64,
    refused: AtomicU64,
}

async fn soak<B: Backend>(name: &str, seed: u64) {
    let backend = B::start().await;
    let pool = pool_of(&backend, CONNECTIONS)
        .name(name)
        .min_connections(2)
        .acquire_timeout(LIMIT)
        .connect_timeout(Duration::from_secs(1))
        .validate_after_idle(Duration::from_millis(30))
        .validation_timeout(Duration::from_secs(1))
        .keepalive_interval(Duration::from_millis(200))
        .maintenance_interval(Duration::from_millis(50))
        .build()
        .unwrap();
    let (seen, over) = (Arc::new(Seen::default()), Arc::new(AtomicBool::new(false)));
    let mut tasks = JoinSet::new();
    for task in 0..TASKS {
        let (pool, seen, over) = (pool.clone(), Arc::clone(&seen), Arc::clone(&over));
        tasks.spawn(async move { work::<B>(&pool, task, &seen, &over).await });
    }
    let mut order = fastrand::Rng::with_seed(seed);
    let mut history = Vec::new();
    let begun = Instant::now();
    while begun.elapsed() < LENGTH {
        let mut troubles = Trouble::ALL;
        order.shuffle(&mut troubles);
        for trouble in troubles {
            let before = seen.right.load(Ordering::Relaxed);
            history.push(trouble);
            trouble.happens_to(&backend).await;
            sleep(Duration::from_millis(order.u64(100..500))).await;
            let served = async {
                while seen.right.load(Ordering::Relaxed) == before {
                    sleep(Duration::from_millis(10)).await;
                }
            };
            let told = || {
                format!("{name}, seed {seed}: no answer after {history:?}; {seen:?}; {:?}", pool.snapshot())
            };
            assert!(timeout(PATIENCE, served).await.is_ok(), "{}", told());
        }
    }
    over.store(true, Ordering::Relaxed);
    tasks.join_all().await;
    let told = format!("{name}, seed {seed}: {seen:?} after {history:?}");
    assert_eq!(seen.wrong.load(Ordering::Relaxed), 0, "{told}");
    until_it_answers::<B>(&pool).await;
    settles(&backend, &pool).await;
    open::<B>(&pool, CONNECTIONS).await;
    settles(&backend, &pool).await;
    let report = pool.close(PATIENCE).await;
    assert!(report.is_complete() && pool.stats().total == 0, "{told}: {report}");
    super::until("the server has no session", async || backend.sessions().await == 0).await;
}

/// Asks and asks. Errors are to be expected, wrong answers are not.
async fn work<B: Backend>(pool: &PoolOf<B>, task: usize, seen: &Seen, over: &AtomicBool) {
    let mut number = 0;
    while !over.load(Ordering::Relaxed) {
        number += 1;
        let question = format!("question {number} of task {task}");
        // Now and then the answer comes when nobody waits for it any more.
        let hasty = fastrand::u8(..50) == 0;
        let limit = if hasty { Duration::from_millis(fastrand::u64(..3)) } else { LIMIT };
        let outcome = match pool.acquire().await {
            Err(_) => &seen.refused,
            Ok(mut connection) => match timeout(limit, B::ask(&mut connection, &question)).await {
                Ok(Ok(answer)) if answer == question => &seen.right,
                Ok(Ok(_)) => &seen.wrong,
                Ok(Err(_)) => &seen.failed,
                Err(_) => &seen.given_up,
            },
        };
        outcome.fetch_add(1, Ordering::Relaxed);
        // Six of these run at once, beside the other tests.
        sleep(Duration::from_millis(10)).await;
    }
}
