//! What SQLite tells.

use sqlx::{Executor as _, Row as _};

use super::{Facts, ServerFacts};
use crate::sqlite::SqliteConnection;

impl Facts for SqliteConnection {
    type Error = sqlx::Error;

    async fn facts(&mut self) -> Result<ServerFacts, sqlx::Error> {
        let row = self.fetch_one("SELECT sqlite_version()").await?;
        Ok(ServerFacts { product: Some("SQLite"), version: Some(row.try_get(0)?), ..ServerFacts::default() })
    }
}
