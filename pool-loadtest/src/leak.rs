//! Whether a pool gave everything back: the strongest test there is of one, and the cheapest.
//!
//! When all threads have ended, nobody can hold a connection. The pool is looked at *at once* and again when it
//! has settled: a late return would make the second look pass on a pool that loses track for a while. Then all
//! its connections are taken together, which fails if a permit was lost that no gauge shows, and at last it is
//! closed. Looking is here, and [`judge`] is pure.

use std::time::Duration;

use pool_core::{CloseReport, PoolSnapshot};
use tokio::time::{Instant, sleep, timeout_at};

use crate::clock::millis;
use crate::environment::{Process, changes};
use crate::failure::Phase;
use crate::redact::redact;
use crate::result::{LeakCheck, LeakStatus};
use crate::subject::{Description, Subject};

/// How long the pool may take to settle.
const GRACE: Duration = Duration::from_secs(1);

/// How often it is asked whether it has.
const LOOK_EVERY: Duration = Duration::from_millis(10);

/// How long taking all connections may take, at least and at most; in between the acquire timeout counts.
const TAKE_ALL: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(5));

/// How long closing the pool may take.
const CLOSE: Duration = Duration::from_secs(2);

/// As many descriptors and threads may be more than the connections explain: runtimes keep helper threads for
/// some seconds, and libraries open a file or two when first used. A leak per cycle passes this in no time.
const TOLERATED: u64 = 8;

/// How things stood when the pool was warm and the load had not begun.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Baseline {
    process: Process,
    connections: u64,
}

impl Baseline {
    pub(crate) fn take<S: Subject>(subject: &S) -> std::io::Result<Self> {
        let connections = subject.control().stats().open() as u64;
        Ok(Baseline { process: Process::now()?, connections })
    }
}

/// What a pool's account says at one instant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Account {
    in_use: u64,
    open: u64,
    opened: u64,
    closed: u64,
    acquired: u64,
    released: u64,
}

impl Account {
    fn of(snapshot: &PoolSnapshot) -> Self {
        let PoolSnapshot { stats, counters, .. } = snapshot;
        Account {
            in_use: stats.active as u64,
            open: stats.open() as u64,
            opened: counters.created,
            closed: counters.closed.total(),
            acquired: counters.acquired,
            released: counters.released,
        }
    }

    /// What does not add up, as sentences.
    fn mismatches(&self) -> impl Iterator<Item = String> {
        let &Account { in_use, open, opened, closed, acquired, released } = self;
        let connections = (opened.checked_sub(closed) != Some(open))
            .then(|| format!("the pool opened {opened} connections and closed {closed}, but has {open}"));
        let handles = (acquired.checked_sub(released) != Some(in_use)).then(|| {
            format!("the pool handed out {acquired} connections and got back {released}, but says {in_use} are in use")
        });
        connections.into_iter().chain(handles)
    }
}

/// Whether all connections could be taken together.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Permits {
    All,
    Missing {
        wanted: usize,
        got: usize,
    },
    /// The target does not give as many, so nothing follows.
    Unknown {
        got: usize,
        why: String,
    },
}

/// Everything that was seen.
#[derive(Debug)]
struct Evidence {
    at_once: Account,
    settled: Account,
    permits: Permits,
    close: CloseReport,
    left: u64,
    before: Baseline,
    after: Process,
    description: Description,
    alone_in_process: bool,
}

/// Looks, takes all, closes the pool, and judges. All threads of the load must have ended.
///
/// # Cancel safety
///
/// Dropping the future gives back what it took; the pool may be closed already.
pub(crate) async fn check<S: Subject>(
    subject: &S,
    before: Baseline,
    alone_in_process: bool,
) -> std::io::Result<LeakCheck> {
    let control = subject.control();
    let at_once = Account::of(&control.snapshot());
    settle(subject).await;
    let settled = Account::of(&control.snapshot());
    let after = Process::now()?;
    let permits = take_all(subject).await;
    let close = control.close(CLOSE).await;
    let left = control.stats().total as u64;
    let description = subject.description();
    let evidence =
        Evidence { at_once, settled, permits, close, left, before, after, description, alone_in_process };
    Ok(judge(&evidence))
}

/// What can be said without a check.
pub(crate) fn not_performed<S: Subject>(subject: &S, before: Baseline) -> std::io::Result<LeakCheck> {
    let account = Account::of(&subject.control().snapshot());
    let (open_fds, os_threads) = changes(before.process, Process::now()?);
    Ok(LeakCheck {
        performed: false,
        grace_ms: 0.0,
        outstanding_handles: account.in_use,
        ledger_balanced: account.mismatches().next().is_none(),
        server_sessions: None,
        open_fds,
        os_threads,
        rss_slope_bytes_per_hour: None,
        status: LeakStatus::NotPerformed,
        findings: Vec::new(),
    })
}

