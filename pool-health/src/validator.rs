//! Whether a connection in somebody's hands works, and is one of the pool that it should be of.
//!
//! The pool validates connections by itself: when they are acquired (`validate_after_idle`), given back (`validate_on_return`)
//! and while they are idle (`keepalive_interval`); what came of that is in [`ConnectionHealth`](crate::ConnectionHealth). This is for those
//! who hold a connection for long, and want to know before they go on.

use std::fmt;
use std::time::{Duration, SystemTime};

use pool_core::{Chain, Connector, Pool, Pooled, Span};
use tokio::time::{Instant, timeout};

/// Validates connections that are held.
///
/// # Examples
///
/// ```
/// # use pool_core::{Pool, fake::FakeConnector};
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use pool_health::Validator;
///
/// # let pool = Pool::builder(FakeConnector::new()).build()?;
/// let connection = pool.acquire().await?;
/// let (validation, connection) = Validator::default().validate(&pool, connection).await;
/// assert!(validation.is_valid());
/// let connection = connection.expect("a valid connection is handed back");
/// # drop(connection);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Validator {
    /// How long a validation may take. Default 30 s.
    pub timeout: Duration,
}

impl Default for Validator {
    fn default() -> Self {
        Validator { timeout: Duration::from_secs(30) }
    }
}

/// What came of a validation.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Validation {
    /// What is wrong with the connection; `None` = it is valid.
    pub error: Option<ValidationError>,
    /// When it was asked, by the clock on the wall.
    pub at: SystemTime,
    /// How long the answer took.
    pub took: Duration,
}

impl Validation {
    /// Whether the connection works and is one of the pool.
    pub fn is_valid(&self) -> bool {
        self.error.is_none()
    }
}

/// What is wrong with a connection.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum ValidationError {
    /// It is one of another pool, and may lead elsewhere.
    OtherPool {
        /// The pool it is of.
        pool: String,
        /// The pool it should be of.
        expected: String,
    },
    /// The server, or the driver, says so.
    Failed(String),
    /// There was no answer for so long.
    TimedOut(Duration),
}

impl fmt::Display for ValidationError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ValidationError::OtherPool { pool, expected } => {
                write!(f, "validate a connection of pool `{expected}`: it is one of pool `{pool}`")
            }
            ValidationError::Failed(problem) => write!(f, "validate a connection: {problem}"),
            ValidationError::TimedOut(after) => {
                write!(f, "validate a connection: no answer within {}", Span(*after))
            }
        }
    }
}

impl std::error::Error for ValidationError {}

impl Validator {
    /// Asks the server whether a connection works. It is handed back if it is valid, or one of another pool; otherwise
    /// it is closed.
    ///
    /// # Panics
    ///
    /// If the connector does. The connection is closed then.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future closes the connection, which may be in the middle of an exchange.
    pub async fn validate<C: Connector>(
        &self,
        pool: &Pool<C>,
        connection: Pooled<C>,
    ) -> (Validation, Option<Pooled<C>>) {
        let (at, begun) = (SystemTime::now(), Instant::now());
        let done = |error| Validation { error, at, took: begun.elapsed() };
        if !pool.owns(&connection) {
            let (pool, expected) = (connection.pool_name().to_owned(), pool.name().to_owned());
            return (done(Some(ValidationError::OtherPool { pool, expected })), Some(connection));
        }
        let mut unproven = Unproven(Some(connection));
        let Some(connection) = &mut unproven.0 else { unreachable!("put there above") };
        let error = match timeout(self.timeout, pool.connector().validate(connection)).await {
            Ok(Ok(())) => return (done(None), unproven.0.take()),
            Ok(Err(error)) => {
                connection.report(&error);
                ValidationError::Failed(Chain(&error).to_string())
            }
            Err(_) => ValidationError::TimedOut(self.timeout),
        };
        (done(Some(error)), None)
    }
}

/// A connection that is closed when this is dropped.
struct Unproven<C: Connector>(Option<Pooled<C>>);

impl<C: Connector> Drop for Unproven<C> {
    fn drop(&mut self) {
        if let Some(connection) = self.0.take() {
            connection.discard();
        }
    }
}

#[cfg(test)]
mod tests {
    use pool_core::fake::{Act, FakeConnector};

    use super::*;

    fn pool(name: &str, connector: &FakeConnector) -> Pool<FakeConnector> {
        Pool::builder(connector.clone()).name(name).min_connections(0).build().unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn a_valid_one_is_handed_back_and_any_other_is_closed() {
        let connector = FakeConnector::new();
        let pool = pool("orders", &connector);
        let validator = Validator { timeout: Duration::from_secs(2) };
        let (validation, connection) = validator.validate(&pool, pool.acquire().await.unwrap()).await;
        assert!(validation.is_valid());
        connector.validations().next(Act::Fail("it is gone"));
        let (validation, connection) = validator.validate(&pool, connection.unwrap()).await;
        assert!(connection.is_none());
        assert_eq!(validation.error, Some(ValidationError::Failed("it is gone".to_owned())));
        connector.validations().next(Act::Hang);
        let (validation, connection) = validator.validate(&pool, pool.acquire().await.unwrap()).await;
        assert_eq!((validation.took, connection.is_none()), (validator.timeout, true));
        insta::assert_snapshot!(validation.error.unwrap(), @"validate a connection: no answer within 2s");
        tokio::time::sleep(Duration::from_millis(1)).await;
        assert_eq!((pool.stats().total, connector.open_now()), (0, 0));
    }

    #[tokio::test(start_paused = true)]
    async fn one_of_another_pool_is_refused_and_stays_what_it_is() {
        let connector = FakeConnector::new();
        let (orders, stock) = (pool("orders", &connector), pool("stock", &connector));
        let connection = stock.acquire().await.unwrap();
        let (validation, connection) = Validator::default().validate(&orders, connection).await;
        insta::assert_snapshot!(validation.error.unwrap(), @"validate a connection of pool `orders`: it is one of pool `stock`");
        assert_eq!(connector.validations().calls(), 0);
        drop(connection.unwrap());
        assert_eq!(stock.stats().idle, 1);
    }

    #[tokio::test(start_paused = true)]
    async fn a_dropped_validation_closes_the_connection() {
        let connector = FakeConnector::new();
        let pool = pool("orders", &connector);
        connector.validations().always(Act::Hang);
        let connection = pool.acquire().await.unwrap();
        let validator = Validator::default();
        let given_up = timeout(Duration::from_secs(1), validator.validate(&pool, connection)).await;
        assert!(given_up.is_err());
        tokio::time::sleep(Duration::from_millis(1)).await;
        assert_eq!(pool.stats().total, 0);
    }
}
