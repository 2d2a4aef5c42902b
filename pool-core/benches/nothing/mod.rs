//! What the benchmarks connect to.

use pool_core::Connector;

/// Connections that cost nothing.
pub(crate) struct Nothing;

impl Connector for Nothing {
    type Connection = u64;
    type Error = std::io::Error;

    async fn connect(&self) -> Result<u64, std::io::Error> {
        Ok(0)
    }

    async fn validate(&self, _connection: &mut u64) -> Result<(), std::io::Error> {
        Ok(())
    }
}
