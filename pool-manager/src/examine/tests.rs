//! What is judged without a server: from facts to findings.

use std::time::Duration;

use pool_config::{Config, Loader};
use pool_core::Target;
use pool_drivers::facts::{Encryption, ServerFacts};

use super::failure::Failure;
use super::probe::Probed;
use super::report::{Check, FindingStatus};
use super::{Examined, group, judge, limit};

fn config(pools: &str) -> Config {
    let text = format!("connection_pool: {{pools: [{pools}]}}");
    let loaded = Loader::without_variables().load_text(&text, "connection_pool.yaml");
    loaded.unwrap_or_else(|error| panic!("failed to {error}")).config
}

/// A pool before it is judged, at the place its configuration names.
fn pools(pools: &str) -> Vec<Examined> {
    let examined = |pool: &pool_config::PoolConfig| {
        let host = pool.host.clone().unwrap_or_default();
        let target = Target::new(pool.driver.as_str(), pool.database.as_deref().unwrap_or_default())
            .at(host, pool.port)
            .as_user(pool.user.as_deref().unwrap_or_default());
        Examined::new(pool.clone(), Some(target))
    };
    config(pools).pools.iter().map(examined).collect()
}

fn facts(change: impl FnOnce(&mut ServerFacts)) -> ServerFacts {
    let mut facts = ServerFacts::default();
    change(&mut facts);
    facts
}

fn probed(facts: ServerFacts) -> Probed {
    let round_trip = Ok(Duration::from_micros(250));
    Probed { connected_in: Duration::from_millis(12), facts: Ok(facts), round_trip }
}

/// What is found by a check of a pool whose server tells this.
fn found(pool: &str, check: Check, facts: ServerFacts) -> (FindingStatus, String) {
    let mut examined = pools(pool).remove(0);
    judge::connected(&mut examined, probed(facts));
    of_check(&examined, check)
}

fn of_check(examined: &Examined, check: Check) -> (FindingStatus, String) {
    let mut findings = examined.findings.iter().filter(|finding| finding.check == check);
    let finding = findings.next().unwrap_or_else(|| panic!("no {check} in {:?}", examined.findings));
    assert!(findings.next().is_none(), "one finding for a check");
    let needs_cure = finding.status >= FindingStatus::Warning;
    assert_eq!(finding.cure.is_some(), needs_cure, "a cure for what is wrong: {finding:?}");
    (finding.status, finding.text.clone())
}

fn tls() -> Encryption {
    Encryption::Tls { protocol: Some("TLSv1.3".to_owned()), cipher: None }
}

#[test]
fn a_primary_that_takes_no_writes_fails_its_group_and_is_a_warning_alone() {
    let standby = || {
        facts(|facts| {
            facts.is_replica = Some(true);
            facts.is_read_only = Some(true);
        })
    };
    let alone = "{name: a, database: a, host: db.test}";
    let grouped = "{name: a, database: a, host: db.test, group: g}";
    let replica = "{name: a, database: a, host: db.test, group: g, role: replica}";
    assert_eq!(found(alone, Check::Role, standby()).0, FindingStatus::Warning);
    let (status, text) = found(grouped, Check::Role, standby());
    assert_eq!(status, FindingStatus::Failed);
    assert_eq!(
        text,
        "the pool takes the writes of its group, and the server is a replica, which takes no writes"
    );
    assert_eq!(found(replica, Check::Role, standby()).0, FindingStatus::Ok);
}

#[test]
fn a_replica_that_takes_writes_is_a_warning() {
    let primary = facts(|facts| facts.is_read_only = Some(false));
    let replica = "{name: a, database: a, host: db.test, role: replica}";
    let analytics = "{name: a, database: a, host: db.test, role: analytics}";
    let (status, text) = found(replica, Check::Role, primary.clone());
    assert_eq!(
        (status, text.as_str()),
        (FindingStatus::Warning, "the pool is a replica, and the server takes writes")
    );
    assert_eq!(found(analytics, Check::Role, primary).0, FindingStatus::Ok);
}

