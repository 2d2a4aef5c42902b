//! Host names that come to mean other addresses, as when a database fails over by DNS.
//!
//! A connection stays where it was opened to, whatever its host name means later. With `dns_max_ttl`, a setting of every
//! connector that goes over the network, the name is looked up again when a connection is given back or
//! validated and the last look is older than that. A connection to an address that the name no longer has is closed, and
//! the first to notice has the pool close all of them: those in use when they come back.
//!
//! A failed or empty lookup changes nothing; so a name server that is down costs no connection. Of the drivers over
//! sqlx it is not known which of a name's addresses a connection has gone to: it is closed when none of those is left
//! that the name had when it was opened.
//!
//! Off by default: names that give a different one of their addresses each time, such as those of a group of
//! replicas, would have connections closed at each look. Without it, `max_lifetime` is how long an old address lives.

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use pool_core::Condition;
use tokio::net::lookup_host;
use tokio::time::{Instant, timeout};

/// How long a lookup may take for whose sake a connection waits. Names that are known take a thousandth of it.
const PATIENCE: Duration = Duration::from_secs(1);

/// Longer times are cut: a sum of instants must not overflow.
const LONGEST: Duration = Duration::from_secs(10 * 365 * 24 * 3600);

/// A connection leads to an address that its host name no longer has.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("use the connection: `{host}` has another address now")]
#[non_exhaustive]
pub struct Moved {
    /// The host name.
    pub host: String,
}

/// The host names of a connector, and how long to trust them, if it watches them at all. Clones share what was
/// looked up.
#[derive(Clone, Default)]
pub(crate) struct Names(Option<Arc<Known>>);

struct Known {
    max_ttl: Duration,
    hosts: Mutex<HashMap<String, Arc<Host>>>,
}

impl Names {
    pub(crate) fn new(max_ttl: Duration) -> Self {
        let known = Known { max_ttl: max_ttl.min(LONGEST), hosts: Mutex::default() };
        Names(Some(Arc::new(known)))
    }

    #[cfg(any(feature = "mysql", feature = "postgres"))]
    pub(crate) fn are_watched(&self) -> bool {
        self.0.is_some()
    }

    /// Looks a host up, for a connection that is about to be opened to one of its addresses.
    pub(crate) async fn look_up(&self, host: &str, port: u16) -> io::Result<(Vec<SocketAddr>, Address)> {
        let found: Vec<SocketAddr> = lookup_host((host, port)).await?.collect();
        let Some(known) = &self.0 else { return Ok((found, Address::default())) };
        let addresses: Vec<IpAddr> = found.iter().map(SocketAddr::ip).collect();
        let host = {
            let mut hosts = known.hosts.lock().unwrap_or_else(PoisonError::into_inner);
            let new = || Arc::new(Host::new(host.to_owned(), port, known.max_ttl));
            Arc::clone(hosts.entry(host.to_owned()).or_insert_with(new))
        };
        host.saw(addresses.clone());
        Ok((found, Address::new(host, addresses)))
    }
}

/// A host name, and what is known of it.
struct Host {
    name: String,
    port: u16,
    max_ttl: Duration,
    seen: Mutex<Seen>,
}

struct Seen {
    addresses: Vec<IpAddr>,
    /// When to look again.
    stale_at: Instant,
}

impl Host {
    fn new(name: String, port: u16, max_ttl: Duration) -> Self {
        let seen = Mutex::new(Seen { addresses: Vec::new(), stale_at: Instant::now() });
        Host { name, port, max_ttl, seen }
    }

