//! The two ends of a proxied connection: TCP, and a Unix socket for the upstream.
//!
//! Both directions of a connection read and write the same sockets, so everything takes `&self`.

use std::io;
use std::net::{Shutdown, SocketAddr};
use std::path::PathBuf;

use socket2::SockRef;
use tokio::net::{TcpStream, UnixStream};

use super::fault::Ending;

/// Where a proxy forwards to.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Upstream {
    /// A TCP address.
    Tcp(SocketAddr),
    /// The path of a Unix socket.
    Unix(PathBuf),
}

impl Upstream {
    pub(super) async fn connect(&self) -> io::Result<Socket> {
        match self {
            Upstream::Tcp(address) => Socket::tcp(TcpStream::connect(address).await?),
            Upstream::Unix(path) => Ok(Socket::Unix(UnixStream::connect(path).await?)),
        }
    }
}

impl From<SocketAddr> for Upstream {
    fn from(address: SocketAddr) -> Self {
        Upstream::Tcp(address)
    }
}

impl From<PathBuf> for Upstream {
    fn from(path: PathBuf) -> Self {
        Upstream::Unix(path)
    }
}

/// One end.
#[derive(Debug)]
pub(super) enum Socket {
    Tcp(TcpStream),
    Unix(UnixStream),
}

impl Socket {
    /// Sends what it is given at once: a proxy that collects bytes would add a latency of its own.
    pub(super) fn tcp(stream: TcpStream) -> io::Result<Self> {
        stream.set_nodelay(true)?;
        Ok(Socket::Tcp(stream))
    }

    pub(super) async fn readable(&self) -> io::Result<()> {
        match self {
            Socket::Tcp(stream) => stream.readable().await,
            Socket::Unix(stream) => stream.readable().await,
        }
    }

    pub(super) async fn writable(&self) -> io::Result<()> {
        match self {
            Socket::Tcp(stream) => stream.writable().await,
            Socket::Unix(stream) => stream.writable().await,
        }
    }

    pub(super) fn try_read(&self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Socket::Tcp(stream) => stream.try_read(buffer),
            Socket::Unix(stream) => stream.try_read(buffer),
        }
    }

    pub(super) fn try_write(&self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Socket::Tcp(stream) => stream.try_write(bytes),
            Socket::Unix(stream) => stream.try_write(bytes),
        }
    }

    /// Ends the stream towards this end. One that is gone already needs no end.
    pub(super) fn finish(&self) {
        let finished = match self {
            Socket::Tcp(stream) => SockRef::from(stream).shutdown(Shutdown::Write),
            Socket::Unix(stream) => SockRef::from(stream).shutdown(Shutdown::Write),
        };
        drop(finished);
    }

    /// Closes this end. A Unix socket knows no reset; it just closes.
    pub(super) fn close(self, ending: Ending) {
        match (&self, ending) {
            // On one that is gone already it fails, and is not needed.
            (Socket::Tcp(stream), Ending::Reset) => drop(stream.set_zero_linger()),
            // Before the descriptor is closed: the kernel makes a reset of a close with bytes unread.
            _ => self.finish(),
        }
    }
}

/// How both ends of a connection are closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Closing {
    pub(super) server: Ending,
    pub(super) client: Ending,
}

impl Closing {
    pub(super) const fn both(ending: Ending) -> Self {
        Closing { server: ending, client: ending }
    }
}