#[test]
fn what_is_said_of_tls_depends_on_who_asked_and_who_is_on_the_way() {
    let far = "{name: a, database: a, host: db.test}";
    let near = "{name: a, database: a, host: 127.0.0.1}";
    let socket = "{name: a, database: a, host: /run/postgresql}";
    let asked = "{name: a, database: a, host: db.test, ssl: {enabled: true}}";
    let lax = "{name: a, database: a, host: db.test, ssl: {enabled: true, verify_peer: false}}";
    let session = |session: Encryption, offers: bool| {
        facts(|facts| {
            facts.tls = Some(session);
            facts.offers_tls = Some(offers);
        })
    };
    use FindingStatus::{Failed, Ok, Warning};
    for (pool, facts, status, text) in [
        (asked, session(tls(), true), Ok, "TLSv1.3"),
        (
            asked,
            session(Encryption::None, true),
            Failed,
            "`ssl.enabled` is set, and the connection is not encrypted",
        ),
        (lax, session(tls(), true), Warning, "TLSv1.3, but nobody verifies that it is the right server"),
        (far, session(Encryption::None, true), Warning, "none, although the server offers it"),
        (near, session(Encryption::None, true), Ok, "none, although the server offers it"),
        (far, session(Encryption::None, false), Ok, "none, and none was asked for"),
        (
            far,
            session(tls(), true),
            Warning,
            "TLSv1.3, as the server offers it; nobody verifies that it is the right server",
        ),
        (socket, session(Encryption::None, true), Ok, "none; a socket of this machine needs none"),
    ] {
        assert_eq!(found(pool, Check::Tls, facts), (status, text.to_owned()), "{pool}");
    }
}

#[test]
fn what_the_server_does_not_tell_is_not_judged() {
    let mut examined = pools("{name: a, database: a, host: db.test}").remove(0);
    judge::connected(&mut examined, probed(ServerFacts::default()));
    let checks: Vec<_> = examined.findings.iter().map(|finding| finding.check).collect();
    assert_eq!(checks, [Check::Reachable, Check::Login, Check::RoundTrip]);
}

#[test]
fn what_takes_longer_than_the_pool_waits_fails() {
    let pool = "{name: a, database: a, host: db.test, connect_timeout_ms: 10, validation_timeout_ms: 100}";
    for (round_trip, status) in
        [(20, FindingStatus::Ok), (60, FindingStatus::Warning), (150, FindingStatus::Failed)]
    {
        let mut examined = pools(pool).remove(0);
        let round_trip = Ok(Duration::from_millis(round_trip));
        judge::connected(&mut examined, Probed { round_trip, ..probed(ServerFacts::default()) });
        assert_eq!(of_check(&examined, Check::RoundTrip).0, status);
        let (status, text) = of_check(&examined, Check::Reachable);
        assert_eq!(status, FindingStatus::Failed);
        assert_eq!(text, "to connect took 12 ms, and the pool gives up after 10 ms");
    }
}

#[test]
fn a_server_that_was_reached_is_said_to_be() {
    let mut examined = pools("{name: a, database: a, host: db.test, ssl: {enabled: true}}").remove(0);
    judge::not_connected(&mut examined, Failure::login("the server has no such user", "create it"));
    let all: Vec<_> = examined.findings.iter().map(|finding| (finding.check, finding.status)).collect();
    assert_eq!(
        all,
        [
            (Check::Reachable, FindingStatus::Ok),
            (Check::Tls, FindingStatus::Ok),
            (Check::Login, FindingStatus::Failed)
        ]
    );
    let mut examined = pools("{name: a, database: a, host: db.test, ssl: {enabled: true}}").remove(0);
    judge::not_connected(&mut examined, Failure::no_credentials("open the file"));
    let checks: Vec<_> = examined.findings.iter().map(|finding| finding.check).collect();
    assert_eq!(checks, [Check::Login], "nobody was asked");
}

/// Pools with these sizes on one server that takes so many, and what is found of the first.
fn limited(pools_: &str, room: impl Fn(&mut ServerFacts)) -> (FindingStatus, String) {
    let mut all = pools(pools_);
    for examined in &mut all {
        examined.facts = Some(facts(&room));
    }
    limit::judge(&mut all);
    of_check(&all[0], Check::Limit)
}

