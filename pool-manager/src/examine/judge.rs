//! From what one connection has shown to findings about its pool. Pure.

use std::net::IpAddr;
use std::time::Duration;

use pool_config::{Driver, PoolConfig, Role};
use pool_core::Target;
use pool_drivers::facts::{Encryption, ServerFacts};

use super::Examined;
use super::failure::Failure;
use super::probe::Probed;
use super::report::{Check, Finding};

/// A pool that has no connection.
pub(super) fn not_connected(examined: &mut Examined, failure: Failure) {
    let Failure { check, status, reached, text, cure } = failure;
    let findings = &mut examined.findings;
    if reached && check > Check::Reachable {
        findings.push(Finding::ok(Check::Reachable, "the server answers"));
    }
    if check == Check::Login
        && reached
        && examined.pool.ssl.enabled
        && !is_local_socket(examined.target.as_ref())
    {
        findings.push(Finding::ok(Check::Tls, "asked for, and agreed on"));
    }
    findings.push(Finding { check, status, text, cure: Some(cure) });
}

/// A pool that has one.
pub(super) fn connected(examined: &mut Examined, probed: Probed) {
    let Probed { connected_in, facts, round_trip } = probed;
    let Examined { pool, target, .. } = &*examined;
    let mut findings = vec![reachable(pool, connected_in)];
    let facts = match facts {
        Ok(facts) => {
            findings.extend(tls(pool, target.as_ref(), &facts));
            findings.extend(login(pool, target.as_ref()));
            findings.extend(server(&facts).map(|server| Finding::ok(Check::Version, server)));
            findings.extend(role(pool, &facts));
            Some(facts)
        }
        Err(reason) => {
            findings.extend(login(pool, target.as_ref()));
            findings.push(Finding::skipped(Check::Version, format!("the server does not tell: {reason}")));
            None
        }
    };
    findings.extend(round_trip_of(pool, &round_trip));
    examined.findings = findings;
    examined.facts = facts;
    examined.round_trip = round_trip.ok().filter(|_| is_pinged(&examined.pool));
}

fn reachable(pool: &PoolConfig, connected_in: Duration) -> Finding {
    let took = milliseconds(connected_in);
    let limit = pool.settings.connect_timeout;
    if !limit.is_zero() && connected_in > limit {
        let text = format!("to connect took {took}, and the pool gives up after {}", milliseconds(limit));
        return Finding::failed(
            Check::Reachable,
            text,
            "raise `connect_timeout_ms`, or find out what takes so long",
        );
    }
    Finding::ok(Check::Reachable, format!("connected in {took}"))
}

/// Nothing for those that nobody logs in to.
fn login(pool: &PoolConfig, target: Option<&Target>) -> Option<Finding> {
    if !matches!(pool.driver, Driver::Postgres | Driver::Mysql | Driver::Redis) {
        return None;
    }
    let user = target.map(|target| target.user.as_str()).filter(|user| !user.is_empty());
    Some(Finding::ok(
        Check::Login,
        match user {
            Some(user) => format!("as `{user}`"),
            None if pool.password.is_some() || pool.url.is_some() => String::from("as the default user"),
            None => String::from("the server wants none"),
        },
    ))
}

/// What the server is.
pub(super) fn server(facts: &ServerFacts) -> Option<String> {
    let product = facts.product?;
    Some(facts.version.as_ref().map_or_else(|| product.to_owned(), |version| format!("{product} {version}")))
}

fn tls(pool: &PoolConfig, target: Option<&Target>, facts: &ServerFacts) -> Option<Finding> {
    let session = facts.tls.as_ref()?;
    let is_on = *session != Encryption::None;
    let by_url = pool.url.is_some();
    Some(match (pool.ssl.enabled, is_on) {
        (true, true) if !pool.ssl.verify_peer => {
            let text = format!("{session}, but nobody verifies that it is the right server");
            let cure = "set `ssl.verify_peer: true`, and name the authority in `ssl.ca_certificate`";
            Finding::warning(Check::Tls, text, cure)
        }
        (true, true) => Finding::ok(Check::Tls, session.to_string()),
        (true, false) if is_local_socket(target) => {
            Finding::ok(Check::Tls, "a socket of this machine, which needs none")
        }
        (true, false) => Finding::failed(
            Check::Tls,
            "`ssl.enabled` is set, and the connection is not encrypted",
            "correct the scheme or the parameters of `url`",
        ),
        (false, true) if by_url => Finding::ok(Check::Tls, format!("{session}, by the url")),
        (false, true) => {
            let text =
                format!("{session}, as the server offers it; nobody verifies that it is the right server");
            unasked(target, text)
        }
        (false, false) if is_local_socket(target) => {
            Finding::ok(Check::Tls, "none; a socket of this machine needs none")
        }
        (false, false) if facts.offers_tls == Some(true) => {
            unasked(target, String::from("none, although the server offers it"))
        }
        (false, false) => Finding::ok(Check::Tls, "none, and none was asked for"),
    })
}

