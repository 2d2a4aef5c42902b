//! Why there was no connection in time: which part of the way to the server is silent.
//!
//! A connect that takes too long is dropped, and what it waited for is lost with it. So the way is gone once more, step by
//! step, and only as far as TCP: the server sees a connection that ends before a login.

use std::net::SocketAddr;
use std::time::Duration;

use pool_config::{AuthenticationMethod, PoolConfig, SecretSource};
use pool_core::Target;
use tokio::net::{TcpStream, lookup_host};
use tokio::time::timeout;

use super::failure::Failure;

/// How long each of the two steps may take.
const STEP: Duration = Duration::from_millis(500);

/// Finds out which part of the way is silent.
pub(super) async fn explain(target: Option<Target>, pool: &PoolConfig, limit: Duration) -> Failure {
    let place = target.as_ref().and_then(|target| Some((target.host.as_str(), target.port?)));
    let Some((host, port)) = place.filter(|(host, _)| !host.starts_with('/') && !host.is_empty()) else {
        let text = format!("no connection within {limit:?}");
        return Failure::unreachable(text, "look at what the server is doing, or allow it more time");
    };
    let addresses: Vec<SocketAddr> = match timeout(STEP, lookup_host((host, port))).await {
        Ok(Ok(found)) => found.collect(),
        Ok(Err(_)) => return Failure::unknown_host(host),
        Err(_) => {
            let text = format!("the name server does not answer when asked for `{host}`");
            return Failure::unreachable(text, "check the name servers of this machine (/etc/resolv.conf)");
        }
    };
    let Some(address) = addresses.first().copied() else { return Failure::unknown_host(host) };
    match timeout(STEP, TcpStream::connect(address)).await {
        Ok(Ok(_)) => mute(address, pool, limit),
        Ok(Err(_)) | Err(_) => {
            let text = format!("no answer from {address} within {limit:?}");
            let cure = "check the address, that the host is up, and that no firewall is on the way";
            Failure::unreachable(text, cure)
        }
    }
}

/// What accepts connections and says nothing.
fn mute(address: SocketAddr, pool: &PoolConfig, limit: Duration) -> Failure {
    let text = format!("{address} accepts connections, but there was no login within {limit:?}");
    let mut cure = String::from(
        "see whether the server hangs, whether what listens there is a proxy without a server behind it, and whether both ends \
         agree on TLS",
    );
    let is_slow_source = matches!(pool.password, Some(SecretSource::Command(_)));
    if is_slow_source || pool.authentication.method == AuthenticationMethod::Oauth2 {
        cure.push_str("; it may also be the password that takes so long to get");
    }
    Failure::unreachable(text, cure)
}
