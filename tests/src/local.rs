//! Servers inside the test process: what all of them are, whatever they speak.
//!
//! [`LocalServer`] listens, counts, and can be stopped, killed, frozen and started again like a real one
//! ([`process::Server`](crate::process::Server)), but in no time and with a hand on every connection. What is spoken is a
//! [`Protocol`], which is also the settings of a server.

mod tls;
mod wire;

use std::collections::BTreeMap;
use std::future::Future;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::ready;
use std::time::Duration;

use rustls::ServerConfig;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::{Notify, oneshot, watch};
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::{sleep, sleep_until};
use tokio_rustls::TlsAcceptor;

pub use self::tls::server_config;
use self::wire::{Frost, Link, Wire};
use crate::log;

/// Pause when accepting fails, which it does while the process has no descriptors left.
const ACCEPT_PAUSE: Duration = Duration::from_millis(10);

/// How many connections the kernel completes ahead of a server.
const BACKLOG: u32 = 1024;

/// What a server speaks.
pub trait Protocol: Send + Sync + 'static {
    /// Serves one connection to its end. Dropped when the server or the connection is ended.
    fn serve(&self, connection: Connection) -> impl Future<Output = ()> + Send;
}

/// What a protocol reads and writes: TCP, or TLS over it.
pub trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

/// A connection that was accepted, after its TLS handshake.
pub struct Connection {
    /// Its number; the first of a server is 1.
    pub number: u64,
    /// Its bytes.
    pub stream: Box<dyn Stream>,
    /// For what the server wants of it.
    pub handle: Handle,
}

/// Connects what serves a connection with what its server wants of it.
#[derive(Debug, Clone)]
pub struct Handle(Arc<Link>);

impl Handle {
    /// Waits until the server wants the connection to end in good order.
    ///
    /// # Cancel safety
    ///
    /// It may be dropped at any time.
    pub async fn farewell(&self) {
        self.0.farewell.notified().await;
    }

    /// Wants the same of this connection itself.
    pub fn say_farewell(&self) {
        self.0.farewell.notify_one();
    }

    /// Drops the connection at once.
    pub fn end(&self) {
        self.0.end(false);
    }

    /// While the value lives, something is being answered: the connection is not idle.
    pub fn busy(&self) -> Busy {
        // Ordering: see `Link::idle_since`.
        self.0.busy.fetch_add(1, Ordering::Relaxed);
        Busy(Arc::clone(&self.0))
    }
}

/// See [`Handle::busy`].
#[derive(Debug)]
pub struct Busy(Arc<Link>);

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.touch();
        self.0.busy.fetch_sub(1, Ordering::Relaxed);
    }
}

#[derive(Default)]
struct Links {
    open: BTreeMap<u64, Arc<Link>>,
    accepted: u64,
}

/// What the tasks of a server share with it.
struct Shared<P> {
    protocol: P,
    tls: Option<TlsAcceptor>,
    links: Mutex<Links>,
    /// Told when a connection has gone.
    gone: Notify,
    frost: Arc<Frost>,
    idle: watch::Sender<Option<Duration>>,
}

/// Whether a server listens.
enum Run {
    /// Its accepting task, which ends when it is told whether to reset the connections.
    Listening { stop: oneshot::Sender<bool>, ended: watch::Receiver<bool>, task: AbortHandle },
    /// The socket holds the port, so that nobody is given it.
    Stopped(Option<TcpSocket>),
}

/// A server of this process on a port of 127.0.0.1. Dropping it ends everything.
///
/// All methods take `&self`, so that a test can break the server while others use it.
pub struct LocalServer<P> {
    shared: Arc<Shared<P>>,
    address: SocketAddr,
    run: Mutex<Run>,
}

