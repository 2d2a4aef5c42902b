//! The listener, which can be shut and opened again on the same port.
//!
//! Shut, a socket stays bound to the port without listening: the kernel then refuses connections, and
//! gives the port to nobody who asks for a free one.

use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use tokio::net::{TcpListener, TcpSocket, TcpStream};

/// How many connections the kernel may complete ahead of us: more than a test opens at once.
const BACKLOG: u32 = 1024;

#[derive(Debug)]
struct State {
    leaf: Leaf,
    /// Connections that were completed when the door was shut.
    completed: VecDeque<(TcpStream, SocketAddr)>,
    /// Who accepts. Kept here as well as in the listener: one that is dropped forgets it.
    waker: Option<Waker>,
}

#[derive(Debug)]
enum Leaf {
    Open(TcpListener),
    /// With the socket that holds the port, unless it could not be bound.
    Shut(Option<TcpSocket>),
}

/// See the [module](self).
#[derive(Debug)]
pub(super) struct Door {
    address: SocketAddr,
    state: Mutex<State>,
}

impl Door {
    /// Listens. Port 0 is any free one.
    pub(super) fn open_at(address: SocketAddr) -> io::Result<Self> {
        let listener = bound(address)?.listen(BACKLOG)?;
        Ok(Door {
            address: listener.local_addr()?,
            state: Mutex::new(State { leaf: Leaf::Open(listener), completed: VecDeque::new(), waker: None }),
        })
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Waits for the next connection, also while it is shut.
    pub(super) async fn accept(&self) -> io::Result<(TcpStream, SocketAddr)> {
        std::future::poll_fn(|context| self.poll_accept(context)).await
    }

    fn poll_accept(&self, context: &mut Context<'_>) -> Poll<io::Result<(TcpStream, SocketAddr)>> {
        let mut state = self.lock();
        if let Some(accepted) = state.completed.pop_front() {
            return Poll::Ready(Ok(accepted));
        }
        state.waker.get_or_insert_with(|| context.waker().clone()).clone_from(context.waker());
        match &state.leaf {
            Leaf::Open(listener) => listener.poll_accept(context),
            Leaf::Shut(_) => Poll::Pending,
        }
    }

    /// From when this returns, connections are refused; those that the kernel has completed by now are still
    /// accepted. It must be called within the runtime.
    pub(super) fn shut(&self) {
        let mut state = self.lock();
        let State { leaf, completed, .. } = &mut *state;
        if let Leaf::Open(listener) = std::mem::replace(leaf, Leaf::Shut(None)) {
            // Its client takes such a connection for open: closing the listener would reset it.
            if let Ok(listener) = listener.into_std() {
                while let Ok((stream, peer)) = listener.accept() {
                    completed.extend(adopt(stream).map(|stream| (stream, peer)));
                }
            }
            // The listener is closed by now: the port cannot be bound again while one listens on it.
            *leaf = Leaf::Shut(bound(self.address).ok());
            wake(state);
        }
    }

    /// As [`shut`](Self::shut), and the port is given up.
    pub(super) fn give_up(&self) {
        self.lock().leaf = Leaf::Shut(None);
    }

    /// From when this returns, connections are accepted again. It must be called within the runtime.
    pub(super) fn open(&self) -> io::Result<()> {
        let mut state = self.lock();
        let Leaf::Shut(held) = &mut state.leaf else { return Ok(()) };
        let socket = match held.take() {
            Some(socket) => socket,
            None => bound(self.address)?,
        };
        state.leaf = Leaf::Open(socket.listen(BACKLOG)?);
        wake(state);
        Ok(())
    }

    // A panic under the lock leaves a state as good as any.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Lets the accepting task look again.
fn wake(mut state: MutexGuard<'_, State>) {
    let waker = state.waker.take();
    drop(state);
    if let Some(waker) = waker {
        waker.wake();
    }
}

/// `None` when the connection has ended already.
fn adopt(stream: std::net::TcpStream) -> Option<TcpStream> {
    stream.set_nonblocking(true).ok()?;
    TcpStream::from_std(stream).ok()
}

/// A socket bound to an address where connections of an earlier listener may still be open.
fn bound(address: SocketAddr) -> io::Result<TcpSocket> {
    let socket = TcpSocket::new_v4()?;
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    Ok(socket)
}
