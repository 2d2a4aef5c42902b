//! A real server as a child process that a test can stop, kill, freeze and start again.
//!
//! [`Server`] is the same for all of them; what differs is in a [`Kind`], which is also the server's settings.
//! Every server has a port and a folder of its own ([`Place`]) and keeps both until it is dropped.
//!
//! Invariant: no process outlives its [`Server`], and nothing outlives the test process, however that ends
//! (`janitor.rs`).

mod error;
mod janitor;
mod place;
mod ports;
mod run;
mod tree;

use std::fmt;
use std::future::Future;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use rustix::process::Signal;
use tokio::time::{Instant, sleep, timeout};

pub use self::error::ServerError;
pub(crate) use self::janitor::base;
pub use self::place::Place;
pub(crate) use self::place::encode;
use self::run::Run;
use crate::log;

/// How long a server may take to answer, and to stop. Each takes well under a second on an idle machine.
const DEADLINE: Duration = Duration::from_secs(30);
/// Between two looks at whether it answers.
const LOOK: Duration = Duration::from_millis(10);
/// How often another port is tried because somebody was faster.
const PORTS: u32 = 5;

/// What is particular to one kind of server; a value of it is also the settings of one server.
pub trait Kind: Send + Sync + Sized + 'static {
    /// The program, which names the server in errors as well.
    const PROGRAM: &'static str;
    /// As whom it runs when the tests run as root; `None`: as root.
    const USER: Option<&'static str>;
    /// What makes it end by itself, orderly and without waiting for its clients.
    const STOP: Signal;

    /// Lays out the data. Called once.
    fn create(&self, place: &Place) -> impl Future<Output = Result<(), ServerError>> + Send;

    /// Writes the configuration and returns the arguments of the program. Called before each start; the port may be
    /// another one until the first start has succeeded.
    fn configure(&self, place: &Place) -> Result<Vec<String>, ServerError>;

    /// Asks the server something that it answers only when it is ready. Called until it succeeds; may be dropped.
    fn answers(&self, place: &Place) -> impl Future<Output = Result<(), String>> + Send;
}

/// A running, stopped or frozen server. Dropping it kills the server and removes its data.
///
/// All methods take `&self`, so that a test can break the server while others use it.
pub struct Server<K: Kind> {
    // Dropped in this order: the process first, then the folder it works in.
    run: Mutex<Option<Run>>,
    /// One start, stop or kill at a time.
    turn: tokio::sync::Mutex<()>,
    place: Place,
    kind: K,
}

impl<K: Kind> Server<K> {
    /// Creates the server's data, starts it and waits until it answers.
    pub(crate) async fn launch(kind: K) -> Result<Self, ServerError> {
        Self::launch_on(kind, std::iter::from_fn(|| Some(ports::free()))).await
    }

    /// As `launch`; takes the ports from `candidates` until one is free.
    async fn launch_on(
        kind: K,
        mut candidates: impl Iterator<Item = Result<u16, ServerError>>,
    ) -> Result<Self, ServerError> {
        log::keep();
        let place = Place::new(K::PROGRAM, K::USER)?;
        kind.create(&place).await?;
        let mut server = Server { run: Mutex::new(None), turn: tokio::sync::Mutex::new(()), place, kind };
        let mut left = PORTS;
        loop {
            server.place.port = candidates.next().unwrap_or_else(ports::free)?;
            server.place.second_port = ports::free()?;
            left -= 1;
            match server.start().await {
                Err(error) if error.is_port_taken() && left > 0 => server.place.clear_log()?,
                started => return started.map(|()| server),
            }
        }
    }

    /// Starts the server on its port with its data and waits until it answers. Does nothing to a server that runs.
    ///
    /// # Errors
    ///
    /// It ended, or did not answer within 30 s; the error shows the end of its log.
    ///
    /// # Cancel safety
    ///
    /// The server may be running, and may not answer yet.
    pub async fn start(&self) -> Result<(), ServerError> {
        let _turn = self.turn.lock().await;
        if self.run(Run::is_over) == Some(false) {
            return Ok(());
        }
        let arguments = self.kind.configure(&self.place)?;
        let run = Run::spawn(K::PROGRAM, self.place.server_command(K::PROGRAM, &arguments)?)?;
        let mut ended = run.ended();
        *self.lock() = Some(run);
        let mut last = String::from("it was not asked yet");
        let ready = async {
            loop {
                match self.kind.answers(&self.place).await {
                    Ok(()) => return,
                    Err(why) => last = why,
                }
                sleep(LOOK).await;
            }
        };
        let problem = tokio::select! {
            () = ready => return Ok(()),
            status = ended.wait_for(Option::is_some) => match status.ok().and_then(|status| *status) {
                Some(status) => format!("it ended with {status}"),
                None => "it ended".to_owned(),
            },
            () = sleep(DEADLINE) => format!("it did not answer within {DEADLINE:?}: {last}"),
        };
        self.kill_run().await?;
        let log = self.place.log_end();
        Err(ServerError::Start { program: K::PROGRAM, port: self.place.port, problem, log })
    }