impl<P: Protocol> LocalServer<P> {
    /// Listens on a free port, with TLS if there is a configuration. It must be called within a runtime.
    ///
    /// # Errors
    ///
    /// There is no port or no descriptor left.
    pub fn launch(protocol: P, tls: Option<Arc<ServerConfig>>) -> io::Result<Self> {
        log::keep();
        let socket = bound(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))?;
        let server = LocalServer {
            shared: Arc::new(Shared {
                protocol,
                tls: tls.map(TlsAcceptor::from),
                links: Mutex::default(),
                gone: Notify::new(),
                frost: Arc::default(),
                idle: watch::Sender::new(None),
            }),
            address: socket.local_addr()?,
            run: Mutex::new(Run::Stopped(Some(socket))),
        };
        server.start()?;
        Ok(server)
    }

    /// Listens again after a stop or kill, on the same port. Does nothing to a server that listens.
    ///
    /// # Errors
    ///
    /// Somebody took the port meanwhile.
    pub fn start(&self) -> io::Result<()> {
        let mut run = self.run();
        let Run::Stopped(held) = &mut *run else { return Ok(()) };
        let socket = held.take().map_or_else(|| bound(self.address), Ok)?;
        let listener = socket.listen(BACKLOG)?;
        let (stop, told) = oneshot::channel();
        let (over, ended) = watch::channel(false);
        let shared = Arc::clone(&self.shared);
        let task = tokio::spawn(async move {
            accept(listener, shared, told).await;
            over.send_replace(true);
        });
        *run = Run::Listening { stop, ended, task: task.abort_handle() };
        Ok(())
    }

    /// Listens no more and ends all connections, each with an end of the stream. Whoever connects is refused.
    ///
    /// # Cancel safety
    ///
    /// It is stopping as soon as this is first polled; dropped later, it only waits no more.
    pub async fn stop(&self) {
        self.halt(false).await;
    }

    /// As [`stop`](Self::stop), but all connections are reset, as when the machine lost its memory of them.
    ///
    /// # Cancel safety
    ///
    /// As [`stop`](Self::stop).
    pub async fn kill(&self) {
        self.halt(true).await;
    }

    /// Resets all open connections and goes on listening. Returns how many.
    ///
    /// # Cancel safety
    ///
    /// They are told when this is first polled; dropped later, it only waits no more.
    pub async fn reset_all(&self) -> usize {
        let told = self.shared.end_all(true);
        self.until(|links| !told.iter().any(|number| links.open.contains_key(number))).await;
        told.len()
    }

    /// Accepts nothing and answers nothing, until thawed. Connections stay open, and the kernel completes new ones.
    pub fn freeze(&self) {
        self.shared.frost.set(true);
    }

    /// Ends a freeze; what came meanwhile is answered.
    pub fn thaw(&self) {
        self.shared.frost.set(false);
    }

    /// Says goodbye on all open connections: those that are idle end, others when they have answered. HTTP/2 gets a
    /// GOAWAY, a WebSocket a close frame.
    pub fn go_away(&self) {
        self.links().open.values().for_each(|link| link.farewell.notify_one());
    }

    /// Says goodbye on connections where nothing has happened for so long. `None`, the default, is never.
    pub fn close_idle_after(&self, limit: Option<Duration>) {
        self.shared.idle.send_replace(limit);
    }

    /// Whether it listens, be it frozen.
    pub fn is_running(&self) -> bool {
        matches!(*self.run(), Run::Listening { .. })
    }

    /// 127.0.0.1 and its port, which stays the same.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// How many connections are open now.
    pub fn open(&self) -> usize {
        self.links().open.len()
    }

    /// How many connections were accepted since the first start.
    pub fn connections(&self) -> u64 {
        self.links().accepted
    }

    /// Waits until exactly so many connections are open.
    ///
    /// # Cancel safety
    ///
    /// It may be dropped at any time.
    pub async fn until_open(&self, number: usize) {
        self.until(|links| links.open.len() == number).await;
    }

    /// What it speaks.
    pub(crate) fn protocol(&self) -> &P {
        &self.shared.protocol
    }

    /// Whether clients must use TLS.
    pub(crate) fn has_tls(&self) -> bool {
        self.shared.tls.is_some()
    }

    async fn halt(&self, reset: bool) {
        let mut ended = {
            let mut run = self.run();
            if let Run::Stopped(_) = *run {
                return;
            }
            let Run::Listening { stop, ended, .. } = std::mem::replace(&mut *run, Run::Stopped(None)) else {
                return;
            };
            // The task may have been ended with its runtime.
            stop.send(reset).ok();
            ended
        };
        // An error is an end as well.
        ended.wait_for(|ended| *ended).await.ok();
        // The port can be held only now: the listener had it.
        if let Run::Stopped(held @ None) = &mut *self.run() {
            *held = bound(self.address).ok();
        }
    }

    async fn until(&self, reached: impl Fn(&Links) -> bool) {
        loop {
            // Before looking, or the last change could go unnoticed in between.
            let gone = self.shared.gone.notified();
            if reached(&self.links()) {
                return;
            }
            gone.await;
        }
    }

    fn links(&self) -> MutexGuard<'_, Links> {
        self.shared.links()
    }
}

