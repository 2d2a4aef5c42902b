//! Two servers and a proxy, and how they are broken and mended.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::Context;
use pool_loadtest::proxy::{self, Proxy};
use pool_tests::postgres::Postgres;
use pool_tests::process::Server;
use tokio::runtime::Runtime;

use super::fault::Fault;
use crate::runtime::Flavor;

/// The user, and the database.
pub(crate) const NAME: &str = "bench";
/// The password.
pub(crate) const PASSWORD: &str = "canary-of-bench";

/// More than any pool opens, so that a server is never full: that would be another experiment.
const MAX_CONNECTIONS: u32 = 400;

/// Where a run takes place. It has a runtime of its own: the proxy shall not wait for the tasks of a pool.
pub(crate) struct Stage {
    // Dropped in this order: the last one runs the others.
    proxy: Proxy,
    servers: [Server<Postgres>; 2],
    /// Which of the servers is in use. The other one runs, and waits for a fail-over.
    active: AtomicUsize,
    runtime: Runtime,
}

impl Stage {
    /// Starts everything.
    ///
    /// # Errors
    ///
    /// A server is not installed or does not start.
    pub(crate) fn open() -> anyhow::Result<Self> {
        let runtime = Flavor::Multi.start();
        let (servers, proxy) = runtime.block_on(async {
            let servers = [launch().await?, launch().await?];
            let proxy = Proxy::start(servers[0].address()).context("start the proxy")?;
            anyhow::Ok((servers, proxy))
        })?;
        Ok(Stage { proxy, servers, active: AtomicUsize::new(0), runtime })
    }

    /// What the server calls its version.
    ///
    /// # Errors
    ///
    /// It does not answer.
    pub(crate) fn version(&self) -> anyhow::Result<String> {
        self.runtime.block_on(async {
            let mut connection = self.server().connect().await?;
            let version = sqlx::query_scalar("SELECT version()").fetch_one(&mut connection).await;
            version.context("ask the server for its version")
        })
    }

    /// Where clients connect to who shall meet this fault.
    pub(crate) fn address(&self, fault: Fault) -> SocketAddr {
        if fault.is_of_the_network() { self.proxy.address() } else { self.server().address() }
    }

    /// Lets the fault begin. It is wholly in force when this returns.
    ///
    /// # Errors
    ///
    /// The server or the proxy does not do as it is told.
    pub(crate) fn strike(&self, fault: Fault) -> anyhow::Result<()> {
        self.runtime
            .block_on(async {
                match fault {
                    Fault::Stop | Fault::Restart => self.server().stop_immediately().await?,
                    Fault::Freeze => self.server().freeze().await?,
                    Fault::Refuse => {
                        self.proxy.set(proxy::Fault::Refuse)?;
                        self.proxy.close_all().await;
                    }
                    Fault::Reset => self.proxy.set(proxy::Fault::Reset)?,
                    Fault::Blackhole => self.proxy.set(proxy::Fault::Blackhole)?,
                    Fault::Silence => {
                        self.proxy.set(proxy::Fault::Silence)?;
                        self.proxy.reset_all().await;
                    }
                    Fault::Failover => {
                        // An address whose server is gone.
                        self.proxy.set(proxy::Fault::Refuse)?;
                        self.server().stop_immediately().await?;
                    }
                }
                anyhow::Ok(())
            })
            .with_context(|| format!("begin the fault {}", fault.name()))
    }

    /// Ends the fault. The database answers when this returns.
    ///
    /// # Errors
    ///
    /// As [`strike`](Self::strike).
    pub(crate) fn heal(&self, fault: Fault) -> anyhow::Result<()> {
        self.runtime
            .block_on(async {
                match fault {
                    Fault::Stop | Fault::Restart => self.server().start().await?,
                    Fault::Freeze => self.server().thaw(),
                    Fault::Refuse | Fault::Reset | Fault::Blackhole | Fault::Silence => self.proxy.clear()?,
                    Fault::Failover => {
                        // Ordering: nobody else reads it meanwhile.
                        self.active.fetch_xor(1, Ordering::Relaxed);
                        self.proxy.set_upstream(self.server().address());
                        self.proxy.clear()?;
                    }
                }
                anyhow::Ok(())
            })
            .with_context(|| format!("end the fault {}", fault.name()))
    }

    /// Makes everything ready for the next run: no fault, no connection, both servers there.
    ///
    /// # Errors
    ///
    /// As [`strike`](Self::strike).
    pub(crate) fn calm(&self) -> anyhow::Result<()> {
        self.runtime
            .block_on(async {
                self.proxy.clear()?;
                self.proxy.reset_all().await;
                for server in &self.servers {
                    server.thaw();
                    server.start().await?;
                    // The last run's writes shall not be part of the next one's recovery.
                    server.execute("CHECKPOINT").await?;
                }
                anyhow::Ok(())
            })
            .context("make the servers ready")
    }

    fn server(&self) -> &Server<Postgres> {
        &self.servers[self.active.load(Ordering::Relaxed)]
    }
}

async fn launch() -> anyhow::Result<Server<Postgres>> {
    let server =
        Postgres::new().max_connections(MAX_CONNECTIONS).launch().await.context("start PostgreSQL")?;
    server.create_user(NAME, PASSWORD).await.context("create a user")?;
    Ok(server)
}
