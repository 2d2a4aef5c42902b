//! A connection of a local server, which can be frozen and torn down under whatever speaks over it.

use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::sync::Notify;
use tokio::time::Instant;

/// Whether a server is frozen, and who waits for it to thaw.
#[derive(Debug, Default)]
pub(super) struct Frost {
    state: Mutex<(bool, Vec<Waker>)>,
}

impl Frost {
    pub(super) fn set(&self, frozen: bool) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.0 = frozen;
        let waiting = if frozen { Vec::new() } else { std::mem::take(&mut state.1) };
        drop(state);
        waiting.into_iter().for_each(Waker::wake);
    }

    /// Ready while it is not frozen.
    pub(super) fn poll_thawed(&self, context: &Context<'_>) -> Poll<()> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if !state.0 {
            return Poll::Ready(());
        }
        if !state.1.iter().any(|waker| waker.will_wake(context.waker())) {
            state.1.push(context.waker().clone());
        }
        Poll::Pending
    }
}

/// What a server knows of one of its connections.
#[derive(Debug)]
pub(super) struct Link {
    /// When something was last read or written.
    active: Mutex<Instant>,
    /// How many questions are being answered.
    pub(super) busy: AtomicUsize,
    /// Whether its end is a reset.
    reset: AtomicBool,
    /// Tells its task to drop it.
    pub(super) end: Notify,
    /// Tells its protocol to say goodbye.
    pub(super) farewell: Notify,
}

impl Link {
    pub(super) fn new() -> Self {
        Link {
            active: Mutex::new(Instant::now()),
            busy: AtomicUsize::new(0),
            reset: AtomicBool::new(false),
            end: Notify::new(),
            farewell: Notify::new(),
        }
    }

    /// Drops the connection, with a reset if so told.
    pub(super) fn end(&self, reset: bool) {
        // Ordering: Notify synchronises.
        self.reset.fetch_or(reset, Ordering::Relaxed);
        self.end.notify_one();
    }

    /// Since when nothing happens, unless something is being answered.
    pub(super) fn idle_since(&self) -> Option<Instant> {
        // Ordering: who is about to answer has read something just before, which moves the time.
        (self.busy.load(Ordering::Relaxed) == 0).then(|| *self.active())
    }

    pub(super) fn touch(&self) {
        *self.active() = Instant::now();
    }

    fn active(&self) -> MutexGuard<'_, Instant> {
        self.active.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The TCP stream of a connection, as the protocol sees it.
#[derive(Debug)]
pub(super) struct Wire {
    pub(super) stream: TcpStream,
    pub(super) link: Arc<Link>,
    pub(super) frost: Arc<Frost>,
}

impl Wire {
    /// Lets `poll` have the stream unless it is frozen, and remembers when something happened.
    fn with<T>(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        poll: impl FnOnce(Pin<&mut TcpStream>, &mut Context<'_>) -> Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        if self.frost.poll_thawed(context).is_pending() {
            return Poll::Pending;
        }
        let polled = poll(Pin::new(&mut self.stream), context);
        if polled.is_ready() {
            self.link.touch();
        }
        polled
    }
}

impl AsyncRead for Wire {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.with(context, |stream, context| stream.poll_read(context, buffer))
    }
}

impl AsyncWrite for Wire {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.with(context, |stream, context| stream.poll_write(context, bytes))
    }

    fn poll_flush(self: Pin<&mut Self>, _context: &mut Context<'_>) -> Poll<io::Result<()>> {
        // A TCP stream has nothing to flush; asking it would look like activity.
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.with(context, |stream, context| stream.poll_shutdown(context))
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        // Ordering: see `Link::end`.
        if self.link.reset.load(Ordering::Relaxed) {
            // It fails on a connection that is gone, which needs no reset.
            self.stream.set_zero_linger().ok();
        }
    }
}