impl<P> LocalServer<P> {
    fn run(&self) -> MutexGuard<'_, Run> {
        self.run.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<P> Drop for LocalServer<P> {
    fn drop(&mut self) {
        if let Run::Listening { task, .. } = &*self.run() {
            // With it go the tasks of its connections.
            task.abort();
        }
    }
}

impl<P> Shared<P> {
    fn links(&self) -> MutexGuard<'_, Links> {
        self.links.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn end_all(&self, reset: bool) -> Vec<u64> {
        let links = self.links();
        links.open.values().for_each(|link| link.end(reset));
        links.open.keys().copied().collect()
    }
}

/// A connection's place among the open ones; it leaves when this is dropped.
struct Entry<P> {
    shared: Arc<Shared<P>>,
    number: u64,
}

impl<P> Drop for Entry<P> {
    fn drop(&mut self) {
        self.shared.links().open.remove(&self.number);
        self.shared.gone.notify_waiters();
    }
}

/// Accepts until told to stop, then ends all connections and waits for their ends.
async fn accept<P: Protocol>(
    listener: TcpListener,
    shared: Arc<Shared<P>>,
    mut told: oneshot::Receiver<bool>,
) {
    let mut connections = JoinSet::new();
    let reset = loop {
        let next = std::future::poll_fn(|context| {
            ready!(shared.frost.poll_thawed(context));
            listener.poll_accept(context)
        });
        tokio::select! {
            biased;
            reset = &mut told => break reset.unwrap_or(false),
            accepted = next => match accepted {
                Ok((stream, _)) => drop(connections.spawn(connection(stream, Arc::clone(&shared)))),
                Err(_) => sleep(ACCEPT_PAUSE).await,
            },
            Some(_) = connections.join_next() => {}
        }
    };
    drop(listener);
    shared.end_all(reset);
    connections.shutdown().await;
}

/// One connection from its acceptance to its end.
fn connection<P: Protocol>(
    stream: TcpStream,
    shared: Arc<Shared<P>>,
) -> impl Future<Output = ()> + Send + 'static {
    let link = Arc::new(Link::new());
    let entry = {
        let mut links = shared.links();
        links.accepted += 1;
        let number = links.accepted;
        links.open.insert(number, Arc::clone(&link));
        Entry { shared: Arc::clone(&shared), number }
    };
    shared.gone.notify_waiters();
    // It fails on a connection that is gone already.
    stream.set_nodelay(true).ok();
    let wire = Wire { stream, link: Arc::clone(&link), frost: Arc::clone(&shared.frost) };
    async move {
        // Dropped last: who sees the connection gone finds its socket closed.
        let entry = entry;
        let served = async {
            let stream: Box<dyn Stream> = match &shared.tls {
                None => Box::new(wire),
                // A client that does not like the certificate, or has none, is not worth a word.
                Some(tls) => match tls.accept(wire).await {
                    Ok(stream) => Box::new(stream),
                    Err(_) => return,
                },
            };
            let handle = Handle(Arc::clone(&link));
            shared.protocol.serve(Connection { number: entry.number, stream, handle }).await;
        };
        tokio::select! {
            () = link.end.notified() => {}
            () = served => {}
            () = watch_idle(&link, shared.idle.subscribe()) => {}
        }
    }
}

/// Says goodbye whenever nothing has happened for too long. Never ends.
async fn watch_idle(link: &Link, mut limit: watch::Receiver<Option<Duration>>) {
    loop {
        let set = *limit.borrow_and_update();
        let look = async {
            let Some(set) = set else { return std::future::pending().await };
            match link.idle_since().map(|since| since + set) {
                // Something is being answered, and moves the time when it is done.
                None => sleep(set).await,
                Some(due) if due > tokio::time::Instant::now() => sleep_until(due).await,
                Some(_) => {
                    link.farewell.notify_one();
                    sleep(set).await;
                }
            }
        };
        tokio::select! {
            changed = limit.changed() => if changed.is_err() { return std::future::pending().await },
            () = look => {}
        }
    }
}

/// A socket bound to an address where connections of an earlier listener may still be open.
fn bound(address: SocketAddr) -> io::Result<TcpSocket> {
    let socket = TcpSocket::new_v4()?;
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    Ok(socket)
}
