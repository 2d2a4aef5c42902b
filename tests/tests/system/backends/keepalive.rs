//! Connections that nobody uses: cut by the server, kept alive, or leading nowhere any more.

use std::time::Duration;

use tokio::time::Instant;

use super::backend::{Backend as _, Hindrance};
use super::wired::{Service, Wired};
use super::{PATIENCE, SLACK, open, pool_of, settles, until};

/// After so long without a word the server ends a session; some servers count in whole seconds.
const CUT: Duration = Duration::from_secs(2);

/// E13. When the server has cut all sessions of the one pool, those of the other are older and live.
pub(super) async fn keepalive_prevents_a_cut_and_without_it_no_caller_sees_the_cut<S: Service>() {
    let backend = Wired::<S>::cutting_idle_sessions_after(CUT).await;
    let kept = pool_of(&backend, 3)
        .keepalive_interval(CUT / 4)
        .maintenance_interval(Duration::from_millis(100))
        .build()
        .unwrap();
    let cut = pool_of(&backend, 3).keepalive_interval(Duration::ZERO).build().unwrap();
    open::<Wired<S>>(&kept, 3).await;
    let old = open::<Wired<S>>(&cut, 3).await;
    assert_eq!(backend.sessions().await, 6);
    until("the server has cut those that nobody keeps alive", async || backend.sessions().await <= 3).await;

    open::<Wired<S>>(&kept, 3).await;
    let counters = kept.counters();
    assert_eq!((counters.created, counters.validations_failed), (3, 0), "{counters:?}");
    assert!(counters.validations >= 3 * 2, "{counters:?}");

    let new = open::<Wired<S>>(&cut, 3).await;
    assert!(!new.iter().any(|id| old.contains(id)), "{old:?}, then {new:?}");
    assert_eq!((cut.counters().failed(), cut.counters().created), (0, 6), "{:?}", cut.counters());
    cut.close(PATIENCE).await;
    settles(&backend, &kept).await;
}

/// E14: the peer is gone and has said nothing.
pub(super) async fn a_half_open_connection_is_found_without_a_caller<S: Service>() {
    let backend = <Wired<S> as super::Backend>::start().await;
    let (interval, housekeeping, validation) =
        (Duration::from_millis(300), Duration::from_millis(50), Duration::from_millis(300));
    let pool = pool_of(&backend, 2)
        .min_connections(2)
        .keepalive_interval(interval)
        .maintenance_interval(housekeeping)
        .validation_timeout(validation)
        .connect_timeout(Duration::from_millis(500))
        .build()
        .unwrap();
    let old = open::<Wired<S>>(&pool, 2).await;
    backend.hinder(Hindrance::Blackhole).await;
    let begun = Instant::now();
    until("both are found", async || pool.counters().closed.total() == 2).await;
    let bound = interval + housekeeping + validation;
    assert!(begun.elapsed() < bound + SLACK, "found after {:?}", begun.elapsed());
    backend.mend().await;
    until("the pool has refilled by itself", async || pool.stats().idle == 2).await;
    let new = open::<Wired<S>>(&pool, 2).await;
    assert!(!new.iter().any(|id| old.contains(id)), "{old:?}, then {new:?}");
    assert_eq!(pool.counters().acquired, 4, "{:?}", pool.counters());
    settles(&backend, &pool).await;
}

/// E14, for those who use no keepalive of the pool.
pub(super) async fn the_kernel_is_told_to_ask_after_a_silent_peer<S: Service>() {
    let backend = <Wired<S> as super::Backend>::start().await;
    let pool = pool_of(&backend, 1).build().unwrap();
    open::<Wired<S>>(&pool, 1).await;
    let (ours, theirs) = (backend.proxy.connections()[0].peer.port(), backend.proxy.address().port());
    let timer = || timer_of(ours, theirs);
    // What has been sent is acknowledged soon; until then another timer may run.
    until("nothing is under way", async || timer() != Some(Timer::Retransmit)).await;
    assert_eq!(timer() == Some(Timer::Keepalive), S::HAS_TCP_KEEPALIVE, "{:?}", timer());
}

/// What the kernel waits for on a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Timer {
    Retransmit,
    Keepalive,
    None,
}

/// The timer of the connection between these two ports, if there is one.
fn timer_of(ours: u16, theirs: u16) -> Option<Timer> {
    let table = std::fs::read_to_string("/proc/net/tcp").unwrap();
    let ports = [ours, theirs].map(|port| format!(":{port:04X}"));
    let is_ours = |fields: &[&str]| ports.iter().zip(&fields[1..]).all(|(port, place)| place.ends_with(port));
    let lines = table.lines().skip(1).map(|line| line.split_whitespace().collect::<Vec<_>>());
    let ours = lines.into_iter().find(|fields| is_ours(fields))?;
    Some(match ours.get(5)?.split(':').next()? {
        "00" => Timer::None,
        "02" => Timer::Keepalive,
        _ => Timer::Retransmit,
    })
}
