//! The clients under comparison.

mod over_sqlx;
mod over_tokio_postgres;

pub(crate) use over_sqlx::{Ours, Sqlx};

use over_sqlx::{Bare, OursBare, OursExecutor, SqlxDefaults, SqlxEqualised};
use over_tokio_postgres::{Bb8Postgres, DeadpoolPostgres, OursTokioPostgres, TokioPostgresBare};

use super::client::{Client, Database, Of, Subject};

/// The clients of a database, in the order of the tables.
pub(crate) fn of(database: Database) -> Vec<Box<dyn Subject>> {
    match database {
        Database::Postgres => {
            let mut clients = over_sqlx::<sqlx::Postgres>();
            clients.extend([
                Of::<TokioPostgresBare>::boxed(),
                Of::<OursTokioPostgres>::boxed(),
                Of::<DeadpoolPostgres>::boxed(),
                Of::<Bb8Postgres>::boxed(),
            ]);
            clients
        }
        Database::Mariadb => over_sqlx::<sqlx::MySql>(),
        Database::Sqlite => over_sqlx::<sqlx::Sqlite>(),
    }
}

fn over_sqlx<D: Sqlx>() -> Vec<Box<dyn Subject>> {
    vec![
        Of::<Ours<D>>::boxed(),
        Of::<OursExecutor<D>>::boxed(),
        Of::<OursBare<D>>::boxed(),
        Of::<Bare<D>>::boxed(),
        Of::<SqlxEqualised<D>>::boxed(),
        Of::<SqlxDefaults<D>>::boxed(),
    ]
}

/// Our pool, which is measured twice.
pub(crate) const OURS: &str = <Ours<sqlx::Postgres> as Client>::NAME;
/// Our pool over the other driver.
pub(crate) const OURS_TOKIO_POSTGRES: &str = OursTokioPostgres::NAME;
/// sqlx without a pool.
pub(crate) const SQLX_BARE: &str = <Bare<sqlx::Postgres> as Client>::NAME;
/// tokio-postgres without a pool.
pub(crate) const TOKIO_POSTGRES_BARE: &str = TokioPostgresBare::NAME;
/// The peers, in the order of the summary.
pub(crate) const PEERS: [&str; 4] = [
    <SqlxEqualised<sqlx::Postgres> as Client>::NAME,
    <SqlxDefaults<sqlx::Postgres> as Client>::NAME,
    DeadpoolPostgres::NAME,
    Bb8Postgres::NAME,
];
