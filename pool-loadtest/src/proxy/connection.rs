//! One proxied connection: from its acceptance to its end, in one task.

use std::net::SocketAddr;
use std::sync::Arc;

use tokio::net::TcpStream;
use tokio::sync::{oneshot, watch};

use super::fault::{Direction, Ending};
use super::faults::{Faults, Welcome};
use super::pipe::{BUFFER, Pipe};
use super::socket::{Closing, Socket, Upstream};
use super::stats::{Entry, Record, Table};

/// What a connection needs to know of its proxy.
#[derive(Debug, Clone)]
pub(super) struct Surroundings {
    pub(super) table: Arc<Table>,
    pub(super) faults: watch::Receiver<Faults>,
    pub(super) upstream: watch::Receiver<Upstream>,
}

impl Surroundings {
    /// Enters a connection that was accepted; the future serves it.
    pub(super) fn serve(
        &self,
        stream: TcpStream,
        peer: SocketAddr,
    ) -> impl Future<Output = ()> + Send + 'static {
        let (entry, told) = self.table.enter(peer);
        serve(stream, entry, told, self.clone())
    }
}

/// The entry is the first argument that is dropped last: who sees the connection gone finds its sockets closed.
async fn serve(
    stream: TcpStream,
    entry: Entry,
    mut told: oneshot::Receiver<Ending>,
    surroundings: Surroundings,
) {
    let entry = entry;
    let Surroundings { faults, upstream, .. } = surroundings;
    // Fails when the client has gone already.
    let Ok(client) = Socket::tcp(stream) else { return };
    let welcome = faults.borrow().welcome(entry.record.number);
    match welcome {
        Welcome::End(closing) => {
            entry.refused();
            client.close(closing.client);
        }
        Welcome::Silence => {
            let ending = tokio::select! {
                () = swallow(&client, &entry.record) => Ending::Fin,
                ending = &mut told => ending.unwrap_or(Ending::Fin),
            };
            client.close(ending);
        }
        Welcome::Through => {
            let upstream = upstream.borrow().clone();
            let connected = tokio::select! {
                connected = upstream.connect() => connected,
                ending = &mut told => return client.close(ending.unwrap_or(Ending::Fin)),
            };
            let Ok(server) = connected else {
                entry.unreachable();
                return client.close(Ending::Reset);
            };
            let closing = pass(&client, &server, &entry.record, faults, told).await;
            client.close(closing.client);
            server.close(closing.server);
        }
    }
}

/// Passes bytes both ways until both streams have ended, or one thing ends the connection.
async fn pass(
    client: &Socket,
    server: &Socket,
    record: &Record,
    faults: watch::Receiver<Faults>,
    told: oneshot::Receiver<Ending>,
) -> Closing {
    let to_server = Pipe::new(Direction::ToServer, client, server, record, faults.clone());
    let to_client = Pipe::new(Direction::ToClient, server, client, record, faults);
    let both = async { tokio::try_join!(to_server.run(), to_client.run()) };
    tokio::select! {
        ended = both => ended.err().unwrap_or(Closing::both(Ending::Fin)),
        ending = told => Closing::both(ending.unwrap_or(Ending::Fin)),
    }
}

/// Reads until the client ends, and answers nothing.
async fn swallow(client: &Socket, record: &Record) {
    let mut buffer = vec![0; BUFFER];
    loop {
        if client.readable().await.is_err() {
            return;
        }
        match client.try_read(&mut buffer) {
            Ok(0) => return,
            Ok(bytes) => record.swallows(Direction::ToServer, bytes),
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
            Err(_) => return,
        }
    }
}