    /// Has the server end by itself, in its own orderly way, and waits until it has. A frozen one is thawed first.
    ///
    /// # Errors
    ///
    /// It did not end within 30 s. Then it has been killed.
    ///
    /// # Cancel safety
    ///
    /// The server may still be stopping.
    pub async fn stop(&self) -> Result<(), ServerError> {
        self.stop_by(K::STOP).await
    }

    /// As [`stop`](Self::stop), by another signal.
    pub(crate) async fn stop_by(&self, signal: Signal) -> Result<(), ServerError> {
        let _turn = self.turn.lock().await;
        let Some(mut ended) = self.run(|run| run.ended()) else { return Ok(()) };
        self.run(Run::thaw);
        self.run(|run| run.signal_leader(signal));
        if timeout(DEADLINE, ended.wait_for(Option::is_some)).await.is_err() {
            self.kill_run().await?;
            return Err(ServerError::Stop { program: K::PROGRAM, log: self.place.log_end() });
        }
        self.lock().take();
        Ok(())
    }

    /// Kills the server and all its children (SIGKILL), and waits until they are gone.
    ///
    /// # Errors
    ///
    /// One of them is still there after 30 s.
    ///
    /// # Cancel safety
    ///
    /// The processes have been killed, and may not be gone yet.
    pub async fn kill(&self) -> Result<(), ServerError> {
        let _turn = self.turn.lock().await;
        self.kill_run().await
    }

    /// Stops the server and starts it again.
    ///
    /// # Errors
    ///
    /// Those of [`stop`](Self::stop) and [`start`](Self::start).
    ///
    /// # Cancel safety
    ///
    /// The server may be stopped, or not answer yet.
    pub async fn restart(&self) -> Result<(), ServerError> {
        self.stop().await?;
        self.start().await
    }

    /// Freezes the server and all its children (SIGSTOP): connections stay open, and nobody answers. The kernel still
    /// accepts new ones for it.
    ///
    /// # Errors
    ///
    /// It does not run, or one of its processes could not be stopped within 30 s.
    ///
    /// # Cancel safety
    ///
    /// Some of the processes may be frozen; [`thaw`](Self::thaw) mends that.
    pub async fn freeze(&self) -> Result<(), ServerError> {
        let _turn = self.turn.lock().await;
        let deadline = Instant::now() + DEADLINE;
        loop {
            match self.run(Run::freeze) {
                Some(true) => return Ok(()),
                Some(false) if Instant::now() < deadline => sleep(LOOK / 10).await,
                _ => return Err(ServerError::Freeze { program: K::PROGRAM }),
            }
        }
    }

    /// Lets a frozen server go on. Does nothing to one that is not frozen.
    pub fn thaw(&self) {
        self.run(Run::thaw);
    }

    /// Whether the process is there, be it frozen.
    pub fn is_running(&self) -> bool {
        self.run(Run::is_over) == Some(false)
    }

    /// The process ids of the server and all its children, its own first; empty when it does not run.
    pub fn processes(&self) -> Vec<i32> {
        self.run(Run::processes).unwrap_or_default()
    }

    /// Its port on 127.0.0.1, from the first start on always the same.
    pub fn port(&self) -> u16 {
        self.place.port
    }

    /// 127.0.0.1 and its port.
    pub fn address(&self) -> SocketAddr {
        SocketAddr::from((Ipv4Addr::LOCALHOST, self.place.port))
    }

    /// Its folder, with its data, its log and its Unix sockets.
    pub fn folder(&self) -> &Path {
        self.place.folder()
    }

    /// The last lines of what it has written to its log.
    pub fn log(&self) -> String {
        self.place.log_end()
    }

    pub(crate) fn place(&self) -> &Place {
        &self.place
    }

    pub(crate) fn kind(&self) -> &K {
        &self.kind
    }

    async fn kill_run(&self) -> Result<(), ServerError> {
        let Some(mut ended) = self.run(|run| run.ended()) else { return Ok(()) };
        let killed = self.run(Run::kill).unwrap_or_default();
        let deadline = Instant::now() + DEADLINE;
        let over = timeout(DEADLINE, ended.wait_for(Option::is_some)).await.is_ok();
        while killed.iter().any(tree::Member::is_running) && Instant::now() < deadline {
            sleep(LOOK / 10).await;
        }
        if !over || killed.iter().any(tree::Member::is_running) {
            return Err(ServerError::Kill { program: K::PROGRAM });
        }
        self.lock().take();
        Ok(())
    }

    /// What `look` says of the process, if there is one.
    fn run<T>(&self, look: impl FnOnce(&Run) -> T) -> Option<T> {
        self.lock().as_ref().map(look)
    }

    // Lock: held for a few system calls, never across an await. A panic under it leaves nothing half done.
    fn lock(&self) -> std::sync::MutexGuard<'_, Option<Run>> {
        self.run.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<K: Kind> fmt::Debug for Server<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server")
            .field("program", &K::PROGRAM)
            .field("port", &self.place.port)
            .field("folder", &self.place.folder())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