#[test]
fn the_pools_of_a_server_are_added_up() {
    let two = "{name: a, database: a, host: db.test, port: 1, max_connections: 60}, \
               {name: b, database: b, host: DB.test, port: 1, max_connections: 30}, \
               {name: c, database: c, host: db.test, port: 2, max_connections: 500}";
    let room = |count| move |facts: &mut ServerFacts| facts.room.limit = Some(count);
    let text = |count, tail| {
        format!("up to 90 connections (a 60 + b 30) of the {count} that the server takes{tail}")
    };
    assert_eq!(limited(two, room(200)), (FindingStatus::Ok, text(200, "")));
    assert_eq!(limited(two, room(112)), (FindingStatus::Warning, text(112, "")), "more than 80 %");
    assert_eq!(limited(two, room(90)).0, FindingStatus::Warning, "all of it is not too many");
    assert_eq!(limited(two, room(89)).0, FindingStatus::Failed);
    let busy = |facts: &mut ServerFacts| {
        facts.room.limit = Some(200);
        facts.room.in_use = Some(7);
    };
    assert_eq!(limited(two, busy), (FindingStatus::Ok, text(200, "; 7 in use now")));
}

#[test]
fn a_configured_limit_goes_before_that_of_the_server_if_it_is_lower() {
    let pool = "{name: a, database: a, host: db.test, max_connections: 30, server_max_connections: 20}";
    let (status, text) = limited(pool, |facts| facts.room.limit = Some(100));
    assert_eq!(status, FindingStatus::Failed);
    assert_eq!(text, "up to 30 connections of the 20 that `server_max_connections` allows");
    let (status, text) = limited(pool, |facts| facts.room.limit = Some(10));
    assert_eq!(
        (status, text.as_str()),
        (FindingStatus::Failed, "up to 30 connections of the 10 that the server takes")
    );
    assert_eq!(limited(pool, |_| {}).0, FindingStatus::Failed, "the server may tell nothing");
}

#[test]
fn the_limit_of_a_user_counts_for_the_pools_of_that_user() {
    let two = "{name: a, database: a, host: db.test, user: x, max_connections: 6}, \
               {name: b, database: b, host: db.test, user: y, max_connections: 30}";
    let room = |facts: &mut ServerFacts| {
        facts.room.limit = Some(1000);
        facts.room.limit_of_user = Some(5);
    };
    let (status, text) = limited(two, room);
    assert_eq!(status, FindingStatus::Failed);
    assert_eq!(text, "up to 6 connections of the 5 that the server allows this user");
}

#[test]
fn a_group_is_judged_by_who_works_in_it() {
    let three = "{name: p, database: a, host: p.test, group: g}, \
                 {name: r1, database: a, host: r1.test, group: g, role: replica}, \
                 {name: r2, database: a, host: r2.test, group: g, role: replica}";
    let judged = |broken: &[usize]| {
        let mut all = pools(three);
        for index in broken {
            judge::not_connected(&mut all[*index], Failure::unreachable("gone", "look"));
        }
        group::judge(&mut all);
        assert!(
            all.iter().all(|examined| of_check(examined, Check::Group) == of_check(&all[0], Check::Group))
        );
        of_check(&all[0], Check::Group)
    };
    assert_eq!(judged(&[]), (FindingStatus::Ok, "`g`: 1 of 1 primaries and 2 of 2 replicas work".to_owned()));
    assert_eq!(
        judged(&[2]),
        (FindingStatus::Warning, "`g`: 1 of 1 primaries and 1 of 2 replicas work".to_owned())
    );
    assert_eq!(judged(&[0]).0, FindingStatus::Failed, "nobody takes writes");
}

#[test]
fn a_group_works_although_its_pools_could_be_too_large() {
    let mut all = pools(
        "{name: p, database: a, host: p.test, group: g, max_connections: 30, server_max_connections: 20}",
    );
    limit::judge(&mut all);
    group::judge(&mut all);
    assert_eq!(of_check(&all[0], Check::Limit).0, FindingStatus::Failed);
    assert_eq!(of_check(&all[0], Check::Group).0, FindingStatus::Ok);
}

#[test]
fn a_replica_that_is_its_own_primary_is_found() {
    let mut all = pools(
        "{name: p, database: a, host: db.test, group: g}, \
         {name: r, database: a, host: db.test, group: g, role: replica}",
    );
    group::judge(&mut all);
    let (status, text) = of_check(&all[0], Check::Group);
    assert_eq!(status, FindingStatus::Warning);
    assert!(text.ends_with("but `p` and `r` lead to the same database"), "{text}");
}
