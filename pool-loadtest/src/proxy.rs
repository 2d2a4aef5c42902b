//! A TCP proxy that makes the network fail on purpose, and counts what passes.
//!
//! It stands between a pool and its server, on a port of 127.0.0.1. Faults are switched while it runs, for one direction or
//! both, for all connections or a share of them, and what passes is counted: bytes, connections and round trips.
//!
//! ```
//! # use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
//! # use std::time::Duration;
//! use pool_loadtest::proxy::{Direction, Fault, Proxy};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
//! # let server = listener.local_addr()?;
//! # tokio::spawn(async move {
//! #     let (mut socket, _) = listener.accept().await.unwrap();
//! #     let (mut read, mut write) = socket.split();
//! #     tokio::io::copy(&mut read, &mut write).await.unwrap();
//! # });
//! let proxy = Proxy::start(server)?;
//! let mut client = tokio::net::TcpStream::connect(proxy.address()).await?;
//!
//! proxy.set(Fault::latency(Duration::from_millis(20)).to(Direction::ToClient))?;
//! client.write_all(b"ping").await?;
//! client.read_exact(&mut [0; 4]).await?; // 20 ms later
//! assert_eq!(proxy.stats().traffic.round_trips, 1);
//!
//! proxy.set(Fault::Blackhole)?; // the network is gone, and nobody is told
//! proxy.clear()?; // and back
//! proxy.reset_all().await; // every connection: "connection reset by peer"
//! # Ok(())
//! # }
//! ```
//!
//! # What it is, and what it is not
//!
//! It works on streams of bytes, above TCP: it loses, delays and tears down, but it neither reorders nor
//! corrupts, and packets are not its business. What the kernel buffers on both sides of it is out of its reach, so a
//! bandwidth limit is felt by a sender only when these buffers are full.
//!
//! A fault is in force for everything that is sent after [`Proxy::set`] returned. Several are in force together if
//! they are of different kinds.
//!
//! When the proxy is dropped, its port is given up at once and its connections end.

mod connection;
mod door;
mod error;
mod fault;
mod faults;
mod pipe;
mod queue;
mod socket;
mod stats;

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::sleep;

pub use error::ProxyError;
pub use fault::{Direction, Ending, Fault, FaultKind, Reach, Rule, Share, ShareError};
pub use socket::Upstream;
pub use stats::{ConnectionStats, ProxyStats, Traffic};

use connection::Surroundings;
use door::Door;
use faults::Faults;
use stats::Table;

/// Pause when accepting fails, which it does while the process has no descriptors left.
const ACCEPT_PAUSE: Duration = Duration::from_millis(10);

/// How a proxy starts. From [`Proxy::builder`].
#[derive(Debug, Clone)]
pub struct ProxyBuilder {
    upstream: Upstream,
    address: IpAddr,
    port: u16,
    seed: u64,
}

impl ProxyBuilder {
    /// The address to listen on. Default: 127.0.0.1.
    pub fn address(self, address: IpAddr) -> Self {
        ProxyBuilder { address, ..self }
    }

    /// The port to listen on. Default: 0, any free one.
    pub fn port(self, port: u16) -> Self {
        ProxyBuilder { port, ..self }
    }

    /// What decides who belongs to a [`Share`]. Default: 0. The same seed makes the same choice.
    pub fn seed(self, seed: u64) -> Self {
        ProxyBuilder { seed, ..self }
    }

    /// Listens from now on.
    ///
    /// # Errors
    ///
    /// When the port is taken.
    ///
    /// # Panics
    ///
    /// Outside a tokio runtime with I/O and time.
    pub fn start(self) -> Result<Proxy, ProxyError> {
        let address = SocketAddr::new(self.address, self.port);
        let door = Door::open_at(address).map_err(|source| ProxyError::Listen { address, source })?;
        let door = Arc::new(door);
        let table = Arc::new(Table::default());
        let faults = watch::Sender::new(Faults::none(self.seed));
        let upstream = watch::Sender::new(self.upstream);
        let surroundings = Surroundings {
            table: Arc::clone(&table),
            faults: faults.subscribe(),
            upstream: upstream.subscribe(),
        };
        let accepting = tokio::spawn(accept(Arc::clone(&door), surroundings)).abort_handle();
        Ok(Proxy { door, table, faults, upstream, runtime: Handle::current(), accepting })
    }
}

/// A running proxy. See the [module](self).
#[derive(Debug)]
pub struct Proxy {
    door: Arc<Door>,
    table: Arc<Table>,
    faults: watch::Sender<Faults>,
    upstream: watch::Sender<Upstream>,
    runtime: Handle,
    accepting: AbortHandle,
}