/// Waits until nothing is under way in the pool, for as long as the grace lasts.
async fn settle<S: Subject>(subject: &S) {
    let deadline = Instant::now() + GRACE;
    loop {
        let stats = subject.control().stats();
        let busy = stats.active + stats.pending + stats.validating + stats.creating + stats.destroying;
        if busy == 0 || Instant::now() >= deadline {
            return;
        }
        sleep(LOOK_EVERY).await;
    }
}

/// Takes as many connections as a normal caller may have, holds them all, and gives them back.
async fn take_all<S: Subject>(subject: &S) -> Permits {
    let options = subject.control().options();
    let wanted = options.max_connections - options.reserve_connections;
    let failed_before = subject.control().counters().connect_failed;
    let deadline = Instant::now() + options.acquire_timeout.clamp(TAKE_ALL.0, TAKE_ALL.1);
    // All are opened first: one task that waits while it holds some would be called a danger to itself.
    let mut full = options.clone();
    full.min_connections = full.min_connections.max(wanted);
    if subject.control().set_options(full).is_ok() {
        // Whatever this does not achieve, the acquires will tell.
        drop(timeout_at(deadline, subject.control().warm_up()).await);
    }
    let mut taken = Vec::with_capacity(wanted);
    let mut refused = None;
    while taken.len() < wanted && refused.is_none() {
        match timeout_at(deadline, subject.acquire()).await {
            Ok(Ok(lease)) => taken.push(lease),
            Ok(Err(failure)) => refused = Some(failure),
            Err(_) => break,
        }
    }
    let got = taken.len();
    let snapshot = subject.control().snapshot();
    taken.into_iter().for_each(|lease| subject.release(lease));
    if got == wanted {
        return Permits::All;
    }
    match refused {
        Some(failure) if failure.phase() == Phase::Connect => {
            Permits::Unknown { got, why: failure.message().to_owned() }
        }
        _ if snapshot.counters.connect_failed > failed_before => {
            Permits::Unknown { got, why: String::from("connects fail") }
        }
        _ if snapshot.stats.creating > 0 => {
            Permits::Unknown { got, why: String::from("connections are still being opened") }
        }
        _ => Permits::Missing { wanted, got },
    }
}

fn judge(evidence: &Evidence) -> LeakCheck {
    let Evidence { at_once, settled, permits, close, left, before, after, .. } = evidence;
    let mut leaks = Vec::new();
    let mut remarks = Vec::new();

    let out = at_once.in_use.max(settled.in_use);
    if settled.in_use > 0 {
        leaks.push(format!("{} not given back when all threads had ended", connections(settled.in_use)));
    } else if at_once.in_use > 0 {
        leaks.push(format!(
            "{} given back only some time after all threads had ended",
            connections(at_once.in_use)
        ));
    }
    let mismatches: Vec<String> = settled.mismatches().collect();
    let balanced = out == 0 && mismatches.is_empty() && at_once.mismatches().next().is_none();
    leaks.extend(mismatches);
    match permits {
        Permits::All => {}
        Permits::Missing { wanted, got } => {
            leaks.push(format!("only {got} of {wanted} connections could be taken at once"));
        }
        Permits::Unknown { got, why } => {
            remarks.push(format!(
                "not judged whether all connections can be taken at once: {got} could, then {why}"
            ));
        }
    }
    if *left > 0 {
        leaks.push(format!("{left} left after the pool was closed: {}", redact(&close.to_string())));
    }

    let more = settled.open.saturating_sub(before.connections);
    for (what, before, after, each) in [
        ("file descriptors", before.process.fds, after.fds, evidence.description.fds_per_connection),
        ("threads", before.process.threads, after.threads, evidence.description.threads_per_connection),
    ] {
        let explained = more * each;
        if evidence.alone_in_process && after > before + explained + TOLERATED {
            leaks.push(format!(
                "{what} grew from {before} to {after}: {more} more connections explain {explained} of that, and \
                 {TOLERATED} are tolerated"
            ));
        }
    }

    let status = if leaks.is_empty() { LeakStatus::Pass } else { LeakStatus::Fail };
    leaks.extend(remarks);
    let (open_fds, os_threads) = changes(before.process, *after);
    LeakCheck {
        performed: true,
        grace_ms: millis(GRACE),
        outstanding_handles: out,
        ledger_balanced: balanced,
        server_sessions: None,
        open_fds,
        os_threads,
        rss_slope_bytes_per_hour: None,
        status,
        findings: leaks,
    }
}

