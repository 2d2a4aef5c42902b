//! Backends with a server at the other end of a wire: the wire is a proxy that can be broken.

use std::future::Future;
use std::net::SocketAddr;
use std::time::Duration;

use pool_core::Connector;
use pool_drivers::Replaceable;
use pool_loadtest::proxy::{Fault, Proxy};
use pool_tests::local::{LocalServer, Protocol};
use pool_tests::process::{Kind, Server};

use super::backend::{Backend, Hindrance, Mess, Outcome};

/// A server of the harness, whatever it speaks.
pub(crate) trait Host: Send + Sync + 'static {
    fn at(&self) -> SocketAddr;
    async fn halt(&self);
    async fn resume(&self);
    async fn ice(&self);
    fn melt(&self);
}

impl<K: Kind> Host for Server<K> {
    fn at(&self) -> SocketAddr {
        self.address()
    }

    async fn halt(&self) {
        self.stop().await.unwrap();
    }

    async fn resume(&self) {
        self.start().await.unwrap();
    }

    async fn ice(&self) {
        self.freeze().await.unwrap();
    }

    fn melt(&self) {
        self.thaw();
    }
}

impl<P: Protocol> Host for LocalServer<P> {
    fn at(&self) -> SocketAddr {
        self.address()
    }

    async fn halt(&self) {
        self.stop().await;
    }

    async fn resume(&self) {
        self.start().unwrap();
    }

    async fn ice(&self) {
        self.freeze();
    }

    fn melt(&self) {
        self.thaw();
    }
}

/// What one kind of server adds. The methods without a comment are those of [`Backend`].
pub(crate) trait Service: Host + Sized {
    type Connector: Replaceable;

    const FLUSHES_OF_A_KILL: u64 = 0;

    /// Whether the kernel asks by itself whether the peer of an idle connection is still there.
    const HAS_TCP_KEEPALIVE: bool = true;

    /// Starts one that ends sessions which are idle for so long.
    async fn launch(idle_cut: Option<Duration>) -> Self;

    /// A connector that goes by way of this address.
    fn connector_by_way_of(&self, address: SocketAddr) -> Self::Connector;

    fn ask(connection: &mut Connection<Self>, question: &str)
    -> impl Future<Output = Outcome<String>> + Send;

    async fn leave(connection: &mut Connection<Self>, mess: Mess);

    async fn is_clean(connection: &mut Connection<Self>) -> bool;

    async fn sessions(&self) -> usize;

    async fn kill_sessions(&self);
}

/// A connection to a service.
pub(crate) type Connection<S> = <<S as Service>::Connector as Connector>::Connection;

/// A service, and the only way to it.
pub(crate) struct Wired<S> {
    pub(crate) server: S,
    pub(crate) proxy: Proxy,
}

impl<S: Service> Wired<S> {
    /// With a server that ends sessions which are idle for so long.
    pub(crate) async fn cutting_idle_sessions_after(limit: Duration) -> Self {
        Self::to(S::launch(Some(limit)).await)
    }

    fn to(server: S) -> Self {
        let proxy = Proxy::start(server.at()).unwrap();
        Wired { server, proxy }
    }
}

impl<S: Service> Backend for Wired<S> {
    type Connector = S::Connector;

    const FLUSHES_OF_A_KILL: u64 = S::FLUSHES_OF_A_KILL;

    async fn start() -> Self {
        Self::to(S::launch(None).await)
    }

    fn connector(&self) -> S::Connector {
        self.server.connector_by_way_of(self.proxy.address())
    }

    async fn ask(connection: &mut Connection<S>, question: &str) -> Outcome<String> {
        S::ask(connection, question).await
    }

    async fn leave(connection: &mut Connection<S>, mess: Mess) {
        S::leave(connection, mess).await;
    }

    async fn is_clean(connection: &mut Connection<S>) -> bool {
        S::is_clean(connection).await
    }

    async fn sessions(&self) -> usize {
        self.server.sessions().await
    }

    async fn kill_sessions(&self) {
        self.server.kill_sessions().await;
    }

    async fn stop(&self) {
        self.server.halt().await;
    }

    async fn start_again(&self) {
        self.server.resume().await;
    }

    async fn freeze(&self) {
        self.server.ice().await;
    }

    async fn thaw(&self) {
        self.server.melt();
    }

    async fn hinder(&self, hindrance: Hindrance) {
        let fault = match hindrance {
            Hindrance::Blackhole => Fault::Blackhole,
            Hindrance::Latency(delay) => Fault::latency(delay),
            Hindrance::Refuse => Fault::Refuse,
        };
        self.proxy.set(fault).unwrap();
    }

    async fn mend(&self) {
        self.proxy.clear().unwrap();
    }

    async fn reset(&self) {
        self.proxy.reset_all().await;
    }

    async fn shut(&self) {
        self.hinder(Hindrance::Refuse).await;
        self.reset().await;
    }
}