impl Proxy {
    /// Starts one on a free port, without faults.
    ///
    /// # Errors
    ///
    /// As [`ProxyBuilder::start`].
    ///
    /// # Panics
    ///
    /// As [`ProxyBuilder::start`].
    pub fn start(upstream: impl Into<Upstream>) -> Result<Self, ProxyError> {
        Self::builder(upstream).start()
    }

    /// For one with a given port or seed.
    pub fn builder(upstream: impl Into<Upstream>) -> ProxyBuilder {
        ProxyBuilder { upstream: upstream.into(), address: Ipv4Addr::LOCALHOST.into(), port: 0, seed: 0 }
    }

    /// Where clients connect to. It stays the same for life.
    pub fn address(&self) -> SocketAddr {
        self.door.address()
    }

    /// Where connections that are accepted from now on lead to. Open ones stay where they are.
    pub fn set_upstream(&self, upstream: impl Into<Upstream>) {
        self.upstream.send_replace(upstream.into());
    }

    /// Puts a fault in force, in the place of the one of its kind and direction.
    ///
    /// # Errors
    ///
    /// [`ProxyError::PartlyRefused`], and nothing changes.
    pub fn set(&self, rule: impl Into<Rule>) -> Result<(), ProxyError> {
        let rule = rule.into();
        let refuses = rule.fault == Fault::Refuse;
        if refuses && !rule.is_whole() {
            return Err(ProxyError::PartlyRefused);
        }
        self.change(|faults| faults.set(rule, self.table.accepted()))
    }

    /// Lifts a fault in all directions, if it is in force.
    ///
    /// # Errors
    ///
    /// [`ProxyError::Listen`] when connections were refused and the port cannot be opened again.
    pub fn lift(&self, kind: FaultKind) -> Result<(), ProxyError> {
        self.change(|faults| faults.lift(kind))
    }

    /// Lifts all faults. What they did to streams already stays done.
    ///
    /// # Errors
    ///
    /// As [`lift`](Self::lift).
    pub fn clear(&self) -> Result<(), ProxyError> {
        self.change(Faults::clear)
    }

    /// The rules in force. One for both directions is told as two.
    pub fn rules(&self) -> Vec<Rule> {
        self.faults.borrow().rules()
    }

    /// Tears down all open connections, on both sides. Returns how many.
    ///
    /// # Cancel safety
    ///
    /// They are told when it is first polled; dropped later, it only waits no more.
    pub async fn reset_all(&self) -> usize {
        self.end_all(Ending::Reset).await
    }

    /// Ends all open connections in good order, on both sides, without what is under way. Returns how many.
    ///
    /// # Cancel safety
    ///
    /// As [`reset_all`](Self::reset_all).
    pub async fn close_all(&self) -> usize {
        self.end_all(Ending::Fin).await
    }

    /// Waits until at most so many connections are open.
    ///
    /// # Cancel safety
    ///
    /// It may be dropped at any time.
    pub async fn until_open_at_most(&self, most: usize) {
        self.table.at_most(most).await;
    }

    /// What it has done so far.
    pub fn stats(&self) -> ProxyStats {
        self.table.stats()
    }

    /// The open connections, oldest first.
    pub fn connections(&self) -> Vec<ConnectionStats> {
        self.table.connections()
    }

    async fn end_all(&self, ending: Ending) -> usize {
        let told = self.table.end_all(ending);
        self.table.without(&told).await;
        told.len()
    }

    /// Changes the faults and sets the door as they want it. One after the other: the channel's lock is held.
    fn change(&self, change: impl FnOnce(&mut Faults)) -> Result<(), ProxyError> {
        let _entered = self.runtime.enter();
        let mut door = Ok(());
        self.faults.send_modify(|faults| {
            change(faults);
            if faults.refusing() {
                self.door.shut();
            } else {
                door = self.door.open();
            }
        });
        door.map_err(|source| ProxyError::Listen { address: self.address(), source })
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.door.give_up();
        // With it go the tasks of its connections.
        self.accepting.abort();
    }
}

/// Accepts for ever, and owns the tasks of the connections.
async fn accept(door: Arc<Door>, surroundings: Surroundings) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = door.accept() => match accepted {
                Ok((stream, peer)) => drop(connections.spawn(surroundings.serve(stream, peer))),
                Err(_) => sleep(ACCEPT_PAUSE).await,
            },
            Some(_) = connections.join_next() => {}
        }
    }
}

#[cfg(test)]
mod tests;
