//! The mode `sql`: pools of database drivers over real databases, by their throughput.
//!
//! Reading order: `question` (what an operation is), `place` (the databases), `client` (what is measured), `clients`
//! (who), `sample`, `rounds`, `report`, `markdown`.
//!
//! # What to know before reading the tables
//!
//! - Client and server share the machine. With all processors busy, a figure is the price of an operation to both of
//!   them together; the client's own part is in a column of its own.
//! - A driver without a pool is driven by as many tasks as there are connections, however many a pool has to serve:
//!   it shows what server and driver can do.
//! - sqlx reads its socket in the task that asks, and tokio-postgres in a task of the connection. So pools are compared
//!   within a driver as well: `ours-tokio-postgres` is our pool over the driver of deadpool-postgres and bb8-postgres.

mod arguments;
mod client;
mod clients;
mod markdown;
mod place;
mod question;
mod report;
mod rounds;
mod run;
mod sample;

pub(crate) use arguments::SqlArguments;
pub(crate) use run::run;