    fn seen<T>(&self, look: impl FnOnce(&mut Seen) -> T) -> T {
        look(&mut self.seen.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn saw(&self, addresses: Vec<IpAddr>) {
        self.seen(|seen| {
            if !addresses.is_empty() {
                seen.addresses = addresses;
            }
            seen.stale_at = Instant::now() + self.max_ttl;
        });
    }

    /// Whether it is time to look again. Says so to one of those who ask.
    fn is_due(&self) -> bool {
        let now = Instant::now();
        self.seen(|seen| {
            let due = seen.stale_at <= now;
            if due {
                // If nobody looks after all, it is due once more.
                seen.stale_at = now + self.max_ttl;
            }
            due
        })
    }

    async fn look(&self) {
        match timeout(PATIENCE, lookup_host((self.name.as_str(), self.port))).await {
            Ok(Ok(found)) => self.saw(found.map(|address| address.ip()).collect()),
            Ok(Err(error)) => tracing::debug!(host = self.name, %error, "look up the host again"),
            Err(_) => {
                tracing::debug!(host = self.name, patience = ?PATIENCE, "the name server does not answer");
            }
        }
    }
}

/// Where a connection leads, if its connector watches host names.
#[derive(Default)]
pub(crate) struct Address(Option<Watched>);

struct Watched {
    host: Arc<Host>,
    /// The connection was opened to one of these.
    addresses: Vec<IpAddr>,
    /// It was this connection's turn to look, and it has not come to it.
    must_look: bool,
}

impl Address {
    fn new(host: Arc<Host>, addresses: Vec<IpAddr>) -> Self {
        Address(Some(Watched { host, addresses, must_look: false }))
    }

    /// Of all that the host has, the connection went to this one.
    #[cfg(any(feature = "http", feature = "redis", feature = "websocket", test))]
    pub(crate) fn at(mut self, address: IpAddr) -> Self {
        if let Some(watched) = &mut self.0 {
            watched.addresses = vec![address];
        }
        self
    }

    /// What is to become of a connection that would be `condition` if it were not for its host name. Does not look
    /// anything up; a connection whose turn that is, is said to be dirty.
    pub(crate) fn condition(&mut self, condition: Condition) -> Condition {
        let Some(watched) = &mut self.0 else { return condition };
        match condition {
            Condition::Clean | Condition::Dirty if watched.is_gone() => Condition::AllBroken,
            Condition::Clean if watched.host.is_due() => {
                watched.must_look = true;
                Condition::Dirty
            }
            condition => condition,
        }
    }

    /// Looks the name up if it is time to, and fails if the connection leads elsewhere.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped, the name is looked up later.
    pub(crate) async fn check(&mut self) -> Result<(), Moved> {
        let Some(watched) = &mut self.0 else { return Ok(()) };
        if watched.must_look || watched.host.is_due() {
            watched.host.look().await;
            watched.must_look = false;
        }
        if watched.is_gone() { Err(Moved { host: watched.host.name.clone() }) } else { Ok(()) }
    }
}

impl Watched {
    fn is_gone(&self) -> bool {
        self.host.seen(|seen| !self.addresses.iter().any(|address| seen.addresses.contains(address)))
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    const TTL: Duration = Duration::from_secs(15);

    fn address(last: u8) -> IpAddr {
        Ipv4Addr::new(192, 0, 2, last).into()
    }

    fn opened_to(addresses: &[u8]) -> (Address, Arc<Host>) {
        let addresses: Vec<IpAddr> = addresses.iter().copied().map(address).collect();
        let host = Arc::new(Host::new("db.test".to_owned(), 5432, TTL));
        host.saw(addresses.clone());
        (Address::new(Arc::clone(&host), addresses), host)
    }

    #[tokio::test]
    async fn any_time_can_be_set() {
        let (found, mut opened) = Names::new(Duration::MAX).look_up("127.0.0.1", 80).await.unwrap();
        assert_eq!(found, [SocketAddr::from((Ipv4Addr::LOCALHOST, 80))]);
        assert_eq!(opened.condition(Condition::Clean), Condition::Clean);
    }

    #[tokio::test(start_paused = true)]
    async fn one_connection_looks_when_it_is_time() {
        let (mut first, host) = opened_to(&[1]);
        let mut second = Address::new(host, vec![address(1)]);
        assert_eq!(first.condition(Condition::Clean), Condition::Clean);
        tokio::time::advance(TTL).await;
        assert_eq!(first.condition(Condition::Clean), Condition::Dirty);
        assert_eq!(second.condition(Condition::Clean), Condition::Clean);
        tokio::time::advance(TTL).await;
        assert_eq!(second.condition(Condition::Clean), Condition::Dirty);
    }

    #[tokio::test]
    async fn a_connection_lives_as_long_as_one_of_its_addresses() {
        let (mut opened, host) = opened_to(&[1, 2]);
        host.saw(vec![address(3), address(2)]);
        assert_eq!(opened.condition(Condition::Clean), Condition::Clean);
        assert_eq!(opened.check().await, Ok(()));
        host.saw(vec![address(3)]);
        assert_eq!(opened.condition(Condition::Clean), Condition::AllBroken);
        assert_eq!(opened.condition(Condition::Broken), Condition::Broken);
        assert!(opened.check().await.is_err());
    }

    #[tokio::test]
    async fn of_several_addresses_only_the_one_that_was_taken_counts() {
        let (opened, host) = opened_to(&[1, 2]);
        let mut opened = opened.at(address(1));
        host.saw(vec![address(2)]);
        assert_eq!(opened.condition(Condition::Clean), Condition::AllBroken);
    }

    #[tokio::test]
    async fn a_lookup_that_finds_nothing_changes_nothing() {
        let (mut opened, host) = opened_to(&[1]);
        host.saw(Vec::new());
        assert_eq!(opened.condition(Condition::Clean), Condition::Clean);
    }
}
