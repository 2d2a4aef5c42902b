//! One connection of one pool: opened, asked, pinged, closed.

use std::error::Error;
use std::time::Duration;

use pool_config::PoolConfig;
use pool_core::Connector;
use pool_drivers::facts::{Facts, ServerFacts};
use tokio::time::{Instant, timeout, timeout_at};

use super::failure::{Explain, Failure};
use super::silence;
use crate::any::{AnyConnector, each};
use crate::blueprint::in_one_line;

/// How many pings tell how long one takes. The middle one of five is not moved by two that were unlucky.
const PINGS: usize = 5;

/// How long the goodbye may take. Whoever does not hear it sees the connection end.
const GOODBYE: Duration = Duration::from_secs(1);

/// What a connection has shown.
pub(super) struct Probed {
    /// How long it took to open.
    pub(super) connected_in: Duration,
    /// What the server tells, or why it does not.
    pub(super) facts: Result<ServerFacts, String>,
    /// How long a ping takes, or why there is no knowing.
    pub(super) round_trip: Result<Duration, String>,
}

/// Opens a connection, asks, and closes it.
pub(super) async fn probe(
    connector: AnyConnector,
    pool: &PoolConfig,
    limit: Duration,
) -> Result<Probed, Failure> {
    each!(AnyConnector, connector, connector => probe_with(connector, pool, limit).await)
}

async fn probe_with<C>(connector: &C, pool: &PoolConfig, limit: Duration) -> Result<Probed, Failure>
where
    C: Explain,
    C::Connection: Facts<Error: Error + Send + 'static>,
{
    let begun = Instant::now();
    let deadline = begun + limit;
    let mut connection = match timeout_at(deadline, connector.connect()).await {
        Ok(Ok(connection)) => connection,
        Ok(Err(error)) => return Err(connector.explain(&error, pool)),
        Err(_) => return Err(silence::explain(connector.target(), pool, limit).await),
    };
    let connected_in = begun.elapsed();
    let silent = || format!("the server did not answer within the {limit:?} that the pool has");
    let facts = match timeout_at(deadline, connection.facts()).await {
        Ok(Ok(facts)) => Ok(facts),
        Ok(Err(error)) => Err(in_one_line(&error)),
        Err(_) => Err(silent()),
    };
    let round_trip = match timeout_at(deadline, ping(connector, &mut connection)).await {
        Ok(Ok(middle)) => Ok(middle),
        Ok(Err(error)) => Err(in_one_line(&error)),
        Err(_) => Err(silent()),
    };
    // A connection that hears no goodbye is dropped, which closes it as well.
    drop(timeout(GOODBYE, connector.close(connection)).await);
    Ok(Probed { connected_in, facts, round_trip })
}

/// The middle one of a few.
async fn ping<C: Connector>(connector: &C, connection: &mut C::Connection) -> Result<Duration, C::Error> {
    let mut times = [Duration::ZERO; PINGS];
    for time in &mut times {
        let begun = Instant::now();
        connector.validate(connection).await?;
        *time = begun.elapsed();
    }
    times.sort_unstable();
    Ok(times[PINGS / 2])
}