fn connections(count: u64) -> String {
    if count == 1 { String::from("1 connection was") } else { format!("{count} connections were") }
}

#[cfg(test)]
mod tests {
    use pool_core::Pool;
    use pool_core::fake::FakeConnector;

    use super::*;

    async fn clean() -> Evidence {
        let pool = Pool::builder(FakeConnector::new()).build().unwrap();
        let account = Account { in_use: 0, open: 8, opened: 9, closed: 1, acquired: 500, released: 500 };
        let process = Process { fds: 20, threads: 5 };
        Evidence {
            at_once: account,
            settled: account,
            permits: Permits::All,
            close: pool.close(Duration::ZERO).await,
            left: 0,
            before: Baseline { process, connections: 8 },
            after: process,
            description: Description {
                fds_per_connection: 3,
                threads_per_connection: 1,
                ..Description::default()
            },
            alone_in_process: true,
        }
    }

    fn findings(evidence: &Evidence) -> Vec<String> {
        let check = judge(evidence);
        let expected = if check.findings.is_empty() { LeakStatus::Pass } else { LeakStatus::Fail };
        assert_eq!(check.status, expected);
        check.findings
    }

    #[tokio::test]
    async fn nothing_is_found_in_a_clean_account() {
        let check = judge(&clean().await);
        assert_eq!(check.status, LeakStatus::Pass);
        assert!(check.ledger_balanced && check.findings.is_empty());
    }

    #[tokio::test]
    async fn a_connection_that_is_out_is_a_leak() {
        let mut evidence = clean().await;
        for account in [&mut evidence.at_once, &mut evidence.settled] {
            account.in_use = 2;
            account.released = 498;
        }
        assert_eq!(findings(&evidence), ["2 connections were not given back when all threads had ended"]);
        assert_eq!(judge(&evidence).outstanding_handles, 2);
    }

    #[tokio::test]
    async fn a_late_return_is_a_leak_too() {
        let mut evidence = clean().await;
        evidence.at_once.in_use = 1;
        evidence.at_once.released = 499;
        assert_eq!(
            findings(&evidence),
            ["1 connection was given back only some time after all threads had ended"]
        );
        assert!(!judge(&evidence).ledger_balanced);
    }

    #[tokio::test]
    async fn accounts_must_balance() {
        let mut evidence = clean().await;
        evidence.settled.opened = 11;
        evidence.settled.released = 497;
        assert_eq!(
            findings(&evidence),
            [
                "the pool opened 11 connections and closed 1, but has 8",
                "the pool handed out 500 connections and got back 497, but says 0 are in use"
            ]
        );
        assert!(!judge(&evidence).ledger_balanced);
    }

    #[tokio::test]
    async fn a_permit_that_no_gauge_shows_is_missed_when_all_are_taken() {
        let mut evidence = clean().await;
        evidence.permits = Permits::Missing { wanted: 8, got: 7 };
        assert_eq!(findings(&evidence), ["only 7 of 8 connections could be taken at once"]);
    }

    #[tokio::test]
    async fn a_target_that_gives_no_connections_proves_nothing() {
        let mut evidence = clean().await;
        evidence.permits = Permits::Unknown { got: 3, why: String::from("connects fail") };
        let check = judge(&evidence);
        assert_eq!(check.status, LeakStatus::Pass);
        assert_eq!(check.findings.len(), 1, "it is told all the same");
    }

    #[tokio::test]
    async fn descriptors_may_grow_with_the_connections_and_no_further() {
        let mut evidence = clean().await;
        evidence.settled.open = 10;
        evidence.settled.opened = 11;
        evidence.after.fds = 20 + 2 * 3 + TOLERATED;
        evidence.after.threads = 5 + 2 + TOLERATED;
        assert_eq!(findings(&evidence), [""; 0]);
        evidence.after.fds += 1;
        assert_eq!(
            findings(&evidence),
            [
                "file descriptors grew from 20 to 35: 2 more connections explain 6 of that, and 8 are tolerated"
            ]
        );
        evidence.alone_in_process = false;
        assert_eq!(findings(&evidence), [""; 0], "somebody else may have opened them");
    }

    #[tokio::test]
    async fn what_close_leaves_behind_is_named() {
        let mut evidence = clean().await;
        evidence.left = 1;
        let found = findings(&evidence);
        assert!(
            found[0].starts_with("1 left after the pool was closed: pool `default` closed in"),
            "{found:?}"
        );
    }
}
