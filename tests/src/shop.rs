//! What the example service of `pool-manager` needs: a PostgreSQL with its tables and users, and a Redis.

use sqlx::{AssertSqlSafe, Connection as _, PgConnection};

use crate::postgres::Postgres;
use crate::process::{Server, ServerError};
use crate::redis::Redis;

/// The name of the user who takes orders, and of the database.
const OWNER: &str = "shop";
/// The name of the user who reads them.
const READER: &str = "reports";
const OWNERS_PASSWORD: &str = "canary-of-the-shop";
const READERS_PASSWORD: &str = "canary-of-the-reports";

/// The servers of the example service.
#[derive(Debug)]
pub struct Shop {
    /// Has the tables.
    pub postgres: Server<Postgres>,
    /// Is empty.
    pub redis: Server<Redis>,
}

impl Shop {
    /// Starts both servers, and runs the statements of `schema` as the owner of the database.
    ///
    /// # Errors
    ///
    /// One of them is not installed, or does not start; PostgreSQL refuses a statement.
    ///
    /// # Cancel safety
    ///
    /// Nothing stays behind.
    pub async fn launch(schema: &str) -> Result<Self, ServerError> {
        let (postgres, redis) = tokio::try_join!(Postgres::new().launch(), Redis::new().launch())?;
        postgres.create_user(OWNER, OWNERS_PASSWORD).await?;
        postgres.create_user(READER, READERS_PASSWORD).await?;
        let fail = ServerError::sql("create the tables of the shop");
        let create = async {
            let mut owner = PgConnection::connect(&url(&postgres)).await?;
            sqlx::raw_sql(AssertSqlSafe(schema)).execute(&mut owner).await?;
            owner.close().await
        };
        create.await.map_err(fail)?;
        Ok(Shop { postgres, redis })
    }

    /// The variables to which the configuration of the service refers.
    pub fn variables(&self) -> Vec<(&'static str, String)> {
        let host = || self.postgres.address().ip().to_string();
        vec![
            ("PGHOST", host()),
            ("PGPORT", self.postgres.port().to_string()),
            ("PGDATABASE", OWNER.to_owned()),
            ("PGUSER", OWNER.to_owned()),
            ("PGPASSWORD", OWNERS_PASSWORD.to_owned()),
            ("REPORTS_USER", READER.to_owned()),
            ("REPORTS_PASSWORD", READERS_PASSWORD.to_owned()),
            ("REDIS_HOST", host()),
            ("REDIS_PORT", self.redis.port().to_string()),
        ]
    }

    /// A URL of the database, for its owner.
    pub fn url(&self) -> String {
        url(&self.postgres)
    }
}

fn url(postgres: &Server<Postgres>) -> String {
    postgres.url(OWNER, OWNERS_PASSWORD, OWNER)
}