/// Nobody asked for TLS. That is no reason to worry as long as nobody is on the way.
fn unasked(target: Option<&Target>, text: String) -> Finding {
    if target.is_some_and(|target| is_this_machine(&target.host)) {
        return Finding::ok(Check::Tls, text);
    }
    Finding::warning(
        Check::Tls,
        text,
        "set `ssl.enabled: true`, and name the authority in `ssl.ca_certificate`",
    )
}

fn role(pool: &PoolConfig, facts: &ServerFacts) -> Option<Finding> {
    let is_read_only = facts.is_read_only?;
    let found = match (facts.is_replica, is_read_only) {
        (Some(true), true) => "is a replica, which takes no writes",
        (Some(true), false) => "is a replica that takes writes",
        (_, true) => "is read-only",
        (_, false) => "takes writes",
    };
    Some(match (pool.role, is_read_only) {
        (Role::Primary, true) if pool.group.is_some() => {
            let text = format!("the pool takes the writes of its group, and the server {found}");
            Finding::failed(Check::Role, text, "correct `host`, or write `role: replica`")
        }
        (Role::Primary, true) => {
            let text = format!("the pool is a primary, and the server {found}");
            Finding::warning(
                Check::Role,
                text,
                "correct `host`; if only reads go there, write `role: replica`",
            )
        }
        (Role::Replica, false) => {
            let text = format!("the pool is a replica, and the server {found}");
            Finding::warning(Check::Role, text, "correct `host`, or write `role: primary`")
        }
        _ => Finding::ok(Check::Role, found),
    })
}

/// Whether a check of a connection sends something.
fn is_pinged(pool: &PoolConfig) -> bool {
    pool.driver != Driver::Http || pool.health_path.is_some()
}

fn round_trip_of(pool: &PoolConfig, round_trip: &Result<Duration, String>) -> Option<Finding> {
    if !is_pinged(pool) {
        let text = "a check sends nothing, as there is no `health_path`";
        return Some(Finding::skipped(Check::RoundTrip, text));
    }
    let limit = pool.settings.validation_timeout;
    Some(match round_trip {
        Err(reason) => Finding::failed(
            Check::RoundTrip,
            format!("a check of the connection fails: {reason}"),
            "look at the log of the server",
        ),
        Ok(middle) if !limit.is_zero() && *middle > limit => Finding::failed(
            Check::RoundTrip,
            format!("{}, and a check may take {}", milliseconds(*middle), milliseconds(limit)),
            "raise `validation_timeout_ms`, or move closer to the server",
        ),
        Ok(middle) if !limit.is_zero() && *middle > limit / 2 => Finding::warning(
            Check::RoundTrip,
            format!("{}, more than half of what a check may take", milliseconds(*middle)),
            "raise `validation_timeout_ms`, or move closer to the server",
        ),
        Ok(middle) => Finding::ok(Check::RoundTrip, milliseconds(*middle)),
    })
}

/// With two decimals below 10 ms: a round trip on one machine is a few hundredths.
fn milliseconds(time: Duration) -> String {
    let ms = time.as_secs_f64() * 1e3;
    if ms < 10.0 { format!("{ms:.2} ms") } else { format!("{ms:.0} ms") }
}

fn is_local_socket(target: Option<&Target>) -> bool {
    target.is_some_and(|target| target.host.starts_with('/'))
}

/// Whether the host is this machine, as far as its name tells.
fn is_this_machine(host: &str) -> bool {
    let address = host.parse::<IpAddr>();
    host.eq_ignore_ascii_case("localhost") || address.is_ok_and(|address| address.is_loopback())
}
